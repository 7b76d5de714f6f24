//! The body of a streamed completion: server-sent events, token by token at the times that the decision has set.
//!
//! ```text
//!  provider   admitted ····· first token  t  t  t  last token = done: the call is settled
//!  client          headers ······· role+t  t  t  t  t, end, [DONE]
//!                  └─ all later by the downlink delay ─┘
//! ```
//!
//! tokio's timers have a granularity of a millisecond. At each wake-up everything that is due by the clock is sent in one
//! write, so tokens are at most one millisecond late and the delay does not accumulate.

use super::aborted_reply::{Abort, YieldOnce};
use super::admission::Admission;
use super::reply_body::{self, ReplyBody};
use crate::decision::Service;
use crate::time::{Instant, Nanos};
use crate::wire::Chunks;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// Maximum tokens in one write. It bounds the memory of a write if all tokens are due at once.
const MAX_TOKENS_PER_WRITE: u32 = 256;

/// Returns the body of an admitted call's stream. `downlink` is the network delay to the client, added to every chunk's time.
pub(super) fn body(admission: Admission, chunks: Chunks, downlink: Nanos) -> ReplyBody {
    let (next, wake_at) = (Next::Role, Instant::ZERO);
    reply_body::other(Stream { admission, chunks, downlink, next, sleep: None, wake_at })
}

#[derive(Debug)]
struct Stream {
    admission: Admission,
    chunks: Chunks,
    downlink: Nanos,
    next: Next,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The instant at which the sleep ends. After it, this instant counts as reached even if the clock has not advanced that far.
    wake_at: Instant,
}

/// The next part of the stream to send.
#[derive(Debug)]
enum Next {
    Role,
    Token(u32),
    End,
    Abort(YieldOnce),
    Nothing,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Abort;

    /// Returns what is due, or sleeps until something is. The call is settled when the provider is done, which is before
    /// the last token has reached the client.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        let this = &mut *self;
        loop {
            if let Some(sleep) = &mut this.sleep {
                ready!(sleep.as_mut().poll(cx));
                this.sleep = None;
            }
            let now = this.admission.mock().now().max(this.wake_at);
            if now >= this.done_at() {
                let _settled_at = this.admission.settle();
            }
            let text = this.take_due(now);
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(text.into()))));
            }
            match &mut this.next {
                Next::Nothing => return Poll::Ready(None),
                Next::Abort(yield_before_abort) if !this.admission.is_open() => {
                    ready!(yield_before_abort.poll(cx));
                    return Poll::Ready(Some(Err(Abort)));
                }
                _ => {}
            }
            this.wake_at = this.next_wake();
            let duration = Duration::from_nanos(this.wake_at.since(now).0);
            this.sleep = Some(Box::pin(tokio::time::sleep(duration)));
        }
    }
}

impl Stream {
    fn first_token_at(&self) -> Instant {
        let at = self.admission.service().first_token_at();
        at.expect("invariant: a stream begins after its service has started")
    }

    fn done_at(&self) -> Instant {
        self.first_token_at() + self.admission.service().time.decode
    }

    /// Returns all that is due by now and has not been sent, up to [`MAX_TOKENS_PER_WRITE`].
    fn take_due(&mut self, now: Instant) -> String {
        let mut out = String::new();
        let service = *self.admission.service();
        for _ in 0..MAX_TOKENS_PER_WRITE {
            if self.due_at().is_none_or(|due| due > now) {
                break;
            }
            self.next = match self.next {
                Next::Role => {
                    self.chunks.append_role(&mut out);
                    after_token(&service, 0)
                }
                Next::Token(index) => {
                    self.chunks.append_token(&mut out, index);
                    after_token(&service, index + 1)
                }
                Next::End => {
                    self.chunks.append_end(&mut out);
                    self.chunks.append_usage(&mut out);
                    self.chunks.append_done(&mut out);
                    Next::Nothing
                }
                Next::Abort(_) | Next::Nothing => {
                    unreachable!("invariant: something is due, found {:?}", self.next)
                }
            };
        }
        out
    }

    /// Returns when the next chunk is to be sent; `None` if none is left.
    fn due_at(&self) -> Option<Instant> {
        let sent_at = match self.next {
            Next::Role => self.first_token_at(),
            Next::Token(index) => self.first_token_at() + token_offset(self.admission.service(), index),
            Next::End => self.done_at(),
            Next::Abort(_) | Next::Nothing => return None,
        };
        Some(sent_at + self.downlink)
    }

    /// Returns when there is something to do next: a chunk to send or the call to settle.
    fn next_wake(&self) -> Instant {
        let settle = self.admission.is_open().then_some(self.done_at());
        self.due_at().into_iter().chain(settle).min().expect("invariant: a stream with nothing due has ended")
    }
}

/// Returns what follows the first `sent` tokens.
fn after_token(service: &Service, sent: u32) -> Next {
    if sent < service.usage.completion_tokens {
        Next::Token(sent)
    } else if service.aborted {
        Next::Abort(YieldOnce::default())
    } else {
        Next::End
    }
}

/// Returns the time from the first token to the one at `index`: the shortest after which [`Service::usage_until`] counts it.
fn token_offset(service: &Service, index: u32) -> Nanos {
    let decode = u128::from(service.time.decode.0);
    let last_index = u128::from(service.usage.completion_tokens.saturating_sub(1).max(1));
    let offset = (u128::from(index) * decode).div_ceil(last_index);
    Nanos(u64::try_from(offset).expect("invariant: no token is sent after the last one"))
}
