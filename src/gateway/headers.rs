//! The headers that pass through the gateway: from the caller to the provider those on a short list, from the provider to the caller
//! all but those that belong to one connection or one site.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The headers of a caller that providers see: not its key or cookies, and nothing that identifies it.
const TO_PROVIDER: [HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
];

/// The headers of a provider that callers do not see: of the connection (RFC 9110, section 7.6.1), of the body's framing, and of the
/// provider's site.
const NOT_TO_CALLER: [HeaderName; 20] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    header::SERVER,
    header::LOCATION,
    header::REFRESH,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderName::from_static("clear-site-data"),
    header::DATE,
    HeaderName::from_static("keep-alive"),
];

/// The prefix of the gateway's own headers, and of those of a mock, which are not passed on.
const OWN: &str = "x-quotalab-";

/// Returns the content type; `None` if there is none, or it is not text.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// Returns `true` if a content type begins with this media type. Case is ignored (RFC 9110, section 8.3.1).
pub(super) fn has_media_type(content_type: &str, name: &str) -> bool {
    content_type.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// The headers of a caller that are passed on to providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassedHeaders(Vec<(HeaderName, HeaderValue)>);

impl PassedHeaders {
    /// Returns those headers of a request that are passed on.
    pub(super) fn of(caller: &HeaderMap) -> Self {
        let value_of = |name: HeaderName| Some((name.clone(), caller.get(name)?.clone()));
        Self(TO_PROVIDER.into_iter().filter_map(value_of).collect())
    }

    /// Returns the values of those that can change an answer, in a fixed order.
    pub(super) fn of_the_answer(&self) -> [Option<&HeaderValue>; 3] {
        ["openai-beta", "anthropic-beta", "anthropic-version"]
            .map(|name| self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value))
    }

    /// Returns the headers of an attempt: these, and one more.
    pub(super) fn with(&self, name: HeaderName, value: HeaderValue) -> HeaderMap {
        // The client adds its host and the length of the body.
        let mut headers = HeaderMap::with_capacity(self.0.len() + 3);
        headers.extend(self.0.iter().cloned());
        headers.insert(name, value);
        headers
    }
}

/// Returns the headers of a provider that its reply keeps.
pub(super) fn to_caller(mut provider: HeaderMap) -> HeaderMap {
    // What `connection` names belongs to the connection as well.
    let named: Vec<HeaderName> = provider
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    // A reply has few of these headers: one pass over it is faster than a lookup of each.
    let is_dropped = |name: &&HeaderName| {
        NOT_TO_CALLER.contains(name) || named.contains(name) || name.as_str().starts_with(OWN)
    };
    let dropped: Vec<HeaderName> = provider.keys().filter(is_dropped).cloned().collect();
    for name in dropped {
        provider.remove(name);
    }
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_provider_sees_neither_the_callers_key_nor_who_it_is() {
        let caller = map(&[
            ("authorization", "Bearer caller"),
            ("x-api-key", "caller"),
            ("api-key", "caller"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("openai-organization", "org"),
            ("accept-encoding", "gzip"),
            ("host", "gateway"),
            ("content-length", "3"),
            ("content-type", "application/json"),
            ("idempotency-key", "k"),
        ]);
        let key = (header::AUTHORIZATION, HeaderValue::from_static("Bearer gateway"));
        let expected = map(&[
            ("content-type", "application/json"),
            ("idempotency-key", "k"),
            ("authorization", "Bearer gateway"),
        ]);
        assert_eq!(PassedHeaders::of(&caller).with(key.0, key.1), expected);
    }

    #[test]
    fn headers_of_the_connection_and_the_site_stay_behind() {
        let provider = map(&[
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("x-quotalab-decision", "admitted"),
            ("x-request-id", "r1"),
            ("content-type", "text/event-stream"),
        ]);
        let expected = map(&[("x-request-id", "r1"), ("content-type", "text/event-stream")]);
        assert_eq!(to_caller(provider), expected);
    }
}
