//! The body of a streamed answer: the provider's bytes as they arrive. It owns its job, so a caller that leaves cancels the job with
//! it, and a job that ends cuts the stream.

use super::attempt::StreamReader;
use super::decisions::reason_text;
use super::job_handle::JobHandle;
use super::request_record::RequestRecord;
use super::shared_engine::Action;
use super::spending::Reservation;
use crate::drive::clock::Clock;
use crate::engine::Reply;
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, JobOutcome};
use crate::ids::AttemptId;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// A streamed answer.
#[derive(Debug)]
pub(super) struct StreamBody {
    pub(super) job: JobHandle,
    pub(super) attempt: AttemptId,
    pub(super) clock: Clock,
    pub(super) reader: StreamReader,
    /// What was read before the stream was passed on.
    pub(super) begun: Bytes,
    /// `None` once the provider's stream has ended.
    pub(super) rest: Option<Incoming>,
    pub(super) state: State,
    pub(super) record: RequestRecord,
    /// What is reserved of its caller's budget; `None` once it was settled.
    pub(super) reservation: Option<Reservation>,
}

impl Drop for StreamBody {
    /// Charges what has arrived of a stream that broke off, or whose caller has left.
    fn drop(&mut self) {
        self.settle();
    }
}

/// How long to wait for the end of a stream after its answer is complete: providers send both together.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// How far a stream is.
#[derive(Debug)]
pub(super) enum State {
    /// It passes the provider's bytes on.
    Open,
    /// The answer is complete and the job has ended. The provider has not ended the stream yet: the timer bounds the wait for that.
    Answered(Pin<Box<Sleep>>),
    /// The event with the error was handed to hyper. If the body failed now, hyper would discard what it has not sent, so the body is
    /// pending once.
    Broken,
    /// The connection is closed next.
    Closing,
    /// Nothing follows.
    Ended,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match &mut this.state {
            State::Open => {}
            State::Answered(timer) => {
                let is_over = timer.as_mut().poll(cx).is_ready();
                return this.poll_rest(cx, is_over);
            }
            State::Ended => return Poll::Ready(None),
            State::Broken => {
                this.state = State::Closing;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Closing => {
                this.state = State::Ended;
                return Poll::Ready(Some(Err(io::Error::other("the stream broke off"))));
            }
        }
        if !this.begun.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.begun)))));
        }
        loop {
            // The deadline of the job may pass.
            if let Poll::Ready(action) = this.job.poll_next(cx) {
                match action {
                    Action::Done(end) => return Poll::Ready(this.end(end.outcome)),
                    Action::Cancel => continue,
                    Action::Send(_) => unreachable!("law 16: nothing is sent after the first byte"),
                }
            }
            if this.reader.is_complete() || this.rest.is_none() {
                this.finish();
                continue;
            }
            let rest = this.rest.as_mut().expect("invariant: the stream has not ended");
            let frame = ready!(Pin::new(rest).poll_frame(cx));
            if let Some(bytes) = this.pass(frame) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }
}

impl StreamBody {
    /// Passes on what follows the answer until the provider ends the stream, so that its connection can be used again, or until the wait
    /// for that `is_over`.
    fn poll_rest(&mut self, cx: &mut Context<'_>, is_over: bool) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(rest) = self.rest.as_mut().filter(|_| !is_over)
            && let Some(Ok(frame)) = ready!(Pin::new(rest).poll_frame(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(frame.into_data().unwrap_or_default()))));
        }
        self.rest = None;
        self.state = State::Ended;
        Poll::Ready(None)
    }

    /// Takes the provider's next frame. Returns the bytes that go out, if any.
    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Option<Bytes> {
        let bytes = match frame {
            None => {
                self.rest = None;
                self.reader.last_line()
            }
            Some(Ok(frame)) => self.reader.feed(self.clock, frame.into_data().ok()?),
            Some(Err(_)) => return self.fail(AttemptFailure::Connection),
        };
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Reports to the engine that the provider's stream has ended.
    fn finish(&mut self) {
        let (reply, stated_usage) = self.reader.reply(self.clock);
        self.record.learn(stated_usage);
        if reply.outcome == AttemptOutcome::Ok
            && let Some(reservation) = self.reservation.take()
        {
            reservation.settle(reply.usage);
        }
        self.job.reply(self.attempt, &reply);
    }

    /// Charges the caller for what has arrived, if nothing was charged before.
    fn settle(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(self.reader.observed(self.clock));
        }
    }

    /// Reports to the engine that the provider's stream broke off.
    fn fail(&mut self, failure: AttemptFailure) -> Option<Bytes> {
        self.rest = None;
        self.job.reply(self.attempt, &Reply::failed(self.clock.now(), failure));
        None
    }

    /// Ends the stream with its job: as the provider ended it, or with an event that says why it breaks off.
    fn end(&mut self, outcome: JobOutcome) -> Option<io::Result<Frame<Bytes>>> {
        self.settle();
        let reason = match outcome {
            JobOutcome::Succeeded => {
                self.record.finish(outcome);
                self.state = State::Answered(Box::pin(tokio::time::sleep(END_TIMEOUT)));
                // An empty frame lets hyper poll again.
                return Some(Ok(Frame::data(Bytes::new())));
            }
            // Its caller has read the error of the provider.
            _ if self.reader.has_error() => {
                self.rest = None;
                self.record.finish(outcome);
                self.state = State::Closing;
                return Some(Ok(Frame::data(Bytes::new())));
            }
            JobOutcome::Failed(EndReason::Deadline) => "its deadline has passed",
            JobOutcome::Failed(reason) | JobOutcome::Shed(reason) => reason_text(reason),
            JobOutcome::InFlight => "the gateway is shutting down",
        };
        self.rest = None;
        self.state = State::Broken;
        self.record.finish(outcome);
        let error = serde_json::json!({
            "error": {
                "message": format!("the stream broke off: {reason}"),
                "type": "upstream_error",
                "param": null,
                "code": "stream_interrupted",
            }
        });
        // The line feed ends an event that was under way.
        Some(Ok(Frame::data(Bytes::from(format!("\ndata: {error}\n\n")))))
    }
}
