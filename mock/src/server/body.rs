//! Replies that break off: before the head, after it, or in the middle of the body.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Closes the connection: as the error of a body at that point of the body, as an extension of a response instead of its
/// head. hyper then closes it without another byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection closed by a fault")
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

/// The first half of a text, under a `content-length` of all of it.
pub(super) fn half(text: String) -> Body {
    let text = Bytes::from(text);
    let sent = Some(text.slice(..text.len() / 2));
    Body::new(CutBody { announced: text.len() as u64, sent, flushed: YieldOnce::default() })
}

/// No byte of a text, under a `content-length` of all of it.
pub(super) fn head_only(text: String) -> Body {
    Body::new(CutBody { announced: text.len() as u64, sent: None, flushed: YieldOnce::default() })
}

/// A body that ends before its announced length.
#[derive(Debug)]
struct CutBody {
    /// The announced length in bytes.
    announced: u64,
    /// What is sent; `None` once it has been.
    sent: Option<Bytes>,
    flushed: YieldOnce,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        match self.sent.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
            None => self.flushed.poll(cx).map(|()| Some(Err(Abort))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// Is pending once. A body that fails at once would discard what hyper has buffered before it; one more poll lets hyper
/// flush first.
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
