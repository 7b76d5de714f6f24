//! Law 15 from outside: identical jobs never have attempts in flight at the same time, coalescing makes no more
//! attempts than sending every job if nothing is refused, and a promoted follower is tried before it is given up.

use super::Run;
use super::replayed_load::ReplayedLoad;
use crate::story::parse;
use proptest::prelude::*;
use provider::{Instant, Nanos};
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind, JobOutcome};
use quotalab::ids::{EngineId, JobId, WorkloadId};
use quotalab::job::Arrival;
use quotalab::record::Fold;
use quotalab::scenario::Scenario;
use std::collections::BTreeMap;

/// Checks that of identical jobs at most one has an attempt in flight. Events do not record fingerprints, so the load is
/// generated a second time.
pub(super) struct IdenticalJobs {
    load: ReplayedLoad,
    /// By workload, whether its client coalesces.
    coalesces: Vec<bool>,
    /// The workload, the engine and the fingerprint of each job in flight.
    jobs: BTreeMap<JobId, (WorkloadId, EngineId, u64)>,
    /// The job that has an attempt in flight, by its engine and fingerprint.
    sender: BTreeMap<(EngineId, u64), (JobId, u8)>,
    pub(super) violations: Vec<String>,
}

impl IdenticalJobs {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            load: ReplayedLoad::new(scenario),
            coalesces: scenario.workloads.iter().map(|it| scenario.client_of(it).coalesce).collect(),
            jobs: BTreeMap::new(),
            sender: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    fn record_attempt(&mut self, event: &Event) {
        let (workload, engine, fingerprint) = self.jobs[&event.job];
        let (sender, attempts) = self.sender.entry((engine, fingerprint)).or_insert((event.job, 0));
        let other = std::mem::replace(sender, event.job);
        *attempts += 1;
        if other != event.job && self.coalesces[workload.index()] {
            self.violations
                .push(format!("law 15: {other} is identical and has an attempt in flight: {event:?}"));
        }
    }
}

impl Fold for IdenticalJobs {
    fn event(&mut self, event: &Event) {
        if let Some(Arrival { job, .. }) = self.load.event(event) {
            self.jobs.insert(job.id, (job.workload, job.engine, job.fingerprint));
        }
        match event.kind {
            EventKind::Coalesced { leader } if self.jobs.get(&leader) != self.jobs.get(&event.job) => {
                self.violations
                    .push(format!("law 15: {leader} is not identical, or of another process: {event:?}"));
            }
            EventKind::Sent { .. } => self.record_attempt(event),
            EventKind::Replied { .. } | EventKind::AttemptCancelled { .. } => {
                let (_, engine, fingerprint) = self.jobs[&event.job];
                if let Some((_, attempts)) = self.sender.get_mut(&(engine, fingerprint)) {
                    *attempts -= 1;
                    if *attempts == 0 {
                        self.sender.remove(&(engine, fingerprint));
                    }
                }
            }
            EventKind::Done(_) => {
                self.jobs.remove(&event.job);
            }
            _ => {}
        }
    }
}

