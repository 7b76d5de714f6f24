//! The one integration binary: a module per question.

mod load;
mod planner;
mod report;
mod scenario;
mod story;
