//! The gateway over real sockets: between raw HTTP callers and providers that answer from a script, or mocks.

mod cache;
mod callers;
mod errors;
mod export;
mod fallback;
mod load;
mod passing;
mod process;
#[cfg(unix)]
mod recording;
mod security;
mod sharing;
mod streams;
mod tls;

use quotalab::drive::clock::Clock;
use quotalab::gateway::{Access, Current, Gateway, KeyLookup, LocalLedger, Sharing, SharingOptions, serve};
use quotalab::scenario::{self, Overrides, Scenario};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longer than any test needs, on any machine.
const LONG: Duration = Duration::from_secs(60);

/// One thing that a scripted provider does with a request.
#[derive(Clone, Debug)]
enum Step {
    /// Send these bytes, or close the connection if there are none.
    Send(String),
    /// Wait.
    Wait(Duration),
    /// Wait until the client closes the connection.
    AwaitClose,
}

/// A provider that answers each request as its script says, and keeps what it received.
struct Provider {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// Connections that the gateway has closed while a request was open.
    closed: Arc<AtomicUsize>,
}

impl Provider {
    /// Starts a provider. `script` gets the number of the request, from zero, and its text.
    fn start(script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (requests, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (seen, gone, script) = (Arc::clone(&requests), Arc::clone(&closed), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, gone, script) = (Arc::clone(&seen), Arc::clone(&gone), Arc::clone(&script));
                thread::spawn(move || {
                    while let Some(request) = read_request(&stream) {
                        let number = {
                            let mut seen = seen.lock().expect("no panic");
                            seen.push(request.clone());
                            seen.len() - 1
                        };
                        if !perform(&stream, &script(number, &request), &gone) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, requests, closed }
    }

    /// Starts a provider that answers every request with the same response.
    fn answering(response: String) -> Self {
        Self::start(move |_, _| vec![Step::Send(response.clone())])
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

/// Performs the steps; returns `false` if the connection is to be closed.
fn perform(mut stream: &TcpStream, steps: &[Step], gone: &AtomicUsize) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) if bytes.is_empty() => return false,
            Step::Send(bytes) => {
                if stream.write_all(bytes.as_bytes()).is_err() {
                    return false;
                }
            }
            Step::Wait(length) => sleep(*length),
            Step::AwaitClose => {
                stream.set_read_timeout(Some(LONG)).expect("a timeout");
                let mut byte = [0];
                if matches!(stream.read(&mut byte), Ok(0) | Err(_)) {
                    gone.fetch_add(1, Ordering::SeqCst);
                }
                return false;
            }
        }
    }
    true
}

/// Closes the connection.
fn close() -> Step {
    Step::Send(String::new())
}

/// Reads a request with a `content-length`; `None` if the connection has ended.
fn read_request(mut stream: &TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Returns the value of a header in a head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n\r\n").next()?.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Returns a response with a JSON body.
fn json_response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A completion of a chat.
const COMPLETION: &str = r#"{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6},"x_new_member":[1e400]}"#;

fn completion() -> String {
    json_response("200 OK", "x-request-id: r1\r\n", COMPLETION)
}

const EVENT_STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Returns bytes as one chunk.
fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

/// Returns an event with a token of a chat.
fn token(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const LAST_CHUNK: &str = "0\r\n\r\n";

/// Waits until a condition holds. Panics with `what` if it does not hold within [`LONG`].
fn wait_for(condition: impl Fn() -> bool, what: &str) {
    for _ in 0..LONG.as_millis() / 10 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("not within {LONG:?}: {what}");
}

#[expect(clippy::disallowed_methods, reason = "a server and its clients live in real time")]
fn sleep(length: Duration) {
    thread::sleep(length);
}

/// Returns a ledger that is kept in memory only.
fn ledger_in_memory() -> Arc<LocalLedger> {
    Arc::new(LocalLedger::new(Clock::calendar_time))
}

/// A gateway that serves until it is dropped.
struct RunningGateway {
    address: SocketAddr,
    current: Arc<Current>,
    runtime: Runtime,
}

impl RunningGateway {
    /// Starts the gateway of a scenario.
    fn start(scenario: &Scenario) -> Self {
        Self::with_access(scenario, Access::Loopback)
    }

    fn with_access(scenario: &Scenario, access: Access) -> Self {
        Self::with(scenario, access, &|_| None, ledger_in_memory(), None)
    }

    fn with(
        scenario: &Scenario,
        access: Access,
        keys: &KeyLookup<'_>,
        ledger: Arc<LocalLedger>,
        sharing: Option<SharingOptions>,
    ) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (address, current) = runtime.block_on(async {
            let clock = Clock::start();
            let gateway = Gateway::new(scenario, keys, access, clock).expect("a gateway");
            let mut gateway = gateway.with_ledger(ledger);
            if let Some(options) = sharing {
                gateway = gateway.sharing(&Sharing::connect(&options, clock).await.expect("redis"));
            }
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            let current = Arc::new(Current::new(gateway));
            tokio::spawn(serve(listener, Arc::clone(&current), std::future::pending()));
            (address, current)
        });
        Self { address, current, runtime }
    }

    /// Replaces the scenario; the new gateway keeps the state of the old one, as after a reload.
    fn reload(&self, scenario: &Scenario) {
        self.reload_with(scenario, &|_| None);
    }

    fn reload_with(&self, scenario: &Scenario, keys: &KeyLookup<'_>) {
        let _context = self.runtime.enter();
        let reloaded = self.current.get().reloaded(scenario, keys).expect("a gateway");
        self.current.replace(reloaded);
    }

    /// Sends a request to an operation and reads the response to its end.
    fn post(&self, path: &str, body: &str) -> Response {
        self.send(&post(path, body))
    }

    fn chat(&self, model: &str) -> Response {
        self.post("/v1/chat/completions", &chat_request(model))
    }

    fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address))
    }

    /// Sends bytes and reads what comes back until the connection ends.
    fn send(&self, bytes: &str) -> Response {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).expect("it reads requests");
        Response::read(&stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        stream
    }

    /// Returns the gateway's state.
    fn state(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/_quotalab/state").body()).expect("JSON")
    }

    /// Waits until no job is in flight.
    fn wait_until_idle(&self) {
        wait_for(|| self.state()["jobs_in_flight"] == 0, "no job is in flight");
    }
}

