//! Coalescing over sockets: who gets the answer of whom, and what happens if someone leaves.

use super::*;
use std::io::BufRead as _;
use std::sync::atomic::AtomicBool;

const JOINED: &str = "client: {join: true, deadline: 20s, retry: {attempts: 1}}\n";

/// Waits until this many jobs are in flight.
fn wait_for_jobs(gateway: &RunningGateway, jobs: u64) {
    wait_for(|| gateway.state()["jobs_in_flight"] == jobs, "all requests are under way");
}

/// Holds the replies of a provider back until it is opened, so that no test depends on the speed of the machine.
struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Starts a provider that answers its n-th request, from zero, with `reply(n, request)`, but not before the gate is open.
    fn start(reply: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> (Provider, Self) {
        let is_open = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_open);
        let provider = Provider::start(move |number, request| {
            wait_for(|| seen.load(Ordering::SeqCst), "the provider is released");
            vec![Step::Send(reply(number, request))]
        });
        (provider, Self(is_open))
    }

    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Sends the same request over several connections, each when the jobs of those before it are in flight.
fn send_identical(gateway: &RunningGateway, request: &str, count: u64) -> Vec<TcpStream> {
    let streams = (1..=count).map(|number| {
        let mut stream = gateway.connect();
        stream.write_all(request.as_bytes()).expect("it reads requests");
        wait_for_jobs(gateway, number);
        stream
    });
    streams.collect()
}

#[test]
fn of_twenty_identical_requests_one_is_sent() {
    for request in [chat_post(""), post("/v1/chat/completions", &stream_request("chat"))] {
        let (provider, gate) = Gate::start(numbered);
        let gateway = RunningGateway::start(&scenario(&[&provider], JOINED));
        let streams = send_identical(&gateway, &request, 20);
        gate.open();
        let answers: Vec<_> = streams.iter().map(Response::read).collect();
        assert_eq!(provider.requests().len(), 1);
        let expected = if request.contains("\"stream\":true") { events(0) } else { body(0) };
        for (number, response) in answers.iter().enumerate() {
            assert_eq!((response.status(), response.is_cut, response.body()), (200, false, expected.clone()));
            let origin = (number > 0).then_some("coalesced");
            assert_eq!((cache_header(response), response.header("age")), (origin, None), "{}", response.text);
        }
        assert_eq!(gateway.state()["cache"]["coalesced"], 19);
        assert_eq!(cache_header(&gateway.send(&request)), None, "nothing is cached");
    }
}

#[test]
fn if_the_leader_fails_one_follower_is_promoted() {
    let (provider, gate) = Gate::start(|number, _| match number {
        0 => json_response("503 Service Unavailable", "", "{}"),
        _ => plain(number),
    });
    let client = "client: {join: true, deadline: 20s, retry: {attempts: 1}, eject: off, cool_down: off}\n";
    let gateway = RunningGateway::start(&scenario(&[&provider], client));
    let streams = send_identical(&gateway, &chat_post(""), 4);
    gate.open();
    let answers: Vec<_> = streams.iter().map(Response::read).collect();
    assert_eq!(answers[0].status(), 502);
    assert_eq!([1, 2, 3].map(|number: usize| answers[number].body()), [(); 3].map(|()| body(1)));
    assert_eq!(
        [1, 2, 3].map(|number: usize| cache_header(&answers[number])),
        [None, Some("coalesced"), Some("coalesced")]
    );
    assert_eq!(provider.requests().len(), 2);
}

#[test]
fn a_leader_that_leaves_leaves_its_attempt_to_its_followers() {
    for request in [chat_post(""), post("/v1/chat/completions", &stream_request("chat"))] {
        let (provider, gate) = Gate::start(numbered);
        let gateway = RunningGateway::start(&scenario(&[&provider], JOINED));
        let mut streams = send_identical(&gateway, &request, 4);
        drop(streams.remove(0));
        wait_for_jobs(&gateway, 3);
        // The one that has the attempt now leaves as well.
        drop(streams.remove(0));
        wait_for_jobs(&gateway, 2);
        gate.open();
        let answers: Vec<_> = streams.iter().map(Response::read).collect();
        let expected = if request.contains("\"stream\":true") { events(0) } else { body(0) };
        for response in &answers {
            assert_eq!((response.status(), response.body()), (200, expected.clone()), "{}", response.text);
            assert_eq!(cache_header(response), Some("coalesced"));
        }
        assert_eq!((provider.requests().len(), provider.closed()), (1, 0));
    }
}

