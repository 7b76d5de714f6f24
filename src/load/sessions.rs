//! Sessions: the calls of one workload that depend on each other.
//!
//! ```text
//!  session ─▶ turn (a task) ─▶ step ─▶ calls, all at once ─▶ the last ends ─▶ tool time ─▶ step ─▶ … ─▶ the task ends
//!                  ▲                                                                                         │
//!                  └──────────────────────────── think time ◀────────────────────────────────────────────────┘
//! ```
//!
//! A task succeeds if all its calls do. If one does not, the others of its step end first, and no further step follows. The
//! deadline of a task is that of its calls, so the engine gives up those in flight at that instant; if none is, because a tool runs,
//! the task ends then as well. Then the user leaves or, with the share that stays, thinks and begins the next turn.
//!
//! Memory is by the sessions that have begun and not ended. All random streams are keyed by the number of the session in its
//! workload and by the number of the turn, step or call in the session: no policy of the client changes what they draw. What a session
//! does, drawn or recorded, is in `session_script.rs`; recorded steps have one call.

use super::process::Process;
use super::requests::RequestSpec;
use super::session_script::{CallTokens, Context, Drawn, Keys, Place, Script};
use crate::event::{JobOutcome, TaskEnd, TaskEvent, TaskOutcome, TaskStart};
use crate::ids::{JobId, TaskId, WorkloadId};
use crate::job::MAX_TOKENS;
use crate::scenario::{Scenario, SessionContent, Sessions};
use provider::random::{label_key, mix};
use provider::{Instant, Nanos, RandomStream};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The calls of one workload of sessions.
#[derive(Clone, Debug)]
pub(super) struct SessionLoad {
    script: Script,
    /// The time after which the user of a task leaves; `None`: never.
    deadline: Option<Nanos>,
    /// The share of users who end the session when a task did not succeed.
    leave: f64,
    workload: WorkloadId,
    /// The keys of sessions, of the users who leave, and of the provider's random streams.
    session_key: u64,
    leave_key: u64,
    provider_key: u64,
    /// When sessions begin.
    process: Process,
    /// No turn begins at or after this instant.
    end: Instant,
    begun: u64,
    /// The sessions that have begun and not ended.
    going: Slab<Session>,
    /// When the next step of each session begins that waits for a tool or for its user, or its task is abandoned; with the
    /// order in which that was scheduled.
    due: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    scheduled: u64,
    /// The number of the next task, in steps of the number of workloads of the scenario.
    next_task: u64,
    task_stride: u64,
    /// What has happened to tasks and was not taken yet, with the job that it belongs to.
    events: VecDeque<(JobId, TaskEvent)>,
}

/// A session that has begun.
#[derive(Clone, Copy, Debug)]
struct Session {
    /// The current step.
    place: Place,
    /// The turns of the session, and the steps of the current turn.
    turns: u32,
    steps: u32,
    /// The calls of the current step that have not been sent.
    unsent: u32,
    in_flight: u32,
    /// The calls made in the session, and of those the ones before the current turn.
    calls: u32,
    calls_before: u32,
    context: Context,
    /// The tokens that the calls of the current step add.
    added: u64,
    task: TaskId,
    scheduled: Instant,
    /// [`Instant::MAX`] if the task has none.
    deadline: Instant,
    /// `true` once a call of the task was given up.
    has_failed: bool,
    /// The job that was returned last.
    last_job: JobId,
    state: State,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first call of a turn.
    Turn,
    /// The first call of a later step.
    Step,
    /// The end of its calls, or the other calls of the current step.
    Calls,
    /// The deadline of the task, which comes before the next step.
    Deadline,
}

/// A call to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) request: RequestSpec,
    /// The deadline of its task; [`Instant::MAX`] if there is none.
    pub(super) deadline: Instant,
    /// The index of its session.
    pub(super) origin: u32,
}

