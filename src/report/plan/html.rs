//! The page of a plan: the answer, the ceiling curve, the what-ifs, and the tables behind them, with the whole plan as
//! embedded JSON.

use super::{change, differences, outages, purchase, sentences, users, year};
use crate::formatting::{duration, number, percent, plural, share_of, significant, usd};
use crate::planner::{Finding, Plan};
use crate::report::chart::what_if::extra;
use crate::report::facts;
use crate::report::page::{self, axis, cell, json_data, page, section, table, text};
use maud::{Markup, html};

/// Renders the page of a plan.
#[must_use]
pub fn html(plan: &Plan) -> String {
    let subject = format!(
        "{}: {} of traffic, seed {}; {}, {} simulated",
        plan.scenario,
        duration(plan.duration_s),
        plan.seed,
        plural(plan.simulations.runs, "run"),
        plural(plan.simulations.jobs, "job")
    );
    let charts = super::charts(plan);
    let content = html! {
        (page::header(&subject, &sentences::findings(plan), &plan.about))
        (tiles(plan))
        @for chart in &charts { (page::figure(chart)) }
        (what_ifs(plan))
        (buy(plan))
        (super::batches::sections(plan))
        (year::html(plan))
        (outages::html(plan))
        (ceilings(plan))
        (curve(plan))
        (limits(plan))
        (reproduce(plan))
        script type="application/json" id="plan" { (json_data(plan)) }
    };
    page(&plan.scenario, &charts, &content)
}

/// Formats a number, or a dash if there is none.
fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), duration)
}

fn mark(holds: bool) -> Markup {
    page::mark(holds, "holds", "fails")
}

fn tiles(plan: &Plan) -> Markup {
    if let Some(load) = &plan.users {
        return users::tiles(plan, load);
    }
    let simulated = &plan.ceiling.simulated;
    let times_load = match plan.planning_multiple {
        Some(times) => format!("{} ×", number(times)),
        None if simulated.undecided.is_some() => "unknown".to_owned(),
        None if simulated.lowest_tried.is_some() => "none held".to_owned(),
        None => "none found".to_owned(),
    };
    page::tiles(&[
        (optional(simulated.jobs_per_min), "jobs/min: mean simulated ceiling".to_owned()),
        (optional(plan.ceiling.analytic.jobs_per_min), "jobs/min: analytic ceiling".to_owned()),
        (number(plan.load.jobs_per_min), "jobs/min: present load".to_owned()),
        (times_load, "ceiling to plan with ÷ load".to_owned()),
        (seconds(plan.load.p95_s), "p95 latency now".to_owned()),
        (usd(plan.load.cost_usd_per_day), "per day now".to_owned()),
    ])
}

fn what_ifs(plan: &Plan) -> Markup {
    if plan.what_if.is_empty() {
        return Markup::default();
    }
    let rows: Vec<_> = plan
        .what_if
        .iter()
        .map(|change| {
            vec![
                cell(&change.change),
                cell(change.broken_rule.as_deref().unwrap_or("nothing")),
                cell(change::new_ceiling(change)),
                cell(change::lift(plan, change)),
                cell(seconds(change.p95_s)),
                cell(usd(change.cost_usd_per_day)),
                cell(extra(change.extra_usd_per_day)),
                cell(change::lift_per_usd(plan, change)),
            ]
        })
        .collect();
    let unit = if plan.users.is_some() { "users" } else { "jobs/min" };
    let head = ["change", "then fails", unit, "lift", "p95", "USD/day", "extra", "lift per USD"];
    let content = html! {
        (table(&head, 2, &rows))
        p.note {
            "p95 and cost at the present load; lift per USD: what the lift exceeds 1 by, per extra dollar a day; equal: the ceilings differ \
             by no more than the searches' tolerance and the seeds explain."
        }
        @if let Some(unknown) = change::unknown_lift(plan) { p.note { (text(&unknown)) "." } }
        @if let Some(base) = change::base(plan) { p.note { (text(&base)) "." } }
        @for pair in &plan.pairs {
            p {
                "Worth more together: " (text(&pair.changes[0])) " and " (text(&pair.changes[1])) " raise the ceiling "
                (number(pair.lift)) " times, not the " (number(pair.apart)) " that their single lifts suggest."
            }
        }
    };
    section("What-ifs", &content)
}

