//! A gateway records in one process, `sim` replays in another.

use super::process::{Process, SECRET, write_scenario};
use super::sharing::redis_server::RedisServer;
use super::*;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs `quotalab` and returns its exit code and what it prints.
fn quotalab(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
    let output = command.args(arguments).env("TEST_API_KEY", "k").output().expect("the binary starts");
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    (output.status.code(), printed.concat())
}

fn replay(scenario: &Path, recording: &Path, options: &[&str]) -> (Option<i32>, String) {
    let [scenario, recording] = [scenario, recording].map(|path| path.to_str().expect("a plain path"));
    quotalab(&[&["sim", scenario, "--replay", recording], options].concat())
}

/// Starts a provider that refuses the second request for 50 ms, fails the fourth, streams the answer to the seventh, and
/// answers all others.
fn provider() -> Provider {
    Provider::start(|number, _| {
        let answer = match number {
            1 => json_response("429 Too Many Requests", "retry-after: 0.05\r\n", "{}"),
            3 => json_response("500 Internal Server Error", "", "{}"),
            6 => format!(
                "{EVENT_STREAM_HEAD}{}{}{LAST_CHUNK}",
                chunk(&token("one")),
                chunk("data: [DONE]\n\n")
            ),
            _ => completion(),
        };
        vec![Step::Send(answer)]
    })
}

#[test]
fn the_decisions_of_a_gateway_are_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = provider();
    let url = format!("http://{}/v1", provider.address);
    let scenario = write_scenario(folder.path(), &url, "chat");
    let text = fs::read_to_string(&scenario).expect("a scenario").replace("attempts: 1", "attempts: 4");
    fs::write(&scenario, &text).expect("a scenario");
    let recording = folder.path().join("recording.jsonl");
    let options = ["--record", recording.to_str().expect("a plain path")];
    let process = Process::start_with(&scenario, &options, &[("TEST_API_KEY", SECRET)]);
    for _ in 0..3 {
        assert_eq!(process.chat("chat").status(), 200);
    }
    process.signal("-HUP");
    wait_for(|| process.printed().contains("the scenario was reloaded"), "the reload");
    assert_eq!(process.chat("chat").status(), 200);
    let streamed = process.request(&post("/v1/chat/completions", &stream_request("chat")));
    assert!(streamed.body().contains("one"), "{}", streamed.text);
    process.signal("-TERM");
    let (status, printed) = process.wait();
    assert!(status.success(), "{printed}");

    let (code, printed) = replay(&scenario, &recording, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.starts_with("5 jobs, ") && printed.contains(" decisions: all as recorded\n"),
        "{printed}"
    );
    assert!(printed.ends_with("the recording is complete\n"), "{printed}");
    let recorded = fs::read_to_string(&recording).expect("a recording");
    assert!(
        recorded.contains(r#""kind":"first_byte""#) && recorded.contains(r#""kind":"adopt""#),
        "{recorded}"
    );
    assert!(!recorded.contains(SECRET) && !recorded.contains("Say hi"), "{recorded}");

    // With one attempt per job, the job that was refused would have failed.
    let (code, printed) = replay(&scenario, &recording, &["--set", "client.retry.attempts=1"]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("the scenario has changed since it was recorded"), "{printed}");
    assert!(printed.contains(": `client`") && !printed.contains("`routes`"), "{printed}");
    assert!(printed.contains("recorded: waits ") && printed.contains("now:      fails: "), "{printed}");

    fs::write(&recording, &recorded[..recorded.len() - 20]).expect("a recording");
    let (code, printed) = replay(&scenario, &recording, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("the recording is cut off after"), "{printed}");
    fs::write(&recording, recorded.replacen("\"job\":1", "\"job\":9", 1)).expect("a recording");
    let (code, printed) = replay(&scenario, &recording, &[]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("recording.jsonl: line "), "{printed}");
}

