//! The laws of the script, on a real server: it decides as the bucket of the provider model does.

use super::call::{Answer, Call, Keys, LimitArguments, Outcome, ScriptCall, Verb};
use super::limit::SharedLimit;
use super::redis_server::RedisServer;
use crate::scenario::KnownLimit;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provider::window::Bucket;
use provider::{Axis, Instant, Nanos};
use redis::aio::MultiplexedConnection;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

/// A server and a connection to it.
pub(super) struct Bench {
    server: RedisServer,
    runtime: Runtime,
    connection: MultiplexedConnection,
    /// The number of quotas so far: each test case has its own.
    quotas: AtomicU64,
}

impl Bench {
    pub(super) fn start() -> Option<Self> {
        let server = RedisServer::start(None)?;
        let runtime = Runtime::new().expect("a runtime");
        let client = redis::Client::open(server.url()).expect("a URL");
        // Calls have no time limit, because the machine may be busy.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let connection = runtime.block_on(connection).expect("a connection");
        Some(Self { server, runtime, connection, quotas: AtomicU64::new(0) })
    }

    /// Returns a name that no other test case has.
    pub(super) fn name(&self) -> String {
        self.quotas.fetch_add(1, Ordering::Relaxed);
        self.last_name()
    }

    /// Returns the name that was given last.
    pub(super) fn last_name(&self) -> String {
        format!("quota-{}", self.quotas.load(Ordering::Relaxed))
    }

    fn keys(&self) -> Keys {
        Keys::new(&self.name())
    }

    pub(super) fn make<C: ScriptCall>(&self, call: &C) -> C::Answer {
        self.runtime.block_on(call.make(&mut self.connection.clone())).expect("an answer")
    }

    /// Runs a script that returns texts.
    pub(super) fn run(&self, script: &str) -> Vec<String> {
        let script = redis::Script::new(script);
        self.runtime.block_on(script.invoke_async(&mut self.connection.clone())).expect("an answer")
    }

    /// Returns everything that the server holds.
    pub(super) fn contents(&self) -> Vec<String> {
        self.run(
            "local found = {} \
             for _, key in ipairs(redis.call('KEYS', '*')) do \
               local kind, value = redis.call('TYPE', key).ok, '' \
               if kind == 'hash' then value = table.concat(redis.call('HGETALL', key), ' ') \
               elseif kind == 'zset' then value = table.concat(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), ' ') \
               else value = redis.call('GET', key) end \
               found[#found + 1] = key .. '=' .. value end \
             table.sort(found) return found",
        )
    }
}

fn limit(axis: Axis, limit: u64, burst: u64) -> SharedLimit {
    SharedLimit::new(&KnownLimit { burst, ..KnownLimit::from(&provider::config::Limit::new(axis, limit)) })
        .expect("a limit with a window")
}

/// Returns a call at `at_ms` with these amounts on each limit.
fn call(verb: Verb, keys: &Keys, id: &str, at_ms: u64, limits: &[(SharedLimit, [i64; 2])]) -> Call {
    let arguments = limits.iter().map(|(limit, amounts)| LimitArguments {
        limit: *limit,
        if_absent: i64::try_from(limit.burst).expect("a small burst"),
        amounts: *amounts,
    });
    let call = Call::new(verb, keys, "replica", id).with_cool_down(&keys.cool_down("m")).at_ms(at_ms);
    call.with_limits(arguments)
}

/// One step of a random history, some time after the last one.
#[derive(Clone, Debug)]
enum Step {
    Reserve([u64; 2]),
    /// Settles one of the leases that are open, or one that was settled already.
    Settle(prop::sample::Index, [u64; 2]),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let amounts = || [0..40_u64, 0..3000_u64];
    let reserve = amounts().prop_map(Step::Reserve);
    let settle =
        (any::<prop::sample::Index>(), amounts()).prop_map(|(index, used)| Step::Settle(index, used));
    (prop_oneof![Just(0), 0..50_u64, 0..100_000_u64], prop_oneof![2 => reserve, 1 => settle])
}

