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
        let code = without_comment(text);
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

/// Returns a line without its comment, which begins with a `#` at the start or after a blank, outside quotes. A quote opens only
/// where a scalar may begin, so that an apostrophe in a word is not taken for one. A text in quotes or a block that spans lines is
/// not recognised: a `#` in it may end the line too early.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            // A doubled `'` in single quotes closes them and opens them again, which makes no difference here.
            Some(open) if c == open && (open == '\'' || before != '\\') => quote = None,
            Some('"') if c == '\\' && before == '\\' => {
                before = ' ';
                continue;
            }
            Some(_) => {}
            None if c == '#' && before.is_ascii_whitespace() => return &line[..at],
            None if matches!(c, '"' | '\'') && (before.is_ascii_whitespace() || "[{,:'".contains(before)) => {
                quote = Some(c);
            }
            None => {}
        }
        before = c;
    }
    line
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
        '\u{a0}' => of("a no-break space", "replace it with a space", false),
        '\u{3000}' => of("an ideographic space", "replace it with a space", false),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => {
            of("a Unicode space other than U+0020", "replace it with a space", false)
        }
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => of("a zero-width character", "remove it", false),
        '“' | '”' | '„' | '‟' | '«' | '»' => {
            of("a typographic quotation mark", "replace it with `\"`", true)
        }
        '‘' | '’' | '‚' | '‛' => of("a typographic quotation mark", "replace it with `'`", true),
        '–' | '—' | '−' | '‐' | '‑' => {
            of("a dash or hyphen other than U+002D", "replace it with `-`", true)
        }
        '、' | '，' => of("a comma of another script", "replace it with `,`", true),
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = char::from_u32(u32::from(c) - 0xff01 + u32::from('!'))?;
            of(&format!("a full-width `{plain}`"), &format!("replace it with `{plain}`"), true)
        }
        _ => None,
    }
}
