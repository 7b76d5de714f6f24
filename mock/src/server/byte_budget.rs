//! A bound on the memory that requests hold together, whatever the number of connections.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that are held of a maximum.
#[derive(Debug)]
pub(super) struct ByteBudget {
    held: AtomicUsize,
    most: usize,
}

impl ByteBudget {
    pub(super) const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    /// Holds further bytes, which are to be released also if they do not fit. Returns `false` if they do not.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.most
    }

    /// Returns `true` if further bytes fit, without holding them.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed).saturating_add(bytes) <= self.most
    }

    /// Gives back bytes that were held.
    pub(super) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}
