//! Limits as headers state them: at most a handful, of which the engine keeps two.

use super::headers::{Headers, whole};
use provider::decision::{LimitView, LimitsView, Remaining};
use provider::{Axis, Nanos};

/// One limit that the headers of a reply state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHeader {
    /// What the headers call it: `requests`, `tokens-minute`.
    pub name: &'static str,
    /// The axis, where it is one that we know; none for months, hours and seconds.
    pub axis: Option<Axis>,
    /// The limit.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
    /// How long until it is wholly free again, where that is said.
    pub reset: Option<Nanos>,
}

impl LimitHeader {
    /// `{prefix}{limit,remaining}-{name}`, without a reset.
    pub(super) fn read(headers: &dyn Headers, name: &'static str, axis: Option<Axis>) -> Option<Self> {
        let number = |part: &str| whole(headers, &format!("x-ratelimit-{part}-{name}"));
        Some(Self { name, axis, limit: number("limit")?, remaining: number("remaining")?, reset: None })
    }

    /// How much is used, as the numbers say.
    pub(super) const fn used(&self) -> u64 {
        self.limit.saturating_sub(self.remaining)
    }

    fn view(&self) -> Option<LimitView> {
        let Self { axis, limit, remaining, reset, .. } = *self;
        Some(LimitView { axis: axis?, limit, remaining, reset: reset? })
    }
}

/// What the engine keeps: what is left of the tightest limit of the requests, and of the tightest of the tokens.
pub(super) fn remaining(stated: &[LimitHeader]) -> Remaining {
    let [requests, tokens] = tightest(stated, |_| true).map(|limit| Some((limit?.axis?, limit?.remaining)));
    Remaining { requests, tokens }
}

/// Those with all their numbers, as a provider's rulings tell them.
pub(super) fn view(stated: &[LimitHeader]) -> LimitsView {
    let [requests, tokens] = tightest(stated, |limit| limit.reset.is_some()).map(|limit| limit?.view());
    LimitsView { requests, tokens }
}

/// Of the requests and of the tokens the limit with the smallest share left, the first of equals; what states
/// no axis is neither.
fn tightest(stated: &[LimitHeader], which: fn(&LimitHeader) -> bool) -> [Option<&LimitHeader>; 2] {
    let counts_requests = |axis: Axis| matches!(axis, Axis::Rpm | Axis::Rpd);
    [counts_requests, Axis::counts_tokens].map(|of| {
        let of_kind = stated.iter().filter(|limit| which(limit) && limit.axis.is_some_and(of));
        of_kind.reduce(|first, second| if is_tighter(second, first) { second } else { first })
    })
}

fn is_tighter(one: &LimitHeader, other: &LimitHeader) -> bool {
    u128::from(one.remaining) * u128::from(other.limit) < u128::from(other.remaining) * u128::from(one.limit)
}

/// The limit that refused, as far as headers can tell: the one of the axis named; where none is, the only one
/// that has nothing left.
pub(super) fn exhausted(stated: &[LimitHeader], axis: Option<Axis>) -> Option<&LimitHeader> {
    if axis.is_some() {
        return stated.iter().find(|limit| limit.axis == axis);
    }
    let mut empty = stated.iter().filter(|limit| limit.remaining == 0 && limit.limit > 0);
    empty.next().filter(|_| empty.next().is_none())
}

/// The time that `used` of `limit` takes to refill over `window`, exactly but for what is below a nanosecond.
pub(super) fn refill(limit: u64, used: u64, window: Nanos) -> Nanos {
    let nanos = u128::from(used) * u128::from(window.0) / u128::from(limit.max(1));
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(axis: Axis, remaining: u64, reset: Option<u64>) -> LimitHeader {
        LimitHeader { name: "x", axis: Some(axis), limit: 100, remaining, reset: reset.map(Nanos) }
    }

    #[test]
    fn the_tightest_of_a_kind_is_kept() {
        let limits =
            [stated(Axis::Itpm, 50, Some(1)), stated(Axis::Otpm, 20, Some(2)), stated(Axis::Rpm, 9, None)];
        let view = view(&limits);
        assert_eq!(view.tokens.map(|view| view.axis), Some(Axis::Otpm));
        assert_eq!(view.requests, None, "without a reset it is no whole view");
        let remaining = remaining(&limits);
        assert_eq!((remaining.requests, remaining.tokens), (Some((Axis::Rpm, 9)), Some((Axis::Otpm, 20))));
    }

    #[test]
    fn two_empty_limits_do_not_tell_which_refused() {
        let (one, other) = (stated(Axis::Rpm, 0, None), stated(Axis::Tpm, 0, None));
        assert_eq!(exhausted(&[one, other], None), None);
        assert_eq!(exhausted(&[one, other], Some(Axis::Tpm)), Some(&other));
        assert_eq!(exhausted(&[one, stated(Axis::Tpm, 5, None)], None), Some(&one));
        assert_eq!(exhausted(&[one], Some(Axis::Tpd)), None);
    }
}
