//! Routes a request to its endpoint. The control plane and `/health` are routes of axum's router; the paths of a dialect
//! depend on its wire formats, so its endpoints are the router's fallback.

use super::admission::admit;
use super::context::RequestContext;
use super::origin::Origin;
use super::{Mock, answers, audio, chat, control};
use crate::journal::Connection;
use crate::wire::{Endpoint, Error, KeyHeader, WireFormat};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use percent_encoding::percent_decode_str;
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
        // A wrong method on `/health` gets the error that the dialect has for unknown paths, not axum's empty 405.
        let router = router
            .fallback(handle_dialect_request)
            .method_not_allowed_fallback(handle_dialect_request)
            .with_state(Arc::clone(&mock));
        Self { router: TowerToHyperService::new(router), mock }
    }

    pub(super) const fn mock(&self) -> &Arc<Mock> {
        &self.mock
    }

    /// Answers a request.
    ///
    /// A path that cannot be a route is passed to the fallback directly: looking up its route twice and boxing the fallback
    /// as a service and as a handler cost 4 % of the requests per second on one core (`mock/benches`, 2026-11-28).
    pub(super) async fn answer(&self, request: Request, connection: Option<Connection>) -> Response {
        let path = request.uri().path();
        if !ROUTE_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
            return answer_dialect_request(Arc::clone(&self.mock), request, connection).await;
        }
        match Box::pin(self.router.call(request)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The first parts of all routes' paths. Any other path belongs to the dialect.
const ROUTE_PREFIXES: [&str; 3] = ["/health", "/metrics", "/_quotalab"];

async fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n")
}

/// Answers a request whose path begins like that of a route, but is none.
async fn handle_dialect_request(State(mock): State<Arc<Mock>>, request: Request) -> Response {
    answer_dialect_request(mock, request, None).await
}

/// Answers a request to the dialect's endpoints: finds the endpoint, authenticates the client, parses the request, and
/// passes the call to the provider model.
async fn answer_dialect_request(
    mock: Arc<Mock>,
    request: Request,
    connection: Option<Connection>,
) -> Response {
    let (head, body) = request.into_parts();
    let formats = mock.formats();
    let origin = Origin::new(&mock, &head, connection);
    let (method, path) = (head.method.as_str(), head.uri.path());
    let (format, endpoint) = find_endpoint(formats, method, path);
    let mut context = RequestContext::new(mock, format, origin);
    // A missing key is treated like a wrong one.
    let api_key = find_api_key(format.key_headers(), &head.headers).unwrap_or_default();
    let Some(account) = context.authenticate(api_key) else {
        return context.reject(Error::InvalidKey.into());
    };
    let parsed = match endpoint {
        Some(endpoint @ (Endpoint::Completions | Endpoint::Deployment(_) | Endpoint::Messages)) => {
            chat::parse(&mut context, endpoint, &head.headers, body).await
        }
        // Boxed because the multipart reader is large, and this future is allocated for every request.
        Some(Endpoint::Audio(task)) => Box::pin(audio::parse(&mut context, task, &head.headers, body)).await,
        Some(Endpoint::Models) => return context.model_list_response(),
        Some(Endpoint::Model(name)) => {
            context.set_fingerprint(path.as_bytes());
            return context.model_response(&percent_decode_str(name).decode_utf8_lossy());
        }
        None => {
            context.set_fingerprint(path.as_bytes());
            return context.reject(Error::UnknownPath(method, path).into());
        }
    };
    match parsed {
        Ok(mut request) => match answers::apply(&mut context, account, &mut request) {
            Ok(()) => admit(context, account, request).await,
            Err(error) => context.reject(error.into()),
        },
        Err(rejection) => context.reject(rejection),
    }
}

/// Returns the wire format that serves this method and path, and its endpoint. If no format serves them, returns the
/// format that answers with the error and no endpoint.
fn find_endpoint<'p>(
    formats: &'static [&'static dyn WireFormat],
    method: &str,
    path: &'p str,
) -> (&'static dyn WireFormat, Option<Endpoint<'p>>) {
    let found = formats.iter().find_map(|format| Some((*format, Some(format.endpoint(method, path)?))));
    let default_format = formats[0]; // The OpenAI-compatible one: see `wire::formats`.
    found.unwrap_or((default_format, None))
}

/// Returns the API key in the first of `key_headers` that the request has.
fn find_api_key<'h>(key_headers: &[KeyHeader], headers: &'h HeaderMap) -> Option<&'h str> {
    key_headers.iter().find_map(|key_header| match key_header {
        KeyHeader::Bearer => bearer_token(headers),
        KeyHeader::Named(name) => headers.get(*name)?.to_str().ok(),
    })
}

/// Returns the token of `Authorization: Bearer …`. The scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
