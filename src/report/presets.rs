//! Presets as text: what they contain, and the evidence for each number.

use crate::formatting::plural;
use crate::scenario::{Evidence, ModelEvidence, PresetEvidence};
use provider::presets::LEFT_OUT;

/// The longest source that is printed in its line, in characters; a longer one becomes a note at the end.
const MAX_SOURCE: usize = 44;

/// Returns one line per preset: its models, how many are retired, and how old its evidence is.
#[must_use]
pub fn overview(presets: &[PresetEvidence]) -> String {
    let lines = presets.iter().map(|preset| {
        let retired = preset.models.iter().filter(|model| model.retired.is_some()).count();
        let dates = || preset.models.iter().flat_map(evidence).map(|evidence| evidence.date.as_str());
        let (oldest, newest) = (dates().min().unwrap_or("-"), dates().max().unwrap_or("-"));
        format!(
            "{:<18} {} plan, {} of which {retired} are retired; evidence from {oldest} to {newest}\n",
            preset.preset,
            preset.tier,
            plural(preset.models.len() as u64, "model"),
        )
    });
    let lines: String = lines.collect();
    format!(
        "{lines}\n`quotalab presets NAME` prints every number with its source, date and certainty.\n{LEFT_OUT}\n"
    )
}

fn evidence(model: &ModelEvidence) -> impl Iterator<Item = &Evidence> {
    model.numbers.iter().flat_map(|number| &number.evidence)
}

/// Returns every number of a preset with its evidence, one line per source.
#[must_use]
pub fn numbers(preset: &PresetEvidence) -> String {
    let mut text = format!("{}: {} plan\n", preset.preset, preset.tier);
    let mut notes = Notes::default();
    for model in &preset.models {
        let retired = model.retired.as_ref().map(|date| format!(" (retired, not offered since {date})"));
        text += &format!("\n{}{}\n", model.model, retired.unwrap_or_default());
        let width = model.numbers.iter().map(|number| number.value.chars().count()).max().unwrap_or(0);
        for number in &model.numbers {
            let (mut of, mut value) = (number.word.as_str(), number.value.as_str());
            for evidence in &number.evidence {
                text += &format!(
                    "  {of:<12} {value:<width$}  {:<10} {:<10} {}\n",
                    evidence.certainty.name(),
                    evidence.date,
                    notes.cite(&evidence.source),
                );
                (of, value) = ("", "");
            }
        }
    }
    text + &notes.text()
}

/// The sources that are too long for a line.
#[derive(Default)]
struct Notes<'t>(Vec<&'t str>);

impl<'t> Notes<'t> {
    /// Returns the source, or the number of its note.
    fn cite(&mut self, source: &'t str) -> String {
        if source.chars().count() <= MAX_SOURCE {
            return source.to_owned();
        }
        let known = self.0.iter().position(|note| *note == source);
        let index = known.unwrap_or_else(|| {
            self.0.push(source);
            self.0.len() - 1
        });
        format!("[{}]", index + 1)
    }

    fn text(&self) -> String {
        let line = |(index, note): (usize, &&str)| format!("\n[{}] {note}", index + 1);
        let lines: String = self.0.iter().enumerate().map(line).collect();
        if lines.is_empty() { lines } else { format!("{lines}\n") }
    }
}
