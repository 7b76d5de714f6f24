//! Runs the streams of an HTTP/2 connection within the task of the connection, so that all of them end with it.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks that hyper has started for one connection and that [`StreamTasks::run`] has not taken over.
#[derive(Clone, Default)]
pub(super) struct StreamTasks(Arc<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
    }
}

impl StreamTasks {
    /// Runs a connection and the tasks that it starts, until the connection ends.
    pub(super) async fn run<T>(self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| {
            let result = connection.as_mut().poll(cx);
            running.extend(self.take());
            while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {}
            result
        })
        .await
    }

    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
