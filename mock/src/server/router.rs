//! Routes a request to its endpoint. The control plane and `/health` are routes of axum's router; the paths of a dialect
//! depend on its wire formats, so its endpoints are the router's fallback.

use super::admission::{Answered, admit};
use super::body::{self, RequestBody};
use super::context::{Rejection, RequestContext};
use super::origin::Origin;
use super::reply_body::Response;
use super::request::{self, RequestScope};
use super::request_headers::RequestHeaders;
use super::{Mock, answers, audio, coding, control, cors, embeddings_reply, paths};
use crate::journal::Connection;
use crate::wire::{Endpoint, Error, KeyLocation, Operation, WireFormat};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Either;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use percent_encoding::percent_decode_str;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The endpoints of a mock: axum's router, and the dialect's endpoints as its fallback.
#[derive(Clone)]
pub(super) struct Endpoints {
    router: TowerToHyperService<Router>,
    mock: Arc<Mock>,
}

impl Endpoints {
    /// Creates the endpoints. Without a control plane, the control plane's paths are answered as unknown paths.
    pub(super) fn new(mock: Arc<Mock>) -> Self {
        let mut router = Router::new().route("/health", get(async || health()));
        if mock.has_control_plane() {
            router = router.merge(control::router(&mock));
        }
        // A wrong method on `/health` gets the 405 of the dialect, not axum's empty one.
        let router = router
            .fallback(handle_dialect_request)
            .method_not_allowed_fallback(handle_dialect_request)
            .with_state(Arc::clone(&mock));
        Self { router: TowerToHyperService::new(router), mock }
    }

    pub(super) const fn mock(&self) -> &Arc<Mock> {
        &self.mock
    }

    /// Returns `true` if a path may be that of a route.
    pub(super) fn may_have_route(path: &str) -> bool {
        ROUTE_PREFIXES.iter().any(|prefix| path.starts_with(prefix))
    }

    /// Answers a request whose path may be that of a route.
    pub(super) async fn answer_by_route(&self, request: Request) -> Response {
        match self.router.call(request).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }

    /// Answers a request whose path is that of no route.
    ///
    /// It is passed to the fallback directly: looking up its route twice and boxing the fallback as a service and as a handler
    /// cost 4 % of the requests per second on one core (`mock/benches`, 2026-11-28). The head is borrowed and the body is not
    /// boxed, so that neither is moved or allocated for every request.
    pub(super) async fn answer(
        &self,
        head: &Parts,
        headers: &RequestHeaders<'_>,
        body: &mut RequestBody,
        connection: Option<Connection>,
    ) -> Response {
        let mut response = answer_dialect_request(&self.mock, head, headers, body, connection).await;
        if headers.origin.is_some() {
            cors::expose(&mut response);
        }
        if headers.accept_encoding.is_some_and(coding::accepts_gzip) && coding::is_compressible(&response) {
            response = coding::compress(response);
        }
        embeddings_reply::hold_until_sent(&mut response);
        response
    }
}

/// The first parts of all routes' paths. Any other path belongs to the dialect.
const ROUTE_PREFIXES: [&str; 3] = ["/health", "/metrics", "/_quotalab"];

fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n")
}

/// Answers a request whose path has the prefix of a route but belongs to none, or whose method the route does not have.
async fn handle_dialect_request(State(mock): State<Arc<Mock>>, request: Request) -> axum::response::Response {
    let (head, body) = request.into_parts();
    let headers = RequestHeaders::new(&head.headers);
    let mut body = Either::Right(body);
    answer_dialect_request(&mock, &head, &headers, &mut body, None).await.map(Body::new)
}

