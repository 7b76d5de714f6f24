//! The simulated ceiling of one plan on one seed: bisection over whole runs.
//!
//! Every candidate meets the same luck, so what changes from one to the next is the load alone. Until both
//! sides are seen, a step goes as far as the slack of the last run says, and farther each time; then the
//! middle is taken nearer to the end whose run came nearer to the border: a regula falsi whose slopes are
//! bounded, and hence never worse than a little more than halving.

use super::lab::{Lab, Trial};
use crate::scenario::Plan;

/// Where to look, and how closely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Where the ceiling is expected.
    pub(super) guess: f64,
    /// How far the first step from there goes at most, as a ratio; steps grow.
    pub(super) step: f64,
    /// How near the two sides of the ceiling must come, as a share of it.
    pub(super) tolerance: f64,
    /// The highest multiple to try.
    pub(super) most: f64,
    /// Which luck.
    pub(super) replica: u32,
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The highest multiple that held; 0 where none did.
    pub(super) low: f64,
    /// The lowest run that broke a rule; `None` where none did.
    pub(super) high: Option<Box<Trial>>,
}

impl Found {
    /// The ceiling: the middle of what is left; `None` where nothing broke, 0 where nothing held.
    pub(super) fn ceiling(&self) -> Option<f64> {
        let high = self.high.as_ref()?.multiple;
        Some(if self.low > 0.0 { f64::midpoint(self.low, high) } else { 0.0 })
    }

    /// The ceiling, or the highest load that was tried.
    pub(super) fn at_least(&self) -> f64 {
        self.ceiling().unwrap_or(self.low)
    }
}

/// Below this multiple of the present load nobody looks for a ceiling.
const LEAST: f64 = 1e-3;
/// No candidate is nearer to an end of what is left than this share of it.
const MARGIN: f64 = 0.3;

impl Search {
    /// Looks for the ceiling of `plan`.
    pub(super) fn run(&self, lab: &Lab<'_>, plan: &Plan) -> Found {
        self.look(lab, plan, None)
    }

    /// Looks for the ceiling of `plan` above a run that held.
    pub(super) fn run_above(&self, lab: &Lab<'_>, plan: &Plan, held: &Trial) -> Found {
        let guess = self.guess.max(held.multiple * (1.0 + self.tolerance));
        Self { guess, ..*self }.look(lab, plan, Some((held.multiple, held.slack)))
    }

    fn look(&self, lab: &Lab<'_>, plan: &Plan, mut low: Option<(f64, f64)>) -> Found {
        let mut high: Option<Box<Trial>> = None;
        let (mut least, mut most) = (self.tolerance, self.step - 1.0);
        let mut next = self.guess.clamp(LEAST, self.most);
        loop {
            let trial = lab.run(plan, next, self.replica);
            // A rule that follows the load is as far away as it has slack.
            let step = 1.0 + trial.slack.abs().clamp(least, most.max(least));
            if trial.holds() {
                low = Some((next, trial.slack));
            } else {
                high = Some(Box::new(trial));
            }
            next = match (low, &high) {
                (Some((low, _)), Some(high)) if high.multiple <= low * (1.0 + self.tolerance) => break,
                (Some(low), Some(high)) => between(low, (high.multiple, high.slack)),
                (Some((low, _)), None) if low >= self.most => break,
                (Some((low, _)), None) => (low * step).min(self.most),
                (None, Some(high)) if high.multiple <= LEAST => break,
                (None, Some(high)) => (high.multiple / step).max(LEAST),
                (None, None) => unreachable!("every run holds or does not"),
            };
            // One that does not is farther.
            (least, most) = (2.0 * (step - 1.0), 2.0 * most);
        }
        Found { low: low.map_or(0.0, |(low, _)| low), high }
    }
}

/// A multiple between one that holds and one that does not, nearer to the one with less slack.
fn between((low, over): (f64, f64), (high, under): (f64, f64)) -> f64 {
    let share = over / (over - under);
    low + (high - low) * share.clamp(MARGIN, 1.0 - MARGIN)
}
