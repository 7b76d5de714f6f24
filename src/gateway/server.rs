//! The gateway's server: its paths, its connections, and its shutdown.
//!
//! Requests for the operations of the API, which are nearly all requests, go to [`serve_operation`] directly; the router serves the
//! other paths.

use super::body::{BodyError, WholeBody};
use super::caller_request::CallerRequest;
use super::callers::Caller;
use super::carried::RequestContext;
use super::endpoint::Endpoint;
use super::reply::{ErrorReply, MAX_SHOWN_CHARACTERS};
use super::request_key::Reuse;
use super::{Gateway, dispatch, guard, headers, metrics, models, page, reply, state};
use crate::formatting::printable;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use provider::server::request_checks::is_json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

/// The most connections of callers at one time; further ones wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 4_096;

/// The gateway that serves new requests. It can be replaced; requests under way stay with the gateway that accepted them.
#[derive(Debug)]
pub struct Current(ArcSwap<Gateway>);

impl Current {
    /// Begins with this gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self(ArcSwap::from(Arc::new(gateway)))
    }

    /// Returns the gateway.
    #[must_use]
    pub fn get(&self) -> Arc<Gateway> {
        self.0.load_full()
    }

    /// Replaces the gateway. The answers that the earlier one has cached are dropped.
    pub fn replace(&self, gateway: Gateway) {
        self.0.swap(Arc::new(gateway)).engine.drop_answers();
    }
}

/// Serves until `shutdown` resolves. Then no connection is accepted any more, and requests under way have `DRAIN_TIMEOUT` to end.
pub async fn serve(listener: TcpListener, current: Arc<Current>, shutdown: impl Future<Output = ()>) {
    let router = TowerToHyperService::new(router(Arc::clone(&current)));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit.expect("invariant: the semaphore is never closed"), listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            (permit, accepted) = accepted => match accepted {
                Ok((socket, _)) => {
                    let connection = connection(socket, Arc::clone(&current), router.clone());
                    let Some(connection) = connection else { continue };
                    let served = graceful.watch(connection);
                    tokio::spawn(async move {
                        // An error means that the caller has left or sent no HTTP.
                        let _ = served.await;
                        drop(permit);
                    });
                }
                // File descriptors have run out, or the caller has left again.
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            "connections were still open {} s after the signal; they are closed",
            DRAIN_TIMEOUT.as_secs()
        );
    }
}

