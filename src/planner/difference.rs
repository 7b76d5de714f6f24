//! Why the simulated ceiling differs from the analytic one: every known cause, with its size.

use super::finding::{Difference, GiveUpBound};
use super::plan::{FirstViolation, SimulatedCeiling};
use super::runner::Run;
use super::violation;
use crate::ceiling::Ceiling;
use crate::formatting::{rounded, seconds, share_of};
use crate::ids::TargetId;
use crate::record::Summary;
use crate::scenario::{Client, Metric, Scenario, Target, Workload};
use provider::config::{Estimate, Limit, RefillPolicy, Settlement};
use provider::{Axis, Nanos};

/// Ratios of the two ceilings closer to 1 than this are agreement.
const AGREEMENT: f64 = 0.02;
/// Shares of jobs below this are not mentioned.
const MIN_SHARE: f64 = 0.005;
/// Arrivals are uneven if those of the busiest window exceed the mean by this ratio.
const UNEVEN: f64 = 1.1;
/// The initial fill of a bucket is mentioned if it is more than this share of what the limit allows in the run.
const MIN_INITIAL_SHARE: f64 = 0.05;
/// Rules that allow a larger share of jobs to fail are mentioned.
const MIN_FAILURES: f64 = 0.02;
/// Jobs that are served after the run are mentioned if they exceed this share of those that are served.
const MIN_SERVED_AFTER: f64 = 0.02;
/// Calls that are not made are mentioned if they exceed this share; below it the sampled sizes of tasks may explain them.
const MIN_CALLS_NOT_MADE: f64 = 0.03;
/// Means of fewer tasks than this say nothing about such a share.
const MIN_TASKS: u64 = 1_000;
/// A reservation is mentioned if it exceeds the tokens used by this ratio.
const MIN_OVERRESERVATION: f64 = 1.05;

/// Returns the differences of the two ceilings, and the bounds on bursts. `above` is the lowest run that broke a rule.
pub(super) fn differences(
    scenario: &Scenario,
    analytic: &Ceiling,
    simulated: &SimulatedCeiling,
    above: Option<&Run>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    if let (Some(multiple), true) = (simulated.multiple, analytic.multiple.is_finite()) {
        let ratio = multiple / analytic.multiple;
        debug_assert!(ratio >= 0.0, "invariant: ceilings are not negative, found ratio {ratio}");
        if (ratio - 1.0).abs() <= AGREEMENT {
            differences.push(Difference::Agreement { ratio: rounded(ratio, 6) });
        } else {
            differences.push(Difference::Gap { ratio: rounded(ratio, 6) });
            differences
                .extend(above.into_iter().flat_map(|above| causes(scenario, analytic, above, simulated)));
            let violation = simulated.first_violation.as_ref();
            if !violation.is_some_and(|violation| is_independent_of_refusals(violation.metric)) {
                differences.extend(full_buckets(scenario));
                differences.extend(limit_grows(scenario, analytic));
            }
        }
    }
    differences.extend(scenario.workloads.iter().filter_map(|workload| reservation(scenario, workload)));
    differences
}

/// Returns the causes that a run just above the ceiling shows.
fn causes(
    scenario: &Scenario,
    analytic: &Ceiling,
    above: &Run,
    simulated: &SimulatedCeiling,
) -> Vec<Difference> {
    let summary = &above.summary;
    let mut causes = Vec::new();
    let violation = simulated.first_violation.as_ref();
    let is_on_success = |violation: &&FirstViolation| violation.metric == Metric::Success;
    let other = violation.filter(|violation| !is_on_success(violation) || violation.axis.is_none());
    causes.extend(other.map(|violation| Difference::RuleBreaksFirst { rule: violation.rule.clone() }));
    if violation.is_some_and(|violation| is_independent_of_refusals(violation.metric)) {
        return causes;
    }
    // If there is a peak, the analytic ceiling is already that of the peak.
    if analytic.peak.is_none() {
        causes.extend(violation.and_then(|violation| uneven_arrivals(scenario, summary, violation)));
    }
    let on_success = violation.filter(is_on_success);
    causes.extend(on_success.and_then(|violation| given_up(scenario, summary, violation)));
    let notable = |jobs: u64| share_of(jobs, summary.jobs.offered).filter(|share| *share > MIN_SHARE);
    if let Some(share) = notable(summary.jobs.cached) {
        causes.push(Difference::CacheHits { share: rounded(share, 6) });
    }
    if let Some(share) = notable(summary.jobs.joined) {
        causes.push(Difference::Coalesced { share: rounded(share, 6) });
    }
    causes.extend(calls_not_made(scenario, summary));
    let success = scenario.expect.iter().find(|rule| rule.metric == Metric::Success).map(|rule| rule.value);
    let allowed = success.filter(|_| analytic.peak.is_none()).map(|success| 1.0 - success);
    if let Some(share) = allowed.filter(|share| *share > MIN_FAILURES) {
        causes.push(Difference::FailuresAllowed { share: rounded(share, 6) });
    }
    // The bound of a peak includes what is admitted until the deadlines.
    if analytic.peak.is_none() {
        causes.extend(served_after_run(summary));
    }
    let count: usize = scenario.providers.iter().map(|provider| provider.incidents.len()).sum();
    if count > 0 {
        causes.push(Difference::Incidents { count });
    }
    causes
}

