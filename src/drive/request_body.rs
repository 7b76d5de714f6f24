//! The body of a request, which records when the request begins: hyper polls the body once it has a connection and writes
//! the head.

use super::clock::Clock;
use super::live::Waiting;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body of a few frames.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// The next frame; `None` once all were taken.
    bytes: Option<Bytes>,
    /// The frames after it, the last first; none is empty.
    rest: Vec<Bytes>,
    /// `None` once the request has begun.
    waiting: Option<Waiting>,
    clock: Clock,
}

impl RequestBody {
    /// Returns a body of `bytes`, which are not empty. `waiting` is consumed when hyper polls the body for the first time.
    pub(super) fn new(bytes: Bytes, waiting: Waiting, clock: Clock) -> Self {
        Self { bytes: Some(bytes), rest: Vec::new(), waiting: Some(waiting), clock }
    }

    /// Returns a body in parts, of which at least one is not empty; otherwise as [`Self::new`].
    pub(super) fn of_parts<const N: usize>(parts: [Bytes; N], waiting: Waiting, clock: Clock) -> Self {
        let mut rest: Vec<Bytes> = parts.into_iter().rev().filter(|part| !part.is_empty()).collect();
        Self { bytes: rest.pop(), rest, waiting: Some(waiting), clock }
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
        let next = self.rest.pop();
        Poll::Ready(std::mem::replace(&mut self.bytes, next).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length: usize = self.bytes.iter().chain(&self.rest).map(Bytes::len).sum();
        SizeHint::with_exact(length as u64)
    }
}
