//! A text that matches a regular expression.

use super::work_budget::WorkBudget;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// The size of a text in bytes beyond which nothing is appended.
const MAX_BYTES: usize = 20_000;
/// Maximum number of bytes of a pattern. A class of Unicode's characters takes three bytes in a pattern, and 5 KB when it is
/// parsed.
const MAX_PATTERN_BYTES: usize = 10_000;
/// Maximum number of repetitions beyond the required ones that are tried to reach a length.
const MAX_MORE: u32 = 10_000;

/// Returns a text that matches `pattern` and has at least `min_chars` characters, if repetition makes it long enough. Returns
/// `None` if the pattern is not supported or too long, or if the text needs more steps than the budget has left. `variant`
/// selects characters of classes and alternatives, so that texts of different variants can differ. A text that is cut after
/// [`MAX_BYTES`] may not match.
///
/// Classes are those of ASCII, as in ECMA-262 without the flag `u`, unless the pattern needs those of Unicode; an assertion,
/// such as `^`, is taken to hold.
pub(super) fn example_of_pattern(
    pattern: &str,
    min_chars: usize,
    variant: usize,
    budget: &WorkBudget,
) -> Option<String> {
    if pattern.len() > MAX_PATTERN_BYTES || !budget.charge(pattern.len()) {
        return None;
    }
    let parse = |unicode: bool| {
        ParserBuilder::new().unicode(unicode).utf8(false).nest_limit(100).build().parse(pattern).ok()
    };
    // Without Unicode, a class of other than ASCII characters is an error, and an escape such as `\xE9` is a byte that is not UTF-8.
    let is_text = |hir: &Hir| hir.properties().is_utf8();
    let hir = parse(false).filter(is_text).or_else(|| parse(true))?;
    let render = |more: u32| {
        let mut bytes = Vec::new();
        append(&hir, more, variant, budget, &mut bytes);
        String::from_utf8(bytes).ok().filter(|_| !budget.is_exhausted())
    };
    let is_long = |text: &String| text.chars().count() >= min_chars;
    let more = repetitions(|more| length(&hir, more, variant) >= min_chars, min_chars);
    more.filter(|more| *more > 0).and_then(render).filter(is_long).or_else(|| render(0))
}

/// Returns the smallest number of additional repetitions, at most `max` and [`MAX_MORE`], for which `suffices` returns `true`;
/// `None` if there is none. If a number suffices, every larger one must.
fn repetitions(suffices: impl Fn(u32) -> bool, max: usize) -> Option<u32> {
    let (mut low, mut high) = (0, u32::try_from(max).unwrap_or(MAX_MORE).min(MAX_MORE));
    if !suffices(high) {
        return None;
    }
    while low < high {
        let middle = u32::midpoint(low, high);
        if suffices(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// Returns the number of repetitions: the minimum plus `more`, but not above the maximum.
fn count(repetition: &Repetition, more: u32) -> u32 {
    repetition.min.saturating_add(more).min(repetition.max.unwrap_or(u32::MAX))
}

/// Returns the number of characters of the text that [`append`] appends, without its bound.
fn length(hir: &Hir, more: u32, variant: usize) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).chars().count(),
        HirKind::Class(class) => usize::from(one_of(class, variant).is_some()),
        HirKind::Repetition(repetition) => {
            let count = usize::try_from(count(repetition, more)).unwrap_or(usize::MAX);
            length(&repetition.sub, more, variant).saturating_mul(count)
        }
        HirKind::Capture(capture) => length(&capture.sub, more, variant),
        HirKind::Concat(parts) => {
            parts.iter().map(|part| length(part, more, variant)).fold(0, usize::saturating_add)
        }
        HirKind::Alternation(parts) => length(&parts[variant % parts.len()], more, variant),
    }
}

