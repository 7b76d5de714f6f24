//! One engine of a replay: checks each input before it is passed on, because a file may state anything, and compares what the
//! engine decides with what was recorded.

use super::line::{Kind, ReplyLine, is_decision};
use super::names::Names;
use super::replay::Replayed;
use crate::engine::{Answer, Attempt, Driver, Engine, Handover, NewAnswer};
use crate::event::{Event, JobEnd};
use crate::ids::{AttemptId, EngineId, FlowId, JobId, RouteId, Slot, Tag, WorkloadId};
use crate::job::{Job, MAX_TOKENS};
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};

/// The largest estimate of a prompt: the gateway corrects by at most this factor.
const MAX_PROMPT_TOKENS: u32 = 8 * MAX_TOKENS;

/// An engine of a recording.
pub(super) struct ReplayedEngine {
    number: u32,
    engine: Engine,
    driver: ReplayDriver,
    /// The instant of the last input, or of a later timer.
    pub(super) last: Instant,
    /// No job arrives with an earlier id.
    next_job: u64,
    /// Recorded decisions so far that this engine took as well.
    matched: u64,
    /// A job differs, so the order of decisions of several jobs may differ too.
    differs: bool,
}

/// The driver of the engine: it keeps what the engine decides until that is compared.
#[derive(Default)]
struct ReplayDriver {
    /// The jobs that are in flight in the recording.
    jobs: FxHashMap<u64, JobState>,
    /// By job: decisions that are not compared yet, each with its number. No queue is empty.
    decisions: BTreeMap<u64, VecDeque<(u64, Event)>>,
    /// Decisions so far.
    count: u64,
    /// The attempt whose reply is the input.
    replied: Option<AttemptId>,
    /// By fingerprint: the common fields of identical jobs in the engine, and how many there are.
    groups: FxHashMap<u64, (CommonFields, usize)>,
    /// By job in the engine: its fingerprint.
    fingerprints: FxHashMap<u64, u64>,
}

/// What identical jobs have in common: the route, the estimated prompt, and the bound on the completion.
type CommonFields = (RouteId, u32, Option<u32>);

/// A job that is in flight in the recording.
#[derive(Clone, Copy, Default)]
struct JobState {
    /// `None` if it has ended in this engine.
    slot: Option<Slot>,
    /// The attempt in flight, and its number.
    attempt: Option<(AttemptId, u8)>,
    has_first_byte: bool,
    /// A decision differs: the job is cancelled in this engine and no longer compared.
    differs: bool,
}

impl ReplayedEngine {
    /// Returns an engine that begins at `at` and whose first job is `next_job`.
    pub(super) fn new(number: u32, engine: Engine, at: Instant, next_job: u64) -> Self {
        Self {
            number,
            engine,
            driver: ReplayDriver::default(),
            last: at,
            next_job,
            matched: 0,
            differs: false,
        }
    }

    /// Returns the number of jobs that are in flight in the recording.
    pub(super) fn jobs_in_flight(&self) -> usize {
        self.driver.jobs.len()
    }

    /// Fires the timers that are due before `at` and that the recorded engine did not have.
    pub(super) fn fire_timers_before(&mut self, at: Instant, names: &Names, found: &mut Replayed) {
        loop {
            self.report_unrecorded(names, found);
            let due = self.engine.poll_timeout().max(self.last);
            if due >= at {
                return;
            }
            self.last = due;
            self.engine.handle_timeout(&mut self.driver, due);
            if self.engine.poll_timeout() <= due {
                return;
            }
        }
    }

