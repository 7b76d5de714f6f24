//! Cut answers over HTTP: plain and streamed, in three dialects, from the cache and coalesced.

use super::{both, scenario};

const YAML: &str = "
name: cut
duration: 4s
providers:
  groq: { models: { m: { latency: { total: 50ms, network: 0s } } } }
  openai: { dialect: openai, models: { m: { latency: { total: 50ms, network: 0s } } } }
  anthropic: { dialect: anthropic, models: { m: { latency: { total: 50ms, network: 0s } } } }
routes: { g: [{ of: [groq/default/m] }], o: [{ of: [openai/default/m] }], a: [{ of: [anthropic/default/m] }] }
client: { join: true, cache: { entries: 100, ttl: 1m } }
workload:
";

#[test]
fn as_many_answers_are_cut_over_http_as_in_virtual_time() {
    let each = ["g", "o", "a"].into_iter().flat_map(|route| [true, false].map(|stream| (route, stream)));
    let workloads: String = each
        .map(|(route, stream)| {
            format!(
                "  - {{ name: {route}-{stream}, route: {route}, arrivals: {{ constant: 10/s }}, prompt: 20, \
                 completion: {{ min: 10, max: 30 }}, max_tokens: 20, stream: {stream}, repeats: {{ share: 50%, of: 5 }} }}\n"
            )
        })
        .collect();
    let (simulated, real) = both(&scenario(&format!("{YAML}{workloads}")));
    for (simulated, real) in simulated.workloads.iter().zip(&real.workloads) {
        assert_eq!(simulated.succeeded, simulated.offered, "{}", simulated.name);
        assert!(
            simulated.cut > 0 && simulated.cut < simulated.succeeded,
            "{}: {} of {}",
            simulated.name,
            simulated.cut,
            simulated.succeeded
        );
        assert_eq!((simulated.succeeded, simulated.cut), (real.succeeded, real.cut), "{}", simulated.name);
    }
    assert!(real.jobs.cached + real.jobs.joined > 0);
    assert_eq!(simulated.jobs.cut, real.jobs.cut);
}
