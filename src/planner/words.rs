//! The planner's sentences: the answer, and why arithmetic and simulation differ.

use super::rules::is_on_cost;
use super::runner::Run;
use super::summary::{Buy, FirstViolation, Growth, Kind, Outage, Plan, Simulated, WhatIf};
use crate::ceiling::Ceiling;
use crate::formatting::{count, duration, number, percent, share_of};
use crate::scenario::{Metric, Scenario, Workload};
use provider::Axis;
use provider::config::{Estimate, Limit, Settle};

/// The ceilings are the same when they are no further apart.
const SAME: f64 = 0.02;

/// The answer, the most important first.
pub(super) fn verdict(report: &Plan) -> Vec<String> {
    let simulated = &report.ceiling.simulated;
    let mut sentences = vec![holds(report)];
    sentences.extend(simulated.breaks.as_ref().map(|breaks| breaks_words(breaks, simulated)));
    sentences.extend(best(report));
    sentences.extend(report.what_if.iter().filter(|change| change.kind == Kind::Without).filter_map(hinders));
    sentences.extend(report.buy.as_ref().map(buy));
    sentences.extend(report.growth.as_ref().map(growth));
    sentences.extend(report.incidents.iter().map(outage));
    sentences
}

fn holds(report: &Plan) -> String {
    let load = number(report.load.jobs_per_min);
    let now = if report.load.holds { "It holds" } else { "It does not hold" };
    let simulated = &report.ceiling.simulated;
    match (simulated.multiple, simulated.jobs_per_min, simulated.low, simulated.high) {
        (Some(multiple), Some(jobs), Some(low), Some(high)) if multiple > 0.0 => format!(
            "{now} at {load} jobs/min: the ceiling is {} jobs/min, {} times that ({} to {}).",
            number(jobs),
            number(multiple),
            precise(low),
            precise(high)
        ),
        (Some(_), ..) => format!("{now} at {load} jobs/min, nor at any lower load that was tried."),
        (None, ..) => format!(
            "{now} at {load} jobs/min, and no ceiling was found up to {} times that.",
            number(simulated.tried)
        ),
    }
}

/// Three digits behind the point: intervals are narrow.
fn precise(value: f64) -> String {
    format!("{value:.3}")
}

fn breaks_words(breaks: &FirstViolation, simulated: &Simulated) -> String {
    let place = match (&breaks.target, &breaks.axis) {
        (Some(target), Some(axis)) => format!(", where {axis} of {target} is full"),
        _ if is_on_cost(&breaks.rule) => ", which is money and no limit".to_owned(),
        _ => ", though no limit is full: it is the client's own bounds or the provider's speed".to_owned(),
    };
    let next = simulated.without_cost_rules.map_or_else(String::new, |multiple| {
        format!(" Without the rules on cost the ceiling is {} times the load.", number(multiple))
    });
    let when = if is_on_cost(&breaks.rule) { String::new() } else { format!(", worst at {}", breaks.at) };
    format!("What breaks first is `{}`{when}{place}.{next}", breaks.rule)
}

/// The best change, and the best that costs nothing extra where that is another.
fn best(report: &Plan) -> Option<String> {
    let worth = |change: &&WhatIf| change.lift > 1.0 + SAME && change.kind != Kind::Without;
    let best = report.what_if.iter().find(worth)?;
    let told = |change: &WhatIf| {
        let extra = change.extra_usd_per_day;
        let price = if extra > 0.005 {
            format!("{extra:.2} USD a day more")
        } else if extra < -0.005 {
            format!("{:.2} USD a day less", -extra)
        } else {
            "nothing extra".to_owned()
        };
        format!("`{}` lifts the ceiling {} times, for {price}", change.change, number(change.lift))
    };
    let free = report.what_if.iter().filter(worth).find(|change| {
        change.extra_usd_per_day <= 0.005 && change.kind != Kind::Traffic && change.change != best.change
    });
    let free = free.filter(|_| best.extra_usd_per_day > 0.005 || best.kind == Kind::Traffic);
    let free = free.map_or_else(String::new, |free| format!("; {}", told(free)));
    Some(format!("The best of the changes tried: {}{free}.", told(best)))
}

