//! The open connections of a server: if there are too many, the one whose client has been idle the longest is closed.

use super::client_timeout::ClientTimeout;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::{AbortHandle, JoinSet};

/// The tasks that serve connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tasks: JoinSet<u64>,
    /// By number, in the order of their acceptance.
    open: BTreeMap<u64, (AbortHandle, Arc<ClientTimeout>)>,
    next_number: u64,
}

impl Connections {
    /// Returns the number of open connections.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Spawns a task that serves a connection: it runs the future that `serve` returns. `serve` receives the timeout of the
    /// connection's client.
    pub(super) fn spawn<F>(&mut self, serve: impl FnOnce(Arc<ClientTimeout>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (number, timeout) = (self.next_number, Arc::new(ClientTimeout::default()));
        let served = serve(Arc::clone(&timeout));
        let task = self.tasks.spawn(async move {
            served.await;
            number
        });
        self.open.insert(number, (task, timeout));
        self.next_number += 1;
    }

    /// Waits until a connection ends; returns `None` at once if none is open.
    pub(super) async fn next_end(&mut self) -> Option<()> {
        match self.tasks.join_next().await? {
            Ok(number) => drop(self.open.remove(&number)),
            // Closed by `close_idle`, or ended by a panic.
            Err(_) => self.open.retain(|_, (task, _)| !task.is_finished()),
        }
        Some(())
    }

    /// Closes the connection whose client the server has been waiting for the longest. Returns `false` if it waits for no
    /// client: each of them waits for a reply.
    pub(super) fn close_idle(&mut self) -> bool {
        let idle = self.open.iter().filter_map(|(number, (_, timeout))| Some((timeout.waited()?, *number)));
        let longest = idle.max_by_key(|(waited, number)| (*waited, std::cmp::Reverse(*number)));
        let Some((task, _)) = longest.and_then(|(_, number)| self.open.remove(&number)) else { return false };
        task.abort();
        true
    }

    /// Closes every connection.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_connection_that_is_idle_for_the_longest_is_closed() {
        let (mut connections, mut timeouts) = (Connections::default(), Vec::new());
        for _ in 0..4 {
            connections.spawn(|timeout| {
                timeouts.push(timeout);
                std::future::pending()
            });
        }
        timeouts[0].stop(); // its client waits for a reply
        let tick = Duration::from_millis(2);
        let waited = tokio::time::timeout(1_000 * tick, timeouts[2].elapsed(16 * tick)).await;
        assert_eq!(waited, Ok(()), "the third has been idle for longer than the others");
        let mut open = vec![0, 1, 2, 3];
        for closed in [2, 1, 3] {
            assert!(connections.close_idle());
            assert_eq!(connections.next_end().await, Some(()));
            open.retain(|number| *number != closed);
            assert_eq!(connections.open.keys().copied().collect::<Vec<_>>(), open);
        }
        assert!(!connections.close_idle(), "the last one waits for its reply");
        assert_eq!(connections.len(), 1);
        connections.shutdown().await;
    }
}
