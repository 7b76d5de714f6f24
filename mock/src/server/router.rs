//! Routes a request to its endpoint. The control plane and `/health` are routes of axum's router; the paths of a dialect
//! depend on its wire formats, so its endpoints are the router's fallback.

use super::admission::admit;
use super::context::RequestContext;
use super::{Mock, audio, chat, control};
use crate::wire::{Endpoint, Error, Key, WireFormat};
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

/// The endpoints of a mock.
#[derive(Clone)]
pub(super) struct Endpoints {
    router: TowerToHyperService<Router>,
    mock: Arc<Mock>,
}

impl Endpoints {
    /// A mock without a control plane answers its paths like any unknown one.
    pub(super) fn new(mock: Arc<Mock>) -> Self {
        let mut router = Router::new().route("/health", get(health));
        if mock.has_control_plane() {
            router = router.merge(control::router());
        }
        let router =
            router.fallback(dialect).method_not_allowed_fallback(dialect).with_state(Arc::clone(&mock));
        Self { router: TowerToHyperService::new(router), mock }
    }

    /// Answers a request.
    ///
    /// A path that cannot be a route is passed to the fallback directly: looking up its route twice and boxing the fallback
    /// as a service and as a handler cost 4 % of the requests per second on one core (`mock/benches`, 2026-11-28).
    pub(super) async fn answer(&self, request: Request) -> Response {
        let path = request.uri().path();
        if !ROUTED.iter().any(|prefix| path.starts_with(prefix)) {
            return dialect(State(Arc::clone(&self.mock)), request).await;
        }
        match Box::pin(self.router.call(request)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What the paths of all routes start with.
const ROUTED: [&str; 3] = ["/health", "/metrics", "/_quotalab"];

async fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n")
}

/// Answers a request to the dialect's endpoints: finds the endpoint, authenticates, parses, and has the provider decide.
async fn dialect(State(mock): State<Arc<Mock>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), head.uri.path());
    let (format, endpoint) = find(mock.formats(), method, path);
    let mut context = RequestContext::new(mock, format);
    let key = key(format.keys(), &head.headers).unwrap_or_default();
    let Some(account) = context.authenticate(key) else { return context.reject(Error::InvalidKey.into()) };
    let parsed = match endpoint {
        Some(endpoint @ (Endpoint::Completions | Endpoint::Deployment(_) | Endpoint::Messages)) => {
            chat::parse(&mut context, endpoint, &head.headers, body).await
        }
        // Boxed because the multipart reader is large, and this future is allocated for every request.
        Some(Endpoint::Audio(task)) => Box::pin(audio::parse(&mut context, task, &head.headers, body)).await,
        Some(Endpoint::Models) => return context.models(),
        Some(Endpoint::Model(name)) => {
            context.identify(path.as_bytes());
            return context.model_detail(&percent_decode_str(name).decode_utf8_lossy());
        }
        None => {
            context.identify(path.as_bytes());
            return context.reject(Error::UnknownPath(method, path).into());
        }
    };
    match parsed {
        Ok(request) => admit(context, account, request).await,
        Err(rejection) => context.reject(rejection),
    }
}

/// Returns the format with an endpoint at this path, and that endpoint; the first format if none has one.
fn find<'p>(
    formats: &'static [&'static dyn WireFormat],
    method: &str,
    path: &'p str,
) -> (&'static dyn WireFormat, Option<Endpoint<'p>>) {
    let found = formats.iter().find_map(|format| Some((*format, Some(format.endpoint(method, path)?))));
    found.unwrap_or((formats[0], None))
}

/// Returns the key in the first of these headers that is present.
fn key<'h>(keys: &[Key], headers: &'h HeaderMap) -> Option<&'h str> {
    keys.iter().find_map(|key| match key {
        Key::Bearer => bearer(headers),
        Key::Named(name) => headers.get(*name)?.to_str().ok(),
    })
}

/// Returns the token of `Authorization: Bearer …`. The scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
