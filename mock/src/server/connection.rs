//! The accept loop: accepts connections and answers the requests of each over HTTP/1.1.
//!
//! The loop calls hyper directly instead of `axum::serve`, for two reasons. The number of connections and the time that a
//! client may take are bounded. And a fault may close a connection before the head of a reply: a response with the
//! extension [`Abort`] becomes a service error, on which hyper closes the connection without sending a byte.

use super::aborted_reply::Abort;
use super::client_timeout::{ClientTimeout, StartOnDrop, TimedBody};
use super::connections::Connections;
use super::router::Endpoints;
use super::{CLIENT_TIMEOUT, MAX_CONNECTIONS, Mock, framing};
use crate::journal::OpenConnection;
use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// Serves until `shutdown` resolves, then closes every connection. When it returns, each admitted call has been settled.
pub async fn serve(listener: TcpListener, mock: Arc<Mock>, shutdown: impl Future<Output = ()>) {
    let endpoints = Endpoints::new(mock);
    let mut connections = Connections::default();
    let mut shutdown = pin!(shutdown);
    loop {
        let is_full = connections.len() >= MAX_CONNECTIONS;
        if is_full {
            connections.close_idle(); // makes room for the next one
        }
        tokio::select! {
            () = &mut shutdown => break,
            Some(()) = connections.next_end() => {}
            accepted = listener.accept(), if !is_full => match accepted {
                Ok((socket, _)) => {
                    // Created here, because the task begins after other connections have been served.
                    let opened = ClosedOnDrop::new(endpoints.mock());
                    connections.spawn(|timeout| serve_connection(socket, endpoints.clone(), timeout, opened));
                }
                // File descriptors have run out, or the client has closed its connection before it was accepted.
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
            // No connection is idle, since every client waits for a reply: look again after a pause.
            () = tokio::time::sleep(ACCEPT_RETRY_DELAY), if is_full => {}
        }
    }
    connections.shutdown().await;
}

/// Serves one connection until either side closes it or the client exceeds [`CLIENT_TIMEOUT`].
async fn serve_connection(
    socket: TcpStream,
    endpoints: Endpoints,
    timeout: Arc<ClientTimeout>,
    opened: Option<ClosedOnDrop>,
) {
    if socket.set_nodelay(true).is_err() {
        return; // The client has already closed the connection.
    }
    let service = service_fn(async |request: Request<Incoming>| {
        timeout.stop();
        let connection = opened.as_ref().map(|opened| opened.connection.next_request());
        if let Some(refusal) = framing::refusal(&request) {
            return Ok(start_timeout_with_reply(refusal, &timeout));
        }
        let request = request.map(|body| Body::new(TimedBody::new(body, Arc::clone(&timeout))));
        let response = endpoints.answer(request, connection).await;
        if response.extensions().get::<Abort>().is_some() {
            return Err(Abort);
        }
        Ok(start_timeout_with_reply(response, &timeout))
    });
    let mut socket = TimeoutStream::new(socket);
    // A client that stops reading a stream blocks the writes, while `timeout` is not running.
    socket.set_write_timeout(Some(CLIENT_TIMEOUT));
    let served = http1::Builder::new()
        .writev(false) // Heads and bodies are short: one buffer is sent faster than two are gathered.
        .serve_connection(TokioIo::new(Box::pin(socket)), service);
    tokio::select! {
        biased;
        // An error means that the client closed the connection or a fault aborted it: there is nothing left to serve.
        _result = served => {}
        () = timeout.elapsed(CLIENT_TIMEOUT) => {}
    }
}

/// A connection that requests refer to in the journal. It counts as closed when this is dropped.
struct ClosedOnDrop {
    mock: Arc<Mock>,
    connection: OpenConnection,
}

impl ClosedOnDrop {
    /// Returns a connection that is opened now; `None` if the mock keeps no journal.
    fn new(mock: &Arc<Mock>) -> Option<Self> {
        mock.has_journal()
            .then(|| Self { mock: Arc::clone(mock), connection: OpenConnection::new(mock.now()) })
    }
}

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.connection.close(self.mock.now());
    }
}

/// Starts the client's timeout: at once if the length of the reply's body is known, otherwise (a stream) when hyper drops
/// the body, because it has sent it or given it up. Returns the response.
fn start_timeout_with_reply(response: Response<Body>, timeout: &Arc<ClientTimeout>) -> Response<Body> {
    if response.body().size_hint().exact().is_some() {
        timeout.start();
        return response;
    }
    let start_on_drop = StartOnDrop(Arc::clone(timeout));
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _owned_by_body = &start_on_drop; // Moves it into the closure.
            frame
        }))
    })
}

/// The pause of the accept loop after an error, and between attempts to make room while no connection is idle.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);
