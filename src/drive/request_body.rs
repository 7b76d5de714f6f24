//! The body of a request that records when the request begins: hyper takes the body when it has a connection and writes the head.

use super::clock::Clock;
use super::live::Waiting;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body of one frame.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// `None` once it was taken.
    bytes: Option<Bytes>,
    /// `None` once the request has begun.
    waiting: Option<Waiting>,
    clock: Clock,
}

impl RequestBody {
    /// Returns a body, which is not empty, of the request that `waiting` is for.
    pub(super) fn new(bytes: Bytes, waiting: Waiting, clock: Clock) -> Self {
        Self { bytes: Some(bytes), waiting: Some(waiting), clock }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(waiting) = self.waiting.take() {
            waiting.begin(self.clock.now());
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
