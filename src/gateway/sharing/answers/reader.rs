//! The connection through which answers are looked up and dropped while requests wait.
//!
//! Redis answers calls in their order, so a large answer on a slow connection delays those behind it. A call that is late is therefore
//! not given up: only the request stops waiting. While [`MAX_LATE_REPLIES`] calls are late, no further one is made. The connection is lost
//! only after an error, if it is closed, or if a call has no answer within the time limit of the connection.

use super::super::call::ScriptCall as _;
use super::call::{Action, Answer, Call};
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A connection, and the calls that are late on it.
#[derive(Clone)]
pub(super) struct Reader {
    connection: MultiplexedConnection,
    /// The calls whose requests stopped waiting, and that have no answer yet.
    late: Arc<AtomicUsize>,
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It was not made, because too many of its kind have no answer yet.
    TooMany,
    /// Redis is unavailable, does not answer in time, or answers with an error.
    Unavailable,
}

impl Reader {
    pub(super) fn new(connection: MultiplexedConnection) -> Self {
        Self { connection, late: Arc::default() }
    }

    /// Returns `true` if so many calls are late that no further one is made.
    pub(super) fn is_slow(&self) -> bool {
        self.late.load(Ordering::Relaxed) >= MAX_LATE_REPLIES
    }

    /// Makes a call, and sends its answer to a request that waits for `limit`; the request gets none if it is late. Returns when the call
    /// is over.
    pub(super) async fn call(
        &self,
        action: Action,
        limit: Duration,
        request: oneshot::Sender<Answer>,
    ) -> RedisResult<()> {
        let mut connection = self.connection.clone();
        let call = Call::new(action);
        let mut made = pin!(call.make(&mut connection));
        if let Ok(result) = timeout(limit, &mut made).await {
            // A request whose caller has gone waits for nothing.
            drop(request.send(result?));
            return Ok(());
        }
        // In this order: a request that looks now must find the call among those that are late.
        self.late.fetch_add(1, Ordering::Relaxed);
        drop(request);
        let result = made.await;
        self.late.fetch_sub(1, Ordering::Relaxed);
        result.map(drop)
    }
}

/// While this many calls are late, no further one is made.
const MAX_LATE_REPLIES: usize = 3;
