//! The body of a reply. Most are whole texts, which are not boxed as [`axum::body::Body`] boxes every body.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response of the server.
pub(super) type Response = axum::http::Response<ReplyBody>;

/// The body of a reply.
#[derive(Debug)]
pub(super) enum ReplyBody {
    /// A whole body in memory.
    Whole(Full<Bytes>),
    /// Any other body: a stream, a part of a body, or the body of a route.
    Other(Body),
}

impl ReplyBody {
    /// Returns a body that is not whole.
    pub(super) fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Error + Send + Sync,
    {
        Self::Other(Body::new(body))
    }

    /// Returns a whole body.
    pub(super) fn whole(text: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(text.into()))
    }

    /// Returns an empty body.
    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(axum::Error::new),
            Self::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
