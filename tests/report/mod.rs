//! Recorder and reports: a little world plays runs into the folds, and what comes out is held to its promises.

mod audit;
mod plan;
mod record;
mod world;
