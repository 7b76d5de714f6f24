//! Prompts with a part in the provider's prefix cache: which limits do not count that part, and when it is refunded.

use super::{Story, run};
use crate::scenarios::simulate;
use provider::Axis;
use quotalab::ceiling::Ceiling;

/// Prompts of 4,000 tokens with `cached` of them in the prefix cache.
fn with_cached(dialect: &str, cached: &str, arrivals: &str) -> Story {
    run(&format!(
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
fn groq_reserves_cached_tokens_and_refunds_them_at_the_end() {
    // Two at once reserve twice 4,010 of 6,000: the second is refused although three quarters of each are cached.
    let at_once = with_cached("groq", "75%", "{burst: 2, every: 1h}");
    assert_eq!(at_once.refused_by_a_limit(), 1, "{}", at_once.timeline());
    // A tenth of a second after its arrival a job is done and 3,000 tokens are refunded.
    let in_turn = with_cached("groq", "3000", "{constant: 6/min}");
    assert_eq!(in_turn.refused_by_a_limit(), 0, "{}", in_turn.timeline());
    let uncached = with_cached("groq", "0%", "{constant: 6/min}");
    assert!(uncached.refused_by_a_limit() > 10, "{}", uncached.refused_by_a_limit());
}

#[test]
fn anthropic_does_not_count_cached_tokens_and_openai_does() {
    assert_eq!(
        with_cached("anthropic", "75%", "{burst: 5, every: 1h}").refused_by_a_limit(),
        0,
        "five times 1,010 tokens fit into 6,000"
    );
    let counted = |cached| with_cached("openai", cached, "{constant: 6/min}").refused_by_a_limit();
    let refused = counted("75%");
    assert!(refused > 10 && refused == counted("0%"), "{refused}");
}

#[test]
fn cached_tokens_cost_less_and_raise_the_ceiling_if_they_do_not_count() {
    let ceiling = |story: &Story| {
        let ceiling = Ceiling::of(&story.scenario);
        assert_eq!(ceiling.binding.map(|(_, axis)| axis), Some(Axis::Tpm));
        ceiling.jobs_per_min
    };
    let [groq, openai] = ["groq", "openai"].map(|dialect| with_cached(dialect, "75%", "{constant: 1/min}"));
    // OpenAI counts the prompt alone.
    assert!((ceiling(&groq) / ceiling(&openai) - 4000.0 / 1010.0).abs() < 1e-9);
    let summary = simulate(&groq.scenario);
    let served = summary.jobs.succeeded;
    assert_eq!((served, summary.tokens.prompt, summary.tokens.cached), (10, 40_000, 30_000));
    assert!((summary.charged_usd() - 10.0 * (1000.0 + 3000.0 * 0.5 + 10.0 * 2.0) / 1e6).abs() < 1e-9);
}
