//! The names of results and logs: of refusals, reasons and failures.

use crate::event::{AttemptFailure, EndReason, LimitCause};
use provider::Axis;
use std::borrow::Cow;

pub(super) const AXES: usize = Axis::ALL.len();
/// Refusals by axis, and behind them by cause where no axis was named.
pub(super) const REFUSALS: usize = AXES + CAUSES.len();
/// Every cause, in the order of [`LimitCause`].
pub(super) const CAUSES: [LimitCause; 9] = [
    LimitCause::MinuteLimit,
    LimitCause::DayLimit,
    LimitCause::Concurrency,
    LimitCause::Overload,
    LimitCause::Billing,
    LimitCause::TooLarge,
    LimitCause::NotInTier,
    LimitCause::Auth,
    LimitCause::Other,
];
/// Every reason, in the order of [`EndReason`], with the word of results.
pub(super) const REASONS: [(EndReason, &str); 7] = [
    (EndReason::Deadline, "deadline"),
    (EndReason::Attempts, "attempts"),
    (EndReason::RetryBudget, "retry_budget"),
    (EndReason::QueueFull, "queue_full"),
    (EndReason::Rejected, "rejected"),
    (EndReason::Cancelled, "cancelled"),
    (EndReason::Interrupted, "interrupted"),
];

/// The name of a refusal in results.
pub(super) fn refusal_name(by: usize) -> &'static str {
    Axis::ALL.get(by).map_or_else(|| CAUSES[by - AXES].name(), |axis| axis.name())
}

/// The name of a failure in results and logs.
pub(super) fn failure_name(failure: AttemptFailure) -> Cow<'static, str> {
    match failure {
        AttemptFailure::Status(status) => format!("status_{status}").into(),
        AttemptFailure::Connection => "connection".into(),
        AttemptFailure::Timeout => "timeout".into(),
        AttemptFailure::Garbage => "garbage".into(),
    }
}
