//! The connection of a request: when it was opened and closed. Requests on connections that were open at the same time come
//! from a client that sends several at once.

use crate::time::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The connection on which a request was sent, and the place of the request on it.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    /// The number of requests before it on the connection.
    pub earlier_requests: u32,
}

#[derive(Debug)]
struct Shared {
    opened_at: Instant,
    /// [`Instant::MAX`] while it is open.
    closed_at: AtomicU64,
    requests: AtomicU32,
}

/// The connection as the server has it, which numbers its requests and records when it is closed.
#[derive(Clone, Debug)]
pub struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    /// Creates a connection that was opened at this instant.
    #[must_use]
    pub fn new(opened_at: Instant) -> Self {
        let (closed_at, requests) = (AtomicU64::new(Instant::MAX.0), AtomicU32::new(0));
        Self(Arc::new(Shared { opened_at, closed_at, requests }))
    }

    /// Counts one more request, and returns the connection with the place of that request.
    #[must_use]
    pub fn next_request(&self) -> Connection {
        let earlier_requests = self.0.requests.fetch_add(1, Ordering::Relaxed);
        Connection { shared: Arc::clone(&self.0), earlier_requests }
    }

    /// Records that it was closed at this instant.
    pub fn close(&self, at: Instant) {
        self.0.closed_at.store(at.0, Ordering::Relaxed);
    }
}

impl Connection {
    /// Returns the instant at which the connection was opened.
    #[must_use]
    pub fn opened_at(&self) -> Instant {
        self.shared.opened_at
    }

    /// Returns the instant at which the connection was closed; [`Instant::MAX`] while it is open.
    #[must_use]
    pub fn closed_at(&self) -> Instant {
        Instant(self.shared.closed_at.load(Ordering::Relaxed))
    }

    /// Returns `true` if the two requests were sent on the same connection.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) && self.earlier_requests == other.earlier_requests
    }
}
