//! The wait that a response states: in its message, in members, in headers, as a length or as a moment.

use super::allowance::Allowance;
use super::clock_time::{self, ResetTime, ZoneSource};
use super::dialect::Dialect;
use super::headers::{retry_after, wait_until};
use super::limit_header::LimitHeader;
use super::limit_name::Unit;
use super::refusal::Refusal;
use super::responder::Responder;
use super::rules::{DialectRules, ErrorResponse};
use super::{wait_member, wait_words};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::Nanos;
use provider::calendar::UnixTime;

/// Where a wait may be stated.
pub(super) struct Sources<'a> {
    pub(super) rules: &'static DialectRules,
    pub(super) dialect: Option<Dialect>,
    pub(super) responder: Option<Responder>,
    pub(super) response: &'a ErrorResponse<'a>,
    pub(super) refusal: &'a Refusal,
    pub(super) sentence: &'a str,
    /// `true` if the dialect's own rules have found the axis in the message, which is then not searched for moments.
    pub(super) has_axis: bool,
}

impl Sources<'_> {
    /// Returns the stated wait with the kind that follows from the cause, and the moment of the reset. The most precise
    /// source takes precedence: the dialect's own, the message, members, `retry-after`, an allowance, a moment, the reset of
    /// the limit that refused, its window if that is short.
    pub(super) fn find(
        &self,
        cause: RefusalCause,
        refusing_header: Option<&LimitHeader>,
        refusing_allowance: Option<&Allowance>,
    ) -> (Option<Wait>, Option<ResetTime>) {
        let reset_at = self.reset_at(refusing_allowance);
        let until_reset = || {
            let length = wait_until(reset_at.as_ref()?.time?, self.response.headers)?;
            (length > Nanos::ZERO).then_some(Wait { length, kind: WaitKind::UntilWindowEnds })
        };
        let allowance = || Some(Wait { length: refusing_allowance?.reset?, kind: WaitKind::UntilWindowEnds });
        let by_header = || {
            let limit = refusing_header?;
            let next = limit.next.map(|length| Wait { length, kind: WaitKind::UntilAdmitted });
            next.or_else(|| Some(Wait { length: limit.reset?, kind: self.rules.reset_kind? }))
        };
        let stated = (self.rules.wait)(self.response)
            .or_else(|| self.refusal.wait.map(|length| self.of_inferred_kind(length)))
            .or_else(|| wait_words::wait(self.sentence).map(|length| self.of_inferred_kind(length)))
            .or_else(|| {
                wait_member::length(&self.response.body.members).map(|length| self.of_inferred_kind(length))
            })
            .or_else(|| retry_after(self.response.headers).map(|length| self.of_inferred_kind(length)))
            .or_else(allowance)
            .or_else(until_reset)
            .or_else(by_header)
            .or_else(|| self.whole_short_window(cause));
        // The allowances of Claude's subscriptions have windows that roll (`allowance`).
        let rolls = refusing_allowance.is_some() && self.dialect == Some(Dialect::Anthropic);
        // Google states a wait of seconds for quotas of a day, too.
        let is_google =
            matches!(self.dialect, Some(Dialect::Gemini | Dialect::GeminiCloudCode | Dialect::Vertex));
        let is_meaningless = is_google && cause == RefusalCause::DayLimit;
        let of_kind =
            |stated| if is_meaningless { WaitKind::Meaningless } else { kind(cause, stated, rolls) };
        let wait = stated.map(|wait| Wait { kind: of_kind(wait.kind), ..wait });
        (wait, reset_at)
    }

    /// Returns a wait of this length, whose kind the reply does not state: until this request is admitted if the dialect is
    /// known and no proxy answered (a gateway may have), or if the wait follows from the numbers; otherwise a suggestion.
    fn of_inferred_kind(&self, length: Nanos) -> Wait {
        let is_of_dialect = self.dialect.is_some() && !matches!(self.responder, Some(Responder::Proxy(_)));
        let is_certain = is_of_dialect || self.refusal.wait_follows_from_numbers(length);
        Wait { length, kind: if is_certain { WaitKind::UntilAdmitted } else { WaitKind::Suggested } }
    }

    /// Returns the moment that the members or the message state, or at which the allowance resets.
    fn reset_at(&self, refusing_allowance: Option<&Allowance>) -> Option<ResetTime> {
        let body = self.response.body;
        let zone = zone_of(self.dialect);
        if let Some(moment) = wait_member::moment(&body.members, zone) {
            return Some(moment);
        }
        if !self.has_axis && MOMENT_WORDS.iter().any(|word| self.sentence.contains(word)) {
            let now = self.response.headers.value("date").and_then(UnixTime::parse_http_date);
            if let Some(moment) = clock_time::find(&body.text(), now, zone) {
                return Some(moment);
            }
        }
        let time = refusing_allowance?.reset_at?;
        Some(ResetTime { stated: time.rfc3339().to_string(), time: Some(time), zone: ZoneSource::Stated })
    }

    /// Returns the window of a limit that is so short that its end can be awaited without knowing when it began. DashScope's limit on
    /// tokens per minute clears in about a minute (`named_limit`).
    fn whole_short_window(&self, cause: RefusalCause) -> Option<Wait> {
        let window = self.refusal.window.filter(|window| *window > Nanos::ZERO)?;
        let is_token_minute = window <= Nanos::MINUTE
            && self.dialect == Some(Dialect::DashScope)
            && self.refusal.unit == Some(Unit::Tokens);
        let is_short = window <= MAX_SHORT_WINDOW || is_token_minute;
        (cause == RefusalCause::ShortLimit && is_short)
            .then_some(Wait { length: window, kind: WaitKind::UntilWindowEnds })
    }
}

