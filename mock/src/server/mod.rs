//! The provider over HTTP/1.1: the endpoints of its dialect on a socket, with the machine behind one lock.
//!
//! ```text
//!  socket ─▶ route (key, path) ─▶ request (JSON) ─▶ Mock::arrive ─▶ DecisionReport ─▶ wire ─▶ body: whole, streamed, or broken off
//!                                                    │  one lock, held for the ruling only     │
//!                                                    └──────── InFlightGuard: depart when done, cancel when dropped
//! ```
//!
//! | path | answers |
//! |---|---|
//! | `POST …/chat/completions` | a completion, whole or streamed, or a refusal |
//! | `POST /v1/messages` (Anthropic), `POST /openai/deployments/…/chat/completions` (Azure) | the same in their own shape |
//! | `POST …/audio/transcriptions`, `…/audio/translations` (Groq) | what is said in a file of audio |
//! | `GET …/models`, `GET …/models/MODEL` | the names of the models, or one of them |
//! | `GET /health` | `{"status":"ok"}`, without a key |
//! | `/_quotalab/…`, `GET /metrics` | the control plane, where there is one ([`ControlPlane`]): see `mock/README.md` |
//!
//! What stands for `…`, and in which header the key arrives, is the dialect's: [`crate::wire::WireFormat::base`].
//!
//! Time stays an argument: the clock is handed to [`Mock::new`], and only sleeping is left to tokio. Everything a
//! client can make grow is bounded: connections ([`MOST_CONNECTIONS`]), heads (hyper's own bounds: 100 headers,
//! about 400 KiB), bodies ([`MOST_BYTES`]), and how long anything may take ([`PATIENCE`]).

mod audio;
mod body;
mod chat;
mod control;
mod fault_queue;
mod header_templates;
mod idle_timeout;
mod in_flight;
mod journal_draft;
mod mock;
mod reply_options;
mod request;
mod route;
mod stream;

pub use mock::{Clock, ControlPlane, Mock, Observer};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use idle_timeout::IdleTimeout;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The largest request body that is read, in bytes: 4 MiB is a million tokens, beyond any context.
pub const MOST_BYTES: usize = 4 << 20;

/// The largest form with a file of audio that is read, in bytes: Groq's 25 MiB (documentation, 2026-02).
pub const MOST_AUDIO_BYTES: u64 = 25 << 20;

/// Connections served at once; more wait in the listener's queue.
pub const MOST_CONNECTIONS: usize = 16_384;

/// How long a client may take over a request's head, over its body, and over a whole reply; and how long a call that is
/// never answered is held.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Serves until `shutdown` resolves, then drops every connection. When it returns, each admitted call has been settled.
pub async fn serve(listener: TcpListener, mock: Arc<Mock>, shutdown: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, Arc::clone(&mock)));
                }
                // Out of descriptors, or a client that left in the queue: neither is helped by haste.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    connections.shutdown().await;
}

/// Serves one connection until either side closes it. Its errors are the client's to see: a broken connection.
async fn connection(socket: TcpStream, mock: Arc<Mock>) {
    if socket.set_nodelay(true).is_err() {
        return; // The client has gone already.
    }
    let patience = Arc::new(IdleTimeout::default());
    let service = service_fn(async |request| {
        patience.end();
        let reply = route::answer(&mock, &patience, request).await;
        if !reply.as_ref().is_ok_and(|reply| reply.body().is_stream()) {
            patience.begin();
        }
        reply
    });
    let served = http1::Builder::new()
        .writev(false) // Head and body are short: one piece is sent sooner than two are gathered.
        .serve_connection(TokioIo::new(socket), service);
    patience.bound(PATIENCE, served).await;
}
