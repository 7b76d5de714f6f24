//! Waits in sentences: `try again in 58 hours`, `Please wait 5631 seconds`, `retry after 1m26.4s`, `Resets in 16 days`.

use super::duration::unit_of_time;
use provider::Nanos;
use provider::calendar::parse_decimal;

/// The phrases that precede a wait, in lower case.
const LEADS: [&str; 22] = [
    "try again in ",
    "try again after ",
    "retry in ",
    "retry after ",
    "retry-after ",
    "retry after: ",
    "retry-after: ",
    "retrying in ",
    "please wait ",
    "wait ",
    "wait for ",
    "resets in ",
    "reset in ",
    "reset after ",
    "resets after ",
    "available in ",
    "available again in ",
    "replenished in ",
    "come back in ",
    "later in ",
    "请等待",
    "请在",
];

/// The words that may come between one of [`LEADS`] and the wait.
const FILLERS: [&str; 11] = [
    "about ",
    "approximately ",
    "around ",
    "at least ",
    "another ",
    "for ",
    "up to ",
    "a minimum of ",
    "the next ",
    "~",
    " ",
];

/// Returns the first wait that a text in lower case states; `None` if it states none or the first is zero. A wait at the end
/// of the text is not read, since the text may have been truncated.
pub(super) fn wait(text: &str) -> Option<Nanos> {
    let mut leads: Vec<usize> =
        LEADS.iter().flat_map(|lead| text.match_indices(lead).map(|(at, lead)| at + lead.len())).collect();
    leads.sort_unstable();
    leads.into_iter().find_map(|at| duration(&text[at..])).filter(|wait| *wait > Nanos::ZERO)
}

/// Parses the duration at the start of a text: a sequence of numbers with units, or `hh:mm:ss`.
fn duration(text: &str) -> Option<Nanos> {
    let mut rest = text;
    while let Some(filler) = FILLERS.iter().find(|filler| rest.starts_with(**filler)) {
        rest = &rest[filler.len()..];
    }
    if let Some(clock) = clock_duration(rest) {
        return Some(clock);
    }
    let mut total = None::<u64>;
    loop {
        let part = rest.trim_start_matches(' ');
        let part = if total.is_some() { part.trim_start_matches(',').trim_start_matches(' ') } else { part };
        let part = part.strip_prefix("and ").filter(|_| total.is_some()).unwrap_or(part);
        let Some((length, after)) = number_with_unit(part) else { break };
        total = Some(total.unwrap_or(0).checked_add(length.0)?);
        rest = after;
    }
    // A text that ends here, or after a comma or `and`, may have been truncated.
    let end = rest.trim_matches([' ', ',', '.']);
    let is_cut = rest.is_empty() || end == "and" || (end.is_empty() && rest.contains(','));
    total.filter(|_| !is_cut).map(Nanos)
}

/// Parses `00:12:03` and `1.02:03:04`, as Azure's API Management prints them.
fn clock_duration(text: &str) -> Option<Nanos> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')));
    let end = end.or_else(|| text.ends_with('.').then_some(text.len()))?;
    let mut parts = text[..end].trim_end_matches('.').rsplit(':');
    let (seconds, minutes, hours) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    if parts.next().is_some() {
        return None;
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let whole = number(days)?.checked_mul(24)?.checked_add(number(hours)?)?.checked_mul(60)?;
    let whole = whole.checked_add(number(minutes)?)?.checked_mul(60)?;
    Nanos::SECOND.0.checked_mul(whole)?.checked_add(parse_decimal(seconds, Nanos::SECOND)?.0).map(Nanos)
}

