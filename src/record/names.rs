//! The names that results and the event log use for refusals, reasons and failures.

use crate::event::{AttemptFailure, EndReason, LocalFailure, RefusalCause};
use provider::Axis;
use std::borrow::Cow;

/// The number of axes.
pub(super) const AXES: usize = Axis::ALL.len();
/// The number of refusal counters: one per axis, then one per cause for replies that name no axis.
pub(super) const REFUSALS: usize = AXES + CAUSES.len();
/// Every cause, in the order of [`RefusalCause`].
const CAUSES: [RefusalCause; 12] = [
    RefusalCause::ShortLimit,
    RefusalCause::DayLimit,
    RefusalCause::Allowance,
    RefusalCause::Concurrency,
    RefusalCause::Overload,
    RefusalCause::Billing,
    RefusalCause::TooLarge,
    RefusalCause::NotInTier,
    RefusalCause::Auth,
    RefusalCause::SharedQuota,
    RefusalCause::SharedCoolDown,
    RefusalCause::Other,
];
/// Every reason with its name, in the order of [`EndReason`].
pub(super) const REASONS: [(EndReason, &str); 9] = [
    (EndReason::Deadline, "deadline"),
    (EndReason::Attempts, "attempts"),
    (EndReason::RetryBudget, "retry_budget"),
    (EndReason::QueueFull, "queue_full"),
    (EndReason::Rejected, "rejected"),
    (EndReason::Cancelled, "cancelled"),
    (EndReason::Interrupted, "interrupted"),
    (EndReason::GeneratorLag, GENERATOR_LAG),
    (EndReason::ClientBudget, "client_budget"),
];
/// The name of [`EndReason::GeneratorLag`].
pub(super) const GENERATOR_LAG: &str = "generator_lag";
/// The beginning of the name of a failure with an HTTP status.
const STATUS: &str = "status_";

/// Returns the index of the counter of a refusal.
pub(super) fn refusal_index(axis: Option<Axis>, cause: RefusalCause) -> usize {
    axis.map_or(AXES + cause as usize, |axis| axis as usize)
}

/// Returns the name of the refusals that counter `index` counts: an axis or a cause.
pub(super) fn refusal_name(index: usize) -> &'static str {
    Axis::ALL.get(index).map_or_else(|| CAUSES[index - AXES].name(), |axis| axis.name())
}

/// Returns the name of a failure: `status_503`, `connection`, `timeout`, `garbage`, `local_ports`.
pub(super) fn failure_name(failure: AttemptFailure) -> Cow<'static, str> {
    match failure {
        AttemptFailure::Status(status) => format!("{STATUS}{status}").into(),
        AttemptFailure::Connection => "connection".into(),
        AttemptFailure::Timeout => "timeout".into(),
        AttemptFailure::Garbage => "garbage".into(),
        AttemptFailure::Local(local) => local.name().into(),
    }
}

/// Returns the failure with this name; `None` if there is none.
pub(super) fn failure_from_name(name: &str) -> Option<AttemptFailure> {
    match name {
        "connection" => Some(AttemptFailure::Connection),
        "timeout" => Some(AttemptFailure::Timeout),
        "garbage" => Some(AttemptFailure::Garbage),
        _ => {
            let local = LocalFailure::ALL.into_iter().find(|local| local.name() == name);
            let status = || name.strip_prefix(STATUS)?.parse().ok().map(AttemptFailure::Status);
            local.map(AttemptFailure::Local).or_else(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_the_order_of_their_enumerations() {
        assert!(CAUSES.iter().enumerate().all(|(index, cause)| *cause as usize == index));
        assert!(REASONS.iter().enumerate().all(|(index, (reason, _))| *reason as usize == index));
        for (reason, name) in REASONS {
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
        }
        for cause in CAUSES {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
    }

    #[test]
    fn failures_are_read_by_their_names() {
        let all = [AttemptFailure::Status(503), AttemptFailure::Connection, AttemptFailure::Timeout];
        let local = LocalFailure::ALL.map(AttemptFailure::Local);
        for failure in all.into_iter().chain([AttemptFailure::Garbage]).chain(local) {
            assert_eq!(failure_from_name(&failure_name(failure)), Some(failure));
        }
        assert_eq!(failure_from_name("status_x"), None);
        assert_eq!(failure_from_name("other"), None);
    }
}
