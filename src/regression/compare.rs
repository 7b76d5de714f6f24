//! One scenario against its baseline: each measure is as it was, better, or worse.

use super::baseline::Reference;
use super::measure::{MEASURES, Measure, amount, difference, practical};
use super::noise::{Values, estimate};
use super::runs::{Case, ScenarioRuns};
use crate::formatting::quantity;
use crate::record::Unit;
use serde::Serialize;

/// With nothing changed, a whole comparison cries wolf with at most this probability.
pub(super) const FAMILY: f64 = 0.01;

/// What became of one measure since the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The name of the measure.
    pub measure: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// The mean in the baseline.
    pub old: f64,
    /// The mean now; `None` where it cannot be measured any more, because no job succeeds.
    pub new: Option<f64>,
    /// A smaller difference is noise, or matters to nobody.
    pub margin: f64,
    /// What to make of it.
    pub verdict: Verdict,
    /// The replica that shows it best, where it is worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<Evidence>,
}

/// What to make of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Within the margin.
    Same,
    /// Beyond the margin, the right way.
    Better,
    /// Beyond the margin, the wrong way: a regression.
    Worse,
}

impl Verdict {
    /// The word of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// One replica of a regression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Its seed.
    pub seed: u64,
    /// What the baseline has for this seed; `None` where the seed is not in it.
    pub old: Option<f64>,
    /// What came now; `None` where there was nothing to measure.
    pub new: Option<f64>,
    /// The command that shows it again.
    pub reproduce: String,
}

/// Compares every measure that the reference has; chance takes one past its margin with probability `tail`.
pub(super) fn changes(case: &Case, trial: &ScenarioRuns, reference: &Reference, tail: f64) -> Vec<Change> {
    let compared = MEASURES.iter().enumerate().filter_map(|(place, measure)| {
        let sample = reference.measures.get(measure.name)?;
        let old = reference.seeds.iter().zip(&sample.values);
        let old: Values = old.filter_map(|(seed, value)| Some((*seed, (*value)?))).collect();
        change(case, trial, place, measure, &old, tail)
    });
    compared.collect()
}

/// `None` where the baseline has too few values to know anything of the noise.
fn change(
    case: &Case,
    trial: &ScenarioRuns,
    place: usize,
    measure: &'static Measure,
    old: &Values,
    tail: f64,
) -> Option<Change> {
    let replicas = || trial.replicas.iter().map(|replica| (replica.seed, replica.measured[place]));
    let new: Values = replicas().filter_map(|(seed, value)| Some((seed, value?))).collect();
    let told = |old, new, margin, verdict, shown_by| Change {
        measure: measure.name,
        unit: measure.unit,
        old,
        new,
        margin,
        verdict,
        shown_by,
    };
    let shown = |seed, new| Evidence { seed, old: value_of(old, seed), new, reproduce: case.reproduce(seed) };
    if old.len() < 2 {
        return None;
    }
    let Some(estimate) = estimate(old, &new, tail) else {
        let (seed, value) = replicas().find(|(_, value)| value.is_none())?;
        #[expect(clippy::cast_precision_loss, reason = "there are few replicas")]
        let mean = old.iter().map(|(_, value)| value).sum::<f64>() / old.len() as f64;
        return Some(told(mean, None, 0.0, Verdict::Worse, Some(shown(seed, value))));
    };
    let margin = estimate.margin.max(practical(measure.unit, estimate.old));
    let loss = measure.loss(estimate.old, estimate.new);
    let verdict = match () {
        () if loss > margin => Verdict::Worse,
        () if -loss > margin => Verdict::Better,
        () => Verdict::Same,
    };
    let loss_of = |&(seed, new): &(u64, f64)| measure.loss(value_of(old, seed).unwrap_or(estimate.old), new);
    let worst = new.iter().max_by(|a, b| loss_of(a).total_cmp(&loss_of(b)));
    let shown_by = worst.filter(|_| verdict == Verdict::Worse).map(|&(seed, new)| shown(seed, Some(new)));
    Some(told(estimate.old, Some(estimate.new), margin, verdict, shown_by))
}

fn value_of(values: &Values, seed: u64) -> Option<f64> {
    values.iter().find(|(other, _)| *other == seed).map(|(_, value)| *value)
}

impl Change {
    /// The mean in the baseline, in words.
    pub(super) fn old_text(&self) -> String {
        quantity(self.unit, self.old)
    }

    /// The mean now, in words.
    pub(super) fn new_text(&self) -> String {
        self.new.map_or_else(|| "not measurable".to_owned(), |new| quantity(self.unit, new))
    }

    /// By how much it differs, in words.
    pub(super) fn difference(&self) -> String {
        self.new.map_or_else(|| "gone".to_owned(), |new| difference(self.unit, self.old, new))
    }

    /// What changed, by how much, since which number.
    pub(super) fn sentence(&self) -> String {
        let margin = amount(self.unit, self.old, self.margin);
        let Self { measure, .. } = self;
        match self.new {
            None => {
                format!("{measure} was {} and cannot be measured any more: no job succeeds", self.old_text())
            }
            Some(_) => format!(
                "{measure} was {}, is {}: {} (margin {margin})",
                self.old_text(),
                self.new_text(),
                self.difference()
            ),
        }
    }
}

impl Evidence {
    /// Which replica shows it, and what it showed.
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
