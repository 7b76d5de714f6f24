//! Reports of a plan: text for the terminal in 80 columns, with the answer first; charts; and a page.

mod batches;
pub(super) mod change;
mod differences;
mod few;
mod html;
mod notes;
mod outages;
mod purchase;
mod sentences;
mod users;
mod violation;
mod year;

pub use html::html;

use super::Style;
use super::chart::{Chart, curve, what_if};
use super::facts;
use super::terminal::{TerminalText, WIDTH, bar};
use super::text_layout::{fitted, short};
use crate::formatting::{count, duration, four_digits, job_rate, number, percent, significant};
use crate::planner::{ChangeEffect, Plan, Point};

/// Characters for the name of a change, and for the first column of the table of ceilings.
const CHANGE: usize = 34;
/// Characters of the bar of the success share.
const BAR: usize = 10;

/// The names of all charts that a plan may have.
pub const CHARTS: [&str; 2] = ["curve", "what-if"];

/// Returns the charts of a plan: the ceiling curve and the what-ifs. Returns none if the load is a number of users.
#[must_use]
pub fn charts(plan: &Plan) -> Vec<Chart> {
    if plan.users.is_some() {
        // Both charts have an axis of offered jobs per minute, which a number of users does not determine.
        return Vec::new();
    }
    [curve::chart(plan), what_if::chart(plan)].into_iter().flatten().collect()
}

/// Renders the plan as text, ending in a line feed.
#[must_use]
pub fn render(plan: &Plan, style: Style) -> String {
    let mut report = PlanReport(TerminalText::new(style));
    report.0.findings(&sentences::findings(plan));
    report.run(plan);
    report.ceilings(plan);
    report.curve(plan);
    report.what_ifs(plan);
    report.pairs(plan);
    report.buy(plan);
    batches::print(&mut report, plan);
    year::print(&mut report, plan);
    outages::print(&mut report, plan);
    report.notes_and_exit_code(plan);
    report.0.into_string()
}

/// The report of a plan.
struct PlanReport(TerminalText);

impl PlanReport {
    fn run(&mut self, plan: &Plan) {
        self.0.line("");
        self.0.faint(&format!(
            "{}: {} of traffic, seed {}; {} runs, {} jobs simulated",
            fitted(&plan.scenario, 30),
            duration(plan.duration_s),
            plan.seed,
            count(plan.simulations.runs),
            count(plan.simulations.jobs)
        ));
    }

    fn ceilings(&mut self, plan: &Plan) {
        if let Some(load) = &plan.users {
            users::print(self, plan, load);
            return;
        }
        self.0.heading("the ceiling                          jobs/min    × load   limited by");
        let (analytic, simulated) = (&plan.ceiling.analytic, &plan.ceiling.simulated);
        let bound = analytic.binding.as_ref().map(|binding| format!("{} {}", binding.axis, binding.target));
        self.ceiling("analytic", analytic.jobs_per_min, analytic.multiple, bound.as_deref());
        if let Some(cached) = &analytic.cached {
            let name = format!("  with {} from the cache", percent(cached.hit_share));
            self.ceiling(&name, Some(cached.jobs_per_min), Some(cached.multiple), None);
        }
        let broken = simulated.first_violation.as_ref().map(|breaks| breaks.rule.as_str());
        if let Some(planning) = &simulated.planning {
            let name = format!("to plan with: {} hold it", percent(planning.share));
            let broken = simulated.broken_above.as_deref().or(broken);
            self.ceiling(&name, Some(planning.jobs_per_min), Some(planning.multiple), broken);
        }
        let name = if simulated.planning.is_some() { "simulated, mean" } else { "simulated" };
        let (tried, load) = (simulated.search_bound, plan.load.jobs_per_min);
        match simulated.multiple {
            Some(multiple) => self.ceiling(name, simulated.jobs_per_min, Some(multiple), broken),
            None if simulated.undecided.is_some() => {
                self.0.line(&format!("{name:<CHANGE$} {:>20}", "unknown"))
            }
            None if simulated.lowest_tried.is_some() => self.bound(name, '<', tried, load, broken),
            None => self.bound(name, '>', tried, load, broken),
        }
        if let Some(multiple) = own_seed(plan) {
            let (name, jobs) = (format!("  on seed {}, as the curve", plan.seed), multiple * load);
            self.row(&name, &number(jobs), &own_seed_multiple(plan, multiple), broken.unwrap_or(""));
        }
        if let Some(multiple) = simulated.without_cost_rules {
            let jobs = multiple * plan.load.jobs_per_min;
            self.ceiling(&format!("  {}", without_cost_rules(plan)), Some(jobs), Some(multiple), None);
        }
        self.ceiling("present load", Some(plan.load.jobs_per_min), Some(1.0), None);
        for target in plan.targets.iter().filter(|target| target.is_stated()) {
            let name = facts::with_family(&target.name, target.family.as_ref());
            let name = format!("  {}", short(&name, CHANGE - 2));
            for (place, axis) in target.axes.iter().enumerate() {
                let name = if place == 0 { name.as_str() } else { "" };
                let limit = format!("{} {}", axis.axis, facts::amount(axis));
                let times = analytic.multiple_of_offered(axis, plan.load.jobs_per_min);
                let times = times.map_or_else(|| "–".to_owned(), number);
                self.row(name, &number(axis.jobs_per_min), &times, &limit);
            }
        }
        if let Some(base) = base_of_limits(plan) {
            self.0.faint(&base);
        }
        let differences = differences::sentences(plan);
        if !differences.is_empty() {
            self.0.line("");
        }
        for sentence in differences {
            self.0.sentence(&sentence, 2);
        }
    }

