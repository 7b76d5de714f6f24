//! Pacing: jobs that are sent at the rate of the limit are not refused, and are sent in order.

use super::{run, run_with_network};
use proptest::prelude::*;
use provider::Axis;
use quotalab::event::{EndReason, JobOutcome, WaitReason};
use std::collections::VecDeque;

fn paced(pace: &str, limits: &str, arrivals: &str) -> super::Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{limits: {limits}, latency: {{total: 500ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 10m, retry: {{attempts: 1}}, pace: {pace}}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, max_tokens: 100}}]"
    ))
}

#[test]
fn a_gap_keeps_sends_apart() {
    let story = paced("{gap: 2s}", "{rpm: 60}", "{burst: 4, every: 1h}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 2.0, 4.0, 6.0]);
}

#[test]
fn paced_by_requests_nothing_is_refused() {
    let story = paced("requests", "{rpm: 30}", "{burst: 60, every: 1h}");
    assert_eq!(story.refused_by_a_limit(), 0);
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 60]);
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends[29..33], [0.0, 2.0, 4.0, 6.0], "thirty at once, then as the bucket refills");
}

#[test]
fn unused_tokens_of_a_paced_burst_are_used_by_its_later_jobs() {
    let story = paced("tokens", "{tpm: 1000}", "{burst: 20, every: 1h}");
    assert_eq!(story.refused_by_a_limit(), 0);
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 20]);
    // Of the 1,000 tokens that are there at the start and those that refill, 19 jobs use 2,850, and the last one reserves 200: that
    // takes 123 s. Some 6 s more are lost: a reply states what remained when its job was admitted, before jobs that ended meanwhile
    // had returned their 50 unused tokens, and lowers the client's estimate by about a hundred tokens.
    assert_eq!(story.sends().last().map(|(at, _)| at.round()), Some(129.0));
}

