//! The clients of a scenario and the engines of a run: one per process of every client in use.

use super::{Client, Scenario, Workload};
use crate::ids::{ClientId, EngineId};
use provider::Nanos;

/// The maximum number of engines of a run. Each has a state for every target, and every engine in use has timers.
pub const MAX_ENGINES: u32 = 10_000;

impl Scenario {
    /// Returns the client of workloads that name none, which is also that of the gateway.
    ///
    /// # Panics
    /// Does not panic: every scenario has it.
    #[must_use]
    pub fn default_client(&self) -> &Client {
        self.clients.first().expect("invariant: a scenario has a default client")
    }

    /// Returns the client of a workload.
    #[must_use]
    pub fn client_of(&self, workload: &Workload) -> &Client {
        &self.clients[workload.client.index()]
    }

    /// Iterates over the clients that some workload names, in their order; if there is no workload, over the default client.
    pub fn clients_in_use(&self) -> impl Iterator<Item = (ClientId, &Client)> {
        let is_used = |id: ClientId| match &self.workloads[..] {
            [] => id == ClientId::default(),
            workloads => workloads.iter().any(|workload| workload.client == id),
        };
        (0..).map(ClientId).zip(&self.clients).filter(move |(id, _)| is_used(*id))
    }

    /// Returns the client of each engine of a run, by [`EngineId`]: one engine per process of every client in use.
    #[must_use]
    pub fn engines(&self) -> Vec<ClientId> {
        let of = |(id, client): (ClientId, &Client)| std::iter::repeat_n(id, client.processes.into());
        self.clients_in_use().flat_map(of).collect()
    }

    /// Returns the first engine of a workload's client, and the number of its engines.
    ///
    /// # Panics
    /// If the workload is not one of this scenario.
    #[must_use]
    pub fn engines_of(&self, workload: &Workload) -> (EngineId, u16) {
        let mut first = 0;
        for (id, client) in self.clients_in_use() {
            if id == workload.client {
                return (EngineId(first), client.processes);
            }
            first += client.processes;
        }
        unreachable!("invariant: the client of a workload is in use")
    }

    /// Returns the longest deadline of the clients in use.
    #[must_use]
    pub fn longest_deadline(&self) -> Nanos {
        self.clients_in_use().map(|(_, client)| client.deadline).max().unwrap_or_default()
    }
}
