//! Prompts of which the provider finds a part in its prefix cache: where that part does not count, and when it shows.

use super::{Story, tell};
use crate::scenarios::simulate;
use provider::Axis;
use quotalab::ceiling::Ceiling;

/// Prompts of 4,000 tokens, of which so many are cached.
fn asked(dialect: &str, cached: &str, arrivals: &str) -> Story {
    tell(&format!(
        "
providers: {{p: {{dialect: {dialect}, models: {{m: {{limits: {{tpm: 6k}}, latency: {{total: 100ms}}, \
          price: {{input: 1.0, cached_input: 0.5, output: 2.0}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 10m
client: {{retry: {{attempts: 1}}}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 4000, cached_prompt: {cached}, completion: 10, max_tokens: 10}}]"
    ))
}

#[test]
fn groq_lets_cached_tokens_gate_a_call_and_gives_them_back_when_it_is_done() {
    // Two at once need twice 4,010 of 6,000: three quarters of each are cached, and the second is refused all the same.
    let at_once = asked("groq", "75%", "{burst: 2, every: 1h}");
    assert_eq!(at_once.refused(), 1, "{}", at_once.timeline());
    // A tenth of a second later the first is done, and 3,000 are back.
    let one_by_one = asked("groq", "3000", "{constant: 6/min}");
    assert_eq!(one_by_one.refused(), 0, "{}", one_by_one.timeline());
    let uncached = asked("groq", "0%", "{constant: 6/min}");
    assert!(uncached.refused() > 10, "{}", uncached.refused());
}

#[test]
fn anthropic_never_counts_them_and_openai_always_does() {
    assert_eq!(asked("anthropic", "75%", "{burst: 5, every: 1h}").refused(), 0, "five times 1,010");
    let counted = |cached| asked("openai", cached, "{constant: 6/min}").refused();
    assert_eq!(counted("75%"), counted("0%"));
}

#[test]
fn they_cost_less_and_the_ceiling_knows_where_they_do_not_count() {
    let ceiling = |story: &Story| {
        let ceiling = Ceiling::of(&story.scenario);
        assert_eq!(ceiling.binding.map(|(_, axis)| axis), Some(Axis::Tpm));
        ceiling.jobs_per_min
    };
    let [groq, openai] = ["groq", "openai"].map(|dialect| asked(dialect, "75%", "{constant: 1/min}"));
    assert!((ceiling(&groq) / ceiling(&openai) - 4010.0 / 1010.0).abs() < 1e-9);
    let summary = simulate(&groq.scenario);
    let served = summary.jobs.succeeded;
    assert_eq!((served, summary.tokens.prompt, summary.tokens.cached), (10, 40_000, 30_000));
    assert!((summary.cost_usd - 10.0 * (1000.0 + 3000.0 * 0.5 + 10.0 * 2.0) / 1e6).abs() < 1e-9);
}
