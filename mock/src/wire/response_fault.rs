//! Faults of a response: modifies the headers and the body of a rendered reply.
//!
//! A reply is rendered first and modified afterwards, so that dialects do not depend on faults.

use super::format::{MediaType, Reply};
use super::json::Seconds;
use crate::calendar::{Epoch, UnixTime};
use crate::config::WaitForm;
use crate::decision::{Decision, DecisionReport};
use crate::fault::{BodyFault, ClockSkew, ResponseFault};
use crate::time::{Instant, Nanos};

impl ResponseFault {
    /// Returns the decision to render before [`apply`](Self::apply). A completion whose body this fault modifies is rendered
    /// intact first.
    #[must_use]
    pub fn decision_to_render(&self, report: &DecisionReport) -> DecisionReport {
        let mut report = *report;
        if let (Some(_), Decision::Admitted(service)) = (self.body, &mut report.decision) {
            service.corrupt_body = false;
        }
        report
    }

    /// Returns the modified reply. `wait` is the wait that `reply` announces, `None` if it announces none; `at` is the instant
    /// at which it is sent. A success gets no `retry-after`.
    #[must_use]
    pub fn apply(&self, mut reply: Reply, wait: Option<Nanos>, at: Instant, epoch: Epoch) -> Reply {
        if self.clock_skew.is_some() || self.retry_after_form == Some(WaitForm::Date) {
            reply.headers.set("date", &self.http_date(epoch.time_at(at)));
        }
        let text = match self.retry_after_form.filter(|_| reply.status >= 400) {
            Some(WaitForm::Fraction) => wait.map(|wait| Seconds(wait).to_string()),
            Some(WaitForm::Date) => {
                wait.map(|wait| self.http_date(epoch.time_at(rounded_up_to_second(at + wait))))
            }
            Some(WaitForm::Negative) => Some("-1".to_owned()),
            Some(WaitForm::Absurd) => Some("99999999999999999999".to_owned()),
            None => None,
        };
        if let Some(text) = text {
            // `retry-after-ms`, which some dialects also send, would still have the real wait.
            reply.headers.retain(|name| name != "retry-after-ms");
            reply.headers.set("retry-after", &text);
        }
        if self.no_limit_headers {
            // Together also sends `x-tokenlimit-…`.
            let parts = ["ratelimit", "tokenlimit", "retry-after"];
            reply.headers.retain(|name| !parts.iter().any(|part| name.contains(part)));
        }
        match self.body {
            Some(BodyFault::WrongType) => reply.set_media_type(MediaType::Html),
            Some(BodyFault::Truncated) => reply.truncate(),
            Some(BodyFault::ResetAfterHead | BodyFault::AbortBeforeToken) | None => {}
        }
        reply
    }

    /// Returns the date that the provider's clock shows at `time`, rounded down to whole seconds.
    fn http_date(&self, time: UnixTime) -> String {
        self.clock_skew.map_or(time, |skew| skew.apply(time)).http_date().to_string()
    }
}

/// Returns the first whole second at or after `at`. As a date, the end of a wait is rounded up, so that it is not announced too
/// early.
fn rounded_up_to_second(at: Instant) -> Instant {
    Instant::ZERO + Nanos::from_secs(Nanos(at.0).as_secs_ceil())
}

impl ClockSkew {
    /// Returns the time that a skewed clock shows at the correct `time`.
    fn apply(self, time: UnixTime) -> UnixTime {
        match self {
            Self::Ahead(by) => time + by,
            Self::Behind(by) => time.saturating_sub(by),
        }
    }
}

impl Reply {
    /// Converts an error to a stream with one event, for an error after the head. The SDKs of Anthropic and Groq recognise an
    /// error by the name of the event, OpenAI's by the data.
    #[must_use]
    pub fn into_event(mut self) -> Self {
        self.body = format!("event: error\ndata: {}\n\n", self.body.trim_end());
        self.set_media_type(MediaType::EventStream);
        self
    }

    /// Replaces `content-type`, not the body.
    fn set_media_type(&mut self, media_type: MediaType) {
        self.headers.set("content-type", media_type.as_str());
    }

