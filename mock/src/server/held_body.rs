//! A body that holds something, such as its memory, until it has been sent.

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The size of a piece in bytes. hyper takes a few pieces more than the client has read.
pub const PIECE_BYTES: usize = 64 << 10;

/// A whole body with what it holds. hyper takes it piece by piece, as the client reads. If the body were one piece, hyper would
/// copy it at once, and the memory of that copy would not be counted.
#[derive(Debug)]
pub struct HeldBody<T> {
    unsent: Bytes,
    _held: T,
}

impl<T> HeldBody<T> {
    /// Returns a body of `bytes`, which holds `held`.
    #[must_use]
    pub fn new(bytes: Bytes, held: T) -> Self {
        Self { unsent: bytes, _held: held }
    }
}

impl<T: Unpin> HttpBody for HeldBody<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.unsent.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.unsent.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.unsent.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.unsent.len() as u64)
    }
}
