//! Law 23, checked from the events alone: a job has one attempt in flight, or two of which one is a hedge, of which it has one at most.

use crate::event::{AttemptOutcome, Event, EventKind, HedgeUse, JobEnd, JobOutcome};
use crate::ids::{AttemptId, JobId, TargetId};
use rustc_hash::FxHashMap;

/// The attempts in flight of jobs, and their hedges.
#[derive(Clone, Debug, Default)]
pub(super) struct HedgeAudit {
    jobs: FxHashMap<JobId, Attempts>,
}

/// The attempts of one job.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    /// Those in flight, with their targets.
    in_flight: [Option<(AttemptId, TargetId)>; 2],
    hedge: Option<AttemptId>,
    /// The attempt that served it.
    served_by: Option<AttemptId>,
}

impl HedgeAudit {
    /// Takes the next event and returns the violation in it, if there is one.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match event.kind {
            EventKind::Hedged { attempt, beside } => {
                let job = self.jobs.entry(event.job).or_default();
                let is_beside = job.in_flight.iter().flatten().map(|(sent, _)| *sent).eq([beside]);
                let again = job.hedge.replace(attempt).is_some();
                match (again, is_beside) {
                    (true, _) => Some("the job has two hedges"),
                    (_, false) => Some("a hedge is not sent beside the only attempt in flight"),
                    _ => None,
                }
            }
            EventKind::Sent { attempt, target, .. } => {
                self.jobs.entry(event.job).or_default().send(attempt, target)
            }
            EventKind::Replied { attempt, outcome, .. } => {
                let job = self.jobs.get_mut(&event.job)?;
                job.end(attempt);
                if outcome == AttemptOutcome::Ok {
                    job.served_by = Some(attempt);
                }
                None
            }
            EventKind::AttemptCancelled { attempt, .. } => {
                self.jobs.get_mut(&event.job)?.end(attempt);
                None
            }
            EventKind::Promoted { leader, attempt: Some(attempt) } => {
                let leader = self.jobs.get_mut(&leader)?;
                let target = leader.end(attempt)?;
                self.jobs.entry(event.job).or_default().send(attempt, target)
            }
            EventKind::Done(ref end) => self.jobs.remove(&event.job)?.done(end),
            _ => None,
        }
    }
}

impl Attempts {
    fn send(&mut self, attempt: AttemptId, target: TargetId) -> Option<&'static str> {
        let [first, second] = &mut self.in_flight;
        let Some((_, beside)) = *first else {
            *first = Some((attempt, target));
            return (self.hedge == Some(attempt)).then_some("a hedge is sent beside no attempt");
        };
        if second.replace((attempt, target)).is_some() {
            return Some("the job has three attempts in flight");
        }
        if self.hedge != Some(attempt) {
            return Some("a second attempt in flight is not a hedge");
        }
        (beside == target).then_some("the hedge goes to the target of the attempt beside it")
    }

    /// Removes an attempt that ends, and returns its target.
    fn end(&mut self, attempt: AttemptId) -> Option<TargetId> {
        let ended = self.in_flight.iter_mut().find_map(|sent| sent.take_if(|(sent, _)| *sent == attempt));
        let [first, second] = &mut self.in_flight;
        *first = first.take().or_else(|| second.take());
        ended.map(|(_, target)| target)
    }

    fn done(self, end: &JobEnd) -> Option<&'static str> {
        let won = self.hedge.is_some() && self.hedge == self.served_by;
        let hedge = match self.hedge {
            None => HedgeUse::None,
            Some(_) if won && end.outcome == JobOutcome::Succeeded => HedgeUse::Won,
            Some(_) => HedgeUse::Sent,
        };
        (end.hedge != hedge).then_some("the end of the job states another use of a hedge")
    }
}
