//! The file that stores the usage of budgets, and the absence of keys from everything that a process writes.

use super::super::process::Process;
use super::super::sharing::redis_server::RedisServer;
use super::*;
use std::path::{Path, PathBuf};
use std::{fs, str};

const KEYS: [(&str, &str); 2] = [("WEB_KEY", "sk-a1B2c3D4e5"), ("QUOTALAB_GATEWAY_KEY", "sk-operator")];

fn write_scenario(folder: &Path, provider: &Provider) -> PathBuf {
    let path = folder.join("gateway.yaml");
    let more = "callers: {web: {key: {env: WEB_KEY}, budget: {tokens: 100k, usd: 1}}}\n";
    fs::write(&path, scenario_text(&[provider], more)).expect("a scenario");
    path
}

fn start(scenario: &Path) -> Process {
    Process::start_with(scenario, &[], &KEYS)
}

fn used(gateway: &Process) -> u64 {
    let state = gateway.request(&get("/_quotalab/state", "sk-operator")).body();
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    state["callers"][0]["used_tokens"].as_u64().expect("a number")
}

#[test]
fn usage_survives_a_restart_and_no_output_contains_a_key() {
    let provider = greedy_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_scenario(folder.path(), &provider);
    let gateway = start(&path);
    let mut shown = String::new();
    for request in [
        chat(KEYS[0].1, r#""max_tokens":40,"#),
        chat(KEYS[0].1, r#""max_tokens":1000000,"#),
        chat("sk-unknown", ""),
        get("/metrics", "sk-operator"),
        get("/_quotalab/state", "sk-operator"),
        get("/_quotalab", "sk-operator"),
    ] {
        shown += &gateway.request(&request).text;
    }
    let before = used(&gateway);
    assert!(before > 98_000, "{before}");

    let second = std::process::Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .args(["gateway", path.to_str().expect("a plain path"), "--listen", "0"])
        .envs(KEYS)
        .output()
        .expect("the binary starts");
    let problem = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{problem}");
    assert!(problem.contains("another gateway has it open") && problem.contains("--store"), "{problem}");

    gateway.signal("-TERM");
    let (status, printed) = gateway.wait();
    assert!(status.success());
    assert!(printed.contains("caller=\"web\"") && printed.contains("do not count usage"), "{printed}");
    let store = fs::read(folder.path().join("gateway.budgets")).expect("beside the scenario");
    for (what, bytes) in [("answers", shown.as_bytes()), ("log", printed.as_bytes()), ("store", &store)] {
        let has = |key: &str| bytes.windows(key.len()).any(|part| part == key.as_bytes());
        assert!(!has(KEYS[0].1) && !has(KEYS[1].1), "{what}: {:?}", str::from_utf8(bytes));
    }
    assert_eq!(used(&start(&path)), before);
}

/// With Redis, the gateway stores nothing in a file.
#[test]
fn a_store_and_redis_exclude_each_other_and_redis_needs_no_file() {
    let Some(server) = RedisServer::start(None) else { return };
    let provider = greedy_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_scenario(folder.path(), &provider);
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .args(["gateway", path.to_str().expect("a plain path"), "--redis", &server.url(), "--store", "b"])
        .envs(KEYS)
        .output()
        .expect("the binary starts");
    let problem = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{problem}");
    assert!(problem.contains("leave out --store"), "{problem}");
    let options = ["--redis", &server.url()];
    let gateway = Process::start_with(&path, &options, &KEYS);
    assert_eq!(gateway.request(&chat(KEYS[0].1, r#""max_tokens":40,"#)).status(), 200);
    gateway.signal("-HUP");
    wait_for(|| gateway.printed().contains("the scenario was reloaded"), "the reload");
    gateway.signal("-TERM");
    let (status, printed) = gateway.wait();
    assert!(status.success() && printed.contains("quotas and budgets are shared through redis"), "{printed}");
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert_eq!(names, ["gateway.yaml"]);
    // The next process reads from Redis what was used.
    let next = Process::start_with(&path, &options, &KEYS);
    wait_for(|| used(&next) == PROMPT + 40, "what was used before");
}

#[test]
fn after_a_kill_the_reservation_of_a_request_in_flight_counts_as_used() {
    let provider = Provider::start(|number, request| match number {
        0 => vec![Step::Send(full_answer(request))],
        _ => vec![Step::AwaitClose],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_scenario(folder.path(), &provider);
    let mut gateway = start(&path);
    assert_eq!(gateway.request(&chat(KEYS[0].1, r#""max_tokens":40,"#)).status(), 200);
    let mut under_way = TcpStream::connect(gateway.address).expect("it listens");
    under_way.write_all(chat(KEYS[0].1, r#""max_tokens":5000,"#).as_bytes()).expect("it reads");
    wait_for(|| provider.requests().len() == 2, "it is under way");
    // The store contains the sum as a little-endian number next to the caller's name.
    let sum = (2 * PROMPT + 5_040).to_le_bytes();
    let is_written = || {
        let store = fs::read(folder.path().join("gateway.budgets")).expect("it exists");
        store.windows(sum.len()).any(|part| part == sum)
    };
    wait_for(is_written, "it is written");
    gateway.child.kill().expect("it runs");
    gateway.child.wait().expect("it ends");
    assert_eq!(used(&start(&path)), 2 * PROMPT + 5_040);
}
