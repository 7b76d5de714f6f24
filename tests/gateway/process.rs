//! The gateway as a process: keys from the environment, TLS with an authority of its own, signals.

#![cfg(unix)]

mod redis_password;

use super::tls::{new_authority, serve_tls};
use super::*;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

pub(super) const SECRET: &str = "gsk_a1B2c3D4e5F6g7H8i9J0";

/// A gateway in a process of its own, and what it has printed.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    printed: Arc<Mutex<String>>,
}

impl Process {
    fn start(scenario: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_with(scenario, &[], environment)
    }

    pub(super) fn start_with(scenario: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
        command.args(["gateway", scenario.to_str().expect("a plain path"), "--listen", "0"]);
        command.args(options);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let printed = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().expect("piped"), Arc::clone(&printed));
        collect(child.stdout.take().expect("piped"), Arc::clone(&printed));
        let find = || {
            let printed = printed.lock().expect("no panic");
            let address = printed.split("gateway on http://").nth(1)?.split('/').next()?;
            address.parse().ok()
        };
        let mut found = None;
        wait_for(|| find().is_some() || printed.lock().expect("no panic").contains("error"), "it listens");
        found = found.or_else(find);
        let address = found.unwrap_or_else(|| panic!("{}", printed.lock().expect("no panic")));
        Self { child, address, printed }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill` starts").success(), "the process runs");
    }

    pub(super) fn printed(&self) -> String {
        self.printed.lock().expect("no panic").clone()
    }

    pub(super) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        wait_for(|| self.printed().contains("the gateway has ended"), "its last line");
        (status, self.printed())
    }

    pub(super) fn request(&self, bytes: &str) -> Response {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream.write_all(bytes.as_bytes()).expect("it reads");
        Response::read(&stream)
    }

    pub(super) fn chat(&self, model: &str) -> Response {
        let body = chat_request(model);
        self.request(&post("/v1/chat/completions", &body))
    }

    pub(super) fn get(&self, path: &str) -> Response {
        self.request(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a stream of the process prints.
fn collect(stream: impl std::io::Read + Send + 'static, printed: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut printed = printed.lock().expect("no panic");
            printed.push_str(&line);
            printed.push('\n');
        }
    });
}

/// Writes a scenario with one provider whose key is in the environment.
pub(super) fn write_scenario(folder: &Path, base_url: &str, route: &str) -> PathBuf {
    let path = folder.join("gateway.yaml");
    let text = format!(
        "name: gateway\nduration: 1m\nproviders:\n  p0: {{dialect: openai, base_url: \"{base_url}\", accounts: {{a: {{keys: [{{env: TEST_API_KEY}}]}}}}, models: {{m: {{}}}}}}\n\
         routes: {{{route}: [{{of: [p0/a/m]}}]}}\nclient: {{retry: {{attempts: 1}}}}\n\
         workload: [{{name: w, route: {route}, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n"
    );
    fs::write(&path, text).expect("a scenario");
    path
}

/// Searches every output for the key: printed text, the log, replies, pages, metrics and files, also after the provider has
/// repeated a part of the key in an error.
#[test]
fn the_key_is_sent_to_the_provider_and_appears_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::start(|number, _| {
        let answer = match number {
            0 => completion(),
            1 => json_response(
                "401 Unauthorized",
                "",
                r#"{"error":{"message":"Incorrect API key provided: gsk_a1B2***********"}}"#,
            ),
            _ => json_response("500 Internal Server Error", "", "{}"),
        };
        vec![Step::Send(answer)]
    });
    let url = format!("http://{}/v1", provider.address);
    let scenario = write_scenario(folder.path(), &url, "chat");
    let process = Process::start(&scenario, &[("TEST_API_KEY", SECRET)]);
    let mut seen = String::new();
    for _ in 0..3 {
        seen.push_str(&process.chat("chat").text);
    }
    for path in ["/v1/models", "/metrics", "/_quotalab", "/_quotalab/state", "/nope"] {
        seen.push_str(&process.get(path).text);
    }
    process.signal("-HUP");
    wait_for(|| process.printed().contains("the scenario was reloaded"), "the reload");
    process.signal("-TERM");
    let (status, printed) = process.wait();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("status=502"), "requests are logged: {printed}");
    for verb in ["check", "sim"] {
        let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .arg(verb)
            .arg(&scenario)
            .current_dir(&folder)
            .env("TEST_API_KEY", SECRET)
            .output()
            .expect("the binary starts");
        assert!(output.status.code() < Some(2), "{output:?}");
        seen.push_str(&String::from_utf8_lossy(&output.stdout));
        seen.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    for entry in walk(folder.path()) {
        seen.push_str(&String::from_utf8_lossy(&fs::read(entry).expect("a file")));
    }
    assert!(!seen.contains(SECRET) && !printed.contains(SECRET));
    assert!(provider.requests()[0].contains(&format!("Bearer {SECRET}")), "the provider receives it");
}

/// Returns every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() { files.extend(walk(&entry)) } else { files.push(entry) }
    }
    files
}

#[test]
fn a_gateway_without_its_key_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |scenario: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_quotalab"))
            .args(["gateway", "--listen", "0"])
            .arg(scenario)
            .env_remove("TEST_API_KEY")
            .output()
            .expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, printed) = run(&write_scenario(folder.path(), "https://api.example.com/v1", "chat"));
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("the environment variable TEST_API_KEY is not set"), "{printed}");
    let path = write_scenario(folder.path(), "https://api.example.com/v1", "chat");
    let text = fs::read_to_string(&path).expect("a scenario").replace("{env: TEST_API_KEY}", SECRET);
    fs::write(&path, text).expect("a scenario");
    let (code, printed) = run(&path);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("is not sent to api.example.com") && !printed.contains(SECRET), "{printed}");
}

#[test]
fn a_reload_applies_a_valid_scenario_and_ignores_an_invalid_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::answering(completion());
    let url = format!("http://{}/v1", provider.address);
    let scenario = write_scenario(folder.path(), &url, "chat");
    let process = Process::start(&scenario, &[("TEST_API_KEY", "k")]);
    assert_eq!((process.chat("chat").status(), process.chat("talk").status()), (200, 404));
    write_scenario(folder.path(), &url, "talk");
    process.signal("-HUP");
    wait_for(|| process.printed().contains("the scenario was reloaded"), "the reload");
    assert_eq!((process.chat("chat").status(), process.chat("talk").status()), (404, 200));
    fs::write(&scenario, "routes: nonsense\n").expect("a scenario");
    process.signal("-HUP");
    wait_for(|| process.printed().contains("continues with the previous scenario"), "the refusal");
    assert!(process.printed().contains("gateway.yaml:1"), "{}", process.printed());
    assert_eq!(process.chat("talk").status(), 200);
}

/// After the reload, the gateway still knows that the limit is used up: pacing would delay a request beyond its deadline, as
/// before.
#[test]
fn a_reload_keeps_what_is_used_of_limits() {
    let provider = Provider::answering(completion());
    let text = format!(
        "name: pace\nduration: 1m\nproviders:\n  p: {{dialect: openai, base_url: \"http://{}/v1\", models: {{m: {{limits: {{rpm: 3}}}}}}}}\n\
         routes: {{chat: [{{of: [p/default/m]}}]}}\nclient: {{pace: requests, deadline: 1s}}\n\
         workload: [{{name: w, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n",
        provider.address
    );
    let scenario = scenario::parse("pace.yaml", &text, &Overrides::default(), None).expect("a scenario");
    let gateway = RunningGateway::start(&scenario);
    for _ in 0..3 {
        assert_eq!(gateway.chat("chat").status(), 200);
    }
    assert_eq!(gateway.chat("chat").status(), 429);
    gateway.reload(&scenario);
    let response = gateway.chat("chat");
    assert_eq!(response.status(), 429, "{}", response.text);
    assert_eq!(provider.requests().len(), 3);
}

#[test]
fn a_gateway_that_is_terminated_finishes_the_requests_in_flight() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::start(|_, _| {
        let begin = format!("{EVENT_STREAM_HEAD}{}", chunk(&token("one")));
        let end = format!("{}{}{LAST_CHUNK}", chunk(&token("two")), chunk("data: [DONE]\n\n"));
        vec![Step::Send(begin), Step::Wait(Duration::from_millis(700)), Step::Send(end)]
    });
    let scenario = write_scenario(folder.path(), &format!("http://{}/v1", provider.address), "chat");
    let process = Process::start(&scenario, &[("TEST_API_KEY", "k")]);
    let body = stream_request("chat");
    let mut stream = TcpStream::connect(process.address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    stream.write_all(post("/v1/chat/completions", &body).as_bytes()).expect("it reads");
    wait_for(|| provider.requests().len() == 1, "the request");
    process.signal("-TERM");
    let response = Response::read(&stream);
    assert!(!response.is_cut && response.body().contains("[DONE]"), "{}", response.text);
    let (status, printed) = process.wait();
    assert!(status.success(), "{printed}");
}

/// Serves the scenario of the README with a mock in place of the provider. The mock accepts the name of a key as the key.
#[test]
fn the_scenario_of_the_readme_serves_requests() {
    let folder = tempfile::tempdir().expect("a folder");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let text = blocks.into_iter().find(|block| block.contains("GROQ_API_KEY")).expect("the scenario");
    assert!(text.lines().count() <= 5, "{text}");
    let scenario = folder.path().join("gateway.yaml");
    fs::write(&scenario, text).expect("a scenario");
    let mut mock = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .args(["mock", "--listen", "0"])
        .arg(&scenario)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let first = BufReader::new(mock.stdout.take().expect("piped")).lines().next();
    let first = first.expect("a line").expect("text");
    let base_url = first.split("listens on ").nth(1).expect("its address").to_owned();
    let set = format!("providers.groq.base_url={base_url}");
    let process = Process::start_with(&scenario, &["--set", &set], &[("GROQ_API_KEY", "GROQ_API_KEY")]);
    let response = process.request(&post(
        "/v1/chat/completions",
        r#"{"model":"chat","max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}"#,
    ));
    let _ = mock.kill();
    let _ = mock.wait();
    assert_eq!(response.status(), 200, "{}", response.text);
    assert_eq!(response.header("x-quotalab-target"), Some("groq/acme/openai/gpt-oss-120b"));
}

#[test]
fn a_provider_behind_tls_is_reached_if_its_authority_is_trusted_and_not_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, certificates) = new_authority(folder.path());
    let address = serve_tls(&authority);
    let url = format!("https://localhost:{}/v1", address.port());
    let scenario = write_scenario(folder.path(), &url, "chat");
    let trusted = certificates.to_str().expect("a plain path");
    let process = Process::start(&scenario, &[("TEST_API_KEY", SECRET), ("SSL_CERT_FILE", trusted)]);
    let response = process.chat("chat");
    assert_eq!((response.status(), response.body().as_str()), (200, COMPLETION));
    let process = Process::start(&scenario, &[("TEST_API_KEY", SECRET)]);
    let response = process.chat("chat");
    assert_eq!((response.status(), response.error()["code"].clone()), (502, "upstream_failed".into()));
}

/// The log goes to `/dev/full`, on which every write fails as on a full disk.
#[test]
fn a_log_that_cannot_be_written_stops_no_request() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::answering(completion());
    let scenario = write_scenario(folder.path(), &format!("http://{}/v1", provider.address), "chat");
    let mut child = Command::new(env!("CARGO_BIN_EXE_quotalab"))
        .args(["gateway", scenario.to_str().expect("a plain path"), "--listen", "0"])
        .env("TEST_API_KEY", "k")
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .expect("the binary starts");
    let first =
        BufReader::new(child.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
    let address = first.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    for _ in 0..3 {
        let body = chat_request("chat");
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream.write_all(post("/v1/chat/completions", &body).as_bytes()).expect("it reads");
        assert_eq!(Response::read(&stream).status(), 200);
    }
    let _ = child.kill();
    let _ = child.wait();
}