impl SessionLoad {
    /// Returns the sessions of a workload of `scenario`; `process` gives the instants at which they begin. Tasks of different
    /// workloads have different numbers.
    pub(super) fn new(scenario: &Scenario, id: WorkloadId, sessions: &Sessions, process: Process) -> Self {
        let (seed, workload) = (scenario.seed, &scenario.workloads[id.index()]);
        let key = |label: &str| mix(label_key(seed, label) ^ mix(u64::from(id.0)));
        let script = match &sessions.content {
            SessionContent::Drawn(drawn) => Script::Drawn(Box::new(Drawn {
                sessions: drawn.clone(),
                completion: workload.completion.clone(),
                max_tokens: workload.max_tokens.unwrap_or(MAX_TOKENS),
                keys: Keys {
                    session: key("session"),
                    turn: key("turn"),
                    think: key("think"),
                    step: key("step"),
                    tool: key("tool"),
                    call: key("call"),
                },
            })),
            SessionContent::Recorded(trace) => Script::Recorded(trace.clone()),
        };
        Self {
            script,
            deadline: sessions.deadline,
            leave: sessions.leave,
            workload: id,
            session_key: key("session"),
            leave_key: key("leave"),
            provider_key: key("world"),
            process,
            end: Instant::ZERO + scenario.duration,
            begun: 0,
            going: Slab::new(),
            due: BinaryHeap::new(),
            scheduled: 0,
            next_task: u64::from(id.0),
            task_stride: scenario.workloads.len() as u64,
            events: VecDeque::new(),
        }
    }

    /// Returns the instant of the next call, or of the end of a task whose user leaves while a tool runs; `None` if there is none
    /// before a call ends.
    pub(super) fn peek(&self) -> Option<Instant> {
        let due = self.due.peek().map(|Reverse((at, ..))| *at);
        let begins = self.process.peek().filter(|at| *at < self.end);
        due.into_iter().chain(begins).min()
    }

    /// Moves past the next instant and returns its call; `None` if a task was abandoned instead. At one instant, sessions go on
    /// before others begin.
    ///
    /// # Panics
    /// If [`Self::peek`] returns `None`.
    pub(super) fn next(&mut self, job: JobId, now: Instant) -> Option<Call> {
        let origin = match self.due.peek() {
            Some(Reverse((at, _, origin))) if *at == now => *origin,
            _ => self.begin(now),
        };
        let index = origin as usize;
        match self.going[index].state {
            State::Deadline => {
                self.due.pop();
                self.end_task(now, origin, TaskOutcome::Abandoned);
                return None;
            }
            State::Turn => self.begin_turn(now, index, job),
            State::Step => self.begin_step(index),
            State::Calls => {}
        }
        let call = self.call(index, origin);
        let session = &mut self.going[index];
        session.last_job = job;
        session.unsent -= 1;
        session.in_flight += 1;
        session.calls += 1;
        if session.unsent == 0 {
            self.due.pop();
        }
        Some(call)
    }

    /// Begins a session and schedules its first call, at `now`. Returns its index.
    fn begin(&mut self, now: Instant) -> u32 {
        let key = self.script.key(self.session_key, self.begun);
        let place = Place { key, session: self.begun, turn: 0, steps_before: 0, step: 0 };
        self.begun += 1;
        self.process.advance();
        let (turns, first_prompt) = self.script.begin(&place);
        let session = Session {
            place,
            turns,
            steps: 0,
            unsent: 0,
            in_flight: 0,
            calls: 0,
            calls_before: 0,
            context: Context { next: first_prompt, before: 0 },
            added: 0,
            task: TaskId(0),
            scheduled: now,
            deadline: Instant::MAX,
            has_failed: false,
            last_job: JobId(0),
            state: State::Turn,
        };
        let index = self.going.insert(session);
        let origin = u32::try_from(index).expect("invariant: at most 2^32 sessions at once");
        self.schedule(now, origin);
        origin
    }

    fn schedule(&mut self, at: Instant, origin: u32) {
        self.due.push(Reverse((at, self.scheduled, origin)));
        self.scheduled += 1;
    }

