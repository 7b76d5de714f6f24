//! A mock on loopback whose clock the test sets, and an HTTP client that writes requests and reads replies as raw bytes.

use provider::config::{
    AccountConfig, Config, Dialect, Fault, Incident, Latency, Lengths, Limit, ModelConfig, Price, Reserve,
    ServiceTimeDist, Tier,
};
use provider::decision::{Decision, DecisionReport};
use provider::dist::Dist;
use provider::server::{ControlPlane, Mock, Observer, serve};
use provider::{Call, Instant, Nanos, Usage};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The tag of a truth header that the observed run has not sent.
pub(crate) const FOREIGN_TAG: u128 = 666;

pub(crate) const MODEL: &str = "meta-llama/llama-4-scout-17b-16e-instruct";

/// The tag of a truth header for which the observer states the decision in the reply.
pub(crate) const STATED_TAG: u128 = 777;

/// One notification of the observer: the instant, the tag of the truth header, and the decision or the usage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Observed {
    Decided(Instant, Option<u128>, DecisionReport),
    Settled(Instant, Option<u128>, Usage),
}

#[derive(Debug, Default)]
pub(crate) struct EventLog(Mutex<Vec<Observed>>);

impl Observer for EventLog {
    fn is_own(&self, tag: u128) -> bool {
        tag != FOREIGN_TAG
    }

    fn decided(&self, at: Instant, tag: Option<u128>, _: Call, report: &DecisionReport) {
        self.0.lock().unwrap().push(Observed::Decided(at, tag, *report));
    }

    fn reply_header(&self, tag: Option<u128>, report: &DecisionReport) -> Option<String> {
        (tag == Some(STATED_TAG)).then(|| matches!(report.decision, Decision::Admitted(_)).to_string())
    }

    fn settled(&self, at: Instant, tag: Option<u128>, _: Call, usage: Usage) {
        self.0.lock().unwrap().push(Observed::Settled(at, tag, usage));
    }
}

/// A mock that is served on loopback.
pub(crate) struct RunningMock {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<AtomicU64>,
    log: Arc<EventLog>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningMock {
    /// Serves a mock without a control plane. Its clock is at zero until it is set.
    pub(crate) async fn start(config: &Config) -> Self {
        Self::start_with(config, ControlPlane::Disabled).await
    }

    pub(crate) async fn start_with(config: &Config, control: ControlPlane) -> Self {
        let (clock, log) = (Arc::new(AtomicU64::new(0)), Arc::new(EventLog::default()));
        let shared = Arc::clone(&clock);
        let now = Arc::new(move || Instant(shared.load(Ordering::SeqCst)));
        let mock = Mock::new(config, 7, now, Some(Arc::clone(&log) as _));
        let mock = Arc::new(mock.with_control_plane(control));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, mock, async {
            let _ = stopped.await;
        }));
        Self { address, clock, log, stop, task }
    }

    pub(crate) fn set_clock(&self, now: Nanos) {
        self.clock.store(now.0, Ordering::SeqCst);
    }

    pub(crate) fn observed(&self) -> Vec<Observed> {
        self.log.0.lock().unwrap().clone()
    }

    /// Waits up to ten seconds until `is_enough` returns `true` for the notifications of the observer.
    pub(crate) async fn wait_for(&self, is_enough: impl Fn(&[Observed]) -> bool) -> Vec<Observed> {
        for _ in 0..2_000 {
            let seen = self.observed();
            if is_enough(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("timed out, seen: {:?}", self.observed());
    }

    pub(crate) async fn stop(self) -> Vec<Observed> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.log.0.lock().unwrap().clone()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        self.exchange_bytes(request.as_bytes()).await
    }

    /// The same for a request that is not text.
    pub(crate) async fn exchange_bytes(&self, request: &[u8]) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request).await.unwrap();
        let mut reply = Vec::new();
        // A connection reset after the last byte ends the reply as well.
        let _end = socket.read_to_end(&mut reply).await;
        String::from_utf8(reply).unwrap()
    }

    pub(crate) async fn chat(&self, truth: &str, body: &str) -> HttpReply {
        HttpReply::parse(&self.exchange(&post(truth, body)).await)
    }

    /// Sends a request with the key `k1` in `authorization`, unless the headers have one, and these header lines.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> HttpReply {
        let has_key = headers.iter().any(|line| line.contains("-key:") || line.starts_with("authorization"));
        let mut lines: Vec<&str> = headers.to_vec();
        if !has_key {
            lines.push("authorization: Bearer k1");
        }
        let lines = lines.join("\r\n");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: mock\r\n{lines}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        HttpReply::parse(&self.exchange(&request).await)
    }

    /// Posts a JSON request to an endpoint.
    pub(crate) async fn call(&self, path: &str, body: &serde_json::Value) -> HttpReply {
        self.send("POST", path, &["content-type: application/json"], &body.to_string()).await
    }

    /// Sends a request to the control plane.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> HttpReply {
        self.control_with("host: localhost\r\ncontent-type: application/json", method, path, body).await
    }

    /// The same with these headers.
    pub(crate) async fn control_with(
        &self,
        headers: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> HttpReply {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        HttpReply::parse(&self.exchange(&request).await)
    }

    /// Sends a short request with a short completion.
    pub(crate) async fn ask(&self) -> HttpReply {
        self.chat("prompt=10;completion=5;draw=1;tag=9", &chat_body("")).await
    }
}

