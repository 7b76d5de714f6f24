//! From a real response to a [`Reply`]: status, headers and body, as captures and documentation show them
//! (evidence: literal Groq replies of 2024–2026). The mock renders the same thing from the other side; the
//! two are written apart and held together by a law test.
//!
//! Nothing is invented: what a reply does not say stays `None`. The one inference made is the window of a
//! refusal whose axis is not named (a Groq bug of early 2025): its own numbers imply it.

use super::reply::{Meaning, Reply, Told, Wait};
use crate::event::{Cause, Failure, Outcome};
use provider::ruling::{LimitView, LimitsView};
use provider::{Axis, Instant, Nanos, Usage};
use serde::Deserialize;

/// The headers of a response: values by lower-case name.
pub trait Headers {
    /// The value of a header, where there is one and it is text.
    fn value(&self, name: &str) -> Option<&str>;
}

/// Reads a response whose body is whole. `now` is when its last byte came.
#[must_use]
pub fn reply(now: Instant, status: u16, headers: &impl Headers, body: &[u8]) -> Reply {
    let limits = limits(headers);
    if (200..300).contains(&status) {
        return match usage(body) {
            Some(usage) => {
                Reply { outcome: Outcome::Ok, limits, usage, ..Reply::broken(now, Failure::Garbage) }
            }
            None => Reply { limits, ..Reply::broken(now, Failure::Garbage) },
        };
    }
    let refusal = error_message(body).map(|message| Refusal::read(&message)).unwrap_or_default();
    let cause = refusal.cause(status);
    let outcome = match status {
        429 | 413 => Outcome::Limited { axis: refusal.axis, cause },
        _ => Outcome::Failed(Failure::Status(status)),
    };
    let announced = refusal.wait.or_else(|| headers.value("retry-after").and_then(seconds));
    let meaning = if cause == Cause::TooLarge { Meaning::Meaningless } else { Meaning::UntilEnough };
    Reply {
        outcome,
        wait: announced.map(|length| Wait { length, meaning }),
        told: refusal.told(),
        limits,
        ..Reply::broken(now, Failure::Status(status))
    }
}

/// What the prose of a refusal states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The model named.
    pub model: Option<String>,
    /// The organisation named.
    pub organization: Option<String>,
    /// The axis named.
    pub axis: Option<Axis>,
    /// `Limit N`.
    pub limit: Option<u64>,
    /// `Used N`.
    pub used: Option<i64>,
    /// `Requested N`.
    pub requested: Option<u64>,
    /// `try again in T`.
    pub wait: Option<Nanos>,
    /// It says that the request is too large: waiting never helps.
    pub too_large: bool,
}

impl Refusal {
    /// Reads the message of an error body.
    #[must_use]
    pub fn read(message: &str) -> Self {
        let number = |label: &str| {
            let digits = after(message, label)?.trim_start_matches('~');
            leading_digits(digits).parse::<u64>().ok()
        };
        // Below zero where a burst above the limit leaves more than the limit.
        let used = || {
            let rest = after(message, "Used ")?;
            let (sign, digits) = rest.strip_prefix('-').map_or(("", rest), |digits| ("-", digits));
            format!("{sign}{}", leading_digits(digits)).parse::<i64>().ok()
        };
        Self {
            model: between(message, "model `", "`").map(str::to_owned),
            organization: between(message, "organization `", "`").map(str::to_owned),
            axis: AXES.iter().find(|(label, _)| message.contains(label)).map(|(_, axis)| *axis),
            limit: number("Limit "),
            used: used(),
            requested: number("Requested "),
            wait: after(message, "try again in ").and_then(go_duration_prefix),
            too_large: message.starts_with("Request too large"),
        }
    }

    /// What kind of refusal it is, given the status it came with.
    #[must_use]
    pub fn cause(&self, status: u16) -> Cause {
        let by_window = |window: Option<Nanos>| match window {
            Some(window) if window >= Nanos::DAY => Cause::DayLimit,
            Some(_) => Cause::MinuteLimit,
            None => Cause::Concurrency,
        };
        match (status, self.axis) {
            (413, _) => Cause::TooLarge,
            (429, _) if self.too_large => Cause::TooLarge,
            (429, Some(axis)) => by_window(axis.window()),
            (429, None) => self.implied_window().map_or(Cause::Other, |window| by_window(Some(window))),
            (401 | 403, _) => Cause::Auth,
            (402, _) => Cause::Billing,
            (498 | 500..=599, _) => Cause::Overload,
            _ => Cause::Other,
        }
    }