    /// Writes the row of a ceiling of which only a bound is known: it lies on this `side` of `tried`, a multiple of the load.
    fn bound(&mut self, name: &str, side: char, tried: f64, load: f64, limited_by: Option<&str>) {
        let beyond = |value: f64| format!("{side} {}", number(value));
        // Rounded as in the findings.
        self.row(name, &beyond(significant(tried * load)), &beyond(tried), limited_by.unwrap_or(""));
    }

    fn ceiling(&mut self, name: &str, jobs: Option<f64>, multiple: Option<f64>, limited_by: Option<&str>) {
        let optional = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), number);
        self.row(name, &optional(jobs), &optional(multiple), limited_by.unwrap_or(""));
    }

    fn row(&mut self, name: &str, jobs: &str, multiple: &str, limited_by: &str) {
        let limited_by = short(limited_by, WIDTH - CHANGE - 24);
        self.0.line(&format!("{name:<CHANGE$} {jobs:>10} {multiple:>9}   {limited_by}"));
    }

    fn curve(&mut self, plan: &Plan) {
        self.0.heading(" × load   offered   goodput success          limited      p95    cost/day  holds");
        for point in &plan.curve {
            let days = plan.duration_s / 86_400.0;
            let line = curve_line(plan, point, days);
            let line = if point.multiple == 1.0 { self.0.style.strong(&line) } else { line };
            self.0.line(&line);
        }
        self.0.faint("offered and goodput in jobs a minute; limited: the rate-limited share of attempts");
        for sentence in few::legend(plan) {
            self.0.faint(&sentence);
        }
    }

    fn what_ifs(&mut self, plan: &Plan) {
        if plan.what_if.is_empty() {
            return;
        }
        let unit = if plan.users.is_some() { "   users" } else { "jobs/min" };
        self.0.heading(&format!(
            "what if                              {unit}   lift     p95  USD/day  lift/USD"
        ));
        for change in &plan.what_if {
            self.0.line(&what_if_line(plan, change));
        }
        self.0.faint("p95 and cost at the present load; lift/USD: (lift - 1) per extra dollar a day");
        if let Some(base) = change::base(plan) {
            self.0.faint(&base);
        }
        self.0.faint("equal: no difference beyond the searches' tolerance and the spread of seeds");
        if let Some(unknown) = change::unknown_lift(plan) {
            self.0.faint(&unknown);
        }
    }

    fn pairs(&mut self, plan: &Plan) {
        for pair in &plan.pairs {
            let [one, other] = &pair.changes;
            self.0.sentence(
                &format!(
                    "worth more together: {one} and {other} raise the ceiling {} times, not the {} that their single \
                     lifts suggest",
                    number(pair.lift),
                    number(pair.apart)
                ),
                2,
            );
        }
    }

    fn buy(&mut self, plan: &Plan) {
        let Some(buy) = &plan.buy else { return };
        let verdict = purchase::verdict(buy);
        let verdict = if buy.holds { self.0.style.good(verdict) } else { self.0.style.bad(verdict) };
        self.0.heading(&format!("to hold {} times the load", number(buy.target.multiple)));
        self.0.sentence(&format!("  {}:", purchase::changes(buy)), 2);
        let p95 = buy.p95_s.map_or_else(|| "none".to_owned(), duration);
        let cost =
            buy.cost_usd_per_day.map_or_else(|| "unknown cost".to_owned(), |cost| format!("{cost:.2} USD"));
        self.0.line(&format!("  {verdict}: p95 {p95}, {cost} a day"));
    }

    fn notes_and_exit_code(&mut self, plan: &Plan) {
        self.0.line("");
        for note in sentences::notes(plan) {
            self.0.sentence(&format!("note: {note}"), 6);
        }
        if !plan.reproduce.is_empty() {
            self.0.line(&format!("reproduce: {}", plan.reproduce));
        }
        self.0.sentence(&sentences::exit_code(plan), 2);
    }
}

