//! The servers under load, each in its own process: the mock as `quotalab mock` serves it, with its control plane, and
//! hyper alone. Both have one thread and the same socket options.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use provider::config::{
    AccountConfig, Config, Dialect, Latency, Lengths, Limit, ModelConfig, Price, Reserve, ServiceTimeDist,
    Tier,
};
use provider::dist::Dist;
use provider::server::{ControlPlane, Mock};
use provider::{Axis, Instant, server};
use std::convert::Infallible;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

/// The mock's reaction to the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Serves all requests, without limits.
    Unlimited,
    /// Serves all requests under limits of requests per day and tokens per minute, which never bind but are in every reply.
    Limited,
    /// Refuses all but the first request, under a limit of one per day.
    Refused,
}

impl Case {
    pub(crate) const ALL: [Self; 3] = [Self::Unlimited, Self::Limited, Self::Refused];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Limited => "limited",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    /// Returns a configuration of Groq with one account and one model without latency.
    fn config(self) -> Config {
        let limits = match self {
            Self::Unlimited => vec![],
            Self::Limited => vec![Limit::new(Axis::Rpd, NEVER_BINDING), Limit::new(Axis::Tpm, NEVER_BINDING)],
            Self::Refused => vec![Limit::new(Axis::Rpd, 1)],
        };
        Config {
            name: "groq".into(),
            dialect: Dialect::Groq,
            tier: Tier::Free,
            accounts: vec![AccountConfig { name: "acme".into(), keys: vec![KEY.into()] }],
            models: vec![ModelConfig {
                name: MODEL.into(),
                limits,
                lengths: Lengths::default(),
                reserve: Reserve::default(),
                latency: Latency {
                    service: ServiceTimeDist::Total(Dist::Constant(0.0)),
                    round_trip: None,
                    slots: None,
                },
                price: Price::default(),
                family: None,
                completion: Dist::Constant(100.0),
            }],
            incidents: vec![],
            start_levels: vec![],
        }
    }
}

/// A limit that the load cannot reach.
const NEVER_BINDING: u64 = 1_000_000_000_000;
const KEY: &str = "gsk_1";
const MODEL: &str = "llama-3.3-70b-versatile";

/// Returns the bytes of a request for a completion, with the headers of a typical client.
pub(crate) fn request() -> Vec<u8> {
    let body = format!(
        r#"{{"model":"{MODEL}","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"Explain the importance of low latency LLMs in a few words."}}],"temperature":0.5,"max_tokens":1024}}"#
    );
    let length = body.len();
    format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Serves the mock until the input of this process ends.
#[expect(clippy::disallowed_methods, reason = "the mock runs on the real clock")]
pub(crate) fn mock(case: Case) -> anyhow::Result<()> {
    let origin = time::Instant::now();
    let now = move || Instant(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mock = Mock::new(&case.config(), 7, Arc::new(now), None).with_control_plane(ControlPlane::Enabled);
    run(async |listener, end| server::serve(listener, Arc::new(mock), end).await)
}

/// Serves a fixed body until the input of this process ends.
pub(crate) fn bare(status: u16, length: usize) -> anyhow::Result<()> {
    let status = StatusCode::from_u16(status)?;
    let body = Bytes::from(vec![b'x'; length]);
    run(async |listener, end| {
        tokio::select! {
            () = end => {}
            () = serve_fixed(listener, status, body) => {}
        }
    })
}

/// Serves a fixed body with hyper alone.
async fn serve_fixed(listener: TcpListener, status: StatusCode, body: Bytes) {
    while let Ok((socket, _)) = listener.accept().await {
        let body = body.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let body = body.clone();
                async move {
                    let _read = request.into_body().collect().await;
                    let mut response = Response::new(Full::new(body));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            if socket.set_nodelay(true).is_ok() {
                let _closed = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            }
        });
    }
}

/// Runs a server on this thread, on a free port whose address it prints.
#[expect(clippy::print_stdout, reason = "the parent reads the address")]
fn run(
    serve: impl AsyncFnOnce(TcpListener, std::pin::Pin<Box<dyn Future<Output = ()>>>),
) -> anyhow::Result<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _read = std::io::stdin().read_to_end(&mut Vec::new());
        let _server_has_ended = ended.send(());
    });
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        serve(listener, Box::pin(async { drop(end.await) })).await;
        Ok(())
    })
}
