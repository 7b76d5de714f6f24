//! Calendar limits begin with what the traffic has used since their window began.

use super::parse;
use provider::Axis;
use quotalab::drive;
use quotalab::scenario::Scenario;

fn scenario(start: &str, duration: &str, limits: &str, arrivals: &str) -> Scenario {
    parse(&format!(
        "
duration: {duration}
{start}
providers: {{p: {{law: calendar, models: {{m: {{limits: {{{limits}}}, latency: {{total: 1s, network: 0s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 10s, retry: {{attempts: 1}}, cool_down: off}}
workload: [{{name: c, route: r, arrivals: {arrivals}, prompt: 1, completion: 10}}]
"
    ))
}

/// Returns what is used of a limit when the run begins.
fn used(scenario: &Scenario, axis: Axis) -> u64 {
    let scenario = drive::with_start_levels(scenario.clone());
    let mut levels = scenario.providers[0].start_levels.iter();
    levels.find(|level| level.axis == axis).map_or(0, |level| level.used)
}

fn first_sentence(scenario: &Scenario) -> String {
    quotalab::report::verdict::sentences(&drive::summarize(scenario))[0].clone()
}

/// 2026-10-20 is a Tuesday: one day of 20 jobs comes after the Monday's midnight, however long the run is.
#[test]
fn a_week_begins_on_its_monday_whatever_the_duration() {
    for duration in ["2d", "5d", "7d", "10d", "14d", "31d"] {
        let run = scenario("start: 2026-10-20T00:00 UTC", duration, "rpw: 100", "{constant: 20/day}");
        assert_eq!(used(&run, Axis::Rpw), 20, "{duration}");
    }
    let run = scenario("start: 2026-10-20T00:00 UTC", "2d", "rpw: 100", "{constant: 20/day}");
    let summary = drive::summarize(&run);
    assert_eq!((summary.jobs.offered, summary.jobs.succeeded), (40, 40));
    let sentence = first_sentence(&run);
    let expected = "the run begins 6 d before the end of a window, not at the start of one, with 20 % of that limit used";
    assert!(sentence.contains(expected), "{sentence}");
}

/// Of the week from Monday, September 28, three days of 20 jobs come before October, so the week admits 40 in October. The next two
/// weeks admit 100 each. With Monday, October 19, that makes 260 in the month, and 20 in the week.
#[test]
fn a_week_and_a_month_are_used_together() {
    for duration in ["14d", "20d", "31d", "40d"] {
        let limits = "rpw: 100, rpmonth: 400";
        let run = scenario("start: 2026-10-20T00:00 UTC", duration, limits, "{constant: 20/day}");
        assert_eq!((used(&run, Axis::Rpw), used(&run, Axis::RpMonth)), (20, 260), "{duration}");
    }
}

#[test]
fn a_month_begins_on_the_first() {
    for (start, duration, limit, rate, expected) in [
        ("2026-10-20T00:00 UTC", "20d", 500, "20/day", 19 * 20),
        // Of 1,000 the load uses 62 % per month.
        ("2026-10-25T00:00 UTC", "20d", 1_000, "20/day", 24 * 20),
        ("2027-01-11T00:00 UTC", "31d", 30_000, "1200/day", 10 * 1_200),
        ("2027-01-11T00:00 UTC", "1d", 30_000, "1200/day", 10 * 1_200),
        // No more than the limit admits.
        ("2026-10-20T00:00 UTC", "20d", 300, "20/day", 300),
        ("2026-10-01T00:00 UTC", "20d", 500, "20/day", 0),
    ] {
        let (limits, arrivals) = (format!("rpmonth: {limit}"), format!("{{constant: {rate}}}"));
        let run = scenario(&format!("start: {start}"), duration, &limits, &arrivals);
        assert_eq!(used(&run, Axis::RpMonth), expected, "{start} {duration} {limit}");
    }
    let day = scenario("start: 2027-01-11T00:00 UTC", "1d", "rpmonth: 30000", "{constant: 1200/day}");
    let sentence = first_sentence(&day);
    assert!(sentence.contains("begins 21 d before the end of a window"), "{sentence}");
    assert!(sentence.contains("with 40 % of that limit used"), "{sentence}");
}

/// 8 h after midnight, 80 of 200 requests are used. Without a date the run is the last 8 h of a day.
#[test]
fn a_day_begins_at_the_midnight_before_the_start() {
    let run = |start| scenario(start, "8h", "rpd: 200", "{constant: 10/h}");
    let dated = run("start: 2026-10-20T08:00 UTC");
    assert_eq!(used(&dated, Axis::Rpd), 80);
    assert_eq!(drive::summarize(&dated).jobs.succeeded, 80);
    let sentence = first_sentence(&dated);
    assert!(sentence.contains("begins 16 h before the end of a window"), "{sentence}");
    let undated = run("");
    assert_eq!(used(&undated, Axis::Rpd), 200 * 16 / 24);
    let summary = drive::summarize(&undated);
    let sentences = quotalab::report::verdict::sentences(&summary).join(" ");
    assert!(
        sentences.contains("as if 8 h before the end of a window, because `start` has no date"),
        "{sentences}"
    );
}

/// 20 jobs an hour until noon and none later; bursts at 9:00 and every third hour, of which those at 0:00, 3:00 and 6:00 come before; and a
/// day of 25 hours, of which 21 have passed at 20:00.
#[test]
fn the_traffic_before_has_the_times_of_the_calendar() {
    let weights: Vec<&str> = (0..24).map(|hour| if hour < 12 { "1" } else { "0" }).collect();
    let mornings = format!("{{constant: 10/h, shape: {{weights: [{}]}}}}", weights.join(", "));
    let steps = "{steps: [{at: 1h, rate: 600/h}, {at: 2h, rate: 0/h}], every: 1d}";
    for (start, limit, arrivals, expected, tolerance) in [
        ("2026-10-20T08:00 UTC", "250", mornings.as_str(), 160, 1),
        ("2026-10-20T18:00 UTC", "250", mornings.as_str(), 240, 1),
        ("2026-10-20T08:00 UTC", "35", "{burst: 5, at: 1h, every: 3h}", 15, 0),
        ("2026-11-01T20:00 America/Los_Angeles", "{limit: 220, zone: pacific}", "{constant: 10/h}", 210, 0),
        // The steps are from 9:00 to 10:00, from 23:30 to 0:30, and from 0:30 to 1:30.
        ("2026-10-20T08:00 UTC", "700", steps, 0, 0),
        ("2026-10-20T22:30 UTC", "700", steps, 300, 30),
        ("2026-10-20T23:30 UTC", "700", steps, 600, 40),
    ] {
        let limits = format!("rpd: {limit}");
        let run = scenario(&format!("start: {start}"), "4h", &limits, arrivals);
        let found = used(&run, Axis::Rpd);
        assert!(found.abs_diff(expected) <= tolerance, "{start} {limit} {arrivals}: {found}, not {expected}");
    }
}

/// Steps that do not repeat end with the run of 8 h, which is repeated: before 20:00 it runs from 12:00 and from 4:00, and of the
/// repetition from 20:00 of the day before, the second half comes after midnight, with 15 jobs an hour: 60 + 80 + 80.
#[test]
fn traffic_that_ends_with_the_run_is_repeated_back_to_back() {
    let steps = "{steps: [{at: 0s, rate: 5/h}, {at: 4h, rate: 15/h}]}";
    let run = scenario("start: 2026-10-20T20:00 UTC", "8h", "rpd: 300", steps);
    let found = used(&run, Axis::Rpd);
    assert!(found.abs_diff(220) <= 15, "{found}");
    let sentence = quotalab::report::verdict::sentences(&drive::summarize(&run)).join(" ");
    assert!(sentence.contains("if the run is repeated around the clock every day"), "{sentence}");
    // In 19 days there are 27,360 such minutes. The last 1,000 stand for all of them.
    let minute =
        scenario("start: 2026-10-20T00:00 UTC", "1m", "rpmonth: 4M", "{steps: [{at: 0s, rate: 1/s}]}");
    let found = used(&minute, Axis::RpMonth);
    assert!(found.abs_diff(27_360 * 60) < 27_360 * 2, "{found}");
}
