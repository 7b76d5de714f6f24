//! The fold between the live loop and the recorder: it adds to the events what the replies state, and counts it.

use super::run_bounds::RunBounds;
use super::sender::EndpointClient;
use super::statements::{Statement, Statements};
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome};
use crate::formatting::{at_seconds, rounded};
use crate::ids::{JobId, RouteId, TargetId};
use crate::record::{
    EndpointCost, EndpointRefusals, EndpointResult, EndpointStop, Fold, Histogram, MAX_STATED_TARGETS,
    Quantiles, StatedTarget,
};
use crate::scenario::{Route, Scenario};
use provider::{Axis, Instant, Nanos, Usage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Adds the statements of replies to the events that it passes on.
pub(super) struct Observer<'a, F> {
    scenario: &'a Scenario,
    inner: F,
    statements: Arc<Statements>,
    run_bounds: Arc<Mutex<RunBounds>>,
    /// By route: `false` if its requests ask for a target by name. No answer is a fallback then, whichever step has its
    /// target.
    asks_route: Vec<bool>,
    /// The job of the last reply, and what its end takes from that reply.
    stated_end: Option<(JobId, StatedEnd)>,
    counts: Counts,
}

/// What the end of a job takes from its reply, instead of what the engine knows.
#[derive(Clone, Copy, Debug, Default)]
struct StatedEnd {
    /// The step of the target that answered; `None` if it is not stated, or not of the route.
    step: Option<u8>,
    attempts: Option<u32>,
}

#[derive(Debug)]
struct Counts {
    /// Requests sent, without those that this machine could not send.
    requests: u64,
    /// Jobs that have ended.
    ended: u64,
    answers: u64,
    with_target: u64,
    /// Answers whose target is in a step of their route.
    with_step: u64,
    /// Answers of a step after the first.
    fell_back: u64,
    /// Answers by the name of their target.
    targets: BTreeMap<String, u64>,
    /// Answers of targets beyond [`MAX_STATED_TARGETS`].
    others: u64,
    /// Answers that state their attempts, and the sum of those attempts.
    with_attempts: u64,
    attempts: u64,
    /// The same two counts over all replies: answers, refusals and failures.
    replies_with_attempts: u64,
    attempts_of_replies: u64,
    /// The waits before the last attempt that answers state.
    waited: Histogram,
    refusals: u64,
    first_refusal: Option<Instant>,
    refusal_waits: Histogram,
    /// Answers whose target has a price, and their cost.
    priced: u64,
    cost_usd: f64,
}

impl Counts {
    fn new() -> Self {
        Self {
            requests: 0,
            ended: 0,
            answers: 0,
            with_target: 0,
            with_step: 0,
            fell_back: 0,
            targets: BTreeMap::new(),
            others: 0,
            with_attempts: 0,
            attempts: 0,
            replies_with_attempts: 0,
            attempts_of_replies: 0,
            waited: Histogram::of_run(),
            refusals: 0,
            first_refusal: None,
            refusal_waits: Histogram::of_run(),
            priced: 0,
            cost_usd: 0.0,
        }
    }

