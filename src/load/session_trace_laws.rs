//! Properties of recorded sessions: under any latency, every call is sent, and none before what it depends on.

use super::Load;
use super::laws::{scenario, workload};
use super::session_laws::{Outcome, drive};
use crate::event::TaskEvent;
use crate::scenario::trace::{Recorded, SessionCounts};
use crate::scenario::{
    Arrivals, RecordedCall, RecordedSession, RecordedTurn, Scenario, SessionContent, SessionTrace, Sessions,
    Workload,
};
use proptest::prelude::*;
use provider::dist::Dist;
use provider::{Instant, Nanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sessions with their turns: the milliseconds at which a session begins, those to think before a turn, and those before a call.
type Written = Vec<(u64, Vec<(u64, Vec<u64>)>)>;

fn written() -> impl Strategy<Value = Written> {
    let turn = (0u64..5_000, prop::collection::vec(0u64..2_000, 1..6));
    let session = (0u64..100_000, prop::collection::vec(turn, 1..4));
    prop::collection::vec(session, 1..20)
}

/// A trace in which the prompt of every call is its number, from 1.
fn trace(mut written: Written) -> SessionTrace {
    written.sort_by_key(|(at, _)| *at);
    let (mut sessions, mut turns, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (id, (at, of_session)) in (0u64..).zip(&written) {
        let number = |length: usize| u32::try_from(length).unwrap();
        sessions.push(RecordedSession {
            at: Instant::ZERO + Nanos::from_millis(*at),
            id,
            first_turn: number(turns.len()),
            turns: number(of_session.len()),
        });
        for (position, (think, gaps)) in of_session.iter().enumerate() {
            let think = if position == 0 { Nanos::ZERO } else { Nanos::from_millis(*think) };
            turns.push(RecordedTurn { think, first_call: number(calls.len()), calls: number(gaps.len()) });
            for (step, gap) in gaps.iter().enumerate() {
                calls.push(RecordedCall {
                    gap: if step == 0 { Nanos::ZERO } else { Nanos::from_millis(*gap) },
                    since_begin: Nanos::ZERO,
                    prompt_tokens: number(calls.len()) + 1,
                    cached_tokens: number(calls.len()) / 2,
                    completion_tokens: 5,
                });
            }
        }
    }
    SessionTrace {
        sessions: Arc::new(sessions),
        turns: Arc::new(turns),
        calls: Arc::new(calls),
        counts: SessionCounts::default(),
    }
}

fn replaying(trace: &SessionTrace) -> Scenario {
    let rows = Arc::new(trace.rows(Instant::MAX));
    let agents = Workload {
        sessions: Some(Box::new(Sessions {
            content: SessionContent::Recorded(trace.clone()),
            deadline: None,
            leave: 1.0,
        })),
        max_tokens: None,
        ..workload(Arrivals::Trace { rows, recorded: Recorded::default() })
    };
    let mut scenario = scenario(3, Nanos::DAY, vec![agents]);
    scenario.clients[0].deadline = Nanos::DAY;
    scenario
}

/// The instants at which the calls were sent, by their numbers from 0.
fn sent(outcome: &Outcome) -> BTreeMap<usize, Instant> {
    outcome.calls.iter().map(|call| (call.truth.prompt_tokens as usize - 1, call.job.scheduled)).collect()
}

/// The instant at which each call can be sent if calls take this long.
fn expected(trace: &SessionTrace, service: Nanos) -> BTreeMap<usize, Instant> {
    let mut all = BTreeMap::new();
    for session in trace.sessions.iter() {
        let mut now = session.at;
        for number in 0..session.turns {
            let turn = trace.turn(session, number);
            now += turn.think;
            for step in 0..turn.calls {
                now += trace.call(turn, step).gap;
                all.insert((turn.first_call + step) as usize, now);
                now += service;
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// With constant service times, also of nothing, every call is sent once, exactly when the one before has ended and its gap is over.
    #[test]
    fn calls_are_sent_when_those_before_have_ended_and_their_gaps_are_over(
        written in written(), service in prop_oneof![Just(0u64), 1u64..10_000],
    ) {
        let trace = trace(written);
        let outcome = drive(&replaying(&trace), 1, &Dist::Constant(service as f64 / 1e3), 0.0);
        prop_assert_eq!(outcome.calls.len(), trace.calls.len());
        prop_assert_eq!(sent(&outcome), expected(&trace, Nanos::from_millis(service)));
    }

    /// With random service times, calls are never sent earlier than with none, each has the recorded tokens, and every turn is a task.
    #[test]
    fn no_latency_loses_calls_or_sends_them_early(written in written(), seed in any::<u64>(), mean in 0.01f64..20.0) {
        let trace = trace(written);
        let outcome = drive(&replaying(&trace), seed, &Dist::Exponential(mean), 0.0);
        let sent = sent(&outcome);
        prop_assert_eq!(sent.len(), trace.calls.len());
        for (number, earliest) in expected(&trace, Nanos::ZERO) {
            prop_assert!(sent[&number] >= earliest);
        }
        for call in &outcome.calls {
            let recorded = trace.calls[call.truth.prompt_tokens as usize - 1];
            prop_assert_eq!(call.truth.cached_tokens, recorded.cached_tokens);
            prop_assert_eq!(call.truth.completion_tokens, recorded.completion_tokens);
        }
        let mut steps: Vec<u32> = outcome.tasks.iter().filter_map(|(_, task)| match task {
            TaskEvent::Ended(end) => Some(end.calls),
            TaskEvent::Began(_) => None,
        }).collect();
        let mut recorded: Vec<u32> = trace.turns.iter().map(|turn| turn.calls).collect();
        steps.sort_unstable();
        recorded.sort_unstable();
        prop_assert_eq!(steps, recorded);
    }

    /// If calls fail, the others of their turns and the sessions of users who leave are not sent, and no other call is sent early.
    #[test]
    fn failed_calls_end_their_tasks(written in written(), seed in any::<u64>(), failing in 0.0f64..0.5) {
        let trace = trace(written);
        let outcome = drive(&replaying(&trace), seed, &Dist::Constant(0.2), failing);
        let earliest = expected(&trace, Nanos::from_millis(200));
        for (number, at) in sent(&outcome) {
            prop_assert_eq!(at, earliest[&number]);
        }
    }

    /// A larger multiple of the load keeps every session of a smaller one, with the same calls.
    #[test]
    fn a_larger_multiple_keeps_all_sessions_of_a_smaller_one(written in written(), few in 0.1f64..1.0, more in 0.0f64..3.0) {
        let scenario = replaying(&trace(written));
        let fingerprints = |multiple: f64| {
            let outcome = drive(&scenario.scaled(multiple), 1, &Dist::Constant(0.1), 0.0);
            outcome.calls.iter().map(|call| (call.job.fingerprint, call.truth.prompt_tokens)).collect::<BTreeMap<_, _>>()
        };
        let (few, many) = (fingerprints(few), fingerprints(few + more));
        prop_assert!(few.iter().all(|(fingerprint, prompt)| many.get(fingerprint) == Some(prompt)));
    }
}

#[test]
fn an_empty_load_has_no_calls() {
    let trace = trace(Vec::new());
    assert_eq!(Load::new(&replaying(&trace)).peek(), None);
}
