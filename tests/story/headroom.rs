//! Headroom is the analytic ceiling ÷ the load, at the peak of the traffic if that bounds it, and is the same in the text of the
//! ceiling and in the summary of a run.

use super::parse;
use quotalab::ceiling::Ceiling;
use quotalab::drive;
use quotalab::scenario::Scenario;

const DAY: &str =
    "[0,0,0,0,0,0,0.24,0.72,1.92,2.64,3.36,2.88,1.68,2.16,2.4,2.16,1.68,0.96,0.48,0.24,0.24,0.24,0,0]";

fn scenario(limits: &str, arrivals: &str, duration: &str) -> Scenario {
    scenario_that_starts("full", limits, arrivals, duration)
}

fn scenario_that_starts(start: &str, limits: &str, arrivals: &str, duration: &str) -> Scenario {
    let yaml = format!(
        "
duration: {duration}
start: {start}
providers: {{p: {{models: {{m: {{limits: {{{limits}}}, latency: {{total: 1s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 3}}}}
workload: [{{name: chat, route: r, arrivals: {{{arrivals}}}, prompt: 1000, completion: 200, max_tokens: 200}}]
expect: [success >= 99%, headroom >= 3]"
    );
    parse(&yaml)
}

/// The mean would allow three times the load; the peak hour has 3.36 times the mean.
#[test]
fn a_peak_hour_bounds_the_headroom_of_a_limit_per_minute() {
    let scenario = scenario("tpm: 250k", &format!("poisson: 100000/day, shape: {DAY}"), "24h");
    let summary = drive::summarize(&scenario);
    let headroom = summary.ceiling.multiple.unwrap();
    // 250,000 tokens a minute are 208.3 jobs; the full bucket adds a minute to an hour, and the deadline of the last jobs,
    // less the second that a call takes, 29 s.
    let peak = 100_000.0 / 1_440.0 * 3.36;
    // One job in a hundred of the whole day may fail, all of them in that hour.
    let must_succeed = peak - 0.01 * 100_000.0 / 60.0;
    assert!(
        (headroom / (250.0 / 1.2 * (61.0 + 29.0 / 60.0) / 60.0 / must_succeed) - 1.0).abs() < 1e-3,
        "{headroom}"
    );
    assert!(summary.expect.iter().all(|expected| !expected.pass), "{:#?}", summary.expect);
    let found = summary.ceiling.peak.unwrap();
    assert_eq!((found.from_s, found.length_s), (36_000.0, 3_600.0));
    assert!((found.admitted / (found.offered - found.may_fail) / headroom - 1.0).abs() < 1e-6);
    let text = Ceiling::of(&scenario).describe(&scenario);
    assert!(
        text.contains("bound by the peak from 10:00 h for 1 h: 233 jobs/min offered, 213 jobs/min admitted by their deadline of 30s, the rules let 16.7 jobs/min fail"),
        "{text}"
    );
}

#[test]
fn the_headroom_of_a_limit_per_day_does_not_depend_on_the_shape_of_the_day() {
    let of_day = |arrivals: &str| scenario_that_starts("sustained", "rpd: 200k", arrivals, "24h");
    let (shaped, flat) =
        (of_day(&format!("poisson: 100000/day, shape: {DAY}")), of_day("poisson: 100000/day"));
    let of = |scenario: &Scenario| Ceiling::of(scenario);
    assert!(
        (of(&shaped).multiple - of(&flat).multiple).abs() < 1e-3,
        "{} {}",
        of(&shaped).multiple,
        of(&flat).multiple
    );
    assert_eq!((of(&shaped).peak, of(&flat).peak), (None, None));
}

/// A burst has to fit into the bucket and what refills until the deadline; all bursts share the failures that the rule allows.
#[test]
fn a_burst_is_bound_by_what_is_admitted_until_the_deadline() {
    let of = |duration| scenario("rpm: 60", "burst: 200, every: 10m", duration);
    let scenario = of("1h");
    let ceiling = Ceiling::of(&scenario);
    // Of the 1,200 jobs of six bursts 12 may fail.
    assert!((ceiling.multiple - 89.0 / 198.0).abs() < 1e-9, "{ceiling:#?}");
    let text = ceiling.describe(&scenario);
    assert!(
        text.contains(
            "bound by the 6 highest peaks (the busiest from 0:00 min); on average 200 jobs at once offered, 89 jobs admitted by \
             their deadline of 30s, the rules let 2 jobs fail"
        ),
        "{text}"
    );
    let served = drive::summarize(&scenario).jobs.succeeded;
    assert!(served <= 6 * 89, "{served} of 1,200");
    for duration in ["3h", "24h", "30d"] {
        assert!((Ceiling::of(&of(duration)).multiple - 89.0 / 198.0).abs() < 1e-9, "{duration}");
    }
}

/// The last job that is served begins a service time before its deadline, and a limit admits whole jobs.
#[test]
fn a_job_that_begins_at_its_deadline_is_not_admitted_in_time() {
    let scenario = scenario("rpm: 20", "burst: 40, every: 1h", "10m");
    let ceiling = Ceiling::of(&scenario);
    // 20 jobs at once, and 9 more within 29 s: a call of a second that begins later ends after the deadline of 30 s.
    assert!((ceiling.multiple - 29.0 / (40.0 - 0.4)).abs() < 1e-9, "{ceiling:#?}");
}
