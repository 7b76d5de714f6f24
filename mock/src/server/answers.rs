//! The answers that a test sets: fixed texts, echoes, tool calls, JSON, faults, sequences of them, and recorded replies, for all
//! requests, for those of a scope or whose prompt matches a pattern, or in a header for one request.
//!
//! An answer replaces the content that the request asks for, and its length; limits, latency and faults stay. Each request in
//! the scope of a rule takes the rule's next step, whether or not a limit then refuses it; but a record is taken only by a request
//! that is served, so that a retry gets the record of the attempt before it. If several rules match a request, the one that was
//! added last answers it.

use super::Mock;
use super::admission::ParsedRequest;
use super::context::RequestContext;
use super::control::answer_from_header;
use super::injected_faults::{CallFacts, Scope};
use super::prompt_text::last_user_text;
use super::recorded_request::RecordedRequest;
use super::records::{LookupResult, RecordId, Recording, Records};
use super::reply_content::ReplyContent;
use super::request::invalid;
use super::shape::RequestApi;
use crate::config::Fault;
use crate::decision::Decision;
use crate::wire::{Error, Reasoning, ReasoningPlace};
use regex::bytes::Regex;
use serde_json::Value;
use std::cell::LazyCell;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// The content that the request asks for.
    Default,
    /// A fault, such as an error with a status.
    Fault(Fault),
    /// This text.
    Text(String),
    /// The last message of the user.
    Echo,
    /// This JSON text.
    Json(String),
    /// A call of this function with these arguments, a JSON object.
    Tool { name: String, arguments: String },
}

/// The answers to the requests of a scope.
#[derive(Clone, Debug)]
pub(super) struct AnswerRule {
    /// Identifies it among all that were ever set; assigned when it is added.
    pub(super) id: u64,
    /// The JSON with which it was set.
    pub(super) spec: Value,
    pub(super) scope: Scope,
    /// The prompts that it answers; all if `None`.
    pub(super) prompt: Option<PromptPattern>,
    pub(super) source: Source,
    /// The number of requests that it has answered.
    pub(super) answered: u64,
    /// The number of further requests that it answers; `None` if it is not bounded.
    pub(super) remaining: Option<u64>,
}

/// Where a rule takes its answers from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// These answers, one after another, and then from the start again. The list is not empty.
    Steps(Vec<Answer>),
    /// Recorded exchanges.
    Records(Records),
}

/// The answer that was selected for a request.
#[derive(Debug)]
enum SelectedAnswer {
    Answer(Answer),
    /// The result of the lookup in the records of a rule, and the id of the rule.
    Recorded(LookupResult, u64),
}

/// A record that was taken for a request. If it is dropped, the record is put back; see [`TakenRecord::leave_taken`].
#[derive(Debug)]
pub(super) struct TakenRecord {
    /// `None` once the record has been served.
    mock: Option<Arc<Mock>>,
    rule: u64,
    record: RecordId,
}

impl TakenRecord {
    /// Leaves the record taken, because it has been served.
    pub(super) fn leave_taken(mut self) {
        self.mock = None;
    }
}

impl Drop for TakenRecord {
    fn drop(&mut self) {
        if let Some(mock) = &self.mock {
            mock.answers.put_back(self);
        }
    }
}

/// A condition on the last message of the user.
#[derive(Clone, Debug)]
pub(super) enum PromptPattern {
    /// It is this text.
    Is(String),
    /// This expression matches a part of it.
    Matches(Regex),
}

/// Maximum number of rules.
pub(super) const MAX_RULES: usize = 10_000;

/// Maximum memory of the records of all rules, in bytes: several files of the size that a scenario may name.
pub(super) const MAX_RECORDS_BYTES: usize = 64 << 20;

/// The answers that were set.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// `true` if there is a rule.
    is_set: AtomicBool,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    current: Vec<AnswerRule>,
    /// The rules that a reset restores.
    initial: Vec<AnswerRule>,
    /// The id of the next rule.
    next_id: u64,
}

impl Rules {
    /// Adds rules under the next ids.
    fn extend(&mut self, rules: Vec<AnswerRule>) {
        for rule in rules {
            self.current.push(AnswerRule { id: self.next_id, ..rule });
            self.next_id += 1;
        }
    }
}

/// What an answer changes besides the content of the reply.
#[derive(Debug, Default)]
pub(super) struct AnswerEffect {
    pub(super) fault: Option<Fault>,
    /// The length of the completion in tokens; `None` if the answer does not change it.
    pub(super) completion_tokens: Option<u32>,
    /// The record whose reply is the content, until admission takes it. Boxed because few requests have one.
    pub(super) record: Option<Box<TakenRecord>>,
}

