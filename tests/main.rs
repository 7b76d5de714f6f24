//! The one integration binary.

mod scenario;
