//! The report and the comparison for the terminal.

use super::{launch_day, launch_scenario, odd_runs, run};
use crate::golden;
use quotalab::drive;
use quotalab::formatting::count;
use quotalab::report::{Style, compare, text, verdict};
use quotalab::scenario::{self, Overrides};

#[test]
fn the_report_of_a_day_is_its_golden_file() {
    golden::check("launch-day", &text::render(&launch_day(), Style::Plain));
}

/// The most important finding comes first, no line but the command is longer than 80 columns, and the counts of
/// jobs are exact.
#[test]
fn any_report_begins_with_a_finding_fits_the_terminal_and_counts_every_job() {
    for summary in odd_runs().into_iter().chain([launch_day()]) {
        let report = text::render(&summary, Style::Plain);
        let sentences = verdict::sentences(&summary);
        let first_words: Vec<_> = sentences[0].split_whitespace().take(2).collect();
        assert!(report.starts_with(&first_words.join(" ")), "{report}");
        for line in report.lines().filter(|line| !line.starts_with("reproduce")) {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!("{} offered", count(summary.jobs.offered))), "{report}");
        for (number, what) in [(summary.jobs.succeeded, "succeeded"), (summary.jobs.failed, "failed")] {
            assert!(flat.contains(&format!("{} {what}", count(number))), "{report}");
        }
        for expected in &summary.expect {
            let mark = match expected.pass {
                true => "pass",
                false if expected.is_broken() => "FAIL",
                false => "n/a",
            };
            assert!(report.lines().any(|line| line.trim_start().starts_with(mark)), "{report}");
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let summary = launch_day();
    let coloured = text::render(&summary, Style::Colour);
    let mut plain = String::new();
    for (index, part) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').expect("a code ends with m").1 });
    }
    assert_ne!(coloured, plain);
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(flat(&plain), flat(&text::render(&summary, Style::Plain)));
}

#[test]
fn a_comparison_shows_how_runs_differ() {
    let (light, heavy) = (run(&launch_scenario(14.0), 14.0), launch_day());
    let runs = [("light", &light), ("heavy", &heavy), ("again", &light), ("more", &heavy)];
    let report = compare::text(&runs, Style::Plain);
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    let row = |name: &str| report.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("jobs offered").contains("(+"), "{report}");
    assert_eq!(row("jobs offered").matches('(').count(), 1, "the third run is the first again: {report}");
    assert_eq!(
        report.matches("expectations").count(),
        2 + report.matches("expectations are").count(),
        "two blocks: {report}"
    );
    assert_eq!(compare::text(&[], Style::Plain), "");
    assert!(compare::text(&runs[..1], Style::Plain).contains("jobs offered"));
}

#[test]
fn long_durations_beside_each_other_do_not_run_together() {
    let mut summary = launch_day();
    let latency = &mut summary.latency_s;
    (latency.p50, latency.p90, latency.p95) = (73_140.0, 78_960.0, 78_961.0);
    let report = text::render(&summary, Style::Plain);
    assert!(report.contains(" 20 h 19 min 21 h 56 min "), "{report}");
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
}

/// 180,000 tokens a minute raise a limit of 100,000 to twice what is used: 360,000, of which half is charged. The charged and
/// the used share are relative to the limit at that time.
#[test]
fn the_shares_of_a_limit_that_adapts_are_of_the_limit_at_that_time() {
    let yaml = "duration: 1h
providers: { p: { dialect: openai, reserve: prompt+max_tokens, models: { m: { limits: { tpm: { limit: 100k, law: adaptive } }, latency: { total: 1s } } } } }
routes: { r: [{ of: [p/default/m] }] }
workload: [{ name: w, arrivals: { constant: 300/min }, prompt: 500, completion: 100, max_tokens: 100 }]";
    let scenario = scenario::parse("adaptive", yaml, &Overrides::default(), None).expect("a valid scenario");
    let summary = drive::summarize(&scenario);
    let (target, limit) = (&summary.targets[0], &summary.targets[0].limits[0]);
    let mean = limit.mean.expect("the limit adapts");
    assert!((mean / 360_000.0 - 1.0).abs() < 0.03 && limit.grows_to == Some(1_000_000), "{limit:?}");
    let tokens = (target.tokens.prompt + target.tokens.completion) as f64;
    let charged = target.utilisation["tpm"];
    assert!((charged - tokens / 60.0 / mean).abs() < 0.002 && (charged - 0.5).abs() < 0.03, "{charged}");
    // While the limit is lower, the first minutes use all of it.
    assert!(target.peak["tpm"] > 0.98, "{:?}", target.peak);
    let text = text::render(&summary, Style::Plain);
    assert!(text.contains("tpm         100k to 1M per min"), "{text}");
    assert!(
        text.contains(
            "adaptive limits: charged is relative to the mean over the run; the ceiling\ncounts the maximum"
        ),
        "{text}"
    );
    let ceiling = summary.ceiling.jobs_per_min.expect("a limit binds");
    assert!((ceiling / (1_000_000.0 / 600.0) - 1.0).abs() < 0.02, "{ceiling}");
}
