//! The engine of a gateway with its recorder, if it has one: every input passes through here. Reads go to the engine itself.

use super::line::{CoolDownLine, EngineLine, is_decision};
use super::names::{Names, ScenarioHashes};
use super::writer::{Entry, Input, Recording};
use crate::engine::{Answer, Attempt, Driver, Engine, Handover, NewAnswer, Reply};
use crate::event::{Event, JobEnd, RefusalCause};
use crate::ids::{AttemptId, Slot, Tag, TargetId};
use crate::job::Job;
use crate::record::log::obstacle::AxisName;
use crate::scenario::Scenario;
use provider::{Axis, Instant};
use std::ops::Deref;
use std::sync::Arc;

/// An engine and the recorder of its inputs and decisions.
#[derive(Debug)]
pub(in crate::gateway) struct RecordedEngine {
    engine: Engine,
    /// `None` if nothing is recorded.
    recorder: Option<Recorder>,
}

/// The recorder of one engine.
#[derive(Debug)]
struct Recorder {
    recording: Recording,
    /// The number of the engine in the recording.
    number: u32,
    /// The instant of the last input.
    last: Instant,
}

/// The driver of an engine whose decisions are recorded.
struct RecordingDriver<'a, D> {
    driver: &'a mut D,
    recorder: Option<&'a Recorder>,
    /// The attempt whose reply is the input; `None` for other inputs.
    replied: Option<AttemptId>,
}

impl Deref for RecordedEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl RecordedEngine {
    /// Returns an engine that is not recorded.
    pub(in crate::gateway) const fn new(engine: Engine) -> Self {
        Self { engine, recorder: None }
    }

    /// Records the engine, which was made from `scenario` and has had no input, from `now` on. Its first job is `next_job`.
    pub(in crate::gateway) fn record_to(
        &mut self,
        recording: Recording,
        (scenario, now, next_job): (&Scenario, Instant, u64),
    ) {
        let number = recording.next_engine();
        let ScenarioHashes { client, routes, targets } = ScenarioHashes::of(scenario);
        let line = EngineLine {
            scenario: scenario.name.clone().into(),
            seed: scenario.seed,
            next_job,
            client: client.into(),
            routes: routes.into(),
            targets: targets.into(),
        };
        let names = Arc::new(Names::of(scenario));
        recording.add(|| Entry::Engine { number, at: now, line: Box::new(line), names });
        self.recorder = Some(Recorder { recording, number, last: now });
    }

    /// As [`Engine::submit`].
    pub(in crate::gateway) fn submit<D: Driver>(
        &mut self,
        driver: &mut D,
        now: Instant,
        job: Job,
        tag: Tag,
    ) -> Option<Slot> {
        self.record(now, |_| Some(Input::Arrival(job)));
        let (engine, mut driver) = self.parts(driver, None);
        engine.submit(&mut driver, now, job, tag)
    }

    /// As [`Engine::add_answer`].
    pub(in crate::gateway) fn add_answer<D: Driver>(
        &mut self,
        driver: &mut D,
        now: Instant,
        fingerprint: u64,
        answer: NewAnswer,
    ) -> bool {
        self.record(now, |_| Some(Input::SharedAnswer(fingerprint, answer)));
        let (engine, mut driver) = self.parts(driver, None);
        engine.add_answer(&mut driver, now, fingerprint, answer)
    }

    /// As [`Engine::handle_reply`].
    pub(in crate::gateway) fn handle_reply<D: Driver>(
        &mut self,
        driver: &mut D,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
        reply: &Reply,
    ) {
        self.record(now, |engine| {
            let (job, number) = engine.job_at(slot)?;
            Some(Input::Reply(job, number, Box::new(*reply)))
        });
        let (engine, mut driver) = self.parts(driver, Some(attempt));
        engine.handle_reply(&mut driver, now, slot, attempt, reply);
    }

    /// As [`Engine::handle_first_byte`].
    pub(in crate::gateway) fn handle_first_byte<D: Driver>(
        &mut self,
        driver: &mut D,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
    ) {
        self.record(now, |engine| engine.job_at(slot).map(|(job, number)| Input::FirstByte(job, number)));
        let (engine, mut driver) = self.parts(driver, None);
        engine.handle_first_byte(&mut driver, now, slot, attempt);
    }

