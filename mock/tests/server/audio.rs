//! Audio endpoints: the charge for a file, and the reply.

use crate::client::{HttpReply, MODEL, RunningMock, config, no_latency};
use provider::config::{Fault, Limit};
use provider::server::MAX_AUDIO_FORM_BYTES;
use provider::{Axis, Nanos};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A WAV file that declares audio of this duration and contains none.
fn wav(seconds: u32) -> Vec<u8> {
    let mut file =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
    file.extend_from_slice(&(16_000 * seconds).to_le_bytes());
    file
}

/// Sends a form; the field named `file` is sent as a file.
async fn send(mock: &RunningMock, path: &str, fields: &[(&str, &[u8])]) -> HttpReply {
    let mut body = Vec::new();
    for (name, value) in fields {
        let file = if *name == "file" { "; filename=\"a.wav\"" } else { "" };
        body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let mut request = format!(
        "POST /openai/v1/audio/{path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\ncontent-type: multipart/form-data; boundary=b\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.append(&mut body);
    HttpReply::parse(&mock.exchange_bytes(&request).await)
}

async fn transcribe(mock: &RunningMock, seconds: u32) -> HttpReply {
    send(mock, "transcriptions", &[("model", MODEL.as_bytes()), ("file", &wav(seconds))]).await
}

fn whisper_limits() -> Vec<Limit> {
    vec![Limit::new(Axis::Rpd, 2000), Limit::new(Axis::Ash, 7200), Limit::new(Axis::Asd, 28_800)]
}

#[tokio::test]
async fn two_seconds_of_audio_change_the_headers_as_captured() {
    let mock = RunningMock::start(&config(whisper_limits(), no_latency(), &[])).await;
    let reply = transcribe(&mock, 2).await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("limit-requests", "2000"),
        ("remaining-requests", "1999"),
        ("reset-requests", "43.2s"),
        ("limit-audio-seconds", "7200"),
        ("remaining-audio-seconds", "7198"),
        ("reset-audio-seconds", "1s"),
    ] {
        assert_eq!(reply.header(&format!("x-ratelimit-{name}")), Some(value), "{name}");
    }
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), None);
    assert_eq!(reply.json()["text"].as_str().unwrap().split(' ').count(), 5);
}

#[tokio::test]
async fn audio_seconds_are_charged_once_and_refilled_over_the_hour() {
    let mock = RunningMock::start(&config(whisper_limits(), no_latency(), &[])).await;
    assert_eq!(transcribe(&mock, 7019).await.status, 200);
    let refused = transcribe(&mock, 600).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("210")));
    let error = &refused.json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("seconds"), &json!("rate_limit_exceeded")));
    // The numbers and the wait are those of a capture of 2026.
    let message = "on seconds of audio per hour (ASPH): Limit 7200, Used 7019, Requested 600. Please try again in 3m29.5s.";
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    mock.set_clock(Nanos::from_millis(209_500));
    assert_eq!(transcribe(&mock, 600).await.status, 200);
}

#[tokio::test]
async fn a_file_longer_than_the_daily_limit_is_too_large() {
    let mock = RunningMock::start(&config(whisper_limits(), no_latency(), &[])).await;
    let reply = transcribe(&mock, 42_762).await;
    let message = &reply.json()["error"]["message"];
    assert_eq!(reply.status, 413);
    assert!(
        message.as_str().unwrap().contains("Requested 42762, please reduce your message size"),
        "{message}"
    );
    assert_eq!(transcribe(&mock, 7200).await.status, 200, "a refused file is not charged");
}

#[tokio::test]
async fn a_transcript_has_the_requested_format() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let file = wav(2);
    let request = async |path: &str, format: &str| {
        let fields = [("response_format", format.as_bytes()), ("model", MODEL.as_bytes()), ("file", &file)];
        send(&mock, path, &fields).await
    };
    for (path, task) in [("transcriptions", "transcribe"), ("translations", "translate")] {
        let reply = request(path, "verbose_json").await.json();
        assert_eq!((&reply["task"], &reply["duration"]), (&json!(task), &json!(2)));
        assert_eq!(reply["segments"][0]["text"], reply["text"]);
    }
    let text = request("transcriptions", "text").await;
    assert_eq!((text.header("content-type"), text.body.split_whitespace().count()), (Some("text/plain"), 5));
    assert_eq!(request("transcriptions", "srt").await.status, 400);
}

#[tokio::test]
async fn an_invalid_form_is_an_error_that_names_the_problem() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let model = ("model", MODEL.as_bytes());
    for (fields, status, expected) in [
        (&[model][..], 400, "'file' is a required property"),
        (&[("file", b"abc")], 400, "'model' is a required property"),
        (&[model, ("file", b"")], 400, "empty"),
        (&[model, ("url", b"http://x")], 400, "not supported"),
        (&[("model", b"gpt-2"), ("file", b"abc")], 404, "does not exist"),
        (&[("model", b"\xff")], 400, "UTF-8"),
    ] {
        let reply = send(&mock, "transcriptions", fields).await;
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, status, "{message}");
        assert!(message.contains(expected), "{message}");
    }
    for head in
        ["", "content-type: application/json\r\n", "content-type: multipart/form-data; boundary=b\r\n"]
    {
        let request = format!(
            "POST /openai/v1/audio/transcriptions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\n{head}connection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert_eq!(HttpReply::parse(&mock.exchange(&request).await).status, 400, "{head}");
    }
}

#[tokio::test]
async fn a_file_that_exceeds_the_maximum_is_a_413_with_and_without_content_length() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let announced = format!("content-length: {}\r\n\r\n", MAX_AUDIO_FORM_BYTES + 1);
    let start = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n";
    let zeros = "0".repeat(MAX_AUDIO_FORM_BYTES);
    let chunks = format!(
        "transfer-encoding: chunked\r\n\r\n{:x}\r\n{start}\r\n{MAX_AUDIO_FORM_BYTES:x}\r\n{zeros}\r\n",
        start.len()
    );
    for rest in [announced, chunks] {
        let mut socket = mock.connect().await;
        let head = "POST /openai/v1/audio/transcriptions HTTP/1.1\r\nhost: m\r\nauthorization: bearer k1\r\ncontent-type: multipart/form-data; boundary=b\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(rest.as_bytes()).await.unwrap();
        let mut reply = [0; 12];
        socket.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 413");
    }
}

#[tokio::test]
async fn faults_apply_to_audio() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::Status(503)])).await;
    assert_eq!(transcribe(&mock, 2).await.status, 503);
}
