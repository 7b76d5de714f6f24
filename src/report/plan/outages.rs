//! The loss of a provider: what the jobs of each workload get that arrive during it, and the recovery after it.

use super::PlanReport;
use super::sentences::breaks;
use crate::formatting::{count, duration, percent, plural, usd};
use crate::planner::{BrokenRule, Outage, OutageWorkload, Plan, Recovery};
use crate::report::page::{cell, mark, section, table, text};
use crate::report::text_layout::fitted;
use maud::{Markup, html};

/// The largest number of workloads that the sentence of an outage describes; the table has all of them.
const MAX_DESCRIBED: usize = 3;
/// Characters for the name of a workload with its route.
const NAME: usize = 27;

/// Returns the finding of an outage.
pub(super) fn sentence(outage: &Outage) -> String {
    let loss = format!("The loss of {} for {} at {}", outage.provider, duration(outage.for_s), outage.at);
    if !outage.is_judged() {
        return format!("{loss} cannot be judged: no jobs arrive during it.");
    }
    let verdict = match (outage.survives, outage.broken.is_empty()) {
        (true, _) => format!("{loss} is survived"),
        (false, false) => format!("{loss} is not survived: {}", broken(outage)),
        (false, true) => format!("{loss} is not survived: success is not back before the end of the run"),
    };
    let (with_broken_rules, others): (Vec<_>, Vec<_>) = outage
        .workloads
        .iter()
        .filter(|workload| workload.jobs > 0)
        .partition(|workload| !workload.broken.is_empty());
    let described = if with_broken_rules.is_empty() { others } else { with_broken_rules };
    let each = described.iter().take(MAX_DESCRIBED).map(|workload| format!(" {}.", of_workload(workload)));
    format!("{verdict}.{}", each.collect::<String>())
}

/// Says which rules break, and for which jobs: all of the run, or those that arrive during the outage; of the latter, whether
/// the rule also breaks over the run without the outage.
fn broken(outage: &Outage) -> String {
    let list = |is_chosen: &dyn Fn(&BrokenRule) -> bool| -> Vec<BrokenRule> {
        outage.broken.iter().filter(|rule| is_chosen(rule)).cloned().collect()
    };
    let over_run = |rule: &BrokenRule| outage.broken_over_run.contains(rule);
    let without = |rule: &BrokenRule| outage.broken_without.contains(rule);
    let by_number = |rules: &[BrokenRule], one: &'static str, more: &'static str| {
        if rules.len() == 1 { one } else { more }
    };
    let of_run = list(&over_run);
    let during_only = list(&|rule| !over_run(rule) && !without(rule));
    let also_without = list(&|rule| !over_run(rule) && without(rule));
    let of_jobs = "for the jobs that arrive during it";
    let parts = [
        (&of_run, format!("over the whole run {}", breaks(&of_run))),
        (
            &during_only,
            format!(
                "{of_jobs} {}, though over the whole run {}",
                breaks(&during_only),
                by_number(&during_only, "it holds", "they hold")
            ),
        ),
        (
            &also_without,
            format!(
                "{of_jobs} {}, as {} over the run without the loss",
                breaks(&also_without),
                by_number(&also_without, "it does", "they do")
            ),
        ),
    ];
    let parts = parts.into_iter().filter(|(rules, _)| !rules.is_empty()).map(|(_, text)| text);
    parts.collect::<Vec<_>>().join("; ")
}

/// Describes the jobs of a workload that arrive during an outage.
fn of_workload(workload: &OutageWorkload) -> String {
    let success = workload.success.map_or_else(|| "none".to_owned(), percent);
    let without = workload.success_without.filter(|share| *share < 1.0);
    let without = without.map_or_else(String::new, |share| format!(" ({} without the loss)", percent(share)));
    let fallback = workload.fallback_share.filter(|share| *share > 0.0);
    let fallback =
        fallback.map_or_else(String::new, |share| format!(", {} of them by fallback", percent(share)));
    let p95 =
        workload.p95_s.map_or_else(String::new, |p95| format!(" with a p95 latency of {}", duration(p95)));
    let recovery = match workload.recovery {
        Recovery::After { seconds } => {
            let level = if workload.serves_without { "as required" } else { "as without the loss" };
            match seconds {
                0.0 => format!("from its end on success is {level}"),
                _ => format!("{} after its end success is {level} again", duration(seconds)),
            }
        }
        Recovery::NotBeforeEnd => "success is not back before the end of the run".to_owned(),
        Recovery::TooFewJobs { jobs, needed } => format!(
            "the recovery cannot be judged: {} arrive after it, and the rule on success needs {}",
            plural(jobs, "job"),
            count(needed)
        ),
    };
    let seed = workload.seed.map_or_else(String::new, |seed| format!(", on seed {seed},"));
    format!(
        "Of the {} of {} (route {}) that {} during it{seed} {success} succeed{without}{p95}{fallback}, for {}; {recovery}",
        plural(workload.jobs, "job"),
        workload.name,
        workload.route,
        if workload.jobs == 1 { "arrives" } else { "arrive" },
        usd(workload.cost_usd)
    )
}

