//! `mock`, as a client sees it over plain TCP.

#[cfg(unix)]
mod connections;
#[cfg(unix)]
mod keys;
#[cfg(unix)]
mod recorded;

use super::{SHORT, quotalab};
use provider::Axis;
use provider::config::Dialect;
use provider::wire;
use quotalab::engine::parse::Refusal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A mock in its own process, which ends with the test.
struct Mock {
    child: Child,
    address: String,
    key: String,
    /// The first command that it suggests.
    command: String,
}

impl Mock {
    fn start(args: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_quotalab")), args)
    }

    /// Starts the mock by a command to which its arguments are added.
    fn start_by(mut command: Command, args: &[&str]) -> Self {
        let mut child = command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([&["mock"], args, &["--listen", "127.0.0.1:0"]].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines =
            BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
        let mut find = |before: &str| {
            let line = lines.find(|line| line.contains(before)).unwrap_or_else(|| panic!("no `{before}`"));
            line.split_once(before).expect("just found").1.to_owned()
        };
        let address = find("listens on http://").split('/').next().expect("an address").to_owned();
        let key = find("  account default: ").split(',').next().expect("a key").to_owned();
        let command = find("  try: ");
        Self { child, address, key, command }
    }

    /// Sends one request on its own connection.
    fn ask(&self, model: &str) -> Reply {
        self.ask_with(&self.key, model)
    }

    fn ask_with(&self, key: &str, model: &str) -> Reply {
        let body = format!(
            r#"{{"model":"{model}","max_tokens":1,"messages":[{{"role":"user","content":"hello"}}]}}"#
        );
        self.post("/openai/v1/chat/completions", &format!("Authorization: Bearer {key}"), &body)
    }

    /// Sends the request of the suggested command.
    fn run_command(&self) -> Reply {
        let rest = self.command.split_once(&self.address).expect("the address of the mock").1;
        let (path, rest) = rest.split_once(" -H '").expect("a header");
        let (header, rest) = rest.split_once("' -d '").expect("a body");
        self.post(path, header, rest.strip_suffix('\'').expect("a closing quote"))
    }

    fn post(&self, path: &str, header: &str, body: &str) -> Reply {
        post(&self.address, path, header, body)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a JSON body, with `headers` in addition to those of every request.
fn post(address: &str, path: &str, headers: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(address).expect("the mock listens");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a whole reply");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    Reply { head: head.to_ascii_lowercase(), body: body.to_owned() }
}

struct Reply {
    head: String,
    body: String,
}

impl Reply {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn message(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        body["error"]["message"].as_str().expect("an error").to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "a client waits in real time")]
fn wait(length: Duration) {
    thread::sleep(length);
}

#[test]
fn the_free_tier_serves_until_its_requests_are_used_up() {
    let mock = Mock::start(&["--preset", "groq-free"]);
    assert_eq!(mock.ask_with("wrong", "openai/gpt-oss-20b").status(), 401);
    assert_eq!(mock.ask("no-such-model").status(), 404);
    // 30 per minute, available at once; up to five more refill while the test runs.
    let replies: Vec<Reply> = thread::scope(|scope| {
        let requests: Vec<_> = (0..40).map(|_| scope.spawn(|| mock.ask("openai/gpt-oss-20b"))).collect();
        requests.into_iter().map(|request| request.join().expect("an answer")).collect()
    });
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status() == 200);
    assert!((30..=35).contains(&served.len()), "{} served", served.len());
    for reply in served {
        assert!(
            reply.body.contains(r#""x_groq":{"id":"req_"#)
                && reply.body.contains(r#""service_tier":"on_demand""#)
        );
        assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("1000"), "requests per day");
        assert_eq!(reply.header("x-ratelimit-limit-tokens"), Some("8000"), "tokens per minute");
    }
    for reply in refused {
        assert_eq!(reply.status(), 429);
        let refusal = Refusal::from_message(&reply.message());
        assert_eq!((refusal.axis, refusal.limit, refusal.requested), (Some(Axis::Rpm), Some(30), Some(1)));
        let seconds: u64 = reply.header("retry-after").expect("a wait").parse().expect("whole seconds");
        let stated = refusal.wait.expect("the message states the wait too");
        assert_eq!(seconds, stated.0.div_ceil(1_000_000_000), "rounded up");
        assert!(reply.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    }
}

#[test]
fn the_suggested_command_works_in_every_dialect() {
    for dialect in Dialect::ALL {
        let mock = Mock::start(&[SHORT, "--set", &format!("providers.p.dialect={}", dialect.name())]);
        assert!(mock.command.contains(wire::format(dialect).base()), "{}", mock.command);
        let reply = mock.run_command();
        assert_eq!(reply.status(), 200, "{}: {}", mock.command, reply.body);
    }
}

#[test]
fn a_client_that_waits_as_announced_is_served() {
    let mock = Mock::start(&[SHORT]);
    assert_eq!(mock.ask("m").status(), 200, "a burst of one");
    for _ in 0..2 {
        let refused = mock.ask("m");
        assert_eq!(refused.status(), 429);
        let seconds: u64 = refused.header("retry-after").expect("a wait").parse().expect("whole seconds");
        assert_eq!(seconds, 1);
        wait(Duration::from_secs(seconds));
        assert_eq!(mock.ask("m").status(), 200);
    }
}

#[test]
fn on_loopback_a_test_can_advance_the_clock_and_inject_a_fault() {
    let mock = Mock::start(&[SHORT]);
    let control =
        |path, body| mock.post(&format!("/_quotalab/{path}"), "Content-Type: application/json", body);
    assert_eq!(mock.ask("m").status(), 200, "a burst of one");
    assert_eq!(control("clock", r#"{"advance":"1m"}"#).status(), 200);
    assert_eq!(mock.ask("m").status(), 200, "a minute later");
    assert_eq!(control("faults", r#"{"fault":"503","next":1}"#).status(), 200);
    assert_eq!((mock.ask("m").status(), mock.ask("m").status()), (503, 429));
    assert_eq!(control("verdict", "").status(), 405, "a verdict is read with GET");
}

#[test]
fn a_port_in_use_is_exit_3_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let run = quotalab(&["mock", "--preset", "groq-free", "--listen", &address]);
    assert_eq!((run.code, run.out.as_str()), (3, ""), "{run:?}");
    assert!(
        run.err.contains(&address) && run.err.contains("choose another address with --listen"),
        "{}",
        run.err
    );
}

#[test]
fn wrong_arguments_are_exit_2_and_an_unknown_preset_has_a_suggestion() {
    let run = quotalab(&["mock", "--preset", "groq-fre"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert!(run.err.contains("groq-free"), "{}", run.err);
    assert_eq!(quotalab(&["mock", "--preset", "groq-free", "--set", "a=b"]).code, 2);
    assert_eq!(quotalab(&["mock", "--listen", "example.com:1"]).code, 2);
    assert_eq!(quotalab(&["mock", "--speed", "-1"]).code, 2);
    assert_eq!(quotalab(&["mock", "--exec"]).code, 2, "a command is missing");
    assert_eq!(quotalab(&["mock", "--", "true"]).code, 2, "--exec is missing");
    assert_eq!(quotalab(&["mock", "--answers", "Cargo.toml"]).code, 2);
    assert_eq!(quotalab(&["mock", SHORT, "--preset", "groq-free"]).code, 2);
}

/// Starts a mock with `--json` and returns it with the line that it printed.
fn start_json(args: &[&str]) -> (Child, serde_json::Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([&["mock", "--json", "--listen", "0"], args].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("text");
    (child, serde_json::from_str(&line).expect("one line of JSON"))
}

/// Ends a mock with SIGTERM and returns what it printed on stderr.
#[cfg(unix)]
fn terminate(child: Child) -> String {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("`kill` starts").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// Sends a request for a completion with this key to a mock that was started with `--json`.
fn ask_at(announced: &serde_json::Value, key: &str) -> Reply {
    let provider = &announced["providers"][0];
    let address = provider["address"].as_str().expect("an address");
    let model = provider["models"][0].as_str().expect("a model");
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"2+2"}}]}}"#);
    let headers = format!("Authorization: Bearer {key}\r\nUser-Agent: test/1");
    post(address, "/openai/v1/chat/completions", &headers, &body)
}

#[cfg(unix)]
#[test]
fn mock_without_a_scenario_serves_the_free_tier_and_states_in_json_how_to_reach_it() {
    let (child, announced) = start_json(&["--speed", "0", "--access-log"]);
    let provider = &announced["providers"][0];
    let url = provider["url"].as_str().expect("an address");
    assert_eq!((&provider["name"], &provider["dialect"]), (&"groq-free".into(), &"groq".into()));
    assert_eq!(provider["base_url"], format!("{url}/openai/v1"));
    assert_eq!(provider["control_plane"], format!("{url}/_quotalab"));
    assert_eq!(provider["accounts"][0]["keys"][0], "default");
    for (name, value) in [
        ("GROQ_BASE_URL", url.to_owned()),
        ("GROQ_API_KEY", "default".to_owned()),
        ("OPENAI_BASE_URL", format!("{url}/openai/v1")),
        ("QUOTALAB_MOCK_URL", url.to_owned()),
    ] {
        assert_eq!(announced["environment"][name], value, "{name}");
    }
    assert_eq!(ask_at(&announced, "default").status(), 200);
    assert_eq!(ask_at(&announced, "sk-secret").status(), 401);
    let printed = terminate(child);
    let mut lines = printed.lines();
    let served = lines.next().expect("a line");
    assert!(
        served.contains("POST /openai/v1/chat/completions 200 account=default key=1 model="),
        "{printed}"
    );
    assert!(lines.next().expect("a line").contains("401 outcome=rejected"), "{printed}");
    assert!(
        lines.next().expect("a line").starts_with("groq-free: 0 of 2 jobs ended in a refusal."),
        "{printed}"
    );
    assert!(!printed.contains("secret"), "{printed}");
}

#[cfg(unix)]
#[test]
fn the_access_log_names_a_timeout_fault() {
    let (child, announced) = start_json(&["--access-log"]);
    let provider = &announced["providers"][0];
    let address = provider["address"].as_str().expect("an address");
    let model = provider["models"][0].as_str().expect("a model");
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut socket = TcpStream::connect(address).expect("it listens");
    let head = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer default";
    let answer = r#"x-quotalab-answer: {"fault":"timeout"}"#;
    write!(socket, "{head}\r\n{answer}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    assert!(socket.read(&mut [0]).is_err(), "there is no reply");
    drop(socket);
    let printed = terminate(child);
    let line = printed.lines().next().expect("a line");
    assert!(line.contains(" - account=default ") && line.contains("outcome=faulted"), "{printed}");
    assert!(line.ends_with(" timed_out"), "{printed}");
}

#[cfg(unix)]
#[test]
fn a_preset_can_be_changed_and_take_any_key_and_answers_from_a_file() {
    let file = super::scratch("recorded").join("answers.jsonl");
    std::fs::write(&file, "{\"prompt_is\": \"2+2\", \"text\": \"4\"}\n").expect("written");
    let set = "models.llama-3.1-8b-instant.limits.rpm=2";
    let seed = "seed=3";
    let args =
        ["--preset", "groq-free", "--set", set, "--set", seed, "--any-key", "--answers", super::arg(&file)];
    let (child, announced) = start_json(&args);
    let models = announced["providers"][0]["models"].as_array().expect("models").clone();
    let index = models.iter().position(|model| model == "llama-3.1-8b-instant").expect("the model");
    let mut only = announced.clone();
    only["providers"][0]["models"][0] = models[index].clone();
    let replies: Vec<_> = ["sk-1", "sk-2", "default"].map(|key| ask_at(&only, key)).into();
    assert_eq!(
        replies.iter().map(Reply::status).collect::<Vec<_>>(),
        [200, 200, 429],
        "they share the account"
    );
    assert!(replies[0].body.contains(r#""content":"4""#), "{}", replies[0].body);
    let printed = terminate(child);
    assert!(printed.contains("account default, key 1: 1 of 1 jobs ended in a refusal"), "{printed}");
    assert!(!printed.contains("sk-1"), "{printed}");
}

#[cfg(unix)]
#[test]
fn a_command_runs_with_the_environment_of_the_sdks_and_its_exit_code_is_passed_on() {
    let run = |script: &str| quotalab(&["mock", "--exec", "--", "sh", "-c", script]);
    let output = run("echo $OPENAI_BASE_URL $GROQ_API_KEY; exit 7");
    assert_eq!(output.code, 7, "{output:?}");
    assert!(
        output.out.starts_with("http://127.0.0.1:") && output.out.ends_with("/openai/v1 default\n"),
        "{output:?}"
    );
    assert_eq!(run("true").code, 0);
    assert_eq!(run("kill -9 $$").code, 137);
    assert_eq!(quotalab(&["mock", "--exec", "--", "no-such-command"]).code, 3);
}

#[cfg(unix)]
#[test]
fn a_scenario_needs_no_routes_and_no_workload_and_may_set_answers() {
    let folder = super::scratch("providers-only");
    let write = |text: &str| {
        let file = folder.join("scenario.yaml");
        std::fs::write(&file, text).expect("written");
        file
    };
    let file = write(
        "providers:\n  p:\n    accounts: {a: {keys: [default]}}\n    models: {m: {limits: {rpm: 5}}}\n    answers: [{prompt: 'two|2', text: 4}, {sequence: [503, ok]}]\n",
    );
    let (child, announced) = start_json(&[super::arg(&file)]);
    let replies =
        [ask_at(&announced, "default"), ask_at(&announced, "default"), ask_at(&announced, "default")];
    assert_eq!(replies.each_ref().map(Reply::status), [503, 200, 200]);
    assert!(replies[2].body.contains(r#""content":"4""#), "{}", replies[2].body);
    terminate(child);
    for (text, problem) in [
        ("providers:\n  p: {models: {m: {}}, answers: [{txt: 4}]}\n", "unknown answer"),
        ("providers:\n  p: {models: {m: {}}}\nroutes: {}\n", "expected at least one name"),
        ("providers: {}\n", "providers"),
        ("name: x\n", "the scenario has no `providers`"),
    ] {
        let output = quotalab(&["mock", super::arg(&write(text))]);
        assert_eq!(output.code, 2, "{text}");
        assert!(output.err.contains(problem), "{text}: {}", output.err);
    }
}