/// Parses `58 hours`, `1m`, `26.4s`, `two minutes`, `an hour`, `half an hour`, `30 秒`.
fn number_with_unit(text: &str) -> Option<(Nanos, &str)> {
    // Each with the multiple of the unit, as numerator and denominator. `a few` has no number, hence 0.
    let words: [(&str, u64, u64); 14] = [
        ("half an ", 1, 2),
        ("half a ", 1, 2),
        ("a few ", 0, 1),
        ("an ", 1, 1),
        ("a ", 1, 1),
        ("one ", 1, 1),
        ("two ", 2, 1),
        ("three ", 3, 1),
        ("four ", 4, 1),
        ("five ", 5, 1),
        ("ten ", 10, 1),
        ("fifteen ", 15, 1),
        ("thirty ", 30, 1),
        ("sixty ", 60, 1),
    ];
    for (word, count, divisor) in words {
        if let Some(rest) = text.strip_prefix(word) {
            let (unit, rest) = unit(rest)?;
            return (count > 0).then_some((Nanos(unit.0 * count / divisor), rest));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','))?;
    let number = text[..end].replace(',', "");
    let (unit, rest) = unit(text[end..].trim_start_matches([' ', '-']))?;
    Some((parse_decimal(&number, unit)?, rest))
}

/// Parses the unit at the start of a text.
fn unit(text: &str) -> Option<(Nanos, &str)> {
    for (word, unit) in [
        ("毫秒", Nanos(1_000_000)),
        ("秒", Nanos::SECOND),
        ("分钟", Nanos::MINUTE),
        ("小时", Nanos::HOUR),
        ("天", Nanos::DAY),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return Some((unit, rest));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(text.len());
    let unit = match &text[..end] {
        "ns" => Nanos(1),
        "us" | "µs" => Nanos(1_000),
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => Nanos(1_000_000),
        name => unit_of_time(name)?,
    };
    Some((unit, &text[end..]))
}

/// Parses a text that is a duration as a whole, as members of an error state it: `26s`, `1m26.4s`, `500ms`, `PT30S`, `58 hours`.
pub(super) fn whole_duration(text: &str) -> Option<Nanos> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(iso) = text.strip_prefix("pt") {
        return duration(&format!("{iso}\n"));
    }
    duration(&format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_wait_is_read() {
        for (text, millis) in [
            ("please wait 5631 seconds before retrying.", 5_631_000),
            ("please try again in 58 hours.", 208_800_000),
            ("try again after 1 seconds\n", 1_000),
            ("retry after 10 seconds.", 10_000),
            ("wait 31.012383874s.", 31_012),
            ("try again in 114h18m0s. visit", 411_480_000),
            ("try again in 1m26.4s.", 86_400),
            ("resets in 16 days.", 1_382_400_000),
            ("resets in 6 days 21 hours.", 594_000_000),
            ("retry in 2 minutes and 3 seconds.", 123_000),
            ("try again in an hour.", 3_600_000),
            ("try again in half an hour.", 1_800_000),
            ("please wait at least 1.5 minutes.", 90_000),
            ("quota will be replenished in 00:12:03.", 723_000),
            ("quota will be replenished in 1.02:03:04 ", 93_784_000),
            ("try again in 1,200 ms.", 1_200),
            ("请在 30 秒后重试", 30_000),
            ("please wait before trying again. retry after 2s.", 2_000),
        ] {
            assert_eq!(wait(text).map(|wait| wait.0 / 1_000_000), Some(millis), "{text}");
        }
    }

    #[test]
    fn a_wait_that_may_be_truncated_or_is_zero_is_not_read() {
        for text in [
            "try again in 1m26.4s",
            "try again in 58 h",
            "try again in 3 minutes and",
            "try again in 3 minutes,",
            "please wait 0 seconds before retrying.",
            "try again in a few minutes.",
            "please wait before trying again.",
            "retry after 10.",
            "",
        ] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn members_state_durations_in_several_forms() {
        for (text, millis) in
            [("26s", 26_000), ("1m26.4s", 86_400), ("PT30S", 30_000), ("500ms", 500), ("2 hours", 7_200_000)]
        {
            assert_eq!(whole_duration(text).map(|wait| wait.0 / 1_000_000), Some(millis), "{text}");
        }
        for text in ["26", "soon", "", "-1s"] {
            assert_eq!(whole_duration(text), None, "{text}");
        }
    }
}
