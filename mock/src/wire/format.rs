//! The seam between the server and the dialects: all that a server asks of a provider's way of speaking.
//!
//! ```text
//!  path, key ─▶ WireFormat::endpoint, WireFormat::keys          which endpoint, and how the key arrives
//!  ruling    ─▶ WireFormat::reply ─┬─ WireFormat::completion    a page of a dialect writes these …
//!                             ├─ WireFormat::refusal
//!                             ├─ WireFormat::error
//!                             └─ WireFormat::headers       … and the replies are put together here
//! ```

use super::chat::{self, Chunks, Finish, Said, Shape};
use super::error::Error;
use super::headers::Headers;
use super::limits_snapshot::LimitsSnapshot;
use super::transcript::Task;
use crate::call::Usage;
use crate::config::{Fault, Tier};
use crate::decision::{Decision, DecisionReport, Denial, Service};
use crate::time::{Instant, Nanos};
use std::fmt;

/// A whole HTTP reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// What the provider sends; the transport adds its own (`date`, `content-length`).
    pub headers: Headers,
    /// JSON, but for garbage.
    pub body: String,
}

/// What a reply says besides the ruling.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model's name, as the client sent it.
    pub model: &'a str,
    /// The account's name; where messages name an organisation, its id is made of it.
    pub account: &'a str,
    /// The plan the account is on: it changes what a refusal advises, and at some which words it uses.
    pub tier: Tier,
    /// The number of the call: every id of the reply is derived from it.
    pub number: u64,
    /// When the reply is made; the wire's dates count from 2026-11-01 00:00 UTC.
    pub at: Instant,
    /// Why a served completion ends.
    pub finish: Finish,
    /// What it says.
    pub said: Said<'a>,
}

/// What a provider says when it does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
    /// The wait that headers announce, where the provider sends such headers; `None` where it says nothing.
    pub wait: Option<Nanos>,
}

impl Answer {
    /// An answer that announces no wait.
    #[must_use]
    pub const fn new(status: u16, body: String) -> Self {
        Self { status, body, wait: None }
    }

    /// The answer with this wait in its headers.
    #[must_use]
    pub fn after(self, wait: Option<Nanos>) -> Self {
        Self { wait, ..self }
    }
}

/// What headers depend on.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status of the reply.
    pub status: u16,
    /// What the body is.
    pub content: Content,
    /// The limits after the ruling; `None` where the call did not get as far as a limit.
    pub told: Option<&'a LimitsSnapshot>,
    /// The wait of an [`Answer`].
    pub wait: Option<Nanos>,
    /// What a served call used, where that is known before its body is sent.
    pub usage: Option<Usage>,
    /// The number of the call.
    pub number: u64,
    /// When the reply is made.
    pub at: Instant,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A JSON value.
    Json,
    /// Server-sent events.
    Events,
    /// A page for people.
    Html,
    /// Nothing but text.
    Text,
}

impl Content {
    /// The value of `content-type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Events => "text/event-stream",
            Self::Html => "text/html",
            Self::Text => "text/plain",
        }
    }
}

/// What a method and a path ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// A completion, asked for in OpenAI's shape.
    Completions,
    /// The same of the deployment that the path names (Azure): the body need not name a model.
    Deployment(&'a str),
    /// A completion, asked for in Anthropic's own shape.
    Messages,
    /// What is said in a file of audio.
    Audio(Task),
    /// The list of the models.
    Models,
    /// One model, by its name as it stands in the path: percent-encoded where the client chose to.
    Model(&'a str),
}

/// The header in which a key arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `authorization: Bearer …`.
    Bearer,
    /// A header of this name that has nothing but the key.
    Named(&'static str),
}

/// How one kind of endpoint of a provider speaks. Everything is a pure function of its arguments.
pub trait WireFormat: fmt::Debug + Sync {
    /// The path under which its endpoints are, such as `/openai/v1`: what a client's base URL ends in.
    fn base(&self) -> &'static str;

    /// The path at which completions of a model are asked for.
    fn path(&self, _model: &str) -> String {
        format!("{}/chat/completions", self.base())
    }

    /// The headers in which a key may arrive, in the order in which they are looked at.
    fn keys(&self) -> &'static [Key] {
        &[Key::Bearer]
    }

    /// The endpoint of a method and a path; `None` where there is none.
    fn endpoint<'p>(&self, method: &str, path: &'p str) -> Option<Endpoint<'p>> {
        match (method, path.strip_prefix(self.base())?) {
            ("POST", "/chat/completions") => Some(Endpoint::Completions),
            ("POST", "/audio/transcriptions") if self.hears() => Some(Endpoint::Audio(Task::Transcribe)),
            ("POST", "/audio/translations") if self.hears() => Some(Endpoint::Audio(Task::Translate)),
            ("GET", "/models") => Some(Endpoint::Models),
            ("GET", rest) => rest.strip_prefix("/models/").map(Endpoint::Model),
            _ => None,
        }
    }

    /// Whether it has endpoints for audio.
    fn hears(&self) -> bool {
        false
    }

    /// How many completions it makes of one prompt (`n`).
    fn most_choices(&self) -> u32 {
        u32::MAX
    }

    /// The status that tells a call of `service_tier: flex` that a limit has no room for it; `None` where it is refused
    /// like any other.
    fn flex_refusal(&self) -> Option<u16> {
        None
    }

    /// Whether a whole reply tells the limits as they are once it has been charged, rather than on arrival.
    fn tells_settled(&self) -> bool {
        false
    }

    /// The headers of a reply.
    fn headers(&self, head: &Head<'_>) -> Headers;

    /// What is said to a call that a limit refused.
    fn refusal(&self, denial: &Denial, told: &LimitsSnapshot, context: &Context<'_>) -> Answer;

    /// What is said to anything else that is not served; `number` and `at` as in [`Context`].
    fn error(&self, error: &Error<'_>, number: u64, at: Instant) -> Answer;

    /// The shape of its completions, where that is OpenAI's.
    fn shape(&self) -> &'static Shape {
        &Shape::PLAIN
    }

    /// The body of a completion that is answered whole.
    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        chat::completion(self.shape(), service, context)
    }

    /// The server-sent events of a completion.
    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        chat::chunks(self.shape(), service, context)
    }

    /// One entry of the list of models.
    fn model(&self, out: &mut String, name: &str) {
        chat::model(out, name, "");
    }
}

