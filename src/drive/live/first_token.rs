//! The report of the first token of a streamed answer, for clients that hedge.

use super::Message;
use crate::ids::AttemptId;
use tokio::sync::mpsc::UnboundedSender;

/// Reports once that the first token of an answer has arrived.
#[derive(Debug)]
pub(in crate::drive) struct FirstToken(Option<(UnboundedSender<Message>, AttemptId)>);

impl FirstToken {
    /// Returns what reports the first token of the answer to `attempt` through `sender`.
    pub(super) const fn reported(sender: UnboundedSender<Message>, attempt: AttemptId) -> Self {
        Self(Some((sender, attempt)))
    }

    /// Returns what reports nothing, because no client hedges.
    pub(in crate::drive) const fn unreported() -> Self {
        Self(None)
    }

    /// Reports that the first token has arrived. Does nothing if that was reported before.
    pub(in crate::drive) fn report(&mut self) {
        if let Some((sender, attempt)) = self.0.take() {
            // Sending fails only if the run has ended and dropped the receiver.
            let _ = sender.send(Message::FirstToken { attempt });
        }
    }
}
