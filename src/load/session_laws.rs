//! Properties of sessions: what they draw depends on no reply, and their averages are those that arithmetic uses.

use super::Load;
use super::laws::{scenario, workload};
use crate::event::{EndReason, JobOutcome, TaskEvent, TaskOutcome};
use crate::ids::WorkloadId;
use crate::job::Arrival;
use crate::scenario::{Arrivals, CachedPrompt, DrawnSessions, Scenario, SessionContent, Sessions, Workload};
use proptest::prelude::*;
use provider::dist::Dist;
use provider::{Instant, Nanos, RandomStream};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

fn with(seed: u64, sessions: Sessions, completion: Dist) -> Scenario {
    let mut agents = Workload {
        sessions: Some(Box::new(sessions)),
        completion,
        max_tokens: None,
        ..workload(Arrivals::Poisson(0.2))
    };
    agents.update_sizes();
    let mut scenario = scenario(seed, Nanos::HOUR, vec![agents]);
    scenario.clients[0].deadline = Nanos::DAY;
    scenario
}

fn sessions() -> DrawnSessions {
    DrawnSessions {
        turns: Dist::Exponential(2.0),
        think: Dist::Exponential(20.0),
        calls: Dist::Uniform { min: 1.0, max: 12.0 },
        fan_out: Dist::discrete(&[1.0, 3.0], &[3.0, 1.0]),
        tool_time: Dist::Exponential(0.5),
        first: Dist::Uniform { min: 500.0, max: 1500.0 },
        growth: Dist::Exponential(300.0),
        cached: 0.8,
    }
}

/// Sessions whose users wait as long as it takes, and leave if a task fails.
fn patient(sessions: DrawnSessions) -> Sessions {
    Sessions { content: SessionContent::Drawn(sessions), deadline: None, leave: 1.0 }
}

/// What happened in a run.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) calls: Vec<Arrival>,
    pub(super) tasks: Vec<(Instant, TaskEvent)>,
}

/// Runs a load whose calls take `service` seconds; a share of them fails. A call that is in flight at its deadline fails then.
pub(super) fn drive(scenario: &Scenario, seed: u64, service: &Dist, failing: f64) -> Outcome {
    let mut load = Load::new(scenario);
    let mut stream = RandomStream::new(seed, "service", 0);
    let mut in_flight: BinaryHeap<Reverse<(Instant, u64, u32, bool)>> = BinaryHeap::new();
    let (mut outcome, mut now) = (Outcome::default(), Instant::ZERO);
    loop {
        let ends = in_flight.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = ends.into_iter().chain(load.peek()).min() else { return outcome };
        assert!(next >= now, "instants never decrease");
        now = next;
        if ends == Some(now) {
            let Reverse((_, _, origin, succeeds)) = in_flight.pop().expect("invariant: it was peeked");
            let end = if succeeds { JobOutcome::Succeeded } else { JobOutcome::Failed(EndReason::Deadline) };
            load.finished(now, WorkloadId(0), origin, end);
        } else if let Some(arrival) = load.next() {
            assert_eq!(arrival.job.scheduled, now);
            outcome.calls.push(arrival);
            let done = now + Nanos::from_secs_f64(service.sample(&mut stream));
            let succeeds = stream.unit() >= failing;
            let deadline = arrival.job.deadline.unwrap_or(Instant::MAX);
            let end = (done.min(deadline), arrival.job.id.0, arrival.origin, succeeds && done < deadline);
            in_flight.push(Reverse(end));
        }
        while let Some((job, task)) = load.pop_task_event(WorkloadId(0)) {
            assert!(job.0 < outcome.calls.len() as u64, "the job has arrived");
            outcome.tasks.push((now, task));
        }
    }
}