    /// Passes an input to the engine.
    pub(super) fn input(
        &mut self,
        at: Instant,
        job: Option<u64>,
        kind: Kind<'_>,
        names: &Names,
        found: &mut Replayed,
    ) -> Result<(), String> {
        match kind {
            Kind::Arrival { route, priority, flow, prompt_tokens, max_tokens, deadline_ns, identical_to } => {
                let id = job.ok_or("an arrival names its job")?;
                if id < self.next_job || id == u64::MAX {
                    return Err(format!("job {id} has arrived before"));
                }
                if prompt_tokens > MAX_PROMPT_TOKENS || max_tokens > Some(MAX_TOKENS) {
                    return Err("a gateway accepts no request of this size".to_owned());
                }
                self.next_job = id + 1;
                found.jobs += 1;
                let Some(route) = names.route_id(&route) else {
                    found.without_route += 1;
                    self.driver.jobs.insert(id, JobState { differs: true, ..JobState::default() });
                    return Ok(());
                };
                let job = Job {
                    id: JobId(id),
                    workload: WorkloadId(route.0),
                    engine: EngineId::default(),
                    route,
                    scheduled: at,
                    priority,
                    flow: FlowId(flow),
                    deadline: deadline_ns.map(Instant),
                    prompt_tokens,
                    max_tokens,
                    fingerprint: identical_to.unwrap_or(id),
                };
                self.check_identical(&job)?;
                self.submit(at, job)
            }
            Kind::SharedAnswer { identical_to, age_ns, stored_bytes, cut } => {
                let answer = NewAnswer { age: Nanos(age_ns), cut, bytes: stored_bytes };
                self.engine.add_answer(&mut self.driver, at, identical_to, answer);
                Ok(())
            }
            Kind::Reply(line) => self.reply(at, job, *line),
            Kind::FirstByte { attempt } => {
                let Some((slot, attempt)) = self.attempt(job, attempt)? else { return Ok(()) };
                if std::mem::replace(&mut self.driver.job(job).has_first_byte, true) {
                    return Err("the first byte of an answer is recorded once".to_owned());
                }
                self.engine.handle_first_byte(&mut self.driver, at, slot, attempt);
                Ok(())
            }
            Kind::Leave => {
                if let Some(slot) = self.job_state(job)?.slot {
                    self.engine.cancel(&mut self.driver, at, slot);
                }
                Ok(())
            }
            Kind::Withdraw { attempt } => self.withdraw_attempt(at, job, attempt),
            Kind::Adopt { target, cool_down, used } => {
                if let Some(target) = names.target_id(&target) {
                    let cool_down = cool_down
                        .map(|line| (Instant(line.until_ns), line.cause, line.axis.map(|axis| axis.0)));
                    let used = used.iter().map(|(axis, units)| (axis.0, *units));
                    self.engine.adopt(at, target, cool_down, used);
                }
                Ok(())
            }
            _ => {
                self.engine.handle_timeout(&mut self.driver, at);
                Ok(())
            }
        }
    }

    /// Checks that a job is like those in flight that it is said to be identical to.
    fn check_identical(&mut self, job: &Job) -> Result<(), String> {
        let Job { id, route, prompt_tokens, max_tokens, fingerprint, .. } = *job;
        if fingerprint > id.0 {
            return Err(format!("job {id} is identical to a later one", id = id.0));
        }
        let fields = (route, prompt_tokens, max_tokens);
        let group = self.driver.groups.entry(fingerprint).or_insert((fields, 0));
        if group.0 != fields {
            return Err(format!("job {} differs from those that it is identical to", id.0));
        }
        group.1 += 1;
        self.driver.fingerprints.insert(id.0, fingerprint);
        Ok(())
    }

    fn reply(&mut self, at: Instant, job: Option<u64>, line: ReplyLine) -> Result<(), String> {
        let Some((slot, attempt)) = self.attempt(job, line.attempt)? else { return Ok(()) };
        let reply = line.into_reply()?;
        self.driver.replied = Some(attempt);
        self.driver.job(job).attempt = None;
        self.engine.handle_reply(&mut self.driver, at, slot, attempt, &reply);
        self.driver.replied = None;
        Ok(())
    }

    fn withdraw_attempt(&mut self, at: Instant, job: Option<u64>, number: u8) -> Result<(), String> {
        if let Some((slot, attempt)) = self.attempt(job, number)? {
            if self.job_state(job)?.has_first_byte {
                return Err("an attempt whose answer has begun is not withdrawn".to_owned());
            }
            self.engine.withdraw(&mut self.driver, at, slot, attempt);
        }
        Ok(())
    }

    fn submit(&mut self, at: Instant, job: Job) -> Result<(), String> {
        let tag = usize::try_from(job.id.0).map_err(|_| "the id of the job is too large for this machine")?;
        self.driver.jobs.insert(job.id.0, JobState::default());
        let slot = self.engine.submit(&mut self.driver, at, job, Tag(tag));
        self.driver.job(Some(job.id.0)).slot = slot;
        Ok(())
    }

    /// Compares a decision that was recorded with the next one of its job.
    pub(super) fn decision(
        &mut self,
        (at, job): (Instant, u64),
        kind: &Kind<'_>,
        names: &Names,
        found: &mut Replayed,
    ) -> Result<(), String> {
        found.decisions += 1;
        if !self.job_state(Some(job))?.differs {
            let taken = self.driver.next_decision(job);
            let now = taken.as_ref().map(|(_, event)| (event.at, Kind::of_event(event, names)));
            let now = now.as_ref().map(|(at, kind)| (*at, kind));
            if now == Some((at, kind)) {
                let is_in_order = taken.is_some_and(|(order, _)| order == self.matched);
                found.out_of_order += u64::from(!is_in_order && !self.differs);
                self.matched += 1;
            } else {
                found.count_difference((self.number, job), Some((at, kind)), now);
                self.drop_differing(job);
            }
        }
        if matches!(kind, Kind::Done(_)) {
            self.driver.jobs.remove(&job);
            self.driver.decisions.remove(&job);
        }
        Ok(())
    }

