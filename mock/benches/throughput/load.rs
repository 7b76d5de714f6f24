//! The load: connections that each send a request, read its reply, and send the next. It does as little as possible so
//! that the server is the bottleneck: it renders the request once, and parses only the status and length of a reply.

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

/// Number of persistent connections.
pub(crate) const CONNECTIONS: usize = 64;

/// Maximum time of [`Load::send_all`].
const TIMEOUT: Duration = Duration::from_secs(300);

/// Open connections to one server.
pub(crate) struct Load {
    runtime: Runtime,
    connections: Vec<Connection>,
}

/// The parsed part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Length of the body in bytes.
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

    /// Sends one request and returns the reply.
    pub(crate) fn send_one(&mut self) -> anyhow::Result<Reply> {
        self.runtime.block_on(self.connections[0].exchange())
    }

    /// Sends `requests` requests over all connections. Returns the elapsed time in seconds.
    ///
    /// # Errors
    /// If a reply has a status other than `status`, if a connection fails, or if the replies take longer than [`TIMEOUT`].
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    pub(crate) fn send_all(&mut self, requests: u64, status: u16) -> anyhow::Result<f64> {
        let left = Arc::new(AtomicU64::new(requests));
        let start = Instant::now();
        let sent = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for connection in self.connections.drain(..) {
                tasks.spawn(connection.send(Arc::clone(&left), status));
            }
            tokio::select! {
                sent = tasks.join_all() => Some(sent),
                () = tokio::time::sleep(TIMEOUT) => None,
                () = spin() => None,
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        self.connections = sent.context("the server is too slow")?.into_iter().collect::<Result<_, _>>()?;
        Ok(seconds)
    }
}

/// Keeps this thread from sleeping: waking it would cost CPU time of the server's core.
async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}

struct Connection {
    socket: TcpStream,
    request: Vec<u8>,
    /// Buffer of the reply.
    reply: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, request: servers::request(), reply: Vec::with_capacity(16 << 10) })
    }

    /// Sends requests while `left` is above zero.
    async fn send(mut self, left: Arc<AtomicU64>, status: u16) -> anyhow::Result<Self> {
        let take = |left: u64| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            let reply = self.exchange().await?;
            ensure!(reply.status == status, "status {} instead of {status}", reply.status);
        }
        Ok(self)
    }

    async fn exchange(&mut self) -> anyhow::Result<Reply> {
        self.socket.write_all(&self.request).await?;
        self.reply.clear();
        loop {
            let read = self.socket.read_buf(&mut self.reply).await?;
            ensure!(read > 0, "the server closed a connection");
            let Some((head, body)) = split_head(&self.reply) else { continue };
            let reply = Reply::parse(head)?;
            if body.len() >= reply.length {
                return Ok(reply);
            }
        }
    }
}

/// Returns the head, and the part of the body received so far; `None` if the head is incomplete or not UTF-8.
fn split_head(reply: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memmem::find(reply, b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&reply[..end]).ok()?, &reply[end..]))
}

impl Reply {
    /// Parses a head.
    fn parse(head: &str) -> anyhow::Result<Self> {
        let number = |prefix: &str| {
            let (_, rest) = head.split_once(prefix)?;
            rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
        };
        let (status, length) = (number("HTTP/1.1 "), number("content-length: "));
        let status = status.and_then(|status: usize| u16::try_from(status).ok());
        Ok(Self { status: status.context("no status")?, length: length.context("no content-length")? })
    }
}
