//! The body of a reply. Most are whole texts, which are not boxed as [`axum::body::Body`] boxes every body.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response of the server.
pub(super) type Response = axum::http::Response<ReplyBody>;

/// The body of a reply: a whole body in memory, or any other, boxed: a stream, a part of a body, a body that holds something
/// until it is sent, or one that axum's router returned.
pub(super) type ReplyBody = Either<Full<Bytes>, Body>;

/// Returns a whole body.
pub(super) fn whole(text: impl Into<Bytes>) -> ReplyBody {
    Either::Left(Full::new(text.into()))
}

/// Returns an empty body.
pub(super) fn empty() -> ReplyBody {
    whole(Bytes::new())
}

/// Boxes any other body.
pub(super) fn other<B>(body: B) -> ReplyBody
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Either::Right(Body::new(body))
}

/// Returns a body that drops `owned` when it is dropped: after hyper has taken its last frame, or when the client has
/// disconnected.
pub(super) fn owning<T: Send + Unpin + 'static>(body: ReplyBody, owned: T) -> ReplyBody {
    other(OwningBody { body, _owned: owned })
}

struct OwningBody<T> {
    body: ReplyBody,
    _owned: T,
}

impl<T: Unpin> HttpBody for OwningBody<T> {
    type Data = Bytes;
    type Error = <ReplyBody as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    // `BodyExt::map_frame` would not forward the length.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