/// A tactic that costs more than it brings; silent where it earns its keep.
fn hinders(without: &WhatIf) -> Option<String> {
    (without.lift > 1.0 + SAME).then(|| {
        format!(
            "A tactic of today is in the way: the ceiling is {} times as high `{}`.",
            number(without.lift),
            without.change
        )
    })
}

/// Which of the changes are none, but show the worth of a tactic.
pub(super) fn left_out(changes: &[WhatIf]) -> Option<String> {
    let without: Vec<&str> =
        changes.iter().filter(|one| one.kind == Kind::Without).map(|one| one.change.as_str()).collect();
    (!without.is_empty()).then(|| {
        format!(
            "What the scenario does today was left out in turn, to show what it is worth at the ceiling (a lift below 1 is \
             what it wins), never to be bought: {}.",
            without.join(", ")
        )
    })
}

fn buy(buy: &Buy) -> String {
    let target = format!(
        "{} times the load ({} jobs/min)",
        number(buy.target.multiple),
        number(buy.target.jobs_per_min)
    );
    let changes = if buy.changes.is_empty() { "nothing".to_owned() } else { repeated(&buy.changes) };
    let cost = format!("{:.2} USD a day", buy.cost_usd_per_day);
    if buy.holds && buy.changes.is_empty() {
        format!("{target} holds as it is, for {cost}: proved on {} seeds.", buy.replicas)
    } else if buy.holds {
        format!("To hold {target}: {changes}; {cost}, proved on {} seeds.", buy.replicas)
    } else if buy.broken.iter().all(|rule| is_on_cost(rule)) {
        format!(
            "To hold {target} but for its cost: {changes}; {cost}, which breaks {}.",
            buy.broken.join(", ")
        )
    } else {
        format!("Nothing tried holds {target}: with {changes}, {} is still broken.", buy.broken.join(", "))
    }
}