/// An overload that lasts: twice as many jobs as one a second, with answers of 2 s and a deadline of 10 s. Without the estimate of the
/// answers every job from the tenth second on would be sent when less than 2 s of its time are left.
#[test]
fn a_paced_job_whose_answer_would_come_too_late_leaves_its_quota_to_the_next() {
    let story = run("
providers: {p: {models: {m: {limits: {rpm: {limit: 60, law: bucket, burst: 1}}, latency: {total: 2s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 2m
client: {deadline: 10s, retry: {attempts: 1}, pace: requests}
workload: [{name: w, route: r, arrivals: {constant: 2/s}, prompt: 100, completion: 50, max_tokens: 100}]");
    assert_eq!(story.refused_by_a_limit(), 0);
    // One a second from 0 s until the queue of the last arrivals is served: every job that is sent is answered.
    let (sent, answered) = (story.sends().len(), story.succeeded());
    assert_eq!(sent, answered, "every answer comes in time");
    assert!((120..=130).contains(&answered), "{answered} answers of about 128 s");
    let given_up = story.ends().filter(|(_, end)| end.outcome == JobOutcome::Shed(EndReason::Deadline));
    let obstacles: Vec<_> = given_up.map(|(_, end)| end.obstacle.map(|it| (it.why, it.axis))).collect();
    assert_eq!(obstacles.len() + answered, 240, "the others are given up without an attempt");
    let is_by_pace = |obstacle: &_| *obstacle == Some((WaitReason::Pace, Some(Axis::Rpm)));
    assert!(obstacles.iter().all(is_by_pace), "on arrival or after a wait: {obstacles:?}");
}

/// A limit that is used up when the run begins: every first attempt is that of a job with less time left than an answer takes. From those
/// the client learns what an answer takes, and so it serves nearly what the limit allows: one in 72 s, of which the first are lost.
#[test]
fn a_paced_client_learns_from_attempts_that_end_without_an_answer() {
    let summary = super::summary(
        "
name: a day's limit that is used up
providers: {p: {models: {m: {limits: {rpd: 1200}, latency: {total: 1s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 4h
client: {like: recommended}
workload: [{name: w, route: r, arrivals: {constant: 60/min}, prompt: 100, completion: 50, max_tokens: 100}]",
    );
    let (sent, answered) = (summary.attempts.total, summary.jobs.succeeded);
    assert!((199..=201).contains(&sent), "{sent} attempts in 4 h of 50 an hour");
    assert!(answered + 5 >= sent, "{answered} of {sent} attempts were answered");
}

/// A burst that can be served in time is served, however much the times of the answers differ: at one send a second the last of twenty
/// jobs is sent after 19 s, and no answer takes 41 s.
#[test]
fn jobs_of_a_burst_are_not_given_up_for_the_sake_of_those_behind() {
    let story = run("
providers: {p: {models: {m: {limits: {rpm: {limit: 60, law: bucket, burst: 1}}, latency: {total: {values: [1s, 30s]}}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 2m
client: {deadline: 1m, retry: {attempts: 1}, pace: requests}
workload: [{name: w, route: r, arrivals: {burst: 20, every: 1h}, prompt: 100, completion: 50, max_tokens: 100}]");
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 20]);
}

/// Returns when `jobs` that arrive at once are sent, in seconds: each as soon as `limit` tokens per minute have room for the `reserved`
/// ones, if each attempt returns what it does not use after `latency`.
fn earliest_sends(jobs: usize, limit: f64, (reserved, used): (f64, f64), latency: f64) -> Vec<f64> {
    let (mut now, mut room) = (0.0, limit);
    let mut returns = VecDeque::new();
    let mut sends = Vec::new();
    while sends.len() < jobs {
        let fits_at = now + (reserved - room).max(0.0) * 60.0 / limit;
        let next = returns.front().copied().filter(|at| *at < fits_at);
        let at = next.unwrap_or(fits_at);
        room = (room + (at - now) * limit / 60.0).min(limit);
        now = at;
        if next.is_some() {
            returns.pop_front();
            room = (room + reserved - used).min(limit);
        } else {
            room -= reserved;
            returns.push_back(now + latency);
            sends.push(now);
        }
    }
    sends
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz::cases(64), ..ProptestConfig::default() })]

    /// No quota that returns stays unused while jobs wait for it, and none is used that is not there. The replies state no limits.
    #[test]
    fn a_paced_job_is_sent_as_soon_as_its_tokens_are_there(
        jobs in 2usize..40,
        limit in 1_500u32..20_000,
        prompt in 1u32..500,
        completion in 1u32..500,
        unused in 0u32..499,
        latency_ms in 1u32..40_000,
    ) {
        let (prompt, max_tokens) = (prompt, completion + unused);
        let story = run(&format!(
            "
providers: {{p: {{dialect: gemini, reserve: prompt+max_tokens, models: {{m: {{limits: {{tpm: {limit}}}, latency: {{total: {latency_ms}ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 10h, retry: {{attempts: 1}}, pace: tokens}}
workload: [{{name: w, route: r, arrivals: {{burst: {jobs}, every: 1h}}, prompt: {prompt}, completion: {completion}, max_tokens: {max_tokens}}}]"
        ));
        let tokens = (f64::from(prompt + max_tokens), f64::from(prompt + completion));
        let expected = earliest_sends(jobs, f64::from(limit), tokens, f64::from(latency_ms) / 1e3);
        let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
        prop_assert_eq!(sends.len(), jobs);
        for (sent, expected) in sends.iter().zip(&expected) {
            prop_assert!((sent - expected).abs() < 1e-3, "{:?} instead of {:?}", sends, expected);
        }
        prop_assert_eq!(story.refused_by_a_limit(), 0);
    }
}

#[test]
fn unused_tokens_are_available_to_jobs_that_arrive_later() {
    let story = paced("tokens", "{tpm: 1000}", "{constant: 12/min}");
    // Within the minute there are 2,000 tokens. The 12 jobs may use 2,400 but use 1,800, so that none waits.
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    let arrivals: Vec<f64> = (0..12).map(|number| f64::from(number) * 5.0).collect();
    assert_eq!(sends, arrivals);
    assert_eq!(story.refused_by_a_limit(), 0);
}

#[test]
fn without_pacing_the_same_burst_is_refused() {
    assert!(paced("off", "{tpm: 1000}", "{burst: 20, every: 1h}").refused_by_a_limit() > 0);
}

/// Fifteen jobs of 20,000 tokens at once, against 30,000 a minute. Without a retry, one is served. With five attempts that obey
/// every stated wait, one job is admitted at each of 0, 20, 60, 100 and 140 s, and the other ten lose their fifth attempt. Paced,
/// none is refused: the last is admitted after 20 s and thirteen times 40 s, and a second more because a reply states what remained a
/// second before, when its job was admitted.
#[test]
fn of_fifteen_large_jobs_retries_serve_five_and_pacing_serves_all() {
    let served = |client: &str| {
        let story = run_with_network(&format!(
            "
providers: {{p: {{models: {{m: {{limits: {{rpm: 1000, tpm: 30k}}, latency: {{total: 1s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1h
client: {{deadline: 30m, {client}}}
workload: [{{name: w, route: r, arrivals: {{burst: 15, every: 1h}}, prompt: 19k, completion: 1k, max_tokens: 1k}}]"
        ));
        let ended = story.ends().filter(|(_, end)| end.outcome == JobOutcome::Succeeded);
        ended.map(|(at, _)| at.as_secs_f64().round()).collect::<Vec<_>>()
    };
    assert_eq!(served("retry: {attempts: 1}"), [1.0]);
    let obedient = "retry: {attempts: 5, backoff: {jitter: none}}";
    assert_eq!(served(obedient), [1.0, 21.0, 61.0, 101.0, 141.0]);
    assert_eq!(served(&format!("cool_down: per_job, {obedient}")), [1.0, 21.0, 61.0, 101.0, 141.0]);
    let paced = served("pace: tokens, retry: {attempts: 1}");
    assert_eq!((paced.len(), paced.last()), (15, Some(&542.0)));
}

#[test]
fn a_job_beyond_the_known_limit_is_not_sent() {
    let story = paced("tokens", "{tpm: 150}", "{burst: 1, every: 1h}");
    assert_eq!(story.sends().len(), 0);
    // No target can ever serve it.
    assert_eq!(story.outcomes(), [JobOutcome::Shed(quotalab::event::EndReason::Rejected)]);
}

/// Twenty jobs at once use 200 tokens each, under a limit of 1,000 tokens per minute. A client that counts 20 % too few
/// tokens in their prompts sends each job after the time in which 180 tokens refill.
#[test]
fn a_client_that_counts_too_few_tokens_is_refused_although_it_paces() {
    let story = |estimate: &str| {
        run(&format!(
            "
providers: {{p: {{models: {{m: {{limits: {{tpm: 1000}}, latency: {{total: 500ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 10m, retry: {{attempts: 1}}, pace: tokens, estimate: {estimate}}}
workload: [{{name: w, route: r, arrivals: {{burst: 20, every: 1h}}, prompt: 100, completion: 100, max_tokens: 100}}]"
        ))
    };
    let exact = story("exact");
    assert_eq!(exact.refused_by_a_limit(), 0);
    assert_eq!(story("{bias: 0%, spread: 0%}").sends(), exact.sends(), "no error is the same as exact");
    assert!(story("{bias: -20%}").refused_by_a_limit() > 0);
    assert_eq!(story("{bias: 20%}").refused_by_a_limit(), 0, "too many cost time");
    assert!(story("{bias: 20%}").sends().last() > exact.sends().last());
    assert!(story("{spread: 30%}").refused_by_a_limit() > 0, "right on average is not enough");
}
