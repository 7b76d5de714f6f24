//! How a real provider is reached: its address, and where its keys are.

use provider::units::ParseError;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// How a real provider is reached. Only the gateway reaches it; `check` and the announcement of a mock name its address and its
/// keys, and no result depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The address that the scenario states; if `None`, the dialect's own address, if it has one.
    pub base_url: Option<BaseUrl>,
    /// The sources of the keys: by account, in the order of `AccountConfig::keys`. The one key of an account that the scenario
    /// does not describe is [`KeySource::Written`].
    pub keys: Vec<Vec<KeySource>>,
}

/// Where the value of a key is. `AccountConfig::keys` holds the name of the key, which is printed: the key itself, the name
/// of the variable, or the path as the scenario writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the scenario: the key is its own name. For mocks.
    Written,
    /// In an environment variable, whose name is `[A-Za-z_][A-Za-z0-9_]*`.
    Env(String),
    /// In a file, whose content without leading and trailing whitespace is the key. A relative path is resolved against the
    /// folder of the scenario; it stays relative if the scenario has no file.
    File(PathBuf),
}

/// The address that the paths of an OpenAI-compatible API (`/chat/completions`) are appended to: `http` or `https`, a host, a port
/// and a path. It is normalised: different spellings of one address are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    is_https: bool,
    /// In lower case, without brackets.
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// The maximum length of an address in bytes; servers commonly accept request lines of 8 KiB.
const MAX_BYTES: usize = 2_048;
/// The maximum length of a host in bytes (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// The maximum length of a label of a host in bytes (ibid.).
const MAX_LABEL_BYTES: usize = 63;

impl BaseUrl {
    /// The example address in error messages.
    pub(in crate::scenario) const EXAMPLE: &str = "https://api.groq.com/openai/v1";

    /// Reads an address. Slashes at its end are dropped, its scheme and host are converted to lower case, the port of the scheme is
    /// left out.
    ///
    /// # Errors
    /// If it has another scheme, no valid host or port, characters that a path may not have (RFC 3986), or a part that an address
    /// must not have: a user, a query, a fragment, `/chat/completions` at the end. No error quotes the address, which may contain a
    /// password.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_BYTES {
            let help = format!("write at most {MAX_BYTES} characters");
            return Err(ParseError::new("the address is too long", help));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ParseError::new(
                "the address has blanks",
                format!("write it as `{}`", Self::EXAMPLE),
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let help = format!("begin it with `https://`, as in `{}`", Self::EXAMPLE);
            return Err(ParseError::new("the address has no scheme", help));
        };
        let is_https = match &*scheme.to_ascii_lowercase() {
            "https" => true,
            "http" => false,
            _ => {
                let what = "the scheme of the address is neither `https` nor `http`";
                return Err(ParseError::new(what, "begin it with `https://`"));
            }
        };
        for (sign, name) in [('#', "fragment"), ('?', "query")] {
            if rest.contains(sign) {
                let help = format!("leave out `{sign}` and what follows it");
                return Err(ParseError::new(format!("the address has a {name}"), help));
            }
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let scheme_port = if is_https { 443 } else { 80 };
        let port = port.unwrap_or(scheme_port);
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = if port == scheme_port { bracketed } else { format!("{bracketed}:{port}") };
        Ok(Self { is_https, host, port, authority, path: checked_path(path)?.to_owned() })
    }

