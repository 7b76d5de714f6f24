//! For how many jobs a client remembers a refusal: a gateway for all of its jobs, an SDK for one. Also the clients that
//! `like` imitates.

use super::{assert_timeline, run, run_with_network};
use quotalab::scenario::{self, IMITATIONS, Overrides};

/// Returns a scenario of an account with 30 requests per minute.
fn thirty_a_minute(client: &str, arrivals: &str) -> String {
    format!(
        "
duration: 2m
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 30 }}, latency: {{ total: 200ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {client}
workload: [{{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 10, completion: 10, max_tokens: 10 }}]"
    )
}

/// Sixty independent programs with the retry function that `like: article` imitates, against one account: about 35 of 60 are
/// served with 200 attempts (30 at once, then one per round of about two seconds; each program gives up after its sixth
/// attempt). A client whose jobs share a cool-down serves all.
#[test]
fn sixty_programs_of_the_article_lose_what_one_gateway_serves() {
    let article = run_with_network(&thirty_a_minute("{ like: article }", "burst: 60, every: 1h"));
    let [served, attempts] = [article.succeeded(), article.sends().len()];
    assert!((34..=37).contains(&served), "{served} served");
    assert!((192..=204).contains(&attempts), "{attempts} attempts");
    let last = article.sends().last().expect("a send").0;
    assert!((9.0..=13.0).contains(&last), "the last at {last} s");
    let gateway = "{ deadline: 5m, retry: { attempts: 6, backoff: { base: 1s, cap: 30s } } }";
    let gateway = run_with_network(&thirty_a_minute(gateway, "burst: 60, every: 1h"));
    assert_eq!(gateway.succeeded(), 60);
    assert!(gateway.sends().len() < 120, "{} attempts", gateway.sends().len());
}

/// A refusal of one job does not hold back another one: each is sent when it arrives.
#[test]
fn a_refused_job_waits_alone() {
    let story = run(&thirty_a_minute(
        "{ cool_down: per_job, deadline: 2m, retry: { attempts: 2, backoff: { jitter: none } } }",
        "constant: 2/s",
    ));
    assert!(story.refused_by_a_limit() > 0, "{}", story.timeline());
    let sent: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    for job in 0..240 {
        assert!(sent.contains(&(f64::from(job) * 0.5)), "job {job}: {sent:?}");
    }
    assert!(!story.timeline().contains("cools down"), "{}", story.timeline());
}

/// With a fallback, a refused job goes to the next target at once. Refused by all, it returns to the one whose wait ends first.
#[test]
fn a_job_waits_for_each_target_as_long_as_that_target_stated() {
    let story = run("
duration: 1m
providers:
  p: { models: { m: { limits: { rpm: 1 }, latency: { total: 100ms } } } }
  q: { models: { m: { limits: { rpm: { limit: 2, burst: 1 } }, latency: { total: 100ms } } } }
routes: { r: [{ of: [p/default/m] }, { of: [q/default/m] }] }
client: { cool_down: per_job, deadline: 2m, retry: { attempts: 4, backoff: { jitter: none } } }
workload: [{ name: w, route: r, arrivals: { burst: 3, every: 1h }, prompt: 10, completion: 10, max_tokens: 10 }]
");
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         0.000s job 1: arrives
         0.000s job 1: attempt 1 to p/default/m
         0.000s job 1: p/default/m refuses (rpm)
         0.000s job 1: falls back from step 0 to 1
         0.000s job 1: attempt 2 to q/default/m
         0.000s job 2: arrives
         0.000s job 2: attempt 1 to p/default/m
         0.000s job 2: p/default/m refuses (rpm)
         0.000s job 2: falls back from step 0 to 1
         0.000s job 2: attempt 2 to q/default/m
         0.000s job 2: q/default/m refuses (rpm)
         0.000s job 2: waits until 30.000s (CoolDown)
         0.100s job 0: p/default/m serves it
         0.100s job 0: Succeeded
         0.100s job 1: q/default/m serves it
         0.100s job 1: Succeeded
         30.000s job 2: attempt 3 to q/default/m
         30.100s job 2: q/default/m serves it
         30.100s job 2: Succeeded",
    );
}

