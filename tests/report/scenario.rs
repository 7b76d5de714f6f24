//! Scenarios for the tests of the recorder and the reports, made without YAML.

use provider::config::{
    AccountConfig, Config, Dialect, Latency, Lengths, Limit, ModelConfig, Price, Reserve, ServiceTimeDist,
    TokenCounting,
};
use provider::dist::Dist;
use provider::{Axis, Nanos};
use quotalab::ids::{RouteId, TargetId};
use quotalab::scenario::{
    Arrivals, Backoff, CachedPrompt, Client, Fairness, Jitter, Metric, Op, Pace, Retry, Route, Rule,
    Scenario, Step, Target, Time, Workload,
};

/// Returns a scenario with these targets (`provider/account/model`) and their limits, and one workload.
pub(super) fn scenario(name: &str, duration: Nanos, targets: &[(&str, &[(Axis, u64)])]) -> Scenario {
    let ids = (0..targets.len()).map(|id| TargetId(id as u16));
    Scenario {
        notes: vec![],
        what_if: vec![],
        offers: quotalab::scenario::Offers::default(),
        files: vec![],
        name: name.to_owned(),
        about: "Does the evening peak hold, and which limit stops us first?".to_owned(),
        seed: 7,
        start: quotalab::scenario::Start::Full,
        clock: Default::default(),
        duration,
        providers: targets.iter().map(|(name, limits)| config(name, limits)).collect(),
        upstreams: vec![],
        targets: targets.iter().enumerate().map(|(id, (name, _))| target(id, name)).collect(),
        routes: vec![Route { name: "chat".to_owned(), steps: ids.map(Step::single).collect() }],
        clients: vec![Client {
            name: quotalab::scenario::DEFAULT_CLIENT.to_owned(),
            processes: 1,
            like: None,
            attempt_timeout: None,
            hedge: None,
            cool_down: Default::default(),
            eject: None,
            deadline: Nanos::from_secs(30),
            retry: Retry {
                attempts: 5,
                backoff: Backoff { base: Nanos::SECOND, cap: Nanos::from_secs(30), jitter: Jitter::Full },
                obey_retry_after: true,
                stated_wait: Default::default(),
                budget_permille: None,
            },
            concurrency: None,
            queue: 100,
            fair: Fairness::Off,
            pace: Pace::Off,
            cache: None,
            coalesce: false,
            estimate: None,
            budget: None,
        }],
        callers: Vec::new(),
        workloads: vec![workload("chat")],
        expect: vec![
            rule("success >= 99%", Metric::Success, Op::AtLeast, 0.99),
            rule("p95 latency <= 8s", Metric::Percentile(95, Time::Latency), Op::AtMost, 8.0),
            rule("cost <= 150 USD", Metric::Cost, Op::AtMost, 150.0),
        ],
    }
}

pub(super) fn rule(text: &str, metric: Metric, op: Op, value: f64) -> Rule {
    Rule { text: text.to_owned(), workload: None, window: None, is_default: false, metric, op, value }
}

pub(super) fn workload(name: &str) -> Workload {
    Workload {
        name: name.to_owned(),
        route: RouteId(0),
        client: Default::default(),
        arrivals: Arrivals::Poisson(1.0),
        shape: None,
        correlation: 0.0,
        clock: Default::default(),
        prompt: Dist::Constant(800.0),
        completion: Dist::Constant(200.0),
        max_tokens: Some(1024),
        cached_prompt: CachedPrompt::NOTHING,
        repeats: None,
        stream: true,
        deferrable: false,
        sessions: None,
        priority: quotalab::job::Priority::default(),
    }
}

fn target(id: usize, name: &str) -> Target {
    let price = Price { input: 0.59, cached_input: 0.59, output: 0.79 };
    Target {
        name: name.to_owned(),
        provider: id as u16,
        account: 0,
        model: 0,
        limits: Vec::new(),
        price,
        counting: TokenCounting::default(),
    }
}

fn config(name: &str, limits: &[(Axis, u64)]) -> Config {
    let bucket = |&(axis, limit): &(Axis, u64)| Limit::new(axis, limit);
    Config {
        start_levels: vec![],
        name: name.to_owned(),
        dialect: Dialect::Groq,
        tier: provider::config::Tier::default(),
        accounts: vec![AccountConfig { name: "acme".to_owned(), keys: vec!["k1".to_owned()] }],
        models: vec![ModelConfig {
            name: "model".to_owned(),
            limits: limits.iter().map(bucket).collect(),
            family: None,
            lengths: Lengths::default(),
            reserve: Reserve::default(),
            latency: Latency {
                service: ServiceTimeDist::Total(Dist::Constant(1.0)),
                round_trip: None,
                slots: None,
            },
            price: Price::default(),
            completion: Dist::Constant(200.0),
        }],
        incidents: Vec::new(),
    }
}
