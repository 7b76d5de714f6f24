//! Limits the time that a client may take to send a head, to send a body, or to read a reply and send the next head. One
//! timer per connection checks all of them. The timeout runs while the server waits for the client and is stopped while the
//! client waits for the server:
//!
//! ```text
//!  connected ─▶ runs ─ head ─▶ stopped ─ body incomplete ─▶ runs ─ body read ─▶ stopped ─ reply sent ─▶ runs ─ head ─▶ …
//! ```
//!
//! Each tick of the timer counts how long the server has been waiting for the client, instead of every wait setting its
//! own timer: hyper's `header_read_timeout` and a `tokio::time::timeout` per body cost 3 to 5 % of the requests per second on
//! one core (`mock/benches`, 2026-11-28).

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The number of ticks per timeout. A timeout never ends early, and at most one tick late.
const TICKS: u32 = 16;

/// The count of ticks while the server does not wait for the client.
const NOT_WAITING: u32 = u32::MAX;

/// The number of ticks for which the server has been waiting for the client of one connection.
#[derive(Debug, Default)]
pub(super) struct ClientTimeout {
    waited: AtomicU32,
    /// The requests whose reply has not been sent: over HTTP/2 several at once.
    in_flight: AtomicU32,
    /// The bodies of requests that the client has yet to complete.
    incomplete_bodies: AtomicU32,
}

impl ClientTimeout {
    /// Starts the timeout: the server waits for the client to send or to read something.
    pub(super) fn start(&self) {
        self.waited.store(0, Ordering::Relaxed);
    }

    /// Stops the timeout: the client waits for the server.
    pub(super) fn stop(&self) {
        self.waited.store(NOT_WAITING, Ordering::Relaxed);
    }

    /// Changes a count, then starts or stops the timeout: the server waits for the client unless the client waits for the reply to
    /// a request that it has sent completely.
    ///
    /// Only the task of the connection changes a count, so this needs no locked instruction.
    fn change(&self, count: &AtomicU32, by: i32) {
        let changed = count.load(Ordering::Relaxed).checked_add_signed(by);
        count.store(changed.expect("invariant: what ends has begun"), Ordering::Relaxed);
        let [in_flight, incomplete] =
            [&self.in_flight, &self.incomplete_bodies].map(|count| count.load(Ordering::Relaxed));
        if in_flight > incomplete {
            self.stop();
        } else if self.waited().is_none() {
            self.start();
        }
    }

    /// Returns the number of ticks for which the server has been waiting for the client; `None` if it does not.
    pub(super) fn waited(&self) -> Option<u32> {
        Some(self.waited.load(Ordering::Relaxed)).filter(|waited| *waited != NOT_WAITING)
    }

    /// Returns once the server has been waiting for the client without interruption for `timeout`.
    pub(super) async fn elapsed(&self, timeout: Duration) {
        let tick = timeout / TICKS;
        loop {
            // Not an interval, which makes up for late ticks: a tick must not come early.
            tokio::time::sleep(tick).await;
            let waited = self.waited.load(Ordering::Relaxed);
            // The first tick may come right after the start, so it does not count.
            if (TICKS..NOT_WAITING).contains(&waited) {
                return;
            }
            if waited != NOT_WAITING {
                self.waited.store(waited + 1, Ordering::Relaxed);
            }
        }
    }
}

/// One of the requests of a connection whose reply has not been sent.
#[derive(Debug)]
pub(super) struct InFlight(Arc<ClientTimeout>);

impl InFlight {
    /// Begins a request.
    pub(super) fn begin(timeout: Arc<ClientTimeout>) -> Self {
        timeout.change(&timeout.in_flight, 1);
        Self(timeout)
    }

    /// Returns the timeout of the client.
    pub(super) const fn timeout(&self) -> &Arc<ClientTimeout> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(&self.0.in_flight, -1);
    }
}

/// The body of a request. It is incomplete from the first poll that finds it so until it is dropped.
#[derive(Debug)]
pub(super) struct TimedBody {
    body: Incoming,
    timeout: Arc<ClientTimeout>,
    is_incomplete: bool,
}

impl TimedBody {
    pub(super) const fn new(body: Incoming, timeout: Arc<ClientTimeout>) -> Self {
        Self { body, timeout, is_incomplete: false }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() && !self.is_incomplete {
            self.is_incomplete = true;
            self.timeout.change(&self.timeout.incomplete_bodies, 1);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        if self.is_incomplete {
            self.timeout.change(&self.timeout.incomplete_bodies, -1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const TIMEOUT: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn a_timeout_never_ends_early_for_any_start_between_ticks() {
        for pause in [0, 5, 15, 0, 30] {
            let timeout = ClientTimeout::default();
            let mut start = Instant::now();
            let client = async {
                timeout.stop();
                tokio::time::sleep(Duration::from_millis(pause)).await;
                start = Instant::now();
                timeout.start();
            };
            tokio::join!(client, timeout.elapsed(TIMEOUT));
            assert!(start.elapsed() >= TIMEOUT, "after a pause of {pause} ms");
        }
    }

    #[tokio::test]
    async fn answering_the_last_of_several_requests_starts_the_timeout() {
        let timeout = Arc::new(ClientTimeout::default());
        let requests = [(); 2].map(|()| InFlight::begin(Arc::clone(&timeout)));
        let [first, second] = requests;
        drop(first);
        assert_eq!(timeout.waited(), None);
        drop(second);
        assert_eq!(timeout.waited(), Some(0));
    }

    /// Over HTTP/2, a request whose body stays incomplete does not keep the connection open once the others are answered.
    #[tokio::test]
    async fn an_incomplete_body_beside_an_answered_request_times_out() {
        let timeout = Arc::new(ClientTimeout::default());
        let incomplete = InFlight::begin(Arc::clone(&timeout));
        timeout.change(&timeout.incomplete_bodies, 1);
        assert_eq!(timeout.waited(), Some(0), "the server waits for the body");
        let answered = InFlight::begin(Arc::clone(&timeout));
        assert_eq!(timeout.waited(), None, "the client waits for the second reply");
        drop(answered);
        assert_eq!(timeout.waited(), Some(0));
        drop(incomplete);
        timeout.change(&timeout.incomplete_bodies, -1);
        assert_eq!(timeout.waited(), Some(0), "whichever is dropped first");
    }

    #[tokio::test]
    async fn a_client_that_waits_for_its_reply_does_not_time_out() {
        let timeout = Arc::new(ClientTimeout::default());
        let reply = InFlight::begin(Arc::clone(&timeout));
        assert!(tokio::time::timeout(4 * TIMEOUT, timeout.elapsed(TIMEOUT)).await.is_err());
        drop(reply);
        timeout.elapsed(TIMEOUT).await;
    }
}
