//! The trait that a dialect implements, and the types of its arguments and results.
//!
//! ```text
//!  path, key ─▶ WireFormat::endpoint, WireFormat::key_locations the endpoint, and where the key may be
//!  decision  ─▶ dyn WireFormat::reply ─┬─ WireFormat::completion    the module of a dialect renders the parts,
//!                                      ├─ WireFormat::refusal
//!                                      ├─ WireFormat::error
//!                                      └─ WireFormat::headers       and this module assembles the reply
//! ```

use super::api::{Api, ReplyShape};
use super::chat::{self, CompletionFormat, Content, Finish};
use super::embeddings;
use super::endpoint::{self, Endpoint, Operation};
use super::error::Error;
use super::headers::Headers;
use super::json;
use super::limits_snapshot::LimitsSnapshot;
use super::models::{self, Model, ModelEntry};
use super::responses;
use super::stream::{self, Chunks};
use super::text_completion;
use super::transcript::Transcript;
use crate::calendar::Epoch;
use crate::call::Usage;
use crate::config::{Fault, Tier};
use crate::decision::{Decision, DecisionReport, Denial, Service};
use crate::time::{Instant, Nanos};
use serde::Serialize;
use std::fmt;

/// A whole HTTP reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers of the provider. The transport adds its own (`date`, `content-length`).
    pub headers: Headers,
    /// The body: JSON, except for a corrupt body, a plain transcript or server-sent events.
    pub body: String,
}

/// Everything that a reply depends on besides the decision and the limits.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model's name, as the client sent it.
    pub model: &'a str,
    /// The `system_fingerprint` of the model: [`system_fingerprint`](super::system_fingerprint) of its name. Computed once per
    /// model, because it takes 2 % of the instructions of a request (callgrind of `mock/benches`, 2026-11-29).
    pub system_fingerprint: &'a str,
    /// The account's name. Messages derive the id of the organisation from it.
    pub account: &'a str,
    /// The account's tier. The advice in a refusal depends on it, and at some providers the text.
    pub tier: Tier,
    /// The number of the request. Every id of the reply is derived from it.
    pub number: u64,
    /// The instant of the reply.
    pub at: Instant,
    /// The calendar time of [`Instant::ZERO`].
    pub epoch: Epoch,
    /// The reason why a served completion ends.
    pub finish: Finish,
    /// The content of a served completion.
    pub content: Content<'a>,
    /// The API of the request, and the options that change the shape of its reply.
    pub shape: ReplyShape<'a>,
}

/// The status and body of a call that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// The status code.
    pub status: u16,
    /// The body: JSON.
    pub body: String,
    /// The wait that headers announce; `None` if they announce none.
    pub wait: Option<Nanos>,
}

impl ErrorReply {
    /// Returns an error that announces no wait.
    #[must_use]
    pub const fn new(status: u16, body: String) -> Self {
        Self { status, body, wait: None }
    }

    /// Sets the wait that headers announce.
    #[must_use]
    pub fn with_wait(self, wait: Option<Nanos>) -> Self {
        Self { wait, ..self }
    }
}

/// The head of a reply before its headers are rendered: everything on which they depend.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status of the reply.
    pub status: u16,
    /// The media type of the body.
    pub media_type: MediaType,
    /// The limits after the decision; `None` if no limit was checked: the request was rejected before, or is never charged.
    pub snapshot: Option<&'a LimitsSnapshot>,
    /// The wait of an [`ErrorReply`].
    pub wait: Option<Nanos>,
    /// The usage of a served call; `None` if it is unknown when the head is sent, or if nothing is served.
    pub usage: Option<Usage>,
    /// The number of the request.
    pub number: u64,
    /// The instant of the reply.
    pub at: Instant,
    /// The calendar time of [`Instant::ZERO`].
    pub epoch: Epoch,
}

/// The media type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// A JSON value.
    Json,
    /// Server-sent events.
    EventStream,
    /// An HTML page.
    Html,
    /// Plain text.
    Text,
}

impl MediaType {
    /// Returns the value of `content-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::EventStream => "text/event-stream",
            Self::Html => "text/html",
            Self::Text => "text/plain",
        }
    }
}

