//! Ctrl-C and SIGTERM: the first ends a run early, and its results so far are written; a second one ends the process at once.

use crate::event::Event;
use crate::record::Fold;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::runtime;

/// The exit code of a process that a second signal ends: the one that shells report for SIGINT.
const ENDED_BY_SIGNAL: i32 = 130;

/// Whether a signal has arrived. As a fold it ends the run then.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for signals from now on, on a thread of its own. If that is not possible, signals end the process as usual.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        let listener = interrupt.clone();
        // A signal during the first instants, before the thread listens, ends the process.
        let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || listener.wait());
        interrupt
    }

    #[expect(clippy::disallowed_methods, reason = "a second signal ends the process whatever it does")]
    fn wait(&self) {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if wait_for_signal().await.is_ok() {
                self.0.store(true, Ordering::Relaxed);
                let _ = wait_for_signal().await;
                std::process::exit(ENDED_BY_SIGNAL);
            }
        });
    }

    /// Returns `true` if a signal has arrived.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Fold for Interrupt {
    fn event(&mut self, _: &Event) {}

    #[inline]
    fn is_done(&self) -> bool {
        self.is_set()
    }
}

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// If the process cannot listen for them.
pub(super) async fn wait_for_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
