//! How long a client is waited for: over the head of a request, over its body, over taking its reply. Nearly no wait is
//! long, and every request brings some: to set a timer for each, or only to read the clock, would cost more than to rule
//! on the call. So a connection has one alarm that rings now and then, and a wait remembers how often it had rung.

use std::future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// How often the alarm rings in the time that a wait may take. No wait is cut short; it may end one ring late.
const RINGS: u32 = 16;

/// Whether the client of one connection is waited for, and since when. It is from the first.
#[derive(Debug, Default)]
pub(super) struct IdleTimeout {
    /// How often the alarm has rung.
    rung: AtomicU32,
    /// How often it had when the wait began, or [`NOBODY`].
    since: AtomicU32,
}

/// The client is not waited for.
const NOBODY: u32 = u32::MAX;

impl IdleTimeout {
    /// The client is to do its part now.
    pub(super) fn begin(&self) {
        self.since.store(self.rung.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The client has done its part: it waits for the server.
    pub(super) fn end(&self) {
        self.since.store(NOBODY, Ordering::Relaxed);
    }

    /// Serves a connection until it ends, or until a wait has taken so long.
    pub(super) async fn bound<T>(&self, length: Duration, serving: impl Future<Output = T>) {
        let pause = length / RINGS;
        let mut serving = pin!(serving);
        let mut alarm = pin!(tokio::time::sleep(pause));
        let mut wakes: Option<Waker> = None;
        future::poll_fn(|cx| {
            if serving.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let heard = wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if heard && !alarm.is_elapsed() {
                return Poll::Pending; // Nearly always.
            }
            while alarm.as_mut().poll(cx).is_ready() {
                if self.ring() {
                    return Poll::Ready(());
                }
                alarm.as_mut().reset(Instant::now() + pause);
            }
            wakes = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Counts one more ring; returns whether the wait is over that is under way. Its first ring may have come at once.
    fn ring(&self) -> bool {
        let rung = self.rung.fetch_add(1, Ordering::Relaxed) + 1;
        let since = self.since.load(Ordering::Relaxed);
        since != NOBODY && rung - since > RINGS
    }
}

/// A reply that takes its time: its client is not waited for before this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<IdleTimeout>);

impl UnderWay {
    pub(super) const fn new(patience: Arc<IdleTimeout>) -> Self {
        Self(patience)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn no_wait_ends_before_its_time_although_the_alarm_was_set_for_another() {
        for pause in [0, 5, 15, 0, 30] {
            let patience = IdleTimeout::default();
            let mut began = Instant::now();
            let client = async {
                patience.end();
                tokio::time::sleep(Duration::from_millis(pause)).await;
                patience.begin();
                began = Instant::now();
                future::pending::<()>().await;
            };
            patience.bound(LENGTH, client).await;
            assert!(began.elapsed() >= LENGTH, "after a pause of {pause} ms");
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_for_its_reply_is_not_at_fault() {
        let patience = Arc::new(IdleTimeout::default());
        patience.end();
        let reply = UnderWay::new(Arc::clone(&patience));
        let served = patience.bound(LENGTH, future::pending::<()>());
        assert!(tokio::time::timeout(4 * LENGTH, served).await.is_err());
        drop(reply);
        patience.bound(LENGTH, future::pending::<()>()).await;
    }
}