/// Returns traffic that no limit refuses, at a provider with the YAML entries `provider`. `load` is the arrivals, the share of
/// repeated requests in percent, and the number of distinct ones among these.
fn scenario(load: (&str, u32, u32), provider: &str, seed: u64, client: &str) -> Scenario {
    let (arrivals, share, of) = load;
    let yaml = format!(
        "
name: coalescing
seed: {seed}
duration: 2m
providers: {{ p: {{ {provider} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ {client} }}
workload:
  - {{ name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, repeats: {{ share: {share}%, of: {of} }} }}
"
    );
    parse(&yaml)
}

/// Arrivals that do not depend on replies.
const OPEN_ARRIVALS: [&str; 4] =
    ["{ poisson: 3/s }", "{ constant: 8/s }", "{ burst: 30, every: 20s }", "{ ramp: [0/s, 10/s] }"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// With a cache all answers take the same time: otherwise a slow leader could outlast a cache entry that its
    /// follower, sent by itself, would have stored sooner.
    #[test]
    fn coalescing_makes_no_more_attempts_if_nothing_is_refused(
        arrivals in prop::sample::select(&OPEN_ARRIVALS[..]),
        share in 0u32..=100,
        of in 1u32..40,
        (latency, cache) in prop::sample::select(&[
            ("total: { p50: 1s, p95: 6s }", "off"),
            ("first_token: 200ms, output: 20 tok/s", "off"),
            ("total: 2s", "{ entries: 10k, ttl: 5s }"),
            ("total: 700ms", "{ entries: 10k, ttl: 1m }"),
        ][..]),
        seed in 0u64..1_000,
    ) {
        let run = |join| {
            let provider = format!("models: {{ m: {{ latency: {{ {latency} }} }} }}");
            let client = format!("deadline: 10m, cache: {cache}, join: {join}");
            let scenario = scenario((arrivals, share, of), &provider, seed, &client);
            Run::of(&scenario, &scenario)
        };
        let (separate, coalesced) = (run(false), run(true));
        prop_assert!(separate.violations.is_empty() && coalesced.violations.is_empty(), "{:?}", coalesced.violations);
        let (coalesced, separate) = (&coalesced.summary, &separate.summary);
        prop_assert_eq!(coalesced.jobs.succeeded, coalesced.jobs.offered);
        prop_assert_eq!(coalesced.jobs.offered, separate.jobs.offered);
        let answered = coalesced.attempts.total + coalesced.jobs.cached + coalesced.jobs.joined;
        prop_assert_eq!(answered, coalesced.jobs.offered);
        prop_assert!(coalesced.attempts.total <= separate.attempts.total);
        prop_assert_eq!(separate.jobs.joined, 0);
    }
}

/// The longest wait: the cool-down of an ejected target, and a second for jitter. A job whose wait would end after its
/// deadline is given up at once.
const MAX_WAIT: Nanos = Nanos::from_secs(31);

/// A job in flight.
#[derive(Clone, Copy)]
struct InFlight {
    deadline: Instant,
    tried: bool,
}

/// Checks that every job is sent, queued or waits before it is given up, unless its deadline is within [`MAX_WAIT`].
struct TriedFirst {
    deadline: Nanos,
    jobs: BTreeMap<JobId, InFlight>,
    promoted: u32,
    violations: Vec<String>,
}

impl Fold for TriedFirst {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Arrived { scheduled, .. } => {
                let job = InFlight { deadline: scheduled + self.deadline, tried: false };
                self.jobs.insert(event.job, job);
            }
            EventKind::Promoted { .. } => self.promoted += 1,
            EventKind::Sent { .. } | EventKind::Waiting { .. } | EventKind::Queued { .. } => {
                self.jobs.get_mut(&event.job).expect("it has arrived").tried = true;
            }
            EventKind::Done(end) => {
                let job = self.jobs.remove(&event.job).expect("it has arrived");
                let given_up = matches!(end.outcome, JobOutcome::Failed(_) | JobOutcome::Shed(_));
                if given_up && !job.tried && event.at + MAX_WAIT < job.deadline {
                    self.violations.push(format!("given up untried before its deadline: {event:?}"));
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Half of the attempts fail and a job has at most two, so leaders fail often.
    #[test]
    fn promoted_followers_are_tried_before_they_are_given_up(
        arrivals in prop::sample::select(&OPEN_ARRIVALS[..]),
        fault in prop::sample::select(&["503", "garbage", "timeout", "400", "reset", "cut_stream"][..]),
        attempts in 1u32..3,
        seed in 0u64..1_000,
    ) {
        let client = format!(
            "deadline: 1m, join: true, retry: {{ attempts: {attempts}, backoff: {{ base: 10ms, cap: 20ms }} }}"
        );
        let provider = format!(
            "models: {{ m: {{ latency: {{ total: {{ p50: 1s, p95: 3s }}, network: 200ms }} }} }},
             incidents: [{{ at: 0s, for: 1h, fault: {fault}, share: 50% }}]"
        );
        let scenario = scenario((arrivals, 100, 4), &provider, seed, &client);
        let deadline = scenario.default_client().deadline;
        let mut fold = TriedFirst { deadline, jobs: BTreeMap::new(), promoted: 0, violations: Vec::new() };
        virtual_time::simulate(&scenario, &mut fold);
        prop_assert!(fold.violations.is_empty(), "{:?}", fold.violations.first());
        prop_assert!(Run::of(&scenario, &scenario).violations.is_empty());
        prop_assert!(attempts > 1 || fold.promoted > 0, "some of two dozen leaders with one attempt fail");
    }
}

#[test]
fn jobs_that_differ_are_not_coalesced() {
    let scenario =
        scenario((OPEN_ARRIVALS[1], 0, 1), "models: { m: { latency: { total: 2s } } }", 1, "join: true");
    let run = Run::of(&scenario, &scenario);
    assert_eq!((run.summary.jobs.joined, run.summary.attempts.total), (0, run.summary.jobs.offered));
}

/// The answer takes 15 s: longer than the deadline of 5 s, and shorter than that of 1 minute.
#[test]
fn a_follower_that_is_given_up_before_the_answer_is_not_counted_as_coalesced() {
    let provider = "models: { m: { latency: { total: 15s } } }";
    let of = |deadline: &str| {
        let client = format!("deadline: {deadline}, join: true");
        let scenario = scenario((OPEN_ARRIVALS[2], 100, 1), provider, 1, &client);
        Run::of(&scenario, &scenario).summary.jobs
    };
    let late = of("5s");
    assert_eq!((late.succeeded, late.joined), (0, 0), "{late:?}");
    let in_time = of("1m");
    assert_eq!(in_time.joined, in_time.succeeded / 30 * 29, "{in_time:?}");
}