fn limits() -> impl Strategy<Value = [SharedLimit; 2]> {
    let first = (prop_oneof![Just(Axis::Rpm), Just(Axis::Rpd)], 1..2000_u64, 1..40_u64);
    let second = (prop_oneof![Just(Axis::Tpm), Just(Axis::Tpd)], 1..3_000_000_u64, 1..3000_u64);
    (first, second).prop_map(|((axis, amount, burst), (other, other_amount, other_burst))| {
        [limit(axis, amount, burst), limit(other, other_amount, other_burst)]
    })
}

/// A charge that was reserved: its id, its amounts, and whether it was settled.
type Lease = (String, [u64; 2], bool);

/// Law: the script admits, refuses, charges and settles as two buckets of the provider model do, at every millisecond, and states
/// the wait to the millisecond. A lease that was settled is not settled again.
#[test]
fn the_script_decides_as_the_buckets_of_the_provider_model() {
    let Some(bench) = Bench::start() else { return };
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&(limits(), prop::collection::vec(step(), 1..60)), |(limits, steps)| {
            let keys = bench.keys();
            let mut buckets = limits.map(|limit| limit.bucket_with(Instant::ZERO, i64::MAX));
            let (mut at_ms, mut leases): (u64, Vec<Lease>) = (0, Vec::new());
            for (number, (after, step)) in steps.into_iter().enumerate() {
                at_ms += after;
                let now = Instant::ZERO + Nanos(at_ms * 1_000_000);
                match step {
                    Step::Reserve(cost) => {
                        let id = format!("{number}");
                        let cost = [cost[0].min(limits[0].burst), cost[1].min(limits[1].burst)];
                        let amounts = cost.map(|cost| [cost.cast_signed(), 0]);
                        let limits = [(limits[0], amounts[0]), (limits[1], amounts[1])];
                        let answer = bench.make(&call(Verb::Reserve, &keys, &id, EPOCH_MS + at_ms, &limits));
                        check_reservation(now, &mut buckets, cost, &answer)?;
                        if answer.outcome == Outcome::Done {
                            leases.push((id, cost, false));
                        }
                    }
                    Step::Settle(index, used) if !leases.is_empty() => {
                        let index = index.index(leases.len());
                        let (id, reserved, is_settled) = &mut leases[index];
                        let amounts = |axis: usize| [reserved[axis].cast_signed(), used[axis].cast_signed()];
                        let limits = [(limits[0], amounts(0)), (limits[1], amounts(1))];
                        let answer = bench.make(&call(Verb::Settle, &keys, id, EPOCH_MS + at_ms, &limits));
                        prop_assert_eq!(answer.outcome == Outcome::Done, !*is_settled, "settled once");
                        if !std::mem::replace(is_settled, true) {
                            for (bucket, axis) in buckets.iter_mut().zip(0..) {
                                bucket.settle(now, reserved[axis], used[axis]);
                            }
                        }
                    }
                    Step::Settle(..) => {}
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Checks an answer against the buckets, and charges them if it admits.
fn check_reservation(
    now: Instant,
    buckets: &mut [Bucket; 2],
    cost: [u64; 2],
    answer: &Answer,
) -> Result<(), TestCaseError> {
    let admits = buckets.iter().zip(cost).all(|(bucket, cost)| bucket.admits(now, cost));
    prop_assert_eq!(answer.outcome == Outcome::Done, admits, "{:?} at {}", answer, now);
    if admits {
        buckets.iter_mut().zip(cost).for_each(|(bucket, cost)| bucket.charge(now, cost));
    } else {
        let ready = buckets.iter().zip(cost).map(|(bucket, cost)| bucket.earliest_admission(now, cost));
        let ready = ready.map(|at| at.expect("a cost within the burst")).max().expect("two limits");
        prop_assert_eq!(answer.wait_ms, ready.since(now).0.div_ceil(1_000_000));
        prop_assert!(answer.refused_by.is_some());
    }
    for (bucket, left) in buckets.iter().zip(&answer.left) {
        // The answer is rounded down, that of the bucket toward zero.
        let remaining = bucket.remaining(now);
        prop_assert!(*left == remaining || (*left < 0 && *left + 1 == remaining), "{left} and {remaining}");
    }
    Ok(())
}

/// A time like that of a server today, at which numbers are large.
const EPOCH_MS: u64 = 1_800_000_000_000;

#[test]
fn a_refused_reservation_changes_nothing() {
    let Some(bench) = Bench::start() else { return };
    let (keys, rpm, tpm) = (bench.keys(), limit(Axis::Rpm, 60, 10), limit(Axis::Tpm, 600, 100));
    let reserve = |id: &str, tokens| {
        bench.make(&call(Verb::Reserve, &keys, id, EPOCH_MS, &[(rpm, [1, 0]), (tpm, [tokens, 0])]))
    };
    assert_eq!(reserve("a", 70).outcome, Outcome::Done);
    let before = bench.contents();
    for _ in 0..20 {
        let refused = reserve("b", 40);
        assert_eq!((refused.outcome, refused.refused_by, refused.wait_ms), (Outcome::Refused, Some(1), 1000));
        assert_eq!(refused.left, [9, 30]);
    }
    assert_eq!(bench.contents(), before);
    assert_eq!(reserve("c", 30).outcome, Outcome::Done, "what is left is still there");
}

#[test]
fn a_lease_is_settled_once_and_also_late() {
    let Some(bench) = Bench::start() else { return };
    let (keys, tpm) = (bench.keys(), limit(Axis::Tpd, 1000, 1000));
    let make = |verb, id: &str, after_ms, amounts| {
        bench.make(&call(verb, &keys, id, EPOCH_MS + after_ms, &[(tpm, amounts)]))
    };
    assert_eq!(make(Verb::Reserve, "a", 0, [600, 0]).left, [400]);
    assert_eq!(make(Verb::Settle, "a", 0, [600, 100]).left, [900]);
    let again = make(Verb::Settle, "a", 0, [600, 0]);
    assert_eq!((again.outcome, again.left), (Outcome::Refused, vec![900]), "a repeated settlement");
    assert_eq!(make(Verb::Settle, "unknown", 0, [600, 0]).left, [900]);
    assert_eq!(make(Verb::Reserve, "b", 0, [900, 0]).left, [0]);
    // Half an hour later, past the time after which others may displace it.
    let late = make(Verb::Settle, "b", 1_800_000, [900, 850]);
    assert_eq!((late.outcome, late.left), (Outcome::Done, vec![20 + 50]));
}

#[test]
fn a_grant_is_given_only_if_as_much_is_left_for_every_replica_and_its_rest_returns_once() {
    let Some(bench) = Bench::start() else { return };
    let (keys, rpm) = (bench.keys(), limit(Axis::Rpm, 60, 100));
    let ask = |id: &str, further: u32| {
        let amounts = [1, further.into()];
        let call = call(Verb::Reserve, &keys, id, EPOCH_MS, &[(rpm, amounts)]);
        bench.make(&call.with_leases(&(1..=further)))
    };
    let first = ask("a", 40);
    assert_eq!((first.outcome, first.is_granted, first.left), (Outcome::Done, true, vec![59]));
    let second = ask("b", 40);
    assert_eq!((second.is_granted, second.left), (false, vec![58]), "18 would be left");
    assert_eq!(bench.make(&call(Verb::Settle, &keys, "a/1", EPOCH_MS, &[(rpm, [1, 0])])).left, [59]);
    let rest = |used| {
        let call = call(Verb::Return, &keys, "a", EPOCH_MS, &[(rpm, [used, 0])]);
        bench.make(&call.with_leases(&(2..=40)))
    };
    assert_eq!((rest(39).left, rest(39).left), (vec![98], vec![98]));
    let unused = bench.make(&call(Verb::Settle, &keys, "a/2", EPOCH_MS, &[(rpm, [1, 0])]));
    assert_eq!(unused.outcome, Outcome::Refused, "its lease went back with the rest");
}

#[test]
fn another_replica_is_refused_while_a_target_cools_down() {
    let Some(bench) = Bench::start() else { return };
    let (keys, rpm) = (bench.keys(), limit(Axis::Rpm, 60, 100));
    let key = keys.cool_down("m");
    let cool = |millis| {
        let call = Call::new(Verb::Cool, &keys, "other", "").with_cool_down(&key).with_length(millis);
        bench.make(&call)
    };
    cool(60_000);
    cool(1_000);
    let refused = bench.make(&call(Verb::Reserve, &keys, "a", EPOCH_MS, &[(rpm, [1, 0])]));
    assert_eq!((refused.outcome, &refused.left), (Outcome::CoolDown, &vec![100]));
    assert!((30_000..=60_000).contains(&refused.wait_ms), "a shorter one does not end it: {refused:?}");
    let own = Call::new(Verb::Reserve, &keys, "other", "b").with_cool_down(&key);
    assert_eq!(bench.make(&own).outcome, Outcome::Done, "the engine of that replica knows it itself");
}

#[test]
fn heartbeats_count_replicas_and_a_report_counts_once() {
    let Some(bench) = Bench::start() else { return };
    let (keys, tpm) = (bench.keys(), limit(Axis::Tpm, 600, 100));
    let beat = |replica: &str, id: &str, used| {
        let arguments = LimitArguments { limit: tpm, if_absent: 80, amounts: [used, 0] };
        let call = Call::new(Verb::Beat, &keys, replica, id).at_ms(EPOCH_MS).with_length(5_000);
        bench.make(&call.with_limits(std::iter::once(arguments)))
    };
    assert_eq!((beat("a", "", 0).replicas, beat("b", "", 0).replicas), (1, 2));
    assert_eq!(beat("c", "r", 30).left, [50], "of 80, as the first replica knows");
    let again = beat("c", "r", 30);
    assert_eq!((again.left, again.replicas), (vec![50], 3), "its answer was lost, so it is reported again");
}

#[test]
fn leases_are_bounded() {
    let Some(bench) = Bench::start() else { return };
    let (keys, rpm) = (bench.keys(), limit(Axis::Rpm, 60_000, 1_000_000));
    let ask = |id: &str, at_ms| {
        let call = call(Verb::Reserve, &keys, id, at_ms, &[(rpm, [1, 64])]);
        bench.make(&call.with_leases(&(1..=64)))
    };
    let mut given = 0;
    let refused = loop {
        let answer = ask(&given.to_string(), EPOCH_MS);
        if answer.outcome != Outcome::Done {
            break answer;
        }
        given += 1;
    };
    assert_eq!(given, 65_536 / 66);
    assert_eq!((refused.outcome, refused.wait_ms), (Outcome::TooManyLeases, 600_000));
    let later = ask("later", EPOCH_MS + 600_001);
    assert_eq!(later.outcome, Outcome::Done, "those that nothing has settled give way: {later:?}");
    assert!(bench.server.port > 0);
}

/// Law: what is used of a limit stays used if the limit is changed.
#[test]
fn a_changed_limit_keeps_what_is_used() {
    let Some(bench) = Bench::start() else { return };
    let keys = bench.keys();
    let reserve = |id: &str, limit: SharedLimit, cost| {
        bench.make(&call(Verb::Reserve, &keys, id, EPOCH_MS, &[(limit, [cost, 0])])).left
    };
    let (small, large) = (limit(Axis::Tpm, 100, 100), limit(Axis::Tpm, 777, 777));
    assert_eq!(reserve("a", small, 60), [40]);
    assert_eq!(reserve("b", large, 17), [700]);
    assert_eq!(reserve("c", small, 1), [22]);
}
