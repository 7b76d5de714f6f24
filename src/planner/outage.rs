//! The loss of a provider for up to an hour, at its busiest time, judged by the jobs that arrive while it lasts, by the time
//! until jobs are served again, and by the rules that it breaks over the run.

mod busiest;
mod window;

use super::plan::{BrokenRule, Outage, OutageWorkload, Recovery};
use super::rules::min_jobs;
use super::runner::{Run, Runner, distinct};
use crate::formatting::{RunTime, moment, rounded};
use crate::record::{Summary, measure};
use crate::scenario::{Metric, Rule, Scenario, Workload};
use crate::stats::replica_seed;
use provider::Nanos;
use provider::config::{Fault, Incident};
use rayon::prelude::*;
use std::collections::BTreeSet;
pub(super) use window::{OutageRecord, OutageRecorder};
use window::{recovery, sum};

/// The number of seeds on which each outage is simulated, and must be survived.
const SEEDS: u32 = 3;
/// The share of the jobs of a workload that must succeed for it to have recovered, if it has no rule on success.
const DEFAULT_SUCCESS: f64 = 0.99;

/// Simulates, at the present load, the loss of each provider that has a target. It lasts an hour, but at most half of the run,
/// so that the recovery can be seen.
pub(super) fn outages(runner: &Runner<'_>, scenario: &Scenario) -> Vec<Outage> {
    let length = Nanos::HOUR.min(Nanos((scenario.duration.0 / 2).max(1)));
    providers(scenario)
        .into_par_iter()
        .filter_map(|provider| outage(runner, scenario, provider, length))
        .collect()
}

/// Returns the names of the providers that have a target and whose loss is not among `simulated`.
pub(super) fn missing(scenario: &Scenario, simulated: &[Outage]) -> Vec<String> {
    let names =
        providers(scenario).into_iter().map(|provider| &scenario.providers[usize::from(provider)].name);
    let is_missing = |name: &&String| simulated.iter().all(|outage| outage.provider != **name);
    names.filter(is_missing).cloned().collect()
}

/// Returns the providers that have a target.
fn providers(scenario: &Scenario) -> BTreeSet<u16> {
    scenario.targets.iter().map(|target| target.provider).collect()
}

/// A run with an outage, and the same run without it.
struct Pair {
    /// The seed of both.
    seed: u64,
    run: Run,
    record: OutageRecord,
    without: Run,
    record_without: OutageRecord,
}

/// Simulates the loss of one provider. Returns `None` if a run did not end: the time of the plan was up, it was
/// interrupted, or too many jobs were in flight.
fn outage(runner: &Runner<'_>, scenario: &Scenario, provider: u16, length: Nanos) -> Option<Outage> {
    let uses = |workload: &Workload| {
        let mut targets = scenario.routes[workload.route.index()].steps.iter().flat_map(|step| &step.targets);
        targets.any(|target| scenario.targets[target.index()].provider == provider)
    };
    let at = busiest::busiest(scenario, length, uses);
    let scenario = &Scenario { expect: runner.rules.kept.clone(), ..scenario.clone() };
    let mut with_outage = scenario.clone();
    let config = &mut with_outage.providers[usize::from(provider)];
    let name = config.name.clone();
    config.incidents.push(Incident { at, until: at + length, fault: Fault::Status(503), share: 1.0 });
    let outage = [format!("the loss of {name}")];
    let with_change = runner.with_changes(&outage);
    let interval = (at, at + length);
    let pairs = (0..SEEDS).into_par_iter().map(|replica| {
        let (with, without) = rayon::join(
            || with_change.run_with_outage(&with_outage, interval, replica),
            || runner.run_with_outage(scenario, interval, replica),
        );
        let ((run, record), (without, record_without)) = (with?, without?);
        let seed = replica_seed(scenario.seed, u64::from(replica));
        Some(Pair { seed, run, record, without, record_without })
    });
    // All runs are asked for, also if one is missing.
    let pairs: Vec<Option<Pair>> = pairs.collect();
    let pairs = pairs.into_iter().collect::<Option<Vec<Pair>>>()?;
    let workloads: Vec<OutageWorkload> = scenario
        .workloads
        .iter()
        .enumerate()
        .map(|(index, workload)| outage_workload(scenario, workload, index, &pairs))
        .collect();
    let broken_over_run = broken_over_run(&pairs);
    let broken_without = distinct(pairs.iter().flat_map(|pair| &pair.without.broken));
    let broken = distinct(workloads.iter().flat_map(|workload| &workload.broken).chain(&broken_over_run));
    let is_not_back = |workload: &OutageWorkload| workload.recovery == Recovery::NotBeforeEnd;
    let all = &worst(&pairs, |pair| &pair.record.all).record.all;
    let mut outage = Outage {
        provider: name,
        at: moment(at.as_secs_f64(), &RunTime::new(scenario.duration.as_secs_f64(), scenario.clock.clone())),
        at_s: rounded(at.as_secs_f64(), 6),
        for_s: rounded(length.as_secs_f64(), 6),
        survives: broken.is_empty() && !workloads.iter().any(is_not_back),
        broken,
        broken_over_run,
        broken_without,
        success: success(all),
        p95_s: p95_s(all),
        fallback_share: fallback_share(all),
        cost_usd: all.charged_usd(),
        workloads,
        replicas: SEEDS,
    };
    outage.survives &= outage.is_judged();
    Some(outage)
}

