//! The body of a streamed answer: the provider's bytes as they arrive. It owns its job, so a caller that leaves cancels the job with
//! it, and a job that ends cuts the stream.

use super::actions::Action;
use super::carried::{CarriedAttempt, SharedAttempt, StreamRest, Work};
use super::decisions::reason_text;
use super::job_handle::JobHandle;
use super::request_record::RequestRecord;
use crate::engine::Reply;
use crate::event::{AttemptFailure, EndReason, JobOutcome};
use crate::ids::AttemptId;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// A streamed answer.
#[derive(Debug)]
pub(super) struct StreamBody {
    /// What follows. It charges what has arrived of a stream that broke off, or whose caller has left.
    pub(super) stream: StreamRest,
    pub(super) job: JobHandle,
    pub(super) attempt: AttemptId,
    /// What was read before the stream was passed on.
    pub(super) begun: Bytes,
    pub(super) state: State,
    pub(super) record: RequestRecord,
    /// `None` if its answer is not shared.
    pub(super) shared: Option<Box<SharedAttempt>>,
}

impl Drop for StreamBody {
    /// Leaves the stream to the requests that wait for its answer, if there are any.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take()
            && let Some(carrier) = self.job.leave()
        {
            let work = Work::Streaming(Box::new(self.stream.take()));
            carrier.carry(CarriedAttempt { shared: *shared, work });
        }
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
                    Action::Send(_) | Action::Reused(..) | Action::Carried(_) => {
                        unreachable!("law 16: nothing else answers after the first byte")
                    }
                }
            }
            if this.stream.reader.is_complete() || this.stream.rest.is_none() {
                this.finish();
                continue;
            }
            let rest = this.stream.rest.as_mut().expect("invariant: the stream has not ended");
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
        if let Some(rest) = self.stream.rest.as_mut().filter(|_| !is_over)
            && let Some(Ok(frame)) = ready!(Pin::new(rest).poll_frame(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(frame.into_data().unwrap_or_default()))));
        }
        self.stream.rest = None;
        self.state = State::Ended;
        Poll::Ready(None)
    }

    /// Takes the provider's next frame. Returns the bytes that go out, if any.
    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Option<Bytes> {
        let stream = &mut self.stream;
        let bytes = match frame {
            None => {
                stream.rest = None;
                stream.reader.last_line()
            }
            Some(Ok(frame)) => stream.reader.feed(stream.clock, frame.into_data().ok()?),
            Some(Err(_)) => return self.fail(AttemptFailure::Connection),
        };
        stream.record(&bytes);
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Reports to the engine that the provider's stream has ended.
    fn finish(&mut self) {
        let (reply, answer, stated_usage) = self.stream.finish(self.shared.as_deref());
        self.record.learn(stated_usage);
        self.job.reply(self.attempt, &reply, answer);
    }

    /// Reports to the engine that the provider's stream broke off.
    fn fail(&mut self, failure: AttemptFailure) -> Option<Bytes> {
        self.stream.rest = None;
        self.job.reply(self.attempt, &Reply::failed(self.stream.clock.now(), failure), None);
        None
    }

    /// Ends the stream with its job: as the provider ended it, or with an event that says why it breaks off.
    fn end(&mut self, outcome: JobOutcome) -> Option<io::Result<Frame<Bytes>>> {
        self.stream.settle();
        let reason = match outcome {
            JobOutcome::Succeeded => {
                self.record.finish(outcome);
                self.state = State::Answered(Box::pin(tokio::time::sleep(END_TIMEOUT)));
                // An empty frame lets hyper poll again.
                return Some(Ok(Frame::data(Bytes::new())));
            }
            // Its caller has read the error of the provider.
            _ if self.stream.reader.has_error() => {
                self.stream.rest = None;
                self.record.finish(outcome);
                self.state = State::Closing;
                return Some(Ok(Frame::data(Bytes::new())));
            }
            JobOutcome::Failed(EndReason::Deadline) => "its deadline has passed",
            JobOutcome::Failed(reason) | JobOutcome::Shed(reason) => reason_text(reason),
            JobOutcome::InFlight => "the gateway is shutting down",
        };
        self.stream.rest = None;
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
