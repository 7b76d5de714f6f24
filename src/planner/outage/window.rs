//! The results of the jobs that arrived during an outage, and the time after it until jobs succeeded again.

use crate::event::{Event, EventKind, JobEnd, JobOutcome};
use crate::ids::{AttemptId, JobId};
use crate::planner::plan::Recovery;
use crate::record::{Fold, Mode, Recorder, RunEnd, Summary};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// The shortest slot for which recovery is judged.
const MIN_SLOT: Nanos = Nanos::MINUTE;
/// The most slots; longer runs have longer slots.
const MAX_SLOTS: u64 = 1 << 16;

/// Per slot, the jobs that arrived in it: succeeded and lost.
pub(super) type Slots = Vec<[u64; 2]>;

/// A fold over the jobs that arrive in an interval, and over the slots after it.
pub(in crate::planner) struct OutageRecorder {
    from: Instant,
    until: Instant,
    last_event: Instant,
    /// The first job of the interval; jobs are numbered by arrival.
    first: Option<JobId>,
    /// The workload of each job of the interval, by index.
    workload_by_index: Vec<u16>,
    /// The workload for which each attempt of those jobs was sent. Another job may take it over.
    attempts: FxHashMap<AttemptId, u16>,
    /// Per workload, the record of its jobs of the interval; then that of all.
    records: Vec<Recorder>,
    /// Per workload, the slots after the interval.
    after: Vec<Slots>,
    slot: Nanos,
}

/// What an [`OutageRecorder`] found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::planner) struct OutageRecord {
    /// Per workload, the jobs of the interval, judged by the rules of the scenario.
    pub(super) workloads: Vec<Summary>,
    /// The jobs of all workloads.
    pub(super) all: Summary,
    /// Per workload, the slots after the interval.
    pub(super) after: Vec<Slots>,
    /// The length of a slot, in nanoseconds.
    pub(super) slot_ns: u64,
}

impl OutageRecorder {
    /// Returns the fold for a run of `scenario`, whose expectations are the rules of the plan.
    pub(in crate::planner) fn new(scenario: &Scenario, from: Instant, until: Instant) -> Self {
        assert!(from < until, "invariant: an outage takes time, found {from} to {until}");
        let rest = (Instant::ZERO + scenario.duration).since(until);
        let slot = MIN_SLOT.max(Nanos(rest.0 / MAX_SLOTS));
        let slots = rest.0.div_ceil(slot.0) as usize;
        let record = Recorder::without_distributions(scenario);
        Self {
            from,
            until,
            last_event: Instant::ZERO,
            first: None,
            workload_by_index: Vec::new(),
            attempts: FxHashMap::default(),
            records: vec![record; scenario.workloads.len() + 1],
            after: vec![vec![[0; 2]; slots]; scenario.workloads.len()],
            slot,
        }
    }

    /// Ends the fold.
    pub(in crate::planner) fn finish(self) -> OutageRecord {
        let end = RunEnd { at: self.last_event, mode: Mode::Virtual, scheduled: None, interrupted: false };
        let mut workloads: Vec<Summary> = self.records.into_iter().map(|record| record.finish(end)).collect();
        let all = workloads.pop().expect("invariant: the record of all workloads is the last");
        OutageRecord { workloads, all, after: self.after, slot_ns: self.slot.0 }
    }

    /// Registers a job that arrives in the interval.
    fn arrived(&mut self, job: JobId, workload: u16) {
        let first = *self.first.get_or_insert(job);
        assert_eq!(
            job.0 - first.0,
            self.workload_by_index.len() as u64,
            "invariant: jobs are numbered by arrival"
        );
        self.workload_by_index.push(workload);
    }

    /// Returns the workload of a job of the interval; `None` for other jobs.
    fn workload_of(&self, job: JobId) -> Option<u16> {
        let index = job.0.checked_sub(self.first?.0)?;
        self.workload_by_index.get(usize::try_from(index).ok()?).copied()
    }

    /// Returns the workload to which an event belongs: that of its job, or that for which its attempt was sent.
    fn owner(&mut self, event: &Event) -> Option<u16> {
        match event.kind {
            EventKind::Sent { attempt, .. } => {
                let workload = self.workload_of(event.job)?;
                self.attempts.insert(attempt, workload);
                Some(workload)
            }
            EventKind::Decided { attempt, .. }
            | EventKind::Settled { attempt, .. }
            | EventKind::FirstByte { attempt, .. }
            | EventKind::Replied { attempt, .. }
            | EventKind::AttemptCancelled { attempt, .. } => self.attempts.get(&attempt).copied(),
            _ => self.workload_of(event.job),
        }
    }

    /// Counts a job that has ended and arrived after the interval.
    fn count_later_arrival(&mut self, end: &JobEnd) {
        let index = (end.scheduled.since(self.until).0 / self.slot.0) as usize;
        let column = match end.outcome {
            JobOutcome::Succeeded => 0,
            JobOutcome::Failed(_) | JobOutcome::Shed(_) => 1,
            JobOutcome::InFlight => return,
        };
        if let Some(slot) = self.after[end.workload.index()].get_mut(index) {
            slot[column] += 1;
        }
    }
}

