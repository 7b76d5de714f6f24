//! A text that matches a regular expression.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Maximum number of bytes of a text.
const MAX_BYTES: usize = 20_000;
/// Maximum number of further repetitions that are tried to reach a length.
const MAX_MORE: u32 = 10_000;

/// Returns a text that matches `pattern` and has at least `min_chars` characters, if repetition makes it long enough. `None` if the pattern is not
/// understood. Two `variant`s differ if the pattern has a choice that is tried.
///
/// Classes are those of ASCII, as in ECMA-262 without the flag `u`; an assertion, such as `^`, is taken to hold.
pub(super) fn example_of_pattern(pattern: &str, min_chars: usize, variant: usize) -> Option<String> {
    let parse = |unicode: bool| {
        ParserBuilder::new().unicode(unicode).utf8(false).nest_limit(100).build().parse(pattern).ok()
    };
    // Only a class of other characters needs Unicode.
    let hir = parse(false).or_else(|| parse(true))?;
    let render = |more: u32| {
        let mut bytes = Vec::new();
        append(&hir, more, variant, &mut bytes);
        String::from_utf8(bytes).ok()
    };
    let text = render(0)?;
    let missing = min_chars.saturating_sub(text.chars().count());
    if missing == 0 {
        return Some(text);
    }
    // One repetition more may add several characters, or several repetitions one each.
    let longer = (1..=u32::try_from(missing).unwrap_or(MAX_MORE).min(MAX_MORE)).map_while(render);
    Some(longer.into_iter().find(|text| text.chars().count() >= min_chars).unwrap_or(text))
}

/// Appends a text that matches an expression. Each repetition is made `more` times more often than it must be, if it may.
fn append(hir: &Hir, more: u32, variant: usize, out: &mut Vec<u8>) {
    if out.len() > MAX_BYTES {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => append_one_of(class, variant, out),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.saturating_add(more).min(most) {
                append(&repetition.sub, more, variant, out);
            }
        }
        HirKind::Capture(capture) => append(&capture.sub, more, variant, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| append(part, more, variant, out)),
        HirKind::Alternation(parts) => append(&parts[variant % parts.len()], more, variant, out),
    }
}

/// Appends a character of a class: a letter or a digit if it has any.
fn append_one_of(class: &Class, variant: usize, out: &mut Vec<u8>) {
    let contains = |byte: u8| match class {
        Class::Bytes(bytes) => bytes.iter().any(|range| (range.start()..=range.end()).contains(&byte)),
        Class::Unicode(chars) => {
            chars.iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)))
        }
    };
    let preferred =
        (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(b' '..=b'~').chain([b'\n', b'\t', 0]);
    let found: Vec<u8> = preferred.filter(|byte| contains(*byte)).collect();
    match (found.get(variant % found.len().max(1)), class) {
        (Some(byte), _) => out.push(*byte),
        (None, Class::Unicode(chars)) => {
            let first = chars.iter().next().map(|range| range.start().to_string());
            out.extend_from_slice(first.unwrap_or_default().as_bytes());
        }
        (None, Class::Bytes(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::RegexBuilder;

    #[test]
    fn the_text_matches_the_pattern() {
        for pattern in [
            "",
            "abc",
            "^[A-Z]{3}-[0-9]{4}$",
            r"^\d{5}(-\d{4})?$",
            "^(red|green|blue)$",
            "^[^a-z]+$",
            r"^\w+@\w+\.com$",
            "a*b+c?",
            "^.{8}$",
            r"^\+[1-9]\d{1,14}$",
            "[é]x",
            "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}$",
            "(ab|cd){2,3}",
            r"\bfoo\b",
            "^[^ -~]$",
        ] {
            for (least, variant) in [(0, 0), (0, 1), (3, 2), (20, 0)] {
                let text = example_of_pattern(pattern, least, variant).unwrap_or_else(|| panic!("{pattern}"));
                let build = |unicode: bool| RegexBuilder::new(pattern).unicode(unicode).build();
                let regex = build(false).or_else(|_| build(true)).unwrap();
                assert!(regex.is_match(text.as_bytes()), "{pattern} {text:?}");
            }
        }
        assert_eq!(example_of_pattern("^[a-z]{2,12}$", 9, 0).map(|text| text.len()), Some(9));
        assert_eq!(example_of_pattern("^(?=lookahead)$", 0, 0), None, "not understood");
        assert!(
            example_of_pattern("(a{1000}){1000}", 0, 0).is_none_or(|text| text.len() <= MAX_BYTES + 1_000)
        );
    }
}