    /// Reports the decisions that the engine took and that were not recorded: all recorded decisions so far are read.
    pub(super) fn report_unrecorded(&mut self, names: &Names, found: &mut Replayed) {
        // When a job is dropped, others may go on that did not when it was recorded.
        while !self.driver.decisions.is_empty() {
            for (job, event) in self.driver.first_left() {
                let kind = Kind::of_event(&event, names);
                found.count_difference((self.number, job), None, Some((event.at, &kind)));
                self.drop_differing(job);
            }
        }
    }

    /// Cancels a job that differs in the engine; it is no longer compared.
    fn drop_differing(&mut self, job: u64) {
        self.differs = true;
        self.driver.decisions.remove(&job);
        let state = self.driver.job(Some(job));
        state.differs = true;
        if let Some(slot) = state.slot {
            self.engine.cancel(&mut self.driver, self.last, slot);
        }
    }

    /// Returns the state of a job that is in flight in the recording.
    ///
    /// # Errors
    /// If the line names no job, or one that is not in flight.
    fn job_state(&self, job: Option<u64>) -> Result<JobState, String> {
        let job = job.ok_or("the line names no job")?;
        self.driver.jobs.get(&job).copied().ok_or_else(|| format!("job {job} is not in flight"))
    }

    /// Returns the slot of a job and its attempt in flight with a number; `None` if the job differs.
    fn attempt(&self, job: Option<u64>, number: u8) -> Result<Option<(Slot, AttemptId)>, String> {
        let JobState { slot, attempt, differs, .. } = self.job_state(job)?;
        match (slot, attempt) {
            _ if differs => Ok(None),
            (Some(slot), Some((attempt, found))) if found == number => Ok(Some((slot, attempt))),
            _ => Err(format!("the job has no attempt {number} in flight")),
        }
    }
}

impl ReplayDriver {
    /// Returns the state of a job that is in flight in the recording.
    fn job(&mut self, job: Option<u64>) -> &mut JobState {
        let state = job.and_then(|job| self.jobs.get_mut(&job));
        state.expect("invariant: a job of the engine is in flight in the recording")
    }

    /// Takes the next decision of a job.
    fn next_decision(&mut self, job: u64) -> Option<(u64, Event)> {
        let left = self.decisions.get_mut(&job)?;
        let next = left.pop_front();
        if left.is_empty() {
            self.decisions.remove(&job);
        }
        next
    }

    /// Returns for each job its first decision that is not compared yet, in the order in which they were taken.
    fn first_left(&self) -> Vec<(u64, Event)> {
        let firsts = self.decisions.iter().filter_map(|(job, left)| Some((*job, *left.front()?)));
        let mut firsts: Vec<(u64, (u64, Event))> = firsts.collect();
        firsts.sort_unstable_by_key(|(_, (order, _))| *order);
        firsts.into_iter().map(|(job, (_, event))| (job, event)).collect()
    }
}

impl Driver for ReplayDriver {
    fn log(&mut self, event: &Event) {
        let is_compared = self.jobs.get(&event.job.0).is_some_and(|job| !job.differs);
        if is_compared && is_decision(event, self.replied) {
            self.decisions.entry(event.job.0).or_default().push_back((self.count, *event));
            self.count += 1;
        }
    }

    fn send(&mut self, _: Instant, attempt: &Attempt) {
        let state = self.job(Some(attempt.job.id.0));
        (state.slot, state.attempt) = (Some(attempt.slot), Some((attempt.id, attempt.number)));
        state.has_first_byte = false;
    }

    fn cancel(&mut self, _: Instant, tag: Tag, _: AttemptId) {
        self.job(Some(tag.0 as u64)).attempt = None;
    }

    fn reassign(&mut self, _: Instant, handover: &Handover) {
        self.job(Some(handover.from.0 as u64)).attempt = None;
        // A follower has made no attempt before.
        let state = self.job(Some(handover.job.0));
        (state.slot, state.attempt, state.has_first_byte) =
            (Some(handover.slot), Some((handover.attempt, 1)), false);
    }

    fn done(&mut self, _: Instant, tag: Tag, _: &JobEnd, _: Option<Answer>) {
        if let Some(fingerprint) = self.fingerprints.remove(&(tag.0 as u64))
            && let Some((_, jobs)) = self.groups.get_mut(&fingerprint)
        {
            *jobs -= 1;
            if *jobs == 0 {
                self.groups.remove(&fingerprint);
            }
        }
        let state = self.job(Some(tag.0 as u64));
        (state.slot, state.attempt) = (None, None);
    }
}
