//! Compares the gateway with a bare pass-through to the same upstream, which answers at once: requests per second over 64 connections, CPU
//! time per request, and the latency that each adds on one connection. Everything runs in one process. The subjects alternate, so that
//! other load on the machine affects all of them.
//!
//! ```console
//! $ cargo bench --bench gateway
//! $ cargo bench --bench gateway -- --quick
//! $ cargo bench --bench gateway -- --serve   # the upstream and the pass-through, for `gateway_peers.py`
//! ```

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quotalab::drive::clock::Clock;
use quotalab::gateway::{Access, Current, Gateway, serve};
use quotalab::scenario::{self, Overrides};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const REQUEST: &str = r#"{"model":"chat","messages":[{"role":"user","content":"Say hello to the people who wait."}],"max_tokens":64}"#;

const COMPLETION: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello to you who wait."},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":6,"total_tokens":20}}"#;

const CONNECTIONS: usize = 64;

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, length) =
        if is_quick { (3, Duration::from_millis(300)) } else { (11, Duration::from_secs(2)) };
    let runtimes = NAMES.map(runtime);
    let upstream = runtimes[0].block_on(start_upstream());
    let bare = runtimes[1].block_on(start_pass_through(upstream));
    if std::env::args().any(|argument| argument == "--serve") {
        print(&format!("{{\"upstream\": \"{upstream}\", \"pass_through\": \"{bare}\"}}\n"));
        runtimes[0].block_on(std::future::pending::<()>());
    }
    let gateway = runtimes[2].block_on(start_gateway(upstream));
    let load = &runtimes[3];
    let mut rates: [Vec<f64>; 3] = Default::default();
    let mut cpu: [Vec<f64>; 3] = Default::default();
    let mut latencies: [Vec<[f64; 2]>; 3] = Default::default();
    for _ in 0..rounds {
        for (position, address) in [upstream, bare, gateway].into_iter().enumerate() {
            let before = cpu_s(NAMES[position]);
            let (rate, answered) = load.block_on(throughput(address, length));
            rates[position].push(rate);
            cpu[position].push((cpu_s(NAMES[position]) - before) / answered as f64);
            latencies[position].push(load.block_on(latency(address, length)));
        }
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "thousand requests per second over {CONNECTIONS} connections, median (minimum to maximum of {rounds} rounds)"
    );
    for (name, rates) in ["direct", "pass-through", "gateway"].into_iter().zip(&rates) {
        let _ = writeln!(out, "  {name:24} {}", median_and_range(rates.iter().map(|rate| rate / 1e3)));
    }
    let ratio = rates[2].iter().zip(&rates[1]).map(|(gateway, bare)| gateway / bare);
    let _ = writeln!(out, "  gateway / pass-through   {}", median_and_range(ratio));
    let _ = writeln!(out, "CPU time per request, in microseconds");
    for (name, cpu) in ["direct", "pass-through", "gateway"].into_iter().zip(&cpu) {
        let _ = writeln!(out, "  {name:24} {}", median_and_range(cpu.iter().map(|seconds| seconds * 1e6)));
    }
    let ratio = cpu[1].iter().zip(&cpu[2]).map(|(bare, gateway)| gateway / bare);
    let _ = writeln!(out, "  gateway / pass-through   {}", median_and_range(ratio));
    let _ = writeln!(out, "latency added on one connection, in microseconds");
    for (percentile, number) in ["p50", "p99"].into_iter().zip(0..) {
        let added = |position: usize| {
            let pairs = latencies[position].iter().zip(&latencies[0]);
            pairs.map(|(through, direct)| (through[number] - direct[number]) * 1e6).collect::<Vec<_>>()
        };
        let (bare, gateway) = (added(1), added(2));
        let _ =
            writeln!(out, "  pass-through {percentile}         {}", median_and_range(bare.iter().copied()));
        let _ = writeln!(
            out,
            "  gateway {percentile}              {}",
            median_and_range(gateway.iter().copied())
        );
        let ratio = gateway.iter().zip(&bare).map(|(gateway, bare)| gateway / bare);
        let _ = writeln!(out, "  gateway / pass-through   {}", median_and_range(ratio));
    }
    print(&out);
}

/// The names of the runtimes, and of the threads of each.
const NAMES: [&str; 4] = ["upstream", "pass-through", "gateway", "load"];

fn runtime(name: &str) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name(name).build().expect("a runtime")
}

/// Returns the CPU time that the threads with a name have used so far, in seconds; zero where there is no `/proc` (proc(5)).
fn cpu_s(name: &str) -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ticks = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        let (_, rest) = text.split_once(&format!("({name})"))?;
        let mut fields =
            rest.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().unwrap_or(0));
        Some(fields.next()? + fields.next()?)
    });
    ticks.sum::<u64>() as f64 / TICKS_PER_S
}

