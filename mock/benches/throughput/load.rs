//! The load: connections that each send one request, read its reply, and send the next. It is as lean as can be, so
//! that the server is what holds it up: the request is bytes made once, and of a reply only the status and the
//! length are looked at.

use crate::servers;
use anyhow::{Context, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;

/// How many connections there are, each kept alive.
pub(crate) const CONNECTIONS: usize = 64;

/// How long all requests that are sent at once may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Open connections to one server.
pub(crate) struct Load {
    runtime: Runtime,
    connections: Vec<Connection>,
}

/// What a reply is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The length of its body, in bytes.
    pub(crate) length: usize,
}

impl Load {
    /// Opens the connections.
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                connections.push(Connection::open(address).await?);
            }
            anyhow::Ok(connections)
        })?;
        Ok(Self { runtime, connections })
    }

    /// Sends one request, whatever is answered.
    pub(crate) fn ask(&mut self) -> anyhow::Result<Reply> {
        self.runtime.block_on(self.connections[0].exchange())
    }

    /// Sends so many requests on all connections together, each of which must be answered with this status; returns the
    /// seconds it took.
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(crate) fn send(&mut self, requests: u64, status: u16) -> anyhow::Result<f64> {
        let left = Arc::new(AtomicU64::new(requests));
        let begun = Instant::now();
        let sent = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for connection in self.connections.drain(..) {
                tasks.spawn(connection.send(Arc::clone(&left), status));
            }
            tokio::select! {
                sent = tasks.join_all() => Some(sent),
                () = tokio::time::sleep(PATIENCE) => None,
                () = stay_awake() => None,
            }
        });
        let seconds = begun.elapsed().as_secs_f64();
        self.connections = sent.context("the server is too slow")?.into_iter().collect::<Result<_, _>>()?;
        Ok(seconds)
    }
}

/// Keeps this thread from sleeping while it waits: to wake it would be work for the server's core, the more of it the
/// longer the server takes.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

struct Connection {
    socket: TcpStream,
    request: Vec<u8>,
    /// What was read of a reply, and room for more.
    reply: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, request: servers::request(), reply: Vec::with_capacity(16 << 10) })
    }

    /// Sends until nothing is left to be sent.
    async fn send(mut self, left: Arc<AtomicU64>, status: u16) -> anyhow::Result<Self> {
        let take = |left: u64| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            let reply = self.exchange().await?;
            ensure!(reply.status == status, "answered with {}, not with {status}", reply.status);
        }
        Ok(self)
    }

    async fn exchange(&mut self) -> anyhow::Result<Reply> {
        self.socket.write_all(&self.request).await?;
        self.reply.clear();
        loop {
            let read = self.socket.read_buf(&mut self.reply).await?;
            ensure!(read > 0, "the server closed a connection");
            let Some((head, body)) = split(&self.reply) else { continue };
            let reply = Reply::of(head)?;
            if body.len() >= reply.length {
                return Ok(reply);
            }
        }
    }
}

/// Head and body, where the head is complete.
fn split(reply: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memmem::find(reply, b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&reply[..end]).ok()?, &reply[end..]))
}

impl Reply {
    /// Reads the head of one.
    fn of(head: &str) -> anyhow::Result<Self> {
        let number = |behind: &str| {
            let (_, rest) = head.split_once(behind)?;
            rest[..rest.find(|digit: char| !digit.is_ascii_digit())?].parse().ok()
        };
        let (status, length) = (number("HTTP/1.1 "), number("content-length: "));
        let status = status.and_then(|status: usize| u16::try_from(status).ok());
        Ok(Self { status: status.context("a status")?, length: length.context("a content-length")? })
    }
}