/// Answers a request to the dialect's endpoints: finds the endpoint, authenticates the client, parses the request, and
/// passes the call to the provider model.
///
/// Hyper stores this future for each connection and moves it with each request, so it keeps only what a wait for the body
/// needs: the rest is in functions, or boxed if it is rare. A test in `connection` bounds its size.
async fn answer_dialect_request(
    mock: &Arc<Mock>,
    head: &Parts,
    headers: &RequestHeaders<'_>,
    body: &mut RequestBody,
    connection: Option<Connection>,
) -> Response {
    let path = paths::normalised(head.uri.path());
    let (mut context, account, endpoint) = match find_and_authenticate(mock, head, headers, &path, connection)
    {
        ControlFlow::Continue(found) => found,
        ControlFlow::Break(response) => return response,
    };
    let parsed = match endpoint {
        // Boxed because the multipart reader is large.
        Endpoint::Operation(Operation::Audio(task), model) => {
            let body = Body::new(body::take(body));
            let parsed = Box::pin(audio::parse(&mut context, task, model, &head.headers, body)).await;
            parsed.map(request::Request::Call)
        }
        Endpoint::Operation(operation, model_in_path) => {
            let read = body::read(&mut *body, &mock.bodies_bytes).await;
            drop(body::take(body));
            parse(&mut context, operation, model_in_path, head, headers, read)
        }
        Endpoint::Models | Endpoint::Model(_) | Endpoint::Health => {
            unreachable!("invariant: these endpoints were answered before")
        }
    };
    let waiting = match answer_call(&mut context, account, endpoint, parsed) {
        Answered::AtOnce(mut response) => {
            add_note(&mut response, &path, head);
            return response;
        }
        Answered::Waiting(waiting) => waiting,
    };
    let mut response = waiting.await;
    add_note(&mut response, &path, head);
    response
}

/// Finds the endpoint of a request and authenticates the client. Returns the context of the request, its account and the
/// endpoint; or the response, if the request is rejected or needs no body. Like providers, checks the path before the key.
fn find_and_authenticate<'r, 'p>(
    mock: &'r Arc<Mock>,
    head: &'r Parts,
    headers: &RequestHeaders<'r>,
    path: &'p str,
    connection: Option<Connection>,
) -> ControlFlow<Response, (RequestContext<'r>, u16, Endpoint<'p>)> {
    let origin = Origin::new(mock, head, headers, connection);
    let method = head.method.as_str();
    let (format, endpoint) = find_endpoint(mock.formats(), path, head);
    let mut context = RequestContext::new(mock, format, origin);
    if method == "OPTIONS" {
        let methods = endpoint.map_or("GET, HEAD, POST, OPTIONS", |endpoint| endpoint.methods());
        return ControlFlow::Break(cors::options(methods, &head.headers));
    }
    let Some(endpoint) = endpoint else {
        // A known key attributes the request to its account in the journal; a wrong one changes nothing.
        let api_key = find_api_key(format.key_locations(), headers, head);
        if let Some(key) = api_key {
            context.authenticate(key);
        }
        context.set_head_fingerprint(api_key.unwrap_or_default());
        return ControlFlow::Break(context.reject(Error::UnknownPath(method, path).into()));
    };
    if !endpoint.accepts(method) {
        context.set_head_fingerprint("");
        let mut response = context.reject(Error::Status(405, "").into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.methods()));
        return ControlFlow::Break(response);
    }
    if endpoint == Endpoint::Health {
        return ControlFlow::Break(health().into_response().map(Either::Right));
    }
    // A missing key is treated like a wrong one.
    let api_key = find_api_key(format.key_locations(), headers, head).unwrap_or_default();
    let Some(account) = context.authenticate(api_key) else {
        context.set_head_fingerprint(api_key);
        return ControlFlow::Break(context.reject(Error::InvalidKey.into()));
    };
    let mut response = match endpoint {
        Endpoint::Operation(..) => return ControlFlow::Continue((context, account, endpoint)),
        Endpoint::Models => context.model_list_response(),
        Endpoint::Model(name) => {
            context.set_fingerprint(head.uri.path().as_bytes());
            context.model_response(&percent_decode_str(name).decode_utf8_lossy())
        }
        Endpoint::Health => unreachable!("invariant: health needs no key and was answered before"),
    };
    add_note(&mut response, path, head);
    ControlFlow::Break(response)
}