/// Says what the jobs per minute of the limits are divided by, if that is not the mean load.
fn base_of_limits(plan: &Plan) -> Option<String> {
    let peak = plan.ceiling.analytic.peak.filter(|peak| peak.length_s > 0.0 && plan.users.is_none())?;
    Some(format!(
        "× load of a limit: ÷ the {} of the peak if its window is no longer than {}, else ÷ the mean",
        job_rate(peak.offered * 60.0 / peak.length_s),
        duration(peak.length_s.max(60.0))
    ))
}

/// Returns the ceiling on the scenario's own seed, which the runs of the curve use, as a multiple; `None` if there is none, or
/// no other seed.
fn own_seed(plan: &Plan) -> Option<f64> {
    let replicas = &plan.ceiling.simulated.replicas;
    replicas.first().copied().filter(|_| replicas.len() > 1)
}

/// Formats the multiple of a run of the curve as finely as the ceiling on its seed, so that a run just above that ceiling does
/// not read as if it were at or below it.
fn point_multiple(plan: &Plan, point: &Point) -> String {
    if point.multiple == 1.0 {
        return number(1.0);
    }
    match plan.ceiling.simulated.replicas.first() {
        Some(ceiling) if point.multiple > *ceiling => told_apart(point.multiple, *ceiling),
        _ => four_digits(point.multiple),
    }
}

/// Formats the ceiling on the scenario's own seed with the digits that tell it apart from the lowest run of the curve above it.
fn own_seed_multiple(plan: &Plan, ceiling: f64) -> String {
    let above = plan.curve.iter().map(|point| point.multiple).find(|multiple| *multiple > ceiling);
    told_apart(ceiling, above.unwrap_or(ceiling))
}

/// The most decimals of a multiple.
const MAX_DECIMALS: usize = 6;

/// Formats a multiple with four digits, or with as many decimals as it needs to differ from another one. Both are formatted alike
/// if they are each other's `other`.
fn told_apart(multiple: f64, other: f64) -> String {
    let text = four_digits(multiple);
    if text != four_digits(other) {
        return text;
    }
    let with_decimals = |decimals: usize| {
        let [one, other] = [multiple, other].map(|value| format!("{value:.decimals$}"));
        (one != other).then_some(one)
    };
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    (decimals + 1..=MAX_DECIMALS).find_map(with_decimals).unwrap_or(text)
}

/// Returns the word for a run that cannot be judged, with the jobs of the run (`few`) or of its fullest window (`thin`); `None`
/// if it can.
fn no_verdict(point: &Point) -> Option<String> {
    match &point.undecided {
        _ if point.too_few_jobs => Some(format!("few: {}", count(point.offered))),
        Some(few) => Some(format!("thin: {}", count(few.jobs))),
        None => None,
    }
}

/// Returns the name of the ceiling without the rules on cost: `on seed 1 without the rules on cost`.
fn without_cost_rules(plan: &Plan) -> String {
    change::scope(plan).trim_start().to_owned()
}

fn curve_line(plan: &Plan, point: &Point, days: f64) -> String {
    let served = point.succeeded as f64 / point.offered.max(1) as f64;
    let limited = point.limited as f64 / point.attempts.max(1) as f64;
    let p95 = point.p95_s.map_or_else(|| "-".to_owned(), duration);
    format!(
        "{:>7}  {:>8}  {:>8} ▕{}▏{:>9}  {:>9}  {p95:>7}  {:>10.2}  {}",
        point_multiple(plan, point),
        number(point.offered_jobs_per_min),
        number(point.goodput_jobs_per_min),
        bar(served, BAR),
        percent(served),
        percent(limited),
        point.cost_usd_per_day.unwrap_or(point.cost_usd / days),
        no_verdict(point).unwrap_or_else(|| if point.holds { "yes" } else { "no" }.to_owned())
    )
}

fn what_if_line(plan: &Plan, change: &ChangeEffect) -> String {
    let ceiling = change::new_ceiling(change);
    let p95 = change.p95_s.map_or_else(|| "-".to_owned(), duration);
    let per_usd = change::lift_per_usd(plan, change);
    format!(
        "{:<CHANGE$} {ceiling:>10} {:>6} {p95:>7} {:>8.2}  {per_usd:>8}",
        short(&change.change, CHANGE),
        change::lift(plan, change),
        change.cost_usd_per_day
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_that_print_alike_get_more_decimals() {
        assert_eq!(told_apart(0.6594, 0.6591), "0.6594");
        assert_eq!(told_apart(0.6591, 0.6594), "0.6591");
        assert_eq!(told_apart(0.658_61, 0.658_64), "0.65861");
        assert_eq!(told_apart(0.659, 0.725), "0.659");
        assert_eq!(told_apart(0.659, 0.659), "0.659");
        assert_eq!(told_apart(12.31, 12.34), "12.31");
    }
}
