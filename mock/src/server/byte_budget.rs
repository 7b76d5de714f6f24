//! A bound on the memory that requests hold together, whatever the number of connections.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that are held, and its maximum.
#[derive(Debug)]
pub(super) struct ByteBudget {
    held: AtomicUsize,
    max: usize,
}

impl ByteBudget {
    pub(super) const fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max }
    }

    /// Holds further bytes. Returns `false` if they do not fit; they must be released in that case, too.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.max
    }

    /// Returns `true` if further bytes fit, without holding them.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed).saturating_add(bytes) <= self.max
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
