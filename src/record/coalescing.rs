//! Law 15, checked from the events alone: a follower ends with its leader, or is promoted.
//!
//! A follower does nothing while it follows. If its leader is served, the followers are served at that instant, in the
//! order in which they joined. If the leader is given up, the first of them is promoted before anything else happens,
//! and the others follow it.

use crate::event::{Event, EventKind, JobOutcome};
use crate::ids::JobId;
use provider::Instant;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// The leaders and followers of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct CoalescingLedger {
    /// By leader, its followers in order.
    followers: FxHashMap<JobId, VecDeque<JobId>>,
    following: FxHashSet<JobId>,
    due: Due,
}

/// What the next event must be.
#[derive(Clone, Debug, Default)]
enum Due {
    /// Any event.
    #[default]
    Any,
    /// The end of these followers, at this instant.
    Served(Instant, VecDeque<JobId>),
    /// The promotion of the first of these followers of this job.
    Promoted(JobId, VecDeque<JobId>),
}

impl CoalescingLedger {
    /// Returns `true` if the job follows another.
    pub(super) fn follows(&self, job: JobId) -> bool {
        self.following.contains(&job)
    }

    /// Takes the next event and returns the violation in it, if there is one.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match (std::mem::take(&mut self.due), event.kind) {
            (Due::Any, _) => self.any(event),
            (Due::Served(at, mut followers), EventKind::Done(ending))
                if followers.front() == Some(&event.job) =>
            {
                followers.pop_front();
                self.following.remove(&event.job);
                let served = event.at == at && ending.verdict == JobOutcome::Succeeded;
                self.due = if followers.is_empty() { Due::Any } else { Due::Served(at, followers) };
                (!served).then_some("the leader is served, but its follower is not, or later")
            }
            (Due::Promoted(from, mut followers), EventKind::Promoted { leader })
                if followers.front() == Some(&event.job) =>
            {
                followers.pop_front();
                self.following.remove(&event.job);
                if !followers.is_empty() {
                    self.followers.insert(event.job, followers);
                }
                (leader != from).then_some("the job is promoted in place of a leader that it did not follow")
            }
            _ => Some("a leader has ended, but its followers neither end with it nor is the first promoted"),
        }
    }

    /// Checks an event when none in particular is due.
    fn any(&mut self, event: &Event) -> Option<&'static str> {
        let follows = self.follows(event.job);
        match event.kind {
            EventKind::Coalesced { leader } => {
                let wrong = follows || leader == event.job || self.follows(leader);
                self.following.insert(event.job);
                self.followers.entry(leader).or_default().push_back(event.job);
                wrong.then_some("the job follows a job that does not lead")
            }
            EventKind::Promoted { .. } => Some("the job is promoted although no leader was given up"),
            EventKind::Done(ending) => {
                if let Some(followers) = self.followers.remove(&event.job) {
                    self.due = match ending.verdict {
                        JobOutcome::Succeeded => Due::Served(event.at, followers),
                        JobOutcome::Failed(_) | JobOutcome::Shed(_) => Due::Promoted(event.job, followers),
                        JobOutcome::InFlight => Due::Any,
                    };
                }
                (self.following.remove(&event.job) && ending.verdict != JobOutcome::InFlight)
                    .then_some("the job ends while its leader is in flight")
            }
            EventKind::Queued { .. }
            | EventKind::Waiting { .. }
            | EventKind::Sent { .. }
            | EventKind::FellBack { .. } => follows.then_some("a follower continues on its own"),
            _ => None,
        }
    }
}
