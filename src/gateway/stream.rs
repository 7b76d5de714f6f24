//! The body of a streamed answer: the provider's bytes as they arrive. It owns its job, so a caller that leaves cancels the job with
//! it, and a job that ends cuts the stream.

use super::attempt::StreamReader;
use super::decisions::reason_text;
use super::job_handle::JobHandle;
use super::request_record::RequestRecord;
use super::shared_engine::Action;
use crate::drive::clock::Clock;
use crate::engine::Reply;
use crate::event::{AttemptFailure, EndReason, JobOutcome};
use crate::ids::AttemptId;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It passes the provider's bytes on.
    Open,
    /// The event with the error was handed to hyper, which discards what it has not sent if the body fails at once: it sends it
    /// while the body is pending.
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
        match this.state {
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
            State::Open => {}
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
            let Some(rest) = &mut this.rest else {
                this.finish();
                continue;
            };
            let frame = ready!(Pin::new(rest).poll_frame(cx));
            if let Some(bytes) = this.pass(frame) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }
}

impl StreamBody {
    /// Takes the provider's next frame. Returns the bytes that go out, if any.
    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Option<Bytes> {
        let bytes = match frame {
            None => {
                self.rest = None;
                self.reader.last_line()
            }
            Some(Ok(frame)) => match self.reader.feed(self.clock, frame.into_data().ok()?) {
                Some(bytes) => bytes,
                None => return self.fail(AttemptFailure::Garbage),
            },
            Some(Err(_)) => return self.fail(AttemptFailure::Connection),
        };
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Tells the engine that the provider's stream has ended.
    fn finish(&mut self) {
        let (reply, stated_usage) = self.reader.reply(self.clock);
        self.record.learn(stated_usage);
        self.job.reply(self.attempt, &reply);
    }

    /// Tells the engine that the provider's stream broke off.
    fn fail(&mut self, failure: AttemptFailure) -> Option<Bytes> {
        self.rest = None;
        self.job.reply(self.attempt, &Reply::failed(self.clock.now(), failure));
        None
    }

    /// Ends the stream with its job: as the provider ended it, or with an event that says why it breaks off.
    fn end(&mut self, outcome: JobOutcome) -> Option<io::Result<Frame<Bytes>>> {
        self.rest = None;
        let reason = match outcome {
            JobOutcome::Succeeded => {
                self.state = State::Ended;
                self.record.finish(outcome);
                return None;
            }
            JobOutcome::Failed(EndReason::Deadline) => "its deadline has passed",
            JobOutcome::Failed(reason) | JobOutcome::Shed(reason) => reason_text(reason),
            JobOutcome::InFlight => "the gateway ends",
        };
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
        Some(Ok(Frame::data(Bytes::from(format!("data: {error}\n\n")))))
    }
}