    /// Returns `true` if the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Returns the host in lower case, without a port; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, which is the scheme's if none is written; never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host and the port as in a `Host` header: an IPv6 address in brackets, the port of the scheme left out.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path: empty, or `/openai/v1` without a slash at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns `true` if the form of the host shows that it is this machine: `localhost` or a name below it (RFC 6761, section
    /// 6.3), 127.0.0.0/8, or `::1`. No name is looked up.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let is_local_v4 = self.host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
        let is_local_v6 = self.host.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
        is_local_v4 || is_local_v6 || self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// Splits an authority into its host, in lower case and without brackets, and its port, if it has one.
fn host_and_port(authority: &str) -> Result<(String, Option<u16>), ParseError> {
    if authority.contains('@') {
        let help = "leave out what is before `@`; keys are in `accounts`, such as `accounts: {default: [{env: GROQ_API_KEY}]}`";
        return Err(ParseError::new("the address has a user or a password", help));
    }
    let invalid_v6 = || {
        ParseError::new(
            "the address has an invalid IPv6 address",
            "write it in brackets, as in `http://[::1]:8080`",
        )
    };
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(invalid_v6)?;
        let address: Ipv6Addr = address.parse().map_err(|_| invalid_v6())?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(self::port(port)?),
            None if after.is_empty() => None,
            None => return Err(invalid_v6()),
        };
        return Ok((address.to_string(), port));
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(invalid_v6()),
        Some((host, port)) => Ok((checked_host(host)?, Some(self::port(port)?))),
        None => Ok((checked_host(authority)?, None)),
    }
}

/// Returns a host that is a name or an IPv4 address in lower case.
fn checked_host(host: &str) -> Result<String, ParseError> {
    let invalid = |what: &str| Err(ParseError::new(what, format!("write one as in `{}`", BaseUrl::EXAMPLE)));
    if host.is_empty() {
        return invalid("the address has no host");
    }
    if !host.is_ascii() {
        let help = "write the name in its ASCII form, which begins with `xn--`";
        return Err(ParseError::new("the host has characters other than ASCII", help));
    }
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(is_label_byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(is_label) {
        return invalid("the address has an invalid host");
    }
    // Resolvers read `127.1`, `0x7f000001` and `2130706433` as IPv4 addresses.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        let help = "write four numbers from 0 to 255, as in `http://127.0.0.1:8080`";
        return Err(ParseError::new("the address has an invalid IPv4 address", help));
    }
    Ok(host)
}

fn port(text: &str) -> Result<u16, ParseError> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0).ok_or_else(|| {
        ParseError::new(
            "the address has an invalid port",
            "write a number from 1 to 65535 after `:`, or leave both out",
        )
    })
}

