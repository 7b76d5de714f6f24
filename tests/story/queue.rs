//! The concurrency cap: so many in flight, the others in line, and a line that ends.

use super::tell;
use quotalab::event::{EndReason, JobOutcome};

fn four_at_once(client: &str) -> super::Story {
    tell(&format!(
        "
providers: {{p: {{models: {{m: {{latency: {{total: 1s}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10s
client: {client}
workload: [{{name: w, route: r, arrivals: {{burst: 4, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ))
}

#[test]
fn those_in_line_go_in_the_order_they_came() {
    let story = four_at_once("{deadline: 1m, concurrency: 1}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 1.0, 2.0, 3.0]);
    let waits: Vec<f64> = story.endings().map(|(_, ending)| ending.queue.as_secs_f64()).collect();
    assert_eq!(waits, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn who_finds_the_line_full_is_shed() {
    let story = four_at_once("{deadline: 1m, concurrency: 1, queue: 2}");
    assert_eq!(
        story.verdicts().iter().filter(|verdict| **verdict == JobOutcome::Shed(EndReason::QueueFull)).count(),
        1
    );
}

#[test]
fn who_stands_in_line_until_the_deadline_is_shed() {
    let story = four_at_once("{deadline: 1500ms, concurrency: 1}");
    let shed = JobOutcome::Shed(EndReason::Deadline);
    // The second is sent at 1 s and given up half-way; the others never leave the line.
    assert_eq!(
        story.verdicts(),
        [JobOutcome::Succeeded, JobOutcome::Failed(EndReason::Deadline), shed, shed]
    );
}
