//! All integration tests of the workspace root in one binary, a module for each subject.

mod cli;
mod conformance;
mod dialects;
mod explain;
mod fuzz;
mod gateway;
mod golden;
mod laws;
mod load;
mod parity;
mod planner;
mod readme;
mod regression;
mod report;
mod scenario;
mod scenarios;
mod story;
mod tidy;
mod wire;
mod worlds;
