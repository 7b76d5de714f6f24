//! Characters that look like those of YAML and of the scenario language but are different: Unicode spaces, curly quotes,
//! full-width characters. They come from web pages, chats and word processors. The errors that they cause are reported by
//! the YAML parser or the language check, which do not name the character; this module does.

use super::diagnostics::{Diagnostics, Place};

/// At most this many characters are reported.
const MAX_REPORTED: usize = 20;

/// Reports lookalike characters in a source that has problems: spaces and invisible characters on every line, visible ones
/// only on lines that have problems, since a text may contain them on purpose. Comments are ignored.
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
            let Some(Lookalike { name, instead, is_visible }) = lookalike(c) else { continue };
            // A byte order mark at the beginning is not a mistake.
            let is_byte_order_mark = c == '\u{feff}' && (line, column) == (1, 1);
            if !is_byte_order_mark && (!is_visible || lines.contains(&line)) {
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
    /// `true` if the character is visible: a text may contain it on purpose.
    is_visible: bool,
}

fn lookalike(c: char) -> Option<Lookalike> {
    let of = |name: &str, instead: &str, is_visible| {
        Some(Lookalike { name: name.to_owned(), instead: instead.to_owned(), is_visible })
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
