//! The interface through which a run observes the mock that it sends to.

use crate::call::{Call, Usage};
use crate::decision::DecisionReport;
use crate::time::Instant;

/// The name of the response header that states the decision on a call to the run which observes the mock.
pub const DECISION_HEADER: &str = "x-quotalab-decision";

/// Receives every decision and every end of an admitted call, in order: `at` decreases only if the mock's clock is set back.
///
/// The provider model is locked meanwhile, so an observer must return quickly and must not call the mock.
pub trait Observer {
    /// Returns `true` if the run that this observer records has sent the truth header with this tag. The headers of others are
    /// ignored.
    fn is_own(&self, tag: u128) -> bool;
    /// Called when a call has been decided on. `tag` is that of its truth header, `None` if it has none.
    fn decided(&self, at: Instant, tag: Option<u128>, call: Call, report: &DecisionReport);
    /// Returns the value of [`DECISION_HEADER`] in the reply to a call; `None` if the reply has no such header. The default is `None`.
    fn reply_header(&self, _tag: Option<u128>, _report: &DecisionReport) -> Option<String> {
        None
    }
    /// Called once per admitted call, when it has been served, or was cancelled because its client
    /// disconnected or the server shut down. `usage` is what it used.
    fn settled(&self, at: Instant, tag: Option<u128>, call: Call, usage: Usage);
}