/// The clock ticks of `/proc/PID/stat` per second (`USER_HZ`): 100 on all architectures of Linux in common use.
const TICKS_PER_S: f64 = 100.0;

#[expect(clippy::print_stdout, reason = "the figures of a benchmark")]
fn print(text: &str) {
    print!("{text}");
    std::io::stdout().flush().expect("somebody reads it");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Formats values as `median (minimum to maximum)`.
fn median_and_range(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.3} ({least:.3} to {most:.3})", values[values.len() / 2])
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Accepts connections and serves each by the service that `service` returns.
fn accept<S>(listener: TcpListener, service: impl Fn() -> S + Send + 'static)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>
        + Send
        + 'static,
    S::Future: Send,
{
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            socket.set_nodelay(true).expect("a socket");
            let served = http1::Builder::new().serve_connection(TokioIo::new(socket), service());
            tokio::spawn(async move { drop(served.await) });
        }
    });
}

fn completion() -> Response<Full<Bytes>> {
    let response = Response::builder().header(CONTENT_TYPE, "application/json");
    response.body(Full::new(Bytes::from_static(COMPLETION.as_bytes()))).expect("a response")
}

async fn start_upstream() -> SocketAddr {
    let (listener, address) = listener().await;
    accept(listener, || {
        service_fn(async |request: Request<Incoming>| {
            request.into_body().collect().await.expect("a body");
            Ok(completion())
        })
    });
    address
}

/// A server that sends every body to the upstream and returns the response, and parses neither.
async fn start_pass_through(upstream: SocketAddr) -> SocketAddr {
    let (listener, address) = listener().await;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    accept(listener, move || {
        let client = client.clone();
        service_fn(move |request: Request<Incoming>| {
            let client = client.clone();
            async move {
                let body = request.into_body().collect().await.expect("a body").to_bytes();
                let sent = Request::post(format!("http://{upstream}/v1/chat/completions"))
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(body))
                    .expect("a request");
                let response = client.request(sent).await.expect("a response");
                let (head, body) = response.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                Ok(Response::from_parts(head, Full::new(body)))
            }
        })
    });
    address
}

async fn start_gateway(upstream: SocketAddr) -> SocketAddr {
    let text = format!(
        "providers:\n  p: {{dialect: openai, base_url: \"http://{upstream}/v1\", models: {{m: {{limits: {{rpm: 1000000}}}}}}}}\n\
         routes: {{chat: [{{of: [p/default/m]}}]}}\n\
         workload: [{{name: w, arrivals: {{constant: 1/min}}, prompt: 1, completion: 1}}]\n"
    );
    let scenario = scenario::parse("bench.yaml", &text, &Overrides::default(), None).expect("a scenario");
    let gateway = Gateway::new(&scenario, &|_| None, Access::Loopback, Clock::start()).expect("a gateway");
    let (listener, address) = listener().await;
    tokio::spawn(serve(listener, Arc::new(Current::new(gateway)), std::future::pending()));
    address
}

/// Opens a connection.
async fn connect(address: SocketAddr) -> client::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.expect("it listens");
    socket.set_nodelay(true).expect("a socket");
    let (sender, connection) = client::handshake(TokioIo::new(socket)).await.expect("a connection");
    tokio::spawn(async move { drop(connection.await) });
    sender
}

async fn ask(sender: &mut client::SendRequest<Full<Bytes>>) {
    let request = Request::post("/v1/chat/completions")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from_static(REQUEST.as_bytes())))
        .expect("a request");
    sender.ready().await.expect("a connection");
    let response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, COMPLETION, "the answer passes unchanged");
}

/// Returns the requests per second of all connections together, and the number of requests that were answered.
async fn throughput(address: SocketAddr, length: Duration) -> (f64, u64) {
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
        let mut sender = connect(address).await;
        tasks.push(tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                ask(&mut sender).await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let (begin, before) = (now(), answered.load(Ordering::Relaxed));
    tokio::time::sleep(length).await;
    let (took, after) = (begin.elapsed(), answered.load(Ordering::Relaxed));
    is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no panic");
    }
    ((after - before) as f64 / took.as_secs_f64(), answered.load(Ordering::Relaxed))
}

/// Returns the median and the 99th percentile of the latency on one connection, in seconds.
async fn latency(address: SocketAddr, length: Duration) -> [f64; 2] {
    let mut sender = connect(address).await;
    let (begin, mut took) = (now(), Vec::new());
    while begin.elapsed() < length {
        let sent = now();
        ask(&mut sender).await;
        took.push(sent.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    [took[took.len() / 2], took[took.len() * 99 / 100]]
}
