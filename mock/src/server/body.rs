//! A reply's body: whole, streamed, or broken off midway.

use super::stream::Stream;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The connection is to be closed here, whatever was promised. hyper does so without another byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by a scripted fault")
    }
}

impl std::error::Error for Abort {}

/// What is sent after the head.
#[derive(Debug)]
pub(super) enum Body {
    /// All at once; taken when it has been handed over.
    Whole(Option<Bytes>),
    /// So many bytes are promised, but only these are sent.
    Cut { promised: u64, sent: Option<Bytes>, flushed: YieldOnce },
    /// Token by token.
    Stream(Box<Stream>),
}

impl Body {
    /// All of it.
    pub(super) fn whole(text: String) -> Self {
        Self::Whole(Some(text.into()))
    }

    /// The first half of it, under the promise of all.
    pub(super) fn cut(text: String) -> Self {
        let text = Bytes::from(text);
        let sent = Some(text.slice(..text.len() / 2));
        Self::Cut { promised: text.len() as u64, sent, flushed: YieldOnce::new() }
    }

    /// Whether it comes token by token.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Nothing of it, under the promise of all.
    pub(super) fn none(text: String) -> Self {
        Self::Cut { promised: text.len() as u64, sent: None, flushed: YieldOnce::new() }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        match &mut *self {
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Cut { sent, flushed, .. } => match sent.take() {
                Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
                None => flushed.poll(cx).map(|()| Some(Err(Abort))),
            },
            Self::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Cut { promised, .. } => SizeHint::with_exact(*promised),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Gives hyper one turn to flush: a body that fails at once takes what was written before down with it.
#[derive(Debug)]
pub(super) struct YieldOnce(bool);

impl YieldOnce {
    pub(super) const fn new() -> Self {
        Self(false)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