impl dyn WireFormat + '_ {
    /// The whole reply to a call. `None` where nothing is ever answered: a timeout, a reset.
    ///
    /// A service that is [cut](crate::decision::Service::cut) is rendered whole; whoever sends it breaks it off.
    ///
    /// # Panics
    /// Where the verdict is a fault that bends a reply (slow, cut, garbage, a false wait) rather than replaces it:
    /// the provider's machine hands those out as services and denials.
    #[must_use]
    pub fn reply(
        &self,
        ruling: &DecisionReport,
        told: &LimitsSnapshot,
        context: &Context<'_>,
    ) -> Option<Reply> {
        let answer = match &ruling.decision {
            Decision::Admitted(service) => {
                let (content, body) = match context.said {
                    _ if service.garbage => (Content::Html, GARBAGE.to_owned()),
                    Said::Transcript(transcript) => transcript.render(context.number),
                    _ => (Content::Json, self.completion(service, context)),
                };
                let usage = Some(service.usage);
                let head = Head { content, usage, ..Head::new(200, Some(told), context.number, context.at) };
                return Some(Reply { status: 200, headers: self.headers(&head), body });
            }
            Decision::Refused(denial) => self.refusal(denial, told, context),
            Decision::TooLong(too_long) => {
                self.error(&Error::TooLong(*too_long, context.model), context.number, context.at)
            }
            Decision::Faulted(Fault::Timeout | Fault::Reset) => return None,
            Decision::Faulted(fault) => {
                let error = Error::of_fault(*fault, context.model);
                let error =
                    error.unwrap_or_else(|| unreachable!("{fault:?} bends a reply and never replaces one"));
                let answer = self.error(&error, context.number, context.at);
                match fault {
                    Fault::Throttle(wait) => answer.after(Some(*wait)),
                    Fault::ErrorInside => Answer { status: 200, wait: None, ..answer },
                    _ => answer,
                }
            }
        };
        Some(self.answered(answer, Some(told), context.number, context.at))
    }

    /// The whole reply to a request that never got as far as a limit.
    #[must_use]
    pub fn complaint(&self, error: &Error<'_>, number: u64, at: Instant) -> Reply {
        self.answered(self.error(error, number, at), None, number, at)
    }

    /// The headers of a streamed reply; its status is 200.
    #[must_use]
    pub fn stream_headers(&self, told: &LimitsSnapshot, number: u64, at: Instant) -> Headers {
        self.headers(&Head { content: Content::Events, ..Head::new(200, Some(told), number, at) })
    }

    /// The list of the models. It carries no limit headers (evidence: captures of Groq, 2026; assumed of the others).
    #[must_use]
    pub fn models<'a>(&self, names: impl Iterator<Item = &'a str>, number: u64, at: Instant) -> Reply {
        let mut body = String::from(r#"{"object":"list","data":["#);
        for (index, name) in names.enumerate() {
            if index > 0 {
                body.push(',');
            }
            self.model(&mut body, name);
        }
        body.push_str("]}");
        Reply { status: 200, headers: self.headers(&Head::new(200, None, number, at)), body }
    }

    /// One model, without limit headers likewise.
    #[must_use]
    pub fn one_model(&self, name: &str, number: u64, at: Instant) -> Reply {
        let mut body = String::new();
        self.model(&mut body, name);
        Reply { status: 200, headers: self.headers(&Head::new(200, None, number, at)), body }
    }

    fn answered(&self, answer: Answer, told: Option<&LimitsSnapshot>, number: u64, at: Instant) -> Reply {
        let Answer { status, body, wait } = answer;
        let head = Head { wait, ..Head::new(status, told, number, at) };
        Reply { status, headers: self.headers(&head), body }
    }
}

impl<'a> Head<'a> {
    /// The head of a JSON reply.
    #[must_use]
    pub const fn new(status: u16, told: Option<&'a LimitsSnapshot>, number: u64, at: Instant) -> Self {
        Self { status, content: Content::Json, told, wait: None, usage: None, number, at }
    }
}

/// A success that no client can read: what a proxy in trouble answers.
const GARBAGE: &str =
    "<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>\n";
