//! The value of `--listen`: an address, a port, or both, as people write them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address to listen on: that of a gateway, or of the first provider of a mock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(SocketAddr);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Listen {
    pub(super) const ANY_PORT: Self = Self(SocketAddr::new(LOOPBACK, 0));

    /// Returns the loopback address with this port.
    pub(super) const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(LOOPBACK, port))
    }

    /// Parses `4141`, `:4141`, `localhost:4141`, `127.0.0.1:4141`, `[::1]:4141`, or an address without a port, which gets
    /// `default_port`. A port alone is one of loopback; `*:4141` means every address.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self(address));
        }
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Self(SocketAddr::new(ip, default_port)));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text.parse().ok()),
            None => (text, Some(default_port)),
        };
        match (host, port) {
            ("", Some(port)) => Ok(Self(SocketAddr::new(LOOPBACK, port))),
            (host, Some(port)) if host.eq_ignore_ascii_case("localhost") => {
                Ok(Self(SocketAddr::new(LOOPBACK, port)))
            }
            ("*", Some(port)) => Ok(Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))),
            _ => Err(format!(
                "expected an address or a port, such as {default_port}, localhost:{default_port} or 0.0.0.0:{default_port}"
            )),
        }
    }

    /// Returns the address of a gateway, or of the first provider of a mock.
    pub(super) const fn first(self) -> SocketAddr {
        self.0
    }

    /// Returns the address of the provider `index`: the next port for each, or port 0 for all. `None` if that port is above
    /// 65535.
    pub(super) fn address(self, index: usize) -> Option<SocketAddr> {
        let port = match self.0.port() {
            0 => 0,
            port => u16::try_from(usize::from(port) + index).ok()?,
        };
        Some(SocketAddr::new(self.0.ip(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports_are_understood() {
        for (text, expected) in [
            ("4141", Some("127.0.0.1:4141")),
            (":4141", Some("127.0.0.1:4141")),
            ("0", Some("127.0.0.1:0")),
            ("localhost:4141", Some("127.0.0.1:4141")),
            ("LOCALHOST:80", Some("127.0.0.1:80")),
            ("localhost", Some("127.0.0.1:4141")),
            ("127.0.0.1", Some("127.0.0.1:4141")),
            ("127.0.0.1:1", Some("127.0.0.1:1")),
            ("http://127.0.0.1:1/", Some("127.0.0.1:1")),
            ("0.0.0.0:4141", Some("0.0.0.0:4141")),
            ("*:4141", Some("0.0.0.0:4141")),
            ("[::1]:4141", Some("[::1]:4141")),
            ("::1", Some("[::1]:4141")),
            ("[::1]", Some("[::1]:4141")),
            ("65536", None),
            (":", None),
            ("", None),
            ("example.com:4141", None),
            ("localhost:http", None),
            ("-1", None),
        ] {
            assert_eq!(
                Listen::parse(text, 4141).ok().map(|listen| listen.0.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn each_provider_has_the_next_port() {
        let last = Listen(SocketAddr::new(LOOPBACK, u16::MAX));
        assert_eq!(Listen::loopback(4141).address(2).map(|address| address.port()), Some(4143));
        assert_eq!(Listen::ANY_PORT.address(2).map(|address| address.port()), Some(0));
        assert_eq!((last.address(0).is_some(), last.address(1)), (true, None));
    }
}
