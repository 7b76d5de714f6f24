//! A plan as one HTML page: the findings, the charts, the measured changes and the other tables. The page embeds the
//! whole plan as JSON, for scripts.

use super::sentences;
use crate::formatting::{count, duration, number, percent, plural, share_of, usd};
use crate::planner::{BrokenRule, Plan};
use crate::report::chart::what_if::extra;
use crate::report::facts;
use crate::report::page::{self, embedded_json, page, push, section, table, text};
use crate::xml::escape;

/// Returns the page of a plan.
#[must_use]
pub fn html(plan: &Plan) -> String {
    let what = format!(
        "{}: {} of traffic, seed {}; {}, {} simulated",
        text(&plan.scenario),
        duration(plan.duration_s),
        plan.seed,
        plural(plan.simulated.runs, "run"),
        plural(plan.simulated.jobs, "job")
    );
    let figures: String = super::charts(plan).iter().map(page::figure).collect();
    let parts = [
        page::header(&what, &sentences::findings(plan), &plan.about),
        tiles(plan),
        figures,
        what_ifs(plan),
        buy(plan),
        outages(plan),
        ceilings(plan),
        curve(plan),
        limits(plan),
        last(plan),
        format!("<script type=\"application/json\" id=\"plan\">{}</script>\n", embedded_json(plan)),
    ];
    page(&plan.scenario, &parts.concat())
}

/// Formats a number, or a dash for none.
fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), duration)
}

fn mark(holds: bool) -> String {
    let (class, word) = if holds { ("pass", "✓ holds") } else { ("miss", "✗ breaks") };
    format!("<span class=\"{class}\">{word}</span>")
}

fn tiles(plan: &Plan) -> String {
    let simulated = &plan.ceiling.simulated;
    let headroom =
        plan.headroom.map_or_else(|| "none met".to_owned(), |times| format!("{} ×", number(times)));
    page::tiles(&[
        (or_dash(simulated.jobs_per_min), "jobs/min: the ceiling by simulation".to_owned()),
        (or_dash(plan.ceiling.analytic.jobs_per_min), "jobs/min by arithmetic".to_owned()),
        (number(plan.load.jobs_per_min), "jobs/min: the present load".to_owned()),
        (headroom, "ceiling ÷ load".to_owned()),
        (seconds(plan.load.p95_s), "95th percentile now".to_owned()),
        (usd(plan.load.cost_usd_per_day), "a day now".to_owned()),
    ])
}

fn what_ifs(plan: &Plan) -> String {
    if plan.what_if.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = plan
        .what_if
        .iter()
        .map(|change| {
            vec![
                text(&change.change),
                text(change.breaks.as_deref().unwrap_or("nothing")),
                or_dash(change.ceiling_jobs_per_min),
                format!("{:.2}", change.lift),
                seconds(change.p95_s),
                usd(change.cost_usd_per_day),
                extra(change.extra_usd_per_day),
                sentences::lift_per_usd(change),
            ]
        })
        .collect();
    let head = ["change", "then breaks", "jobs/min", "lift", "p95", "a day", "extra", "lift/USD"];
    let mut html = table(&head, 2, &rows);
    html.push_str("<p class=\"note\">p95 and cost at the present load; lift/USD: ceiling won per extra dollar a day.</p>\n");
    for pair in &plan.pairs {
        let [one, other] = &pair.changes;
        push(
            &mut html,
            format_args!(
                "<p>Worth more together: {} and {} lift {} times, not {}.</p>\n",
                text(one),
                text(other),
                number(pair.lift),
                number(pair.apart)
            ),
        );
    }
    section("What could be changed", &html)
}

fn buy(plan: &Plan) -> String {
    let Some(buy) = &plan.buy else { return String::new() };
    let changes = if buy.changes.is_empty() {
        "nothing has to change".to_owned()
    } else {
        text(&sentences::change_list(&buy.changes))
    };
    let mut html = format!(
        "<p>{changes}: {} on {}, p95 {}, {} a day.</p>\n",
        mark(buy.holds),
        plural(buy.replicas.into(), "seed"),
        seconds(buy.p95_s),
        usd(buy.cost_usd_per_day)
    );
    for rule in &buy.broken {
        push(&mut html, format_args!("<p class=\"note\">still broken: {}</p>\n", text(&rule.rule)));
    }
    let jobs = number(buy.target.jobs_per_min);
    section(&format!("To hold {} times the load, {jobs} jobs/min", number(buy.target.multiple)), &html)
}

