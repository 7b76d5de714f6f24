//! Replies that have arrived before the report of the decision that caused them. Mocks in another process report decisions
//! through a pipe, and a reply that breaks off before its head does not state the decision. Each such reply waits for the
//! report, so that events keep their order (law 3).

use crate::engine::Reply;
use crate::ids::AttemptId;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The longest wait of a reply for its decision. A mock reports a decision before it replies, so only a reply without a decision,
/// such as one to a malformed request, waits for so long.
const MAX_HOLD: Nanos = Nanos::from_millis(100);

/// The replies that wait for their decisions.
#[derive(Debug, Default)]
pub(super) struct HeldReplies {
    replies: FxHashMap<AttemptId, Reply>,
    /// When the wait of each reply ends, in this order. Replies that were taken before stay here until then.
    ends: VecDeque<(Instant, AttemptId)>,
}

impl HeldReplies {
    /// Holds a reply that has arrived at `now`.
    pub(super) fn hold(&mut self, now: Instant, attempt: AttemptId, reply: Reply) {
        self.replies.insert(attempt, reply);
        self.ends.push_back((now + MAX_HOLD, attempt));
    }

    /// Removes and returns the reply to an attempt, if it is held.
    pub(super) fn take(&mut self, attempt: AttemptId) -> Option<Reply> {
        self.replies.remove(&attempt)
    }

    /// Removes and returns a reply whose wait has ended at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(AttemptId, Reply)> {
        while self.next_end() <= now {
            let (_, attempt) = self.ends.pop_front()?;
            if let Some(reply) = self.replies.remove(&attempt) {
                return Some((attempt, reply));
            }
        }
        None
    }

    /// Returns the instant of the end of the next wait; [`Instant::MAX`] if there is none.
    pub(super) fn next_end(&self) -> Instant {
        self.ends.front().map_or(Instant::MAX, |(end, _)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AttemptFailure;

    #[test]
    fn a_reply_is_taken_with_its_decision_or_when_its_wait_is_over() {
        let at = |millis| Instant::ZERO + Nanos::from_millis(millis);
        let reply = || Reply::failed(at(0), AttemptFailure::Connection);
        let mut held = HeldReplies::default();
        assert_eq!(held.next_end(), Instant::MAX);
        held.hold(at(0), AttemptId(1), reply());
        held.hold(at(10), AttemptId(2), reply());
        assert_eq!((held.take(AttemptId(1)), held.take(AttemptId(3))), (Some(reply()), None));
        assert_eq!(held.take_due(at(109)), None);
        assert_eq!(held.next_end(), at(110));
        assert_eq!(held.take_due(at(110)), Some((AttemptId(2), reply())));
        assert_eq!(held.take_due(at(200)), None);
    }
}
