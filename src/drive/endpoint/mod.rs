//! Sends the workload of a scenario to one OpenAI-compatible endpoint: a gateway of this program, another one, or a staging address.
//!
//! What is behind the endpoint does the routing, so this side is a plain client: one attempt for each job, no cool-downs,
//! no pace, no cache. The schedule, the sizes, `max_tokens` and the deadline are those of the scenario. The live loop and
//! its load generator are those of a run against mocks.
//!
//! ```text
//!  scenario ─▶ plain_client   one target per route
//!                 │
//!                 ▼
//!              live loop ──▶ transport ──▶ sender ──▶ the endpoint     one request per job
//!                 │              │  ▲ admits?            │
//!                 ▼              ▼  │                    ▼ what the reply states
//!              observer ◀──── run_bounds             statements
//!                 │           (--max-requests, --max-cost)
//!                 └──▶ Recorder, EndpointResult
//! ```
//!
//! Invariants:
//! 1. No request is sent to an address that is not loopback unless [`Reach::Any`] permits it. The address is looked up
//!    once, checked, and connected to as it is; no name is resolved again.
//! 2. A request is sent only if its largest possible cost is within what `--max-requests` and `--max-cost` leave.
//! 3. The key is a `drive::secret::Secret`, which cannot be printed.
//! 4. Requests, replies and waits are bounded: by the connections that this machine allows, by the maximum size of a reply,
//!    and by the deadline of each job.

mod address;
mod observer;
mod plain_client;
mod prompt;
mod run_bounds;
mod sender;
mod statements;
mod transport;

pub use address::{EndpointError, Reach, Resolver, parse_url, resolve, system_resolver};
pub use plain_client::{ModelNames, plain_client};
pub use run_bounds::{Bounds, check_prices};
pub use sender::{EndpointClient, reachable};

use super::clock::Clock;
use super::live::{self, Message};
use crate::job::MAX_JOBS_IN_FLIGHT;
use crate::record::{Fold, Mode, Recorder, RunEnd, Summary};
use crate::scenario::Scenario;
use observer::Observer;
use run_bounds::RunBounds;
use statements::Statements;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use transport::EndpointTransport;

/// Sends the workload of `scenario` to an endpoint, passes every event to `fold`, and returns the summary. `plain` is the
/// [`plain_client`] of the scenario, whose targets the events name. `runtime` is one of [`live::runtime()`].
///
/// Blocks until all jobs have ended, the fold ends the run, or a bound is reached and the requests in flight have ended.
///
/// # Panics
/// If `bounds` has a maximum cost, and [`check_prices`] fails.
pub fn run(
    (scenario, plain): (&Scenario, &Scenario),
    client: &EndpointClient,
    bounds: Bounds,
    fold: &mut impl Fold,
    clock: Clock,
    runtime: &Runtime,
) -> Summary {
    let (statements, run_bounds) =
        (Arc::new(Statements::default()), Arc::new(Mutex::new(RunBounds::new(scenario, bounds))));
    let transport =
        EndpointTransport::new(plain, client, clock, Arc::clone(&statements), Arc::clone(&run_bounds));
    let folds = (Recorder::new(plain), fold);
    let mut observer = Observer::new((scenario, client), folds, statements, Arc::clone(&run_bounds));
    let channel = mpsc::unbounded_channel::<Message>();
    let at = live::run_over(plain, &mut observer, transport, clock, runtime, channel);
    let (result, (recorder, fold)) = observer.finish(client);
    let interrupted = fold.is_done() || recorder.jobs_in_flight() >= MAX_JOBS_IN_FLIGHT as u64;
    recorder.finish_through(RunEnd { at, mode: Mode::Live, scheduled: None, interrupted }, result)
}