    /// The window that the stated numbers imply: `wait = (used + requested − limit) ÷ limit × window`.
    fn implied_window(&self) -> Option<Nanos> {
        let (limit, used, requested, wait) = (self.limit?, self.used?, self.requested?, self.wait?);
        let over = u64::try_from(i128::from(used) + i128::from(requested) - i128::from(limit)).ok()?;
        let implied = u128::from(wait.0) * u128::from(limit) / u128::from(over.max(1));
        let near = |window: Nanos| implied.abs_diff(u128::from(window.0)) < u128::from(window.0 / 10);
        [Nanos::MINUTE, Nanos::HOUR, Nanos::DAY].into_iter().find(|window| near(*window))
    }

    fn told(&self) -> Option<Told> {
        Some(Told { axis: self.axis, limit: self.limit?, used: self.used, requested: self.requested? })
    }
}

/// The message inside an error body, in the shape Groq and OpenAI share; `None` where it is not that shape.
#[must_use]
pub fn error_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    serde_json::from_slice::<Body>(body).ok().map(|body| body.error.message)
}

/// The usage that a completion, or the last chunk of a stream, states: at the top, or inside `x_groq` as
/// streams before 2026 had it only there.
#[must_use]
pub fn usage(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Body {
        usage: Option<Stated>,
        x_groq: Option<Extension>,
    }
    #[derive(Deserialize)]
    struct Extension {
        usage: Option<Stated>,
    }
    #[derive(Deserialize)]
    struct Stated {
        prompt_tokens: u32,
        completion_tokens: u32,
    }
    let body = serde_json::from_slice::<Body>(body).ok()?;
    let Stated { prompt_tokens, completion_tokens } =
        body.usage.or(body.x_groq.and_then(|part| part.usage))?;
    Some(Usage { prompt_tokens, completion_tokens })
}

/// The limits in `x-ratelimit-*`: for Groq, `requests` speaks of the day and `tokens` of the minute.
#[must_use]
pub fn limits(headers: &impl Headers) -> LimitsView {
    let view = |kind: &str, axis: Axis| {
        let number = |part: &str| headers.value(&format!("x-ratelimit-{part}-{kind}"))?.parse().ok();
        let reset = headers.value(&format!("x-ratelimit-reset-{kind}")).and_then(go_duration)?;
        Some(LimitView { axis, limit: number("limit")?, remaining: number("remaining")?, reset })
    };
    LimitsView { requests: view("requests", Axis::Rpd), tokens: view("tokens", Axis::Tpm) }
}

/// A whole or decimal number of seconds; `None` for dates, negative numbers and the rest.
#[must_use]
pub fn seconds(text: &str) -> Option<Nanos> {
    decimal(text.trim(), Nanos::SECOND.0)
}

/// A length as Go prints it (`2h42m9.504s`, `52.5ms`), exactly; `None` where it is anything else.
#[must_use]
pub fn go_duration(text: &str) -> Option<Nanos> {
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let nanos = GO_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(decimal(number, nanos)?.0)?;
        rest = next;
    }
    (!text.is_empty()).then_some(Nanos(total))
}

/// The Go duration at the start of a sentence: it ends at a space or at the full stop.
fn go_duration_prefix(text: &str) -> Option<Nanos> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == 'µ')).unwrap_or(text.len());
    go_duration(text[..end].trim_end_matches('.'))
}

/// A decimal number of `unit` nanoseconds, without rounding through floats; digits below a nanosecond are dropped.
fn decimal(text: &str, unit: u64) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || (text.contains('.') && fraction.is_empty())
    {
        return None;
    }
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        // Exact while `place` is a multiple of ten, and below a nanosecond after that.
        nanos = nanos.checked_add(u64::from(digit - b'0') * place / 10)?;
        place /= 10;
    }
    Some(Nanos(nanos))
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.find(label).map(|start| &text[start + label.len()..])
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = after(text, open)?;
    rest.find(close).map(|end| &rest[..end])
}

/// How messages name the axes. The documentation says ASH and ASD, the API says ASPH and ASPD. Groq states no
/// limit on concurrency: that name is the mock's.
const AXES: [(&str, Axis); 11] = [
    ("(ITPM)", Axis::Itpm),
    ("(OTPM)", Axis::Otpm),
    ("(TPM)", Axis::Tpm),
    ("(TPD)", Axis::Tpd),
    ("(RPM)", Axis::Rpm),
    ("(RPD)", Axis::Rpd),
    ("(ASPH)", Axis::Ash),
    ("(ASPD)", Axis::Asd),
    ("(ASH)", Axis::Ash),
    ("(ASD)", Axis::Asd),
    ("(CONCURRENCY)", Axis::Concurrency),
];

