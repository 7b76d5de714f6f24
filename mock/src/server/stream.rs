//! A completion streamed token by token, on the schedule of the ruling.
//!
//! ```text
//!  provider   admitted ····· first token  t  t  t  last token = done: the seat departs
//!  client          headers ······· role+t  t  t  t  t, end, [DONE]
//!                  └─ all later by the way back ─┘
//! ```
//!
//! tokio's timers have a grain of a millisecond. What is due is computed from the clock at each wake-up, and all
//! of it goes out in one write, so a fast model is late by a grain at most and never falls behind.

use super::body::{Abort, YieldOnce};
use super::idle_timeout::UnderWay;
use super::in_flight::InFlightGuard;
use crate::decision::Service;
use crate::time::{Instant, Nanos};
use crate::wire::Chunks;
use bytes::Bytes;
use hyper::body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The most tokens in one write: a bound on memory where everything is due at once.
const MOST_AT_ONCE: u32 = 256;

/// Whether a chunk without choices tells the usage once more (`stream_options.include_usage`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UsageChunk {
    /// It does not.
    #[default]
    Omitted,
    /// It does.
    Included,
}

/// The body of one streamed completion.
#[derive(Debug)]
pub(super) struct Stream {
    /// Until all of it has been taken.
    _under_way: UnderWay,
    seat: InFlightGuard,
    chunks: Chunks,
    usage_chunk: UsageChunk,
    /// What everything is later by at the client.
    way_back: Nanos,
    next: Next,
    sleep: Option<Pin<Box<Sleep>>>,
    /// What the sleep is for. Once it is over this instant is as good as come, even where the clock stands still.
    wake: Instant,
}

/// The next thing to send.
#[derive(Debug)]
enum Next {
    Role,
    Token(u32),
    End,
    Break(YieldOnce),
    Nothing,
}

impl Stream {
    pub(super) fn new(
        under_way: UnderWay,
        seat: InFlightGuard,
        chunks: Chunks,
        usage_chunk: UsageChunk,
        way_back: Nanos,
    ) -> Self {
        Self {
            _under_way: under_way,
            seat,
            chunks,
            usage_chunk,
            way_back,
            next: Next::Role,
            sleep: None,
            wake: Instant::ZERO,
        }
    }

    /// Writes what is due, or sleeps until something is. The seat departs when the provider is done, which is
    /// before the last token has found its way back.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let now = self.seat.mock().now().max(self.wake);
            if now >= self.seat.service().done_at {
                self.seat.depart();
            }
            let text = self.take_due(now);
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(text.into()))));
            }
            match &mut self.next {
                Next::Nothing => return Poll::Ready(None),
                Next::Break(flushed) if !self.seat.is_open() => {
                    ready!(flushed.poll(cx));
                    return Poll::Ready(Some(Err(Abort)));
                }
                _ => {}
            }
            self.wake = self.wake_at();
            let length = Duration::from_nanos(self.wake.since(now).0);
            self.sleep = Some(Box::pin(tokio::time::sleep(length)));
        }
    }

    /// All that has reached the client by now and was not sent yet, up to the bound.
    fn take_due(&mut self, now: Instant) -> String {
        let mut out = String::new();
        let service = *self.seat.service();
        for _ in 0..MOST_AT_ONCE {
            if self.due_at().is_none_or(|due| due > now) {
                break;
            }
            self.next = match self.next {
                Next::Role => {
                    self.chunks.role(&mut out);
                    after_token(&service, 0)
                }
                Next::Token(index) => {
                    self.chunks.token(&mut out, index);
                    after_token(&service, index + 1)
                }
                Next::End => {
                    self.chunks.end(&mut out);
                    if self.usage_chunk == UsageChunk::Included {
                        self.chunks.usage(&mut out);
                    }
                    self.chunks.done(&mut out);
                    Next::Nothing
                }
                Next::Break(_) | Next::Nothing => unreachable!("these are never due"),
            };
        }
        out
    }

    /// When the next thing is to be sent.
    fn due_at(&self) -> Option<Instant> {
        let service = self.seat.service();
        let leaves = match self.next {
            Next::Role => service.first_token_at,
            Next::Token(index) => token_at(service, index),
            Next::End => service.done_at,
            Next::Break(_) | Next::Nothing => return None,
        };
        Some(leaves + self.way_back)
    }

    /// When something is to be done next: a token to send or the call to settle.
    fn wake_at(&self) -> Instant {
        let settle = self.seat.is_open().then_some(self.seat.service().done_at);
        self.due_at().into_iter().chain(settle).min().expect("a stream with nothing left to do has ended")
    }
}

/// What follows the first `sent` tokens.
const fn after_token(service: &Service, sent: u32) -> Next {
    if sent < service.usage.completion_tokens {
        Next::Token(sent)
    } else if service.cut {
        Next::Break(YieldOnce::new())
    } else {
        Next::End
    }
}

/// When a token leaves the provider: the first instant by which [`Service::used_by`] counts it.
fn token_at(service: &Service, index: u32) -> Instant {
    let rest = u128::from(service.done_at.since(service.first_token_at).0);
    let last = u128::from(service.usage.completion_tokens.saturating_sub(1).max(1));
    let later = (u128::from(index) * rest).div_ceil(last);
    service.first_token_at + Nanos(u64::try_from(later).expect("no token is later than the last"))
}