fn outages(plan: &Plan) -> String {
    if plan.incidents.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = plan
        .incidents
        .iter()
        .map(|outage| {
            vec![
                text(&outage.provider),
                mark(outage.survives),
                text(&rules(&outage.broken)),
                text(&outage.at),
                duration(outage.for_s),
                percent(outage.success),
                seconds(outage.p95_s),
            ]
        })
        .collect();
    section(
        "The loss of a provider",
        &table(&["provider", "", "breaks", "from", "for", "success", "p95"], 3, &rows),
    )
}

fn rules(broken: &[BrokenRule]) -> String {
    broken.iter().map(|rule| rule.rule.as_str()).collect::<Vec<_>>().join(", ")
}

fn ceilings(plan: &Plan) -> String {
    let (analytic, simulated) = (&plan.ceiling.analytic, &plan.ceiling.simulated);
    let row = |name: String, what: String, jobs: Option<f64>, multiple: Option<f64>| {
        vec![name, what, or_dash(jobs), or_dash(multiple)]
    };
    let bound =
        analytic.binding.as_ref().map_or_else(String::new, |b| text(&format!("{} {}", b.axis, b.target)));
    let mut rows = vec![row("by arithmetic".to_owned(), bound, analytic.jobs_per_min, analytic.multiple)];
    if let Some(cached) = &analytic.cached {
        let name = format!("with {} from the cache", percent(cached.hit_share));
        rows.push(row(name, String::new(), Some(cached.jobs_per_min), Some(cached.multiple)));
    }
    let breaks = simulated.breaks.as_ref().map_or_else(String::new, |breaks| {
        let full = breaks.axis.as_ref().zip(breaks.target.as_ref());
        let full = full.map_or_else(String::new, |(axis, target)| format!(", {axis} of {target} full"));
        text(&format!("{} at {}{full}", breaks.rule, breaks.at))
    });
    rows.push(row("by simulation".to_owned(), breaks, simulated.jobs_per_min, simulated.multiple));
    if let (Some(low), Some(high)) = (simulated.low, simulated.high) {
        let interval = format!(
            "{} to {} times the load, {} sure",
            number(low),
            number(high),
            percent(simulated.confidence)
        );
        rows.push(vec![String::new(), interval, String::new(), String::new()]);
    }
    let load = plan.load.jobs_per_min;
    rows.push(row("the load".to_owned(), String::new(), Some(load), Some(1.0)));
    let differences = sentences::differences(plan);
    let differences =
        differences.iter().map(|sentence| format!("<p class=\"note\">{}</p>\n", text(sentence)));
    section(
        "The ceiling, twice",
        &(table(&["", "what stops it", "jobs/min", "× load"], 2, &rows) + &differences.collect::<String>()),
    )
}

fn curve(plan: &Plan) -> String {
    let days = (plan.duration_s / 86_400.0).max(1e-9);
    let share = |part, whole| share_of(part, whole).map_or_else(|| "–".to_owned(), percent);
    let rows: Vec<_> = plan
        .curve
        .iter()
        .map(|point| {
            vec![
                mark(point.holds),
                number(point.multiple),
                number(point.offered_jobs_per_min),
                number(point.goodput_jobs_per_min),
                share(point.succeeded, point.offered),
                share(point.limited, point.attempts),
                seconds(point.p50_s),
                seconds(point.p95_s),
                usd(point.cost_usd / days),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["", "× load", "offered", "answered", "of it", "refused", "p50", "p95", "a day"];
    section(
        "Through the ceiling",
        &(table(&head, 1, &rows)
            + "<p class=\"note\">Offered and answered in jobs per minute; refused: of all attempts.</p>\n"),
    )
}

fn limits(plan: &Plan) -> String {
    let load = plan.load.jobs_per_min;
    let rows = plan.targets.iter().flat_map(|target| {
        target.axes.iter().map(|axis| {
            let meaning = facts::meaning(&axis.axis).unwrap_or("");
            let times = if load > 0.0 { number(axis.jobs_per_min / load) } else { "–".to_owned() };
            let name = format!("<abbr title=\"{meaning}\">{}</abbr>", text(&axis.axis));
            vec![text(&target.name), name, count(axis.limit), number(axis.jobs_per_min), times]
        })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    section(
        "What each limit allows",
        &table(&["target", "limit", "per window", "jobs/min", "× load"], 2, &rows),
    )
}

fn last(plan: &Plan) -> String {
    let mut html = String::new();
    if !plan.reproduce.is_empty() {
        push(&mut html, format_args!("<pre><code>{}</code></pre>\n", escape(&plan.reproduce)));
    }
    for note in sentences::notes(plan).iter().take(page::ROWS) {
        push(&mut html, format_args!("<p class=\"note\">{}</p>\n", text(note)));
    }
    push(&mut html, format_args!("<p class=\"note\">quotalab {}</p>\n", text(&plan.version)));
    section("The same again", &html)
}
