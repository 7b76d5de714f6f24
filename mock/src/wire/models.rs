//! The list of the models and the entry of one model.

use super::json::Object;
use crate::calendar::UnixTime;
use crate::length::Lengths;

/// A model as lists of models describe it.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Its name.
    pub id: &'a str,
    /// Its context window and its largest `max_tokens`, as far as the scenario states them.
    pub lengths: Lengths,
    /// The time at which it was created: the start of the mock.
    pub created: UnixTime,
}

impl Model<'_> {
    /// Returns the context window in tokens; [`DEFAULT_CONTEXT`] if the scenario states none.
    pub(super) fn context(&self) -> u32 {
        self.lengths.context.unwrap_or(DEFAULT_CONTEXT)
    }

    /// Returns the largest completion in tokens; the context if the scenario states none.
    pub(super) fn max_output(&self) -> u32 {
        self.lengths.max_output.unwrap_or_else(|| self.context())
    }
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub struct ModelEntry {
    /// The name of the model.
    pub(super) id: String,
    /// The JSON text of the entry.
    pub(super) text: String,
}

impl ModelEntry {
    pub(super) fn new(model: &Model<'_>, text: String) -> Self {
        Self { id: model.id.to_owned(), text }
    }
}

/// Returns an entry in OpenAI's shape, then the members that `add` adds.
pub(super) fn openai_entry(model: &Model<'_>, owner: &str, add: impl FnOnce(Object) -> Object) -> ModelEntry {
    let entry = Object::with_capacity(256)
        .text("id", model.id)
        .plain_text("object", "model")
        .member("created", &model.created.secs())
        .plain_text("owned_by", owner);
    ModelEntry::new(model, add(entry).into_text())
}

/// Returns the body of OpenAI's list.
pub(super) fn openai_list(entries: &[ModelEntry]) -> String {
    format!(r#"{{"object":"list","data":{}}}"#, array(entries))
}

/// Returns the JSON text of an array of the entries.
pub(super) fn array(entries: &[ModelEntry]) -> String {
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    format!("[{}]", texts.join(","))
}

/// The context window, in tokens, that lists state for a model whose scenario sets none: that of most models that Groq serves
/// (documentation, 2026). The mock then accepts any length.
const DEFAULT_CONTEXT: u32 = 131_072;
