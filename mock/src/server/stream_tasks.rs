//! Runs the streams of an HTTP/2 connection within the task of the connection, so that all of them end with it.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks that hyper has started for one connection and that [`StreamTasks::run`] has not taken over.
#[derive(Clone, Default)]
pub(super) struct StreamTasks(Arc<Started>);

#[derive(Default)]
struct Started {
    /// `true` if there are tasks. Read without the lock, because every poll of a connection reads it, and a connection over HTTP/1.1
    /// never has any.
    has_tasks: AtomicBool,
    tasks: Mutex<Vec<Task>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.tasks();
        tasks.push(Box::pin(task));
        self.0.has_tasks.store(true, Ordering::Release);
    }
}

impl StreamTasks {
    /// Runs a connection and the tasks that it starts, until the connection ends.
    pub(super) async fn run<T>(self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| {
            let result = connection.as_mut().poll(cx);
            running.extend(self.0.take());
            // Not if there are none: polling the empty set would store the waker of the connection each time.
            while !running.is_empty()
                && let Poll::Ready(Some(())) = running.poll_next_unpin(cx)
            {}
            result
        })
        .await
    }
}

impl Started {
    fn take(&self) -> Vec<Task> {
        if !self.has_tasks.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut tasks = self.tasks();
        self.has_tasks.store(false, Ordering::Release);
        std::mem::take(&mut *tasks)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