/// Returns a path without the slashes at its end. Fails if it has characters that RFC 3986 does not allow, a segment `.` or
/// `..`, or `/chat/completions` at its end.
fn checked_path(path: &str) -> Result<&str, ParseError> {
    let path = path.trim_end_matches('/');
    if path.ends_with("/chat/completions") {
        let what = "the address ends with `/chat/completions`, which is appended to it";
        return Err(ParseError::new(what, "write the address without `/chat/completions`"));
    }
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    let is_escape = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !path.bytes().all(is_valid) || !path.split('%').skip(1).all(is_escape) {
        let help = "write other characters as `%` and two hexadecimal digits, such as `%20` for a blank";
        return Err(ParseError::new("the path of the address has characters that it may not have", help));
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        let help = "write the path that they lead to";
        return Err(ParseError::new("the path of the address has `.` or `..`", help));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_normalised_and_split_into_its_parts() {
        for (text, shown, host, port, authority, path, is_loopback) in [
            ("https://api.groq.com/openai/v1", "", "api.groq.com", 443, "api.groq.com", "/openai/v1", false),
            (
                "HTTPS://API.Groq.com/OpenAI/v1//",
                "https://api.groq.com/OpenAI/v1",
                "api.groq.com",
                443,
                "api.groq.com",
                "/OpenAI/v1",
                false,
            ),
            ("http://proxy", "", "proxy", 80, "proxy", "", false),
            ("http://proxy:80/", "http://proxy", "proxy", 80, "proxy", "", false),
            ("http://proxy:443", "", "proxy", 443, "proxy:443", "", false),
            ("https://proxy:0443/v1", "https://proxy/v1", "proxy", 443, "proxy", "/v1", false),
            ("http://llm_proxy:4000/v1", "", "llm_proxy", 4000, "llm_proxy:4000", "/v1", false),
            ("http://localhost:8080/v1", "", "localhost", 8080, "localhost:8080", "/v1", true),
            ("http://A.LocalHost", "http://a.localhost", "a.localhost", 80, "a.localhost", "", true),
            ("http://notlocalhost", "", "notlocalhost", 80, "notlocalhost", "", false),
            (
                "http://localhost.example.com",
                "",
                "localhost.example.com",
                80,
                "localhost.example.com",
                "",
                false,
            ),
            ("http://127.9.8.7:1", "", "127.9.8.7", 1, "127.9.8.7:1", "", true),
            ("http://128.0.0.1:65535", "", "128.0.0.1", 65535, "128.0.0.1:65535", "", false),
            ("http://[::1]", "", "::1", 80, "[::1]", "", true),
            (
                "https://[0:0:0:0:0:0:0:1]:8443/v1",
                "https://[::1]:8443/v1",
                "::1",
                8443,
                "[::1]:8443",
                "/v1",
                true,
            ),
            (
                "https://[2001:DB8::1]:443/",
                "https://[2001:db8::1]",
                "2001:db8::1",
                443,
                "[2001:db8::1]",
                "",
                false,
            ),
            ("https://[::ffff:127.0.0.1]", "", "::ffff:127.0.0.1", 443, "[::ffff:127.0.0.1]", "", false),
            ("https://a.b/x@y/%7Ez:(1)", "", "a.b", 443, "a.b", "/x@y/%7Ez:(1)", false),
            ("https://a.b/chat/completions/v1", "", "a.b", 443, "a.b", "/chat/completions/v1", false),
        ] {
            let url = BaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), if shown.is_empty() { text } else { shown });
            assert_eq!((url.host(), url.port(), url.authority()), (host, port, authority), "{text}");
            assert_eq!((url.path(), url.is_loopback()), (path, is_loopback), "{text}");
            assert_eq!(url.is_https(), text.to_lowercase().starts_with("https"));
        }
    }

    /// Asserts that each text is refused with its reason and its remedy, and that no error contains `secret`.
    fn assert_refused(cases: &[(&str, (&str, &str))]) {
        for (text, (what, help)) in cases {
            let error = BaseUrl::parse(text).expect_err(text);
            assert!(error.what.contains(what) && error.help.contains(help), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn invalid_schemes_and_paths_and_forbidden_parts_are_refused_with_a_remedy() {
        let scheme = ("the address has no scheme", "begin it with `https://`, as in");
        let other_scheme =
            ("the scheme of the address is neither `https` nor `http`", "begin it with `https://`");
        let user =
            ("the address has a user or a password", "leave out what is before `@`; keys are in `accounts`");
        let query = ("the address has a query", "leave out `?` and what follows it");
        let fragment = ("the address has a fragment", "leave out `#` and what follows it");
        let blanks = ("the address has blanks", "write it as `https://");
        let completions =
            ("the address ends with `/chat/completions`", "write the address without `/chat/completions`");
        let path =
            ("the path of the address has characters that it may not have", "such as `%20` for a blank");
        let dots = ("the path of the address has `.` or `..`", "write the path that they lead to");
        assert_refused(&[
            ("", scheme),
            ("secret.example.com/v1", scheme),
            ("//secret.example.com", scheme),
            ("https:/secret.example.com", scheme),
            ("ftp://secret.example.com", other_scheme),
            ("://secret.example.com", other_scheme),
            ("https://me:secret@example.com/v1", user),
            ("https://secret@example.com", user),
            ("https://@secret.example.com", user),
            ("https://example.com/v1?key=secret", query),
            ("https://example.com?secret", query),
            ("https://example.com/#secret", fragment),
            ("https://example.com/a secret", blanks),
            (" https://secret.example.com", blanks),
            ("https://secret.example.com\n", blanks),
            ("https://example.com/v1/chat/completions", completions),
            ("https://example.com/chat/completions//", completions),
            ("https://example.com/{secret}", path),
            ("https://example.com/100%secret", path),
            ("https://example.com/secret/%2", path),
            ("https://example.com/größe", path),
            ("https://example.com/secret/../v1", dots),
            ("https://example.com/./secret", dots),
        ]);
        let long = format!("https://a.b/{}", "c".repeat(MAX_BYTES));
        assert!(BaseUrl::parse(&long[..MAX_BYTES]).is_ok() && BaseUrl::parse(&long[..=MAX_BYTES]).is_err());
    }

    #[test]
    fn invalid_hosts_and_ports_are_refused_with_a_remedy() {
        let no_host = ("the address has no host", "write one as in `https://");
        let host = ("the address has an invalid host", "write one as in `https://");
        let ascii = ("the host has characters other than ASCII", "begins with `xn--`");
        let v4 = ("the address has an invalid IPv4 address", "write four numbers from 0 to 255");
        let v6 =
            ("the address has an invalid IPv6 address", "write it in brackets, as in `http://[::1]:8080`");
        let port = ("the address has an invalid port", "write a number from 1 to 65535 after `:`");
        assert_refused(&[
            ("https://", no_host),
            ("https:///secret", no_host),
            ("https://:443/secret", no_host),
            ("https://secret..example.com", host),
            ("https://secret.example.com.", host),
            ("https://-secret.example.com", host),
            ("https://secret{}.example.com", host),
            ("https://secret\\.example.com", host),
            ("https://größe.example.com/secret", ascii),
            ("http://127.1/secret", v4),
            ("http://0x7f000001/secret", v4),
            ("http://2130706433/secret", v4),
            ("http://1.2.3.256/secret", v4),
            ("http://::1/secret", v6),
            ("http://[::1/secret", v6),
            ("http://[::1]secret", v6),
            ("http://[fe80::1%25eth0]/secret", v6),
            ("http://[secret]", v6),
            ("http://example.com:/secret", port),
            ("http://example.com:0/secret", port),
            ("http://example.com:65536/secret", port),
            ("http://example.com:+80/secret", port),
            ("http://example.com:secret", port),
        ]);
        let label = "a".repeat(MAX_LABEL_BYTES);
        assert!(BaseUrl::parse(&format!("https://{label}.com")).is_ok());
        assert!(BaseUrl::parse(&format!("https://{label}a.com")).is_err());
        assert!(BaseUrl::parse(&format!("https://{}com", "a.".repeat(125))).is_ok());
        assert!(BaseUrl::parse(&format!("https://{}com", "a.".repeat(126))).is_err());
    }

    proptest! {
        /// An accepted address is equal to itself after printing and parsing.
        #[test]
        fn a_normalised_address_is_stable(text in "(https?|HTTP)://[a-zA-Z0-9.:_\\[\\]-]{0,12}(/[!-~é]{0,8})?/{0,2}") {
            if let Ok(url) = BaseUrl::parse(&text) {
                prop_assert_eq!(BaseUrl::parse(&url.to_string()), Ok(url.clone()), "{}", text);
                prop_assert!(!url.path().ends_with('/') && url.port() > 0);
                let uri: Result<hyper::Uri, _> = format!("{url}/chat/completions").parse();
                prop_assert!(uri.is_ok(), "{}: {:?}", url, uri);
                let uri = uri.expect("just checked");
                prop_assert_eq!(uri.authority().map(ToString::to_string), Some(url.authority().to_owned()));
            }
        }

        #[test]
        fn parsing_does_not_panic_on_any_text(text in "\\PC{0,40}") {
            let _ = BaseUrl::parse(&text);
            let _ = BaseUrl::parse(&format!("https://{text}"));
        }
    }
}