/// Returns the kind of a wait under this cause: meaningless if no wait helps, a suggestion if the provider and not a limit of
/// the account has to recover. For an allowance, the wait is until the full quota if the window `rolls`, that is, if past use
/// expires gradually; otherwise until the window ends, unless it is until this request is admitted. For other limits the kind is
/// as stated.
const fn kind(cause: RefusalCause, stated: WaitKind, rolls: bool) -> WaitKind {
    match cause {
        RefusalCause::TooLarge | RefusalCause::Billing | RefusalCause::NotInTier | RefusalCause::Auth => {
            WaitKind::Meaningless
        }
        RefusalCause::Overload => WaitKind::Suggested,
        RefusalCause::Allowance if rolls => WaitKind::UntilFull,
        RefusalCause::Allowance if !matches!(stated, WaitKind::Meaningless | WaitKind::UntilAdmitted) => {
            WaitKind::UntilWindowEnds
        }
        RefusalCause::Allowance
        | RefusalCause::ShortLimit
        | RefusalCause::DayLimit
        | RefusalCause::Concurrency
        | RefusalCause::SharedQuota
        | RefusalCause::SharedCoolDown
        | RefusalCause::Other => stated,
    }
}

/// Returns the time zone of the moments that a provider states without a zone. Z.ai states Beijing time (measured 2026-09: read
/// as UTC, the reset is eight hours late).
const fn zone_of(dialect: Option<Dialect>) -> Option<&'static str> {
    match dialect {
        Some(Dialect::Zai) => Some("Asia/Shanghai"),
        _ => None,
    }
}

/// The longest window whose end is awaited if no wait is stated; for DashScope's limit on tokens it is a minute.
pub const MAX_SHORT_WINDOW: Nanos = Nanos::from_secs(10);
/// Phrases of messages that may state a moment.
const MOMENT_WORDS: [&str; 9] = [
    "reset",
    "again at",
    "again after",
    "available",
    "retry at",
    "until",
    "regain access",
    "limit reached|",
    "将在",
];
