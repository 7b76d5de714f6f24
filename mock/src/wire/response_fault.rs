//! Replies bent on their way: a rendered reply with what a fault does to its headers and its body.
//!
//! Rendered first and bent afterwards, so that no dialect has to know of it.

use super::format::{Content, Reply};
use super::json;
use crate::calendar::UnixTime;
use crate::config::WaitForm;
use crate::decision::{Decision, DecisionReport};
use crate::fault::{BodyFault, ResponseFault, Skew};
use crate::time::{Instant, Nanos};

impl ResponseFault {
    /// The ruling as it is rendered: what this then spoils is a good completion before.
    #[must_use]
    pub fn whole(&self, ruling: &DecisionReport) -> DecisionReport {
        let mut ruling = *ruling;
        if let (Some(_), Decision::Admitted(service)) = (self.body, &mut ruling.verdict) {
            service.garbage = false;
        }
        ruling
    }

    /// The reply as it leaves `at` this instant; `wait` is what it announces.
    #[must_use]
    pub fn applied(&self, mut reply: Reply, wait: Option<Nanos>, at: Instant) -> Reply {
        let clock = |time| self.clock.map_or(time, |skew| skew.applied(time));
        let date = |at| clock(UnixTime::at(at)).http_date().to_string();
        if self.clock.is_some() || self.wait == Some(WaitForm::Date) {
            reply.headers.set("date", &date(at));
        }
        // Up to the next whole second, since `date` is cut to whole ones: never shorter than the wait.
        let until = |wait| date(Instant::ZERO + Nanos::from_secs(Nanos((at + wait).0).secs_up()));
        let text = match self.wait.filter(|_| reply.status >= 400) {
            Some(WaitForm::Fraction) => wait.map(fraction),
            Some(WaitForm::Date) => wait.map(until),
            Some(WaitForm::Negative) => Some("-1".to_owned()),
            Some(WaitForm::Absurd) => Some("99999999999999999999".to_owned()),
            None => None,
        };
        if let Some(text) = text {
            // The finer header that some dialects send beside it would give the wait away.
            reply.headers.retain(|name| name != "retry-after-ms");
            reply.headers.set("retry-after", &text);
        }
        if self.silent {
            let tells = |name: &str| name.contains("ratelimit") || name.starts_with("retry-after");
            reply.headers.retain(|name| !tells(name));
        }
        match self.body {
            Some(BodyFault::WrongType) => reply.claim(Content::Html),
            Some(BodyFault::Truncated) => reply.truncate(),
            Some(BodyFault::HeadOnly | BodyFault::NoToken) | None => {}
        }
        reply
    }
}

impl Skew {
    /// Returns what a clock with this skew reads at `time`.
    fn applied(self, time: UnixTime) -> UnixTime {
        match self {
            Self::Ahead(by) => time + by,
            Self::Behind(by) => time.saturating_sub(by),
        }
    }
}

impl Reply {
    /// The same as the one event of a stream: how an error arrives that comes after the head. The event has a name, by
    /// which the SDKs of Anthropic and Groq know an error; OpenAI's looks into the data.
    #[must_use]
    pub fn into_event(mut self) -> Self {
        self.body = format!("event: error\ndata: {}\n\n", self.body.trim_end());
        self.claim(Content::Events);
        self
    }

    /// Says that the body is something else.
    fn claim(&mut self, content: Content) {
        self.headers.set("content-type", content.media_type());
    }

    /// Drops the second half of the body.
    fn truncate(&mut self) {
        let half = (0..=self.body.len() / 2).rev().find(|end| self.body.is_char_boundary(*end));
        self.body.truncate(half.unwrap_or(0));
    }
}

/// Seconds with a fraction.
fn fraction(wait: Nanos) -> String {
    let mut text = String::new();
    json::seconds(&mut text, wait);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Headers;

    fn reply(status: u16) -> Reply {
        let mut headers = Headers::of(Content::Json);
        headers.number("retry-after", 3);
        headers.number("retry-after-ms", 2500);
        headers.number("x-ratelimit-limit-requests", 30);
        Reply { status, headers, body: r#"{"error":{"message":"é"}}"#.to_owned() }
    }

    /// What a header reads once this bend has been applied to a refusal with a wait of 2.5 s, half a second into the run.
    fn header(bend: ResponseFault, name: &str) -> Option<String> {
        let reply = bend.applied(reply(429), Some(Nanos::from_millis(2_500)), Instant(500_000_000));
        reply.headers.value(name).map(str::to_owned)
    }

    #[test]
    fn a_wait_in_every_form() {
        for (form, text) in [
            (WaitForm::Fraction, "2.5"),
            (WaitForm::Date, "Sun, 01 Nov 2026 00:00:03 GMT"),
            (WaitForm::Negative, "-1"),
            (WaitForm::Absurd, "99999999999999999999"),
        ] {
            let bend = ResponseFault { wait: Some(form), ..ResponseFault::default() };
            assert_eq!(header(bend, "retry-after").as_deref(), Some(text));
            assert_eq!(header(bend, "retry-after-ms"), None);
        }
        let dated = ResponseFault { wait: Some(WaitForm::Date), ..ResponseFault::default() };
        assert_eq!(header(dated, "date").as_deref(), Some("Sun, 01 Nov 2026 00:00:00 GMT"));
    }

    #[test]
    fn a_wrong_clock_is_wrong_in_every_date() {
        let bend = |clock| ResponseFault {
            wait: Some(WaitForm::Date),
            clock: Some(clock),
            ..ResponseFault::default()
        };
        let ahead = bend(Skew::Ahead(Nanos::HOUR));
        assert_eq!(header(ahead, "date").as_deref(), Some("Sun, 01 Nov 2026 01:00:00 GMT"));
        assert_eq!(header(ahead, "retry-after").as_deref(), Some("Sun, 01 Nov 2026 01:00:03 GMT"));
        let behind = bend(Skew::Behind(Nanos::HOUR));
        assert_eq!(header(behind, "date").as_deref(), Some("Sat, 31 Oct 2026 23:00:00 GMT"));
    }

    #[test]
    fn nothing_is_told_where_headers_are_absent_and_a_success_never_names_a_wait() {
        let silent =
            ResponseFault { silent: true, wait: Some(WaitForm::Negative), ..ResponseFault::default() };
        assert_eq!(silent.applied(reply(429), None, Instant::ZERO).headers.iter().len(), 1);
        let absurd = ResponseFault { wait: Some(WaitForm::Absurd), ..ResponseFault::default() };
        assert_eq!(absurd.applied(reply(200), None, Instant::ZERO), reply(200));
    }

    #[test]
    fn a_body_is_cut_between_characters_or_claims_to_be_another() {
        let bend = |body| ResponseFault { body: Some(body), ..ResponseFault::default() };
        let truncated = bend(BodyFault::Truncated).applied(reply(200), None, Instant::ZERO);
        assert!(reply(200).body.starts_with(&truncated.body) && truncated.body.len() < 14);
        let lying = bend(BodyFault::WrongType).applied(reply(200), None, Instant::ZERO);
        assert_eq!((lying.headers.value("content-type"), lying.body), (Some("text/html"), reply(200).body));
        let event = reply(200).into_event();
        assert!(event.body.starts_with("event: error\ndata: {") && event.body.ends_with("}\n\n"));
        assert_eq!(event.headers.value("content-type"), Some("text/event-stream"));
    }
}
