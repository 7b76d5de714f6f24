//! The sentences of a plan, made from its typed findings, differences and notes.

use super::{batches, change, few, notes, outages, purchase, users, violation, year};
use crate::formatting::{
    RunTime, count, duration, four_digits, job_rate, number, percent, plural, quantity_beside,
};
use crate::planner::{
    BrokenRule, CheapestChange, CutReason, DAYS_PER_MONTH, Finding, Growth, Improvement, NotMet, Plan,
    PlanningCeiling,
};
use crate::record::{LongWindow, Unit};
use crate::report::verdict;
use crate::scenario::Metric;

/// Returns one text per finding, the most important first.
pub(super) fn findings(plan: &Plan) -> Vec<String> {
    let mut findings: Vec<String> =
        plan.findings.iter().map(|finding| self::finding(plan, finding)).collect();
    // After the first finding, which states the ceiling.
    let batches = plan.batches.iter().map(|batch| batches::sentence(batch, &plan.run_time()));
    findings.splice(1.min(findings.len())..1.min(findings.len()), batches);
    findings
}

/// Returns how the plan was found and what was left out.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    plan.notes.iter().map(notes::sentence).collect()
}

/// Returns the exit code of `plan` with every reason for it.
pub(super) fn exit_code(plan: &Plan) -> String {
    let reason = |reason: &NotMet| match reason {
        NotMet::PresentLoad if plan.load.undecided.is_some() => {
            "it is not known whether the present load holds".to_owned()
        }
        NotMet::TargetLoad if plan.buy.as_ref().is_some_and(|buy| buy.undecided.is_some()) => {
            "it is not known whether the target load holds".to_owned()
        }
        NotMet::PresentLoad => "the present load does not hold".to_owned(),
        NotMet::TargetLoad => "no changes are proved to hold the target load".to_owned(),
        NotMet::Year { month: Some(month) } => format!("the load of month {month} is not held"),
        NotMet::Year { month: None } => "it is not known what the months need".to_owned(),
        NotMet::Outage { providers } => {
            let is_unjudged = plan.outages.iter().any(|outage| !outage.is_judged());
            let known = if is_unjudged { "known to be " } else { "" };
            format!("the loss of {} is not {known}survived", providers.join(", "))
        }
    };
    if matches!(plan.findings.first(), Some(Finding::Partial { by: CutReason::Interrupted, .. })) {
        return "exit code 3: interrupted".to_owned();
    }
    if !plan.not_met.is_empty() {
        return format!("exit code 1: {}", plan.not_met.iter().map(reason).collect::<Vec<_>>().join("; "));
    }
    let target = if plan.buy.is_some() { "; the target load holds" } else { "" };
    format!("exit code 0: the present load holds{target}{}", survived_outages(plan))
}

/// Says which losses of a plan that met everything are survived; empty if none was simulated.
fn survived_outages(plan: &Plan) -> String {
    let is_incomplete = matches!(
        plan.findings.first(),
        Some(Finding::Partial { missing_outages, .. }) if !missing_outages.is_empty()
    );
    let simulated: Vec<&str> = plan.outages.iter().map(|outage| outage.provider.as_str()).collect();
    match simulated.as_slice() {
        [] => String::new(),
        [only] => format!("; the loss of {only} is survived"),
        all if is_incomplete => format!("; the loss of {} is survived", all.join(", ")),
        _ => "; the loss of each provider is survived".to_owned(),
    }
}

/// Returns the word for runs of this duration.
fn runs(duration_s: f64) -> &'static str {
    if duration_s == 86_400.0 { "days" } else { "runs" }
}

