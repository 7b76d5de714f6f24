//! Settles admitted calls: at the provider, in the observer and in the journal.

use super::Mock;
use super::admission::Admission;
use crate::journal::End;
use crate::time::Instant;

impl Mock {
    /// Settles a call that has been served. Returns the present instant.
    pub(super) fn settle(&self, admission: &Admission) -> Instant {
        let (service, mut charged) = (admission.service(), 0);
        let ended_at = self.with_state(|state, now| {
            if state.generation == admission.generation {
                charged = state.provider.charged_tokens(service, service.usage);
                let started = state.provider.complete(now, service);
                state.waiting.notify(started);
            }
            self.observe(|observer| observer.settled(now, admission.tag, admission.call, service.usage));
            now
        });
        self.end_in_journal(admission.entry, End::Replied(ended_at), charged);
        ended_at
    }

    /// Settles a call whose client disconnected before it was served.
    pub(super) fn cancel(&self, admission: &Admission) {
        let (service, mut charged) = (admission.service(), 0);
        let ended_at = self.with_state(|state, now| {
            let usage = if state.generation == admission.generation {
                state.waiting.remove(service);
                let (usage, started) = state.provider.cancel(now, service);
                charged = state.provider.charged_tokens(service, usage);
                state.waiting.notify(started);
                usage
            } else {
                service.usage_until(now)
            };
            self.observe(|observer| observer.settled(now, admission.tag, admission.call, usage));
            now
        });
        self.end_in_journal(admission.entry, End::Disconnected(ended_at), charged);
    }
}
