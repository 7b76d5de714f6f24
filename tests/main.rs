//! The one integration binary.

mod load;
mod report;
