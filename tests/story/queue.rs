//! The client's own `concurrency`: a bound on attempts in flight, and a bounded queue.

use super::run;
use quotalab::event::{EndReason, JobOutcome};

fn four_at_once(client: &str) -> super::Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{latency: {{total: 1s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10s
client: {client}
workload: [{{name: w, route: r, arrivals: {{burst: 4, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ))
}

#[test]
fn queued_jobs_are_sent_in_order_of_arrival() {
    let story = four_at_once("{deadline: 1m, concurrency: 1}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 1.0, 2.0, 3.0]);
    let waits: Vec<f64> = story.ends().map(|(_, end)| end.queue.as_secs_f64()).collect();
    assert_eq!(waits, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn a_job_is_shed_if_the_queue_is_full() {
    let story = four_at_once("{deadline: 1m, concurrency: 1, queue: 2}");
    assert_eq!(
        story.outcomes().iter().filter(|outcome| **outcome == JobOutcome::Shed(EndReason::QueueFull)).count(),
        1
    );
}

#[test]
fn a_job_that_queues_until_its_deadline_is_shed() {
    let story = four_at_once("{deadline: 1500ms, concurrency: 1}");
    let shed = JobOutcome::Shed(EndReason::Deadline);
    // The second is sent at 1 s and cancelled at 1.5 s; the others stay in the queue.
    assert_eq!(
        story.outcomes(),
        [JobOutcome::Succeeded, JobOutcome::Failed(EndReason::Deadline), shed, shed]
    );
}

#[test]
fn interactive_jobs_are_sent_before_batch_jobs_that_came_earlier() {
    let story = run("
providers: {p: {models: {m: {latency: {total: 1s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 1m, concurrency: 1}
workload:
  - {name: nightly, priority: batch, arrivals: {burst: 3, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}
  - {name: web, arrivals: {burst: 2, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}");
    let ends: Vec<_> = story.ends().map(|(_, end)| (end.workload.index(), end.queue.as_secs_f64())).collect();
    assert_eq!(ends, [(0, 0.0), (1, 1.0), (1, 2.0), (0, 3.0), (0, 4.0)]);
}