/// Where a request may have the key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// `authorization: Bearer …`.
    Bearer,
    /// The header of this name. Its value is the key.
    Header(&'static str),
    /// The query parameter of this name. Its value is the key (Gemini).
    Query(&'static str),
}

/// The wire format of one kind of endpoint of a provider. Every method is a pure function of its arguments.
pub trait WireFormat: fmt::Debug + Sync {
    /// Returns the path that precedes those of the endpoints, such as `/openai/v1`. The base URL of most clients ends with it.
    fn base(&self) -> &'static str;

    /// Returns the path of completions of a model; if streamed completions have another path, that of whole ones.
    fn path(&self, _model: &str) -> String {
        format!("{}/chat/completions", self.base())
    }

    /// Returns where a request may have a key, in the order in which it is looked for.
    fn key_locations(&self) -> &'static [KeyLocation] {
        &[KeyLocation::Bearer]
    }

    /// Returns the endpoint of a path; `None` if no endpoint has it.
    fn endpoint<'p>(&self, path: &'p str) -> Option<Endpoint<'p>> {
        endpoint::compatible(path.strip_prefix(self.base())?, self.operations())
    }

    /// Returns the headers that distinguish requests in this format from those in another format of the dialect with the same
    /// path.
    fn marker_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the operations of the OpenAI-compatible API that the provider serves, besides chat completions and models.
    fn operations(&self) -> &'static [Operation] {
        &[]
    }

    /// Returns the length of the prefix of `path` that belongs to this format; zero if none does. A path that no format
    /// serves is answered in the format with the longest prefix.
    fn owned_prefix(&self, path: &str) -> usize {
        let rest = path.strip_prefix(self.base()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        rest.map_or(0, |_| self.base().len())
    }

    /// Returns the maximum of `n`, the number of completions per request.
    fn max_n(&self) -> u32 {
        u32::MAX
    }

    /// Returns the status of a refused call with `service_tier: flex` that is not oversize; `None` if it is refused like any
    /// other call.
    fn flex_refusal(&self) -> Option<u16> {
        None
    }

    /// Returns `true` if the headers of a whole reply report the limits after the call was settled, not on arrival.
    fn reports_limits_after_settling(&self) -> bool {
        false
    }

    /// Returns the path that clients ask for to open a connection early, which is no call; `None` if there is none.
    fn warming_path(&self) -> Option<&'static str> {
        None
    }

    /// Renders the body of a transcript in the reply to the request with this number.
    fn transcript(&self, transcript: Transcript, number: u64) -> (MediaType, String) {
        transcript.render(number, None)
    }

    /// Renders the headers of a reply.
    fn headers(&self, head: &Head<'_>) -> Headers;

    /// Renders the refusal of a call by a limit.
    fn refusal(&self, denial: &Denial, snapshot: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply;

    /// Renders any other error. `number` and `at` are as in [`Context`].
    fn error(&self, error: &Error<'_>, number: u64, at: Instant) -> ErrorReply;

    /// Returns the format of completions in OpenAI's shape.
    fn completion_format(&self) -> &'static CompletionFormat {
        &CompletionFormat::PLAIN
    }

    /// Renders the body of a whole completion.
    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        chat::completion(self.completion_format(), service, context)
    }

    /// Renders the server-sent events of a completion.
    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        stream::chunks(self.completion_format(), service, context)
    }

    /// Returns one entry of the list of models.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        models::openai_entry(model, "quotalab", |entry| entry)
    }

    /// Returns the body of the list of models, given its entries.
    fn model_list(&self, entries: &[ModelEntry]) -> String {
        models::openai_list(entries)
    }

    /// Returns the body that states the number of input tokens of a request.
    fn token_count(&self, tokens: u32) -> String {
        json::text(&TokenCount { object: "response.input_tokens", input_tokens: tokens })
    }
}

