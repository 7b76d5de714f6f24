//! The headers of a response as the dialects' pages ask for them, and the one header that they share:
//! `retry-after`, with its cousin in milliseconds.

use super::date::UnixTime;
use super::duration::{millis, seconds};
use provider::Nanos;

/// The headers of a response: values by lower-case name.
pub trait Headers {
    /// The value of a header, where there is one and it is text.
    fn value(&self, name: &str) -> Option<&str>;
}

/// A response whose body is whole.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: &'a dyn Headers,
    /// Its body.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

/// The wait in `retry-after-ms` or `retry-after`.
///
/// A wait of nothing is none: after a refusal it would only be a loop. Azure sends `retry-after-ms: 0` beside
/// `retry-after: 1` (captured 2026-08), so the finer one is believed only where it says something.
pub(super) fn retry_after(headers: &dyn Headers) -> Option<Nanos> {
    let some = |wait: &Nanos| *wait > Nanos::ZERO;
    let fine = || headers.value("retry-after-ms").and_then(millis).filter(some);
    let coarse = || {
        let text = headers.value("retry-after")?;
        let date = || Some(UnixTime::http(text)?.since(UnixTime::of_reply(headers)?));
        seconds(text).or_else(date).filter(some)
    };
    fine().or_else(coarse)
}

/// A whole number in a header; `None` for the negative numbers that stand for "no limit".
pub(super) fn whole(headers: &dyn Headers, name: &str) -> Option<u64> {
    headers.value(name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;

    #[test]
    fn every_form_of_retry_after_that_is_seen() {
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
