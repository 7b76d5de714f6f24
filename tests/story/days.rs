//! Traffic that repeats by day or week: bursts at a time, steps, and shapes by the hour of the week or by the minute.

use super::parse;
use quotalab::drive;
use quotalab::record::Summary;
use quotalab::report;
use quotalab::scenario::Note;

fn run(duration: &str, limit: &str, arrivals: &str) -> Summary {
    let yaml = format!(
        "
duration: {duration}
start: full
providers: {{p: {{models: {{m: {{limits: {{{limit}}}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 1}}, cool_down: off}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 60, completion: 60}}]
"
    );
    drive::summarize(&parse(&yaml))
}

/// 50 jobs at nine o'clock of each of three days, and a bucket of 30: 30 are served each day.
#[test]
fn a_burst_at_a_time_repeats_every_day() {
    let summary = run("3d", "rpm: 30", "{burst: 50, at: 9h}");
    assert_eq!((summary.jobs.offered, summary.jobs.succeeded), (150, 90));
    // Every six hours from three o'clock: at 3, 9, 15 and 21 of each day.
    let summary = run("3d", "rpm: 30", "{burst: 50, at: 3h, every: 6h}");
    assert_eq!((summary.jobs.offered, summary.jobs.succeeded), (600, 360));
    assert_eq!(run("9h", "rpm: 30", "{burst: 50, at: 9h}").jobs.offered, 0);
}

/// 60 per hour from 8 to 18 of each day are 600 a day. Without `every`, they are all of the first day, and a note says so.
#[test]
fn steps_repeat_if_they_are_asked_to() {
    let steps = "steps: [{at: 8h, rate: 60/h}, {at: 18h, rate: 0/h}]";
    let daily = run("4d", "rpm: 600", &format!("{{{steps}, every: 1d}}"));
    assert!(daily.jobs.offered.abs_diff(2_400) < 200, "{}", daily.jobs.offered);
    assert!(!daily.notes.iter().any(|note| matches!(note, Note::LastStep { .. })));
    let once = run("4d", "rpm: 600", &format!("{{{steps}}}"));
    assert!(once.jobs.offered.abs_diff(600) < 100, "{}", once.jobs.offered);
    let note = once.notes.iter().find(|note| matches!(note, Note::LastStep { .. })).expect("a note");
    assert_eq!(*note, Note::LastStep { workload: "w".into(), at_s: 18.0 * 3_600.0, run_s: 4.0 * 86_400.0 });
    assert!(
        report::notes::sentences(&once.notes)
            .iter()
            .any(|note| note.contains("the last step of w, at day 1 18:00 h, lasts for the other 3 d 6 h"))
    );
}

/// 35 a day are 245 a week. All arrive at ten o'clock of Monday to Friday: 49 on each of these days, and none on Saturday and Sunday.
#[test]
fn the_hours_of_a_week_begin_on_monday() {
    let day = |is_workday: bool| (0..24).map(move |hour| if is_workday && hour == 10 { "1" } else { "0" });
    let week = (0..7).flat_map(|weekday| day(weekday < 5)).collect::<Vec<_>>().join(", ");
    let arrivals = format!("{{constant: 35/day, shape: {{weights: [{week}]}}}}");
    assert_eq!(run("1d", "rpm: 600", &arrivals).jobs.offered, 49);
    assert_eq!(run("6d", "rpm: 600", &arrivals).jobs.offered, 245);
    assert_eq!(run("14d", "rpm: 600", &arrivals).jobs.offered, 490);
}

/// 120,000 a day. The hour from 10 has 14 % of them, and its first three minutes 15 % of that: 840 a minute against 600. Windows of a
/// minute admit 600 in each of the three: 720 of the 2,520 are refused, 0.6 % of the day.
#[test]
fn the_minutes_of_an_hour_show_what_its_mean_hides() {
    let weights = |count: usize, is_busy: fn(usize) -> bool, busy: &str, other: &str| {
        (0..count).map(|index| if is_busy(index) { busy } else { other }.to_owned()).collect::<Vec<_>>()
    };
    // 322 of 322 + 23 · 86 are 14 %; 3 · 285 of 3 · 285 + 57 · 85 are 15 %.
    let hours = weights(24, |hour| hour == 10, "322", "86");
    let minutes = weights(60, |minute| minute < 3, "285", "85");
    let arrivals = |minutes: &str| {
        format!("{{constant: 120000/day, shape: {{weights: [{}]{minutes}}}}}", hours.join(", "))
    };
    let fixed = "rpm: {limit: 600, law: fixed}";
    assert_eq!(run("1d", fixed, &arrivals("")).jobs.succeeded, 120_000);
    let peaks = run("1d", fixed, &arrivals(&format!(", minutes: [{}]", minutes.join(", "))));
    let refused = peaks.jobs.offered - peaks.jobs.succeeded;
    assert!(peaks.jobs.offered.abs_diff(120_000) <= 1 && refused.abs_diff(720) <= 3, "{refused}");
}
