//! Recorded exchanges: requests for chat completions with the replies of a real provider, which the mock sends again.

use super::answers::estimated_tokens;
use super::recorded_request::RecordedRequest;
use crate::wire::{RecordedCall, RecordedReply};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The replies of a list of recorded exchanges, by request.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// By [`RecordedRequest::text`].
    by_request: BTreeMap<Arc<str>, Replies>,
    /// [`RecordedRequest::prefixes`] of all requests.
    prefixes: BTreeSet<u64>,
    /// `true` if a request that is not recorded is refused, `false` if it is answered as if there were no records.
    refuses_others: bool,
    /// The size in memory of the texts, in bytes.
    bytes: usize,
}

/// The replies to one request, not empty.
#[derive(Clone, Debug, Default)]
struct Replies {
    /// In the order in which they were recorded.
    recordings: Vec<Recording>,
    /// The number of recordings that were taken, at most all of them.
    taken: usize,
    /// The indices of the recordings that were taken and put back.
    put_back: BTreeSet<usize>,
}

/// A recorded reply and its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recording {
    pub(super) reply: Arc<RecordedReply>,
    /// The recorded tokens of the prompt; `None` if the record has no usage.
    pub(super) prompt_tokens: Option<u32>,
    /// The tokens of the reply, recorded or estimated from its length; at least one for its text and one for its reasoning.
    pub(super) completion_tokens: u32,
    /// The reasoning tokens among them.
    pub(super) reasoning_tokens: u32,
    /// `true` once the reply is shorter than it was recorded.
    pub(super) is_cut: bool,
}

/// Identifies a record among those of a rule.
#[derive(Clone, Debug)]
pub(super) struct RecordId {
    /// [`RecordedRequest::text`].
    request: Arc<str>,
    /// Its position among the replies to this request.
    index: usize,
}

/// The result of looking up a request in records.
#[derive(Debug)]
pub(super) enum LookupResult {
    /// It is recorded: the next reply to it, and the id of the record with this reply.
    Recording(Recording, RecordId),
    /// It is not recorded and is refused for this reason.
    Refused(String),
}

impl Records {
    /// Reads records, each an object with a `request` and a `response`.
    ///
    /// # Errors
    /// The number of the first invalid record, from one, and the reason.
    pub(super) fn read(records: &[Value], refuses_others: bool) -> Result<Self, (usize, &'static str)> {
        let mut all = Self { refuses_others, ..Self::default() };
        for (number, record) in (1..).zip(records) {
            let (request, recording) = read_record(record).map_err(|reason| (number, reason))?;
            all.bytes += recording.bytes() + BYTES_PER_RECORD + request.prefixes.len() * BYTES_PER_PREFIX;
            all.prefixes.extend(request.prefixes);
            if !all.by_request.contains_key(request.text.as_str()) {
                all.bytes += request.text.len();
            }
            all.by_request.entry(request.text.into()).or_default().recordings.push(recording);
        }
        Ok(all)
    }

    /// Returns the approximate size in memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns `true` if the records answer or refuse a request. `request` is `None` if it is not a request for a chat
    /// completion.
    pub(super) fn applies_to(&self, request: Option<&RecordedRequest>) -> bool {
        self.refuses_others
            || request.is_some_and(|request| self.by_request.contains_key(request.text.as_str()))
    }

    /// Takes the next reply to a request. The last one is repeated.
    pub(super) fn take(&mut self, request: Option<&RecordedRequest>) -> LookupResult {
        let Some(request) = request else {
            return LookupResult::Refused(
                "this is not a request for a chat completion, and only those can be recorded".to_owned(),
            );
        };
        let Some(text) =
            self.by_request.get_key_value(request.text.as_str()).map(|(text, _)| Arc::clone(text))
        else {
            return LookupResult::Refused(self.difference(request));
        };
        let replies = self.by_request.entry(Arc::clone(&text)).or_default();
        let index = replies.put_back.pop_first().unwrap_or_else(|| {
            let next = replies.taken;
            replies.taken = (next + 1).min(replies.recordings.len());
            next.min(replies.recordings.len() - 1)
        });
        LookupResult::Recording(replies.recordings[index].clone(), RecordId { request: text, index })
    }