/// Returns the share of the jobs that succeed after the run, if it is notable.
fn served_after_run(summary: &Summary) -> Option<Difference> {
    let series = &summary.series;
    let within = (libm::ceil(summary.duration_s / series.step_s) as usize).min(series.succeeded.len());
    let after = series.succeeded[within..].iter().sum();
    let share = share_of(after, summary.jobs.succeeded).filter(|share| *share > MIN_SERVED_AFTER)?;
    Some(Difference::ServedAfterRun { share: rounded(share, 6) })
}

/// Returns the workloads of which a share of the calls is not made because their tasks end early.
fn calls_not_made<'a>(scenario: &'a Scenario, summary: &'a Summary) -> impl Iterator<Item = Difference> + 'a {
    scenario.workloads.iter().zip(&summary.workloads).filter_map(|(workload, result)| {
        let (sessions, tasks) = (workload.sessions.as_deref()?, result.tasks.as_ref()?);
        let ended = tasks.succeeded + tasks.failed + tasks.abandoned;
        let whole = sessions.calls_per_task();
        let share = 1.0 - tasks.calls_per_task / whole;
        (ended >= MIN_TASKS && share > MIN_CALLS_NOT_MADE).then(|| Difference::CallsNotMade {
            workload: workload.name.to_string(),
            share: rounded(share, 6),
        })
    })
}

/// Returns `true` if rules on this metric are broken by the load itself, not by refusals or waits.
fn is_independent_of_refusals(metric: Metric) -> bool {
    matches!(metric, Metric::Cost | Metric::Headroom)
}

/// Returns how uneven the arrivals are over the window of the limit that stops the load; `None` if they are even,
/// or if no limit is known. A difference of one job does not count, since evenly spaced arrivals have it as well. `None`
/// also for a rule on the fallback share, which on average does not depend on how even the arrivals are.
fn uneven_arrivals(scenario: &Scenario, summary: &Summary, violation: &FirstViolation) -> Option<Difference> {
    if violation.metric == Metric::FallbackShare {
        return None;
    }
    let (step_s, offered) = (summary.series.step_s, &summary.series.offered);
    let axis = Axis::from_name(violation.axis.as_ref()?)?;
    let window = own_window(scenario, violation, axis).or(axis.window_length()).unwrap_or(Nanos::ZERO);
    let steps = (libm::round(window.as_secs_f64() / step_s) as usize).max(1);
    let busiest = offered.windows(steps).map(|window| window.iter().sum::<u64>()).max()?;
    let length_s = steps as f64 * step_s;
    let mean = summary.jobs.offered as f64 * length_s / summary.duration_s;
    (busiest.saturating_sub(1) as f64 > mean * UNEVEN).then(|| Difference::UnevenArrivals {
        step_s: rounded(length_s, 6),
        peak_to_mean: rounded(busiest as f64 / mean, 6),
    })
}

/// Returns the window that the limit of a violation states; `None` for concurrency, or if the target is not known.
fn own_window(scenario: &Scenario, violation: &FirstViolation, axis: Axis) -> Option<Nanos> {
    let target = scenario.targets.iter().find(|target| violation.target.as_ref() == Some(&target.name))?;
    let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
    model.limits.iter().find(|limit| limit.axis == axis)?.window
}

/// Returns the bound of the client by which at least half of the lost jobs end, if there is one.
fn given_up(scenario: &Scenario, summary: &Summary, violation: &FirstViolation) -> Option<Difference> {
    let Summary { jobs, .. } = summary;
    let lost = jobs.failed + jobs.shed;
    let by = |reason: &str| violation::lost_by(summary, reason);
    let client = client_of(scenario, violation)?;
    let bounds = [
        (by("attempts"), GiveUpBound::Attempts { attempts: client.retry.attempts }),
        (by("deadline"), GiveUpBound::Deadline { deadline_s: seconds(client.deadline) }),
        (by("retry_budget"), GiveUpBound::RetryBudget),
        (by("queue_full"), GiveUpBound::QueueFull),
        (by("client_budget"), GiveUpBound::ClientBudget),
    ];
    let (given_up, bound) = bounds.into_iter().max_by_key(|(jobs, _)| *jobs)?;
    let is_cause = given_up > 0 && given_up * 2 >= lost;
    is_cause.then(|| Difference::JobsGivenUp {
        bound,
        jobs: given_up,
        lost,
        multiple: violation.multiple,
        refusals: violation::refusals(summary, violation),
    })
}

