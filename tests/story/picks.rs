//! The picks of a step that weigh, compare or draw: with numbers that can be worked out by hand.

use super::{Story, run};

/// Two providers that answer after these times at these prices, and a route of one step.
fn two_providers(pick: &str, servers: [&str; 2], arrivals: &str) -> Story {
    let [a, b] = servers;
    run(&format!(
        "
seed: 1
providers: {{a: {{models: {{m: {{{a}}}}}}}, b: {{models: {{m: {{{b}}}}}}}}}
routes: {{r: [{{{pick}, of: [a/default/m, b/default/m]}}]}}
duration: 40s
client: {{deadline: 1m, retry: {{attempts: 2, backoff: {{base: 1s, cap: 8s, jitter: none}}}}}}
workload: [{{name: w, route: r, arrivals: {{{arrivals}}}, prompt: 1000, completion: 100, max_tokens: 1000}}]"
    ))
}

/// Returns the provider of each send, as one text.
fn providers(story: &Story) -> String {
    story.sends().iter().map(|(_, target)| &target[..1]).collect()
}

#[test]
fn weighted_picks_by_weight_among_those_that_can_take_the_job() {
    // 4,000 jobs at 3:1: 3,000 of them and six standard deviations, sqrt(4000 · 3/4 · 1/4) = 27.4 each.
    let slow = "latency: {total: 1s}";
    let all = providers(&two_providers("pick: weighted, weights: [3, 1]", [slow, slow], "constant: 100/s"));
    let first = all.matches('a').count();
    assert_eq!(all.len(), 4_000);
    assert!((2_836..=3_164).contains(&first), "{first}");
    // The first admits one request per minute: after its first refusal all jobs go to the second.
    let limited = "limits: {rpm: 1}, latency: {total: 1s}";
    let all = providers(&two_providers("pick: weighted, weights: [3, 1]", [limited, slow], "constant: 1/s"));
    let last = all.rfind('a').expect("a send to the first");
    assert!(last < 20, "{all}");
    assert_eq!(all.matches('a').count(), 2, "one is served, one is refused: {all}");
}

#[test]
fn random_picks_each_as_often() {
    let slow = "latency: {total: 1s}";
    let all = providers(&two_providers("pick: random", [slow, slow], "constant: 100/s"));
    let first = all.matches('a').count();
    // Half of 4,000, and six times sqrt(4000 / 4) = 31.6.
    assert!((1_810..=2_190).contains(&first), "{first}");
}

#[test]
fn least_busy_sends_where_the_fewest_attempts_are_in_flight() {
    // At 0 s both are idle: the first. At 1 s and 2 s it is still busy, and the second has just answered. At 3 s both are idle.
    let story =
        two_providers("pick: least_busy", ["latency: {total: 3s}", "latency: {total: 1s}"], "constant: 1/s");
    assert_eq!(providers(&story)[..12], *"abbabbabbabb");
}

#[test]
fn fastest_avoids_the_slow_one_and_tries_it_again() {
    let story =
        two_providers("pick: fastest", ["latency: {total: 3s}", "latency: {total: 1s}"], "constant: 30/min");
    // Arrivals at 0, 2, 4, … s. The first two go to either, because neither has been measured. From then on a is slower: its
    // average of 3 s fades as 3·exp(-t/10) after its reply, and is below that of b, exp(-0.1) = 0.905 s one second after a reply of b,
    // when t > 10·ln(3/0.905) = 11.98 s.
    let to_a: Vec<f64> =
        story.sends().iter().filter(|(_, target)| target.starts_with('a')).map(|(at, _)| *at).collect();
    match to_a[0] {
        0.0 => assert_eq!(to_a, [0.0, 16.0, 32.0], "replies at 3, 19 and 35 s"),
        _ => assert_eq!(to_a, [2.0, 18.0, 34.0], "replies at 5, 21 and 37 s"),
    }
}

#[test]
fn cheapest_compares_the_prompt_and_the_usual_completion() {
    let price = |input: u32, output: u32| {
        format!("latency: {{total: 500ms}}, price: {{input: {input}, output: {output}}}")
    };
    let story = two_providers("pick: cheapest", [&price(1, 10), &price(3, 4)], "constant: 1/s");
    // Before the first answer a completion of 1000 tokens is assumed: 1·1000 + 10·1000 against 3·1000 + 4·1000. Then one of 100:
    // 1·1000 + 10·100 against 3·1000 + 4·100.
    assert_eq!(providers(&story)[..10], *"baaaaaaaaa");
}
