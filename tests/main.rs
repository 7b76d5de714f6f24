//! The one integration binary: a module per question.

mod load;
mod report;
mod scenario;
mod story;
mod wire;