/// A stream that its caller has read the beginning of goes on for its followers, who get all of it.
#[test]
fn a_leader_that_leaves_its_stream_leaves_it_to_its_followers() {
    let provider = Provider::start(|_, _| {
        vec![
            Step::Send(format!("{EVENT_STREAM_HEAD}{}", chunk(&token("one")))),
            Step::Wait(Duration::from_millis(1_500)),
            Step::Send(format!("{}{LAST_CHUNK}", chunk(&format!("{}data: [DONE]\n\n", token("two"))))),
        ]
    });
    let callers = "callers:\n  a: {key: {env: A}, budget: {tokens: 1M}}\n";
    let scenario = scenario(&[&provider], &format!("{JOINED}{callers}"));
    let gateway = RunningGateway::with(&scenario, Access::Loopback, &key_of, ledger_in_memory(), None);
    let request = with_header(&chat_post("\"stream\":true,"), "authorization: Bearer sk-a");
    let mut streams = send_identical(&gateway, &request, 2);
    let leader = streams.remove(0);
    let mut lines = std::io::BufReader::new(leader).lines();
    assert!(lines.any(|line| line.expect("text").contains("one")), "it begins");
    drop(lines);
    let response = Response::read(&streams[0]);
    let expected = format!("{}{}data: [DONE]\n\n", token("one"), token("two"));
    assert_eq!(
        (response.body(), cache_header(&response)),
        (expected, Some("coalesced")),
        "{}",
        response.text
    );
    gateway.wait_until_idle();
    let caller = crate::gateway::callers::caller(&gateway, "a");
    assert_eq!(caller["reserved_tokens"], 0, "{caller}");
    assert!(caller["used_tokens"].as_u64().is_some_and(|tokens| (1..100).contains(&tokens)), "{caller}");
}

#[test]
fn an_attempt_that_every_caller_has_left_is_cancelled() {
    let provider = Provider::start(|_, _| vec![Step::AwaitClose]);
    let gateway = RunningGateway::start(&scenario(&[&provider], JOINED));
    let streams = send_identical(&gateway, &chat_post(""), 3);
    wait_for(|| provider.requests().len() == 1, "the attempt is sent");
    for (left, stream) in (0..3).rev().zip(streams) {
        drop(stream);
        wait_for_jobs(&gateway, left);
    }
    wait_for(|| provider.closed() == 1, "its connection is closed");
    assert_eq!(provider.requests().len(), 1);
}

/// An answer that is too long to be kept for others: those that waited for it are sent by themselves, before their deadlines.
#[test]
fn followers_of_a_stream_that_is_too_long_are_sent() {
    let long =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "a".repeat(900 << 10));
    let events = format!("{}{}data: [DONE]\n\n", token("one"), long.repeat(5));
    let answer = format!("{EVENT_STREAM_HEAD}{}{LAST_CHUNK}", chunk(&events));
    let (provider, gate) = Gate::start(move |_, _| answer.clone());
    let gateway = RunningGateway::start(&scenario(&[&provider], JOINED));
    let request = post("/v1/chat/completions", &stream_request("chat"));
    let streams = send_identical(&gateway, &request, 2);
    gate.open();
    // The leader has to be read as well, or its stream does not go on.
    let answers: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = streams.iter().map(|stream| scope.spawn(|| Response::read(stream))).collect();
        readers.into_iter().map(|reader| reader.join().expect("an answer")).collect()
    });
    for response in &answers {
        assert!(response.body() == events && cache_header(response).is_none(), "{:.300}", response.text);
    }
    assert_eq!(provider.requests().len(), 2);
}
