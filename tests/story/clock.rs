//! Runs that begin at a date: shapes and bursts by the local clock, calendar limits, incidents at a time, and the text of instants.

use super::parse;
use provider::{Instant, Nanos};
use quotalab::drive;
use quotalab::load::Load;
use quotalab::record::Summary;
use quotalab::report::{self, Style};
use quotalab::scenario::{self, Overrides, Scenario};

fn scenario(head: &str, limits: &str, arrivals: &str) -> Scenario {
    parse(&format!(
        "
{head}
providers: {{p: {{models: {{m: {{limits: {{{limits}}}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 1}}, cool_down: off}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 60, completion: 60}}]
"
    ))
}

/// Returns the hours from the start of the run in which jobs arrive, each once.
fn hours_with_jobs(scenario: &Scenario) -> Vec<u64> {
    let mut load = Load::new(scenario);
    let mut hours: Vec<u64> = std::iter::from_fn(|| load.next())
        .map(|arrival| arrival.job.scheduled.since(Instant::ZERO).0 / Nanos::HOUR.0)
        .collect();
    hours.dedup();
    hours
}

/// All jobs come in the hour from 9 of the local day. In Berlin summer time ended at 3 on 2026-10-25, a day of 25 hours, and began at 2
/// on 2026-03-29, a day of 23.
#[test]
fn shapes_and_bursts_follow_the_local_clock_through_changes_of_summer_time() {
    let at_nine: Vec<&str> = (0..24).map(|hour| if hour == 9 { "1" } else { "0" }).collect();
    let shaped = format!("{{constant: 240/day, shape: {{weights: [{}]}}}}", at_nine.join(", "));
    for (start, hours) in [
        ("2026-10-24T08:00 Europe/Berlin", [1, 26, 50]),
        ("2026-03-28T08:00 Europe/Berlin", [1, 24, 48]),
        ("2026-10-24T08:00 UTC", [1, 25, 49]),
    ] {
        let head = format!("duration: 3d\nstart: {start}");
        assert_eq!(hours_with_jobs(&scenario(&head, "rpm: 600", &shaped)), hours, "{start}");
        let burst = "{burst: 5, at: 1h}";
        assert_eq!(hours_with_jobs(&scenario(&head, "rpm: 600", burst)), hours, "{start}");
        let steps = "{steps: [{at: 1h, rate: 60/min}, {at: 2h, rate: 0/min}], every: 1d}";
        assert_eq!(hours_with_jobs(&scenario(&head, "rpm: 600", steps)), hours, "{start}");
        // Not whole days: by elapsed time.
        let elapsed = scenario(&head, "rpm: 600", "{burst: 5, at: 1h, every: 24h30m}");
        assert_eq!(hours_with_jobs(&elapsed), [1, 25, 50], "{start}");
    }
    let dated = "{burst: 5, at: 2026-10-26T09:30}";
    let head = "duration: 3d\nstart: 2026-10-24T08:00 Europe/Berlin";
    assert_eq!(hours_with_jobs(&scenario(head, "rpm: 600", dated)), [50]);
}

/// 2026-12-05 is a Saturday: of a run from its noon, the jobs of weekdays come from Monday's midnight on, 36 hours later.
#[test]
fn the_week_of_a_shape_begins_on_the_monday_of_the_calendar() {
    let week: Vec<&str> = (0..168).map(|hour| if hour < 120 { "1" } else { "0" }).collect();
    let shaped = format!("{{constant: 1/h, shape: {{weights: [{}]}}}}", week.join(", "));
    let run = scenario("duration: 4d\nstart: 2026-12-05T12:00 Europe/Berlin", "rpm: 600", &shaped);
    assert_eq!(hours_with_jobs(&run).first(), Some(&36));
}

/// 8 requests a day, and one job each hour. From 22:00 UTC two come before midnight, then eight of the new day are admitted. The midnight of
/// the Pacific zone is at 8:00 UTC in winter, ten hours after the start, and at 7:00 in summer.
#[test]
fn calendar_limits_reset_at_the_midnight_of_their_zone() {
    let run = |zone: &str, start: &str| {
        let limit = format!("rpd: {{limit: 8, law: calendar, zone: {zone}}}");
        let head = format!("duration: 24h\nstart: {start}");
        let summary = drive::summarize(&scenario(&head, &limit, "{constant: 1/h}"));
        (summary.jobs.succeeded, summary.first_refusal.expect("a refusal").at_s / 3_600.0)
    };
    let full = |at: &str| format!("{{at: {at}, level: full}}");
    // The first refusal is the ninth job of a day, apart from the network's delay.
    let close = |(succeeded, hour): (u64, f64), (expected, at): (u64, f64)| {
        assert!(succeeded == expected && (hour - at).abs() < 0.01, "{succeeded} {hour}, not {expected} {at}");
    };
    close(run("utc", &full("2026-12-01T22:00 UTC")), (2 + 8, 10.0));
    close(run("utc", &full("2026-12-01T23:00 Europe/Berlin")), (2 + 8, 10.0));
    close(run("pacific", &full("2026-12-01T22:00 UTC")), (8 + 8, 8.0));
    close(run("pacific", &full("2026-07-01T22:00 UTC")), (8 + 8, 8.0));
    close(run("utc", "full"), (8, 8.0));
}

const DATED: &str = "
name: dated
duration: 6h
start: {at: 2026-12-01T08:00 Europe/Berlin, level: full}
providers: {p: {models: {m: {limits: {rpm: 60}, latency: {total: 100ms}}}, incidents: [{at: 2026-12-01T09:00, for: 30m, fault: 500}]}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 30s, retry: {attempts: 1}, cool_down: off}
workload: [{name: w, route: r, arrivals: {poisson: 30/min}, prompt: 60, completion: 60}]
";

fn dated() -> Summary {
    drive::summarize(&parse(DATED))
}

#[test]
fn instants_of_a_dated_run_are_local_times() {
    let summary = dated();
    assert_eq!(summary.starts_at.as_deref(), Some("2026-12-01T08:00 Europe/Berlin"));
    let text = report::text::render(&summary, Style::Plain);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("6 h of traffic from 2026-12-01T08:00 Europe/Berlin"), "{text}");
    // The incident is the worst window.
    assert!(words.contains("from 2026-12-01 09:"), "{text}");
    assert!(parse(DATED).describe().contains("2026-12-01T08:00 Europe/Berlin"));
    // A result that is read again has the same text.
    let read: Summary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
    assert_eq!(report::text::render(&read, Style::Plain), text);
    let incident = &parse(DATED).providers[0].incidents[0];
    assert_eq!(incident.at, Instant::ZERO + Nanos::HOUR);
}

#[test]
fn a_date_needs_a_start_with_a_date_and_a_zone() {
    let read = |from: &str, to: &str| {
        let text = DATED.replace(from, to);
        scenario::parse("dated.yaml", &text, &Overrides::default(), None).expect_err(to).to_string()
    };
    let start = "{at: 2026-12-01T08:00 Europe/Berlin, level: full}";
    for (from, to, expected) in [
        (start, "2026-12-01T08:00", "add the zone"),
        (start, "2026-12-01T08:00 Europe/Berlinn", "unknown time zone"),
        (start, "2026-03-29T02:30 Europe/Berlin", "clocks skip this time"),
        (start, "fulll", "did you mean `full`"),
        (start, "full", "is a date, and the run has none"),
        ("2026-12-01T09:00", "2026-11-30T09:00", "is before the start"),
        ("fault: 500", "fault: {late_first_token: 2026-12-01T09:00}", "not a duration"),
        ("fault: 500", "fault: {clock_behind: 2026-12-01T09:00}", "not a duration"),
    ] {
        let problems = read(from, to);
        assert!(problems.contains(expected), "{to}: {problems}");
    }
}

/// Summer time ends in Berlin on 2026-10-25. The incident from 23:15 to 23:45 on the 27th has one of the two jobs of that hour, so on the
/// local day of the 27th, from its midnight on, 47 of 48 jobs succeed.
#[test]
fn whole_days_of_rules_follow_the_local_clock() {
    let summary = drive::summarize(&parse(
        "
duration: 6d
start: {at: 2026-10-24T00:00 Europe/Berlin, level: full}
providers: {p: {models: {m: {limits: {rpm: 1000}, latency: {total: 100ms, network: 0s}}}, incidents: [{at: 2026-10-27T23:15, for: 30m, fault: 503}]}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 30s, retry: {attempts: 1}, cool_down: off}
workload: [{name: w, route: r, arrivals: {constant: 2/h}, prompt: 60, completion: 60}]
expect: ['success >= 97% every day']
",
    ));
    let rule = &summary.expect[0];
    // 24 h and 25 h, and two days of 24 h: 97 h.
    assert_eq!(rule.at_s, Some(73.0 * 3_600.0), "{rule:?}");
    assert!((rule.actual.expect("a value") - 47.0 / 48.0).abs() < 1e-3, "{rule:?}");
}
