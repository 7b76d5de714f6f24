//! Replies that end early: before the head, after it, or in the middle of the body.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Makes hyper close the connection without sending another byte. As the error of a body, it takes effect at that point of
/// the body; as an extension of a response, before its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection closed before the end of the reply")
    }
}

impl std::error::Error for Abort {}

impl IntoResponse for Abort {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns a body that sends the first half of a text, with the `content-length` of the whole text.
pub(super) fn half(text: String) -> Body {
    let text = Bytes::from(text);
    let unsent = Some(text.slice(..text.len() / 2));
    Body::new(CutBody { announced_length: text.len() as u64, unsent, flushed: YieldOnce::default() })
}

/// Returns a body that sends nothing of a text, with the `content-length` of the whole text.
pub(super) fn head_only(text: String) -> Body {
    Body::new(CutBody { announced_length: text.len() as u64, unsent: None, flushed: YieldOnce::default() })
}

/// A body that ends before its announced length.
#[derive(Debug)]
struct CutBody {
    /// The `content-length`.
    announced_length: u64,
    /// The bytes to send; `None` once they have been sent.
    unsent: Option<Bytes>,
    flushed: YieldOnce,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        match self.unsent.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
            None => self.flushed.poll(cx).map(|()| Some(Err(Abort))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced_length)
    }
}

/// Is pending on the first poll and ready on the next. A body that fails at once would discard what hyper has buffered
/// before it; one more poll lets hyper flush first.
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
