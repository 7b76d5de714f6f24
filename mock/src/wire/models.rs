//! The list of the models and the entry of one model, in OpenAI's shape.

use super::json;
use crate::calendar::UnixTime;
use crate::time::Instant;
use serde::Serialize;

/// One entry of the list.
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
}

impl<'a> Model<'a> {
    /// Returns the members that all providers share. Every model was created when the run started.
    pub(super) fn new(id: &'a str) -> Self {
        let created = UnixTime::at(Instant::ZERO).secs();
        Self { id, object: "model", created, owned_by: "quotalab", active: None }
    }

    /// Adds Groq's member `active`.
    pub(super) const fn active(self) -> Self {
        Self { active: Some(true), ..self }
    }
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// Returns the body of the list.
pub(super) fn list<'a>(models: impl Iterator<Item = Model<'a>>) -> String {
    json::text(&List { object: "list", data: models.collect() })
}
