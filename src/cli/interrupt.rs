//! Ctrl-C, and on Unix SIGTERM: the first ends a run early, and its results so far are written; a second one ends the process
//! at once.

use crate::event::Event;
use crate::record::Fold;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use tokio::runtime;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

/// The exit code of a process that a second signal ends: the one that shells report for SIGINT.
const ENDED_BY_SIGNAL: i32 = 130;

/// A flag that is set when a signal arrives. As a fold it ends the run then.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for signals on a thread of its own, which is ready when this returns. If it cannot listen, signals end the process
    /// as usual.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        let listener = interrupt.clone();
        let (ready, is_ready) = mpsc::channel();
        let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || listener.wait(ready));
        // Returns an error if the thread cannot listen: it drops `ready` then.
        let _ = is_ready.recv();
        interrupt
    }

    #[expect(clippy::disallowed_methods, reason = "a second signal ends the process whatever it does")]
    fn wait(&self, ready: Sender<()>) {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut signals) = Signals::listen() else { return };
            let _ = ready.send(());
            signals.next().await;
            self.0.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(ENDED_BY_SIGNAL);
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

/// The signals Ctrl-C and, on Unix, SIGTERM that arrive after this was created.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(windows)]
    interrupt: CtrlC,
}

impl Signals {
    /// Listens for signals. Called within a runtime.
    ///
    /// # Errors
    /// If the process cannot listen for them.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        let signals =
            Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
        #[cfg(windows)]
        let signals = Self { interrupt: ctrl_c()? };
        Ok(signals)
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