    /// Removes the second half of the body. A character across the middle is removed too.
    fn truncate(&mut self) {
        let end = (0..=self.body.len() / 2).rev().find(|end| self.body.is_char_boundary(*end));
        self.body.truncate(end.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Headers;

    fn reply(status: u16) -> Reply {
        let mut headers = Headers::with_media_type(MediaType::Json);
        headers.add_number("retry-after", 3);
        headers.add_number("retry-after-ms", 2500);
        headers.add_number("x-ratelimit-limit-requests", 30);
        headers.add_number("x-tokenlimit-limit", 100);
        // The middle of the body is inside of `é`.
        Reply { status, headers, body: r#"{"error":"é","code":1}"#.to_owned() }
    }

    /// Returns a header of a refusal with a wait of 2.5 s, sent half a second into the run with this fault.
    fn header(fault: ResponseFault, name: &str) -> Option<String> {
        let reply =
            fault.apply(reply(429), Some(Nanos::from_millis(2_500)), Instant(500_000_000), Epoch::RUN);
        reply.headers.value(name).map(str::to_owned)
    }

    #[test]
    fn a_wait_is_rendered_in_every_form() {
        for (form, text) in [
            (WaitForm::Fraction, "2.5"),
            (WaitForm::Date, "Sun, 01 Nov 2026 00:00:03 GMT"),
            (WaitForm::Negative, "-1"),
            (WaitForm::Absurd, "99999999999999999999"),
        ] {
            let fault = ResponseFault { retry_after_form: Some(form), ..ResponseFault::default() };
            assert_eq!(header(fault, "retry-after").as_deref(), Some(text));
            assert_eq!(header(fault, "retry-after-ms"), None);
        }
        let dated = ResponseFault { retry_after_form: Some(WaitForm::Date), ..ResponseFault::default() };
        assert_eq!(header(dated, "date").as_deref(), Some("Sun, 01 Nov 2026 00:00:00 GMT"));
    }

    #[test]
    fn a_skewed_clock_shifts_date_and_the_date_in_retry_after() {
        let fault = |clock| ResponseFault {
            retry_after_form: Some(WaitForm::Date),
            clock_skew: Some(clock),
            ..ResponseFault::default()
        };
        let ahead = fault(ClockSkew::Ahead(Nanos::HOUR));
        assert_eq!(header(ahead, "date").as_deref(), Some("Sun, 01 Nov 2026 01:00:00 GMT"));
        assert_eq!(header(ahead, "retry-after").as_deref(), Some("Sun, 01 Nov 2026 01:00:03 GMT"));
        let behind = fault(ClockSkew::Behind(Nanos::HOUR));
        assert_eq!(header(behind, "date").as_deref(), Some("Sat, 31 Oct 2026 23:00:00 GMT"));
    }

    #[test]
    fn the_removal_of_limit_headers_takes_precedence_over_the_form_of_a_wait() {
        let no_limit_headers = ResponseFault {
            no_limit_headers: true,
            retry_after_form: Some(WaitForm::Negative),
            ..ResponseFault::default()
        };
        let reply = no_limit_headers.apply(reply(429), None, Instant::ZERO, Epoch::RUN);
        assert!(reply.headers.iter().eq([("content-type", "application/json")]));
    }

    #[test]
    fn the_retry_after_of_a_success_is_not_modified() {
        let absurd = ResponseFault { retry_after_form: Some(WaitForm::Absurd), ..ResponseFault::default() };
        assert_eq!(absurd.apply(reply(200), None, Instant::ZERO, Epoch::RUN), reply(200));
    }

    #[test]
    fn a_body_is_truncated_at_a_character_has_another_media_type_or_becomes_an_event() {
        let fault = |body| ResponseFault { body: Some(body), ..ResponseFault::default() };
        let truncated = fault(BodyFault::Truncated).apply(reply(200), None, Instant::ZERO, Epoch::RUN);
        assert_eq!(truncated.body, r#"{"error":""#);
        let mislabelled = fault(BodyFault::WrongType).apply(reply(200), None, Instant::ZERO, Epoch::RUN);
        assert_eq!(
            (mislabelled.headers.value("content-type"), mislabelled.body),
            (Some("text/html"), reply(200).body)
        );
        let event = reply(200).into_event();
        assert!(event.body.starts_with("event: error\ndata: {") && event.body.ends_with("}\n\n"));
        assert_eq!(event.headers.value("content-type"), Some("text/event-stream"));
    }
}
