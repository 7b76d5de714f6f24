//! The address of Redis, which may hold a password.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use std::fmt;

/// Where Redis is and who uses it. It cannot be printed.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the URL of a Redis")
    }
}

impl RedisUrl {
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS, or
    /// `redis+unix:///PATH[?db=DATABASE][&user=USER][&pass=PASSWORD]`.
    ///
    /// # Errors
    /// What is wrong, without any part of the text. The client ignores a user without a password and parameters that it does not know:
    /// they are errors here, because most of them are a password in the wrong place.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = redis::parse_redis_url(text.trim()).ok_or(NOT_A_URL)?;
        let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let info = url.into_connection_info().map_err(|_| NOT_A_URL)?;
        let is_socket = matches!(info.addr(), ConnectionAddr::Unix(_));
        let (known, unknown_parameter): (&[&str], _) = if is_socket {
            (&["db", "user", "pass", "protocol"], UNKNOWN_PARAMETER_OF_SOCKET)
        } else {
            (&["protocol"], UNKNOWN_PARAMETER)
        };
        if !names.iter().all(|name| known.contains(&name.as_str())) {
            return Err(unknown_parameter);
        }
        let settings = info.redis_settings();
        if settings.username().is_some() && settings.password().is_none() {
            return Err(USER_WITHOUT_PASSWORD);
        }
        Ok(Self(info))
    }

    /// Returns `true` if it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.0.redis_settings().password().is_some()
    }

    /// Returns the text of an error, without the password.
    pub(super) fn text_of(&self, error: &redis::RedisError) -> String {
        let text = error.to_string();
        match self.0.redis_settings().password().filter(|password| !password.is_empty()) {
            Some(password) => text.replace(password, "…"),
            None => text,
        }
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.0
    }
}

const NOT_A_URL: &str = "not a URL of Redis: write redis://HOST:PORT, or rediss://HOST:PORT for TLS";

const USER_WITHOUT_PASSWORD: &str = "a URL with a user but without a password: write redis://:PASSWORD@HOST:PORT, with a colon before \
                                     the password, or redis://USER:PASSWORD@HOST:PORT";

const UNKNOWN_PARAMETER: &str =
    "a URL with an unknown parameter after the `?`: a password is written as redis://:PASSWORD@HOST:PORT";

const UNKNOWN_PARAMETER_OF_SOCKET: &str = "a URL with an unknown parameter after the `?`: a password is written as redis+unix:///PATH?pass=PASSWORD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_wrong_place_is_an_error_that_does_not_repeat_it() {
        for (text, expected) in [
            ("redis://s3cr3t@host", USER_WITHOUT_PASSWORD),
            ("rediss://s3cr3t@host:6380/1", USER_WITHOUT_PASSWORD),
            ("redis://s3cr3t:@host", USER_WITHOUT_PASSWORD),
            ("redis://host?password=s3cr3t", UNKNOWN_PARAMETER),
            ("redis://:other@host/1?pass=s3cr3t", UNKNOWN_PARAMETER),
            ("redis://host?s3cr3t", UNKNOWN_PARAMETER),
            ("redis+unix:///run/redis.sock?password=s3cr3t", UNKNOWN_PARAMETER_OF_SOCKET),
            ("redis+unix:///run/redis.sock?user=s3cr3t", USER_WITHOUT_PASSWORD),
            ("host:s3cr3t", NOT_A_URL),
        ] {
            let error = RedisUrl::parse(text).expect_err(text);
            assert_eq!(error, expected, "{text}");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn every_documented_form_is_read() {
        for (text, has_password) in [
            ("redis://host", false),
            (" redis://127.0.0.1:6379/2?protocol=resp3 ", false),
            ("redis://:p@host", true),
            ("rediss://user:p@host:6380", true),
            ("redis+unix:///run/redis.sock?db=1&user=u&pass=p", true),
        ] {
            let url = RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.has_password(), has_password, "{text}");
        }
    }
}
