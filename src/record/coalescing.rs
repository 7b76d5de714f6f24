//! Law 15, checked from outside: a job that follows another ends with it or takes its place. While it follows it
//! does nothing; where its leader is served it is served at that instant, in the order in which they joined; where its
//! leader is given up, the first of them takes over before anything else happens, and the others follow that one.

use crate::event::{EndReason, Event, EventKind, JobOutcome};
use crate::ids::JobId;
use provider::Instant;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Who follows whom.
#[derive(Clone, Debug, Default)]
pub(super) struct CoalescingLedger {
    /// By the job that leads, its followers in order.
    lines: FxHashMap<JobId, VecDeque<JobId>>,
    /// By follower, the job that it follows.
    following: FxHashMap<JobId, JobId>,
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
        self.following.contains_key(&job)
    }

    /// Takes the next event; says what is wrong with it.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match (std::mem::take(&mut self.due), event.kind) {
            (Due::Nothing, _) => self.undue(event),
            (Due::Served(at, mut line), EventKind::Done(ending)) if line.front() == Some(&event.job) => {
                line.pop_front();
                self.following.remove(&event.job);
                let right = event.at == at && ending.outcome == JobOutcome::Succeeded;
                self.due = if line.is_empty() { Due::Nothing } else { Due::Served(at, line) };
                (!right).then_some("the leader is served, its follower is not, or later")
            }
            (Due::TakesOver(from, mut line), EventKind::Promoted { leader, attempt: None })
                if line.front() == Some(&event.job) =>
            {
                line.pop_front();
                self.promote(event.job, line);
                (leader != from).then_some("it takes over from another than it followed")
            }
            _ => {
                Some("a leader has ended, and its followers neither end with it nor does the first take over")
            }
        }
    }

    /// Makes a follower the leader of the others.
    fn promote(&mut self, leader: JobId, line: VecDeque<JobId>) {
        self.following.remove(&leader);
        for follower in &line {
            self.following.insert(*follower, leader);
        }
        if !line.is_empty() {
            self.lines.insert(leader, line);
        }
    }

    /// Removes a follower that ends before its leader.
    fn leave(&mut self, follower: JobId) {
        let line = self.following.remove(&follower).and_then(|leader| self.lines.get_mut(&leader));
        if let Some(line) = line {
            line.retain(|other| *other != follower);
        }
    }

    /// An event where none is due.
    fn undue(&mut self, event: &Event) -> Option<&'static str> {
        let follows = self.follows(event.job);
        match event.kind {
            EventKind::Coalesced { leader } => {
                let wrong = follows || leader == event.job || self.follows(leader);
                self.following.insert(event.job, leader);
                self.lines.entry(leader).or_default().push_back(event.job);
                wrong.then_some("it follows a job that does not lead")
            }
            // A leader that is cancelled hands its attempt over before it ends.
            EventKind::Promoted { leader, attempt: Some(_) } => {
                let mut line = self.lines.remove(&leader).unwrap_or_default();
                let is_first = line.pop_front() == Some(event.job);
                self.promote(event.job, line);
                (!is_first).then_some("it takes an attempt over that is not left to it")
            }
            EventKind::Promoted { .. } => Some("it takes over what nobody left"),
            EventKind::Done(ending) => {
                if let Some(line) = self.lines.remove(&event.job).filter(|line| !line.is_empty()) {
                    self.due = match ending.outcome {
                        JobOutcome::Succeeded => Due::Served(event.at, line),
                        JobOutcome::Failed(_) | JobOutcome::Shed(_) => Due::TakesOver(event.job, line),
                        JobOutcome::InFlight => Due::Nothing,
                    };
                }
                let alone = matches!(
                    ending.outcome,
                    JobOutcome::InFlight | JobOutcome::Shed(EndReason::Deadline | EndReason::Cancelled)
                );
                self.leave(event.job);
                (follows && !alone).then_some("it ends while the job that it follows is under way")
            }
            EventKind::Queued { .. }
            | EventKind::FirstByte { .. }
            | EventKind::Waiting { .. }
            | EventKind::Sent { .. }
            | EventKind::FellBack { .. } => follows.then_some("it follows another and goes on by itself"),
            _ => None,
        }
    }
}
