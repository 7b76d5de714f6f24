//! The memory of replies with embeddings, which is bounded for all of them together.
//!
//! A request of a few kilobytes asks for up to 2,048 vectors of up to 4,096 numbers: a reply of 128 MiB as text. Rate
//! limits do not prevent it, because they count only the tokens of the prompt. While it is compressed, it is in memory twice.
//! On every connection at once, such replies would take terabytes.
//! Therefore the memory of a reply is reserved before its request is admitted, and is held until the reply has been sent or the
//! client has disconnected. If too little is free, the request is refused with status 503, as it is if too many bytes of request
//! bodies are being read.

use super::Mock;
use super::held_body::HeldBody;
use super::reply_body::{self, Response};
use crate::wire::EmbeddingsRequest;
use http_body_util::Either;
use std::sync::Arc;

/// Maximum memory of all replies with embeddings at one time, in bytes: the largest one and about as much for smaller ones.
pub const MAX_EMBEDDINGS_BYTES: usize = 512 << 20;

/// Bytes of [`Mock::embeddings_bytes`] that are held for one reply; released on drop.
#[derive(Debug)]
pub(super) struct ReplyMemoryHold {
    mock: Arc<Mock>,
    bytes: usize,
}

impl ReplyMemoryHold {
    /// Holds the memory of the reply to a request; `None` if too much is held already.
    pub(super) fn new(mock: &Arc<Mock>, request: &EmbeddingsRequest, model: &str) -> Option<Arc<Self>> {
        // The text, and as much for its compressed form.
        let bytes = request.max_body_bytes(model).saturating_mul(2);
        let held = Arc::new(Self { mock: Arc::clone(mock), bytes });
        mock.embeddings_bytes.hold(bytes).then_some(held)
    }
}

impl Drop for ReplyMemoryHold {
    fn drop(&mut self) {
        self.mock.embeddings_bytes.release(self.bytes);
    }
}

/// Moves what is held from the extensions of a response into its body, so that it is held until the body has been written.
pub(super) fn hold_until_sent(response: &mut Response) {
    if let Some(held) = response.extensions_mut().remove::<Arc<ReplyMemoryHold>>() {
        *response.body_mut() = match std::mem::replace(response.body_mut(), reply_body::empty()) {
            Either::Left(text) => {
                reply_body::other(HeldBody::new(text.into_inner().unwrap_or_default(), held))
            }
            // A fault cuts this body, and its connection is closed.
            cut @ Either::Right(_) => reply_body::owning(cut, held),
        };
    }
}
