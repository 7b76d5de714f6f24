//! Numeric ids. Names are resolved once, when the scenario is read; the engine, the drivers and
//! the folds use only the numbers.

use std::fmt;

/// A target (account × model): index into [`crate::scenario::Scenario::targets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u16);

/// A route: index into [`crate::scenario::Scenario::routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// A workload: index into [`crate::scenario::Scenario::workloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId(pub u16);

/// A flow: the jobs that share the turns of a queue as one, those of a workload or, in the gateway, of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u16);

/// A client: index into [`crate::scenario::Scenario::clients`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u16);

/// An engine of a run: one process of one client. Engines are numbered by client, then by process
/// ([`crate::scenario::Scenario::engines`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineId(pub u16);

/// A job, numbered in order of arrival from zero; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// A task of a workload of sessions, numbered in order of beginning from zero; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// An attempt; never used twice in a run. Every engine numbers its attempts in order of sending, from its own number in steps of the number
/// of engines: with one engine 0, 1, 2, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// The engine's index of a job in flight. It is used again once the job has ended, so that memory is proportional to
/// the jobs in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// The driver's own number for a job: passed to [`crate::engine::Engine::submit`], handed back with every action for
/// that job except the events, and opaque to the engine. A driver uses its own index or a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub usize);

macro_rules! index {
    ($($id:ident),*) => {$(
        impl $id {
            /// Returns the id as an index.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
index!(TargetId, RouteId, WorkloadId, FlowId, ClientId, EngineId, Slot);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.0)
    }
}
