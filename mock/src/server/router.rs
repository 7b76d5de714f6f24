//! Routes a request to its endpoint. The control plane and `/health` are routes of axum's router; the paths of a dialect
//! depend on its wire formats, so its endpoints are the router's fallback.

use super::admission::admit;
use super::body::RequestBody;
use super::client_timeout::TimedBody;
use super::context::RequestContext;
use super::origin::Origin;
use super::reply_body::{ReplyBody, Response};
use super::request::{self, RequestScope};
use super::request_headers::RequestHeaders;
use super::{Mock, answers, audio, coding, control, cors, embeddings_reply, paths};
use crate::journal::Connection;
use crate::wire::{Endpoint, Error, KeyHeader, Operation, WireFormat};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
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
        let mut router = Router::new().route("/health", get(health));
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
            Ok(response) => response.map(ReplyBody::Other),
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
        body: TimedBody,
        connection: Option<Connection>,
    ) -> Response {
        let body = RequestBody::Timed(body);
        let mut response = answer_dialect_request(&self.mock, head, headers, body, connection).await;
        if headers.origin.is_some() {
            cors::expose(&mut response);
        }
        if headers.accept_encoding.is_some_and(coding::accepts_gzip) && coding::is_compressible(&response) {
            response = Box::pin(coding::compress(response)).await;
        }
        embeddings_reply::hold_until_sent(&mut response);
        response
    }
}

/// The first parts of all routes' paths. Any other path belongs to the dialect.
const ROUTE_PREFIXES: [&str; 3] = ["/health", "/metrics", "/_quotalab"];

async fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n")
}

/// Answers a request whose path begins like that of a route but is none, or whose method the route does not have.
async fn handle_dialect_request(State(mock): State<Arc<Mock>>, request: Request) -> axum::response::Response {
    let (head, body) = request.into_parts();
    let headers = RequestHeaders::new(&head.headers);
    answer_dialect_request(&mock, &head, &headers, RequestBody::Routed(body), None).await.map(Body::new)
}

/// Answers a request to the dialect's endpoints: finds the endpoint, authenticates the client, parses the request, and
/// passes the call to the provider model. Whether the path exists is checked before the key, as providers do.
async fn answer_dialect_request(
    mock: &Arc<Mock>,
    head: &Parts,
    headers: &RequestHeaders<'_>,
    body: RequestBody,
    connection: Option<Connection>,
) -> Response {
    let origin = Origin::new(mock, head, headers, connection);
    let method = head.method.as_str();
    let path = paths::normalised(head.uri.path());
    let (format, endpoint) = find_endpoint(mock.formats(), &path, head);
    let mut context = RequestContext::new(mock, format, origin);
    if method == "OPTIONS" {
        let methods = endpoint.map_or("GET, HEAD, POST, OPTIONS", |endpoint| endpoint.methods());
        return cors::options(methods, &head.headers);
    }
    let Some(endpoint) = endpoint else {
        // A known key attributes the request to its account in the journal; a wrong one changes nothing.
        let api_key = find_api_key(format.key_headers(), headers, head);
        if let Some(key) = api_key {
            context.authenticate(key);
        }
        context.set_head_fingerprint(api_key.unwrap_or_default());
        return context.reject(Error::UnknownPath(method, &path).into());
    };
    if !endpoint.accepts(method) {
        context.set_head_fingerprint("");
        let mut response = context.reject(Error::Status(405, "").into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.methods()));
        return response;
    }
    if endpoint == Endpoint::Health {
        return health().await.into_response().map(ReplyBody::Other);
    }
    // A missing key is treated like a wrong one.
    let api_key = find_api_key(format.key_headers(), headers, head).unwrap_or_default();
    let Some(account) = context.authenticate(api_key) else {
        context.set_head_fingerprint(api_key);
        return context.reject(Error::InvalidKey.into());
    };
    let mut response = answer_endpoint(&mut context, account, endpoint, head, headers, body).await;
    if matches!(path, Cow::Owned(_)) {
        response.headers_mut().insert(paths::NOTE_HEADER, HeaderValue::from_static(paths::NORMALISED_NOTE));
    }
    response
}

/// Answers an authenticated request.
async fn answer_endpoint(
    context: &mut RequestContext<'_>,
    account: u16,
    endpoint: Endpoint<'_>,
    head: &Parts,
    headers: &RequestHeaders<'_>,
    body: RequestBody,
) -> Response {
    let parsed = match endpoint {
        // Boxed because the multipart reader is large, and this future is allocated for every request.
        Endpoint::Operation(Operation::Audio(task), model) => {
            let parsed = Box::pin(audio::parse(context, task, model, &head.headers, Body::new(body))).await;
            parsed.map(request::Request::Call)
        }
        Endpoint::Operation(operation, model_in_path) => {
            let query = head.uri.query().unwrap_or_default();
            let (dialect, max_n) = (context.mock.dialect(), context.format.max_n());
            let scope = RequestScope { dialect, max_n, model_in_path, query };
            request::read(context, operation, scope, headers, body).await
        }
        Endpoint::Models => return context.model_list_response(),
        Endpoint::Model(name) => {
            context.set_fingerprint(head.uri.path().as_bytes());
            return context.model_response(&percent_decode_str(name).decode_utf8_lossy());
        }
        Endpoint::Health => unreachable!("invariant: health needs no key and was answered before"),
    };
    match parsed {
        Ok(request::Request::Call(mut request)) => {
            let is_chat = matches!(endpoint, Endpoint::Operation(Operation::Chat, _));
            match answers::apply(context, account, &mut request, is_chat) {
                Ok(()) => admit(context, account, request).await,
                Err(error) => context.reject(error.into()),
            }
        }
        Ok(request::Request::TokenCount { model, tokens }) => context.token_count_response(&model, tokens),
        Err(rejection) => context.reject(rejection),
    }
}

/// Returns the wire format that serves a path, and its endpoint: of several, the one whose headers the request has, or else the
/// first. If no format serves it, returns the format that the path or the headers belong to, which answers with the error, and
/// no endpoint.
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
    // Of equal ones the first counts, the OpenAI-compatible one: see `wire::formats`.
    let fitness = |format: &&&'static dyn WireFormat| (format.owned_prefix(path), is_marked(**format));
    let owner = formats.iter().rev().max_by_key(fitness);
    (owner.map_or(formats[0], |format| *format), None)
}

/// Returns the API key in the first of `key_headers` that the request has.
fn find_api_key<'r>(
    key_headers: &[KeyHeader],
    headers: &RequestHeaders<'r>,
    head: &'r Parts,
) -> Option<&'r str> {
    key_headers.iter().find_map(|key_header| match key_header {
        KeyHeader::Bearer => bearer_token(headers.authorization?),
        KeyHeader::Named(name) => head.headers.get(*name)?.to_str().ok(),
        KeyHeader::Query(name) => head
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
