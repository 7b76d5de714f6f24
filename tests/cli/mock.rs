//! `mock`, as a client sees it over plain TCP.

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
        let mut child = Command::new(env!("CARGO_BIN_EXE_quotalab"))
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
        let mut stream = TcpStream::connect(&self.address).expect("the mock listens");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a whole reply");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        Reply { head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
fn on_loopback_a_test_can_advance_the_clock_and_get_a_verdict() {
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
fn an_unknown_preset_is_exit_2_with_a_suggestion() {
    let run = quotalab(&["mock", "--preset", "groq-fre"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert!(run.err.contains("groq-free"), "{}", run.err);
    assert_eq!(quotalab(&["mock", "--preset", "groq-free", "--set", "a=b"]).code, 2);
    assert_eq!(quotalab(&["mock", SHORT, "--preset", "groq-free"]).code, 2);
}
