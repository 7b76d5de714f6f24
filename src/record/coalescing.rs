//! Law 15, checked from outside: a job that follows another ends with it or takes its place. While it follows it
//! does nothing; where its leader is served it is served at that instant, in the order in which they joined; where its
//! leader is given up, the first of them takes over before anything else happens, and the others follow that one.

use crate::event::{Event, EventKind, JobOutcome};
use crate::ids::JobId;
use provider::Instant;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// Who follows whom.
#[derive(Clone, Debug, Default)]
pub(super) struct CoalescingLedger {
    /// By the job that leads, its followers in order.
    lines: FxHashMap<JobId, VecDeque<JobId>>,
    following: FxHashSet<JobId>,
    due: Due,
}

/// What must happen next.
#[derive(Clone, Debug, Default)]
enum Due {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// These are served, at this instant.
    Served(Instant, VecDeque<JobId>),
    /// The first of these takes over from the job.
    TakesOver(JobId, VecDeque<JobId>),
}

impl CoalescingLedger {
    /// Whether the job follows another.
    pub(super) fn follows(&self, job: JobId) -> bool {
        self.following.contains(&job)
    }

    /// Takes the next event; says what is wrong with it.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match (std::mem::take(&mut self.due), event.kind) {
            (Due::Nothing, _) => self.undue(event),
            (Due::Served(at, mut line), EventKind::Done(ending)) if line.front() == Some(&event.job) => {
                line.pop_front();
                self.following.remove(&event.job);
                let right = event.at == at && ending.verdict == JobOutcome::Succeeded;
                self.due = if line.is_empty() { Due::Nothing } else { Due::Served(at, line) };
                (!right).then_some("the leader is served, its follower is not, or later")
            }
            (Due::TakesOver(from, mut line), EventKind::Promoted { leader })
                if line.front() == Some(&event.job) =>
            {
                line.pop_front();
                self.following.remove(&event.job);
                if !line.is_empty() {
                    self.lines.insert(event.job, line);
                }
                (leader != from).then_some("it takes over from another than it followed")
            }
            _ => {
                Some("a leader has ended, and its followers neither end with it nor does the first take over")
            }
        }
    }

    /// An event where none is due.
    fn undue(&mut self, event: &Event) -> Option<&'static str> {
        let follows = self.follows(event.job);
        match event.kind {
            EventKind::Coalesced { leader } => {
                let wrong = follows || leader == event.job || self.follows(leader);
                self.following.insert(event.job);
                self.lines.entry(leader).or_default().push_back(event.job);
                wrong.then_some("it follows a job that does not lead")
            }
            EventKind::Promoted { .. } => Some("it takes over what nobody left"),
            EventKind::Done(ending) => {
                if let Some(line) = self.lines.remove(&event.job) {
                    self.due = match ending.verdict {
                        JobOutcome::Succeeded => Due::Served(event.at, line),
                        JobOutcome::Failed(_) | JobOutcome::Shed(_) => Due::TakesOver(event.job, line),
                        JobOutcome::InFlight => Due::Nothing,
                    };
                }
                (self.following.remove(&event.job) && ending.verdict != JobOutcome::InFlight)
                    .then_some("it ends while the job that it follows is under way")
            }
            EventKind::Queued { .. }
            | EventKind::Waiting { .. }
            | EventKind::Sent { .. }
            | EventKind::FellBack { .. } => follows.then_some("it follows another and goes on by itself"),
            _ => None,
        }
    }
}