/// Parses a request. `read` is the result of reading its body.
fn parse(
    context: &mut RequestContext<'_>,
    operation: Operation,
    model_in_path: Option<&str>,
    head: &Parts,
    headers: &RequestHeaders<'_>,
    read: Result<Bytes, Rejection<'static>>,
) -> Result<request::Request, Rejection<'static>> {
    let body = read.inspect_err(|_| context.set_head_fingerprint(""))?;
    let query = head.uri.query().unwrap_or_default();
    let (dialect, max_n) = (context.mock.dialect(), context.format.max_n());
    let scope = RequestScope { dialect, max_n, model_in_path, query };
    request::parse(context, operation, &scope, headers, body)
}

/// Answers a request that was parsed, or rejects one that could not be parsed.
fn answer_call<'a>(
    context: &'a mut RequestContext<'_>,
    account: u16,
    endpoint: Endpoint<'_>,
    parsed: Result<request::Request, Rejection<'static>>,
) -> Answered<'a> {
    Answered::AtOnce(match parsed {
        Ok(request::Request::Call(mut request)) => {
            let is_chat = matches!(endpoint, Endpoint::Operation(Operation::Chat, _));
            match answers::apply(context, account, &mut request, is_chat) {
                Ok(()) => return admit(context, account, request),
                Err(error) => context.reject(error.into()),
            }
        }
        Ok(request::Request::TokenCount { model, tokens }) => context.token_count_response(&model, tokens),
        Err(rejection) => context.reject(rejection),
    })
}

/// Adds [`paths::NOTE_HEADER`] to the response to an authenticated request if its path was normalised to `path`.
fn add_note(response: &mut Response, path: &str, head: &Parts) {
    if path != head.uri.path() {
        response.headers_mut().insert(paths::NOTE_HEADER, HeaderValue::from_static(paths::NORMALISED_NOTE));
    }
}

/// Returns the wire format that serves a path, and its endpoint. If several formats serve it, prefers one whose marker headers
/// the request has, and then the first. If no format serves it, returns no endpoint, and the format that the path or the headers
/// belong to, in which the error is rendered.
fn find_endpoint<'p>(
    formats: &'static [&'static dyn WireFormat],
    path: &'p str,
    head: &Parts,
) -> (&'static dyn WireFormat, Option<Endpoint<'p>>) {
    if paths::is_health(formats, path) {
        return (formats[0], Some(Endpoint::Health));
    }
    if let [format] = formats {
        return (*format, format.endpoint(path));
    }
    let is_marked =
        |format: &dyn WireFormat| format.marker_headers().iter().any(|name| head.headers.contains_key(*name));
    let serving = || formats.iter().filter_map(|format| Some((*format, format.endpoint(path)?)));
    if let Some((format, endpoint)) =
        serving().find(|(format, _)| is_marked(*format)).or_else(|| serving().next())
    {
        return (format, Some(endpoint));
    }
    // Among equals the first is chosen, which is the OpenAI-compatible one: see `wire::formats`.
    let fitness = |format: &&&'static dyn WireFormat| (format.owned_prefix(path), is_marked(**format));
    let owner = formats.iter().rev().max_by_key(fitness);
    (owner.map_or(formats[0], |format| *format), None)
}

/// Returns the API key in the first of `key_locations` that the request has.
fn find_api_key<'r>(
    key_locations: &[KeyLocation],
    headers: &RequestHeaders<'r>,
    head: &'r Parts,
) -> Option<&'r str> {
    key_locations.iter().find_map(|key_location| match key_location {
        KeyLocation::Bearer => bearer_token(headers.authorization?),
        KeyLocation::Header(name) => head.headers.get(*name)?.to_str().ok(),
        KeyLocation::Query(name) => head
            .uri
            .query()?
            .split('&')
            .filter_map(|parameter| parameter.split_once('='))
            .find_map(|(known, value)| (known == *name).then_some(value)),
    })
}

/// Returns the token of `Authorization: Bearer …`. The scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer_token(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_at_checked("bearer".len())?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.strip_prefix(' ')?.trim_start())
}