/// Sends a request to a mock at this address and reads until it closes the connection.
pub(crate) async fn exchange_at(address: SocketAddr, request: String) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).await.unwrap();
    reply
}

/// Sends a request to the control plane of a mock at this address.
pub(crate) async fn control_at(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> serde_json::Value {
    let length = body.len();
    let head = "host: localhost\r\ncontent-type: application/json\r\nconnection: close";
    let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    HttpReply::parse(&exchange_at(address, request).await).json()
}

/// Counts the settlements.
pub(crate) fn settled(seen: &[Observed]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Observed::Settled(..))).count()
}

/// Counts the decisions that admit a call.
pub(crate) fn admitted(seen: &[Observed]) -> usize {
    let admitted = |seen: &&Observed| matches!(seen, Observed::Decided(_, _, report) if matches!(report.decision, Decision::Admitted(_)));
    seen.iter().filter(admitted).count()
}

/// The body of a request to [`MODEL`], with more members at its end.
pub(crate) fn chat_body(more: &str) -> String {
    format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"hi"}}],"max_tokens":100{more}}}"#)
}

/// A request for a completion that closes its connection; without a truth header if `truth` is empty.
pub(crate) fn post(truth: &str, body: &str) -> String {
    let truth = if truth.is_empty() { String::new() } else { format!("x-quotalab-truth: {truth}\r\n") };
    format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\n{truth}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A parsed reply.
#[derive(Debug)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl HttpReply {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a complete head");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut reply = Self { status, headers, body: body.to_owned() };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunk(body);
        }
        reply
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Decodes a chunked body, which may be incomplete.
fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    body
}

/// Accounts `x` (keys `k1` and `k2`) and `y` (key `k3`), one model, and faults that last for the whole run.
pub(crate) fn config(limits: Vec<Limit>, service: ServiceTimeDist, faults: &[Fault]) -> Config {
    let incident = |&fault| Incident { at: Instant::ZERO, until: Instant::MAX, fault, share: 1.0 };
    Config {
        name: "groq".into(),
        dialect: Dialect::Groq,
        tier: Tier::Free,
        accounts: vec![
            AccountConfig { name: "x".into(), keys: vec!["k1".into(), "k2".into()] },
            AccountConfig { name: "y".into(), keys: vec!["k3".into()] },
        ],
        models: vec![ModelConfig {
            name: MODEL.into(),
            limits,
            lengths: Lengths::default(),
            reserve: Reserve::default(),
            latency: Latency { service, round_trip: None, slots: None },
            price: Price::default(),
            family: None,
            completion: Dist::Constant(3.0),
        }],
        incidents: faults.iter().map(incident).collect(),
        start_levels: vec![],
    }
}

/// A service without latency.
pub(crate) fn no_latency() -> ServiceTimeDist {
    ServiceTimeDist::Total(Dist::Constant(0.0))
}