/// Returns the sentence of a finding of a plan.
fn finding(plan: &Plan, finding: &Finding) -> String {
    let runs = runs(plan.duration_s);
    match finding {
        Finding::CeilingFound { .. } => ceiling_found(plan, finding, runs),
        Finding::Users { load, tried, without, .. } => {
            let fresh = plan.ceiling.simulated.undecided_seeds.and_then(|seeds| seeds.fresh);
            users::sentence(load, &plan.load, *tried, (without.as_ref(), fresh), runs)
        }
        Finding::NoLoadHolds { load_jobs_per_min, rules, too_large: Some(share), .. } => format!(
            "No load holds, so the present one of {} does not either: {}.",
            job_rate(*load_jobs_per_min),
            too_large(rules, *share)
        ),
        Finding::NoLoadHolds { load_jobs_per_min, tried_jobs_per_min, rules, too_large: None } => format!(
            "No load holds, so the present one of {} does not either: {} at {} already, on every seed \
             tried, though no limit refuses what it could admit and no job waits there. The cause is {}.",
            job_rate(*load_jobs_per_min),
            breaks(rules),
            job_rate(*tried_jobs_per_min),
            cause(rules)
        ),
        Finding::NoneHeld { load_jobs_per_min, tried_jobs_per_min } => format!(
            "{}, nor does any lower load that was tried: a ceiling, if there is one, is below {}.",
            format_args!("The present load of {} does not hold", job_rate(*load_jobs_per_min)),
            job_rate(*tried_jobs_per_min)
        ),
        Finding::CannotTell { load_jobs_per_min, few, load_breaks, seeds } => {
            few::cannot_tell(plan, *load_jobs_per_min, (few, *load_breaks), *seeds)
        }
        Finding::NoCeilingFound { tried, .. } => format!(
            "{}; no ceiling was found up to {} times that.",
            few::present_load(&plan.load),
            number(*tried)
        ),
        Finding::Partial { .. } => partial(finding),
        Finding::FirstViolation(violation) => violation::sentence(violation),
        Finding::CeilingWithoutCostRules { multiple } => {
            format!("The ceiling{} is {} times the load.", change::scope(plan), number(*multiple))
        }
        Finding::Budget { rules, cost_usd, cheapest } => {
            let bounds = plan.load.expect.iter().filter(|rule| rule.metric == Some(Metric::Cost));
            let bounds: Vec<f64> = bounds.filter_map(|rule| rule.bound).collect();
            budget((rules, &bounds), *cost_usd, cheapest.as_ref())
        }
        Finding::BestChange(best) => format!("The best change tried: {}.", improvement(plan, best)),
        Finding::BestFreeChange(free) => {
            let free = improvement(plan, free);
            format!(
                "The best of those that leave the traffic unchanged and cost no more at the present load: {free}."
            )
        }
        Finding::HarmfulPolicy { change, lift } => {
            let effect = change::effect(plan, change, Some(*lift));
            format!("A policy in force lowers the ceiling: leaving it out (`{change}`) {effect}.")
        }
        Finding::Purchase(purchase) => purchase::sentence(purchase),
        Finding::Growth(growth) => self::growth(plan, growth),
        Finding::Year => plan.year.as_ref().map_or_else(String::new, year::sentence),
        Finding::Outage(outage) => outages::sentence(outage),
        Finding::CutAnswers(cut) => verdict::cut_answers("At the present load ", cut),
        Finding::LongWindow { window, scenario_s } => long_window(window, *scenario_s, &plan.run_time()),
    }
}

/// Returns the sentence on a limit whose window is half of the scenario's duration or longer.
fn long_window(window: &LongWindow, scenario_s: f64, run: &RunTime) -> String {
    let run_s = run.length_s();
    if scenario_s <= 0.0 || scenario_s >= run_s {
        return verdict::long_window(window, run);
    }
    let runs = format!("the scenario {}, each run of this plan {}", duration(scenario_s), duration(run_s));
    verdict::long_window_against(window, &runs, "at the present load a run begins")
}

/// Returns the sentence of [`Finding::Partial`].
fn partial(finding: &Finding) -> String {
    let Finding::Partial { by, missing_shards, seeds, changes, of, missing_outages, missing_year } = finding
    else {
        return String::new();
    };
    let by = match by {
        CutReason::Interrupted => "The plan was interrupted".to_owned(),
        CutReason::TimeLimit => "The time limit ended the measurements".to_owned(),
        CutReason::MissingShards => {
            format!("Not all shards of the plan are there (missing: {})", missing_shards.join("; "))
        }
    };
    let outages = match missing_outages.as_slice() {
        [] => String::new(),
        missing => format!("; the loss of {} was not simulated", missing.join(", ")),
    };
    let year = if *missing_year { "; the months were not planned to the end" } else { "" };
    format!(
        "{by}: it states what was found until then, the ceiling on {}, {} of {}{outages}{year}.",
        plural(*seeds as u64, "seed"),
        count(*changes as u64),
        plural(*of as u64, "change"),
    )
}

