//! Allowances of subscriptions in headers: the used share of an allowance over hours or days, without its absolute numbers.
//!
//! ```text
//!  Codex    x-codex-{primary,secondary}-{used-percent,window-minutes,reset-after-seconds,reset-at}
//!  Claude   anthropic-ratelimit-unified-{5h,7d,…}-{status,utilization,reset}
//! ```
//!
//! Evidence: published dumps of 2026. Codex states a window of 0 minutes if the plan does not have it. Claude's windows roll, so
//! a request may fit before the reset.

use super::headers::{Headers, number, wait_until};
use provider::Nanos;
use provider::calendar::{UnixTime, parse_decimal};

/// One window of a subscription's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The length of the window.
    pub window: Nanos,
    /// The used share, in thousandths; may exceed 1000.
    pub used_permille: u64,
    /// The time until it resets, counted from the reply, above zero: as stated, or from `reset_at` and the `date` of the reply;
    /// `None` if the reply has neither, or if the time is zero or has passed.
    pub reset: Option<Nanos>,
    /// The moment at which it resets, if stated.
    pub reset_at: Option<UnixTime>,
    /// `true` if it refuses requests.
    pub is_exhausted: bool,
}

/// Parses every allowance in the headers.
pub(super) fn allowances(headers: &dyn Headers) -> Vec<Allowance> {
    let codex = ["primary", "secondary"].into_iter().filter_map(|name| codex(headers, name));
    let claude = CLAUDE_WINDOWS.into_iter().filter_map(|(name, window)| claude(headers, name, window));
    codex.chain(claude).collect()
}

/// Returns the allowance that refuses: of several exhausted ones the one that resets last; `None` if none is exhausted.
pub(super) fn refusing(allowances: &[Allowance]) -> Option<&Allowance> {
    let exhausted = allowances.iter().filter(|allowance| allowance.is_exhausted);
    exhausted.max_by_key(|allowance| (allowance.reset, allowance.window))
}

fn codex(headers: &dyn Headers, name: &str) -> Option<Allowance> {
    let part = |part: &str| format!("x-codex-{name}-{part}");
    let minutes = number(headers, &part("window-minutes")).filter(|minutes| *minutes > 0)?;
    let used_permille = thousandths(headers.value(&part("used-percent"))?)? / 100;
    let reset_at = moment(headers, &part("reset-at"));
    let stated = number(headers, &part("reset-after-seconds"));
    let stated = stated.and_then(|seconds| seconds.checked_mul(Nanos::SECOND.0)).map(Nanos);
    let reset = stated.or_else(|| wait_until(reset_at?, headers));
    Some(Allowance {
        window: Nanos(minutes.checked_mul(Nanos::MINUTE.0)?),
        used_permille,
        reset: reset.filter(|wait| *wait > Nanos::ZERO),
        reset_at,
        is_exhausted: used_permille >= 1_000,
    })
}

fn claude(headers: &dyn Headers, name: &str, window: Nanos) -> Option<Allowance> {
    let part = |part: &str| format!("anthropic-ratelimit-unified-{name}-{part}");
    let used_permille = thousandths(headers.value(&part("utilization"))?)?;
    let reset_at = moment(headers, &part("reset"));
    Some(Allowance {
        window,
        used_permille,
        reset: reset_at.and_then(|at| wait_until(at, headers)).filter(|wait| *wait > Nanos::ZERO),
        reset_at,
        is_exhausted: headers.value(&part("status")).is_some_and(|status| status == "rejected")
            || used_permille >= 1_000,
    })
}

/// Parses a decimal number into thousandths.
fn thousandths(text: &str) -> Option<u64> {
    parse_decimal(text.trim(), Nanos(1_000)).map(|Nanos(thousandths)| thousandths)
}

fn moment(headers: &dyn Headers, name: &str) -> Option<UnixTime> {
    super::clock_time::unix_time(number(headers, name)?)
}

const CLAUDE_WINDOWS: [(&str, Nanos); 4] = [
    ("5h", Nanos(5 * Nanos::HOUR.0)),
    ("7d", Nanos::WEEK),
    ("7d_opus", Nanos::WEEK),
    ("7d_sonnet", Nanos::WEEK),
];
