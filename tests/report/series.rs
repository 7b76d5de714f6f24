//! The series of a result: the busiest minute of a bucket, fallbacks, cost per provider, incidents.

use super::scenario::scenario;
use super::{arrived, end, job_end, launch_day, launch_scenario, run};
use provider::config::{Fault, Incident};
use provider::{Axis, Instant, Nanos};
use quotalab::event::{EndReason, Event, EventKind, JobOutcome};
use quotalab::formatting::percent;
use quotalab::ids::JobId;
use quotalab::record::{Fold, Recorder, Summary, measure};
use quotalab::report::{charts, html};
use quotalab::scenario::Metric;

/// Returns the summary of a day with 70 jobs a minute, and 840 a minute from 10:00 to 10:03. Every job is shed at once.
pub(super) fn bursts() -> Summary {
    let limits: &[(Axis, u64)] = &[(Axis::Rpm, 600)];
    let scenario = scenario("bursts", Nanos::DAY, &[("groq/acme/small", limits)]);
    let mut recorder = Recorder::new(&scenario);
    let per_minute = |minute: u64| if (600..603).contains(&minute) { 840 } else { 70 };
    let arrivals = (0..1_440u64).flat_map(|minute| {
        let interval = Nanos::MINUTE.0 / per_minute(minute);
        (0..per_minute(minute)).map(move |place| Instant(minute * Nanos::MINUTE.0 + place * interval))
    });
    for (job, at) in (0..).map(JobId).zip(arrivals) {
        let end = job_end(JobOutcome::Shed(EndReason::QueueFull), at);
        for kind in [arrived(at), EventKind::Done(end)] {
            recorder.event(&Event { at, job, kind });
        }
    }
    recorder.finish(end(Instant(Nanos::DAY.0)))
}

#[test]
fn the_busiest_minute_of_a_bucket_is_as_high_as_the_burst() {
    let series = bursts().series;
    assert_eq!(series.step_s, 600.0);
    assert_eq!((series.busiest_minute[60], series.busiest_minute[61]), (840, 70));
    assert_eq!(series.offered[60], 3 * 840 + 7 * 70, "its mean is 301 a minute");
    assert!(run(&scenario("short", Nanos::HOUR, &[]), 0.0).series.busiest_minute.is_empty(), "steps of 15 s");
}

#[test]
fn fallbacks_and_costs_are_kept_where_there_are_any() {
    let day = launch_day();
    assert_eq!(day.series.fell_back.iter().sum::<u64>(), day.jobs.fell_back);
    let served_by_own_attempt = day.jobs.succeeded - day.jobs.cached - day.jobs.joined;
    assert_eq!(day.series.served.iter().sum::<u64>(), served_by_own_attempt);
    let overall = measure(Metric::FallbackShare, &day).expect("jobs were served");
    let title =
        charts(&day).into_iter().find(|chart| chart.name == "fallback").expect("jobs fell back").title;
    assert!(
        title.starts_with(&format!("{} of the jobs", percent(overall))),
        "the share that rules judge: {title}"
    );
    let costs = &day.series.cost_usd;
    assert_eq!(
        costs.keys().collect::<Vec<_>>(),
        day.series.fill.iter().map(|fill| &fill.target).rev().collect::<Vec<_>>()
    );
    for target in &day.targets {
        let sum: f64 = costs[&target.name].iter().sum();
        assert!((sum - target.cost_usd).abs() < 2e-6, "{sum} for {}", target.cost_usd);
    }
    let one = run(&scenario("one", Nanos::MINUTE, &[("groq/acme/small", &[])]), 0.0);
    assert!(one.series.fell_back.is_empty() && one.series.cost_usd.is_empty());
}

/// Returns the summary of the launch day with the incidents that the scenario states.
pub(super) fn incidents() -> Summary {
    let mut scenario = launch_scenario(26.0);
    let hours = |hours: u64| Instant(Nanos::HOUR.0 * hours);
    let fault = |fault, at, until| Incident { at, until, fault, share: 1.0 };
    scenario.providers[0].name = "groq".to_owned();
    scenario.providers[0].incidents =
        vec![fault(Fault::Status(503), hours(13), hours(14)), fault(Fault::Slow(4.0), hours(40), hours(41))];
    scenario.providers[1].name = "cerebras".to_owned();
    scenario.providers[1].incidents =
        vec![Incident { share: 0.2, ..fault(Fault::Timeout, hours(15), hours(23)) }];
    run(&scenario, 26.0)
}

#[test]
fn incidents_are_in_the_series_and_marked_in_every_chart_over_time() {
    let summary = incidents();
    let series = &summary.series;
    let named: Vec<_> = series.incidents.iter().map(|it| (it.provider.as_str(), it.fault.as_str())).collect();
    assert_eq!(named, [("groq", "503"), ("cerebras", "timeout")], "that at 40:00 comes after the run");
    assert_eq!((series.incidents[0].from_s, series.incidents[0].to_s), (46_800.0, 50_400.0));
    for chart in charts(&summary).iter().filter(|chart| chart.name != "time") {
        let names = "groq 503 from 13:00 h for 1 h; cerebras timeout (20 % of calls) from 15:00 h for 8 h";
        assert!(chart.note.contains(names), "{}: {}", chart.name, chart.note);
    }
}

/// Every line has a name, and so has every band: a page shows both without a pointer.
#[test]
fn lines_and_bands_of_a_page_are_named() {
    let page = html::render(&incidents());
    let (mut lines, mut bands) = (0, 0);
    for text in page.split("class=\"numbers\">").skip(1) {
        let json: serde_json::Value = serde_json::from_str(text.split_once("</script>").unwrap().0).unwrap();
        assert_eq!(json["across"], "time");
        let panels = json["panels"].as_array().unwrap().iter();
        for line in panels.flat_map(|panel| panel["lines"].as_array().unwrap()) {
            assert!(!line["name"].as_str().unwrap().is_empty());
            lines += 1;
        }
        let names: Vec<_> = json["bands"].as_array().unwrap().iter().map(|band| &band["name"]).collect();
        assert_eq!(names, ["groq 503", "cerebras timeout"]);
        bands += names.len();
    }
    assert!(lines > 10 && bands == 2 * 5, "{lines} lines, {bands} bands");
}

#[test]
fn the_traffic_chart_is_as_high_as_the_burst() {
    let charts = charts(&bursts());
    let traffic = charts.iter().find(|chart| chart.name == "traffic").expect("jobs arrived");
    assert!(traffic.title.contains("840"), "{}", traffic.title);
    assert!(traffic.inline().contains("busiest minute"));
}
