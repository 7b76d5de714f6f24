//! `quotalab run SCENARIO`

use super::outcome::{self, Folds};
use super::{Changes, Delivery, Exit, VerbError, failed};
use crate::drive::clock::Clock;
use crate::drive::live;
use crate::drive::local::Mocks;
use crate::record::Mode;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::sync::mpsc;
use tokio::runtime;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario
    scenario: PathBuf,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    delivery: Delivery,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = self.changes.load(&self.scenario)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .context("the async runtime cannot be started")
            .map_err(failed)?;
        let channel = mpsc::channel();
        // The provider's time and the driver's are one clock, started after everything slow is done.
        let clock = Clock::start();
        let mocks = runtime
            .block_on(Mocks::of(&scenario, clock, &channel.0))
            .context("the mocks cannot listen on loopback")
            .map_err(failed)?;
        let mut folds = Folds::new("run", &scenario, &self.delivery)?;
        let at = live::run(&scenario, &mut folds, &mocks, clock, runtime.handle(), channel);
        drop(mocks);
        runtime.shutdown_background();
        let source = outcome::Source { verb: "run", scenario: &self.scenario, changes: &self.changes };
        outcome::deliver(&scenario, folds, Mode::Live, at, &source, &self.delivery)
    }
}

/// One for the mocks, one for the attempts; the driver has a thread of its own.
const WORKERS: usize = 2;
