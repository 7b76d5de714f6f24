//! The state that only a mock with a control plane or a journal has, and the changes that a test makes to the whole mock.

use super::Mock;
use super::control::ControlPlane;
use super::injected_faults::InjectedFaults;
use super::shared_clock::SharedClock;
use crate::journal::Journal;
use crate::provider::Provider;
use crate::time::Instant;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The state that only a mock with a control plane or a journal has.
pub(super) struct Control {
    /// The token that clients must send; `None` if they need none.
    token: Option<Arc<str>>,
    /// The provider at the start, for resets.
    initial: Provider,
    /// `true` if the endpoints of the control plane are served; `false` if only the journal is kept.
    has_endpoints: bool,
    journal: Mutex<Journal>,
    /// `true` if the journal keeps bodies.
    pub(super) keeps_bodies: AtomicBool,
    /// Receives a line for each request of the journal that has ended.
    pub(super) access_log: Option<AccessLog>,
}

/// Receives a line for each request of the journal that has ended.
pub type AccessLog = Arc<dyn Fn(&str) + Send + Sync>;

impl Mock {
    /// Enables or disables the control plane and the journal. An access log must be set afterwards.
    #[must_use]
    pub fn with_control_plane(mut self, control: ControlPlane) -> Self {
        self.control = None;
        let has_endpoints = control != ControlPlane::JournalOnly;
        let token = match control {
            ControlPlane::Disabled => return self,
            ControlPlane::Enabled | ControlPlane::JournalOnly => None,
            ControlPlane::WithToken(token) => Some(token),
        };
        self.control = Some(Control {
            token,
            has_endpoints,
            access_log: None,
            initial: self.with_state(|state, _| state.provider.clone()),
            journal: Mutex::default(),
            keeps_bodies: AtomicBool::new(false),
        });
        self
    }

    /// Returns the token that clients of the control plane must send; `None` if they need none.
    pub(super) fn control_token(&self) -> Option<&str> {
        self.control.as_ref()?.token.as_deref()
    }

    /// Returns `true` if a journal is kept.
    pub(super) const fn has_journal(&self) -> bool {
        self.control.is_some()
    }

    pub(super) fn has_control_plane(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.has_endpoints)
    }

    /// Passes a line for each request of the journal that has ended to `log`. Has no effect without a journal.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        if let Some(control) = &mut self.control {
            control.access_log = Some(log);
        }
        self
    }

    /// Returns the clock, which other mocks may share.
    pub(super) const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Resets the provider, the injected faults, the random streams, the answers and the journal. Calls in flight are served to
    /// their end and charged to no limit; those that wait for a server slot start at once.
    pub(super) fn reset(&self) {
        let Some(control) = &self.control else { return };
        self.replace_provider(|_, _| control.initial.clone());
        self.with_state(|state, _| state.faults = InjectedFaults::default());
        self.next_request_number.store(0, Ordering::Relaxed);
        self.answers.reset();
        control.journal().clear();
    }

    /// Moves the provider to the present instant of the clock after the clock was set back. Limits keep their levels, as
    /// [`Provider::moved_to`] describes. Calls in flight stay charged as reserved; those that wait for a server slot start at
    /// once.
    pub(super) fn rewind(&self) {
        let Some(control) = &self.control else { return };
        self.replace_provider(|provider, now| provider.moved_to(now, &control.initial));
    }

    fn replace_provider(&self, replacement: impl FnOnce(&Provider, Instant) -> Provider) {
        let mut state = self.state();
        state.now = self.now();
        state.provider = replacement(&state.provider, state.now);
        state.waiting.clear();
        state.generation.0 += 1;
    }

    /// Calls `act` with the provider, the current instant and the provider at the start. Without a control plane or a journal,
    /// returns `None` and does not call `act`.
    pub(super) fn with_provider<T>(
        &self,
        act: impl FnOnce(&mut Provider, Instant, &Provider) -> T,
    ) -> Option<T> {
        let control = self.control.as_ref()?;
        Some(self.with_state(|state, now| act(&mut state.provider, now, &control.initial)))
    }
}

impl Control {
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("invariant: no thread panics while it holds the journal")
    }
}
