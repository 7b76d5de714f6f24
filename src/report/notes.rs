//! Notes of a scenario as sentences.

use crate::scenario::Note;
use provider::Nanos;
use provider::units::{print_duration, print_number, print_share};

/// The sentence of each note.
#[must_use]
pub fn sentences(notes: &[Note]) -> Vec<String> {
    notes.iter().map(sentence).collect()
}

/// The sentence of a note.
#[must_use]
pub(super) fn sentence(note: &Note) -> String {
    match note {
        Note::AssumedLatency { provider, model, first_token_seconds, tokens_per_second } => format!(
            "{provider}/{model} states no latency; assumed: first token after {}, then {} tok/s",
            print_duration(Nanos::from_secs_f64(*first_token_seconds)),
            print_number(*tokens_per_second),
        ),
        Note::Unservable { workload, route, share, max_tokens } => {
            let jobs = match share {
                ..1e-3 => format!("One job in {:.0}", 1.0 / share),
                ..1.0 => format!("{} of the jobs", print_share(*share)),
                _ => "Every job".into(),
            };
            let allowed =
                max_tokens.map(|tokens| format!(" and its max_tokens of {tokens}")).unwrap_or_default();
            format!(
                "{jobs} of {workload} can never be served: no model of the route {route} takes its prompt{allowed}"
            )
        }
        Note::Sentence(sentence) => sentence.clone(),
    }
}