/// Returns every rule on the whole run that the outage breaks: it is not broken in the same run without it.
fn broken_over_run(pairs: &[Pair]) -> Vec<BrokenRule> {
    distinct(pairs.iter().flat_map(|pair| {
        let held = |rule: &&BrokenRule| !pair.without.broken.contains(rule);
        pair.run.broken.iter().filter(held)
    }))
}

/// Returns the results of the jobs of one workload, on the replica on which the smallest share succeeded.
fn outage_workload(scenario: &Scenario, workload: &Workload, index: usize, pairs: &[Pair]) -> OutageWorkload {
    let rules: Vec<&Rule> = scenario.expect.iter().filter(|rule| rule.judges(index)).collect();
    let breaks = |rule: &&&Rule| pairs.iter().any(|pair| is_broken(rule, &pair.record.workloads[index]));
    let broken = rules.iter().filter(breaks);
    let strictest = rules
        .iter()
        .filter(|rule| rule.metric == Metric::Success)
        .max_by(|one, other| one.value.total_cmp(&other.value));
    let required = strictest.map_or(DEFAULT_SUCCESS, |rule| rule.value);
    let needed = strictest.map_or(1.0, |rule| min_jobs(rule)) as u64;
    let recoveries = pairs.iter().map(|pair| {
        let (after, without) = (&pair.record.after[index], &pair.record_without.after[index]);
        recovery(after, without, Nanos(pair.record.slot_ns), required, needed)
    });
    let succeeds_after_without = |pair: &Pair| {
        let [succeeded, lost] = sum(&pair.record_without.after[index]);
        succeeded as f64 >= required * (succeeded + lost) as f64
    };
    let worst_pair = worst(pairs, |pair| &pair.record.workloads[index]);
    let worst = &worst_pair.record.workloads[index];
    OutageWorkload {
        name: workload.name.clone(),
        route: scenario.routes[workload.route.index()].name.clone(),
        seed: Some(worst_pair.seed),
        jobs: worst.jobs.succeeded + worst.jobs.failed + worst.jobs.shed,
        success: success(worst),
        p95_s: p95_s(worst),
        fallback_share: fallback_share(worst),
        cost_usd: worst.charged_usd(),
        success_without: success(&worst_pair.record_without.workloads[index]),
        serves_without: pairs.iter().all(succeeds_after_without),
        broken: broken.map(|rule| BrokenRule { rule: rule.text.clone(), metric: rule.metric }).collect(),
        recovery: recoveries.reduce(slower).expect("invariant: an outage is simulated on at least one seed"),
    }
}

/// Returns `true` if the jobs that arrive during an outage break a rule. Rules on cost, goodput and headroom are about the whole
/// run; others are not broken if there is nothing to measure.
fn is_broken(rule: &Rule, summary: &Summary) -> bool {
    if matches!(rule.metric, Metric::Cost | Metric::Goodput | Metric::Headroom | Metric::FinishedBy) {
        return false;
    }
    let judged = summary.expect.iter().find(|judged| judged.rule == rule.text);
    judged.is_some_and(|judged| judged.is_broken() && judged.actual.is_some())
}

/// Returns the slower of two recoveries. Too few jobs on one seed do not count if another seed has enough.
fn slower(one: Recovery, other: Recovery) -> Recovery {
    let rank = |recovery: &Recovery| match recovery {
        Recovery::TooFewJobs { .. } => -1.0,
        Recovery::After { seconds } => *seconds,
        Recovery::NotBeforeEnd => f64::INFINITY,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

/// Returns the pair in whose run with the outage the smallest share of the jobs that `jobs` selects succeeds; of equal
/// ones, the one with the highest 95th percentile of latency.
fn worst(pairs: &[Pair], jobs: impl Fn(&Pair) -> &Summary) -> &Pair {
    let share = |pair: &Pair| success(jobs(pair)).unwrap_or(1.0);
    let p95 = |pair: &Pair| jobs(pair).latency_s.p95;
    let worse = |one: &&Pair, other: &&Pair| {
        share(one).total_cmp(&share(other)).then(p95(other).total_cmp(&p95(one)))
    };
    pairs.iter().min_by(worse).expect("invariant: an outage is simulated on at least one seed")
}

fn success(summary: &Summary) -> Option<f64> {
    measure(Metric::Success, summary).map(|share| rounded(share, 6))
}

fn p95_s(summary: &Summary) -> Option<f64> {
    (summary.latency_s.count > 0).then_some(summary.latency_s.p95)
}

fn fallback_share(summary: &Summary) -> Option<f64> {
    measure(Metric::FallbackShare, summary).map(|share| rounded(share, 6))
}
