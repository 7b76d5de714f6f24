//! What to buy in which month: the sentences, the table of months, and the section of the page.

use super::PlanReport;
use super::few;
use super::sentences::change_list;
use crate::formatting::{duration, four_digits, job_rate, number, plural, usd};
use crate::planner::{FirstViolation, MonthLoad, NotHeld, Plan, Year, YearMonth};
use crate::report::page::{cell, notes, section, table};
use maud::{Markup, html};

/// Returns the finding of a year.
pub(super) fn sentence(year: &Year) -> String {
    let span = format!("{} at {}", plural(year.wanted.into(), "month"), year.rate);
    if let Some(few) = &year.undecided {
        return format!("What is needed for {span} is not known: {}.", few::why(few));
    }
    let Some(last) = year.months.last() else {
        return year.not_held.as_ref().map_or_else(String::new, |month| not_held(year, month));
    };
    let held = match year.not_held {
        Some(_) if year.months.len() == 1 => "Month 1".to_owned(),
        Some(_) => format!("Months 1 to {}", last.load.month),
        None => format!("{span}, up to {} times the load,", number(last.load.multiple)),
    };
    let seeds = year.months.iter().map(|month| month.proof).min().unwrap_or_default();
    let purchases = purchases(year);
    let is_one = year.months.len() == 1;
    let (holds, costs) = if is_one { ("holds", "costs") } else { ("hold", "cost") };
    let answer = if purchases.is_empty() {
        format!("{held} {holds} without any purchase and {costs} {}", costs_of(year))
    } else {
        format!("{held} {} least with these purchases: {purchases}. The sum is {}", costs, costs_of(year))
    };
    let whole = if year.has_whole_months { ", simulated as that month of the calendar," } else { "" };
    let proof = format!(
        "Each month{whole} held on {seeds} fresh seeds or more, as 95 % of runs do (90 % confidence for each month)."
    );
    let missing =
        year.not_held.as_ref().map_or_else(String::new, |month| format!(" {}", not_held(year, month)));
    format!("{answer}. {proof}{}{missing}", due_later(year))
}