impl Fold for OutageRecorder {
    fn event(&mut self, event: &Event) {
        self.last_event = event.at;
        match &event.kind {
            EventKind::Arrived { workload, scheduled, .. } if (self.from..self.until).contains(scheduled) => {
                self.arrived(event.job, workload.0);
            }
            EventKind::Done(end) if end.scheduled >= self.until => self.count_later_arrival(end),
            _ => {}
        }
        let Some(workload) = self.owner(event) else { return };
        self.records[usize::from(workload)].event(event);
        self.records.last_mut().expect("invariant: the record of all workloads is the last").event(event);
    }
}

fn add(sum: [u64; 2], slot: &[u64; 2]) -> [u64; 2] {
    [sum[0] + slot[0], sum[1] + slot[1]]
}

/// Returns the jobs of all slots.
pub(super) fn sum(slots: &Slots) -> [u64; 2] {
    slots.iter().fold([0; 2], add)
}

/// Returns from when on, after an outage, the jobs of a workload succeed until the end of the run: the end of the last slot
/// that fails. Each slot is judged together with as many slots after it as are needed for `needed` jobs. It fails if a
/// smaller share than `level` succeeds and the outage is the cause: in the same slots `without` the outage, the share is
/// higher by more than half of what `level` allows to fail.
pub(super) fn recovery(after: &Slots, without: &Slots, slot: Nanos, level: f64, needed: u64) -> Recovery {
    debug_assert_eq!(after.len(), without.len(), "invariant: the same slots with and without the outage");
    let share = |[succeeded, lost]: [u64; 2]| succeeded as f64 / (succeeded + lost).max(1) as f64;
    let total = sum(after);
    let (mut sums, mut until) = ([[0; 2]; 2], 0);
    let (mut last_failing, mut last_judged) = (None, None);
    for from in 0..after.len() {
        while until < after.len() && sums[0][0] + sums[0][1] < needed {
            sums = [add(sums[0], &after[until]), add(sums[1], &without[until])];
            until += 1;
        }
        if sums[0][0] + sums[0][1] < needed {
            break;
        }
        last_judged = Some(from);
        let missing = if sums[1] == [0; 2] { level } else { share(sums[1]) } - share(sums[0]);
        if share(sums[0]) < level && missing > (1.0 - level) / 2.0 {
            last_failing = Some(from);
        }
        let subtract = |sum: [u64; 2], slot: &[u64; 2]| [sum[0] - slot[0], sum[1] - slot[1]];
        sums = [subtract(sums[0], &after[from]), subtract(sums[1], &without[from])];
    }
    match (last_failing, last_judged) {
        (_, None) => Recovery::TooFewJobs { jobs: total[0] + total[1], needed },
        (None, Some(_)) => Recovery::After { seconds: 0.0 },
        (Some(failing), Some(last)) if failing == last => Recovery::NotBeforeEnd,
        (Some(failing), _) => Recovery::After { seconds: (slot * (failing as u64 + 1)).as_secs_f64() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery_of(after: &[[u64; 2]], without: &[[u64; 2]]) -> Recovery {
        recovery(&after.to_vec(), &without.to_vec(), Nanos::MINUTE, 0.9, 30)
    }

    #[test]
    fn recovery_begins_when_success_is_back_and_stays() {
        let (good, bad) = ([30, 0], [20, 10]);
        let seconds = |seconds| Recovery::After { seconds };
        assert_eq!(recovery_of(&[good; 9], &[good; 9]), seconds(0.0));
        assert_eq!(recovery_of(&[bad, bad, good, good], &[good; 4]), seconds(120.0));
        // One good minute between bad ones is no recovery.
        assert_eq!(recovery_of(&[bad, good, bad, good], &[good; 4]), seconds(180.0));
        assert_eq!(recovery_of(&[good, good, good, bad], &[good; 4]), Recovery::NotBeforeEnd);
    }

    #[test]
    fn failures_that_also_occur_without_the_outage_are_not_attributed_to_it() {
        let (good, bad) = ([30, 0], [20, 10]);
        assert_eq!(
            recovery_of(&[bad, good, bad, good], &[good, good, bad, good]),
            Recovery::After { seconds: 60.0 }
        );
        assert_eq!(recovery_of(&[bad; 3], &[bad; 3]), Recovery::After { seconds: 0.0 });
    }

    #[test]
    fn few_jobs_are_judged_over_several_slots_or_not_at_all() {
        let (good, lost) = ([10, 0], [0, 10]);
        // Each slot is judged with the two after it, as 30 jobs are needed.
        assert_eq!(
            recovery_of(&[lost, good, good, good, good], &[good; 5]),
            Recovery::After { seconds: 60.0 }
        );
        assert_eq!(recovery_of(&[good, good], &[good; 2]), Recovery::TooFewJobs { jobs: 20, needed: 30 });
        assert_eq!(recovery_of(&[], &[]), Recovery::TooFewJobs { jobs: 0, needed: 30 });
    }
}
