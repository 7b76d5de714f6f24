//! Characters that look like those of YAML and of the scenario language and are others: blanks that are none, curly quotes,
//! full-width signs. They come from web pages, chats and word processors, and what they break is reported elsewhere and in
//! other words.

use super::diagnostics::{Diagnostics, Place};

/// At most this many characters are reported.
const MAX_REPORTED: usize = 20;

/// Reports the characters of a source that has problems: blanks and invisible characters wherever they are, signs in the lines
/// that have problems, since they may be meant in a text. Comments are ignored.
pub(super) fn report(diagnostics: &Diagnostics, source: usize, text: &str) {
    let lines = diagnostics.lines_with_problems(source);
    if lines.is_empty() {
        return;
    }
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let code = text.split_once(" #").map_or(text, |(code, _)| code);
        if code.starts_with('#') {
            continue;
        }
        for (column, c) in (1..).zip(code.chars()) {
            let Some(Lookalike { name, instead, is_sign }) = lookalike(c) else { continue };
            // A byte order mark at the beginning is no mistake.
            let is_mark = c == '\u{feff}' && (line, column) == (1, 1);
            if !is_mark && (!is_sign || lines.contains(&line)) {
                found.push((Place { source, line, column, width: 1 }, c, name, instead));
            }
        }
    }
    for (place, c, name, instead) in found.into_iter().take(MAX_REPORTED) {
        diagnostics.report(place, "", format!("this is U+{:04X}, {name}", u32::from(c)), instead);
    }
}

/// A character that looks like another one.
struct Lookalike {
    name: String,
    /// What to do instead.
    instead: String,
    /// `true` for a visible sign, which a text may contain on purpose.
    is_sign: bool,
}

fn lookalike(c: char) -> Option<Lookalike> {
    let of = |name: &str, instead: &str, is_sign| {
        Some(Lookalike { name: name.to_owned(), instead: instead.to_owned(), is_sign })
    };
    match c {
        '\u{a0}' => of("a no-break space", "replace it by a blank", false),
        '\u{3000}' => of("an ideographic space", "replace it by a blank", false),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => {
            of("a space that is no blank", "replace it by a blank", false)
        }
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {
            of("a character without a width", "remove it", false)
        }
        '“' | '”' | '„' | '‟' | '«' | '»' => {
            of("a typographic quotation mark", "replace it by `\"`", true)
        }
        '‘' | '’' | '‚' | '‛' => of("a typographic quotation mark", "replace it by `'`", true),
        '–' | '—' | '−' | '‐' | '‑' => of("a dash that is no hyphen", "replace it by `-`", true),
        '、' | '，' => of("a comma of another script", "replace it by `,`", true),
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = char::from_u32(u32::from(c) - 0xff01 + u32::from('!'))?;
            of(&format!("a full-width `{plain}`"), &format!("replace it by `{plain}`"), true)
        }
        _ => None,
    }
}