    fn begin_turn(&mut self, now: Instant, index: usize, job: JobId) {
        let session = &mut self.going[index];
        session.place.step = 0;
        session.steps = self.script.steps(&session.place);
        session.calls_before = session.calls;
        session.has_failed = false;
        session.task = TaskId(self.next_task);
        self.next_task += self.task_stride;
        session.scheduled = now;
        session.deadline = self.deadline.map_or(Instant::MAX, |deadline| now + deadline);
        let start = TaskStart {
            task: session.task,
            workload: self.workload,
            scheduled: now,
            deadline: self.deadline.map(|_| session.deadline),
        };
        self.events.push_back((job, TaskEvent::Began(start)));
        self.begin_step(index);
    }

    fn begin_step(&mut self, index: usize) {
        let session = &mut self.going[index];
        session.unsent = self.script.fan_out(&session.place);
        session.added = 0;
        session.state = State::Calls;
    }

    /// Returns the next call of the current step.
    fn call(&mut self, index: usize, origin: u32) -> Call {
        let session = &mut self.going[index];
        // Distinct within a session; of different sessions, two are equal with a probability of 2^-64.
        let fingerprint = mix(session.place.key.wrapping_add(u64::from(session.calls)));
        let CallTokens { prompt, cached, completion, growth } =
            self.script.tokens(&session.place, fingerprint, session.context);
        session.added += growth;
        let request = RequestSpec {
            fingerprint,
            prompt_tokens: prompt,
            cached_tokens: cached,
            completion_tokens: completion,
            draw: mix(self.provider_key ^ fingerprint),
        };
        Call { request, deadline: session.deadline, origin }
    }

    /// Records that a call ended at `now`. The end of the run ends no task.
    pub(super) fn finished(&mut self, now: Instant, origin: u32, outcome: JobOutcome) {
        let session = &mut self.going[origin as usize];
        debug_assert!(session.in_flight > 0, "invariant: a call that ends is in flight");
        session.in_flight -= 1;
        session.has_failed |= outcome != JobOutcome::Succeeded;
        if session.in_flight > 0 || session.unsent > 0 || outcome == JobOutcome::InFlight {
            return;
        }
        if session.has_failed {
            let is_over = now >= session.deadline;
            let outcome = if is_over { TaskOutcome::Abandoned } else { TaskOutcome::Failed };
            return self.end_task(now, origin, outcome);
        }
        session.context =
            Context { next: session.context.next + session.added, before: session.context.next };
        if session.place.step + 1 == session.steps {
            return self.end_task(now, origin, TaskOutcome::Succeeded);
        }
        let next = now + self.script.tool_time(&session.place);
        session.place.step += 1;
        session.state = if next < session.deadline { State::Step } else { State::Deadline };
        let at = next.min(session.deadline);
        self.schedule(at, origin);
    }

    /// Ends the current task of a session, and schedules its next turn or ends the session.
    fn end_task(&mut self, now: Instant, origin: u32, outcome: TaskOutcome) {
        let session = &mut self.going[origin as usize];
        let end = TaskEnd {
            task: session.task,
            workload: self.workload,
            scheduled: session.scheduled,
            outcome,
            steps: session.steps,
            calls: session.calls - session.calls_before,
        };
        self.events.push_back((session.last_job, TaskEvent::Ended(end)));
        let mut leaving = RandomStream::keyed(self.leave_key, session.place.turn_key());
        let leaves = outcome != TaskOutcome::Succeeded && leaving.unit() < self.leave;
        let is_last = session.place.turn + 1 == session.turns;
        let next = if is_last { now } else { now + self.script.think(&session.place) };
        session.place.steps_before += session.steps;
        session.place.turn += 1;
        if leaves || is_last || next >= self.end {
            self.going.remove(origin as usize);
            self.process.finished(now);
        } else {
            session.state = State::Turn;
            self.schedule(next, origin);
        }
    }

    /// Returns what has happened to a task and was not returned yet, with the job that it belongs to.
    pub(super) fn pop_event(&mut self) -> Option<(JobId, TaskEvent)> {
        self.events.pop_front()
    }
}