impl dyn WireFormat + '_ {
    /// Renders the whole reply to a call. Returns `None` if none is sent: a timeout or a reset.
    ///
    /// A service that is [aborted](crate::decision::Service::aborted) is rendered whole; the sender truncates it.
    ///
    /// # Panics
    /// If the decision is a fault that modifies a reply (slow, cut, a corrupt body, a false wait) instead of replacing it: the
    /// provider's state machine returns those as services and denials.
    #[must_use]
    pub fn reply(
        &self,
        report: &DecisionReport,
        snapshot: &LimitsSnapshot,
        context: &Context<'_>,
    ) -> Option<Reply> {
        let reply = match &report.decision {
            Decision::Admitted(service) => return Some(self.success(service, snapshot, context)),
            Decision::Refused(denial) => self.refusal(denial, snapshot, context),
            Decision::TooLong(too_long) => {
                self.error(&Error::TooLong(*too_long, context.model), context.number, context.at)
            }
            Decision::Faulted(Fault::Timeout | Fault::Reset) => return None,
            Decision::Faulted(fault) => {
                let error = Error::from_fault(*fault, context.model).unwrap_or_else(|| {
                    unreachable!("invariant: the fault replaces the reply, found {fault:?}")
                });
                let reply = self.error(&error, context.number, context.at);
                match fault {
                    Fault::Throttle(wait) => reply.with_wait(Some(*wait)),
                    Fault::ErrorInside => ErrorReply { status: 200, wait: None, ..reply },
                    _ => reply,
                }
            }
        };
        Some(self.with_headers(reply, Some(snapshot), context.number, (context.at, context.epoch)))
    }

    fn success(&self, service: &Service, snapshot: &LimitsSnapshot, context: &Context<'_>) -> Reply {
        let (media_type, body) = match context.content {
            _ if service.corrupt_body => (MediaType::Html, CORRUPT_BODY.to_owned()),
            Content::Transcript(transcript) => self.transcript(transcript, context.number),
            _ => (MediaType::Json, self.body(service, context)),
        };
        let head = Head::new(200, Some(snapshot), context.number, (context.at, context.epoch));
        let head = Head { media_type, usage: Some(service.usage), ..head };
        Reply { status: 200, headers: self.headers(&head), body }
    }

    /// Renders the body of a whole success in the API of the request.
    fn body(&self, service: &Service, context: &Context<'_>) -> String {
        match context.shape.api {
            Api::Completion | Api::CompletionArray => self.completion(service, context),
            Api::TextCompletion => text_completion::body(self.completion_format(), service, context),
            Api::Responses(request) => responses::body(request, service, context),
            Api::Embeddings(request) => embeddings::body(request, self.completion_format(), service, context),
        }
    }

    /// Renders the server-sent events of a success in the API of the request.
    #[must_use]
    pub fn events(&self, service: &Service, context: &Context<'_>) -> Chunks {
        match context.shape.api {
            Api::TextCompletion => text_completion::chunks(self.completion_format(), service, context),
            Api::Responses(request) => responses::chunks(request, service, context),
            // Embeddings are never streamed.
            Api::Completion | Api::CompletionArray | Api::Embeddings(_) => self.chunks(service, context),
        }
    }

    /// Renders the reply to a request that is rejected before any limit is checked.
    #[must_use]
    pub fn request_error(&self, error: &Error<'_>, number: u64, at: Instant, epoch: Epoch) -> Reply {
        self.with_headers(self.error(error, number, at), None, number, (at, epoch))
    }

    /// Renders the headers of a streamed reply. Its status is 200.
    #[must_use]
    pub fn stream_headers(&self, snapshot: &LimitsSnapshot, context: &Context<'_>) -> Headers {
        let media_type = match context.shape.api {
            Api::CompletionArray => MediaType::Json,
            _ => MediaType::EventStream,
        };
        let head = Head::new(200, Some(snapshot), context.number, (context.at, context.epoch));
        self.headers(&Head { media_type, ..head })
    }

    /// Renders a success that is not charged to any limit: a list of models, one of them, or a count of tokens. It has no limit
    /// headers (evidence: captures of Groq's list, 2026; assumed of the others).
    #[must_use]
    pub fn free_reply(&self, body: String, number: u64, at: Instant, epoch: Epoch) -> Reply {
        let head = Head::new(200, None, number, (at, epoch));
        Reply { status: 200, headers: self.headers(&head), body }
    }

    /// Returns the body of the list of the models.
    #[must_use]
    pub fn models<'a>(&self, models: impl Iterator<Item = Model<'a>>) -> String {
        let entries: Vec<ModelEntry> = models.map(|model| self.model(&model)).collect();
        self.model_list(&entries)
    }

    /// Returns the body of the entry of one model.
    #[must_use]
    pub fn model_detail(&self, model: &Model<'_>) -> String {
        self.model(model).text
    }

    fn with_headers(
        &self,
        reply: ErrorReply,
        snapshot: Option<&LimitsSnapshot>,
        number: u64,
        time: (Instant, Epoch),
    ) -> Reply {
        let ErrorReply { status, body, wait } = reply;
        let head = Head { wait, ..Head::new(status, snapshot, number, time) };
        Reply { status, headers: self.headers(&head), body }
    }
}

impl<'a> Head<'a> {
    /// Returns the head of a JSON reply without a wait or usage.
    #[must_use]
    pub const fn new(
        status: u16,
        snapshot: Option<&'a LimitsSnapshot>,
        number: u64,
        (at, epoch): (Instant, Epoch),
    ) -> Self {
        let media_type = MediaType::Json;
        Self { status, media_type, snapshot, wait: None, usage: None, number, at, epoch }
    }
}

/// The number of input tokens of a request in OpenAI's shape (`/responses/input_tokens`, documented).
#[derive(Serialize)]
struct TokenCount {
    object: &'static str,
    input_tokens: u32,
}

/// The body of a success that is not JSON, like the challenge page of a content delivery network.
const CORRUPT_BODY: &str =
    "<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>\n";
