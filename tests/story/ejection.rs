//! Failures in a row eject a target, unless it is the last one in use; after the ejection one attempt probes it.

use super::{Story, run};
use provider::{Axis, Instant};
use quotalab::event::{EndReason, EventKind, JobOutcome, Obstacle, RefusalCause, WaitReason};

/// Two targets: `p` with an incident, and `q` in the next step.
fn two_targets(incident: &str, duration: &str, rate: &str, client: &str) -> Story {
    run(&format!(
        "
providers:
  p: {{accounts: {{a: [k]}}, models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{incident}]}}
  q: {{accounts: {{a: [k]}}, models: {{m: {{latency: {{total: 100ms}}}}}}}}
routes: {{r: [{{of: [p/a/m]}}, {{of: [q/a/m]}}]}}
duration: {duration}
client: {{{client}}}
workload: [{{name: w, route: r, arrivals: {{constant: {rate}}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ))
}

/// One target that answers after `total`; `provider` is further YAML entries of its provider.
fn one_target(provider: &str, total: &str, client: &str) -> Story {
    run(&format!(
        "
providers: {{p: {{accounts: {{a: [k]}}, models: {{m: {{latency: {{total: {total}}}}}}}{provider}}}}}
routes: {{r: [{{of: [p/a/m]}}]}}
duration: 10m
client: {{{client}}}
workload: [{{name: w, route: r, arrivals: {{constant: 1/s}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ))
}

impl Story {
    /// The cool-downs: their beginning and end in seconds, and their cause.
    fn cool_downs(&self) -> Vec<(f64, f64, RefusalCause)> {
        let cool_down = |event: &quotalab::event::Event| match event.kind {
            EventKind::CoolDownBegan { until, cause, .. } => {
                Some((event.at.as_secs_f64(), until.as_secs_f64(), cause))
            }
            _ => None,
        };
        self.events.iter().filter_map(cool_down).collect()
    }

    /// The instants in seconds at which attempts are sent to the provider `name`.
    fn sent_to(&self, name: &str) -> Vec<f64> {
        self.sends().into_iter().filter(|(_, target)| target.starts_with(name)).map(|(at, _)| at).collect()
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let obstacle = |event: &quotalab::event::Event| match event.kind {
            EventKind::Waiting { obstacle, .. } => Some(obstacle),
            _ => None,
        };
        self.events.iter().filter_map(obstacle).collect()
    }
}

#[test]
fn a_target_is_ejected_after_five_failures_in_a_row_and_probed_afterwards() {
    let story = two_targets("{at: 0s, for: 50s, fault: 503}", "2m", "1/s", "deadline: 1m");
    // Failures at 0 to 4 s eject it until 34 s. The probe at 34 s fails, the one at 64 s is answered.
    assert_eq!(
        story.cool_downs(),
        [(4.0, 34.0, RefusalCause::Overload), (34.0, 64.0, RefusalCause::Overload)],
        "{}",
        story.timeline()
    );
    assert_eq!(story.sent_to("p/")[..8], [0.0, 1.0, 2.0, 3.0, 4.0, 34.0, 64.0, 65.0]);
    assert_eq!(story.succeeded(), 120);
}

#[test]
fn eject_sets_the_number_of_failures_and_the_duration() {
    let incident = "{at: 0s, for: 50s, fault: 503}";
    let soon = two_targets(incident, "1m", "1/s", "eject: {after: 2, for: 10s}");
    assert_eq!(
        soon.cool_downs()[..2],
        [(1.0, 11.0, RefusalCause::Overload), (11.0, 21.0, RefusalCause::Overload)]
    );
    let never = two_targets(incident, "1m", "1/s", "eject: off");
    assert_eq!(never.cool_downs(), []);
    assert_eq!(never.sent_to("p/").len(), 60);
}

#[test]
fn one_probe_at_a_time_is_sent_to_a_target_that_hangs() {
    // 19 jobs a second, and the first target hangs for 10 minutes: the jobs of the first 10 s are lost, then a probe every
    // 40 s. If all jobs were sent after each ejection, those of 10 s in every 40 s would be lost: about 2,850.
    let story = two_targets("{at: 5m, for: 10m, fault: timeout}", "20m", "19/s", "deadline: 10s");
    let lost = 22_800 - story.succeeded();
    assert!((190..=215).contains(&lost), "{lost} of 11,400 jobs are lost");
    let probes = story.sent_to("p/").into_iter().filter(|at| (320.0..880.0).contains(at)).collect::<Vec<_>>();
    assert!(probes.windows(2).all(|pair| pair[1] - pair[0] >= 39.9), "{probes:?}");
    assert_eq!(story.cool_downs().len(), probes.len() + 1, "every ejection is an event");
}

#[test]
fn an_attempt_timeout_saves_the_jobs_whose_attempts_hang() {
    let client = "deadline: 10s, attempt_timeout: 2s";
    let story = two_targets("{at: 1m, for: 2m, fault: timeout}", "4m", "19/s", client);
    assert_eq!(story.succeeded(), 4_560, "a second attempt goes to the other target");
    let slow = story.ends().filter(|(at, end)| at.since(end.scheduled).as_secs_f64() > 2.0).count();
    assert!((38..50).contains(&slow), "{slow} jobs waited for a timeout");
}

#[test]
fn an_attempt_fails_at_its_timeout() {
    let story = one_target(
        "",
        "5s",
        "deadline: 20s, attempt_timeout: 2s, retry: {attempts: 2, backoff: {jitter: none}}",
    );
    let timeline = story.timeline();
    let job: Vec<_> = timeline.lines().filter(|line| line.contains("job 7:")).collect();
    assert_eq!(
        job,
        [
            "7.000s job 7: arrives",
            "7.000s job 7: attempt 1 to p/a/m",
            "9.000s job 7: p/a/m fails (Timeout)",
            "9.000s job 7: waits until 9.500s (BackOff)",
            "9.500s job 7: attempt 2 to p/a/m",
            "11.500s job 7: p/a/m fails (Timeout)",
            "11.500s job 7: Failed(Attempts)",
        ]
    );
}

#[test]
fn the_last_target_of_a_route_is_never_ejected() {
    let hangs = one_target("", "5s", "deadline: 2s");
    assert_eq!((hangs.sends().len(), hangs.cool_downs().len()), (600, 0));
    // Three attempts of which 30 % fail: 1 - 0.3³ = 97.3 % (standard error 0.66 %).
    let incident = ", incidents: [{at: 0s, for: 10m, fault: 500, share: 30%}]";
    let fails = one_target(incident, "100ms", "deadline: 1m, retry: {attempts: 3}");
    let share = fails.succeeded() as f64 / 600.0;
    assert!((share - 0.973).abs() < 0.025, "{share}");
    assert_eq!(fails.cool_downs(), []);
}

#[test]
fn of_two_targets_that_fail_one_stays_in_use() {
    let story = run("
providers:
  p: {accounts: {a: [k]}, models: {n: {latency: {total: 100ms}}, m: {latency: {total: 100ms}}}, incidents: [{at: 0s, for: 1m, fault: 503}]}
routes: {r: [{of: [p/a/m]}, {of: [p/a/n]}]}
duration: 1m
client: {deadline: 2s, retry: {attempts: 2}}
workload: [{name: w, route: r, arrivals: {constant: 1/s}, prompt: 10, completion: 10, max_tokens: 10}]");
    assert!(
        story.outcomes().iter().all(|outcome| matches!(outcome, JobOutcome::Failed(_))),
        "{}",
        story.timeline()
    );
    let ejected: Vec<_> = story.cool_downs().iter().map(|(from, ..)| *from).collect();
    assert!(!ejected.is_empty(), "{}", story.timeline());
    assert!(ejected.windows(2).all(|pair| pair[1] - pair[0] >= 30.0), "one at a time: {ejected:?}");
}

#[test]
fn five_jobs_in_a_row_that_end_at_their_deadlines_eject_the_target() {
    let story = two_targets("{at: 0s, for: 1m, fault: timeout}", "20s", "1/s", "deadline: 2s");
    assert_eq!(story.cool_downs(), [(6.0, 36.0, RefusalCause::Overload)]);
}

#[test]
fn a_wait_states_its_target_and_the_axis_that_binds() {
    let limited = |limits: &str, client: &str| {
        run(&format!(
            "
providers: {{p: {{accounts: {{a: [k]}}, models: {{m: {{limits: {limits}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/a/m]}}]}}
duration: 1m
client: {{{client}}}
workload: [{{name: w, route: r, arrivals: {{burst: 20, every: 1h}}, prompt: 100, completion: 100, max_tokens: 100}}]"
        ))
    };
    let paced = limited("{rpm: 60, tpm: 1k}", "deadline: 1m, pace: tokens");
    let obstacle = |why, axis, cause| Obstacle { target: quotalab::ids::TargetId(0), why, axis, cause };
    let by_tpm = obstacle(WaitReason::Pace, Some(Axis::Tpm), None);
    assert!(!paced.obstacles().is_empty() && paced.obstacles().iter().all(|wait| *wait == by_tpm));
    let given_up: Vec<_> = paced
        .ends()
        .filter(|(_, end)| end.outcome == JobOutcome::Shed(EndReason::Deadline))
        .map(|(at, end)| (at, end.obstacle))
        .collect();
    // Five jobs of 200 tokens fit at once, then one every 12 s, of which four are before the deadline: 9 of 20 are
    // sent.
    assert_eq!(given_up, [(Instant::ZERO, Some(by_tpm)); 11]);

    let refused = limited("{rpm: 2}", "deadline: 10s, retry: {backoff: {jitter: none}}");
    let by_rpm = obstacle(WaitReason::CoolDown, Some(Axis::Rpm), Some(RefusalCause::ShortLimit));
    let lost: Vec<_> = refused.ends().filter_map(|(_, end)| end.obstacle).collect();
    assert_eq!(lost, [by_rpm; 18]);
}
