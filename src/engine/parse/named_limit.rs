//! Completes what the rules of a dialect have read of a refusal: by the name of the limit in any spelling, by numbers with
//! labels, and by the arithmetic between the numbers and the wait.

use super::error_body::ErrorBody;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::limit_name::{LimitName, Unit, axis_of};
use super::quantity::{labelled, number_of_rate, used_of_limit};
use super::refusal::{Refusal, between, over};
use crate::event::RefusalCause;
use provider::Nanos;

/// Returns the cause of `DashScope`'s throttling, in any dialect, and sets the unit, the window and the axis of the limit.
///
/// `DashScope` throttles tokens per minute with OpenAI's code and sentence for insufficient credit; only the anchor of the page
/// that it names differs (published 2026: it clears in about a minute). Its native endpoint has a code for each (documented).
pub(super) fn dashscope_cause(body: &ErrorBody, refusal: &mut Refusal) -> Option<RefusalCause> {
    let has_code = |code: &str| body.codes.iter().any(|known| known.starts_with(code));
    let unit = match &body.lowercase {
        _ if has_code("Throttling.AllocationQuota") => Unit::Tokens,
        _ if has_code("Throttling.RateQuota") => Unit::Requests,
        text if text.contains("error-code#token-limit") => Unit::Tokens,
        text if text.contains("error-code#rate-limit") || text.contains("error-code#request-limit") => {
            Unit::Requests
        }
        _ => return None,
    };
    refusal.unit = Some(unit);
    refusal.window = Some(Nanos::MINUTE);
    refusal.axis = axis_of(unit, refusal.window);
    Some(RefusalCause::ShortLimit)
}

/// Adds the unit, window, axis, scope, model and numbers that the text or `x-ratelimit-type` states and the rules of the
/// dialect have not read.
pub(super) fn complete(
    refusal: &mut Refusal,
    cause: Option<RefusalCause>,
    sentence: &str,
    body: &ErrorBody,
    headers: &dyn Headers,
) {
    // If the message states several limits, the dialect's own rules find the one that refused, or none.
    let is_ambiguous = refusal.limit.is_none() && sentence.matches("(actual/limit)").count() > 1;
    let has_limit = !is_ambiguous
        && !matches!(cause, Some(RefusalCause::Billing | RefusalCause::Auth | RefusalCause::NotInTier));
    if let Some(axis) = refusal.axis {
        refusal.unit = refusal.unit.or(Some(Unit::of(axis)));
        refusal.window = refusal.window.or(axis.window_length());
    } else if has_limit && cause != Some(RefusalCause::TooLarge) {
        let quota = headers.value("x-ratelimit-type").map(str::to_ascii_lowercase);
        let text = quota.as_deref().unwrap_or(sentence);
        let name = LimitName::find(text);
        // A quota of GitHub Models whose name states no unit counts requests.
        let is_of_github = quota.is_some() || sentence.contains("exceeded for user");
        let unit = name.unit.or_else(|| is_of_github.then_some(Unit::Requests));
        refusal.unit = refusal.unit.or(unit);
        refusal.window = refusal.window.or(name.window);
        refusal.axis = LimitName { unit: refusal.unit, window: refusal.window }.axis();
        refusal.scope = refusal.scope.or_else(|| scope(text)).or_else(|| scope(sentence));
    }
    refusal.scope = refusal.scope.or_else(|| scope(sentence));
    if has_limit {
        add_numbers(refusal, sentence);
    }
    if refusal.model.is_none() && !sentence.is_empty() {
        let message = body.message.as_deref().unwrap_or_default();
        let quoted =
            between(message, "model `", "`").or_else(|| between(message, "too large for ", " model"));
        refusal.model = quoted.filter(|name| !name.is_empty() && !name.contains(' ')).map(str::to_owned);
    }
}

/// Corrects the axis of a message that names no window, such as Azure's `call rate limit`, if the headers state exactly one limit
/// on the same unit and that is an exhausted limit per day.
pub(super) fn prefer_exhausted_day(refusal: &mut Refusal, limits: &[LimitHeader]) {
    let Some(axis) = refusal.axis.filter(|axis| !axis.is_daily() && refusal.limit.is_none()) else { return };
    let of_unit = |limit: &&LimitHeader| limit.axis.is_some_and(|other| Unit::of(other) == Unit::of(axis));
    let mut of_unit = limits.iter().filter(of_unit);
    let only = of_unit.next().filter(|_| of_unit.next().is_none());
    if let Some(day) =
        only.and_then(|limit| limit.axis.filter(|axis| axis.is_daily() && limit.remaining == 0))
    {
        refusal.axis = Some(day);
        refusal.cause = refusal.cause.map(|_| RefusalCause::DayLimit);
    }
}