/// Returns the client of the workload of a broken rule, or the only client; `None` if the rule is on jobs of several clients.
fn client_of<'s>(scenario: &'s Scenario, violation: &FirstViolation) -> Option<&'s Client> {
    let rule = scenario.expect.iter().find(|rule| rule.text == violation.rule);
    if let Some(workload) = rule.and_then(|rule| rule.workload) {
        return scenario.workloads.get(workload.index()).map(|workload| scenario.client_of(workload));
    }
    let mut clients = scenario.clients_in_use();
    let (_, first) = clients.next()?;
    clients.next().is_none().then_some(first)
}

/// Returns the axis on which full buckets at the start matter most, if they do.
fn full_buckets(scenario: &Scenario) -> Option<Difference> {
    let share = |limit: &Limit| {
        let window = limit.window?;
        let fill = limit.burst as f64;
        let refill = limit.amount as f64 * (scenario.duration.0 as f64 / window.0 as f64);
        let begins_full = limit.refill == RefillPolicy::Bucket && !scenario.start.has_history(limit);
        (begins_full && fill + refill > 0.0).then(|| (fill / (fill + refill), limit.axis))
    };
    let limits = scenario.targets.iter().flat_map(|target| {
        &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].limits
    });
    let (share, axis) = limits.filter_map(share).max_by(|one, other| one.0.total_cmp(&other.0))?;
    debug_assert!(share <= 1.0, "invariant: the initial fill is part of what is allowed, found {share}");
    (share > MIN_INITIAL_SHARE).then(|| Difference::FullBucketsAtStart {
        axis: axis.name().to_owned(),
        share: rounded(share, 6),
        duration_s: rounded(scenario.duration.as_secs_f64(), 6),
    })
}

/// Returns the first adaptive limit that the jobs use, if there is one.
fn limit_grows(scenario: &Scenario, analytic: &Ceiling) -> Option<Difference> {
    let mut axes =
        analytic.targets.iter().flat_map(|target| target.axes.iter().map(move |axis| (target.target, axis)));
    axes.find_map(|(target, axis)| {
        Some(Difference::LimitGrows {
            target: scenario.targets[target.index()].name.clone(),
            axis: axis.axis.name().to_owned(),
            amount: axis.limit,
            grows_to: axis.grows_to?,
        })
    })
}

/// The calls of a workload that a limit can hold at once.
struct HeldAtOnce<'a> {
    target: &'a Target,
    axis: Axis,
    /// Mean tokens of a call, reserved and, once it has ended, charged.
    reserved: f64,
    used: f64,
    calls: f64,
}

/// Returns how reservation bounds the calls of a workload in flight, at the limit on its route that admits the fewest at once.
fn reservation(scenario: &Scenario, workload: &Workload) -> Option<Difference> {
    let targets = scenario.targets_of(workload).into_iter();
    let held = targets.flat_map(|id| held_at_once(scenario, workload, id));
    let fewest = held.min_by(|one, other| one.calls.total_cmp(&other.calls))?;
    (fewest.reserved > fewest.used * MIN_OVERRESERVATION).then(|| Difference::Reservation {
        workload: workload.name.clone(),
        target: fewest.target.name.clone(),
        axis: fewest.axis.name().to_owned(),
        // Sums of means may be a little below whole numbers.
        reserved_tokens: libm::round(fewest.reserved) as u64,
        used_tokens: libm::round(fewest.used) as u64,
        jobs_at_once: libm::floor(rounded(fewest.calls, 6)) as u64,
    })
}

/// Returns how many calls of a workload each limit on tokens per minute of a target can hold at once. Empty if no call fits
/// the target, or unless the target reserves `max_tokens` and settles the reservation to the usage.
fn held_at_once<'a>(scenario: &'a Scenario, workload: &Workload, id: TargetId) -> Vec<HeldAtOnce<'a>> {
    let target = &scenario.targets[id.index()];
    let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
    let reserve = model.reserve;
    if reserve.estimate != Estimate::PromptAndMaxTokens || reserve.settlement != Settlement::ToUsage {
        return Vec::new();
    }
    let Some(mean) = crate::ceiling::mean_tokens(scenario, workload, id) else { return Vec::new() };
    let completion = f64::from(reserve.reserved_completion(workload.max_tokens));
    let of_limit = |limit: &Limit| {
        let (reserved, used) = match limit.axis {
            Axis::Tpm => (mean.reserved_prompt + completion, mean.charged),
            Axis::Otpm => (completion, mean.charged_output),
            _ => return None,
        };
        let calls = limit.capacity() as f64 / reserved;
        Some(HeldAtOnce { target, axis: limit.axis, reserved, used, calls })
    };
    model.limits.iter().filter_map(of_limit).collect()
}
