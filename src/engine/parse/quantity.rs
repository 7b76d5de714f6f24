//! Numbers in sentences, and the labels before them.

use super::limit_name::Unit;
use super::refusal::after;

/// Parses the whole number at the start of a text: `30000`, `30,000`, `9.0`, `30k`, `1.5m`. Ignores a fraction without a
/// suffix. Returns `None` if the text ends with the digits before the point, since the number may have been truncated, and for
/// a number between 0 and 1, such as `0.3 queries`.
pub(super) fn leading_number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',')?;
    let whole: u64 = text[..end].trim_end_matches(',').replace(',', "").parse().ok()?;
    if text[..end].ends_with(',') {
        return Some(whole);
    }
    let rest = &text[end..];
    let fraction = rest.strip_prefix('.').map_or("", |rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        &rest[..end]
    });
    let suffix = if fraction.is_empty() { rest } else { &rest[1 + fraction.len()..] };
    let is_longer_word = |text: &str| text.chars().nth(1).is_some_and(|c| c.is_ascii_alphanumeric());
    let scale: u64 = match suffix.chars().next() {
        Some('k' | 'K') if !is_longer_word(suffix) => 1_000,
        Some('m' | 'M') if !is_longer_word(suffix) => 1_000_000,
        _ => return Some(whole).filter(|whole| *whole > 0 || fraction.bytes().all(|digit| digit == b'0')),
    };
    let digits: u64 =
        if fraction.is_empty() { 0 } else { fraction.get(..fraction.len().min(6))?.parse().ok()? };
    let place = 10_u64.pow(u32::try_from(fraction.len().min(6)).ok()?);
    whole.checked_mul(scale)?.checked_add(digits.checked_mul(scale)? / place)
}

/// Parses a whole number at the start of a text and returns it with what follows; `None` if a fraction follows.
pub(super) fn leading_integer(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let rest = &text[end..];
    let has_fraction =
        rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let number = text[..end].parse().ok().filter(|_| !has_fraction)?;
    Some((number, rest))
}

/// Returns the number after the first of the labels that has one. A label is in lower case and a whole word. Between it and
/// the number are spaces, colons, equals signs, tildes or quotation marks, at least one of them, and nothing else.
pub(super) fn labelled(text: &str, labels: &[&str]) -> Option<u64> {
    labels.iter().find_map(|label| {
        text.match_indices(label).find_map(|(at, _)| {
            let is_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let rest = &text[at + label.len()..];
            let number = rest.trim_start_matches([' ', ':', '=', '~', '"', '\'']);
            let separated = number.len() < rest.len();
            (is_word && separated).then(|| leading_number(number))?
        })
    })
}

/// Returns the two numbers of `(33/32)`, `(actual/limit): 65605/16000` or `(0/5 used`: used and limit.
pub(super) fn used_of_limit(text: &str) -> Option<(u64, u64)> {
    let pair = |text: &str| {
        let (used, rest) = leading_integer(text)?;
        let rest = rest.trim_start().strip_prefix('/')?.trim_start();
        Some((used, leading_number(rest)?))
    };
    let labelled = ["(actual/limit): ", "(used/limit): ", "usage: ", "used: "].iter();
    let mut labelled = labelled.filter_map(|label| pair(after(text, label)?));
    labelled.next().or_else(|| text.match_indices('(').find_map(|(at, _)| pair(&text[at + 1..])))
}

/// Returns the number of this unit in `30 requests per minute`, `8,000 input tokens/min`, unless the words before it advertise a
/// better plan.
pub(super) fn number_of_rate(text: &str, unit: Unit) -> Option<u64> {
    let units: &[&str] = match unit {
        Unit::Requests => &["requests", "queries", "calls"],
        Unit::Tokens | Unit::InputTokens | Unit::UncachedTokens | Unit::OutputTokens => &["tokens"],
        Unit::Neurons => &["neurons"],
        Unit::AudioSeconds | Unit::InFlight => &["requests", "tokens", "queries", "calls", "neurons"],
    };
    const RATES: [&str; 5] = [" per ", "/", " a ", " every ", " in "];
    const OFFERS: [&str; 6] = ["unlock", "upgrade", "up to", " get ", "increase", "instead"];
    let number_before = |at: usize| {
        let before = text[..at].trim_end();
        let kinds = ["input", "output", "prompt", "completion"];
        let before = kinds.iter().find_map(|kind| before.strip_suffix(kind)).unwrap_or(before).trim_end();
        let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.' | 'k' | 'm');
        let start = before.trim_end_matches(is_of_number).len();
        let lead_start = before[..start].char_indices().rev().nth(24).map_or(0, |(at, _)| at);
        let is_offer = OFFERS.iter().any(|offer| before[lead_start..start].contains(offer));
        leading_number(&format!("{} ", &before[start..])).filter(|_| !is_offer)
    };
    units.iter().find_map(|unit| {
        text.match_indices(unit).find_map(|(at, unit)| {
            let rest = &text[at + unit.len()..];
            RATES.iter().any(|rate| rest.starts_with(rate)).then(|| number_before(at))?
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_of_a_text_is_not_read() {
        assert_eq!(leading_number("10,000 input"), Some(10_000));
        assert_eq!(leading_number("9.0 queries"), Some(9));
        assert_eq!(leading_number("30, Used"), Some(30));
        assert_eq!(leading_number("30k tokens"), Some(30_000));
        assert_eq!(leading_number("1.5M, Used"), Some(1_500_000));
        assert_eq!(leading_number("30ms"), Some(30));
        assert_eq!(leading_number("100."), Some(100));
        assert_eq!((leading_number("0, Used"), leading_number("0.0 x")), (Some(0), Some(0)));
        assert_eq!((leading_number("0.3 queries"), leading_number("0.5k tokens")), (None, Some(500)));
        for text in ["30", "", "x", ",", "99999999999999999999 "] {
            assert_eq!(leading_number(text), None, "{text}");
        }
    }

    #[test]
    fn labels_are_whole_words_in_any_order() {
        let text = "requested 12, used: 3, limit=100, unlimited 7.";
        assert_eq!(labelled(text, &["limit"]), Some(100));
        assert_eq!(labelled(text, &["used"]), Some(3));
        assert_eq!(labelled(text, &["requested"]), Some(12));
        assert_eq!(labelled(text, &["current"]), None);
        assert_eq!(used_of_limit("limit reached (33/32)"), Some((33, 32)));
        assert_eq!(used_of_limit("per minute (actual/limit): 65605/16000, x"), Some((65_605, 16_000)));
        assert_eq!(used_of_limit("and/or"), None);
        assert_eq!(number_of_rate("reached: 30 requests per second", Unit::Requests), Some(30));
        assert_eq!(number_of_rate("of 8,000 input tokens/min", Unit::InputTokens), Some(8_000));
        assert_eq!(number_of_rate("of 8,000 input tokens/min", Unit::Requests), None);
        assert_eq!(number_of_rate("upgrade for 1000 requests per day", Unit::Requests), None);
        assert_eq!(number_of_rate("too many requests in a row", Unit::Requests), None);
    }
}
