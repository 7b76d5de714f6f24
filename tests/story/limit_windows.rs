//! Limits over other windows than a minute and a day: when each refuses, and when it admits again.

use super::{Story, run};
use provider::Axis;
use quotalab::ceiling::Ceiling;
use quotalab::drive;
use quotalab::event::{AttemptOutcome, EventKind, RefusalCause};
use std::collections::BTreeMap;

/// Jobs of 600 prompt tokens and 100 completion tokens against some limits; each has one attempt, which is sent on arrival.
fn limited(limits: &str, arrivals: &str, duration: &str) -> Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{limits: {limits}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: {duration}
client: {{concurrency: 1000, cool_down: off, retry: {{attempts: 1}}}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 600, completion: 100, max_tokens: 100}}]"
    ))
}

/// Returns the number of calls that each axis refused, as the replies state it.
fn refusals(story: &Story) -> BTreeMap<&'static str, usize> {
    let mut refusals = BTreeMap::new();
    for event in &story.events {
        if let EventKind::Replied { outcome: AttemptOutcome::Refused { axis: Some(axis), .. }, .. } =
            &event.kind
        {
            *refusals.entry(axis.name()).or_default() += 1;
        }
    }
    refusals
}

/// Returns the hours of the run at which jobs that were served ended, rounded down, with their number.
fn served_by_hour(story: &Story) -> Vec<(u64, usize)> {
    let mut hours = BTreeMap::new();
    for (at, end) in story.ends() {
        if end.outcome == quotalab::event::JobOutcome::Succeeded {
            *hours.entry(at.0 / provider::Nanos::HOUR.0).or_default() += 1;
        }
    }
    hours.into_iter().collect()
}

#[test]
fn a_window_that_begins_with_the_first_request_follows_the_traffic_and_not_the_clock() {
    let served = |law: &str| {
        let limits = format!("{{requests: {{limit: 3, per: 5h, law: {law}}}}}");
        served_by_hour(&limited(&limits, "{burst: 4, every: 2h}", "13h"))
    };
    // Opened at 0, 6 and 12 h: each is open for five hours.
    assert_eq!(served("first_request"), [(0, 3), (6, 3), (12, 3)]);
    // From 0 to 5, 5 to 10, and 10 to 15 h.
    assert_eq!(served("fixed"), [(0, 3), (6, 3), (10, 3)]);
}

