//! Law 15, checked from the events alone: a follower ends with its leader, or is promoted.
//!
//! A follower does nothing while it follows. If its leader is served, the followers are served at that instant, in the
//! order in which they joined. If the leader is given up, the first of them is promoted before anything else happens,
//! and the others follow it. If the leader is cancelled during an attempt, the first follower is promoted before the
//! leader ends, and takes the attempt over.

use crate::event::{EndReason, Event, EventKind, JobOutcome};
use crate::ids::JobId;
use provider::Instant;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The leaders and followers of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct CoalescingAudit {
    /// By leader, its followers in order.
    followers: FxHashMap<JobId, VecDeque<JobId>>,
    /// By follower, its leader.
    following: FxHashMap<JobId, JobId>,
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

impl CoalescingAudit {
    /// Returns `true` if the job follows another.
    pub(super) fn follows(&self, job: JobId) -> bool {
        self.following.contains_key(&job)
    }

    /// Takes the next event and returns the violation in it, if there is one.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match (std::mem::take(&mut self.due), event.kind) {
            (Due::Any, _) => self.any(event),
            (Due::Served(at, mut followers), EventKind::Done(end))
                if followers.front() == Some(&event.job) =>
            {
                followers.pop_front();
                self.following.remove(&event.job);
                let served = event.at == at && end.outcome == JobOutcome::Succeeded;
                self.due = if followers.is_empty() { Due::Any } else { Due::Served(at, followers) };
                (!served).then_some("the leader is served, but its follower is not, or is served later")
            }
            (Due::Promoted(from, mut followers), EventKind::Promoted { leader, attempt: None })
                if followers.front() == Some(&event.job) =>
            {
                followers.pop_front();
                self.promote(event.job, followers);
                (leader != from).then_some("the job is promoted in place of a leader that it did not follow")
            }
            _ => Some(
                "a leader has ended, but its followers do not end with it, and the first is not promoted",
            ),
        }
    }

    /// Makes a follower the leader of the others.
    fn promote(&mut self, leader: JobId, followers: VecDeque<JobId>) {
        self.following.remove(&leader);
        for follower in &followers {
            self.following.insert(*follower, leader);
        }
        if !followers.is_empty() {
            self.followers.insert(leader, followers);
        }
    }

    /// Removes a follower that ends before its leader.
    fn leave(&mut self, follower: JobId) {
        let leader = self.following.remove(&follower);
        if let Some(followers) = leader.and_then(|leader| self.followers.get_mut(&leader)) {
            followers.retain(|other| *other != follower);
        }
    }

    /// Checks an event if no particular event is due.
    fn any(&mut self, event: &Event) -> Option<&'static str> {
        let follows = self.follows(event.job);
        match event.kind {
            EventKind::Coalesced { leader } => {
                let wrong = follows || leader == event.job || self.follows(leader);
                self.following.insert(event.job, leader);
                self.followers.entry(leader).or_default().push_back(event.job);
                wrong.then_some("the job follows a job that does not lead")
            }
            EventKind::Promoted { leader, attempt: Some(_) } => {
                let mut followers = self.followers.remove(&leader).unwrap_or_default();
                let is_first = followers.pop_front() == Some(event.job);
                self.promote(event.job, followers);
                (!is_first)
                    .then_some("the job takes over the leader's attempt, but is not its first follower")
            }
            EventKind::Promoted { .. } => Some("the job is promoted although no leader was given up"),
            EventKind::Done(end) => {
                if let Some(followers) = self.followers.remove(&event.job).filter(|all| !all.is_empty()) {
                    self.due = match end.outcome {
                        JobOutcome::Succeeded => Due::Served(event.at, followers),
                        JobOutcome::Failed(_) | JobOutcome::Shed(_) => Due::Promoted(event.job, followers),
                        JobOutcome::InFlight => Due::Any,
                    };
                }
                let may_leave = matches!(
                    end.outcome,
                    JobOutcome::InFlight | JobOutcome::Shed(EndReason::Deadline | EndReason::Cancelled)
                );
                self.leave(event.job);
                (follows && !may_leave).then_some("the job ends while its leader is in flight")
            }
            EventKind::Queued { .. }
            | EventKind::FirstByte { .. }
            | EventKind::Waiting { .. }
            | EventKind::Hedged { .. }
            | EventKind::Sent { .. }
            | EventKind::FellBack { .. } => follows.then_some("a follower continues on its own"),
            _ => None,
        }
    }
}
