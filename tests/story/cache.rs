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
    // One job every 10 s; the first is answered at 1 s, which is valid until 31 s.
    let story = every_ten_seconds("{cache: {entries: 10, ttl: 30s}}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 40.0, 80.0]);
    let hits = story.events.iter().filter(|event| event.kind == EventKind::CacheHit).count();
    assert_eq!(hits, 7);
    assert!(story.ends().all(|(_, end)| end.outcome == quotalab::event::JobOutcome::Succeeded));
}

#[test]
fn without_a_cache_every_job_is_sent() {
    assert_eq!(every_ten_seconds("{cache: off}").sends().len(), 10);
}
