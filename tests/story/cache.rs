//! The response cache: an identical job is not sent while an answer is within its time to live.

use super::run;
use quotalab::event::EventKind;

fn every_ten_seconds(client: &str) -> super::Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{latency: {{total: 1s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 100s
client: {client}
workload: [{{name: w, route: r, arrivals: {{constant: 6/min}}, prompt: 100, completion: 50, max_tokens: 100,
             repeats: {{share: 100%, zipf: 0, of: 1}}}}]"
    ))
}

#[test]
fn identical_jobs_are_sent_once_per_time_to_live() {
    // One job arrives every 10 s. The answer to the first arrives at 1 s and is valid until 31 s.
    let story = every_ten_seconds("{cache: {entries: 10, ttl: 30s}}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 40.0, 80.0]);
    let hits = story.events.iter().filter(|event| event.kind == EventKind::CacheHit).count();
    assert_eq!(hits, 7);
    assert!(story.ends().all(|(_, end)| end.outcome == quotalab::event::JobOutcome::Succeeded));
}

/// The sentence "No limit refused anything" also states which share of the jobs never reached the provider.
#[test]
fn the_sentence_on_limits_says_which_share_the_cache_answered() {
    let sentence = |client: &str, limits: &str| {
        let summary = super::summary(&format!(
            "
providers: {{p: {{models: {{m: {{limits: {{{limits}}}, latency: {{total: 1500ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 100s
client: {client}
workload: [{{name: w, route: r, arrivals: {{constant: 60/min}}, prompt: 100, completion: 50, max_tokens: 100,
             repeats: {{share: 100%, zipf: 0, of: 1}}}}]"
        ));
        let refused = "No limit refused anything";
        quotalab::report::verdict::sentences(&summary)
            .into_iter()
            .find(|text| text.starts_with(refused))
            .unwrap()
    };
    // The answer to the first of 100 jobs is there after 1.5 s, so the first two are sent.
    let cached = sentence("{cache: {entries: 10, ttl: 1h}}", "rpm: 30");
    let expected = " The client answered 98 % of the jobs from its cache: these used no limit. What the limits allow is stated for \
                    jobs that are all sent.";
    assert!(cached.ends_with(expected), "{cached}");
    let joined = sentence("{join: true}", "");
    assert!(
        joined.ends_with(" of the jobs with the answer to an identical one: these used no limit."),
        "{joined}"
    );
    assert!(!sentence("{cache: off}", "").contains("these used no limit"));
}

#[test]
fn without_a_cache_every_job_is_sent() {
    assert_eq!(every_ten_seconds("{cache: off}").sends().len(), 10);
}