/// Lists what is bought and given up, month by month: "in month 2 buy developer plan; in month 7 buy 2 × account; trial ends".
fn purchases(year: &Year) -> String {
    let changes = year.months.iter().filter(|month| !month.buy.is_empty() || !month.end.is_empty());
    let each = changes.map(|month| {
        let buy = (!month.buy.is_empty()).then(|| format!("buy {}", change_list(&month.buy)));
        let both: Vec<String> = buy.into_iter().chain(ends(&month.end)).collect();
        format!("in {} {}", name(&month.load), both.join("; "))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Says what ends: "pro ends", "pro and 2 × account end"; `None` if nothing does.
fn ends(names: &[String]) -> Option<String> {
    let verb = match names {
        [] => return None,
        [_] => "ends",
        _ => "end",
    };
    let list = change_list(names);
    let list =
        list.rsplit_once(", ").map_or_else(|| list.clone(), |(first, last)| format!("{first} and {last}"));
    Some(format!("{list} {verb}"))
}

/// Returns the name of a month: `month 4`, or `2027-03 (month 4)`.
fn name(load: &MonthLoad) -> String {
    match &load.calendar {
        Some(calendar) => format!("{calendar} (month {})", load.month),
        None => format!("month {}", load.month),
    }
}

fn costs_of(year: &Year) -> String {
    let cost = &year.cost;
    let parts = [(cost.fees_usd, "fees"), (cost.setup_usd, "setup")];
    let fixed: Vec<String> =
        parts.iter().filter(|(usd, _)| *usd > 0.0).map(|(usd, of)| format!("{usd:.2} of {of}")).collect();
    if fixed.is_empty() {
        return format!("{}, all by use", usd_exact(cost.total_usd));
    }
    format!("{}: {}, {:.2} by use", usd_exact(cost.total_usd), fixed.join(", "), cost.usage_usd)
}

/// Formats an amount to the cent.
fn usd_exact(amount: f64) -> String {
    if amount > 0.0 && amount < 0.01 { usd(amount) } else { format!("{amount:.2} USD") }
}

/// Returns the sentence on fees that are due after the last month; empty if none are.
fn due_later(year: &Year) -> String {
    if year.due_later_usd <= 0.0 {
        return String::new();
    }
    format!(" Commitments cost another {} after that.", usd_exact(year.due_later_usd))
}

/// Returns the sentence on the first month that is not held.
fn not_held(year: &Year, month: &NotHeld) -> String {
    let load = format!("{} times the load", four_digits(month.load.multiple));
    let set = match month.owned.as_slice() {
        [] if year.sets == 1 => String::new(),
        [] => ", and the scenario as it is holds the most".to_owned(),
        owned => format!(", of which {} holds the most", change_list(owned)),
    };
    let what = if year.offers.is_empty() || year.sets == 1 {
        "the scenario as it is does not hold, and there is nothing to buy".to_owned()
    } else {
        format!("nothing that can be bought by then holds{set}")
    };
    let up_to = month.holds_up_to.map_or_else(
        || ": it holds no load that was tried".to_owned(),
        |multiple| format!(": on the scenario's own seed it holds up to {} times", four_digits(multiple)),
    );
    let why = month.violation.as_ref().map_or_else(String::new, |found| format!("; then {}", why(found)));
    let proof = month.proof.map_or_else(String::new, |proof| {
        format!(", on {} of {} fresh seeds at this load", proof.failing, proof.seeds)
    });
    let later = if month.later.is_empty() {
        String::new()
    } else {
        format!(" Available later only: {}.", month.later.join(", "))
    };
    format!("In {}, at {load}, {what}{up_to}{why}{proof}.{later}", name(&month.load))
}

/// Names the rule that breaks, and the limit that is the cause if it is known.
fn why(violation: &FirstViolation) -> String {
    let limit = violation.axis.as_ref().zip(violation.target.as_ref());
    let limit = limit.map_or_else(String::new, |(axis, target)| format!(" ({axis} of {target})"));
    format!("`{}` breaks{limit}", violation.rule)
}

/// Says what is bought in a month and why, and what ends; `None` if nothing changes.
fn changes(month: &YearMonth) -> Option<String> {
    let buy = (!month.buy.is_empty()).then(|| {
        let without = if month.load.month == 1 { "without it" } else { "with what was owned before" };
        let reason = match &month.breaks_without {
            Some(violation) => format!("{without} {}", why(violation)),
            None => format!("{without} the load holds too, at a higher cost in sum"),
        };
        format!("buy {}: {reason}", change_list(&month.buy))
    });
    let both: Vec<String> = buy.into_iter().chain(ends(&month.end)).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// Returns what the plan assumes of the months.
fn assumptions(plan: &Plan, year: &Year) -> Vec<String> {
    let days = if year.months.iter().any(|month| month.load.calendar.is_some()) {
        "as long as in the calendar"
    } else {
        "of 30.44 days"
    };
    let offers = if year.has_own_offers {
        format!(
            "The {} of the scenario can be owned in {}; the cheapest order is exact among the sets and months that are proved.",
            plural(year.offers.len() as u64, "offer"),
            plural(year.sets as u64, "combination")
        )
    } else if year.offers.is_empty() {
        "The scenario has no `offers`, and the planner knows nothing of its own that it could buy: write `offers` to state what can be bought."
            .to_owned()
    } else {
        format!(
            "The scenario has no `offers`, so these were considered, without fixed fees: {}. Write `offers` to state tiers, fees and dates.",
            year.offers.join(", ")
        )
    };
    let day = if plan.duration_s > 86_400.0 { "the mean day of its run" } else { "its day" };
    let runs = if year.has_whole_months {
        "A limit per month of the calendar can bind, so each month was simulated as a whole: from its first instant, at which these limits \
         are unused, to its last."
            .to_owned()
    } else {
        format!(
            "A month is proved by runs of {} at its load; the cost of its use is that of {day} times its days, and months are {days}.",
            duration(plan.duration_s)
        )
    };
    vec![format!("Month 1 has the present load. {runs}"), offers]
}

/// Prints the table of months.
pub(super) fn print(report: &mut PlanReport, plan: &Plan) {
    let Some(year) = plan.year.as_ref().filter(|year| !year.months.is_empty()) else { return };
    report.0.heading(&format!(
        "{:<10} {:>7} {:>16} {:>9} {:>8} {:>9} {:>10} {:>5}",
        "month", "× load", "jobs", "fees", "setup", "use", "USD", "seeds"
    ));
    for month in &year.months {
        let label = match &month.load.calendar {
            Some(calendar) => format!("{:<2} {calendar}", month.load.month),
            None => month.load.month.to_string(),
        };
        let jobs = month.load.jobs_per_min.map_or_else(|| "–".to_owned(), job_rate);
        let cost = &month.cost;
        report.0.line(&format!(
            "{label:<10} {:>7} {jobs:>16} {:>9.2} {:>8.2} {:>9.2} {:>10.2} {:>5}",
            four_digits(month.load.multiple),
            cost.fees_usd,
            cost.setup_usd,
            cost.usage_usd,
            cost.total_usd,
            month.proof
        ));
        if let Some(changes) = changes(month) {
            report.0.sentence(&format!("   {changes}"), 6);
        }
    }
    let cost = &year.cost;
    let sum = format!(
        "{:<35} {:>9.2} {:>8.2} {:>9.2} {:>10.2}",
        "in all", cost.fees_usd, cost.setup_usd, cost.usage_usd, cost.total_usd
    );
    let sum = report.0.style.strong(&sum);
    report.0.line(&sum);
    for sentence in assumptions(plan, year) {
        report.0.faint(&sentence);
    }
}

/// Renders the section of the page.
pub(super) fn html(plan: &Plan) -> Markup {
    let Some(year) = plan.year.as_ref().filter(|year| !year.months.is_empty()) else {
        return Markup::default();
    };
    let row = |month: &YearMonth| {
        let cost = &month.cost;
        let mut label = format!("month {}", month.load.month);
        if let Some(calendar) = &month.load.calendar {
            label = format!("{calendar}, {label}");
        }
        let owned = if month.owned.is_empty() { "–".to_owned() } else { change_list(&month.owned) };
        vec![
            cell(label),
            cell(changes(month).unwrap_or_else(|| "–".to_owned())),
            cell(owned),
            cell(four_digits(month.load.multiple)),
            cell(month.load.jobs_per_min.map_or_else(|| "–".to_owned(), job_rate)),
            cell(format!("{:.2}", cost.fees_usd)),
            cell(format!("{:.2}", cost.setup_usd)),
            cell(format!("{:.2}", cost.usage_usd)),
            cell(format!("{:.2}", cost.total_usd)),
            cell(month.proof.to_string()),
        ]
    };
    let mut rows: Vec<Vec<Markup>> = year.months.iter().map(row).collect();
    let cost = &year.cost;
    let sums = [cost.fees_usd, cost.setup_usd, cost.usage_usd, cost.total_usd];
    let empty = || cell("");
    let sums = sums.iter().map(|usd| cell(format!("{usd:.2}")));
    rows.push(
        [cell("in all"), empty(), empty(), empty(), empty()]
            .into_iter()
            .chain(sums)
            .chain([empty()])
            .collect(),
    );
    let head = ["", "change", "owned", "× load", "jobs", "fees", "setup", "use", "USD", "seeds"];
    let content = html! {
        (table(&head, 3, &rows))
        (notes(&assumptions(plan, year)))
    };
    section(&format!("Month by month at {}", year.rate), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_agrees_with_its_verb() {
        let ends = |names: &[&str]| ends(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(ends(&[]), None);
        for (names, expected) in [
            (["pro"].as_slice(), "pro ends"),
            (&["pro", "spill"], "pro and spill end"),
            (&["account", "account"], "2 × account end"),
            (&["pro", "spill", "account", "account"], "pro, spill and 2 × account end"),
        ] {
            assert_eq!(ends(names).as_deref(), Some(expected));
        }
    }
}
