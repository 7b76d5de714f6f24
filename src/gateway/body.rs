//! Bodies that are read whole: requests of callers and replies of providers, each up to a size, and all of them up to a sum.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory that all bodies may take together.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// A part of the memory, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct MemoryPermit(OwnedSemaphorePermit);

/// A body that was read, and its memory.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    pub(super) held: MemoryPermit,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// The bodies that are held take all the memory.
    Memory,
    /// Nothing arrived for too long.
    Slow,
    /// It is malformed, or ended early.
    Incomplete,
}

impl MemoryPermit {
    /// Adds another part, which is given back with this one.
    pub(super) fn add(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl Memory {
    /// Returns [`MAX_BODIES_BYTES`] of memory.
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BODIES_BYTES / UNIT_BYTES)))
    }

    /// Holds memory for this many bytes; `None` if too much is held already.
    pub(super) fn hold(&self, bytes: usize) -> Option<MemoryPermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        Some(MemoryPermit(Arc::clone(&self.0).try_acquire_many_owned(units).ok()?))
    }

    /// Reads a body of at most `max` bytes, of which each part may take `idle_timeout` to arrive.
    ///
    /// # Errors
    /// If it is too large, too slow or not complete, or if there is no memory for it.
    pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        mut body: B,
        max: usize,
        idle_timeout: Option<Duration>,
    ) -> Result<WholeBody, BodyError> {
        if body.size_hint().lower() > max as u64 {
            return Err(BodyError::TooLarge);
        }
        let mut held = self.hold(0).ok_or(BodyError::Memory)?;
        // Most bodies arrive in one frame, which is not copied.
        let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
        while !body.is_end_stream() {
            let frame = match idle_timeout {
                Some(length) => {
                    tokio::time::timeout(length, body.frame()).await.map_err(|_| BodyError::Slow)?
                }
                None => body.frame().await,
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
            if first.len() + joined.len() + data.len() > max {
                return Err(BodyError::TooLarge);
            }
            held.add(self.hold(data.len()).ok_or(BodyError::Memory)?);
            if first.is_empty() && joined.is_empty() {
                first = data;
                continue;
            }
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&data);
        }
        Ok(WholeBody { bytes: if joined.is_empty() { first } else { joined.freeze() }, held })
    }
}

/// The maximum memory of all bodies at one time, in bytes.
const MAX_BODIES_BYTES: usize = 512 << 20;

/// Memory is counted in units of this size.
const UNIT_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn bodies_are_bounded_one_by_one_and_together() {
        let memory = Memory::new();
        let read = |bytes: usize| memory.read(Full::new(Bytes::from(vec![b'x'; bytes])), 1 << 20, None);
        assert_eq!(read(1 << 20).await.expect("a body").bytes.len(), 1 << 20);
        assert_eq!(read((1 << 20) + 1).await.unwrap_err(), BodyError::TooLarge);
        let others = memory.hold(MAX_BODIES_BYTES - UNIT_BYTES).expect("memory");
        assert_eq!(read(UNIT_BYTES + 1).await.unwrap_err(), BodyError::Memory);
        let whole = read(UNIT_BYTES).await.expect("a body");
        assert_eq!(read(1).await.unwrap_err(), BodyError::Memory);
        drop((others, whole));
        assert_eq!(memory.0.available_permits(), MAX_BODIES_BYTES / UNIT_BYTES, "all is given back");
    }
}
