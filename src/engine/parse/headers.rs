//! Response headers, and the ones that all dialects share: `date`, `retry-after` and `retry-after-ms`.

use super::clock_time::unix_time;
use super::duration::{millis, seconds};
use provider::Nanos;
use provider::calendar::UnixTime;

/// The headers of a response.
pub trait Headers {
    /// Returns the value of a header by its lower-case name, or `None` if it is absent or not text.
    fn value(&self, name: &str) -> Option<&str>;
}

/// A complete response.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: &'a dyn Headers,
    /// The whole body, decoded from its transfer encoding.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

/// Returns the wait in `retry-after-ms` or `retry-after`, relative to the `date` header if it is a date or a Unix time.
///
/// A wait of zero counts as none, since retrying at once after a refusal only loops. Azure sends `retry-after-ms: 0`
/// next to `retry-after: 1` (captured 2026-08).
///
/// A number of 10⁹ seconds (31 years) or more is not a wait: it is a Unix time (published 2026), or it has no meaning.
pub(super) fn retry_after(headers: &dyn Headers) -> Option<Nanos> {
    let usable = |wait: &Nanos| *wait > Nanos::ZERO && is_plausible_wait(*wait);
    let in_millis = || headers.value("retry-after-ms").and_then(millis).filter(usable);
    let in_seconds = || {
        let text = headers.value("retry-after")?;
        let moment = || retry_after_moment(headers).or_else(|| UnixTime::parse_http_date(text));
        seconds(text).filter(usable).or_else(|| wait_until(moment()?, headers).filter(usable))
    };
    in_millis().or_else(in_seconds)
}

/// Returns `true` if a length may be meant as a wait: it is shorter than 10⁹ seconds, which is 31 years.
#[must_use]
pub const fn is_plausible_wait(wait: Nanos) -> bool {
    wait.0 < 1_000_000_000 * Nanos::SECOND.0
}

/// Returns the moment that `retry-after` states as a Unix time, in place of a length.
#[must_use]
pub fn retry_after_moment(headers: &dyn Headers) -> Option<UnixTime> {
    unix_time(headers.value("retry-after")?.trim().parse().ok()?)
}

/// The headers of a reply that a gateway forwarded, including those of the provider. LiteLLM prefixes the names of the provider's
/// headers with `llm_provider-`.
pub(super) struct Forwarded<'a>(pub(super) &'a dyn Headers);

impl Forwarded<'_> {
    /// Returns `true` if there are headers of a provider behind a gateway.
    pub(super) fn is_present(&self) -> bool {
        FORWARDED.iter().any(|name| self.0.value(name).is_some())
    }
}

impl Headers for Forwarded<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.value(name).or_else(|| self.0.value(&format!("llm_provider-{name}")))
    }
}

/// Headers that show that a reply was forwarded. A refusal with any forwarded header has at least one of these.
const FORWARDED: [&str; 7] = [
    "llm_provider-retry-after",
    "llm_provider-retry-after-ms",
    "llm_provider-x-ratelimit-limit-requests",
    "llm_provider-x-ratelimit-remaining-requests",
    "llm_provider-x-ratelimit-limit-tokens",
    "llm_provider-anthropic-ratelimit-requests-limit",
    "llm_provider-date",
];

/// Returns the wait from the `date` of a reply until `time`, or zero if that has passed. Never reads a clock of the
/// client, which may be wrong and does not exist in a simulation. Returns `None` without a valid `date` header.
pub(super) fn wait_until(time: UnixTime, headers: &dyn Headers) -> Option<Nanos> {
    Some(time.since(UnixTime::parse_http_date(headers.value("date")?)?))
}

/// Parses a whole number in a header. Returns `None` for a negative one, which some dialects send for "no limit".
pub(super) fn number(headers: &dyn Headers, name: &str) -> Option<u64> {
    headers.value(name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;

    #[test]
    fn every_format_of_retry_after_is_parsed() {
        let date = ("date", "Wed, 19 Aug 2026 14:34:22 GMT");
        for (headers, wait) in [
            (vec![("retry-after", "12")], Some(12_000)),
            (vec![("retry-after", "0.05")], Some(50)),
            (vec![("retry-after", "86400")], Some(86_400_000)),
            (vec![("retry-after", "1"), ("retry-after-ms", "0")], Some(1_000)),
            (vec![("retry-after", "1"), ("retry-after-ms", "644")], Some(644)),
            (vec![("retry-after", "1"), ("retry-after-ms", "-1")], Some(1_000)),
            (vec![("retry-after", "0"), ("retry-after-ms", "0")], None),
            (vec![("retry-after", "Wed, 19 Aug 2026 14:35:00 GMT"), date], Some(38_000)),
            (vec![("retry-after", "Wed, 19 Aug 2026 14:34:00 GMT"), date], None),
            (vec![("retry-after", "Wed, 19 Aug 2026 14:35:00 GMT")], None),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "1787150122"), date], Some(60_000)),
            (vec![("retry-after", "1787150122000"), date], Some(60_000)),
            (vec![("retry-after", "1787150122")], None),
            (vec![("retry-after", "2592000")], Some(2_592_000_000)),
            (vec![("retry-after", "12000000000")], None),
            (vec![("retry-after", "7"), ("retry-after-ms", "")], Some(7_000)),
            (vec![("retry-after", "7"), ("retry-after-ms", "abc")], Some(7_000)),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(retry_after(&Pairs(&headers)), wait.map(Nanos::from_millis), "{headers:?}");
        }
    }
}
