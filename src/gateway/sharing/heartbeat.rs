//! What a replica tells Redis of itself every half second, for each quota and each budget.

use super::call::ScriptCall;
use provider::Instant;

/// Something that replicas share, and that Redis counts them by.
pub(super) trait Heartbeats {
    /// The heartbeat.
    type Call: ScriptCall;

    /// Returns the heartbeat, which counts the replicas that were heard of since `since`. It reports what was used without Redis. `id`
    /// makes the id of a new report.
    fn heartbeat(&self, times: (Instant, Instant), replica: &str, id: &dyn Fn() -> String) -> Self::Call;

    /// Takes the answer to [`Self::heartbeat`].
    fn take_heartbeat(&self, now: Instant, answer: &<Self::Call as ScriptCall>::Answer);

    /// Takes the answer to a heartbeat when Redis is back. Returns `true` if all replicas that were known before are back, and
    /// have reported what they used.
    fn take_return(&self, now: Instant, answer: &<Self::Call as ScriptCall>::Answer) -> bool;

    /// Records that Redis decides again.
    fn end_outage(&self);

    /// Returns the number of replicas that have it, as Redis named it last.
    fn replicas(&self) -> u32;
}