/// Returns the sentences of [`Finding::CeilingFound`].
fn ceiling_found(plan: &Plan, finding: &Finding, runs: &str) -> String {
    let Finding::CeilingFound { jobs_per_min, multiple, planning, interval, .. } = finding else {
        return String::new();
    };
    let ceiling = match planning {
        Some(planning) => planning_ceiling(plan, planning, runs),
        // The plan was ended during the check on fresh seeds.
        None if interval.is_some() => format!(
            "the ceiling is {}, {} times that; no load to plan with was checked to the end",
            job_rate(*jobs_per_min),
            number(*multiple)
        ),
        None => format!(
            "the ceiling is {}, {} times that, on one seed: how much it varies between {runs} is not known",
            job_rate(*jobs_per_min),
            number(*multiple)
        ),
    };
    let mean = interval.map_or_else(String::new, |[low, high]| {
        let (jobs, multiple) = (job_rate(*jobs_per_min), number(*multiple));
        let (low, high) = (four_digits(low), four_digits(high));
        format!(" The mean ceiling is {jobs}, {multiple} times the load ({low} to {high}).")
    });
    format!("{}; {ceiling}.{mean}", few::present_load(&plan.load))
}

fn planning_ceiling(plan: &Plan, planning: &PlanningCeiling, runs: &str) -> String {
    let share = percent(planning.share);
    let checked = planning
        .checked
        .map_or_else(String::new, |check| format!("; {} of {} fresh ones did", check.held, check.seeds));
    if planning.multiple <= 0.0 {
        return format!("no load that was tried holds on {share} of {runs}");
    }
    let above = plan.ceiling.simulated.broken_above.as_ref().map_or_else(String::new, |rule| {
        format!("; at the next higher load that was checked `{rule}` breaks too often")
    });
    format!(
        "the ceiling to plan with is {}, {} times that: {share} of {runs} hold it ({} confidence{checked}{above})",
        job_rate(planning.jobs_per_min),
        number(planning.multiple),
        percent(planning.confidence)
    )
}

/// Returns the sentence of [`Finding::Budget`]: whether a change meets the rules on cost at the present load.
/// The costs have as many digits as tell them apart from each other and from the `bounds` of the rules.
fn budget((rules, bounds): (&[String], &[f64]), cost_usd: f64, cheapest: Option<&CheapestChange>) -> String {
    let with = cheapest.map(|cheapest| cheapest.cost_usd);
    let usd = |cost: f64| {
        let others = bounds.iter().copied().chain([cost_usd]).chain(with);
        let texts = others.map(|other| quantity_beside(Unit::Usd, cost, other));
        texts
            .reduce(|longest, next| if next.len() > longest.len() { next } else { longest })
            .unwrap_or_default()
    };
    let (rules, now) = (rule_list(rules.iter().map(String::as_str)), usd(cost_usd));
    match cheapest {
        Some(cheapest) if cheapest.meets_budget => format!(
            "At the present load `{}` meets {rules}: a run costs {} with it instead of {now}.",
            cheapest.change,
            usd(cheapest.cost_usd)
        ),
        Some(cheapest) => format!(
            "No change that was tried meets {rules} at the present load: a run costs {now} there, and {} with the cheapest, `{}`.",
            usd(cheapest.cost_usd),
            cheapest.change
        ),
        None => format!(
            "No change that was tried meets {rules} at the present load: a run costs {now} there, and no less with any of them."
        ),
    }
}

fn improvement(plan: &Plan, improvement: &Improvement) -> String {
    let effect = change::effect(plan, &improvement.change, improvement.lift);
    let extra = match improvement.extra_usd_per_day {
        extra if extra > 0.0 => format!("{} more", usd_per_day(extra)),
        extra if extra < 0.0 => format!("{} less", usd_per_day(-extra)),
        _ => "nothing more".to_owned(),
    };
    // A change that is idle at the present load costs something only where it is used.
    let place =
        if improvement.jobs_per_min.is_some() { "at the new ceiling" } else { "at the highest load tried" };
    let price = format!(
        "for {extra} at the present load and {:.2} USD/day in total {place}",
        improvement.ceiling_usd_per_day
    );
    format!("`{}` {effect}, {price}", improvement.change)
}

/// Formats a positive cost of a day to the cent; one below half a cent with as many digits as it needs.
fn usd_per_day(usd: f64) -> String {
    if usd < 0.005 { format!("{} USD/day", number(usd)) } else { format!("{usd:.2} USD/day") }
}

