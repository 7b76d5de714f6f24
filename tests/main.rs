//! The one integration binary: a module per question.

mod gate;
mod load;
mod report;
mod scenario;
mod story;
