//! How long a client is waited for. Every request brings two waits, for its head and for its body, and nearly none is
//! long: to set a timer for each and to clear it again would cost more than to rule on the call. So a connection has
//! one alarm, which is left alone; where it rings during a later wait than it was set for, it is set anew.

use hyper::rt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time;
use tokio::time::{Instant, Sleep};

/// The patience with the client of one connection.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// How long one wait may take.
    length: time::Duration,
    alarm: Arc<Mutex<Pin<Box<Sleep>>>>,
}

/// One wait of a connection. All are equally long, so that none ends before one that began earlier.
struct Wait {
    alarm: Arc<Mutex<Pin<Box<Sleep>>>>,
    until: Instant,
}

impl Patience {
    pub(super) fn new(length: time::Duration) -> Self {
        Self { length, alarm: Arc::new(Mutex::new(Box::pin(tokio::time::sleep(length)))) }
    }

    /// What comes of waiting; nothing where it takes too long.
    pub(super) async fn wait_for<T>(&self, coming: impl Future<Output = T>) -> Option<T> {
        let wait = self.wait(Instant::now() + self.length);
        tokio::select! {
            biased;
            come = coming => Some(come),
            () = wait => None,
        }
    }

    fn wait(&self, until: Instant) -> Wait {
        Wait { alarm: Arc::clone(&self.alarm), until }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock().expect("nothing panics while it holds an alarm");
        loop {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= self.until {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.until);
        }
    }
}

impl rt::Sleep for Wait {}

/// For the heads of requests, which hyper waits for.
impl rt::Timer for Patience {
    fn sleep(&self, length: time::Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(self.wait(Instant::now() + length))
    }

    fn sleep_until(&self, deadline: time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(self.wait(deadline.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future;
    use std::time::Duration;

    #[tokio::test]
    async fn no_wait_ends_before_its_time_although_the_alarm_was_set_for_another() {
        let length = Duration::from_millis(20);
        let patience = Patience::new(length);
        for pause in [0, 5, 15, 0, 30] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            assert_eq!(patience.wait_for(future::ready(pause)).await, Some(pause));
            let begun = Instant::now();
            assert_eq!(patience.wait_for(future::pending::<()>()).await, None);
            assert!(begun.elapsed() >= length, "after a pause of {pause} ms");
        }
    }
}
