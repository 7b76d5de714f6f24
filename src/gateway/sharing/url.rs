//! The address of Redis, which may hold a password.

use redis::{ConnectionInfo, IntoConnectionInfo as _};
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
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS, or `redis+unix:///PATH`.
    ///
    /// # Errors
    /// What is wrong, without any part of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim().into_connection_info() {
            Ok(info) => Ok(Self(info)),
            Err(_) => Err("not a URL of Redis: write redis://HOST:PORT, or rediss://HOST:PORT for TLS"),
        }
    }

    /// Returns `true` if it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.0.redis_settings().password().is_some()
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.0
    }
}