fn buy(plan: &Plan) -> Markup {
    let Some(buy) = &plan.buy else { return Markup::default() };
    let verdict = purchase::verdict(buy);
    let content = html! {
        p {
            (text(&purchase::changes(buy))) ": " (page::mark(buy.holds, verdict, verdict)) " on "
            (plural(buy.replicas.into(), "seed")) ", p95 " (seconds(buy.p95_s)) ", " (buy.cost_usd_per_day.map_or_else(|| "an unknown cost".to_owned(), usd)) " a day at that load."
        }
        @for rule in &buy.broken { p.note { "still fails: " (text(&rule.rule)) } }
    };
    let load = users::target(&buy.target);
    section(&format!("To hold {} times the load, {load}", number(buy.target.multiple)), &content)
}

fn ceilings(plan: &Plan) -> Markup {
    if let Some(load) = &plan.users {
        let rows = users::rows(plan, load).into_iter().map(|row| row.into_iter().map(cell).collect());
        let rows: Vec<Vec<Markup>> = rows.collect();
        return section("The ceiling of users", &table(&users::HEAD, 1, &rows));
    }
    let (analytic, simulated) = (&plan.ceiling.analytic, &plan.ceiling.simulated);
    let row = |name: String, limited_by: String, jobs: Option<f64>, multiple: Option<f64>| {
        vec![cell(name), cell(limited_by), cell(optional(jobs)), cell(optional(multiple))]
    };
    let binding = analytic
        .binding
        .as_ref()
        .map_or_else(String::new, |binding| format!("{} {}", binding.axis, binding.target));
    let mut rows = vec![row("analytic".to_owned(), binding, analytic.jobs_per_min, analytic.multiple)];
    if let Some(cached) = &analytic.cached {
        let name = format!("with {} from the cache", percent(cached.hit_share));
        rows.push(row(name, String::new(), Some(cached.jobs_per_min), Some(cached.multiple)));
    }
    let breaks = simulated.first_violation.as_ref().map_or_else(String::new, |breaks| {
        // A rule that breaks at every load has no worst time, and no limit is the cause.
        if plan.findings.iter().any(|finding| matches!(finding, Finding::NoLoadHolds { .. })) {
            return breaks.rule.clone();
        }
        let limit = breaks.axis.as_ref().zip(breaks.target.as_ref());
        let limit = limit.map_or_else(String::new, |(axis, target)| format!("; {axis} of {target}"));
        let at = breaks.at.as_ref().map_or_else(String::new, |at| format!(" at {at}"));
        format!("{}{at}{limit}", breaks.rule)
    });
    if let Some(planning) = &simulated.planning {
        let (share, confidence) = (percent(planning.share), percent(planning.confidence));
        let claim = format!("{share} of runs hold it, {confidence} confidence");
        rows.push(row(
            "to plan with".to_owned(),
            claim,
            Some(planning.jobs_per_min),
            Some(planning.multiple),
        ));
    }
    let name = if simulated.planning.is_some() { "simulated, mean" } else { "simulated" };
    if simulated.jobs_per_min.is_some() {
        rows.push(row(name.to_owned(), breaks, simulated.jobs_per_min, simulated.multiple));
    } else {
        let bound =
            |side| format!("{side} {}", number(significant(simulated.search_bound * plan.load.jobs_per_min)));
        let found = match simulated.lowest_tried {
            _ if simulated.undecided.is_some() => "unknown".to_owned(),
            Some(_) => bound('<'),
            None => bound('>'),
        };
        rows.push(vec![cell(name), cell(breaks), cell(found), cell("–")]);
    }
    if let (Some(low), Some(high)) = (simulated.low, simulated.high) {
        let interval = format!(
            "{} to {} times the load, {} confidence",
            number(low),
            number(high),
            percent(simulated.confidence)
        );
        rows.push(row(String::new(), interval, None, None));
    }
    rows.extend(on_own_seed(plan));
    rows.push(row("present load".to_owned(), String::new(), Some(plan.load.jobs_per_min), Some(1.0)));
    let content = html! {
        (table(&["", "limited by", "jobs/min", "× load"], 2, &rows))
        (page::notes(&differences::sentences(plan)))
    };
    section("The ceiling, analytic and simulated", &content)
}

