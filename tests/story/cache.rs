//! The cache: what was answered is not asked again until its time to live is over.

use super::tell;
use quotalab::event::EventKind;

fn asked_twice(client: &str) -> super::Story {
    tell(&format!(
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
fn one_question_is_sent_once_per_time_to_live() {
    // Asked every 10 s; answered at 1 s, good until 31 s.
    let story = asked_twice("{cache: {entries: 10, ttl: 30s}}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 40.0, 80.0]);
    let hits = story.events.iter().filter(|event| event.kind == EventKind::CacheHit).count();
    assert_eq!(hits, 7);
    assert!(story.endings().all(|(_, ending)| ending.verdict == quotalab::event::JobOutcome::Succeeded));
}

#[test]
fn without_a_cache_every_job_is_sent() {
    assert_eq!(asked_twice("{cache: off}").sends().len(), 10);
}