/// An answer that was found in Redis is an input: without Redis, the replay decides as the gateway did.
#[test]
fn a_hit_of_another_replica_is_replayed() {
    let Some(server) = RedisServer::start(None) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::answering(completion());
    let scenario = write_scenario(folder.path(), &format!("http://{}/v1", provider.address), "chat");
    let text = fs::read_to_string(&scenario).expect("a scenario");
    let text = text.replace("attempts: 1}", "attempts: 1}, cache: {entries: 9, ttl: 1h}");
    fs::write(&scenario, text).expect("a scenario");
    let start = |recording: &str| {
        let recording = folder.path().join(recording);
        let url = server.url();
        let options = ["--redis", &url, "--record", recording.to_str().expect("a plain path")];
        let process = Process::start_with(&scenario, &options, &[("TEST_API_KEY", SECRET)]);
        wait_for(
            || process.printed().contains("quotas and cached answers are shared through redis"),
            "the note",
        );
        wait_for(|| process.get("/metrics").body().contains("sharing_cache_up 1\n"), "it shares answers");
        (process, recording)
    };
    let (first, _) = start("first.jsonl");
    assert_eq!(first.chat("chat").status(), 200);
    let written = "cache_writes_total{result=\"stored\"} 1\n";
    wait_for(|| first.get("/metrics").body().contains(written), "it is written");
    let (second, recording) = start("second.jsonl");
    let hits = [second.chat("chat"), second.chat("chat")];
    assert!(hits.iter().all(|hit| hit.header("x-quotalab-cache") == Some("hit")));
    assert_eq!(provider.requests().len(), 1);
    second.signal("-TERM");
    let (status, printed) = second.wait();
    assert!(status.success() && printed.contains("cache=\"shared_hit\""), "{printed}");

    let recorded = fs::read_to_string(&recording).expect("a recording");
    assert_eq!(recorded.matches(r#""kind":"shared_answer""#).count(), 1, "{recorded}");
    assert!(!recorded.contains("Say hi") && !recorded.contains("chat.completion"), "{recorded}");
    let (code, printed) = replay(&scenario, &recording, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.starts_with("2 jobs, 4 decisions: all as recorded\n"), "{printed}");
    // With a shorter time to live the answer would have been too old, so the jobs would have been sent.
    let (code, printed) = replay(&scenario, &recording, &["--set", "client.cache.ttl=1ms"]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("recorded: cache hit") && printed.contains("now:      attempt 1 goes to"),
        "{printed}"
    );
}

/// The lines that were written before `kill -9` are replayed.
#[test]
fn a_gateway_that_is_killed_leaves_what_it_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::answering(completion());
    let scenario = write_scenario(folder.path(), &format!("http://{}/v1", provider.address), "chat");
    let recording = folder.path().join("recording.jsonl");
    let options = ["--record", recording.to_str().expect("a plain path")];
    let process = Process::start_with(&scenario, &options, &[("TEST_API_KEY", "k")]);
    assert_eq!(process.chat("chat").status(), 200);
    let (code, printed) = quotalab(
        &[&["gateway", scenario.to_str().expect("a plain path"), "--listen", "0"], &options[..]].concat(),
    );
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("another gateway writes it"), "{printed}");
    let is_written = || fs::read_to_string(&recording).is_ok_and(|text| text.contains(r#""kind":"done""#));
    wait_for(is_written, "the lines are written");
    process.signal("-KILL");
    drop(process);
    let (code, printed) = replay(&scenario, &recording, &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.starts_with("1 job, 2 decisions: all as recorded\n"), "{printed}");
    assert!(printed.contains("as if the gateway had been killed"), "{printed}");
}

#[test]
fn a_recording_overwrites_no_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("the.key");
    fs::write(&key, "k").expect("a key");
    let scenario = write_scenario(folder.path(), "http://127.0.0.1:9/v1", "chat");
    let text =
        fs::read_to_string(&scenario).expect("a scenario").replace("env: TEST_API_KEY", "file: the.key");
    fs::write(&scenario, &text).expect("a scenario");
    for input in [&scenario, &key] {
        let before = fs::read(input).expect("an input");
        let [scenario, input_name] = [&scenario, input].map(|path| path.to_str().expect("a plain path"));
        let (code, printed) = quotalab(&["gateway", scenario, "--listen", "0", "--record", input_name]);
        assert_eq!(code, Some(2), "{printed}");
        assert!(printed.contains("would overwrite an input"), "{printed}");
        assert_eq!(fs::read(input).expect("an input"), before);
    }
    let (code, printed) =
        quotalab(&["sim", scenario.to_str().expect("a plain path"), "--replay", "none", "--seed", "1"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("cannot be used with"), "{printed}");
}