/// The message states a wait exactly, the header in whole seconds. A wait that is longer than the client obeys is replaced by
/// its back-off.
#[test]
fn a_stated_wait_is_read_and_bounded_as_the_client_does() {
    let second_send = |stated: &str| {
        let client = format!(
            "{{ deadline: 2m, cool_down: per_job, retry: {{ attempts: 2, backoff: {{ base: 3s, jitter: none }}, stated_wait: {stated} }} }}"
        );
        let story = run(&thirty_a_minute(&client, "burst: 31, every: 1h")
            .replace("rpm: 30", "rpm: { limit: 42, burst: 30 }"));
        story.sends()[31].0
    };
    // One request of 42 a minute refills in 10/7 s.
    assert!((second_send("{}") - 10.0 / 7.0).abs() < 0.001, "{}", second_send("{}"));
    assert_eq!(second_send("{ from: headers }"), 2.0);
    assert_eq!(second_send("{ from: headers, longest: 1s }"), 3.0);
    let spread = second_send("{ from: headers, jitter: 500ms }");
    assert!(spread > 2.0 && spread <= 2.5, "{spread}");
}

#[test]
fn every_imitation_is_a_client_and_its_words_can_be_overridden() {
    for imitation in IMITATIONS {
        let name = imitation.name;
        let scenario = super::parse(&thirty_a_minute(&format!("{{ like: {name} }}"), "constant: 1/s"));
        assert_eq!(scenario.default_client().like, Some(name));
        assert!(
            scenario.default_client().eject.is_none() == (name != "recommended")
                && scenario.default_client().retry.attempts > 1,
            "{name}"
        );
        assert!(scenario.describe().contains(&format!("behaves as {name}: {}", imitation.program)));
        let own = format!("{{ like: {name}, deadline: 7s, retry: {{ backoff: {{ cap: 90s }} }} }}");
        let changed = super::parse(&thirty_a_minute(&own, "constant: 1/s")).clients.remove(0);
        assert_eq!(changed.deadline, provider::Nanos::from_secs(7), "{name}");
        assert_eq!(changed.retry.backoff.cap, provider::Nanos::from_secs(90), "{name}");
        assert_eq!(changed.retry.backoff.base, scenario.default_client().retry.backoff.base, "{name}");
        assert_eq!(changed.retry.attempts, scenario.default_client().retry.attempts, "{name}");
    }
}

#[test]
fn an_unknown_imitation_is_refused_with_the_nearest_name() {
    let yaml = thirty_a_minute("{ like: openai-pyton }", "constant: 1/s");
    let problems = scenario::parse("clients.yaml", &yaml, &Overrides::default(), None).expect_err("unknown");
    let text = problems.to_string();
    assert!(text.contains("unknown word `openai-pyton`") && text.contains("`openai-python`"), "{text}");
}

#[test]
fn a_program_named_in_a_whole_client_or_provider_of_the_command_line_is_merged() {
    let yaml = thirty_a_minute("{ deadline: 5s }", "constant: 1/s");
    let with = |path: &str, value: &str| {
        let set = vec![(path.to_owned(), value.to_owned())];
        scenario::parse("clients.yaml", &yaml, &Overrides { set, ..Overrides::default() }, None)
            .unwrap_or_else(|problems| panic!("{path}: {problems}"))
    };
    let written = super::parse(&thirty_a_minute("{ like: portkey }", "constant: 1/s")).clients.remove(0);
    assert_eq!(with("client", "{ like: portkey }").default_client().retry, written.retry);
    assert_eq!(with("clients.web", "{ like: portkey }").clients[1].retry, written.retry);
    assert_eq!(with("clients", "{ web: { like: portkey } }").clients[1].retry, written.retry);
    let groq = with("providers.p", "{ preset: groq-free, models: { m: {} } }");
    assert!(groq.providers[0].models.len() > 1, "the models of the preset");
}