/// The units of Go's `time.Duration.String`.
const GO_UNITS: [(&str, u64); 7] = [
    ("h", Nanos::HOUR.0),
    ("m", Nanos::MINUTE.0),
    ("s", Nanos::SECOND.0),
    ("ms", 1_000_000),
    ("µs", 1_000),
    ("us", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Pairs<'a>(&'a [(&'a str, &'a str)]);

    impl Headers for Pairs<'_> {
        fn value(&self, name: &str) -> Option<&str> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        }
    }

    fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        reply(Instant::ZERO, status, &Pairs(headers), body.as_bytes())
    }

    fn refused(message: &str) -> String {
        format!(r#"{{"error":{{"message":"{message}","type":"tokens","code":"rate_limit_exceeded"}}}}"#)
    }

    #[test]
    fn go_durations_are_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("459.999999ms", 459_999_999),
            ("1.984999999s", 1_984_999_999),
            ("2h42m9.504s", 9_729_504_000_000),
            ("1m26.4s", 86_400_000_000),
            ("52.5ms", 52_500_000),
            ("6m0s", 360_000_000_000),
            ("0s", 0),
            ("2µs", 2_000),
        ] {
            assert_eq!(go_duration(text), Some(Nanos(nanos)), "{text}");
        }
        for text in ["", "5", "s", "1.s", ".5s", "-1s", "1x", "1m26.4", "99999999999h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_which_axis_how_full_and_until_when() {
        let body = refused(
            "Rate limit reached for model `m/x` in organization `org_1` service tier `on_demand` on tokens per day \
             (TPD): Limit 200000, Used 198334, Requested 24188. Please try again in 2h42m9.504s. Need more tokens?",
        );
        let reply = read(429, &[("retry-after", "9730")], &body);
        assert_eq!(reply.outcome, Outcome::Limited { axis: Some(Axis::Tpd), cause: Cause::DayLimit });
        assert_eq!(
            reply.wait,
            Some(Wait { length: Nanos(9_729_504_000_000), meaning: Meaning::UntilEnough })
        );
        let told = Told { axis: Some(Axis::Tpd), limit: 200_000, used: Some(198_334), requested: 24_188 };
        assert_eq!(reply.told, Some(told));
    }

    #[test]
    fn a_413_never_becomes_a_wait() {
        let body = refused(
            "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute \
             (TPM): Limit 8000, Requested 10494, please reduce your message size and try again.",
        );
        let reply = read(413, &[("retry-after", "19")], &body);
        assert_eq!(reply.outcome, Outcome::Limited { axis: Some(Axis::Tpm), cause: Cause::TooLarge });
        assert_eq!(reply.wait.map(|wait| wait.meaning), Some(Meaning::Meaningless));
        assert_eq!(reply.ready_at(Instant::ZERO), None);
    }

    #[test]
    fn an_unnamed_axis_is_told_by_its_own_numbers() {
        let body = refused(
            "Rate limit reached on : Limit 100000, Used 98894, Requested 4273. Please try again in 45m36.288s.",
        );
        let reply = read(429, &[], &body);
        assert_eq!(reply.outcome, Outcome::Limited { axis: None, cause: Cause::DayLimit });
    }

    #[test]
    fn the_header_speaks_where_the_body_does_not() {
        let reply = read(429, &[("retry-after", "12")], "<html>too many</html>");
        assert_eq!(reply.outcome, Outcome::Limited { axis: None, cause: Cause::Other });
        assert_eq!(reply.wait.map(|wait| wait.length), Some(Nanos::from_secs(12)));
        for nonsense in ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "99999999999999999999"] {
            assert_eq!(read(429, &[("retry-after", nonsense)], "").wait, None, "{nonsense}");
        }
    }

    #[test]
    fn a_success_without_usage_is_garbage() {
        assert_eq!(read(200, &[], "<html>").outcome, Outcome::Failed(Failure::Garbage));
        let served = read(
            200,
            &[],
            r#"{"id":"x","usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16}}"#,
        );
        assert_eq!(served.outcome, Outcome::Ok);
        assert_eq!(served.usage, Usage { prompt_tokens: 7, completion_tokens: 9 });
    }

    proptest! {
        #[test]
        fn no_body_and_no_header_make_it_panic(
            status in 100u16..600, retry in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..400), message in ".{0,200}",
        ) {
            let headers = [("retry-after", retry.as_str()), ("x-ratelimit-reset-tokens", retry.as_str())];
            let _ = reply(Instant::ZERO, status, &Pairs(&headers), &body);
            let _ = read(status, &headers, &serde_json::json!({"error": {"message": message}}).to_string());
            let _ = read(status, &headers, &refused(&format!("Limit {retry}, Used {retry}, Requested ~{retry}. try again in {retry}")));
        }
    }
}