impl TakenRecord {
    /// Returns `true` if a record is served whole after this decision. Otherwise the caller must drop it, which puts it back,
    /// before the reply is sent.
    pub(super) fn is_served(decision: &Decision) -> bool {
        matches!(decision, Decision::Admitted(service) if service.is_readable())
    }
}

impl Answers {
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Adds rules until the next reset.
    ///
    /// # Errors
    /// If there would be more than [`MAX_RULES`], or records of more than [`MAX_RECORDS_BYTES`]; none is added then.
    pub(super) fn add(&self, rules: Vec<AnswerRule>) -> Result<(), String> {
        let mut locked = self.rules();
        if locked.current.len() + rules.len() > MAX_RULES {
            return Err(format!("more than {MAX_RULES} answers"));
        }
        let bytes: usize = locked.current.iter().chain(&rules).map(AnswerRule::records_bytes).sum();
        if bytes > MAX_RECORDS_BYTES {
            return Err(format!(
                "the recorded answers take more than {} MiB of memory",
                MAX_RECORDS_BYTES >> 20
            ));
        }
        locked.extend(rules);
        self.is_set.store(!locked.current.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Adds rules, as [`Answers::add`] does, that a reset restores.
    fn add_initial(&self, rules: Vec<AnswerRule>) -> Result<(), String> {
        self.add(rules.clone())?;
        self.rules().initial.extend(rules);
        Ok(())
    }

    /// Removes all rules.
    pub(super) fn clear(&self) {
        self.rules().current.clear();
        self.is_set.store(false, Ordering::Relaxed);
    }

    /// Replaces all rules by those that were set at the start.
    pub(super) fn reset(&self) {
        let mut rules = self.rules();
        rules.current.clear();
        let initial = rules.initial.clone();
        rules.extend(initial);
        self.is_set.store(!rules.current.is_empty(), Ordering::Relaxed);
    }

    /// Calls `read` with the rules.
    pub(super) fn read<T>(&self, read: impl FnOnce(&[AnswerRule]) -> T) -> T {
        read(&self.rules().current)
    }

    /// Takes the next answer of the latest rule that matches a call; `None` if no rule does. `prompt` returns the prompt of the
    /// call and `request` its request for a chat completion; they are called only for rules that depend on them.
    fn take<'p>(
        &self,
        facts: CallFacts<'_>,
        prompt: impl Fn() -> Option<&'p str>,
        request: impl Fn() -> Option<&'p RecordedRequest>,
    ) -> Option<SelectedAnswer> {
        let mut rules = self.rules();
        let matches_prompt = |pattern: &PromptPattern| {
            prompt().is_some_and(|prompt| match pattern {
                PromptPattern::Is(text) => text == prompt,
                PromptPattern::Matches(regex) => regex.is_match(prompt.as_bytes()),
            })
        };
        let applies = |rule: &&mut AnswerRule| {
            rule.remaining != Some(0)
                && rule.scope.contains(facts)
                && rule.prompt.as_ref().is_none_or(matches_prompt)
                && match &rule.source {
                    Source::Steps(_) => true,
                    Source::Records(records) => records.applies_to(request()),
                }
        };
        let rule = rules.current.iter_mut().rev().find(applies)?;
        let answered = usize::try_from(rule.answered).unwrap_or(usize::MAX);
        rule.answered += 1;
        rule.remaining = rule.remaining.map(|remaining| remaining - 1);
        Some(match &mut rule.source {
            Source::Steps(steps) => SelectedAnswer::Answer(steps[answered % steps.len()].clone()),
            Source::Records(records) => SelectedAnswer::Recorded(records.take(request()), rule.id),
        })
    }

    /// Puts a record back, if its rule still exists.
    fn put_back(&self, taken: &TakenRecord) {
        let mut rules = self.rules();
        let Some(rule) = rules.current.iter_mut().find(|rule| rule.id == taken.rule) else { return };
        if let Source::Records(records) = &mut rule.source {
            records.put_back(&taken.record);
            rule.answered -= 1;
            rule.remaining = rule.remaining.map(|remaining| remaining + 1);
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerRule {
    fn records_bytes(&self) -> usize {
        match &self.source {
            Source::Steps(_) => 0,
            Source::Records(records) => records.bytes(),
        }
    }
}

/// Applies the answer that was set for a request, if there is one. `is_chat` is `true` for a request for a chat completion in
/// OpenAI's format: records contain only these.
///
/// # Errors
/// [`Error::Invalid`] if the header `x-quotalab-answer` is malformed, or if the request is refused because it is not recorded.
pub(super) fn apply(
    context: &mut RequestContext<'_>,
    account: u16,
    request: &mut ParsedRequest,
    is_chat: bool,
) -> Result<(), Error<'static>> {
    let is_set = context.mock.answers.is_set();
    let has_no_text = matches!(request.content, ReplyContent::Transcript(_))
        || matches!(request.shape.api, RequestApi::Embeddings(_));
    if has_no_text || (!is_set && context.origin.answer_header.is_none()) {
        return Ok(());
    }
    let header = context.origin.answer_header.take();
    // Each of these parses the body again, so they are evaluated only for rules and answers that depend on them.
    let prompt = LazyCell::new(|| context.origin.body.as_deref().and_then(last_user_text));
    let recorded = LazyCell::new(|| {
        let body = context.origin.body.as_deref().filter(|_| is_chat)?;
        RecordedRequest::new(&serde_json::from_slice(body).ok()?).ok()
    });
    let selected = match header {
        Some(header) => Some(SelectedAnswer::Answer(answer_from_header(header.as_bytes()).map_err(invalid)?)),
        None => context.mock.find_model(&request.model).and_then(|model| {
            let facts = CallFacts { account, model, path: context.path() };
            context.mock.answers.take(facts, || prompt.as_deref(), || recorded.as_ref())
        }),
    };
    let answer = match selected {
        Some(SelectedAnswer::Answer(answer)) => Some(answer),
        Some(SelectedAnswer::Recorded(LookupResult::Recording(recording, record), rule)) => {
            let mock = Some(Arc::clone(context.mock));
            context.answer_effect.record = Some(Box::new(TakenRecord { mock, rule, record }));
            context.answer_effect.completion_tokens = Some(recording.completion_tokens);
            apply_recording(recording, request);
            return Ok(());
        }
        Some(SelectedAnswer::Recorded(LookupResult::Refused(reason), _)) => {
            return Err(invalid(format!("quotalab: {reason}")));
        }
        None => None,
    };
    let content = match answer {
        None | Some(Answer::Default) => return Ok(()),
        Some(Answer::Fault(fault)) => {
            context.answer_effect.fault = Some(fault);
            return Ok(());
        }
        Some(Answer::Text(text)) => ReplyContent::Text(text),
        Some(Answer::Echo) => ReplyContent::Text(prompt.as_deref().unwrap_or_default().to_owned()),
        Some(Answer::Json(text)) => ReplyContent::Json(text),
        Some(Answer::Tool { name, arguments }) => ReplyContent::ToolCall { name, arguments },
    };
    let chars = match &content {
        ReplyContent::Text(text) | ReplyContent::Json(text) => text.chars().count(),
        ReplyContent::ToolCall { name, arguments } => name.chars().count() + arguments.chars().count(),
        ReplyContent::Filler | ReplyContent::Recorded(_) | ReplyContent::Transcript(_) => 0,
    };
    let tokens = estimated_tokens(chars).max(1);
    // Reasoning tokens are added to those of the answer: reasoning does not shorten an answer that was set.
    let reasoning = request.shape.reasoning;
    context.answer_effect.completion_tokens =
        Some(reasoning.map_or(tokens, |reasoning| reasoning.with_answer(tokens)));
    request.content = content;
    Ok(())
}

/// Makes a recorded reply the content of a request. Its reasoning is placed where the request asks for it, by default in a member
/// of the message.
fn apply_recording(recording: Recording, request: &mut ParsedRequest) {
    if let Some(tokens) = recording.prompt_tokens {
        request.prompt_tokens = tokens;
    }
    request.shape.reasoning = (recording.reasoning_tokens > 0).then(|| Reasoning {
        place: match request.shape.reasoning {
            _ if recording.reply.reasoning.is_empty() => ReasoningPlace::Hidden,
            Some(reasoning) => reasoning.place,
            None => ReasoningPlace::Member,
        },
        quarters: 4,
        most: NonZeroU32::new(recording.reasoning_tokens),
    });
    request.content = ReplyContent::Recorded(Box::new(recording));
}

/// Characters per token of an answer: OpenAI's rule of thumb for English, as for prompts.
const CHARS_PER_TOKEN: usize = 4;

/// Returns the estimated tokens of a text that was set or recorded, given its number of characters.
pub(super) fn estimated_tokens(chars: usize) -> u32 {
    u32::try_from(chars.div_ceil(CHARS_PER_TOKEN)).unwrap_or(u32::MAX)
}

/// Truncates a text to the estimated length of `tokens` tokens.
pub(super) fn shorten(text: &mut String, tokens: u32) {
    let chars = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(CHARS_PER_TOKEN);
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
}

impl Mock {
    /// Sets the answers of a file or a scenario: a list of rules, each as the control plane accepts it. A reset restores them.
    ///
    /// # Errors
    /// Returns the problem and the remedy: of the first rule that is wrong, or of too many rules or too large records.
    pub fn set_answers(&self, rules: &[Value]) -> Result<(), (String, String)> {
        let rules = super::control::parse_answer_rules(self, rules)?;
        self.answers
            .add_initial(rules)
            .map_err(|problem| (problem, "use fewer or shorter answers".to_owned()))
    }
}
