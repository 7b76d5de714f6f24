//! The one integration binary: a module per question.

mod cli;
mod gate;
mod laws;
mod load;
mod parity;
mod planner;
mod report;
mod scenario;
mod scenarios;
mod story;
mod wire;