/// Formats the time from the end of an outage to the recovery for a table, or why there is none.
fn recovery(recovery: Recovery) -> String {
    match recovery {
        Recovery::After { seconds } if seconds <= 0.0 => "at its end".to_owned(),
        Recovery::After { seconds } => duration(seconds),
        Recovery::NotBeforeEnd => "not in the run".to_owned(),
        Recovery::TooFewJobs { .. } => "too few jobs".to_owned(),
    }
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), percent)
}

/// Writes the table for the terminal; nothing without outages.
pub(super) fn print(report: &mut PlanReport, plan: &Plan) {
    if plan.outages.is_empty() {
        return;
    }
    report.0.heading("the loss of a provider          jobs  success      p95  fallback      USD  recovery");
    for outage in &plan.outages {
        let verdict = match (outage.survives, outage.is_judged()) {
            (true, _) => report.0.style.good("survived"),
            (false, true) => report.0.style.bad("not survived"),
            (false, false) => report.0.style.bad("not judged"),
        };
        let length = duration(outage.for_s);
        report.0.line(&format!("{} for {length} at {}: {verdict}", fitted(&outage.provider, 30), outage.at));
        for workload in &outage.workloads {
            report.0.line(&format!(
                "  {:<NAME$} {:>6} {:>8} {:>8} {:>9} {:>8.2}  {}",
                fitted(&format!("{} ({})", workload.name, workload.route), NAME),
                count(workload.jobs),
                share(workload.success),
                workload.p95_s.map_or_else(|| "–".to_owned(), duration),
                share(workload.fallback_share),
                workload.cost_usd,
                recovery(workload.recovery)
            ));
        }
    }
    report.0.faint("per workload (route), on the seed on which the fewest succeed: jobs that arrive during");
    report.0.faint("the loss, by which rules are judged as well as over the run; recovery from its end");
}

/// Returns the section of the page; empty without outages.
pub(super) fn html(plan: &Plan) -> Markup {
    if plan.outages.is_empty() {
        return Markup::default();
    }
    let row = |outage: &Outage, workload: &OutageWorkload| {
        let broken: Vec<&str> = workload.broken.iter().map(|rule| rule.rule.as_str()).collect();
        vec![
            cell(&workload.name),
            cell(&workload.route),
            if workload.jobs > 0 || !broken.is_empty() {
                mark(broken.is_empty() && workload.recovery != Recovery::NotBeforeEnd, "holds", "fails")
            } else {
                cell("not judged")
            },
            cell(broken.join(", ")),
            cell(format!("{} for {}", outage.at, duration(outage.for_s))),
            cell(count(workload.jobs)),
            cell(share(workload.success)),
            cell(workload.p95_s.map_or_else(|| "–".to_owned(), duration)),
            cell(share(workload.fallback_share)),
            cell(usd(workload.cost_usd)),
            cell(recovery(workload.recovery)),
        ]
    };
    let head =
        ["workload", "route", "", "fails", "from", "jobs", "success", "p95", "fallback", "cost", "recovery"];
    let content = html! {
        @for outage in &plan.outages {
            p { (text(&sentence(outage))) }
            (table(&head, 4, &outage.workloads.iter().map(|workload| row(outage, workload)).collect::<Vec<_>>()))
        }
        p.note {
            "Jobs that arrive during the loss, on the seed on which the fewest succeed; recovery counts from its end."
        }
    };
    section("The loss of a provider", &content)
}
