//! When a stream is an answer, and when it has ended.

use super::*;

/// Starts a provider that streams these events and then performs the steps `then`.
fn streaming(events: &str, then: Vec<Step>) -> Provider {
    let begin = format!("{EVENT_STREAM_HEAD}{}", chunk(events));
    Provider::start(move |_, _| [vec![Step::Send(begin.clone())], then.clone()].concat())
}

fn end() -> Vec<Step> {
    vec![Step::Send(LAST_CHUNK.to_owned())]
}

/// Streams without text are answers too, whichever event ends them, and so is a stream with a comment and CRLF line ends.
#[test]
fn streams_of_unusual_events_are_answers() {
    let event = |delta: &str, finish: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let done = "data: [DONE]\n\n";
    for events in [
        format!("{ROLE}{}{done}", event("{}", "\"content_filter\"")),
        format!("{ROLE}{}", event("{}", "\"stop\"")),
        format!("{ROLE}{done}"),
        format!("{}{done}", event(r#"{"function_call":{"name":"f","arguments":""}}"#, "null")),
        format!("{}{done}", event(r#"{"audio":{"id":"a","data":"AAAA"}}"#, "null")),
        format!(": ping\r\n\r\n{}", token("hi").replace('\n', "\r\n")) + "data: [DONE]\r\n\r\n",
        format!(
            "event: response.created\ndata: {{\"type\":\"response.created\"}}\n\n{}",
            "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n"
        ),
    ] {
        let provider = streaming(&events, end());
        let gateway = RunningGateway::start(&scenario(&[&provider], ""));
        let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
        assert_eq!((response.status(), response.is_cut), (200, false), "{events}: {}", response.text);
        assert_eq!(response.body(), events);
        gateway.wait_until_idle();
        assert_eq!(gateway.state()["decisions"][0]["decision"], "is answered", "{events}");
        assert_eq!(provider.requests().len(), 1);
    }
}

#[test]
fn a_stream_that_ends_without_a_finish_reason_has_broken_off() {
    let provider = streaming(&token("one"), end());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert!(response.is_cut && response.body().contains("stream_interrupted"), "{}", response.text);
}

/// Providers may end the body long after the answer: the answer counts, not the end of the body.
#[test]
fn an_answer_is_complete_at_its_end_marker() {
    let events = format!("{}data: [DONE]\n\n", token("one"));
    let provider = streaming(&events, vec![Step::AwaitClose]);
    let gateway =
        RunningGateway::start(&scenario(&[&provider], "client: {deadline: 5s, attempt_timeout: 4s}\n"));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert_eq!((response.is_cut, response.body()), (false, events), "{}", response.text);
    gateway.wait_until_idle();
    assert_eq!(gateway.state()["decisions"][0]["decision"], "is answered");
}

/// The gateway appends its error as an event of its own, also if no blank line has ended the event before it.
#[test]
fn the_error_of_a_stream_that_breaks_off_is_an_event_of_its_own() {
    let provider = streaming(
        &format!("{}{}", token("one"), token("two").trim_end()),
        vec![Step::Send("2\r\n\n\r\n".to_owned()), close()],
    );
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    let body = response.body();
    let events: Vec<_> = body.split("\n\n").filter(|event| !event.trim().is_empty()).collect();
    for event in &events {
        assert_eq!(event.matches("data:").count(), 1, "{body:?}");
    }
    assert!(events.last().is_some_and(|event| event.contains("stream_interrupted")), "{body:?}");
}

#[test]
fn an_error_of_the_provider_in_its_stream_is_passed_on_once() {
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n";
    let then = [
        Step::Wait(Duration::from_millis(300)),
        Step::Send(chunk(&format!("{error}data: [DONE]\n\n")) + LAST_CHUNK),
    ];
    let provider = streaming(&token("one"), then.to_vec());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    let body = response.body();
    assert!(body.contains(error) && !body.contains("stream_interrupted"), "{body}");
}

#[test]
fn a_line_of_two_megabytes_passes() {
    let long = format!("data: {{\"type\":\"response.image\",\"data\":\"{}\"}}\n\n", "A".repeat(2 << 20));
    let events = format!("{}{long}data: [DONE]\n\n", token("one"));
    let provider = streaming(&events, end());
    let gateway = RunningGateway::start(&scenario(&[&provider], ""));
    let response = gateway.post("/v1/chat/completions", &stream_request("chat"));
    assert!(!response.is_cut && response.body() == events, "{:.300}", response.text);
}
