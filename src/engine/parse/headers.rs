//! Response headers, and the ones that all dialects share: `date`, `retry-after` and `retry-after-ms`.

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

/// Returns the wait in `retry-after-ms` or `retry-after`, relative to the `date` header if it is a date.
///
/// A wait of zero counts as none, since retrying at once after a refusal only loops. Azure sends `retry-after-ms: 0`
/// next to `retry-after: 1` (captured 2026-08).
pub(super) fn retry_after(headers: &dyn Headers) -> Option<Nanos> {
    let positive = |wait: &Nanos| *wait > Nanos::ZERO;
    let in_millis = || headers.value("retry-after-ms").and_then(millis).filter(positive);
    let in_seconds = || {
        let text = headers.value("retry-after")?;
        seconds(text).or_else(|| wait_until(UnixTime::parse_http_date(text)?, headers)).filter(positive)
    };
    in_millis().or_else(in_seconds)
}

/// Returns the wait from the `date` of a reply until `time`, or zero if that has passed. Never reads a clock of the
/// client, which may be wrong and does not exist in a simulation. Returns `None` without a `date` header.
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
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(retry_after(&Pairs(&headers)), wait.map(Nanos::from_millis), "{headers:?}");
        }
    }
}