    /// Counts an answer by its target.
    fn target(&mut self, name: &str) {
        if let Some(answers) = self.targets.get_mut(name) {
            *answers += 1;
        } else if self.targets.len() < MAX_STATED_TARGETS {
            self.targets.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }
}

impl<'a, F: Fold> Observer<'a, F> {
    pub(super) fn new(
        (scenario, client): (&'a Scenario, &EndpointClient),
        inner: F,
        statements: Arc<Statements>,
        run_bounds: Arc<Mutex<RunBounds>>,
    ) -> Self {
        let models = client.models(scenario);
        let is_target = |model: &String| scenario.targets.iter().any(|target| target.name == *model);
        let asks_route = |route: &Route| !models.get(&route.name).is_some_and(is_target);
        let asks_route = scenario.routes.iter().map(asks_route).collect();
        Self { scenario, inner, statements, run_bounds, asks_route, stated_end: None, counts: Counts::new() }
    }

    /// Returns what was observed, and the folds.
    pub(super) fn finish(self, client: &EndpointClient) -> (EndpointResult, F) {
        let counts = &self.counts;
        let run_bounds = lock(&self.run_bounds);
        let (bounds, counted_usd) = run_bounds.counted();
        let stopped = run_bounds.stopped().map(|(at, bound)| EndpointStop { at_s: at_seconds(at), bound });
        drop(run_bounds);
        let all = |part: u64, of: u64| part == of && of > 0;
        let mut targets: Vec<_> =
            counts.targets.iter().map(|(name, answers)| (name.clone(), *answers)).collect();
        targets.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        targets.extend((counts.others > 0).then(|| ("others".to_owned(), counts.others)));
        let is_of_scenario = |name: &str| self.scenario.targets.iter().any(|target| target.name == name);
        let result = EndpointResult {
            url: client.url().to_string(),
            models: client.models(self.scenario),
            requests: counts.requests,
            stopped,
            answers: counts.answers,
            with_target: counts.with_target,
            targets: targets
                .into_iter()
                .map(|(name, answers)| StatedTarget { is_of_scenario: is_of_scenario(&name), name, answers })
                .collect(),
            fallback_share: all(counts.with_step, counts.answers)
                .then(|| share(counts.fell_back, counts.answers)),
            attempts_per_answer: all(counts.with_attempts, counts.answers)
                .then(|| share(counts.attempts, counts.answers)),
            attempts_per_job: all(counts.replies_with_attempts, counts.ended)
                .then(|| share(counts.attempts_of_replies, counts.ended)),
            waited_s: quantiles(&counts.waited),
            refusals: EndpointRefusals {
                requests: counts.refusals,
                first_at_s: counts.first_refusal.map(at_seconds),
                with_wait: counts.refusal_waits.len(),
                wait_s: quantiles(&counts.refusal_waits),
            },
            cost: EndpointCost {
                answers_usd: all(counts.priced, counts.answers).then(|| rounded(counts.cost_usd, 6)),
                max_usd: bounds.max_usd,
                counted_usd: bounds.max_usd.map(|_| rounded(counted_usd, 6)),
            },
            not_known: Vec::new(),
        };
        (result, self.inner)
    }

    /// Returns the index of the step of a route that a target is in; `None` if the route has no such target, or if its
    /// requests ask for a target by name.
    fn step(&self, route: RouteId, target: TargetId) -> Option<u8> {
        if !self.asks_route[route.index()] {
            return None;
        }
        let steps = &self.scenario.routes[route.index()].steps;
        let step = steps.iter().position(|step| step.targets.contains(&target))?;
        u8::try_from(step).ok()
    }

    fn replied(
        &mut self,
        event: &Event,
        outcome: AttemptOutcome,
        usage: Usage,
        route: RouteId,
        statement: &Statement,
    ) {
        let target = {
            let mut run_bounds = lock(&self.run_bounds);
            let target = statement.target.as_deref().and_then(|name| run_bounds.target(name));
            match outcome {
                AttemptOutcome::Ok => {
                    // An answer without an attempt, from a cache, costs nothing. The bound on the cost does not rely on that.
                    let charged = if statement.attempts == Some(0) { Usage::default() } else { usage };
                    if let Some(usd) = target.and_then(|target| run_bounds.cost_at(target, charged)) {
                        self.counts.priced += 1;
                        self.counts.cost_usd += usd;
                    }
                    run_bounds.settle(event.job, route, target, usage);
                }
                AttemptOutcome::Refused { .. } => run_bounds.refused(event.job),
                AttemptOutcome::Failed(AttemptFailure::Local(_)) => {
                    run_bounds.release(event.job);
                    self.counts.requests -= 1;
                }
                AttemptOutcome::Failed(_) => run_bounds.lost(event.job),
            }
            target
        };
        let step = target.and_then(|target| self.step(route, target));
        let counts = &mut self.counts;
        let attempts = statement.attempts;
        counts.replies_with_attempts += u64::from(attempts.is_some());
        counts.attempts_of_replies += u64::from(attempts.unwrap_or(0));
        match outcome {
            AttemptOutcome::Ok => {
                counts.answers += 1;
                counts.with_target += u64::from(statement.target.is_some());
                counts.with_step += u64::from(step.is_some());
                counts.fell_back += u64::from(step.is_some_and(|step| step > 0));
                counts.with_attempts += u64::from(attempts.is_some());
                counts.attempts += u64::from(attempts.unwrap_or(0));
                if let Some(name) = &statement.target {
                    counts.target(name);
                }
                if let Some(waited) = statement.waited {
                    counts.waited.record(waited);
                }
            }
            AttemptOutcome::Refused { .. } => {
                counts.refusals += 1;
                counts.first_refusal.get_or_insert(event.at);
                if let Some(wait) = statement.retry_after {
                    counts.refusal_waits.record(wait);
                }
            }
            AttemptOutcome::Failed(_) => {}
        }
        self.stated_end = Some((event.job, StatedEnd { step, attempts }));
    }

    /// Returns the end of a job with what its reply states.
    fn done(&mut self, job: JobId, end: JobEnd) -> JobEnd {
        self.counts.ended += u64::from(end.outcome != JobOutcome::InFlight);
        // A job without an attempt has reserved a request that was not sent, unless the load generator shed it before.
        if end.attempts == 0 && !matches!(end.outcome, JobOutcome::Shed(EndReason::GeneratorLag)) {
            lock(&self.run_bounds).release(job);
        } else {
            lock(&self.run_bounds).lost(job);
        }
        match self.stated_end.take().filter(|(replied, _)| *replied == job) {
            Some((_, StatedEnd { step, attempts })) => JobEnd {
                step: end.step.map(|own| step.unwrap_or(own)),
                attempts: attempts.map_or(end.attempts, |attempts| u8::try_from(attempts).unwrap_or(u8::MAX)),
                ..end
            },
            None => end,
        }
    }
}

impl<F: Fold> Fold for Observer<'_, F> {
    fn event(&mut self, event: &Event) {
        let mut event = *event;
        match event.kind {
            EventKind::Sent { .. } => self.counts.requests += 1,
            EventKind::Replied { attempt, target, outcome, usage } => {
                let statement = self.statements.take(attempt);
                // The plain client has one target for each route, in the order of the routes.
                self.replied(&event, outcome, usage, RouteId(target.0), &statement);
            }
            EventKind::AttemptCancelled { attempt, .. } => drop(self.statements.take(attempt)),
            EventKind::Done(end) => event.kind = EventKind::Done(self.done(event.job, end)),
            _ => {}
        }
        self.inner.event(&event);
    }

    fn next_sample(&self) -> Instant {
        self.inner.next_sample()
    }

    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        self.inner.sample(at, target, axis, used_share, limit);
    }

    fn sampled(&mut self, at: Instant) {
        self.inner.sampled(at);
    }

    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        self.inner.most_used(target, axis, used_share);
    }

    fn request_began(&mut self, lag: Nanos) {
        self.inner.request_began(lag);
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }
}

/// Returns the quantiles of durations; `None` if there are none.
fn quantiles(durations: &Histogram) -> Option<Quantiles> {
    (!durations.is_empty()).then(|| durations.quantiles())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    rounded(part as f64 / whole as f64, 6)
}

pub(super) fn lock(run_bounds: &Mutex<RunBounds>) -> MutexGuard<'_, RunBounds> {
    run_bounds.lock().unwrap_or_else(PoisonError::into_inner)
}
