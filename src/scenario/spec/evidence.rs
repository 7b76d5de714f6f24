//! Evidence, of a provider or of a model.

use crate::scenario::evidence::{Certainty, Evidence};
use crate::scenario::language::{Data, Fields, Value};

/// Builds the evidence that a provider or a model gives.
pub(super) fn evidence(fields: &Fields) -> Vec<Evidence> {
    fields.items("evidence").iter().filter_map(one_evidence).collect()
}

fn one_evidence(value: &Value) -> Option<Evidence> {
    let fields = value.fields()?;
    let certainties = [Certainty::Documented, Certainty::Captured, Certainty::Reported, Certainty::Assumed];
    let subject = |value: &Value| match &value.data {
        Data::Choice(word) => Some((*word).to_owned()),
        _ => None,
    };
    Some(Evidence {
        subjects: fields.items("of").iter().filter_map(subject).collect(),
        certainty: fields.choice("certainty", &certainties.map(|certainty| (certainty.name(), certainty)))?,
        date: fields.text("date")?.to_owned(),
        source: fields.text("source")?.to_owned(),
    })
}
