//! The first lines of a report show each workload and its worst window.

use super::*;
use quotalab::drive;
use quotalab::record::Summary;
use quotalab::report::{Style, html, text};

fn run(duration: &str, deadline: &str, workloads: &str) -> Summary {
    let yaml = format!(
        "
duration: {duration}
start: full
providers: {{p: {{models: {{m: {{limits: {{rpm: 60}}, latency: {{total: 1s, network: 0s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: {deadline}, retry: {{attempts: 2}}}}
workload: [{workloads}]"
    );
    let scenario = scenario::parse("worst", &yaml, &Overrides::default(), None)
        .unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    drive::summarize(&scenario)
}

fn job(name: &str, arrivals: &str) -> String {
    format!(
        "{{name: {name}, route: r, arrivals: {{{arrivals}}}, prompt: 10, completion: 10, max_tokens: 10}}"
    )
}

/// Fifty a minute all day and 300 in one minute at 10:00: the day looks well, the window does not.
#[test]
fn the_worst_minutes_of_a_day_are_in_the_first_lines() {
    let steps = "steps: [{at: 0s, rate: 30/min}, {at: 10h, rate: 300/min}, {at: 601m, rate: 30/min}]";
    let summary = run("24h", "10s", &job("chat", steps));
    let worst = summary.workloads[0].worst_window.as_ref().expect("a window is worse than the day");
    assert_eq!((worst.from_s, worst.to_s), (36_000.0, 36_300.0));
    assert!(worst.jobs > 350 && worst.succeeded < worst.jobs * 3 / 4, "{worst:#?}");
    let limit = worst.refused_by.as_ref().unwrap();
    assert_eq!((limit.axis.as_str(), limit.target.as_str()), ("rpm", "p/default/m"));
    let report = text::render(&summary, Style::Plain);
    let head = report.lines().take(8).collect::<Vec<_>>().join(" ");
    assert!(head.contains("worst 5 min, from 10:00 h"), "{report}");
    let page = html::render(&summary);
    let (worst, first_chart) = (page.find("worst window").unwrap(), page.find("<figure").unwrap());
    assert!(worst < first_chart);
    let json = summary.to_json();
    assert!(json.contains("\"worst_window\""), "{json}");
}

/// A window of a steady run is no worse than the run, and few jobs are no window.
#[test]
fn a_steady_run_has_no_worst_window() {
    for arrivals in ["poisson: 30/min", "constant: 50/min", "burst: 40, every: 1h", "poisson: 1/min"] {
        let summary = run("30m", "30s", &job("chat", arrivals));
        assert_eq!(summary.workloads[0].worst_window, None, "{arrivals}");
    }
}

#[test]
fn each_of_several_workloads_has_a_line() {
    let summary = run(
        "10m",
        "30s",
        &format!("{}, {}", job("batch", "burst: 40, every: 1h"), job("chat", "constant: 10/min")),
    );
    let report = text::render(&summary, Style::Plain);
    assert!(report.contains("batch: 100 % of 40 jobs succeeded, p95 1 s."), "{report}");
    assert!(report.contains("chat: 100 % of 100 jobs succeeded, p95 1 s."), "{report}");
}