    /// As [`Engine::cancel`].
    pub(in crate::gateway) fn cancel<D: Driver>(&mut self, driver: &mut D, now: Instant, slot: Slot) {
        self.record(now, |engine| engine.job_at(slot).map(|(job, _)| Input::Leave(job)));
        let (engine, mut driver) = self.parts(driver, None);
        engine.cancel(&mut driver, now, slot);
    }

    /// As [`Engine::withdraw`].
    pub(in crate::gateway) fn withdraw<D: Driver>(
        &mut self,
        driver: &mut D,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
    ) {
        self.record(now, |engine| engine.job_at(slot).map(|(job, number)| Input::Withdraw(job, number)));
        let (engine, mut driver) = self.parts(driver, None);
        engine.withdraw(&mut driver, now, slot, attempt);
    }

    /// As [`Engine::handle_timeout`].
    pub(in crate::gateway) fn handle_timeout<D: Driver>(&mut self, driver: &mut D, now: Instant) {
        self.record(now, |_| Some(Input::Timers));
        let (engine, mut driver) = self.parts(driver, None);
        engine.handle_timeout(&mut driver, now);
    }

    /// As [`Engine::adopt`].
    pub(in crate::gateway) fn adopt(
        &mut self,
        at: Instant,
        target: TargetId,
        cool_down: Option<(Instant, RefusalCause, Option<Axis>)>,
        used: &[(Axis, u64)],
    ) {
        self.record(at, |_| {
            let cool_down = cool_down.map(|(until, cause, axis)| CoolDownLine {
                until_ns: until.0,
                cause,
                axis: axis.map(AxisName),
            });
            let used = used.iter().map(|(axis, units)| (AxisName(*axis), *units)).collect();
            Some(Input::Adopt(target, cool_down, used))
        });
        self.engine.adopt(at, target, cool_down, used.iter().copied());
    }

    /// Records an input at `now`.
    fn record(&mut self, now: Instant, input: impl FnOnce(&Engine) -> Option<Input>) {
        let Self { engine, recorder: Some(recorder) } = self else { return };
        recorder.last = now;
        recorder.recording.add(|| {
            let input = input(engine).expect("invariant: an input is about a job in flight");
            Entry::Input { engine: recorder.number, at: now, due: engine.poll_timeout(), input }
        });
    }

    /// Returns the engine, and a driver that records its decisions and passes them on to `driver`. `replied` is the attempt whose reply is
    /// the input.
    fn parts<'a, D: Driver>(
        &'a mut self,
        driver: &'a mut D,
        replied: Option<AttemptId>,
    ) -> (&'a mut Engine, RecordingDriver<'a, D>) {
        (&mut self.engine, RecordingDriver { driver, recorder: self.recorder.as_ref(), replied })
    }
}

impl Drop for RecordedEngine {
    fn drop(&mut self) {
        if let Some(Recorder { recording, number, last }) = &self.recorder {
            recording.add(|| Entry::EngineEnded { engine: *number, at: *last });
        }
    }
}

impl<D: Driver> Driver for RecordingDriver<'_, D> {
    fn log(&mut self, event: &Event) {
        if let Some(Recorder { recording, number, .. }) = self.recorder
            && is_decision(event, self.replied)
        {
            recording.add(|| Entry::Decision { engine: *number, event: *event });
        }
        self.driver.log(event);
    }

    fn send(&mut self, now: Instant, attempt: &Attempt) {
        self.driver.send(now, attempt);
    }

    fn cancel(&mut self, now: Instant, tag: Tag, attempt: AttemptId) {
        self.driver.cancel(now, tag, attempt);
    }

    fn reassign(&mut self, now: Instant, handover: &Handover) {
        self.driver.reassign(now, handover);
    }

    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, answer: Option<Answer>) {
        self.driver.done(now, tag, end, answer);
    }

    fn store_answer(&mut self, now: Instant, tag: Tag) {
        self.driver.store_answer(now, tag);
    }

    fn evict_answer(&mut self, fingerprint: u64) {
        self.driver.evict_answer(fingerprint);
    }
}
