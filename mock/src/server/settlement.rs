//! Settles admitted calls: at the provider, in the observer and in the journal.

use super::Mock;
use super::admission::Admission;
use super::mock::LockedState;
use crate::call::Usage;
use crate::journal::End;
use crate::time::Instant;

impl Mock {
    /// Settles a call that has been served. Returns the present instant.
    pub(super) fn settle(&self, admission: &Admission) -> Instant {
        let service = admission.service();
        let (ended_at, charged) = self.with_state(|state, now| {
            let charged = state.charged_tokens(admission, service.usage);
            if state.generation == admission.generation {
                let started = state.provider.complete(now, service);
                state.waiting.notify(started);
            }
            self.observe(|observer| observer.settled(now, admission.tag, admission.call, service.usage));
            (now, charged)
        });
        self.end_in_journal(admission.entry, End::Replied(ended_at), charged);
        ended_at
    }

    /// Settles a call whose client disconnected before it was served.
    pub(super) fn cancel(&self, admission: &Admission) {
        let service = admission.service();
        let (ended_at, charged) = self.with_state(|state, now| {
            let usage = if state.generation == admission.generation {
                state.waiting.remove(service);
                let (usage, started) = state.provider.cancel(now, service);
                state.waiting.notify(started);
                usage
            } else {
                service.usage_until(now)
            };
            self.observe(|observer| observer.settled(now, admission.tag, admission.call, usage));
            (now, state.charged_tokens(admission, usage))
        });
        self.end_in_journal(admission.entry, End::Disconnected(ended_at), charged);
    }
}

impl LockedState {
    /// Returns the tokens that an admitted call is charged after it has used `used`: what it reserved if the clock went back since
    /// its admission. After a reset, which charges nothing for it, the journal has no entry to state this.
    fn charged_tokens(&self, admission: &Admission, used: Usage) -> u64 {
        let service = admission.service();
        if self.generation == admission.generation {
            self.provider.charged_tokens(service, used)
        } else {
            service.ticket.reserved().total()
        }
    }
}