/// The calls by fingerprint.
fn by_fingerprint(outcome: &Outcome) -> BTreeMap<u64, provider::Truth> {
    outcome.calls.iter().map(|call| (call.job.fingerprint, call.truth)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The calls of sessions that succeed do not depend on how long they take, and those of sessions that fail are the same as
    /// far as they go.
    #[test]
    fn what_sessions_draw_depends_on_no_reply(seed in 0u64..1000, fast in 0.01f64..1.0, failing in 0.0f64..0.2) {
        let scenario = with(seed, patient(sessions()), Dist::Exponential(80.0));
        let one = by_fingerprint(&drive(&scenario, 1, &Dist::Exponential(1.0), 0.0));
        let other = by_fingerprint(&drive(&scenario, 2, &Dist::Exponential(fast), 0.0));
        // Turns that would begin after the end of the run never do, so the two differ by the last turns only.
        let common = one.keys().filter(|call| other.contains_key(call)).count();
        prop_assert!(common as f64 > 0.95 * one.len() as f64, "{common} of {}", one.len());
        let some = by_fingerprint(&drive(&scenario, 3, &Dist::Exponential(1.0), failing));
        for (call, truth) in &some {
            prop_assert!(one.get(call).or(other.get(call)).is_none_or(|known| known == truth));
        }
    }

    /// No two calls have one fingerprint, also of different workloads.
    #[test]
    fn every_call_has_a_fingerprint_of_its_own(seed in any::<u64>()) {
        let mut scenario = with(seed, patient(sessions()), Dist::Exponential(80.0));
        scenario.workloads.push(scenario.workloads[0].clone());
        let mut load = Load::new(&scenario);
        let mut seen = std::collections::BTreeSet::new();
        while let Some(arrival) = load.next() {
            prop_assert!(seen.insert(arrival.job.fingerprint));
        }
        prop_assert!(seen.len() > 1_000, "{}", seen.len());
    }

    /// Every task that begins ends once: with its last call, or at its deadline; it succeeds if all its calls do, and then has
    /// made at least one call per step. Whatever a call finds in a cache was sent before it.
    #[test]
    fn every_task_ends_once_after_its_calls(
        seed in 0u64..1000, failing in 0.0f64..0.1, deadline in 2u64..60, leave in 0.0f64..1.0,
    ) {
        let sessions = Sessions { deadline: Some(Nanos::from_secs(deadline)), leave, ..patient(sessions()) };
        let outcome = drive(&with(seed, sessions, Dist::Exponential(80.0)), seed, &Dist::Exponential(0.5), failing);
        let (mut open, mut calls) = (BTreeMap::new(), 0);
        for (at, task) in &outcome.tasks {
            match task {
                TaskEvent::Began(start) => prop_assert!(open.insert(start.task, *start).is_none()),
                TaskEvent::Ended(end) => {
                    let start = open.remove(&end.task).expect("it has begun");
                    let deadline = start.deadline.expect("it has one");
                    calls += end.calls;
                    prop_assert!(*at <= deadline && end.scheduled == start.scheduled);
                    prop_assert_eq!(end.outcome == TaskOutcome::Abandoned, *at == deadline);
                    prop_assert!(end.outcome != TaskOutcome::Succeeded || end.calls >= end.steps);
                }
            }
        }
        prop_assert!(open.is_empty());
        prop_assert_eq!(calls as usize, outcome.calls.len());
        prop_assert!(outcome.calls.iter().all(|call| call.truth.cached_tokens < call.truth.prompt_tokens));
    }
}

/// The averages that arithmetic uses are those of sessions that run to their end, within four standard errors over sessions (about
/// 1.5 % of calls and 4 % of tokens, whose number grows with the square of the calls).
#[test]
fn the_averages_are_those_of_sessions_that_run_to_their_end() {
    for (turns, completion) in [
        (Dist::Constant(1.0), Dist::Constant(80.0)),
        (Dist::Exponential(2.0), Dist::Exponential(80.0)),
        (Dist::Uniform { min: 1.0, max: 4.0 }, Dist::log_normal(50.0, 0.95, 400.0)),
    ] {
        let mut scenario =
            with(5, patient(DrawnSessions { turns, think: Dist::Constant(0.0), ..sessions() }), completion);
        scenario.duration = Nanos::HOUR * 20;
        let outcome = drive(&scenario, 1, &Dist::Constant(0.01), 0.0);
        let workload = &scenario.workloads[0];
        let Arrivals::Poisson(rate) = workload.arrivals else { unreachable!() };
        let expected_calls = rate * scenario.duration.as_secs_f64() * workload.jobs_per_arrival();
        let calls = outcome.calls.len() as f64;
        assert!((calls / expected_calls - 1.0).abs() < 0.05, "{calls} calls, expected {expected_calls}");
        let mean = |of: fn(&Arrival) -> u32| {
            outcome.calls.iter().map(|call| f64::from(of(call))).sum::<f64>() / calls
        };
        let prompt = mean(|call| call.truth.prompt_tokens);
        assert!((workload.prompt.mean() / prompt - 1.0).abs() < 0.05, "{prompt}, {}", workload.prompt.mean());
        let CachedPrompt::Share(share) = workload.cached_prompt else { unreachable!() };
        let cached = mean(|call| call.truth.cached_tokens) / prompt;
        assert!((share - cached).abs() < 0.01, "{share} {cached}");
    }
}
