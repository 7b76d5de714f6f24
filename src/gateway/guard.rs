//! Who may use the gateway: programs on this machine, or callers that know its key; no page in a browser.
//!
//! A gateway on loopback spends its owner's money for every program that reaches it, and pages of any site can send requests to loopback.
//! Theirs carry `Origin` or `Sec-Fetch-Site` (Fetch, section 3.2; W3C Fetch Metadata), and by DNS rebinding they name a host that is
//! not this machine.

use super::reply::ErrorReply;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN, TRANSFER_ENCODING};
use hyper::{Method, Request, StatusCode};
use provider::server::request_checks::{self, host_name, is_equal};
use std::fmt;
use std::net::IpAddr;

/// Who may use the gateway.
#[derive(Clone)]
pub enum Access {
    /// Programs on this machine.
    Loopback,
    /// Callers that send this key as `Authorization: Bearer KEY`.
    WithKey(Box<str>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "Loopback",
            Self::WithKey(_) => "WithKey",
        })
    }
}

/// Returns the error for a request that may not use the gateway, or that two servers could read differently (request smuggling).
pub(super) fn refusal<B>(access: &Access, request: &Request<B>) -> Option<ErrorReply> {
    refusal_before_key_check(access, request).or_else(|| match access {
        Access::Loopback => None,
        Access::WithKey(key) => key_problem(key, request),
    })
}

/// Returns the error of [`refusal`], without a check of the key.
pub(super) fn refusal_before_key_check<B>(access: &Access, request: &Request<B>) -> Option<ErrorReply> {
    framing_problem(request).or_else(|| browser_problem(request)).or_else(|| match access {
        Access::Loopback => host_problem(request),
        Access::WithKey(_) => None,
    })
}

/// Returns `true` if a key that was sent is `key`.
pub(super) fn is_key(key: &str, sent: &[u8]) -> bool {
    is_equal(sent, key.as_bytes())
}

/// Returns the error for a request that two servers could read differently.
pub(super) fn framing_problem<B>(request: &Request<B>) -> Option<ErrorReply> {
    let headers = request.headers();
    let codings = (headers.get_all(TRANSFER_ENCODING).iter().count(), headers.get(TRANSFER_ENCODING));
    let hosts = headers.get_all(HOST).iter().count();
    let (status, message) = request_checks::framing_problem(hosts, codings, request.version())?;
    Some(ErrorReply::of_caller(status, "invalid_request", message))
}

/// Returns the error for a request that a web page has sent. A browser may only open the gateway's own pages, and reload them.
fn browser_problem<B>(request: &Request<B>) -> Option<ErrorReply> {
    let site = request.headers().get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_own = site.is_none_or(|site| site == b"none" || (is_read && site == b"same-origin"));
    let is_foreign = request.headers().contains_key(ORIGIN) || !is_own;
    is_foreign.then(|| {
        let message = "a page in a browser cannot use the gateway: send the request from a program";
        ErrorReply::of_caller(StatusCode::FORBIDDEN, "browser", message)
    })
}

fn host_problem<B>(request: &Request<B>) -> Option<ErrorReply> {
    let host = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let in_uri = request.uri().authority().map(|authority| authority.as_str());
    let are_local = host.into_iter().chain(in_uri).all(|host| is_local(host_name(host)));
    (!are_local).then(|| {
        let message = "the Host header does not name this machine: use the address that the gateway printed";
        ErrorReply::of_caller(StatusCode::FORBIDDEN, "host", message)
    })
}

fn is_local(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn key_problem<B>(key: &str, request: &Request<B>) -> Option<ErrorReply> {
    let is_known = sent_key(request.headers()).is_some_and(|sent| is_key(key, sent));
    (!is_known).then(|| {
        let message = "the gateway does not know this key: send the one in QUOTALAB_GATEWAY_KEY";
        ErrorReply::of_caller(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    })
}

/// Returns the key that a request carries; `None` if it carries none, or two.
pub(super) fn sent_key(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let value = value.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
}

/// How the origin of the page that sends a request is related to the gateway (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn status(access: &Access, method: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/v1/chat/completions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refusal(access, &request.body(()).expect("a request")).map(|error| error.status.as_u16())
    }

    const LOCAL: (&str, &str) = ("host", "127.0.0.1:4000");

    #[test]
    fn programs_on_this_machine_may_use_it_and_pages_may_not() {
        for (method, headers, expected) in [
            ("POST", &[LOCAL][..], None),
            ("POST", &[("host", "localhost")], None),
            ("POST", &[("host", "[::1]:4000")], None),
            ("POST", &[("host", "rebound.example:4000")], Some(403)),
            ("POST", &[("host", "10.0.0.7")], Some(403)),
            ("POST", &[LOCAL, ("origin", "https://example.com")], Some(403)),
            ("POST", &[LOCAL, ("origin", "null")], Some(403)),
            ("POST", &[LOCAL, ("sec-fetch-site", "cross-site")], Some(403)),
            ("POST", &[LOCAL, ("sec-fetch-site", "same-origin")], Some(403)),
            ("GET", &[LOCAL, ("sec-fetch-site", "same-origin")], None),
            ("GET", &[LOCAL, ("sec-fetch-site", "none")], None),
            ("GET", &[LOCAL, ("sec-fetch-site", "cross-site")], Some(403)),
            ("POST", &[LOCAL, LOCAL], Some(400)),
            ("POST", &[], Some(400)),
            ("POST", &[LOCAL, ("transfer-encoding", "gzip, chunked")], Some(501)),
            ("POST", &[LOCAL, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Some(501)),
        ] {
            assert_eq!(status(&Access::Loopback, method, headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn with_a_key_only_its_exact_text_is_accepted() {
        let access = Access::WithKey("secret".into());
        for (value, expected) in [
            ("Bearer secret", None),
            ("bearer secret", None),
            ("Bearer secre", Some(401)),
            ("Bearer secrets", Some(401)),
            ("Bearer  secret", Some(401)),
            ("secret", Some(401)),
            ("", Some(401)),
        ] {
            let headers = [("host", "gateway.example"), ("authorization", value)];
            assert_eq!(status(&access, "POST", &headers), expected, "{value}");
        }
        let twice = [LOCAL, ("authorization", "Bearer secret"), ("authorization", "Bearer secret")];
        assert_eq!(status(&access, "POST", &twice), Some(401));
        assert!(!format!("{access:?}").contains("secret"));
    }
}
