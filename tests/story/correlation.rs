//! Completions that follow their prompts.

use super::parse;
use quotalab::drive;
use quotalab::record::Summary;

fn run(correlation: &str, model: &str) -> Summary {
    drive::summarize(&parse(&format!(
        "
duration: 2h
providers: {{p: {{models: {{m: {{{model}, latency: {{total: 100ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 1}}, cool_down: off}}
workload:
  - name: w
    route: r
    arrivals: {{constant: 30/min}}
    prompt: {{values: [100, 1000]}}
    completion: {{values: [100, 1000]}}
    correlation: {correlation}
"
    )))
}

/// Half of the prompts have 100 tokens and half 1,000, and so have the completions. With a correlation of 1 half of the jobs need 2,000
/// tokens, and a context of 1,500 cuts their answers; with -1 every job needs 1,100, and it cuts none; without one it cuts a quarter.
#[test]
fn a_context_cuts_the_answers_of_long_prompts_if_these_have_the_long_answers() {
    for (correlation, share) in [("1", 0.5), ("-1", 0.0), ("0", 0.25)] {
        let jobs = run(correlation, "context: 1500").jobs;
        let cut = jobs.cut as f64 / jobs.succeeded as f64;
        // 3,600 jobs: the standard error of a share is at most 0.8 %.
        assert!((cut - share).abs() < 0.03, "{correlation}: {cut}");
    }
}

/// The mean job has 1,100 tokens under every correlation, so 33,000 per minute are offered. A limit of 66,000 admits twice that, and its full
/// bucket another minute's worth in the two hours: 2 · 121 ÷ 120.
#[test]
fn the_mean_demand_does_not_depend_on_the_correlation() {
    for correlation in ["1", "-1", "0", "0.5"] {
        let summary = run(correlation, "limits: {tpm: 66k}");
        let headroom = summary.ceiling.multiple.expect("a limit");
        assert!((headroom - 2.0 * 121.0 / 120.0).abs() < 0.001, "{correlation}: {headroom}");
    }
}
