//! Answers: `{"text": "Hello"}`, `{"prompt": "weather", "tool": {"name": "f", "arguments": {}}}`,
//! `{"sequence": [503, 429, "ok", {"text": "Hello"}]}`, `{"recorded": [{"request": {}, "response": {}}]}`.

use super::error::{Error, Input, JsonBody, shortened};
use super::{faults, names};
use crate::server::Mock;
use crate::server::answers::{Answer, AnswerRule, PromptPattern, Source};
use crate::server::records::Records;
use axum::Json;
use axum::extract::State;
use regex::bytes::RegexBuilder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::num::NonZeroU64;
use std::sync::Arc;

/// An answer and the requests that it is for.
#[derive(Deserialize)]
struct RuleSpec {
    /// The name of the only model; all if absent.
    model: Option<String>,
    /// The name of the only account; all if absent.
    account: Option<String>,
    /// The only path, or a prefix of paths followed by `*`; all if absent.
    path: Option<String>,
    /// A regular expression that matches a part of the last message of the user.
    prompt: Option<String>,
    /// The last message of the user.
    prompt_is: Option<String>,
    /// The number of requests that it answers; unlimited if absent, except for a sequence, which is used once.
    next: Option<NonZeroU64>,
    /// The answers to successive requests.
    sequence: Option<Vec<Value>>,
    /// Present if the rule has recorded exchanges, which are parsed separately, from the JSON of the rule.
    recorded: Option<IgnoredAny>,
    /// What happens to requests that are not recorded; [`Unrecorded::Answer`] if absent.
    unrecorded: Option<Unrecorded>,
    /// The members of a single answer.
    #[serde(flatten)]
    answer: Map<String, Value>,
}

/// What happens to requests that are not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unrecorded {
    /// They are answered as if there were no records.
    #[default]
    Answer,
    /// They are refused.
    Refuse,
}

const HELP: &str = r#"send {"text": "Hello"}, {"echo": true}, {"json": {"a": 1}}, {"tool": {"name": "f", "arguments": {}}}, {"fault": "503"}, {"sequence": [503, 429, "ok", {"text": "Hello"}]} or {"recorded": [{"request": {…}, "response": {…}}], "unrecorded": "refuse"}; "prompt" (a pattern), "prompt_is", "model", "account", "path" and "next" are optional; send a list to set several answers"#;

/// One rule or a list of rules.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Rules(Value);

impl Input for Rules {
    const HELP: &str = HELP;
}

/// Lists the rules in the order in which they were added.
pub(super) async fn list(State(mock): State<Arc<Mock>>) -> Json<Value> {
    let rule =
        |rule: &AnswerRule| json!({ "rule": rule.spec, "answered": rule.answered, "next": rule.remaining });
    Json(json!({ "answers": mock.answers.read(|rules| rules.iter().map(rule).collect::<Vec<_>>()) }))
}

/// Removes every rule.
pub(super) async fn clear(State(mock): State<Arc<Mock>>) -> Json<Value> {
    mock.answers.clear();
    list(State(mock)).await
}

/// Adds rules.
pub(super) async fn add(
    State(mock): State<Arc<Mock>>,
    JsonBody(Rules(rules)): JsonBody<Rules>,
) -> Result<Json<Value>, Error> {
    let rules = match rules {
        Value::Array(rules) => rules,
        rule => vec![rule],
    };
    let added = mock.answers.add(parse_all(&mock, &rules)?);
    added.map_err(|problem| Error::new(problem, "remove some: DELETE /_quotalab/answers"))?;
    Ok(list(State(mock)).await)
}

/// Parses rules.
fn parse_all(mock: &Mock, rules: &[Value]) -> Result<Vec<AnswerRule>, Error> {
    rules.iter().map(|rule| parse_rule(mock, rule)).collect()
}

/// Parses rules, as [`parse_all`] does, but returns an error as the texts of its problem and its remedy.
pub(in crate::server) fn parse_answer_rules(
    mock: &Mock,
    rules: &[Value],
) -> Result<Vec<AnswerRule>, (String, String)> {
    parse_all(mock, rules).map_err(|error| (error.message, error.help))
}