/// Adds the numbers that a sentence states as a pair, after labels, or as a rate, unless they are known.
fn add_numbers(refusal: &mut Refusal, sentence: &str) {
    if refusal.limit.is_none()
        && refusal.used.is_none()
        && let Some((used, limit)) = used_of_limit(sentence)
    {
        refusal.used = i64::try_from(used).ok();
        refusal.limit = Some(limit);
    }
    let by_rate = || number_of_rate(sentence, refusal.unit?);
    let labelled_limit = || labelled(sentence, &LIMIT_LABELS).or_else(by_rate).filter(|limit| *limit > 0);
    refusal.limit = refusal.limit.or_else(labelled_limit);
    refusal.used =
        refusal.used.or_else(|| labelled(sentence, &USED_LABELS).and_then(|used| i64::try_from(used).ok()));
    refusal.requested = refusal.requested.or_else(|| labelled(sentence, &REQUESTED_LABELS));
}

/// Returns whose limit it is, by the phrases of [`SCOPES`].
fn scope(text: &str) -> Option<&'static str> {
    SCOPES.iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, scope)| *scope)
}

/// Replaces the window if the numbers contradict the name: no limit over the named window can call for such a wait, but one
/// over a longer usual window calls for about this one. The cause that the name implies is dropped with it. Returns the window
/// that was replaced; `None` if it was kept.
pub(super) fn correct_window(refusal: &mut Refusal) -> Option<Nanos> {
    let named = refusal.window?;
    let implied = implied_window(refusal.limit?, refusal.used?, refusal.requested?, refusal.wait?, named)?;
    refusal.set_window(implied);
    refusal.cause = None;
    Some(named)
}

/// Returns the window in `wait = (used + requested − limit) ÷ limit × window`, if it is a usual one that is longer than
/// `named` and `named` is impossible. In any refill policy a request that fits the limit is admitted within two windows, plus
/// one for each time that an overdraft exceeds the limit.
#[must_use]
pub fn implied_window(limit: u64, used: i64, requested: u64, wait: Nanos, named: Nanos) -> Option<Nanos> {
    let over = over(limit, used, requested)?;
    let (limit, over) = (u128::from(limit.max(1)), u128::from(over.max(1)));
    let times = over.div_ceil(limit) + 1;
    if u128::from(wait.0) <= times * u128::from(named.0) {
        return None;
    }
    let implied = u128::from(wait.0).checked_mul(limit)? / over;
    // The level is rounded to whole units, so the excess may be off by one.
    let tolerance = |window: Nanos| {
        (u128::from(window.0) / over).min(u128::from(window.0) / 20) + u128::from(window.0) / 200
    };
    let near = |window: &Nanos| implied.abs_diff(u128::from(window.0)) <= tolerance(*window);
    WINDOWS.into_iter().filter(|window| *window > named).find(near)
}

impl Refusal {
    /// Returns the usual window by which the wait follows from the numbers, within 1 ms or 0.01 %, if it does not follow from
    /// the named one. A limit that refills evenly leaves no other explanation; one that is counted anew for each window may
    /// match by accident, so this is for a reader, not for routing.
    #[must_use]
    pub fn exact_window(&self) -> Option<Nanos> {
        let (limit, used, requested, wait) = (self.limit?, self.used?, self.requested?, self.wait?);
        let over = over(limit, used, requested)?;
        let is_exact = |window: &Nanos| {
            let expected = u128::from(over) * u128::from(window.0) / u128::from(limit.max(1));
            expected.abs_diff(u128::from(wait.0)) <= u128::from(MILLISECOND).max(expected / 10_000)
        };
        let is_usable = over > 0 && !self.window.is_some_and(|named| is_exact(&named));
        WINDOWS.into_iter().filter(|window| Some(*window) != self.window && is_usable).find(is_exact)
    }

    /// Replaces the window, and the axis with it.
    pub fn set_window(&mut self, window: Nanos) {
        self.window = Some(window);
        self.axis = self.unit.and_then(|unit| axis_of(unit, Some(window)));
    }
}

const MILLISECOND: u64 = 1_000_000;

/// The windows that limits have, from the shortest.
pub(super) const WINDOWS: [Nanos; 7] = [
    Nanos::SECOND,
    Nanos::MINUTE,
    Nanos::HOUR,
    Nanos(5 * Nanos::HOUR.0),
    Nanos::DAY,
    Nanos::WEEK,
    Nanos::MONTH,
];

/// The labels before a limit, in lower case; of several with a number, the first one here counts.
const LIMIT_LABELS: [&str; 24] = [
    "rate limit of",
    "limit of",
    "limit is",
    "limit",
    "max rpm",
    "max rpd",
    "max tpm",
    "max tpd",
    "max concurrency",
    "max concurrent requests",
    "max size",
    "max",
    "maximum of",
    "maximum",
    "limited to",
    "allocation of",
    "allowance of",
    "quota of",
    "quota is",
    "quota",
    "allowed",
    "限制为",
    "上限为",
    "上限",
];
/// The labels before the usage, as [`LIMIT_LABELS`].
const USED_LABELS: [&str; 6] = ["used", "current", "currently at", "usage", "consumed", "already used"];
/// The labels before the amount requested, as [`LIMIT_LABELS`].
const REQUESTED_LABELS: [&str; 4] = ["requested", "requesting", "request of", "needed"];

