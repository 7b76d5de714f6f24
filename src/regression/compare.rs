//! One scenario against its baseline: whether each measure is the same, better or worse.

use super::baseline::ScenarioBaseline;
use super::measures::{MEASURES, Measure, format_change, format_signed_change, minimum_effect};
use super::runs::{Case, ScenarioRuns};
use crate::formatting::quantity;
use crate::record::Unit;
use crate::stats::{Moments, Observations, compare_means};
use serde::Serialize;

/// The highest probability that a test raises a false alarm in any measure of any scenario if nothing changed.
pub(super) const FALSE_ALARM_PROBABILITY: f64 = 0.01;

/// How one measure compares with its baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasureChange {
    /// The name of the measure.
    pub measure: &'static str,
    /// The name of the measure in text.
    #[serde(skip)]
    pub label: &'static str,
    /// The unit of `old`, `new` and `margin`.
    pub unit: Unit,
    /// The mean of the baseline's values that were compared: of the seeds that both have, if there are two.
    pub old: f64,
    /// The mean of the present values that were compared; `None` if fewer than two replicas have a value, for example because no job succeeds.
    pub new: Option<f64>,
    /// The largest difference that counts as none: the larger of the noise ([`compare_means`]) and the smallest change that
    /// matters for this measure. 0 if `new` is `None`.
    pub margin: f64,
    /// How the difference is judged.
    pub verdict: Verdict,
    /// The replica with the largest change for the worse, or the first in which the measure cannot be measured; only if
    /// the verdict is [`Verdict::Worse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<ExampleReplica>,
}

/// How a change is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Within the margin.
    Same,
    /// Beyond the margin, for the better.
    Better,
    /// Beyond the margin, for the worse: a regression.
    Worse,
}

impl Verdict {
    /// Returns the word used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// A replica that shows a regression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleReplica {
    /// Its seed.
    pub seed: u64,
    /// The baseline's value for this seed; `None` if the baseline has none.
    pub old: Option<f64>,
    /// The value now; `None` if there was nothing to measure.
    pub new: Option<f64>,
    /// The command that reproduces the run.
    pub reproduce: String,
}

/// Compares every measure of which the baseline of the scenario has at least two values. If nothing changed, a measure exceeds
/// its margin on a given side (better or worse) with a probability of about `tail_probability`.
pub(super) fn changes(
    case: &Case,
    runs: &ScenarioRuns,
    baseline: &ScenarioBaseline,
    tail_probability: f64,
) -> Vec<MeasureChange> {
    let compared = MEASURES.iter().enumerate().filter_map(|(index, measure)| {
        let sample = baseline.measures.get(measure.name)?;
        let old = baseline.seeds.iter().zip(&sample.values);
        let old: Observations = old.filter_map(|(seed, value)| Some((*seed, (*value)?))).collect();
        Comparison { case, runs, index, measure, old: &old, tail_probability }.change()
    });
    compared.collect()
}

/// One measure of one scenario, and what it is compared with.
struct Comparison<'a> {
    case: &'a Case,
    runs: &'a ScenarioRuns,
    /// The measure's index in [`MEASURES`].
    index: usize,
    measure: &'static Measure,
    /// The values in the baseline, each with its seed.
    old: &'a Observations,
    /// See [`changes`].
    tail_probability: f64,
}

impl Comparison<'_> {
    /// Returns the change of the measure; `None` if the baseline has fewer than two values, since the noise is then unknown.
    fn change(&self) -> Option<MeasureChange> {
        if self.old.len() < 2 {
            return None;
        }
        let new: Observations = self.values().filter_map(|(seed, value)| Some((seed, value?))).collect();
        let Some(means) = compare_means(self.old, &new, self.tail_probability) else {
            return self.not_measurable();
        };
        let margin = means.margin.max(minimum_effect(self.measure.unit, means.old));
        let worsening = self.measure.worsening(means.old, means.new);
        let verdict = match () {
            () if worsening > margin => Verdict::Worse,
            () if -worsening > margin => Verdict::Better,
            () => Verdict::Same,
        };
        let worsening_of = |&(seed, new): &(u64, f64)| {
            self.measure.worsening(value_of(self.old, seed).unwrap_or(means.old), new)
        };
        let worst = new.iter().max_by(|a, b| worsening_of(a).total_cmp(&worsening_of(b)));
        let shown_by = worst
            .filter(|_| verdict == Verdict::Worse)
            .map(|&(seed, new)| self.example_replica(seed, Some(new)));
        Some(MeasureChange {
            measure: self.measure.name,
            label: self.measure.label,
            unit: self.measure.unit,
            old: means.old,
            new: Some(means.new),
            margin,
            verdict,
            shown_by,
        })
    }

    /// Returns a regression if some replica has no value. Called if fewer than two replicas have one.
    fn not_measurable(&self) -> Option<MeasureChange> {
        let (seed, value) = self.values().find(|(_, value)| value.is_none())?;
        let old: Vec<f64> = self.old.iter().map(|(_, value)| *value).collect();
        Some(MeasureChange {
            measure: self.measure.name,
            label: self.measure.label,
            unit: self.measure.unit,
            old: Moments::of(&old)?.mean,
            new: None,
            margin: 0.0,
            verdict: Verdict::Worse,
            shown_by: Some(self.example_replica(seed, value)),
        })
    }

    /// Iterates over the seed and the value now of every replica.
    fn values(&self) -> impl Iterator<Item = (u64, Option<f64>)> {
        self.runs.replicas.iter().map(|replica| (replica.seed, replica.values[self.index]))
    }

    fn example_replica(&self, seed: u64, new: Option<f64>) -> ExampleReplica {
        ExampleReplica { seed, old: value_of(self.old, seed), new, reproduce: self.case.reproduce(seed) }
    }
}

fn value_of(values: &Observations, seed: u64) -> Option<f64> {
    values.iter().find(|(other, _)| *other == seed).map(|(_, value)| *value)
}

impl MeasureChange {
    /// Formats the mean of the baseline.
    pub(super) fn old_text(&self) -> String {
        quantity(self.unit, self.old)
    }

    /// Formats the mean now.
    pub(super) fn new_text(&self) -> String {
        self.new.map_or_else(|| "not measurable".to_owned(), |new| quantity(self.unit, new))
    }

    /// Formats the difference of the means, with its sign.
    pub(super) fn difference(&self) -> String {
        self.new
            .map_or_else(|| "not measurable".to_owned(), |new| format_signed_change(self.unit, self.old, new))
    }

    /// Returns a sentence with the measure, both values, the change and the margin.
    pub(super) fn sentence(&self) -> String {
        let margin = format_change(self.unit, self.old, self.margin);
        let Self { label, .. } = self;
        match self.new {
            None => {
                format!(
                    "{label} was {} and can no longer be measured: fewer than two replicas have jobs to measure it on",
                    self.old_text()
                )
            }
            Some(_) => format!(
                "{label} was {}, is {}: {} (margin {margin})",
                self.old_text(),
                self.new_text(),
                self.difference()
            ),
        }
    }
}

impl ExampleReplica {
    /// Returns a sentence with the replica that shows the regression, and its values.
    pub(super) fn sentence(&self, unit: Unit) -> String {
        let text = |value: Option<f64>| {
            value.map_or_else(|| "nothing to measure".to_owned(), |value| quantity(unit, value))
        };
        match self.old {
            Some(old) => format!("seed {}: was {}, is {}", self.seed, quantity(unit, old), text(self.new)),
            None => format!("seed {}: {}", self.seed, text(self.new)),
        }
    }
}
