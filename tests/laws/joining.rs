//! What joining promises, from outside: no two identical jobs are out at once, no attempt more is made than without
//! it where nothing is refused, and who is left by the one it joined still gets its own chance.

use super::Run;
use proptest::prelude::*;
use provider::{Instant, Nanos};
use quotalab::drive::virtual_time;
use quotalab::event::{Event, EventKind, JobOutcome};
use quotalab::ids::JobId;
use quotalab::load::Load;
use quotalab::record::Fold;
use quotalab::scenario::{self, Overrides, Scenario};
use std::collections::BTreeMap;

/// Who asks what, and who is out: the load is made a second time from the events, to know what each job asks.
pub(super) struct Twins {
    load: Load,
    joins: bool,
    /// What each job under way asks.
    asks: BTreeMap<JobId, u64>,
    out: BTreeMap<u64, JobId>,
    pub(super) broken: Vec<String>,
}

impl Twins {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            load: Load::new(scenario),
            joins: scenario.client.join,
            asks: BTreeMap::new(),
            out: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    fn sent(&mut self, event: &Event) {
        let asked = self.asks[&event.job];
        if let Some(other) = self.out.insert(asked, event.job).filter(|_| self.joins) {
            self.broken.push(format!("law 15: {other} is out and asks the same: {event:?}"));
        }
    }
}

impl Fold for Twins {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Arrived { .. } => {
                let job = self.load.next().expect("a job comes of the load").job;
                assert_eq!(job.id, event.job, "jobs are numbered as they come");
                self.asks.insert(job.id, job.fingerprint);
            }
            EventKind::Coalesced { leader } if self.asks.get(&leader) != self.asks.get(&event.job) => {
                self.broken.push(format!("law 15: {leader} asks something else: {event:?}"));
            }
            EventKind::Sent { .. } => self.sent(event),
            EventKind::Replied { .. } | EventKind::Abandoned { .. } => {
                self.out.remove(&self.asks[&event.job]);
            }
            EventKind::Done(ending) => {
                self.asks.remove(&event.job);
                self.load.finished(event.at, ending.class);
            }
            _ => {}
        }
    }
}

/// Traffic that no limit refuses; `model` is what the provider says besides.
fn scenario(load: (&str, u32, u32), model: &str, seed: u64, client: &str) -> Scenario {
    let (arrivals, share, of) = load;
    let yaml = format!(
        "
name: joining
seed: {seed}
duration: 2m
providers: {{ p: {{ {model} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ {client} }}
workload:
  - {{ name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, repeats: {{ share: {share}%, of: {of} }} }}
"
    );
    scenario::parse("joining", &yaml, &Overrides::default(), None)
        .unwrap_or_else(|wrong| panic!("{wrong}\n{yaml}"))
}

const OPEN: [&str; 4] =
    ["{ poisson: 3/s }", "{ constant: 8/s }", "{ burst: 30, every: 20s }", "{ ramp: [0/s, 10/s] }"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without a cache every job is an attempt, so any latency will do; with one, a slow leader could outlive an entry
    /// that its follower would have stored sooner: there every answer takes as long.
    #[test]
    fn joining_makes_no_more_attempts_where_nothing_is_refused(
        arrivals in prop::sample::select(&OPEN[..]),
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
            let model = format!("models: {{ m: {{ latency: {{ {latency} }} }} }}");
            let client = format!("deadline: 10m, cache: {cache}, join: {join}");
            let scenario = scenario((arrivals, share, of), &model, seed, &client);
            Run::of(&scenario, &scenario)
        };
        let (apart, joined) = (run(false), run(true));
        prop_assert!(apart.broken.is_empty() && joined.broken.is_empty(), "{:?}", joined.broken);
        let (one, other) = (&joined.summary, &apart.summary);
        prop_assert_eq!(one.jobs.succeeded, one.jobs.offered);
        prop_assert_eq!(one.jobs.offered, other.jobs.offered);
        prop_assert_eq!(one.attempts.total + one.jobs.cached + one.jobs.joined, one.jobs.offered);
        prop_assert!(one.attempts.total <= other.attempts.total);
        prop_assert_eq!(other.jobs.joined, 0);
    }
}

/// How long a target rests that failed often, and a little jitter on top: who would have to sleep beyond its deadline is
/// given up at once.
const UNWELL_FOR: Nanos = Nanos::from_secs(31);

/// Until when a job may go on, and what it did.
#[derive(Clone, Copy)]
struct Life {
    deadline: Instant,
    tried: bool,
}

/// Whether everybody who took over had a chance of its own.
struct Chances {
    patience: Nanos,
    lives: BTreeMap<JobId, Life>,
    heirs: u32,
    broken: Vec<String>,
}

impl Fold for Chances {
    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Arrived { scheduled, .. } => {
                self.lives.insert(event.job, Life { deadline: scheduled + self.patience, tried: false });
            }
            EventKind::Promoted { .. } => self.heirs += 1,
            EventKind::Sent { .. } | EventKind::Waiting { .. } | EventKind::Queued { .. } => {
                self.lives.get_mut(&event.job).expect("it has arrived").tried = true;
            }
            EventKind::Done(ending) => {
                let life = self.lives.remove(&event.job).expect("it has arrived");
                let given_up = matches!(ending.verdict, JobOutcome::Failed(_) | JobOutcome::Shed(_));
                if given_up && !life.tried && event.at + UNWELL_FOR < life.deadline {
                    self.broken.push(format!("given up without a try, in time: {event:?}"));
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every other call breaks, and nobody has more than two: leaders fail all the time, and no follower with them.
    #[test]
    fn who_is_left_by_its_leader_still_gets_its_own_chance(
        arrivals in prop::sample::select(&OPEN[..]),
        fault in prop::sample::select(&["503", "garbage", "timeout", "400", "reset", "cut_stream"][..]),
        attempts in 1u32..3,
        seed in 0u64..1_000,
    ) {
        let client = format!(
            "deadline: 1m, join: true, retry: {{ attempts: {attempts}, backoff: {{ base: 10ms, cap: 20ms }} }}"
        );
        let model = format!(
            "models: {{ m: {{ latency: {{ total: {{ p50: 1s, p95: 3s }}, network: 200ms }} }} }},
             incidents: [{{ at: 0s, for: 1h, fault: {fault}, share: 50% }}]"
        );
        let scenario = scenario((arrivals, 100, 4), &model, seed, &client);
        let patience = scenario.client.deadline;
        let mut chances = Chances { patience, lives: BTreeMap::new(), heirs: 0, broken: Vec::new() };
        virtual_time::simulate(&scenario, &mut chances);
        prop_assert!(chances.broken.is_empty(), "{:?}", chances.broken.first());
        prop_assert!(Run::of(&scenario, &scenario).broken.is_empty());
        prop_assert!(attempts > 1 || chances.heirs > 0, "of two dozen leaders with one attempt none fails");
    }
}

#[test]
fn what_cannot_repeat_is_never_joined() {
    let scenario = scenario((OPEN[1], 0, 1), "models: { m: { latency: { total: 2s } } }", 1, "join: true");
    let run = Run::of(&scenario, &scenario);
    assert_eq!((run.summary.jobs.joined, run.summary.attempts.total), (0, run.summary.jobs.offered));
}
