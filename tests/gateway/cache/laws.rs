//! Law 20 over sockets: random callers with few different requests, plain and streamed, who sometimes leave,
//! before a provider that sometimes fails.

use super::*;
use proptest::prelude::*;

/// What a caller does.
#[derive(Clone, Debug)]
pub(in super::super) struct Visit {
    pub(in super::super) pause_ms: u64,
    prompt: u8,
    is_stream: bool,
    /// It leaves after this time, without reading the answer.
    leaves_after_ms: Option<u64>,
    /// Its request has `cache-control: no-cache`, so the answer must not come from the cache.
    is_no_cache: bool,
}

pub(in super::super) fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let leaves = prop_oneof![3 => Just(None), 1 => (0..60u64).prop_map(Some)];
    let visit = (0..25u64, 0..3u8, any::<bool>(), leaves, prop::bool::weighted(0.1)).prop_map(
        |(pause_ms, prompt, is_stream, leaves_after_ms, is_no_cache)| Visit {
            pause_ms,
            prompt,
            is_stream,
            leaves_after_ms,
            is_no_cache,
        },
    );
    prop::collection::vec(visit, 30..60)
}

/// The time that an answer lives.
const TTL: Duration = Duration::from_millis(150);

/// Returns the prompt that a request or an answer repeats.
fn echo(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<<")?;
    rest.split_once(">>").map(|(echo, _)| echo)
}

/// Answers with the prompt and the instant, in milliseconds; some requests fail in one of several ways.
pub(in super::super) fn flaky(clock: Clock) -> Provider {
    Provider::start(move |number, request| {
        let prompt = echo(request).expect("a prompt");
        let is_stream = request.contains("\"stream\":true");
        let text = |at: u64| format!("<<{prompt}>> at {at}.");
        let now = || clock.now().0 / 1_000_000;
        let pause = Step::Wait(Duration::from_millis([0, 20, 50][number % 3]));
        let answer = match (number % 7, is_stream) {
            (3, _) => {
                json_response("503 Service Unavailable", "", &format!("{{\"error\":\"FAILED {}\"}}", text(0)))
            }
            (5, false) => String::new(),
            (5, true) => format!("{EVENT_STREAM_HEAD}{}", chunk(&token(&format!("FAILED {}", text(0))))),
            // The instant is that before the pause: an answer may be younger than it states, but not older.
            (_, false) => json_response("200 OK", "", &COMPLETION.replace("Hi", &text(now()))),
            (_, true) => {
                let events = format!("{}data: [DONE]\n\n", token(&text(now() + [0, 20, 50][number % 3])));
                let (one, two) = events.split_at(events.len() / 2);
                format!("{EVENT_STREAM_HEAD}{}{}{LAST_CHUNK}", chunk(one), chunk(two))
            }
        };
        vec![pause, Step::Send(answer), if number % 7 == 5 { close() } else { Step::Wait(Duration::ZERO) }]
    })
}

/// Makes a visit. Returns an error if what the caller receives violates law 20.
pub(in super::super) fn visit(gateway: &RunningGateway, clock: Clock, visit: &Visit) -> Result<(), String> {
    let Visit { prompt, is_stream, leaves_after_ms, is_no_cache, .. } = visit;
    let body = format!(
        r#"{{"model":"chat","stream":{is_stream},"messages":[{{"role":"user","content":"<<{prompt}>>"}}]}}"#
    );
    let mut request = post("/v1/chat/completions", &body);
    if *is_no_cache {
        request = with_header(&request, "cache-control: no-cache");
    }
    let sent_ms = clock.now().0 / 1_000_000;
    let mut stream = gateway.connect();
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    if let Some(after) = leaves_after_ms {
        sleep(Duration::from_millis(*after));
        return Ok(());
    }
    let response = Response::read(&stream);
    let (body, origin) = (response.body(), cache_header(&response));
    let problem = |what: &str| Err(format!("{what}: {visit:?} {}", response.text));
    match response.status() {
        200 if response.is_cut => {
            if origin.is_some() || !body.contains("stream_interrupted") {
                return problem("only a stream of its own breaks off");
            }
        }
        200 => {
            if echo(&body) != Some(prompt.to_string().as_str()) || body.contains("FAILED") {
                return problem("an answer belongs to its request");
            }
            let at = body.split_once(" at ").and_then(|(_, at)| at.split_once('.')?.0.parse::<u64>().ok());
            let age = sent_ms.saturating_sub(at.ok_or("no instant")?);
            // The instant of the answer is up to 50 ms before its end, which a busy machine delays.
            if age > TTL.as_millis() as u64 + 50 + SLACK_MS || (*is_no_cache && origin == Some("hit")) {
                return problem("an answer is not older than its time to live");
            }
        }
        429 | 502 | 503 if origin.is_none() => {}
        _ => return problem("an answer, or an error that says why"),
    }
    Ok(())
}

/// The delay of a busy machine.
const SLACK_MS: u64 = 500;

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_caller_gets_one_fresh_answer_to_its_own_request(
        visits in visits(),
        client in prop::sample::select(vec!["cache: {entries: 2, ttl: 150ms}", "join: true", "cache: {entries: 4, ttl: 150ms}, join: true"]),
    ) {
        let clock = Clock::start();
        let provider = flaky(clock);
        let client = format!("client: {{deadline: 10s, eject: off, cool_down: off, retry: {{attempts: 2, backoff: {{base: 10ms, cap: 20ms}}}}, {client}}}\n");
        let gateway = RunningGateway::start(&scenario(&[&provider], &client));
        let problems: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> = visits.iter().map(|next| {
                sleep(Duration::from_millis(next.pause_ms));
                scope.spawn(|| visit(&gateway, clock, next))
            }).collect();
            running.into_iter().filter_map(|visit| visit.join().expect("no panic").err()).collect()
        });
        prop_assert!(problems.is_empty(), "{}", problems.join("\n"));
        gateway.wait_until_idle();
        let metrics = gateway.get("/metrics").body();
        let attempts = |outcome: &str| -> f64 {
            let rows = metrics.lines().filter(|line| line.starts_with("quotalab_gateway_attempts_total{") && line.contains(outcome));
            rows.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        // An attempt that is cancelled at once may not reach the provider.
        let (sent, decided, cancelled) = (provider.requests().len() as f64, attempts(""), attempts("\"cancelled\""));
        prop_assert!(sent <= decided && decided <= sent + cancelled, "{sent} of {decided}, {cancelled} cancelled");
        let state = gateway.state();
        prop_assert!(state["cache"]["answers"].as_u64() <= Some(4), "{state}");
    }
}