#[test]
fn a_client_that_obeys_the_wait_is_served_when_the_window_ends_and_so_opens_the_next() {
    let story = run(
        "
providers: {p: {models: {m: {limits: {requests: {limit: 1, per: 5h, law: first_request}}, latency: {total: 0s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 7h
client: {deadline: 12h, retry: {attempts: 2, backoff: {jitter: none}}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 3h}, prompt: 10, completion: 10}]",
    );
    // The job of 3 h waits until 5 h and opens a window until 10 h, for which that of 6 h waits.
    assert_eq!(served_by_hour(&story), [(0, 1), (5, 1), (10, 1)]);
    let causes = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Replied { outcome: AttemptOutcome::Refused { axis, cause }, .. } => Some((axis, cause)),
        _ => None,
    });
    assert!(causes.clone().next().is_some());
    assert!(causes.clone().all(|known| known == (Some(Axis::Requests), RefusalCause::Allowance)));
}

#[test]
fn a_limit_per_minute_that_is_enforced_in_parts_refuses_bursts_below_it() {
    // 150 at once fit into 600 per minute, and not into 100 per ten seconds or 10 per second.
    let refused = |limits: &str| refusals(&limited(limits, "{burst: 150, every: 1m}", "1m"));
    assert_eq!(refused("{rpm: 600}"), BTreeMap::new());
    assert_eq!(refused("{rpm: 600, requests: {limit: 100, per: 10s}}"), BTreeMap::from([("requests", 50)]));
    assert_eq!(refused("{rpm: 600, rps: 10}"), BTreeMap::from([("rps", 140)]));
    // 700 tokens a call: 100 calls per second, 50 per hour; the longest wait is reported.
    assert_eq!(refused("{tps: 70k, tph: 35k}"), BTreeMap::from([("tph", 100)]));
}

#[test]
fn calendar_weeks_begin_on_monday_and_calendar_months_on_the_first() {
    let served =
        |limits: &str, duration: &str| limited(limits, "{burst: 1, every: 1d}", duration).succeeded();
    // The run begins on Sunday, 2026-11-01: one job on that day, then two per week from Monday.
    assert_eq!(served("{rpw: {limit: 2, law: calendar}}", "15d"), 1 + 2 + 2);
    // Weeks from the start of the run: Sunday to Saturday.
    assert_eq!(served("{rpw: {limit: 2, law: fixed}}", "15d"), 2 + 2 + 1);
    // Ten in November, and ten from 1 December, day 30 of the run.
    assert_eq!(served("{rpmonth: {limit: 10, law: calendar}}", "50d"), 20);
    // A bucket of ten refills one in three days: it is empty on day 14 (10 + 14 ÷ 3 < 15), then serves one in three days.
    assert_eq!(served("{rpmonth: 10}", "48d"), 10 + 47 / 3);
    // The same in tokens of 700 a call.
    assert_eq!(served("{tpw: {limit: 1400, law: calendar}}", "15d"), 5);
    assert_eq!(served("{tpmonth: {limit: 7k, law: calendar}}", "50d"), 20);
}

/// A minute or five hours are no periods of the calendar: such limits count by fixed windows, in the run, in the levels at which it
/// begins, and in the ceiling.
#[test]
fn calendar_limits_over_other_windows_than_days_weeks_and_months_are_fixed() {
    let story = |law: &str, limits: &str| {
        let story = limited(&limits.replace("LAW", law), "{poisson: 10/min}", "6h");
        let succeeded = story.succeeded();
        let scenario = drive::with_start_levels(story.scenario);
        (
            scenario.providers[0].models[0].limits.clone(),
            scenario.providers[0].start_levels.clone(),
            succeeded,
        )
    };
    for limits in [
        "{requests: {limit: 1200, per: 5h, law: LAW}}",
        "{rph: {limit: 400, law: LAW}}",
        "{rps: {limit: 1, law: LAW}}",
        "{law: LAW, tph: 280k, rpm: 5}",
    ] {
        let calendar = story("calendar", limits);
        assert_eq!(calendar, story("fixed", limits), "{limits}");
        assert_eq!(calendar, story("calendar, zone: pacific", limits), "{limits}");
    }
    // The first run is bound by each of the windows of five hours in it.
    let first_run = |law: &str| {
        let limits = format!("{{requests: {{limit: 1200, per: 5h, law: {law}}}}}");
        Ceiling::of(&limited(&limits, "{poisson: 10/min}", "6h").scenario).first_run.jobs_per_min
    };
    assert_eq!(first_run("calendar"), first_run("fixed"));
}

#[test]
fn uncached_input_tokens_are_limited_beside_all_tokens() {
    let ceiling = |limits: &str| {
        let story = run(&format!(
            "
providers: {{p: {{reserve: {{estimate: prompt, cached: counted}}, models: {{m: {{limits: {limits}, latency: {{total: 0s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1h
client: {{retry: {{attempts: 1}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 7/min}}, prompt: 1000, cached_prompt: 600, completion: 100}}]"
        ));
        let Ceiling { binding, .. } = Ceiling::of(&story.scenario);
        let of_axis = Ceiling::of(&story.scenario).targets[0].axes.clone();
        let each: Vec<_> = of_axis.iter().map(|axis| (axis.axis, axis.limit, axis.jobs_per_min)).collect();
        (binding.map(|(_, axis)| axis), each, story.refused_by_a_limit())
    };
    // Over an hour the buckets admit one full limit more: 61 ÷ 60 of what they refill.
    let once = 61.0 / 60.0;
    let (binding, each, refused) = ceiling("{tpm: 11k, uitpm: 3k}");
    assert_eq!((binding, refused), (Some(Axis::Uitpm), 0));
    for ((axis, limit, found), (jobs, of)) in each.into_iter().zip([(10.0, Axis::Tpm), (7.5, Axis::Uitpm)]) {
        assert_eq!(axis, of);
        assert!((found - jobs * once).abs() < 1e-6, "{axis} {limit}: {found}");
    }
    // Cached tokens count on the other axes.
    let (binding, each, refused) = ceiling("{tpm: 5500}");
    assert_eq!((binding, refused > 0), (Some(Axis::Tpm), true));
    assert!((each[0].2 - 5.0 * once).abs() < 1e-6, "{each:?}");
}

#[test]
fn a_ceiling_counts_the_windows_of_a_limit_whatever_their_length() {
    let ceiling = |limits: &str, duration: &str| {
        let story = run(&format!(
            "
providers: {{p: {{models: {{m: {{limits: {limits}, latency: {{total: 0s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: {duration}
workload: [{{name: w, route: r, arrivals: {{constant: 6/h}}, prompt: 10, completion: 10}}]"
        ));
        Ceiling::of(&story.scenario).jobs_per_min * 60.0
    };
    // 50 in five hours, sustained: 10 an hour, whether the windows follow the clock or the traffic.
    for law in ["first_request", "fixed", "bucket", "sliding_log"] {
        let found = ceiling(&format!("{{requests: {{limit: 50, per: 5h, law: {law}}}}}"), "2h");
        assert!((found - 10.0).abs() < 1e-9, "{law}: {found}");
    }
    // The week admits less: 840 in 168 hours.
    let both = ceiling(
        "{requests: {limit: 50, per: 5h, law: first_request}, rpw: {limit: 840, law: first_request}}",
        "2h",
    );
    assert!((both - 5.0).abs() < 1e-9, "{both}");
    // 3,600 a month of 30 days: 5 an hour.
    let month = ceiling("{rpmonth: 3600}", "2h");
    assert!((month - 5.0).abs() < 1e-9, "{month}");
}

/// Bedrock takes prompt and `max_tokens` when it admits a call, and counts its output five times when it has ended.
#[test]
fn output_that_counts_five_times_lowers_what_a_limit_of_tokens_admits() {
    let run_with = |tpm: &str, sizes: &str, weight: u32| {
        run(&format!(
            "
providers: {{p: {{reserve: {{output_weight: {weight}}}, models: {{m: {{limits: {{tpm: {tpm}}}, latency: {{total: 2s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
start: full
duration: 10h
client: {{retry: {{attempts: 1}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 4/min}}, {sizes}}}]"
        ))
    };
    let ceiling = |tpm: &str, sizes: &str, weight: u32| {
        Ceiling::of(&run_with(tpm, sizes, weight).scenario).jobs_per_min / (601.0 / 600.0)
    };
    let short = "prompt: 50, completion: 20, max_tokens: 20";
    assert!((ceiling("10k", short, 5) - 10_000.0 / 150.0).abs() < 1e-6);
    assert!((ceiling("10k", short, 1) - 10_000.0 / 70.0).abs() < 1e-6);
    // 6,050 of 10,000 are reserved for two seconds, in which 333 refill: one call at a time, 30 a minute.
    let long = ceiling("10k", "prompt: 50, completion: 20, max_tokens: 6000", 5) * (601.0 / 600.0);
    assert!((long - 30.0).abs() < 1e-6, "{long}");
    // AWS's own examples: 10 in and 750 out count 3,760; 2,005 in and 200 out count 3,005. The limit refills just these.
    for (sizes, counted) in [
        ("prompt: 10, completion: 750, max_tokens: 750", 3_760),
        ("prompt: 2005, completion: 200, max_tokens: 200", 3_005),
    ] {
        let refused = |tpm: u32| run_with(&tpm.to_string(), sizes, 5).refused_by_a_limit();
        assert_eq!(refused(4 * counted), 0, "{sizes}");
        // Forty less per minute: after ten hours 24,000 tokens are missing, more than the bucket holds.
        assert!(refused(4 * counted - 40) > 0, "{sizes}");
    }
}
