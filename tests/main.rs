//! The one integration binary.

mod load;
