//! The one integration binary: a module per question.

mod laws;
mod load;
mod parity;
mod report;
mod scenario;
mod story;
mod wire;
