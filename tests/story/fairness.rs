//! Fairness: a burst of one workload delays the jobs of another by its share, not by the whole burst.

use super::{Story, run};
use quotalab::event::JobOutcome;

/// One send a second; `bulk` sends 120 jobs at once, `chat` one every ten seconds.
fn burst_beside_chat(fair: &str) -> Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{limits: {{rpm: {{limit: 60, burst: 1}}}}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 10m, pace: requests, fair: {fair}}}
workload:
  - {{name: bulk, route: r, arrivals: {{burst: 120, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}
  - {{name: chat, route: r, arrivals: {{constant: 6/min}}, prompt: 10, completion: 10, max_tokens: 10}}"
    ))
}

/// Returns the longest wait of a job of `chat`, and when the last job was sent, in whole seconds.
fn waits(story: &Story) -> (f64, f64) {
    let chat = story.ends().filter(|(_, end)| end.workload.0 == 1);
    let longest = chat.map(|(_, end)| (end.queue + end.wait).as_secs_f64()).fold(0.0, f64::max);
    let last = story.sends().last().map_or(0.0, |(at, _)| *at);
    (longest.round(), last.round())
}

#[test]
fn a_fair_client_lets_chat_pass_a_burst() {
    let [fifo, fair] = ["off", "requests"].map(burst_beside_chat);
    for story in [&fifo, &fair] {
        assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 126]);
    }
    // In order, the chat's first job waits for 120 of the burst. In turn, it goes third: the first job of the burst is sent at once, the
    // second has the same tag as that of the chat. The later ones wait for the next second. The last of the 126 jobs is sent after 125 s
    // either way: sharing wastes nothing.
    assert_eq!((waits(&fifo), waits(&fair)), ((120.0, 125.0), (2.0, 125.0)));
}

/// Jobs of 990 and of 90 tokens. By requests the large ones get eleven twelfths of the tokens, by tokens a half.
#[test]
fn tokens_are_shared_equally_between_long_and_short_prompts() {
    let sent = |fair: &str| {
        let story = run(&format!(
            "
providers: {{p: {{models: {{m: {{limits: {{tpm: {{limit: 60k, burst: 1k}}}}, latency: {{total: 10ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 1m, pace: tokens, fair: {fair}}}
workload:
  - {{name: long, route: r, arrivals: {{burst: 500, every: 1h}}, prompt: 980, completion: 10, max_tokens: 10}}
  - {{name: short, route: r, arrivals: {{burst: 2000, every: 1h}}, prompt: 80, completion: 10, max_tokens: 10}}"
        ));
        let tokens = |workload| {
            let served = story
                .ends()
                .filter(|(_, end)| end.workload.0 == workload && end.outcome == JobOutcome::Succeeded);
            served.count() * [990, 90][usize::from(workload)]
        };
        let (long, short) = (tokens(0), tokens(1));
        (100 * long / (long + short)) as u32
    };
    assert!((90..=93).contains(&sent("requests")), "{}", sent("requests"));
    assert!((48..=52).contains(&sent("tokens")), "{}", sent("tokens"));
}