/// Words that say whose limit it is, in lower case, the most specific first.
const SCOPES: [(&str, &str); 20] = [
    ("userbymodel", "user and model"),
    ("per user per model", "user and model"),
    ("worker local", "provider worker"),
    ("reached project", "project"),
    ("project's", "project"),
    ("for this project", "project"),
    ("reached organization", "organisation"),
    ("organization's", "organisation"),
    ("for your organization", "organisation"),
    ("in organization", "organisation"),
    ("for instance id", "instance"),
    ("for this client", "client"),
    ("for this deployment", "deployment"),
    ("for team", "team"),
    ("workspace", "workspace"),
    ("exceeded for user", "user"),
    ("userby", "user"),
    ("userconcurrent", "user"),
    ("your account's", "account"),
    ("per ip", "address"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use provider::Axis;

    fn read(message: &str) -> (Refusal, Option<Nanos>) {
        let mut refusal = Refusal::from_message(message);
        let body = ErrorBody { message: Some(message.to_owned()), ..ErrorBody::default() };
        complete(
            &mut refusal,
            None,
            &message.to_ascii_lowercase(),
            &body,
            &super::super::testing::Pairs(&[]),
        );
        let named = correct_window(&mut refusal);
        (refusal, named)
    }

    #[test]
    fn numbers_that_contradict_the_name_take_precedence() {
        let message = |name: &str, wait: &str| {
            format!(
                "Rate limit reached for m in organization org-x on {name}: Limit 100000, Used 96749, Requested 19126. Please try again in {wait}. Visit"
            )
        };
        for (name, wait, axis, window) in [
            ("tokens per min (TPM)", "114h18m0s", Some(Axis::TpMonth), Nanos::MONTH),
            ("tokens per min (TPM)", "3h48m36s", Some(Axis::Tpd), Nanos::DAY),
            ("tokens per min (TPM)", "26h40m12s", Some(Axis::Tpw), Nanos::WEEK),
            ("tokens per day (TPD)", "114h18m0s", Some(Axis::TpMonth), Nanos::MONTH),
        ] {
            let (refusal, named) = read(&message(name, wait));
            assert_eq!((refusal.axis, refusal.window), (axis, Some(window)), "{name} {wait}");
            assert!(named.is_some_and(|named| named < window));
        }
        for (name, wait) in [
            ("tokens per min (TPM)", "9.525s"),
            ("tokens per min (TPM)", "59s"),
            ("tokens per min (TPM)", "100h"),
            ("tokens per day (TPD)", "3h48m36s"),
        ] {
            let (refusal, named) = read(&message(name, wait));
            assert_eq!((named, refusal.unit), (None, Some(Unit::Tokens)), "{name} {wait}");
            assert!(refusal.axis.is_some());
        }
    }

    /// Without a unit there is no axis, but the window and the cause are corrected all the same.
    #[test]
    fn numbers_take_precedence_over_a_name_without_a_unit() {
        let (limit, used, requested) = (Some(100_000), Some(96_749), Some(19_126));
        let mut refusal = Refusal {
            window: Some(Nanos::MINUTE),
            cause: Some(crate::event::RefusalCause::ShortLimit),
            wait: Some(Nanos::from_secs(3 * 3_600 + 48 * 60 + 36)),
            limit,
            used,
            requested,
            ..Refusal::default()
        };
        assert_eq!(correct_window(&mut refusal), Some(Nanos::MINUTE));
        assert_eq!((refusal.window, refusal.axis, refusal.cause), (Some(Nanos::DAY), None, None));
    }

    #[test]
    fn names_and_numbers_are_read_in_any_order() {
        let (refusal, _) =
            read("request reached organization TPD rate limit, current: 1526210, limit: 1500000, see");
        assert_eq!(
            (refusal.axis, refusal.used, refusal.limit),
            (Some(Axis::Tpd), Some(1_526_210), Some(1_500_000))
        );
        assert_eq!(refusal.scope, Some("organisation"));
        let (refusal, _) = read("reached project TPM rate limit, limit: 100, current: 1410.");
        assert_eq!((refusal.axis, refusal.used, refusal.limit), (Some(Axis::Tpm), Some(1_410), Some(100)));
        let (refusal, _) = read("request reached organization max RPM: 20, please try again after 1 seconds");
        assert_eq!((refusal.axis, refusal.limit), (Some(Axis::Rpm), Some(20)));
    }
}
