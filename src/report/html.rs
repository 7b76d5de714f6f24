//! A run as one page. The verdict comes first; the whole result lies inside as JSON for whoever wants to
//! compute.

use super::chart;
use super::facts::{self, TIMES};
use super::job_traces;
use super::page::{self, ROWS, axis, embedded_json, page, push, section, table, text};
use super::text_layout::escaped;
use super::usage_table;
use super::verdict;
use crate::formatting::{count, duration, moment, number, percent, plural, share_of, usd};
use crate::record::{Summary, Target};

/// Results up to this size are embedded without their distributions, in bytes; larger ones without the use of the limits
/// over time as well, or not at all.
const EMBEDDED: usize = 150_000;

/// The page of a run.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let parts = [
        header(summary),
        tiles(summary),
        expectations(summary),
        figures(summary),
        times(summary),
        jobs(summary),
        targets(summary),
        ceiling(summary),
        workloads(summary),
        job_traces::sections(summary),
        reproduce(summary),
    ];
    page(&summary.scenario, &(parts.concat() + &embedded(summary)))
}

fn header(summary: &Summary) -> String {
    let what = format!("{}: {}", text(&summary.scenario), facts::run(summary));
    page::header(&what, &verdict::sentences(summary), &summary.about)
}

fn tiles(summary: &Summary) -> String {
    let (jobs, latency) = (&summary.jobs, &summary.latency_s);
    let share = |part, whole| share_of(part, whole).map_or_else(|| "–".to_owned(), percent);
    let answered = |value: f64| if latency.count > 0 { duration(value) } else { "–".to_owned() };
    let headroom = match summary.ceiling.multiple {
        Some(multiple) => format!("{} ×", number(multiple)),
        None => "no limit".to_owned(),
    };
    let tiles = [
        (share(jobs.succeeded, jobs.offered), format!("of {}", plural(jobs.offered, "job"))),
        (answered(latency.p50), "median latency".to_owned()),
        (answered(latency.p95), "95th percentile".to_owned()),
        (share(summary.attempts.limited, summary.attempts.total), "of attempts refused".to_owned()),
        (headroom, "ceiling ÷ load".to_owned()),
        (usd(summary.cost_usd), "charged".to_owned()),
    ];
    page::tiles(&tiles)
}

fn expectations(summary: &Summary) -> String {
    if summary.expect.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = summary
        .expect
        .iter()
        .map(|expected| {
            let (class, word) = if expected.pass { ("pass", "✓ holds") } else { ("miss", "✗ missed") };
            let mark = format!("<span class=\"{class}\">{word}</span>");
            vec![text(&expected.rule), mark, facts::actual(expected)]
        })
        .collect();
    section("What was expected", &table(&["rule", "", "came to"], 2, &rows))
}

fn figures(summary: &Summary) -> String {
    let each = chart::charts(summary).into_iter().map(|chart| {
        let numbers = if chart.name == "heat" { usage_table::table(summary) } else { String::new() };
        page::figure(&chart) + &numbers
    });
    each.collect()
}