/// Returns the future that serves a connection; `None` if the caller has left already.
fn connection(
    socket: TcpStream,
    current: Arc<Current>,
    router: TowerToHyperService<Router>,
) -> Option<impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send> {
    socket.set_nodelay(true).ok()?;
    let mut socket = TimeoutStream::new(socket);
    // A caller that stops reading does not hold a stream for ever.
    socket.set_write_timeout(Some(CALLER_TIMEOUT));
    let service = service_fn(move |request| {
        let (current, router) = (Arc::clone(&current), router.clone());
        async move { Ok::<_, Infallible>(guarded(&current, router, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_headers(MAX_HEADERS);
    Some(builder.serve_connection(TokioIo::new(Box::pin(socket)), service))
}

fn router(current: Arc<Current>) -> Router {
    let mut router = Router::new();
    for base in BASES {
        for endpoint in Endpoint::ALL {
            // POST, their only method, does not get here: the others are answered by `wrong_method`.
            router = router.route(&format!("{base}{}", endpoint.path()), MethodRouter::new());
        }
        router = router
            .route(&format!("{base}/models"), get(models::list))
            .route(&format!("{base}/models/{{*name}}"), get(models::one));
    }
    router
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::render))
        .route("/_quotalab/state", get(state::json))
        .route("/_quotalab", get(page::page))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(current)
}

/// Serves a request that may use the gateway, and refuses others.
async fn guarded(
    current: &Current,
    router: TowerToHyperService<Router>,
    request: hyper::Request<Incoming>,
) -> Response {
    // Health probes have no key, and whether the gateway is up is no secret.
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    let gateway = current.get();
    let admitted = if is_probe {
        guard::framing_problem(&request).map_or(Ok(None), Err)
    } else {
        gateway.callers.admit(&gateway.access, &request)
    };
    let uri = request.uri().clone();
    let sender = admitted.as_ref().ok().cloned().flatten();
    let response = match (admitted, operation_of(&request)) {
        (Err(error), _) => error.response(),
        (Ok(caller), Some(endpoint)) => serve_operation(gateway, endpoint, caller, request).await,
        (Ok(_), None) => {
            let Ok(response) = router.call(request).await;
            response
        }
    };
    // A request that became a job has a log line of its own.
    if response.status().is_client_error() && !response.headers().contains_key(reply::X_QUOTALAB_ATTEMPTS) {
        let path = shown(uri.path());
        let caller = sender.as_deref().map(Caller::name);
        tracing::info!(path, caller, status = response.status().as_u16(), "refused");
    }
    response
}

/// The gateway is ready as soon as it listens: its keys were read before.
async fn ready() -> &'static str {
    "ready\n"
}

async fn not_found(request: Request) -> Response {
    let path = shown(request.uri().path());
    let hint = if Endpoint::ALL.iter().any(|endpoint| path.ends_with(endpoint.path())) {
        ": the base URL ends with /v1"
    } else {
        ": it serves /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/audio/transcriptions and /v1/models"
    };
    let message = format!("the gateway does not serve {path}{hint}");
    ErrorReply::of_caller(StatusCode::NOT_FOUND, "unknown_url", message).response()
}

/// Returns the beginning of a path, for messages.
fn shown(path: &str) -> String {
    printable(path).chars().take(MAX_SHOWN_CHARACTERS).collect()
}

async fn wrong_method(request: Request) -> Response {
    let message = format!("the gateway does not serve {} at this path", request.method());
    ErrorReply::of_caller(StatusCode::METHOD_NOT_ALLOWED, "method_not_supported", message).response()
}

/// Returns the operation that a request asks for; `None` if it asks for something else.
fn operation_of(request: &hyper::Request<Incoming>) -> Option<Endpoint> {
    let path = BASES.iter().find_map(|base| request.uri().path().strip_prefix(base))?;
    let is_asked = |endpoint: &Endpoint| *request.method() == Method::POST && endpoint.path() == path;
    Endpoint::ALL.into_iter().find(is_asked)
}

/// Serves a request for one of the operations. `caller` is who sends it; `None` if the scenario names no callers.
async fn serve_operation(
    gateway: Arc<Gateway>,
    endpoint: Endpoint,
    caller: Option<Arc<Caller>>,
    request: hyper::Request<Incoming>,
) -> Response {
    let (head, body) = request.into_parts();
    let is_form = endpoint == Endpoint::Transcriptions;
    let form_boundary = if is_form { form_boundary(&head.headers) } else { None };
    let is_expected = if is_form { form_boundary.is_some() } else { is_json(&head.headers) };
    if !is_expected {
        let expected = if is_form { "multipart/form-data with a boundary" } else { "application/json" };
        let message = format!("send the header `Content-Type: {expected}`");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return ErrorReply::of_caller(status, "unsupported_media_type", message).response();
    }
    let read = gateway.memory.read(body, MAX_BODY_BYTES, Some(CALLER_TIMEOUT)).await;
    let WholeBody { bytes: body, held } = match read {
        Ok(whole) => whole,
        Err(error) => return body_error(error).response(),
    };
    let read = match form_boundary {
        Some(boundary) => CallerRequest::from_form(endpoint, body, &boundary),
        None => CallerRequest::from_json(endpoint, body),
    };
    match read {
        Ok(request) => {
            let headers = headers::PassedHeaders::of(&head.headers);
            let identity = gateway.key_hasher.as_ref().and_then(|hasher| {
                let caller = caller.as_deref().map(Caller::name);
                hasher.identity((endpoint, request.body()), &headers, (caller, Reuse::of(&head.headers)))
            });
            let context = RequestContext { request, headers, identity, _held: held };
            dispatch::serve(gateway, context, caller).await
        }
        Err(message) => ErrorReply::of_caller(StatusCode::BAD_REQUEST, "invalid_request", message).response(),
    }
}

/// Returns the error for a body that was not read.
fn body_error(error: BodyError) -> ErrorReply {
    let of_caller = |status, code, message: &str| ErrorReply::of_caller(status, code, message);
    match error {
        BodyError::TooLarge => of_caller(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            &format!("the body is larger than {} MiB", MAX_BODY_BYTES >> 20),
        ),
        BodyError::Slow => {
            of_caller(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time")
        }
        BodyError::Incomplete => {
            of_caller(StatusCode::BAD_REQUEST, "invalid_request", "the body is malformed or not complete")
        }
        BodyError::Memory => reply::no_memory(),
    }
}

/// Returns the boundary of a form, which has 1 to 70 characters (RFC 2046, section 5.1.1).
fn form_boundary(headers: &HeaderMap) -> Option<String> {
    let boundary = multer::parse_boundary(headers::content_type(headers)?).ok()?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The base paths of the API. Groq's SDKs add the second one to the address that they are given.
pub(super) const BASES: [&str; 2] = ["/v1", "/openai/v1"];

/// The maximum size of the body of a request: images in prompts are base64 (OpenAI accepts 50 MB in all).
const MAX_BODY_BYTES: usize = 64 << 20;

/// The most headers of a request.
const MAX_HEADERS: usize = 100;

/// The longest time until a caller has sent the head of a request; so an idle connection is closed after this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest time that a caller may take to send the next part of a body, or to read the next part of a reply.
const CALLER_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time that requests under way have after the signal that ends the gateway.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);
