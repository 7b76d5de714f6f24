//! Replies that end early, by a fault or because the request is incomplete: the connection closes before the head, after it, or
//! in the middle of the body.

use super::reply_body::{self, ReplyBody, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Closes the connection without sending another byte. If it is an extension of a response, the connection closes before the
/// head (`connection` turns it into a service error); if it is the error of a body, after the bytes that were sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection closed before the end of the reply")
    }
}

impl std::error::Error for Abort {}

impl Abort {
    /// Returns a response that closes the connection before its head.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(reply_body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns a body that announces the length of the whole `text`, sends its first half, and aborts.
pub(super) fn first_half(text: String) -> ReplyBody {
    let text = Bytes::from(text);
    let unsent = Some(text.slice(..text.len() / 2));
    reply_body::other(AbortedBody {
        announced_length: text.len() as u64,
        unsent,
        yield_before_abort: YieldOnce::default(),
    })
}

/// Returns a body that announces the length of the whole `text` and aborts without sending any of it.
pub(super) fn head_only(text: String) -> ReplyBody {
    reply_body::other(AbortedBody {
        announced_length: text.len() as u64,
        unsent: None,
        yield_before_abort: YieldOnce::default(),
    })
}

/// A body that ends before its announced length.
#[derive(Debug)]
struct AbortedBody {
    /// The `content-length` in bytes.
    announced_length: u64,
    /// The bytes to hand to hyper; `None` if there are none, or once it has them.
    unsent: Option<Bytes>,
    /// Lets hyper send the head and the bytes before the abort.
    yield_before_abort: YieldOnce,
}

impl HttpBody for AbortedBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        match self.unsent.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
            None => self.yield_before_abort.poll(cx).map(|()| Some(Err(Abort))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced_length)
    }
}

/// Is pending on the first poll and ready on the next. If a body fails, hyper discards the bytes that it has buffered but
/// not sent; while the body is pending, hyper sends them.
#[derive(Debug, Default)]
pub(super) struct YieldOnce(bool);

impl YieldOnce {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