/// Returns a request with a JSON body, after whose response the connection is closed.
fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chat_request(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hi"}}],"temperature":1.0}}"#)
}

fn stream_request(model: &str) -> String {
    chat_request(model).replacen('{', r#"{"stream":true,"#, 1)
}

/// What a caller received.
struct Response {
    text: String,
    /// `true` if the connection ended in the middle of the body.
    is_cut: bool,
}

impl Response {
    fn read(mut stream: &TcpStream) -> Self {
        let mut bytes = Vec::new();
        let result = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        let is_chunked = header(&text, "transfer-encoding").is_some();
        let length = header(&text, "content-length").and_then(|length| length.parse::<usize>().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let is_whole = if is_chunked { text.ends_with(LAST_CHUNK) } else { length == Some(body.len()) };
        Self { is_cut: result.is_err() || !is_whole, text }
    }

    fn status(&self) -> u16 {
        let status = self.text.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.text, name)
    }

    /// Returns the body, without the framing of chunks.
    fn body(&self) -> String {
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap_or_default();
        if self.header("transfer-encoding").is_none() {
            return body.to_owned();
        }
        let (mut out, mut rest) = (String::new(), body);
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
            if size == 0 {
                break;
            }
            out.push_str(&after[..size.min(after.len())]);
            rest = after.get(size + 2..).unwrap_or_default();
        }
        out
    }

    fn error(&self) -> BTreeMap<String, serde_json::Value> {
        let body: serde_json::Value = serde_json::from_str(&self.body()).expect("JSON");
        serde_json::from_value(body["error"].clone()).expect("an error")
    }
}

/// Reads a scenario with these providers, routes and further members. Every provider is `pN` with one model `m`.
fn scenario(providers: &[&Provider], more: &str) -> Scenario {
    parse(&scenario_text(providers, more))
}

fn parse(text: &str) -> Scenario {
    scenario::parse("test.yaml", text, &Overrides::default(), None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Returns the YAML text of the scenario that [`scenario`] reads.
fn scenario_text(providers: &[&Provider], more: &str) -> String {
    let mut text = String::from("name: test\nduration: 1m\nproviders:\n");
    for (number, provider) in providers.iter().enumerate() {
        text.push_str(&format!(
            "  p{number}: {{dialect: openai, base_url: \"http://{}/v1\", accounts: {{a: {{keys: [k{number}]}}}}, models: {{m: {{limits: {{rpm: 1000}}}}}}}}\n",
            provider.address
        ));
    }
    text.push_str("routes:\n  chat:\n");
    for number in 0..providers.len() {
        text.push_str(&format!("    - {{of: [p{number}/a/m]}}\n"));
    }
    text.push_str(
        "workload: [{name: chat, route: chat, arrivals: {constant: 1/min}, prompt: 10, completion: 10}]\n",
    );
    text.push_str(more);
    text
}
