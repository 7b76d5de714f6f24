//! A server slot is free when the client of its call disconnects, and a queued call whose client disconnects never takes one.

use super::run;
use quotalab::event::JobOutcome;

/// An answer that would take a minute is given up after 3 s; only the jobs queued behind it in that time are lost.
#[test]
fn a_slot_is_free_when_its_client_disconnects() {
    let story = run("
name: one slot
duration: 90s
providers: { p: { models: { m: { latency: { first_token: 100ms, output: 100 tok/s, slots: 1, network: 0ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 3s, retry: { attempts: 1 } }
workload:
  - { name: long, route: r, arrivals: { burst: 1, every: 1h }, prompt: 10, completion: 6000, max_tokens: 6000 }
  - { name: short, route: r, arrivals: { constant: 15/min }, prompt: 10, completion: 10, max_tokens: 10 }
");
    let outcomes = story.outcomes();
    let succeeded = outcomes.iter().filter(|outcome| **outcome == JobOutcome::Succeeded).count();
    // Both workloads begin at 0 s; the next short job comes at 4 s, a second after the long one was given up.
    assert_eq!((outcomes.len(), succeeded), (24, 22));
}