/// Returns the rows of the ceilings on the scenario's own seed: by all rules if there are other seeds, and without the rules on
/// cost if these break first.
fn on_own_seed(plan: &Plan) -> impl Iterator<Item = Vec<Markup>> {
    let row = |name: String, multiple: f64, text: String| {
        vec![cell(name), cell(""), cell(number(multiple * plan.load.jobs_per_min)), cell(text)]
    };
    let by_all_rules = super::own_seed(plan).map(|multiple| {
        let text = super::own_seed_multiple(plan, multiple);
        row(format!("on seed {}, as the curve", plan.seed), multiple, text)
    });
    let without_cost_rules = plan.ceiling.simulated.without_cost_rules;
    let without_cost_rules =
        without_cost_rules.map(|multiple| row(super::without_cost_rules(plan), multiple, number(multiple)));
    by_all_rules.into_iter().chain(without_cost_rules)
}

fn curve(plan: &Plan) -> Markup {
    let days = (plan.duration_s / 86_400.0).max(1e-9);
    let share = |part, whole| share_of(part, whole).map_or_else(|| "–".to_owned(), percent);
    let rows: Vec<_> = plan
        .curve
        .iter()
        .map(|point| {
            vec![
                super::no_verdict(point).map_or_else(|| mark(point.holds), cell),
                cell(super::point_multiple(plan, point)),
                cell(number(point.offered_jobs_per_min)),
                cell(number(point.goodput_jobs_per_min)),
                cell(share(point.succeeded, point.offered)),
                cell(share(point.limited, point.attempts)),
                cell(seconds(point.p50_s)),
                cell(seconds(point.p95_s)),
                cell(usd(point.cost_usd_per_day.unwrap_or(point.cost_usd / days))),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let head = ["", "× load", "offered", "goodput", "success", "rate-limited", "p50", "p95", "USD/day"];
    let content = html! {
        (table(&head, 1, &rows))
        p.note { "Offered and goodput in jobs per minute; rate-limited: share of all attempts." }
        @for few in super::few::legend(plan) { p.note { (text(&few)) "." } }
    };
    section("Runs below and above the ceiling", &content)
}

fn limits(plan: &Plan) -> Markup {
    let load = plan.load.jobs_per_min;
    let mut rows = Vec::new();
    for target in plan.targets.iter().filter(|target| target.is_stated()) {
        for limit in &target.axes {
            let times =
                plan.ceiling.analytic.multiple_of_offered(limit, load).filter(|_| plan.users.is_none());
            rows.push(vec![
                cell(facts::with_family(&target.name, target.family.as_ref())),
                axis(&limit.axis),
                cell(facts::amount(limit)),
                cell(number(limit.jobs_per_min)),
                cell(optional(times)),
            ]);
        }
    }
    if rows.is_empty() {
        return Markup::default();
    }
    let head = ["target", "limit", "per window", "jobs/min", "× load"];
    section("What each limit allows", &table(&head, 2, &rows))
}

fn reproduce(plan: &Plan) -> Markup {
    let content = html! {
        (page::command(&plan.reproduce))
        p { (text(&sentences::exit_code(plan))) }
        (page::notes(&sentences::notes(plan)))
        p.note { "quotalab " (text(&plan.version)) }
    };
    section("Reproduce", &content)
}
