//! Runs begin with the levels of long limits that the same traffic leaves day after day.

use super::parse;
use proptest::prelude::*;
use quotalab::drive;
use quotalab::record::{Finding, Summary};
use quotalab::scenario::{Pace, Scenario};

/// Returns a scenario with one limit; `rest` is further YAML entries.
fn scenario(law: &str, limit: &str, rate: &str, duration: &str, rest: &str) -> Scenario {
    let yaml = format!(
        "
duration: {duration}
providers: {{p: {{law: {law}, models: {{m: {{limits: {{{limit}}}, latency: {{total: 200ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 2}}}}
workload: [{{name: w, route: r, arrivals: {{poisson: {rate}}}, prompt: 60, completion: 60, max_tokens: 60}}]
{rest}"
    );
    parse(&yaml)
}

fn success(summary: &Summary) -> f64 {
    summary.jobs.succeeded as f64 / summary.jobs.offered as f64
}

/// 10 jobs a minute against 1,000 a day. A full bucket serves an hour, and 14 % of the first day.
#[test]
fn an_hour_under_a_limit_per_day_succeeds_as_often_as_any_day() {
    let run = |duration, rest| {
        success(&drive::summarize(&scenario("bucket", "rpd: 1000", "10/min", duration, rest)))
    };
    assert!(run("1h", "start: full") > 0.99);
    assert!((run("24h", "start: full") - 2_000.0 / 14_400.0).abs() < 0.01);
    let sustained = 1_000.0 / 14_400.0;
    for duration in ["1h", "5h", "24h", "3d"] {
        let found = run(duration, "");
        assert!((found - sustained).abs() < 0.012, "{duration}: {found}, {sustained} are sustained");
    }
}

/// A load a tenth above the limit takes ten days to use up a full bucket; on every day after that, one job in eleven fails.
#[test]
fn a_load_just_above_the_limit_fails_in_a_short_run_as_often_as_on_later_days() {
    let found = success(&drive::summarize(&scenario("bucket", "rpd: 28800", "22/min", "1h", "")));
    assert!((found - 20.0 / 22.0).abs() < 0.04, "{found}");
}

#[test]
fn below_the_limit_nearly_all_jobs_succeed() {
    for (law, duration) in [("bucket", "1h"), ("bucket", "24h"), ("sliding_log", "24h"), ("fixed", "6h")] {
        let found = success(&drive::summarize(&scenario(law, "rpd: 20000", "12/min", duration, "")));
        assert!(found > 0.999, "{law} {duration}: {found}");
    }
}

/// Twice the load that the limit sustains: half of it succeeds in two hours, under every refill policy that does not adapt.
#[test]
fn a_run_shorter_than_the_window_succeeds_at_the_sustained_rate() {
    for law in ["bucket", "fixed", "sliding_log", "sliding_counter", "calendar"] {
        let found = success(&drive::summarize(&scenario(law, "tpd: 864000", "10/min", "2h", "")));
        assert!((found - 0.5).abs() < 0.05, "{law}: {found}");
    }
}

/// A client that paces by its quota estimate begins the run with the estimate that the days before leave, and not with a full
/// one, which it has only on its first day. So it serves as much as on any other day.
#[test]
fn a_client_that_paces_begins_with_the_estimate_of_the_day_before() {
    for law in ["bucket", "fixed", "sliding_log"] {
        for duration in ["1h", "6h"] {
            let mut paced = scenario(law, "tpd: 864000", "10/min", duration, "");
            paced.clients[0].pace = Pace::Tokens;
            let summary = drive::summarize(&paced);
            let found = success(&summary);
            assert!((found - 0.5).abs() < 0.05, "{law} {duration}: {found}");
        }
    }
}

/// Steps end with the run, so the days before repeat it: 10 jobs a minute on average, of which half is sustained.
#[test]
fn traffic_that_ends_with_the_run_is_repeated() {
    let yaml = "
duration: 2h
providers: {p: {models: {m: {limits: {rpd: 7200}, latency: {total: 200ms}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 30s, retry: {attempts: 2}}
workload: [{name: w, route: r, arrivals: {steps: [{at: 0s, rate: 5/min}, {at: 1h, rate: 15/min}]}, prompt: 60, completion: 60}]";
    let found = success(&drive::summarize(&parse(yaml)));
    assert!((found - 0.5).abs() < 0.05, "{found}");
}

/// 900 jobs at once every third day, and 500 a day besides: of a bucket of 1,000 a day, 800 are left of the next two days, so that it is full
/// again when the next burst arrives. The same burst every day would leave nothing.
#[test]
fn bursts_come_as_often_in_the_days_before_as_they_do_in_the_run() {
    let burst = |every: &str| {
        let yaml = format!(
            "
duration: 10m
providers: {{p: {{models: {{m: {{limits: {{rpd: 1000}}, latency: {{total: 200ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, concurrency: 2000, retry: {{attempts: 2}}}}
workload:
  - {{name: batch, route: r, arrivals: {{burst: 900, every: {every}}}, prompt: 60, completion: 60}}
  - {{name: rest, route: r, arrivals: {{poisson: 500/day}}, prompt: 60, completion: 60}}"
        );
        success(&drive::summarize(&parse(&yaml)))
    };
    assert!(burst("1d") < 0.6, "{}", burst("1d"));
    for every in ["3d", "40d", "366d"] {
        assert!(burst(every) > 0.98, "{every}: {}", burst(every));
    }
    // Windows hold many short intervals.
    assert!(burst("5m") < 0.02, "{}", burst("5m"));
}

#[test]
fn the_first_finding_names_a_window_that_is_long_compared_with_the_run() {
    let summary = drive::summarize(&scenario("bucket", "rpd: 1000", "10/min", "1h", ""));
    let Some(Finding::LongWindow(window)) = summary.findings.first() else {
        panic!("{:?}", summary.findings)
    };
    assert_eq!((window.axis.as_str(), window.window_s, window.sustained), ("rpd", 86_400.0, true));
    assert!(window.used_share > 0.99, "{window:?}");
    let long = drive::summarize(&scenario("bucket", "rpd: 1000", "10/min", "3d", ""));
    assert_eq!(long.long_window, None);
}

/// A run without a date represents the last part of a day, also of a calendar day. Before a run of two hours, 22 ÷ 24 of the limit are
/// therefore used. The day of the Pacific zone ends at 07:00 UTC in summer, so a run of twelve hours begins 7 h before its
/// end: the 10,200 jobs of the 17 h before have used all of it. The first sentence states where in its window the run begins.
#[test]
fn a_run_begins_near_the_end_of_a_longer_window_and_says_so() {
    let begins = |law: &str, duration: &str| {
        let summary = drive::summarize(&scenario(law, "rpd: 7200", "10/min", duration, ""));
        let window = summary.long_window.clone().expect("the window is long");
        (window.used_share, quotalab::report::verdict::sentences(&summary)[0].clone())
    };
    for (law, duration, left, used) in [
        ("calendar", "2h", "2 h", 22.0 / 24.0),
        ("calendar", "6h", "6 h", 18.0 / 24.0),
        ("calendar, zone: pacific", "6h", "6 h", 18.0 / 24.0),
        ("calendar, zone: pacific", "12h", "7 h", 1.0),
        ("fixed", "2h", "2 h", 22.0 / 24.0),
    ] {
        let (share, sentence) = begins(law, duration);
        assert!((share - used).abs() < 0.01, "{law} {duration}: {share}");
        let expected = match (law, duration) {
            ("fixed", _) | (_, "12h") => {
                format!("the run begins {left} before the end of a window, not at the start of one, with ")
            }
            _ => format!(
                "the run begins as if {left} before the end of a window, because `start` has no date, with "
            ),
        };
        assert!(sentence.contains(&expected), "{law} {duration}: {sentence}");
    }
    assert!(!begins("bucket", "2h").1.contains("before the end of a window"));
    assert!(!begins("sliding_log", "2h").1.contains("before the end of a window"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// The result of a run holds for every day: it succeeds as often as days 3 to 8 of the same traffic from full limits.
    #[test]
    fn a_sustained_day_is_the_mean_of_many_days(
        rpd in 200..3_000u32,
        // Near the limit, the traffic takes weeks to use up a full bucket, and the randomness of one day decides.
        multiple in prop_oneof![0.5..0.85f64, 1.4..4.0f64], shaped in any::<bool>(),
    ) {
        let rate = format!("{}/day", (f64::from(rpd) * multiple) as u32);
        let shape = if shaped { "[0,0,0,0,0,0,0.24,0.72,1.92,2.64,3.36,2.88,1.68,2.16,2.4,2.16,1.68,0.96,0.48,0.24,0.24,0.24,0,0]" } else { "flat" };
        let rate = if shaped { format!("{rate}, shape: {shape}") } else { rate };
        let limit = format!("rpd: {rpd}");
        let run = |duration: &str, rest: &str| drive::summarize(&scenario("bucket", &limit, &rate, duration, rest)).jobs;
        let (two, eight) = (run("2d", "start: full"), run("8d", "start: full"));
        let later = (eight.succeeded - two.succeeded) as f64 / (eight.offered - two.offered) as f64;
        let day = run("24h", "");
        let found = day.succeeded as f64 / day.offered as f64;
        prop_assert!((found - later).abs() < 0.06, "{found} of a day, {later} of later days");
    }
}
