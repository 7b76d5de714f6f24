//! Decides whether a request may use the control plane: any program that knows the token or, without a token, any that can connect and
//! names the host by an address or as `localhost` (the mock then listens on loopback only); but no page in a browser.
//!
//! A page of another origin can send requests to loopback. They differ from those of a program: browsers add `Origin` and
//! `Sec-Fetch-Site` (Fetch, section 3.2; W3C Fetch Metadata); a page that reaches the mock by DNS rebinding names its own
//! domain in `Host`; a form cannot send JSON or a header of its own; and a script that does so has to send a preflight first,
//! which is refused.

use super::error::Error;
use crate::server::Mock;
use crate::server::request_checks::{host_name, is_equal, is_json};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// The header that shows that a request without a body does not come from a form. Its value is not read.
const HEADER: &str = "x-quotalab";

/// Passes a request on if it may use the control plane.
pub(super) async fn check(State(mock): State<Arc<Mock>>, request: Request, next: Next) -> Response {
    let checked = match mock.control_token() {
        Some(token) => check_token(token, request.headers()),
        None => check_host(&request),
    };
    let checked = checked.and_then(|()| check_origin(&request)).and_then(|()| check_form(&request));
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Checks the token of a control plane that others can reach.
fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Error> {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
    if sent.is_some_and(|sent| is_equal(sent.as_bytes(), token.as_bytes())) {
        return Ok(());
    }
    let help = "send the token that the mock was started with: `Authorization: Bearer TOKEN`";
    Err(Error { status: StatusCode::UNAUTHORIZED, ..Error::new("the control plane needs a token", help) })
}

/// Checks that the request names the host by an address or as `localhost`. A page that reaches the mock by DNS rebinding names
/// its own domain.
fn check_host(request: &Request) -> Result<(), Error> {
    let in_uri = request.uri().authority().map(|authority| authority.as_str());
    // HTTP/2 has the host in the URI (RFC 9113, section 8.3.1).
    let authority = in_uri.filter(|_| request.version() == Version::HTTP_2);
    let host = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default()).or(authority);
    let is_local = |host: &str| {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    };
    if host.is_some_and(is_local) && in_uri.is_none_or(is_local) {
        return Ok(());
    }
    let named = [in_uri, host].into_iter().flatten().find(|host| !is_local(host));
    let message = named.map_or_else(
        || "the request names no host".to_owned(),
        |named| format!("the host `{}` is neither an IP address nor `localhost`", super::shortened(named)),
    );
    Err(forbidden(message, "use the address that the mock printed, such as 127.0.0.1"))
}

/// Checks that the request was not sent by a page in a browser. If the user typed the address, browsers send
/// `Sec-Fetch-Site: none`, which is accepted.
fn check_origin(request: &Request) -> Result<(), Error> {
    let site = request.headers().get("sec-fetch-site").map(|site| site.as_bytes());
    let by_page = request.headers().contains_key(ORIGIN) || site.is_some_and(|site| site != b"none");
    if by_page {
        return Err(forbidden(
            "a page in a browser cannot use the control plane",
            "send the request from a program",
        ));
    }
    Ok(())
}

/// Checks that a POST was not sent by a form: it needs a JSON content type or the header [`HEADER`]. POST is the only method that
/// a form can send and that changes something.
fn check_form(request: &Request) -> Result<(), Error> {
    let headers = request.headers();
    if request.method() != Method::POST || is_json(headers) || headers.contains_key(HEADER) {
        return Ok(());
    }
    let message = "a POST that changes the mock needs a JSON content type or the header `X-Quotalab`";
    let help =
        "add `Content-Type: application/json` (`curl --json '{…}'`) or, without a body, `X-Quotalab: 1`";
    Err(Error { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Error::new(message, help) })
}

fn forbidden(message: impl Into<String>, help: &str) -> Error {
    Error { status: StatusCode::FORBIDDEN, ..Error::new(message, help) }
}
