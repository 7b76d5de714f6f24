//! The accept loop: accepts connections and answers the requests of each over HTTP/1.1, or over HTTP/2 if the client begins with it
//! (prior knowledge: RFC 9113, section 3.3).
//!
//! The loop calls hyper directly instead of `axum::serve`, for two reasons. The number of connections and the time that a
//! client may take are bounded. And a fault may close a connection before the head of a reply: a response with the
//! extension [`Abort`] becomes a service error, on which hyper closes the connection without sending a byte. Over HTTP/2, hyper
//! resets the stream of the request instead; the connection stays open for other requests.

use super::aborted_reply::Abort;
use super::body;
use super::client_timeout::{ClientTimeout, InFlight, TimedBody};
use super::connections::Connections;
use super::reply_body::{self, Response};
use super::request_headers::RequestHeaders;
use super::router::Endpoints;
use super::stream_tasks::StreamTasks;
use super::{CLIENT_TIMEOUT, MAX_CONNECTIONS, Mock, framing};
use crate::journal::{Connection, OpenConnection};
use crate::wire;
use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use http_body_util::Either;
use hyper::Request;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// Serves until `shutdown` resolves, then closes every connection. When it returns, each admitted call has been settled.
pub async fn serve(listener: TcpListener, mock: Arc<Mock>, shutdown: impl Future<Output = ()>) {
    let endpoints = Arc::new(Endpoints::new(mock));
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
                    // Created here to record the time of the accept: the task may start only after others have run.
                    let opened = ClosedOnDrop::new(endpoints.mock());
                    connections.spawn(|timeout| serve_connection(socket, Arc::clone(&endpoints), timeout, opened));
                }
                // File descriptors have run out, unless the client has closed its connection before it was accepted.
                Err(error) => {
                    if error.kind() != ErrorKind::ConnectionAborted {
                        connections.close_idle();
                    }
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
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
    endpoints: Arc<Endpoints>,
    timeout: Arc<ClientTimeout>,
    opened: Option<ClosedOnDrop>,
) {
    if socket.set_nodelay(true).is_err() {
        return; // The client has already closed the connection.
    }
    let service_timeout = Arc::clone(&timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let connection = opened.as_ref().map(|opened| opened.connection.next_request());
        answer(request, connection, Arc::clone(&endpoints), Arc::clone(&service_timeout))
    });
    let mut socket = TimeoutStream::new(socket);
    // A client that stops reading a stream blocks the writes, while `timeout` is not running.
    socket.set_write_timeout(Some(CLIENT_TIMEOUT));
    let tasks = StreamTasks::default();
    let mut builder = auto::Builder::new(tasks.clone());
    builder.http1().writev(false); // Heads and bodies are short: one buffer is sent faster than two are gathered.
    builder.http2().max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADER_LIST_BYTES);
    let served = builder.serve_connection(TokioIo::new(Box::pin(socket)), service);
    tokio::select! {
        biased;
        // An error means that the client closed the connection or a fault aborted it: there is nothing left to serve.
        _result = tasks.run(served) => {}
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

/// Answers one request.
///
/// # Errors
/// [`Abort`] if a fault closes the connection before the head, or if the connection ends before the request's body.
fn answer(
    request: Request<Incoming>,
    connection: Option<Connection>,
    endpoints: Arc<Endpoints>,
    timeout: Arc<ClientTimeout>,
) -> impl Future<Output = Result<Response, Abort>> {
    let in_flight = InFlight::begin(timeout);
    let (head, body) = request.into_parts();
    let mut body = Either::Left(TimedBody::new(body, Arc::clone(in_flight.timeout())));
    // Not an async function: its future would store the arguments twice.
    async move {
        let headers = RequestHeaders::new(&head.headers);
        if let Some(refusal) = framing::refusal(&headers, head.version) {
            return Ok(until_sent(refusal, in_flight));
        }
        let response = if Endpoints::may_have_route(head.uri.path()) {
            // Boxed because its future is large, and this one is stored for every connection.
            let request = Request::from_parts(head, Body::new(body::take(&mut body)));
            Box::pin(endpoints.answer_by_route(request)).await
        } else {
            endpoints.answer(&head, &headers, &mut body, connection).await
        };
        finish(response, in_flight)
    }
}

/// Finishes a response for hyper.
fn finish(mut response: Response, in_flight: InFlight) -> Result<Response, Abort> {
    if response.extensions().get::<Abort>().is_some() {
        return Err(Abort);
    }
    if let Some(phrase) = reason_phrase(response.status()) {
        response.extensions_mut().insert(phrase);
    }
    Ok(until_sent(response, in_flight))
}

/// Returns the reason phrase of a status that HTTP does not define and providers use; hyper would send `<none>`.
fn reason_phrase(status: StatusCode) -> Option<ReasonPhrase> {
    if status.canonical_reason().is_some() {
        return None;
    }
    Some(ReasonPhrase::from_static(wire::reason_phrase(status.as_u16()).as_bytes()))
}

/// Ends the request together with its response: at once if the length of the body is known, otherwise (a stream) when hyper drops
/// the body, because it has sent it or the connection has ended. Returns the response.
fn until_sent(response: Response, in_flight: InFlight) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| reply_body::owning(body, in_flight))
}

/// Maximum number of requests of one HTTP/2 connection that are answered concurrently; further ones wait.
const MAX_STREAMS: u32 = 128;

/// Maximum size of the headers of one HTTP/2 request, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 64 << 10;

/// The pause of the accept loop after an error, and between attempts to make room while no connection is idle.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn future_size<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Hyper stores the future of a request for each connection and moves it with each request, so state that only few requests
    /// need belongs in a box.
    #[test]
    fn the_future_of_a_request_is_small() {
        let size = future_size(answer);
        assert!(size <= 1_024, "{size} bytes");
    }
}
