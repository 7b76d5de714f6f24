//! The calls that wait for a server slot, each with the channel to the task that serves it.

use crate::decision::{Decision, Service};
use crate::slots::StartedCall;
use crate::time::Instant;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Receives the instant at which a call starts.
pub(super) type StartReceiver = oneshot::Receiver<Instant>;

/// The channel for the start of each call that waits, by the number of its ticket.
#[derive(Debug, Default)]
pub(super) struct WaitingCalls(BTreeMap<u64, oneshot::Sender<Instant>>);

impl WaitingCalls {
    /// Adds a call if it waits for a server slot; returns the receiver of its start, or `None` for every other call.
    pub(super) fn add(&mut self, decision: &Decision) -> Option<StartReceiver> {
        let Decision::Admitted(Service { started_at: None, ticket, .. }) = decision else { return None };
        let (sender, receiver) = oneshot::channel();
        let previous = self.0.insert(ticket.number, sender);
        assert!(previous.is_none(), "invariant: a call waits once, found {ticket:?} twice");
        Some(receiver)
    }

    /// Sends the instant of its start to a call that has started. Nothing receives it if the client
    /// disconnects at this moment.
    pub(super) fn notify(&mut self, started: Option<StartedCall>) {
        let Some(StartedCall { ticket_number: ticket, at }) = started else { return };
        let sender = self.0.remove(&ticket).expect("invariant: a call that starts from the queue waits");
        let _fails_if_disconnected = sender.send(at);
    }

    /// Removes a call whose client has disconnected, if it waits.
    pub(super) fn remove(&mut self, service: &Service) {
        self.0.remove(&service.ticket.number);
    }

    /// Removes all calls. Their receivers end without a start.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
