//! The address of an endpoint: how it is written, and whether it is this machine.

use crate::scenario::BaseUrl;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

/// A problem with an endpoint, or with the options of a run through it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\n  help: {help}")]
pub struct EndpointError {
    /// The problem.
    pub what: String,
    /// The remedy.
    pub help: String,
}

impl EndpointError {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

/// Where requests may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this machine only.
    Loopback,
    /// To any address.
    Any,
}

/// Looks up the addresses of a host and a port.
pub type Resolver<'a> = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + 'a;

/// Looks up the addresses of a host as the system does.
///
/// # Errors
/// If the system finds none.
pub fn system_resolver(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Paths of operations below an address. Users copy some of them together with the address.
const OPERATIONS: [&str; 5] = ["/completions", "/chat", "/models", "/responses", "/embeddings"];

/// Reads the address of an endpoint. `/v1` is added if it has no path.
///
/// # Errors
/// If it is no address of an OpenAI-compatible API; no error quotes it, because it may contain a password.
pub fn parse_url(text: &str) -> Result<BaseUrl, EndpointError> {
    if !text.contains("://") {
        let help = "write it as in `http://127.0.0.1:4000`, or begin it with `https://`";
        return Err(EndpointError::new("the address has no scheme", help));
    }
    let of_base =
        |text: &str| BaseUrl::parse(text).map_err(|error| EndpointError::new(error.what, error.help));
    let url = of_base(text)?;
    if let Some(operation) = OPERATIONS.iter().find(|operation| url.path().ends_with(**operation)) {
        return Err(EndpointError::new(
            format!("the address ends with `{operation}`, and requests go to `/chat/completions` below it"),
            format!("write the address without `{operation}`, as in `http://127.0.0.1:4000/v1`"),
        ));
    }
    if url.path().is_empty() { of_base(&format!("{url}/v1")) } else { Ok(url) }
}

/// Returns the addresses of an endpoint, in the order in which they are tried, if all of them are within `reach`.
///
/// # Errors
/// If the name has no address, or one that is not within reach. A name that has loopback addresses and others is not loopback.
pub fn resolve(
    url: &BaseUrl,
    reach: Reach,
    resolver: &Resolver<'_>,
) -> Result<Vec<SocketAddr>, EndpointError> {
    let (host, port) = (url.host(), url.port());
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => resolver(host, port).map_err(|error| {
            EndpointError::new(
                format!("{host} has no address: {error}"),
                "use a host name that resolves to an address",
            )
        })?,
    };
    if addresses.is_empty() {
        return Err(EndpointError::new(
            format!("{host} has no address"),
            "use a host name that resolves to an address",
        ));
    }
    let outside = addresses.iter().find(|address| !is_loopback(address.ip()));
    match outside {
        Some(address) if reach == Reach::Loopback => {
            let what = if address.ip().to_string() == host {
                format!("{host} is not this machine: requests to it are real and may cost money")
            } else {
                format!(
                    "{host} resolves to {}, which is not this machine: requests to it are real and may cost money",
                    address.ip()
                )
            };
            Err(EndpointError::new(
                what,
                "add `--real`, with `--max-requests N` and `--max-cost USD`, which are hard limits",
            ))
        }
        _ => Ok(addresses),
    }
}

/// Returns `true` for 127.0.0.0/8 and `::1`, also if the IPv4 address is mapped to IPv6 (`::ffff:127.0.0.1`).
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        parse_url(text).map(|url| url.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_version_may_be_left_out() {
        for text in ["http://127.0.0.1:4000", "http://127.0.0.1:4000/", "http://127.0.0.1:4000/v1/"] {
            assert_eq!(parsed(text).as_deref(), Ok("http://127.0.0.1:4000/v1"), "{text}");
        }
        assert_eq!(parsed("https://api.groq.com/openai/v1").as_deref(), Ok("https://api.groq.com/openai/v1"));
    }

    #[test]
    fn an_invalid_address_is_refused_with_a_remedy() {
        for (text, what, help) in [
            ("localhost:4000", "no scheme", "`http://127.0.0.1:4000`"),
            ("http://localhost/v1/chat/completions", "`/chat/completions`", "without"),
            ("http://localhost/v1/models", "`/models`", "without `/models`"),
            ("ftp://localhost", "scheme", "https://"),
            ("http://user:secret@localhost", "password", "leave out"),
            ("http://127.0.0.1:0", "port", "1 to 65535"),
            ("http://localhost/v1?a=b", "query", "leave out"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.contains(what) && error.contains(help), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    fn looked_up(text: &str, found: &[&str], reach: Reach) -> Result<usize, String> {
        let url = parse_url(text).expect("an address");
        let resolver = |host: &str, port: u16| {
            assert!(host.parse::<IpAddr>().is_err(), "an address is not looked up");
            let address = |text: &&str| SocketAddr::new(text.parse().expect("an address"), port);
            Ok(found.iter().map(address).collect())
        };
        resolve(&url, reach, &resolver).map(|found| found.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_loopback_is_within_reach_unless_more_is_asked_for() {
        for (url, found) in [
            ("http://127.0.0.1:1", &[][..]),
            ("http://127.9.9.9:1", &[]),
            ("http://[::1]:1", &[]),
            ("http://[::ffff:127.0.0.1]:1", &[]),
            ("http://localhost:1", &["127.0.0.1", "::1"]),
        ] {
            assert!(looked_up(url, found, Reach::Loopback).is_ok(), "{url}");
        }
        for (url, found) in [
            ("http://192.0.2.1:1", &[][..]),
            ("http://0.0.0.0:1", &[]),
            ("http://[::]:1", &[]),
            ("http://[::ffff:192.0.2.1]:1", &[]),
            ("http://staging.example:1", &["192.0.2.1"]),
            // The name `localhost` may resolve to another machine, and a name may have addresses of both kinds.
            ("http://localhost:1", &["192.0.2.1"]),
            ("http://rebound.example:1", &["127.0.0.1", "192.0.2.1"]),
        ] {
            let error = looked_up(url, found, Reach::Loopback).expect_err(url);
            assert!(error.contains("--real") && error.contains("--max-cost"), "{error}");
            assert!(looked_up(url, found, Reach::Any).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_an_error() {
        assert!(looked_up("http://nothing.example", &[], Reach::Any).is_err());
    }
}