/// Changes in words, those that stand there several times counted: `3 × one more account, full jitter`.
#[must_use]
pub fn repeated(changes: &[String]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for change in changes {
        match counted.iter_mut().find(|(known, _)| known == change) {
            Some((_, times)) => *times += 1,
            None => counted.push((change, 1)),
        }
    }
    let each = counted.iter().map(|(change, times)| match times {
        1 => (*change).to_owned(),
        _ => format!("{times} × {change}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn growth(growth: &Growth) -> String {
    match growth.months {
        None => format!("GrowthRate by {}, no ceiling is in sight.", growth.rate),
        Some(months) if months <= 0.0 => {
            format!("GrowthRate by {} only makes worse what does not hold.", growth.rate)
        }
        Some(months) => {
            format!("GrowthRate by {}, the ceiling is reached in {} months.", growth.rate, number(months))
        }
    }
}

fn outage(outage: &Outage) -> String {
    let loss = format!("The loss of {} for {} at {}", outage.provider, duration(outage.for_s), outage.at);
    if outage.survives {
        format!("{loss} is survived: at least {} succeed.", percent(outage.success))
    } else {
        format!(
            "{loss} is not survived: {} breaks ({} succeed).",
            outage.broken.join(", "),
            percent(outage.success)
        )
    }
}

/// Why the simulated ceiling is not the analytic one: everything that is known to move it, with its size.
pub(super) fn difference(
    plan: &Scenario,
    analytic: &Ceiling,
    simulated: &Simulated,
    above: Option<&Run>,
) -> Vec<String> {
    let mut words = Vec::new();
    if let (Some(multiple), true) = (simulated.multiple, analytic.multiple.is_finite()) {
        let ratio = multiple / analytic.multiple;
        words.push(if (ratio - 1.0).abs() <= SAME {
            "Simulation and arithmetic agree.".to_owned()
        } else {
            format!(
                "Simulation holds {} of what arithmetic allows. What stands between them:",
                percent(ratio)
            )
        });
        if (ratio - 1.0).abs() > SAME {
            words.extend(above.into_iter().flat_map(|above| causes(plan, above, simulated)));
            words.extend(first_fill(plan));
        }
    }
    words.extend(reservations(plan));
    words
}

/// What a run just above the ceiling shows.
fn causes(plan: &Scenario, above: &Run, simulated: &Simulated) -> Vec<String> {
    let summary = &above.summary;
    let mut words = Vec::new();
    if let Some(breaks) = simulated.breaks.as_ref().filter(|breaks| breaks.axis.is_none()) {
        words.push(format!(
            "`{}` breaks before any limit is full; arithmetic knows nothing of it.",
            breaks.rule
        ));
    }
    let offered = &summary.series.offered;
    let mean = summary.jobs.offered as f64 * summary.series.step_s / summary.duration_s;
    let peak = offered.iter().copied().max().unwrap_or(0) as f64 / mean.max(1.0);
    if peak > 1.1 {
        words.push(format!(
            "Jobs come unevenly: the busiest {} brings {} times the mean, and arithmetic only sees the mean.",
            duration(summary.series.step_s),
            number(peak)
        ));
    }
    if let Some(share) = share_of(summary.jobs.cached, summary.jobs.offered).filter(|share| *share > 0.005) {
        words.push(format!("The cache answers {} of the jobs before they meet a limit.", percent(share)));
    }
    if let Some(share) = share_of(summary.jobs.joined, summary.jobs.offered).filter(|share| *share > 0.005) {
        words.push(format!("{} of the jobs join an identical one and meet no limit.", percent(share)));
    }
    let success = plan.expect.iter().find(|rule| rule.metric == Metric::Success).map(|rule| rule.value);
    if let Some(value) = success.filter(|value| *value < 0.98) {
        words.push(format!("The rules let {} of the jobs fail.", percent(1.0 - value)));
    }
    let incidents: usize = plan.providers.iter().map(|provider| provider.incidents.len()).sum();
    if incidents > 0 {
        words.push(format!("The scenario's {incidents} incidents take capacity that arithmetic counts."));
    }
    words
}

/// What full buckets at the start are worth, where that is more than a little.
fn first_fill(plan: &Scenario) -> Option<String> {
    let share = |limit: &Limit| {
        let window = limit.axis.window()?;
        let fill = limit.burst as f64;
        let refill = limit.limit as f64 * (plan.duration.0 as f64 / window.0 as f64);
        (limit.law == provider::config::Law::Bucket && fill + refill > 0.0)
            .then(|| (fill / (fill + refill), limit.axis))
    };
    let limits = plan.targets.iter().flat_map(|target| {
        &plan.providers[usize::from(target.provider)].models[usize::from(target.model)].limits
    });
    let (most, axis) = limits.filter_map(share).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (most > 0.05).then(|| {
        format!(
            "Buckets begin full: that one fill is {} of what {axis} allows in a run of {}, and it is there only once.",
            percent(most),
            duration(plan.duration.as_secs_f64())
        )
    })
}

/// How reservation bounds bursts, for the tightest token limit of each workload.
fn reservations(plan: &Scenario) -> Vec<String> {
    plan.workloads.iter().filter_map(|workload| reservation(plan, workload)).collect()
}

fn reservation(plan: &Scenario, workload: &Workload) -> Option<String> {
    let (prompt, used) = crate::ceiling::mean_tokens(workload, plan.duration);
    let targets = plan.routes[workload.route.index()].steps.iter().flat_map(|step| &step.targets);
    let limits = targets.filter_map(|target| {
        let target = &plan.targets[target.index()];
        let model = &plan.providers[usize::from(target.provider)].models[usize::from(target.model)];
        let tpm = model.limits.iter().find(|limit| limit.axis == Axis::Tpm)?;
        (model.reserve.estimate == Estimate::PromptAndMaxTokens).then_some((
            tpm.burst,
            model.reserve,
            &target.name,
        ))
    });
    let (burst, reserve, name) = limits.min_by_key(|(burst, ..)| *burst)?;
    let reserved = prompt + f64::from(reserve.reserved_completion(workload.max_tokens));
    let at_once = libm::floor(burst as f64 / reserved);
    (reserved > used * 1.05 && reserve.settle == Settle::Refund).then(|| {
        format!(
            "A job of {} reserves {} tokens and uses {} on average: {} of them fit at once into the full bucket of \
             {name}, though its long run follows what is used.",
            workload.name,
            count(reserved as u64),
            count(used as u64),
            count(at_once as u64)
        )
    })
}
