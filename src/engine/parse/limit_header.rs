//! The limits in the headers of a response, and the two that the engine uses.

use super::headers::{Headers, number};
use provider::decision::{HeaderLimit, HeaderLimits, HeaderRemaining};
use provider::{Axis, Nanos};

/// One limit in the headers of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHeader {
    /// Its name: `requests`, `tokens-minute` and the like as in the headers, or what it counts if the headers do not name it.
    pub name: &'static str,
    /// The axis; `None` for units and windows that are not modelled, such as pages, or if the numbers fit no
    /// window.
    pub axis: Option<Axis>,
    /// The limit, in units per window.
    pub limit: u64,
    /// The remaining units.
    pub remaining: u64,
    /// The time until all units are available again, if stated.
    pub reset: Option<Nanos>,
    /// The time until one unit is available again, if that is what the header states in place of the reset.
    pub next: Option<Nanos>,
}

impl LimitHeader {
    /// Parses `x-ratelimit-{limit,remaining}-{name}`. Returns `None` if one of them is missing; reads no reset.
    pub(super) fn parse(headers: &dyn Headers, name: &'static str, axis: Option<Axis>) -> Option<Self> {
        let number = |part: &str| number(headers, &format!("x-ratelimit-{part}-{name}"));
        Some(Self {
            name,
            axis,
            limit: number("limit")?,
            remaining: number("remaining")?,
            reset: None,
            next: None,
        })
    }

    /// Returns the used units: the limit minus the remaining units; 0 if more than the limit remains.
    pub(super) const fn used(&self) -> u64 {
        self.limit.saturating_sub(self.remaining)
    }

    /// Returns the limit as the provider model's type; `None` without an axis or a reset.
    fn header_limit(&self) -> Option<HeaderLimit> {
        let Self { axis, limit, remaining, reset, .. } = *self;
        Some(HeaderLimit { axis: axis?, limit, remaining, reset: reset? })
    }
}

/// Returns the remaining units of the most restrictive limit on requests and of the one on tokens.
pub(super) fn remaining(limits: &[LimitHeader]) -> HeaderRemaining {
    let [requests, tokens] =
        most_restrictive(limits, |_| true).map(|limit| Some((limit?.axis?, limit?.remaining)));
    HeaderRemaining { requests, tokens }
}

/// Returns the most restrictive limit on requests and the one on tokens, among those with a reset.
pub(super) fn header_limits(limits: &[LimitHeader]) -> HeaderLimits {
    let [requests, tokens] =
        most_restrictive(limits, |limit| limit.reset.is_some()).map(|limit| limit?.header_limit());
    HeaderLimits { requests, tokens }
}

/// Returns the limit on requests and the limit on tokens with the smallest share left; of equal ones, the first.
/// Ignores limits without an axis.
fn most_restrictive(limits: &[LimitHeader], include: fn(&LimitHeader) -> bool) -> [Option<&LimitHeader>; 2] {
    [Axis::counts_requests, Axis::counts_tokens].map(|of_kind| {
        let limits = limits.iter().filter(|limit| include(limit) && limit.axis.is_some_and(of_kind));
        limits.reduce(|first, second| if has_less_left(second, first) { second } else { first })
    })
}

/// Returns `true` if a smaller share of `one` is left than of `other`. Compares exactly, without division.
fn has_less_left(one: &LimitHeader, other: &LimitHeader) -> bool {
    u128::from(one.remaining) * u128::from(other.limit) < u128::from(other.remaining) * u128::from(one.limit)
}

/// Returns the limit that refused, as far as headers show it: the first one on `axis`; without an axis, the exhausted one if
/// there is exactly one.
pub(super) fn refusing_limit(limits: &[LimitHeader], axis: Option<Axis>) -> Option<&LimitHeader> {
    if axis.is_some() {
        return limits.iter().find(|limit| limit.axis == axis);
    }
    let mut exhausted = limits.iter().filter(|limit| limit.remaining == 0 && limit.limit > 0);
    exhausted.next().filter(|_| exhausted.next().is_none())
}

/// Returns the time in which `used` units of `limit` per `window` refill, rounded down to a nanosecond. Saturates.
pub(super) fn refill_time(limit: u64, used: u64, window: Nanos) -> Nanos {
    let nanos = u128::from(used) * u128::from(window.0) / u128::from(limit.max(1));
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(axis: Axis, remaining: u64, reset: Option<u64>) -> LimitHeader {
        LimitHeader {
            name: "x",
            axis: Some(axis),
            limit: 100,
            remaining,
            reset: reset.map(Nanos),
            next: None,
        }
    }

    #[test]
    fn the_most_restrictive_limit_of_a_kind_is_used() {
        let limits =
            [limit(Axis::Itpm, 50, Some(1)), limit(Axis::Otpm, 20, Some(2)), limit(Axis::Rpm, 9, None)];
        let used = header_limits(&limits);
        assert_eq!(used.tokens.map(|limit| limit.axis), Some(Axis::Otpm));
        assert_eq!(used.requests, None, "it has no reset");
        let remaining = remaining(&limits);
        assert_eq!((remaining.requests, remaining.tokens), (Some((Axis::Rpm, 9)), Some((Axis::Otpm, 20))));
    }

    #[test]
    fn of_two_exhausted_limits_none_is_the_one_that_refused() {
        let (one, other) = (limit(Axis::Rpm, 0, None), limit(Axis::Tpm, 0, None));
        assert_eq!(refusing_limit(&[one, other], None), None);
        assert_eq!(refusing_limit(&[one, other], Some(Axis::Tpm)), Some(&other));
        assert_eq!(refusing_limit(&[one, limit(Axis::Tpm, 5, None)], None), Some(&one));
        assert_eq!(refusing_limit(&[one], Some(Axis::Tpd)), None);
    }
}