fn times(summary: &Summary) -> String {
    let rows: Vec<_> = facts::times(summary)
        .into_iter()
        .map(|(name, cells)| {
            let mut row = vec![name.to_owned()];
            row.extend(cells);
            row
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut head = vec![""];
    head.extend(TIMES);
    let note = "<p class=\"note\">Of jobs that succeeded. Latency and first token count from the scheduled arrival.</p>\n";
    section("How long it took", &(table(&head, 1, &rows) + note))
}

fn jobs(summary: &Summary) -> String {
    let mut rows = vec![vec!["offered".to_owned(), count(summary.jobs.offered), String::new()]];
    let told = facts::jobs(summary).into_iter();
    rows.extend(told.map(|(name, number, share)| vec![name.to_owned(), count(number), share]));
    let sent = summary.attempts.total;
    rows.push(vec!["attempts sent".to_owned(), count(sent), String::new()]);
    for (name, number) in [("limited", summary.attempts.limited), ("broken", summary.attempts.failed)] {
        let share = percent(share_of(number, sent).unwrap_or(0.0));
        rows.push(vec![format!("attempts {name}"), count(number), share]);
    }
    let troubles = facts::troubles(summary).into_iter();
    let troubles = troubles.map(|(name, list)| format!("<p class=\"note\">{name}: {}</p>\n", text(&list)));
    section(
        "What became of the jobs",
        &(table(&["", "count", "share"], 1, &rows) + &troubles.collect::<String>()),
    )
}

fn targets(summary: &Summary) -> String {
    let mut html = "<div class=\"scroll\"><table>\n<tr><th>limit</th><th></th><th>used</th><th class=\"n\"></th><th class=\"n\">peak</th></tr>\n".to_owned();
    for target in summary.targets.iter().take(ROWS) {
        target_rows(&mut html, target);
    }
    html.push_str("</table></div>\n");
    if summary.targets.len() > ROWS {
        let more = plural((summary.targets.len() - ROWS) as u64, "more target");
        push(&mut html, format_args!("<p class=\"note\">and {more}</p>\n"));
    }
    html.push_str("<p class=\"note\">Used: of all that the limit could have admitted over the run. Peak: the fullest it was seen.</p>\n");
    section("Targets and their limits", &html)
}

fn target_rows(html: &mut String, target: &Target) {
    let (name, traffic) = (text(&target.name), facts::traffic(target));
    push(
        html,
        format_args!("<tr class=\"target\"><td colspan=\"5\">{name}<small>{traffic}</small></td></tr>\n"),
    );
    for limit in facts::uses(target).into_iter().take(ROWS) {
        let used = limit.used.map_or_else(|| "–".to_owned(), percent);
        let width = (limit.used.unwrap_or(0.0) * 100.0).clamp(0.0, 100.0);
        let class = if limit.peak >= 0.98 { "n miss" } else { "n" };
        push(
            html,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td><span class=\"meter\"><i style=\"width:{width:.1}%\"></i></span></td>\
                 <td class=\"n\">{used}</td><td class=\"{class}\">{}</td></tr>\n",
                axis(&limit.axis),
                text(&limit.limit),
                percent(limit.peak)
            ),
        );
    }
}

fn ceiling(summary: &Summary) -> String {
    let ceiling = &summary.ceiling;
    let mut rows = Vec::new();
    for target in &ceiling.targets {
        for limit in &target.axes {
            let binds =
                ceiling.binding.as_ref().is_some_and(|b| b.target == target.name && b.axis == limit.axis);
            let mark = if binds { "<span class=\"miss\">binds</span>" } else { "" };
            let cells = [
                text(&target.name),
                axis(&limit.axis),
                mark.to_owned(),
                count(limit.limit),
                number(limit.jobs_per_min),
            ];
            rows.push(cells.to_vec());
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let offered = number(ceiling.offered_jobs_per_min);
    let all = ceiling
        .jobs_per_min
        .map_or_else(|| "any load".to_owned(), |rate| format!("{} jobs/min", number(rate)));
    let lead = format!(
        "<p>By arithmetic, the limits together allow {all}; {offered} were offered on average.</p>\n"
    );
    section(
        "What each limit allows",
        &(lead + &table(&["target", "limit", "", "per window", "jobs/min"], 3, &rows)),
    )
}

fn workloads(summary: &Summary) -> String {
    if summary.workloads.len() < 2 {
        return String::new();
    }
    let rows: Vec<_> = summary
        .workloads
        .iter()
        .map(|workload| {
            let share =
                share_of(workload.succeeded, workload.offered).map_or_else(|| "–".to_owned(), percent);
            let latency = &workload.latency_s;
            let told = |value| if latency.count > 0 { duration(value) } else { "–".to_owned() };
            vec![
                text(&workload.name),
                count(workload.offered),
                share,
                count(workload.failed),
                count(workload.shed),
                told(latency.p50),
                told(latency.p95),
            ]
        })
        .collect();
    section(
        "Workloads",
        &table(&["workload", "offered", "succeeded", "failed", "shed", "p50", "p95"], 1, &rows),
    )
}

fn reproduce(summary: &Summary) -> String {
    let mut html = String::new();
    if !summary.reproduce.is_empty() {
        push(&mut html, format_args!("<pre><code>{}</code></pre>\n", escaped(&summary.reproduce)));
    }
    push(
        &mut html,
        format_args!(
            "<p class=\"note\">Seed {}, quotalab {}; ended at {}. {}.</p>\n",
            summary.seed,
            text(&summary.version),
            moment(summary.ended_s, summary.duration_s),
            facts::charged(summary)
        ),
    );
    for note in summary.notes.iter().take(ROWS) {
        push(&mut html, format_args!("<p class=\"note\">{}</p>\n", text(note)));
    }
    section("The same again", &html)
}

/// The result itself, for whoever wants to compute with it.
fn embedded(summary: &Summary) -> String {
    let mut embedded = summary.without_distributions();
    let whole = embedded_json(&embedded);
    embedded.series.fill.clear();
    let json = [whole, embedded_json(&embedded)].into_iter().find(|json| json.len() <= EMBEDDED);
    let Some(json) = json else {
        return "<p class=\"note\">The result is too large for this page: see result.json.</p>\n".to_owned();
    };
    format!("<script type=\"application/json\" id=\"result\">{json}</script>\n")
}
