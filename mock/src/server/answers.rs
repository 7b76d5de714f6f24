//! The answers that a test sets: fixed texts, echoes, tool calls, JSON, faults, and sequences of them, for all requests, for
//! those of a scope or whose prompt matches a pattern, or in a header for one request.
//!
//! An answer replaces the content that the request asks for, and its length; limits, latency and faults stay. Each request in
//! the scope of a rule takes the rule's next step, whether or not a limit then refuses it. Of several rules the latest counts.

use super::Mock;
use super::admission::ParsedRequest;
use super::context::RequestContext;
use super::control::answer_from_header;
use super::fault_queue::{CallFacts, Scope};
use super::prompt_text::last_user_text;
use super::reply_content::ReplyContent;
use super::request::invalid;
use super::shape::RequestApi;
use crate::config::Fault;
use crate::wire::Error;
use regex::bytes::Regex;
use serde_json::Value;
use std::cell::LazyCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
pub(super) struct Rule {
    /// The JSON with which it was set.
    pub(super) spec: Value,
    pub(super) scope: Scope,
    /// The prompts that it answers; all if absent.
    pub(super) prompt: Option<PromptPattern>,
    /// One after another, then from the start. Not empty.
    pub(super) steps: Vec<Answer>,
    /// The number of requests that it has answered.
    pub(super) answered: u64,
    /// The number of further requests that it answers; `None` if it is not bounded.
    pub(super) remaining: Option<u64>,
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

/// The answers that were set.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// `true` if there is a rule.
    is_set: AtomicBool,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    current: Vec<Rule>,
    /// Those that a reset restores.
    initial: Vec<Rule>,
}

/// What an answer changes besides the content of the reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerEffect {
    pub(super) fault: Option<Fault>,
    /// The length of the completion in tokens; `None` if the answer does not change it.
    pub(super) completion_tokens: Option<u32>,
}

impl Answers {
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Adds rules until the next reset. Returns `false` and adds none if there would be more than [`MAX_RULES`].
    pub(super) fn add(&self, rules: Vec<Rule>) -> bool {
        let mut locked = self.rules();
        if locked.current.len() + rules.len() > MAX_RULES {
            return false;
        }
        locked.current.extend(rules);
        self.is_set.store(!locked.current.is_empty(), Ordering::Relaxed);
        true
    }

    /// Adds rules, as [`Answers::add`] does, that a reset restores.
    fn add_initial(&self, rules: Vec<Rule>) -> bool {
        let is_added = self.add(rules.clone());
        if is_added {
            self.rules().initial.extend(rules);
        }
        is_added
    }

    /// Removes all rules.
    pub(super) fn clear(&self) {
        self.rules().current.clear();
        self.is_set.store(false, Ordering::Relaxed);
    }

    /// Restores the rules at the start.
    pub(super) fn reset(&self) {
        let mut rules = self.rules();
        rules.current = rules.initial.clone();
        self.is_set.store(!rules.current.is_empty(), Ordering::Relaxed);
    }

    /// Calls `read` with the rules.
    pub(super) fn read<T>(&self, read: impl FnOnce(&[Rule]) -> T) -> T {
        read(&self.rules().current)
    }

    /// Takes the next answer of the latest rule for a call with this prompt; `None` if there is none. The prompt is read only
    /// for rules that depend on it.
    fn take<'p>(&self, facts: CallFacts<'_>, prompt: impl Fn() -> Option<&'p str>) -> Option<Answer> {
        let mut rules = self.rules();
        let matches_prompt = |pattern: &PromptPattern| {
            prompt().is_some_and(|prompt| match pattern {
                PromptPattern::Is(text) => text == prompt,
                PromptPattern::Matches(regex) => regex.is_match(prompt.as_bytes()),
            })
        };
        let answers = |rule: &&mut Rule| {
            rule.remaining != Some(0)
                && rule.scope.contains(facts)
                && rule.prompt.as_ref().is_none_or(matches_prompt)
        };
        let rule = rules.current.iter_mut().rev().find(answers)?;
        let step = usize::try_from(rule.answered).unwrap_or(usize::MAX) % rule.steps.len();
        rule.answered += 1;
        rule.remaining = rule.remaining.map(|remaining| remaining - 1);
        Some(rule.steps[step].clone())
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the answer that was set for a request, if there is one.
///
/// # Errors
/// [`Error::Invalid`] if the header `x-quotalab-answer` is not understood.
pub(super) fn apply(
    context: &mut RequestContext<'_>,
    account: u16,
    request: &mut ParsedRequest,
) -> Result<(), Error<'static>> {
    let is_set = context.mock.answers.is_set();
    let has_no_text = matches!(request.content, ReplyContent::Transcript(_))
        || matches!(request.shape.api, RequestApi::Embeddings(_));
    if has_no_text || (!is_set && context.origin.answer.is_none()) {
        return Ok(());
    }
    let header = context.origin.answer.take();
    // Parses the body again: only for rules and answers that depend on it.
    let prompt = LazyCell::new(|| context.origin.body.as_deref().and_then(last_user_text));
    let answer = match header {
        Some(header) => Some(answer_from_header(header.as_bytes()).map_err(invalid)?),
        None => context.mock.find_model(&request.model).and_then(|model| {
            let facts = CallFacts { account, model, path: context.path() };
            context.mock.answers.take(facts, || prompt.as_deref())
        }),
    };
    let content = match answer {
        None | Some(Answer::Default) => return Ok(()),
        Some(Answer::Fault(fault)) => {
            context.answer.fault = Some(fault);
            return Ok(());
        }
        Some(Answer::Text(text)) => ReplyContent::Fixed(text),
        Some(Answer::Echo) => ReplyContent::Fixed(prompt.as_deref().unwrap_or_default().to_owned()),
        Some(Answer::Json(text)) => ReplyContent::Json(text),
        Some(Answer::Tool { name, arguments }) => ReplyContent::ToolCall { name, arguments },
    };
    let chars = match &content {
        ReplyContent::Fixed(text) | ReplyContent::Json(text) => text.chars().count(),
        ReplyContent::ToolCall { name, arguments } => name.chars().count() + arguments.chars().count(),
        ReplyContent::Text | ReplyContent::Transcript(_) => 0,
    };
    context.answer.completion_tokens =
        Some(u32::try_from(chars.div_ceil(CHARS_PER_TOKEN)).unwrap_or(u32::MAX).max(1));
    request.content = content;
    Ok(())
}

/// Characters per token of an answer: OpenAI's rule of thumb for English, as for prompts.
const CHARS_PER_TOKEN: usize = 4;

/// Shortens a text to what `tokens` hold.
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
    /// Returns the problem and the remedy: of the first rule that is wrong, or of too many rules.
    pub fn set_answers(&self, rules: &[Value]) -> Result<(), (String, String)> {
        let rules = super::control::answer_rules(self, rules)?;
        if !self.answers.add_initial(rules) {
            return Err((format!("more than {MAX_RULES} answers"), "use fewer".to_owned()));
        }
        Ok(())
    }
}