/// Returns the possible causes of rules that break at the lowest load already, though no limit refuses and no job waits.
pub(super) fn cause(rules: &[BrokenRule]) -> String {
    let is_of = |metrics: &[Metric]| rules.iter().any(|rule| metrics.contains(&rule.metric));
    let mut causes = Vec::new();
    if is_of(&[Metric::CutShare]) {
        causes.push(violation::CUT);
    }
    if is_of(&[Metric::FallbackShare, Metric::LimitedShare, Metric::AttemptsPerJob]) {
        causes.push("jobs that are too large for a target, or a provider that fails or is slow");
    } else if rules.iter().any(|rule| rule.metric != Metric::CutShare) {
        causes.push("a provider that fails or is slow");
    }
    causes.join("; and ")
}

/// Says that more jobs are too large for every target than the rules allow to fail, without final punctuation.
pub(super) fn too_large(rules: &[BrokenRule], share: f64) -> String {
    let allow = if rules.len() == 1 { "allows" } else { "allow" };
    let list = rule_list(rules.iter().map(|rule| rule.rule.as_str()));
    format!(
        "{} of the jobs are too large for every target of their route, and {list} {allow} fewer to fail",
        percent(share)
    )
}

/// Lists broken rules: "`a` breaks"; "`a`, `b` break".
pub(super) fn breaks(broken: &[BrokenRule]) -> String {
    let verb = if broken.len() == 1 { "breaks" } else { "break" };
    format!("{} {verb}", rule_list(broken.iter().map(|rule| rule.rule.as_str())))
}

pub(super) fn rule_list<'a>(rules: impl Iterator<Item = &'a str>) -> String {
    rules.map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ")
}

/// Lists changes, repeated ones counted: `3 × one more account, full jitter`.
pub(super) fn change_list(changes: &[String]) -> String {
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

fn growth(plan: &Plan, growth: &Growth) -> String {
    let ceiling = if growth.mean.is_some() { "the ceiling to plan with" } else { "the ceiling" };
    let mean = growth.mean.as_ref().filter(|mean| mean.months > 0.0);
    let mean = mean.map_or_else(String::new, |mean| {
        let prefix = if growth.months.is_some_and(|months| months > 0.0) { ", and" } else { ";" };
        format!("{prefix} it reaches the mean ceiling {}", after_months(mean.months))
    });
    // A month is proved by itself, so it may hold a load above the ceiling to plan with, which is a lower bound.
    let holds_more = plan.year.iter().flat_map(|year| &year.months).any(|month| {
        month.owned.is_empty() && plan.planning_multiple.is_some_and(|ceiling| month.load.multiple > ceiling)
    });
    let months = if holds_more {
        " Months are proved one by one, so a month may hold a load above it without a purchase."
    } else {
        ""
    };
    match growth.months {
        None => format!("At a growth of {} no ceiling is in sight.", growth.rate),
        Some(months) if months <= 0.0 => {
            format!(
                "The load is above {ceiling} already{mean}; a growth of {} takes it further.",
                growth.rate
            )
        }
        Some(reached) => {
            let reached = after_months(reached);
            format!("At a growth of {} the load reaches {ceiling} {reached}{mean}.{months}", growth.rate)
        }
    }
}

/// Returns `in 5.3 months`, in days if that is below a month; `within a day`, or `in more than a hundred years`.
fn after_months(months: f64) -> String {
    let days = months * DAYS_PER_MONTH;
    let (amount, unit) = if months < 1.0 { (number(days), "day") } else { (number(months), "month") };
    match amount.as_str() {
        _ if days < 1.0 => "within a day".to_owned(),
        _ if months > MAX_MONTHS => "in more than a hundred years".to_owned(),
        "1" => format!("in 1 {unit}"),
        _ => format!("in {amount} {unit}s"),
    }
}

/// The most months that a sentence states.
const MAX_MONTHS: f64 = 1200.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_changes_are_counted() {
        let changes = ["one more account", "full jitter", "one more account"].map(str::to_owned);
        assert_eq!(change_list(&changes), "2 × one more account, full jitter");
    }

    #[test]
    fn the_time_until_the_ceiling_is_in_months_or_days() {
        let texts = [1e-9, 0.5, 1.0, 5.26, 1e300].map(after_months);
        let expected =
            ["within a day", "in 15.2 days", "in 1 month", "in 5.26 months", "in more than a hundred years"];
        assert_eq!(texts, expected);
    }
}
