//! Budgets of callers that several gateways share through Redis.

use super::super::callers::{PROMPT, allowed, caller, chat, full_answer, greedy_provider, key_of};
use super::*;

/// Starts a gateway whose callers share their budgets through the server.
fn budget_replica(scenario: &Scenario, server: &RedisServer, number: u64) -> RunningGateway {
    let url = RedisUrl::parse(&server.url()).expect("a URL");
    let options = SharingOptions { url, replica: number, answer_timeout: LONG };
    RunningGateway::with(scenario, Access::Loopback, &key_of, ledger_in_memory(), Some(options))
}

fn budget_replicas(scenario: &Scenario, server: &RedisServer) -> Vec<RunningGateway> {
    let replicas: Vec<_> = (0..3).map(|number| budget_replica(scenario, server, number)).collect();
    for gateway in &replicas {
        wait_for_metric(gateway, "sharing_budget_replicas{caller=\"web\"} 3");
    }
    replicas
}

fn wait_for_metric(gateway: &RunningGateway, line: &str) {
    wait_for(|| gateway.get("/metrics").body().contains(line), line);
}

fn budget_of(tokens: u64) -> String {
    format!("callers: {{web: {{key: {{env: WEB_KEY}}, budget: {{tokens: {tokens}}}}}}}\n")
}

fn ask(gateway: &RunningGateway, tokens: u64) -> Response {
    gateway.send(&chat("sk-web_key", &format!(r#""max_tokens":{tokens},"#)))
}

/// Gateways together use up a budget and never exceed it, with Redis and without it.
#[test]
fn three_gateways_spend_one_budget() {
    let Some(mut server) = RedisServer::start(None) else { return };
    let provider = greedy_provider();
    let limits = scenario_text(&[&provider], &budget_of(10_000)).replace("rpm: 1000", "rpm: 1000000");
    let gateways = budget_replicas(&parse(&limits), &server);
    let spend = |attempts: usize| {
        thread::scope(|scope| {
            for gateway in gateways.iter().cycle().take(12) {
                scope.spawn(move || (0..attempts).for_each(|_| drop(ask(gateway, 40))));
            }
        });
    };
    spend(10);
    let with_redis = allowed(&provider);
    assert!((3_000..=10_000).contains(&with_redis), "{with_redis} tokens");
    server.kill();
    spend(10);
    gateways.iter().for_each(|gateway| wait_for_metric(gateway, "sharing_up 0\n"));
    let in_all = allowed(&provider);
    assert!(in_all <= 10_000 && in_all > with_redis, "{in_all} tokens, {with_redis} of them with redis");
    assert!(server.restart());
    gateways.iter().for_each(|gateway| wait_for_metric(gateway, "sharing_up 1\n"));
    // The usage is known again, although the server has lost its data.
    while gateways.iter().any(|gateway| ask(gateway, 40).status() == 200) {}
    let used = allowed(&provider);
    assert!((9_950..=10_000).contains(&used), "{used} tokens");
    for gateway in &gateways {
        wait_for(|| caller(gateway, "web")["used_tokens"] == used, "every gateway knows what all have used");
        assert_eq!(gateway.state()["budgets"], "shared");
    }
}

/// A gateway cannot use what another one has reserved. Without Redis, it may use only its share.
#[test]
fn a_refusal_counts_what_another_gateway_has_reserved() {
    let Some(mut server) = RedisServer::start(None) else { return };
    let provider = Provider::start(|_, _| vec![Step::AwaitClose]);
    let scenario = scenario(&[&provider], &budget_of(1_000));
    let (first, second) = (budget_replica(&scenario, &server, 1), budget_replica(&scenario, &server, 2));
    let mut under_way = first.connect();
    under_way.write_all(chat("sk-web_key", r#""max_tokens":500,"#).as_bytes()).expect("it reads");
    wait_for(|| provider.requests().len() == 1, "it is under way");
    let refused = ask(&second, 500);
    assert_eq!((refused.status(), &refused.error()["code"]), (429, &"budget_in_use".into()));
    assert!(refused.error()["message"].to_string().contains("tokens are reserved"), "{}", refused.text);
    wait_for_metric(&second, "sharing_budget_decisions_total{decision=\"refused\"} 1");
    assert_eq!(provider.requests().len(), 1);
    // The rest of the budget pays for too few attempts of this size to be shared, so the second gateway has no share.
    let record = || command(&server, "HGET quotalab-budget:{web}:replicas 0000000000000002");
    let has_share = || record().split(' ').skip(4).take(4).any(|amount| amount != "0");
    wait_for(|| !has_share(), "it has no share");
    server.kill();
    wait_for_metric(&second, "sharing_up 0\n");
    let refused = ask(&second, 500);
    assert_eq!((refused.status(), refused.header("retry-after")), (429, Some("5")), "{}", refused.text);
    assert!(refused.error()["message"].to_string().contains("until Redis answers again"), "{}", refused.text);
    assert_eq!(second.state()["budgets"], "share");
    assert!(second.get("/_quotalab").body().contains("Redis does not answer"));
}

/// The budget is checked first, so a refusal by it uses nothing of the quota. A refusal by the quota returns what was
/// reserved of the budget.
#[test]
fn a_refusal_by_the_budget_uses_no_quota_and_one_by_the_quota_no_budget() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = Provider::start(|number, request| match number {
        0 => vec![Step::AwaitClose],
        _ => vec![Step::Send(full_answer(request))],
    });
    let text = scenario_text(&[&provider], &budget_of(100)).replace("rpm: 1000", "rpd: 2");
    let gateway = budget_replica(&parse(&format!("{text}client: {{retry: {{attempts: 1}}}}\n")), &server, 1);
    let mut under_way = gateway.connect();
    under_way.write_all(chat("sk-web_key", r#""max_tokens":60,"#).as_bytes()).expect("it reads");
    wait_for(|| provider.requests().len() == 1, "it is under way");
    let refused = ask(&gateway, 50);
    assert_eq!(
        (refused.status(), &refused.error()["code"]),
        (429, &"budget_in_use".into()),
        "{}",
        refused.text
    );
    let metrics = gateway.get("/metrics").body();
    let asked = "quotalab_gateway_sharing_decisions_total{decision=\"shared\"} 1\n";
    assert!(metrics.contains(asked), "nothing was asked of the quota: {metrics}");
    assert_eq!(ask(&gateway, 5).status(), 200, "one of two requests was left");
    let limited = ask(&gateway, 5);
    assert_eq!((limited.status(), &limited.error()["code"]), (429, &"rate_limit_exceeded".into()));
    let state = || caller(&gateway, "web");
    wait_for(
        || {
            (&state()["used_tokens"], &state()["reserved_tokens"])
                == (&(PROMPT + 5).into(), &(PROMPT + 60).into())
        },
        "what the quota refused is given back",
    );
}

/// The requests of a caller without a budget do not ask Redis, but every gateway learns what the caller has used.
#[test]
fn the_usage_of_a_caller_without_a_budget_is_known_to_every_gateway() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = greedy_provider();
    let scenario = scenario(&[&provider], "callers: {web: {key: {env: WEB_KEY}}}\n");
    let (first, second) = (budget_replica(&scenario, &server, 1), budget_replica(&scenario, &server, 2));
    assert_eq!((ask(&first, 30).status(), ask(&second, 40).status()), (200, 200));
    for gateway in [&first, &second] {
        wait_for(|| caller(gateway, "web")["used_tokens"] == 2 * PROMPT + 70, "what both have used");
    }
    assert!(!first.get("/metrics").body().contains("sharing_budget_decisions_total"));
}
