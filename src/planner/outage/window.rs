//! What the users of a run got from the jobs that arrived during an outage, and how soon after it they were served again.

use crate::event::{Event, EventKind, JobEnd, JobOutcome};
use crate::formatting::{rounded, share_of};
use crate::planner::plan::OutageWorkload;
use crate::record::{Fold, Histogram};
use crate::scenario::{Expectation, Metric, Op, Scenario, Time};
use provider::config::Price;
use provider::{Instant, Nanos};

/// The shortest slot for which recovery is judged.
const SLOT: Nanos = Nanos::MINUTE;
/// The most slots; longer runs have longer ones.
const MAX_SLOTS: u64 = 1_440;

/// A fold over the jobs that arrive in an interval, and over the slots after it.
pub(super) struct Window {
    from: Instant,
    until: Instant,
    workloads: Vec<Served>,
    /// Per slot after the interval, the jobs that arrived in it: succeeded and lost.
    after: Vec<[u64; 2]>,
    slot: Nanos,
    prices: Vec<Price>,
    /// What the calls that ended in the interval cost, in USD.
    cost_usd: f64,
}

/// What the jobs of a workload got.
pub(super) struct Served {
    succeeded: u64,
    lost: u64,
    fell_back: u64,
    latency: Histogram,
}

impl Window {
    pub(super) fn new(scenario: &Scenario, from: Instant, until: Instant) -> Self {
        assert!(from < until, "invariant: an outage takes time, found {from} to {until}");
        let rest = (Instant::ZERO + scenario.duration).since(until);
        let slot = SLOT.max(Nanos(rest.0 / MAX_SLOTS));
        Self {
            from,
            until,
            workloads: scenario.workloads.iter().map(|_| Served::new()).collect(),
            after: vec![[0; 2]; rest.0.div_ceil(slot.0) as usize],
            slot,
            prices: scenario.targets.iter().map(|target| target.price).collect(),
            cost_usd: 0.0,
        }
    }

    fn done(&mut self, end: &JobEnd) {
        if end.scheduled < self.from || matches!(end.outcome, JobOutcome::InFlight) {
            return;
        }
        let succeeded = matches!(end.outcome, JobOutcome::Succeeded);
        if end.scheduled >= self.until {
            let slot = (end.scheduled.since(self.until).0 / self.slot.0) as usize;
            if let Some(slot) = self.after.get_mut(slot) {
                slot[usize::from(!succeeded)] += 1;
            }
            return;
        }
        let served = &mut self.workloads[end.class.index()];
        if succeeded {
            served.succeeded += 1;
            served.fell_back += u64::from(end.step.is_some_and(|step| step > 0));
            served.latency.record(end.queue + end.wait + end.service + end.failed_attempts);
        } else {
            served.lost += 1;
        }
    }

    /// Returns the rules that do not hold for the jobs of the interval, for all together or for some workload.
    pub(super) fn broken<'r>(&self, rules: &'r [Expectation]) -> Vec<&'r Expectation> {
        let all = self.all();
        let each = || self.workloads.iter().filter(|served| served.jobs() > 0).chain([&all]);
        let breaks = |rule: &&Expectation| match rule.workload {
            Some(class) => self.workloads[class.index()].breaks(rule),
            None => each().any(|served| served.breaks(rule)),
        };
        rules.iter().filter(breaks).collect()
    }

    /// Returns the jobs of all workloads.
    pub(super) fn all(&self) -> Served {
        self.workloads.iter().fold(Served::new(), |mut all, served| {
            all.succeeded += served.succeeded;
            all.lost += served.lost;
            all.fell_back += served.fell_back;
            all.latency.add(&served.latency);
            all
        })
    }

    /// Returns what each workload got, under its name and that of its route.
    pub(super) fn workloads(&self, scenario: &Scenario) -> Vec<OutageWorkload> {
        let each = scenario.workloads.iter().zip(&self.workloads);
        each.map(|(workload, served)| OutageWorkload {
            name: workload.name.clone(),
            route: scenario.routes[workload.route.index()].name.clone(),
            jobs: served.jobs(),
            success: served.success(),
            p95_s: served.p95_s(),
            fallback_share: served.fallback_share(),
        })
        .collect()
    }

    /// Returns what the interval cost.
    pub(super) fn cost_usd(&self) -> f64 {
        rounded(self.cost_usd, 6)
    }

    /// Returns the time from the end of the interval to the first slot with jobs whose share of success is at least
    /// `success`; `None` if the run has no such slot.
    pub(super) fn recovery_s(&self, success: f64) -> Option<f64> {
        let is_served = |[succeeded, lost]: &[u64; 2]| {
            share_of(*succeeded, succeeded + lost).is_some_and(|share| share >= success)
        };
        self.after.iter().position(is_served).map(|slot| (self.slot * slot as u64).as_secs_f64())
    }
}

impl Served {
    fn new() -> Self {
        Self { succeeded: 0, lost: 0, fell_back: 0, latency: Histogram::of_run() }
    }

    fn jobs(&self) -> u64 {
        self.succeeded + self.lost
    }

    /// Returns the share of the jobs that succeeded; `None` if there were none.
    pub(super) fn success(&self) -> Option<f64> {
        share_of(self.succeeded, self.jobs()).map(|share| rounded(share, 6))
    }

    pub(super) fn p95_s(&self) -> Option<f64> {
        self.latency.quantile_s(0.95)
    }

    /// Returns the share of the succeeded jobs that a later step of their route served.
    pub(super) fn fallback_share(&self) -> Option<f64> {
        share_of(self.fell_back, self.succeeded).map(|share| rounded(share, 6))
    }

    /// Returns `true` if a rule on success or latency is broken by these jobs. Other rules are about the whole run.
    fn breaks(&self, rule: &Expectation) -> bool {
        let (actual, is_upper) = match rule.metric {
            Metric::Success => (self.success(), false),
            Metric::Percentile(percent, Time::Latency) if self.succeeded > 0 => {
                (self.latency.quantile_s(f64::from(percent) / 100.0), true)
            }
            _ => return false,
        };
        actual.is_some_and(|actual| match (is_upper, rule.op) {
            (true, Op::Below) => actual >= rule.value,
            (true, _) => actual > rule.value,
            (false, Op::Above) => actual <= rule.value,
            (false, _) => actual < rule.value,
        })
    }
}

impl Fold for Window {
    fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Done(end) => self.done(end),
            EventKind::Settled { target, usage, .. } if (self.from..self.until).contains(&event.at) => {
                let price = self.prices[target.index()];
                let new = f64::from(usage.prompt_tokens) - f64::from(usage.cached_tokens);
                let cached = f64::from(usage.cached_tokens) * price.cached_input;
                let tokens = new * price.input + cached + f64::from(usage.completion_tokens) * price.output;
                self.cost_usd += tokens / 1e6;
            }
            _ => {}
        }
    }
}
