//! The names of results and logs: of refusals, reasons and failures.

use crate::event::{Cause, Failure, Reason};
use provider::Axis;
use std::borrow::Cow;

pub(super) const AXES: usize = Axis::ALL.len();
/// Refusals by axis, and behind them by cause where no axis was named.
pub(super) const REFUSALS: usize = AXES + CAUSES.len();
/// Every cause, in the order of [`Cause`].
pub(super) const CAUSES: [Cause; 9] = [
    Cause::MinuteLimit,
    Cause::DayLimit,
    Cause::Concurrency,
    Cause::Overload,
    Cause::Billing,
    Cause::TooLarge,
    Cause::NotInTier,
    Cause::Auth,
    Cause::Other,
];
/// Every reason, in the order of [`Reason`], with the word of results.
pub(super) const REASONS: [(Reason, &str); 5] = [
    (Reason::Deadline, "deadline"),
    (Reason::Attempts, "attempts"),
    (Reason::RetryBudget, "retry_budget"),
    (Reason::QueueFull, "queue_full"),
    (Reason::Rejected, "rejected"),
];

/// The name of a refusal in results.
pub(super) fn refusal_name(by: usize) -> &'static str {
    Axis::ALL.get(by).map_or_else(|| CAUSES[by - AXES].name(), |axis| axis.name())
}

/// The name of a failure in results and logs.
pub(super) fn failure_name(failure: Failure) -> Cow<'static, str> {
    match failure {
        Failure::Status(status) => format!("status_{status}").into(),
        Failure::Connection => "connection".into(),
        Failure::Timeout => "timeout".into(),
        Failure::Garbage => "garbage".into(),
    }
}
