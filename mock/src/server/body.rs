//! Reads JSON bodies. The size of each is bounded, and so is the sum of those that are being read at one time, whatever the
//! number of connections.

use super::MAX_JSON_BODY_BYTES;
use super::byte_budget::ByteBudget;
use super::client_timeout::TimedBody;
use super::context::Rejection;
use crate::wire::Error;
use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Either};
use std::error;
use std::io;

/// Maximum size of all JSON bodies that are being read at one time, in bytes.
pub const MAX_BODIES_BYTES: usize = 128 << 20;

/// The bytes of one body that is being read.
#[derive(Debug)]
struct HeldBytes<'a> {
    budget: &'a ByteBudget,
    bytes: usize,
}

impl HeldBytes<'_> {
    /// Counts bytes that have arrived. Returns `false` if all bodies together are too large.
    fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.budget.hold(bytes)
    }

    /// Returns `false` if all bodies together are too large with the last bytes of this one. They need not be counted: the body
    /// has been read.
    fn has_room_for_last(&self, bytes: usize) -> bool {
        self.budget.has_room(bytes)
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.bytes);
        }
    }
}

/// The body of a request: as the connection receives it, or one that has been passed through axum's router, which boxes it.
pub(super) type RequestBody = Either<TimedBody, Body>;

/// Takes a body and leaves an empty one in its place, so that the caller can drop it: the connection then learns at once that the
/// rest will not be read.
pub(super) fn take(body: &mut RequestBody) -> RequestBody {
    std::mem::replace(body, Either::Right(Body::empty()))
}

/// Reads a whole body of at most [`MAX_JSON_BODY_BYTES`].
///
/// # Errors
/// [`Error::BodyTooLarge`]; [`Error::Invalid`] if its chunks are malformed; status 503 if all bodies together are larger than
/// the budget; [`Rejection::BodyIncomplete`] if the connection ends before the body.
pub(super) async fn read(
    mut body: impl HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    budget: &ByteBudget,
) -> Result<Bytes, Rejection<'static>> {
    if body.size_hint().lower() > MAX_JSON_BODY_BYTES as u64 {
        return Err(Error::BodyTooLarge.into());
    }
    let mut held = HeldBytes { budget, bytes: 0 };
    // Most bodies arrive in one frame, which is not copied.
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    // The end is usually known with the last frame, which saves a poll that would only find the end.
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let Ok(data) = frame.map_err(|error| rejection(&*error.into()))?.into_data() else { continue };
        let length = held.bytes + data.len();
        // Most bodies are complete with their first frame.
        let has_room =
            if body.is_end_stream() { held.has_room_for_last(data.len()) } else { held.add(data.len()) };
        if !has_room {
            return Err(Error::Status(503, "").into());
        }
        if length > MAX_JSON_BODY_BYTES {
            return Err(Error::BodyTooLarge.into());
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Returns the rejection for an error while a body is read: an error reply if its chunks are malformed, otherwise none, because
/// the connection has ended.
fn rejection(error: &(dyn error::Error + 'static)) -> Rejection<'static> {
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    let is_malformed = |error: &(dyn error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        })
    };
    if errors.any(is_malformed) {
        Error::invalid("the chunks of the body are malformed").into()
    } else {
        Rejection::BodyIncomplete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let budget = ByteBudget::new(MAX_BODIES_BYTES);
        let mut others = HeldBytes { budget: &budget, bytes: 0 };
        assert!(others.add(MAX_BODIES_BYTES - 10));
        assert_eq!(read(Body::from("0123456789"), &budget).await.unwrap(), "0123456789");
        let refused = read(Body::from("0123456789a"), &budget).await.unwrap_err();
        assert!(matches!(refused, Rejection::Error(Error::Status(503, _))), "{refused:?}");
        drop(others);
        assert_eq!(budget.held(), 0, "every body is given back");
        assert_eq!(read(Body::from("0123456789a"), &budget).await.unwrap(), "0123456789a");
    }
}