/// Appends a text that matches an expression. `more` is the number of additional repetitions, as for [`count`].
fn append(hir: &Hir, more: u32, variant: usize, budget: &WorkBudget, out: &mut Vec<u8>) {
    if out.len() > MAX_BYTES || !budget.charge(1) {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => {
            let one = one_of(class, variant).map(String::from);
            out.extend_from_slice(one.unwrap_or_default().as_bytes());
        }
        HirKind::Repetition(repetition) => {
            for _ in 0..count(repetition, more) {
                if out.len() > MAX_BYTES || budget.is_exhausted() {
                    break;
                }
                append(&repetition.sub, more, variant, budget, out);
            }
        }
        HirKind::Capture(capture) => append(&capture.sub, more, variant, budget, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| append(part, more, variant, budget, out)),
        HirKind::Alternation(parts) => append(&parts[variant % parts.len()], more, variant, budget, out),
    }
}

/// Returns the character of a class that `variant` selects, in an order that begins with letters and digits; `None` if the
/// class has none that is valid UTF-8.
fn one_of(class: &Class, variant: usize) -> Option<char> {
    // The ranges of a class are in order.
    let contains = |byte: u8| match class {
        Class::Bytes(class) => {
            let ranges = class.ranges();
            let index = ranges.partition_point(|range| range.end() < byte);
            ranges.get(index).is_some_and(|range| range.start() <= byte)
        }
        Class::Unicode(class) => {
            let (ranges, char) = (class.ranges(), char::from(byte));
            let index = ranges.partition_point(|range| range.end() < char);
            ranges.get(index).is_some_and(|range| range.start() <= char)
        }
    };
    let ordered =
        (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(b' '..=b'~').chain([b'\n', b'\t']);
    let found: Vec<u8> = ordered.chain(0..=0x7f).filter(|byte| contains(*byte)).collect();
    match (found.get(variant % found.len().max(1)), class) {
        (Some(byte), _) => Some(char::from(*byte)),
        (None, Class::Unicode(class)) => class.ranges().first().map(|range| range.start()),
        (None, Class::Bytes(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::RegexBuilder;

    fn example_of_pattern(pattern: &str, min_chars: usize, variant: usize) -> Option<String> {
        super::example_of_pattern(pattern, min_chars, variant, &WorkBudget::new(100_000))
    }

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
            r"[\x01-\x08]",
            r"caf\xE9",
            "^[^ -~]$",
        ] {
            for (least, variant) in [(0, 0), (0, 1), (3, 2), (20, 0)] {
                let text = example_of_pattern(pattern, least, variant).unwrap_or_else(|| panic!("{pattern}"));
                let build = |unicode: bool| RegexBuilder::new(pattern).unicode(unicode).build();
                let is_match = |unicode| build(unicode).is_ok_and(|regex| regex.is_match(text.as_bytes()));
                assert!(is_match(false) || is_match(true), "{pattern} {text:?}");
            }
        }
        assert_eq!(example_of_pattern("^[a-z]{2,12}$", 9, 0).map(|text| text.len()), Some(9));
        assert_eq!(example_of_pattern("^(?=lookahead)$", 0, 0), None, "not understood");
        assert!(
            example_of_pattern("(a{1000}){1000}", 0, 0).is_none_or(|text| text.len() <= MAX_BYTES + 1_000)
        );
    }

    #[test]
    fn a_pattern_that_repeats_much_is_rendered_quickly() {
        let start = tokio::time::Instant::now();
        assert_eq!(example_of_pattern("^[a-z]+$", 10_000, 0).map(|text| text.len()), Some(10_000));
        assert_eq!(example_of_pattern("^([a-z]+-)*$", 9_999, 0).map(|text| text.len() >= 9_999), Some(true));
        assert_eq!(example_of_pattern(r"^\p{L}{9000}$", 0, 0).map(|text| text.len()), Some(9_000));
        for pattern in ["a{4000000000}", "(a{4000000000}){4000000000}", "(b|a{4000000000}c?){9}"] {
            let text = example_of_pattern(pattern, 3, 1);
            assert!(text.is_none_or(|text| text.len() <= MAX_BYTES + 1_000), "{pattern}");
        }
        for pattern in [r"([^\s\S]{4000000000}){4000000000}", r"[^\s\S]{4000000000}"] {
            assert_eq!(example_of_pattern(pattern, 3, 1), None, "{pattern}");
        }
        assert_eq!(example_of_pattern(&r"\pL".repeat(1_000_000), 0, 0), None);
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