    /// Puts back a reply that was taken and not served, so that it is taken next.
    pub(super) fn put_back(&mut self, id: &RecordId) {
        if let Some(replies) = self.by_request.get_mut(&id.request) {
            // The last one need not be put back: it is served again in any case.
            if id.index + 1 < replies.recordings.len() {
                replies.put_back.insert(id.index);
            }
        }
    }

    /// Describes how many of the first messages of a request that is not recorded equal those of a recorded one. The text quotes
    /// nothing of the records.
    fn difference(&self, request: &RecordedRequest) -> String {
        let known = request.prefixes.iter().take_while(|prefix| self.prefixes.contains(prefix)).count();
        let all = request.prefixes.len();
        if known == all {
            "this request is not recorded: a recorded request begins with the same messages, but has more messages or different `tools`"
                .to_owned()
        } else {
            let (first, matching) = match known {
                0 => ("message".to_owned(), String::new()),
                1 => ("2 messages".to_owned(), "; the first matches".to_owned()),
                _ => (format!("{} messages", known + 1), format!("; the first {known} match")),
            };
            format!(
                "this request is not recorded: no recorded request begins with its first {first} (of {all}){matching}"
            )
        }
    }
}

/// Checks a record.
///
/// # Errors
/// The reason why it is invalid.
pub fn check_record(record: &Value) -> Result<(), &'static str> {
    read_record(record).map(drop)
}

fn read_record(record: &Value) -> Result<(RecordedRequest, Recording), &'static str> {
    let member = |name: &str, missing| record.get(name).and_then(body).ok_or(missing);
    let request =
        member("request", "it has no `request`: an object, the body of a request for a chat completion")?;
    let response = member("response", "it has no `response`: an object, the body of a chat completion")?;
    Ok((RecordedRequest::new(&request)?, Recording::read(&response)?))
}

/// Returns the body of a message: the object itself, or its member `body`, which may be a JSON text.
fn body(message: &Value) -> Option<Cow<'_, Value>> {
    match message.get("body") {
        Some(Value::String(text)) => serde_json::from_str(text).ok().filter(Value::is_object).map(Cow::Owned),
        Some(body) => Some(Cow::Borrowed(body)).filter(|body| body.is_object()),
        None => Some(Cow::Borrowed(message)).filter(|message| message.is_object()),
    }
}