fn parse_rule(mock: &Mock, rule: &Value) -> Result<AnswerRule, Error> {
    let spec =
        RuleSpec::deserialize(rule).map_err(|error| Error::new(shortened(&error.to_string()), HELP))?;
    let sequence_length = spec.sequence.as_ref().map(|steps| steps.len() as u64);
    let source = match (spec.sequence, spec.recorded, spec.answer.is_empty()) {
        (Some(steps), None, true) if !steps.is_empty() => {
            Source::Steps(steps.iter().map(parse_answer).collect::<Result<Vec<_>, _>>()?)
        }
        (None, Some(_), true) => Source::Records(parse_records(&rule["recorded"], spec.unrecorded)?),
        (None, None, false) => Source::Steps(vec![parse_answer(&Value::Object(spec.answer))?]),
        _ => {
            let message =
                "either one answer, a sequence of answers or a list of recorded exchanges is expected";
            return Err(Error::new(message, HELP));
        }
    };
    if spec.unrecorded.is_some() && matches!(source, Source::Steps(_)) {
        return Err(Error::new("`unrecorded` needs `recorded`", HELP));
    }
    let pattern = |text: String| {
        let regex = RegexBuilder::new(&text).unicode(false).size_limit(1 << 20).build();
        regex.map(PromptPattern::Matches).map_err(|error| {
            Error::new(
                format!("invalid pattern: {}", shortened(&error.to_string())),
                "write a regular expression",
            )
        })
    };
    let prompt = match (spec.prompt, spec.prompt_is) {
        (None, None) => None,
        (Some(text), None) => Some(pattern(text)?),
        (None, Some(text)) => Some(PromptPattern::Is(text)),
        _ => return Err(Error::new("both `prompt` and `prompt_is` are given", HELP)),
    };
    // When rules are listed, the number of records replaces the records.
    let members = rule.as_object().into_iter().flatten().map(|(name, value)| match value {
        Value::Array(records) if name == "recorded" => (name.clone(), records.len().into()),
        value => (name.clone(), value.clone()),
    });
    let listed = Value::Object(members.collect());
    Ok(AnswerRule {
        id: 0,
        spec: listed,
        scope: names::scope(mock, spec.account.as_deref(), spec.model.as_deref(), spec.path)?,
        prompt,
        source,
        answered: 0,
        remaining: spec.next.map(NonZeroU64::get).or(sequence_length),
    })
}

/// Parses recorded exchanges. An error states the number of the invalid one, from one, and the reason, but quotes none of it.
fn parse_records(records: &Value, unrecorded: Option<Unrecorded>) -> Result<Records, Error> {
    let Value::Array(records) = records else {
        return Err(Error::new(
            "`recorded` is a list of exchanges; only a scenario may name a file instead",
            HELP,
        ));
    };
    let refuses_others = unrecorded.unwrap_or_default() == Unrecorded::Refuse;
    Records::read(records, refuses_others)
        .map_err(|(number, reason)| Error::new(format!("record {number}: {reason}"), HELP))
}

/// Parses an answer: `"ok"` or 200 for the default, `"echo"`, a status or the name of a fault, or an object with exactly one
/// member.
fn parse_answer(answer: &Value) -> Result<Answer, Error> {
    let unknown = || Error::new(format!("unknown answer {}", shortened(&answer.to_string())), HELP);
    let (name, value) = match answer {
        Value::String(name) if name == "echo" => return Ok(Answer::Echo),
        Value::String(_) | Value::Number(_) => {
            return Ok(faults::parse_step(answer)?.map_or(Answer::Default, Answer::Fault));
        }
        Value::Object(members) if members.len() == 1 => members.iter().next().ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    match (name.as_str(), value) {
        ("text", Value::String(text)) => Ok(Answer::Text(text.clone())),
        ("echo", Value::Bool(true)) => Ok(Answer::Echo),
        ("json", value) => Ok(Answer::Json(value.to_string())),
        ("fault", fault) => faults::parse(fault).map(Answer::Fault),
        ("tool", tool) => {
            let arguments = match &tool["arguments"] {
                Value::Null => json!({}),
                arguments => arguments.clone(),
            };
            match (&tool["name"], &arguments) {
                (Value::String(name), Value::Object(_)) => {
                    Ok(Answer::Tool { name: name.clone(), arguments: arguments.to_string() })
                }
                _ => Err(unknown()),
            }
        }
        _ => Err(unknown()),
    }
}

/// Parses the answer in a header: JSON, or a word such as `ok`, `echo` or `503`. Returns the message of the error.
pub(in crate::server) fn answer_from_header(header: &[u8]) -> Result<Answer, String> {
    let answer = serde_json::from_slice(header)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(header).trim().to_owned()));
    parse_answer(&answer).map_err(|error| format!("x-quotalab-answer: {}: {}", error.message, error.help))
}