impl Recording {
    /// Reads the body of a chat completion. If it has several choices, only the first is kept.
    ///
    /// # Errors
    /// The reason why it is not a chat completion.
    fn read(body: &Value) -> Result<Self, &'static str> {
        let choices = body["choices"].as_array().map_or(1, Vec::len);
        let choice = &body["choices"][0];
        let message = Some(&choice["message"]).filter(|message| message.is_object());
        let message = message.ok_or("the response has no `choices` with a `message`: record whole completions, not errors or chunks of streams")?;
        let reasoning = ["reasoning", "reasoning_content"].iter().find_map(|name| message[*name].as_str());
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let calls = calls.iter().map(call).collect::<Option<Vec<_>>>();
        let reply = RecordedReply {
            text: text(&message["content"])
                .ok_or("the `content` of the response is neither a text nor a list of parts")?,
            reasoning: reasoning.unwrap_or_default().to_owned(),
            calls: calls.ok_or(
                "a call among the `tool_calls` of the response has no function with a name and arguments",
            )?,
            finish: finish(&choice["finish_reason"]).ok_or(
                "the `finish_reason` of the response is not a word of at most 40 letters and underscores",
            )?,
        };
        Ok(Self::with_usage(reply, &body["usage"], u32::try_from(choices).unwrap_or(u32::MAX)))
    }

    /// Creates a recording with the tokens that the usage of a completion with this many choices states. Numbers that it lacks
    /// are estimated.
    fn with_usage(reply: RecordedReply, usage: &Value, choices: u32) -> Self {
        let count = |value: &Value| value.as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let of_calls = |call: &RecordedCall| call.name.chars().count() + call.arguments.chars().count();
        let reasoning = estimated_tokens(reply.reasoning.chars().count());
        let answer =
            estimated_tokens(reply.text.chars().count() + reply.calls.iter().map(of_calls).sum::<usize>());
        let all = reasoning.saturating_add(answer).max(1);
        let of_one = |value: &Value| count(value).map(|tokens| tokens / choices);
        // A stream sends a text that is not empty in at least one token.
        let [min_answer, min_reasoning] =
            [!reply.text.is_empty(), !reply.reasoning.is_empty()].map(u32::from);
        let completion_tokens =
            of_one(&usage["completion_tokens"]).unwrap_or(all).max(min_answer + min_reasoning).max(1);
        // If the usage has no count, reasoning has the same share of the tokens as of the characters.
        let share = u64::from(completion_tokens) * u64::from(reasoning) / u64::from(all);
        let recorded = of_one(&usage["completion_tokens_details"]["reasoning_tokens"]);
        let reasoning_tokens = recorded.unwrap_or(u32::try_from(share).unwrap_or(u32::MAX));
        Self {
            prompt_tokens: count(&usage["prompt_tokens"]),
            reasoning_tokens: reasoning_tokens.clamp(min_reasoning, completion_tokens - min_answer),
            completion_tokens,
            is_cut: false,
            reply: Arc::new(reply),
        }
    }

    /// Cuts the reply to its first `tokens` tokens: the reasoning comes first, and the text gets the rest. The characters of each
    /// are cut in proportion to its tokens. A reply with calls stays whole, because a part of a call could not be parsed.
    pub(super) fn shorten(&mut self, tokens: u32) {
        if tokens >= self.completion_tokens || !self.reply.calls.is_empty() {
            return;
        }
        let reply = Arc::make_mut(&mut self.reply);
        let reasoning_tokens = self.reasoning_tokens.min(tokens);
        cut(&mut reply.reasoning, reasoning_tokens, self.reasoning_tokens);
        cut(&mut reply.text, tokens - reasoning_tokens, self.completion_tokens - self.reasoning_tokens);
        self.is_cut = true;
    }

    fn bytes(&self) -> usize {
        let RecordedReply { text, reasoning, calls, finish } = &*self.reply;
        let of_call =
            |call: &RecordedCall| call.name.len() + call.arguments.len() + size_of::<RecordedCall>();
        text.len() + reasoning.len() + finish.len() + calls.iter().map(of_call).sum::<usize>()
    }
}

fn call(call: &Value) -> Option<RecordedCall> {
    let function = call.get("function")?;
    let arguments = match &function["arguments"] {
        Value::String(text) => text.clone(),
        // Some providers send an object.
        arguments @ Value::Object(_) => arguments.to_string(),
        _ => return None,
    };
    Some(RecordedCall { name: function["name"].as_str()?.to_owned(), arguments })
}

/// Returns the text of a content; empty if it is absent.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    }
}

/// Returns a finish reason: a word of letters and underscores, which needs no escapes; `stop` if it is absent.
fn finish(reason: &Value) -> Option<String> {
    if reason.is_null() {
        return Some("stop".to_owned());
    }
    let is_word = |word: &&str| {
        (1..=MAX_FINISH_BYTES).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    reason.as_str().filter(is_word).map(str::to_owned)
}

/// Cuts a text of `all` tokens to the characters of the first `tokens`.
fn cut(text: &mut String, tokens: u32, all: u32) {
    let chars = text.chars().count() as u64 * u64::from(tokens) / u64::from(all.max(1));
    let chars = usize::try_from(chars).unwrap_or(usize::MAX);
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
}

/// Maximum size of a finish reason in bytes.
const MAX_FINISH_BYTES: usize = 40;

/// The approximate memory of a record besides its texts, in bytes.
const BYTES_PER_RECORD: usize = 256;

/// The approximate memory of the fingerprint of one message, in bytes.
const BYTES_PER_PREFIX: usize = 16;
