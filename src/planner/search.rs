//! The simulated ceiling of one plan on one seed: bisection over whole runs.
//!
//! Every candidate meets the same luck, so what changes from one to the next is the load alone. A run also tells
//! how far it is from the border, so a candidate is not the middle of what is left but the place where the border
//! is expected, a little to that side of it which would leave less: two such runs, one on either side, end the
//! search. An expectation that turns out wrong is followed by a halving, so it is never worse than twice one.

use super::runner::{Run, Runner};
use crate::scenario::Scenario;

/// Where to look, and how closely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Where the ceiling is expected.
    pub(super) guess: f64,
    /// How far the first step from there goes where a run tells no more than its side, as a ratio; steps grow.
    pub(super) step: f64,
    /// How much slack is lost near the ceiling by so much more load, both as shares: one, where nothing is known.
    pub(super) steepness: f64,
    /// How near the two sides of the ceiling must come, as a share of it.
    pub(super) tolerance: f64,
    /// The highest multiple to try.
    pub(super) most: f64,
    /// Which luck.
    pub(super) replica: u32,
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct CeilingEstimate {
    /// The highest multiple that held; 0 where none did.
    pub(super) low: f64,
    /// How much slack it had.
    slack: f64,
    /// The lowest run that broke a rule; `None` where none did.
    pub(super) high: Option<Box<Run>>,
}

impl CeilingEstimate {
    /// The ceiling: where the two nearest runs let it expect, between them; `None` where nothing broke, 0 where
    /// nothing held.
    pub(super) fn ceiling(&self) -> Option<f64> {
        let high = self.high.as_ref()?;
        let (low, high) = ((self.low, self.slack), (high.multiple, high.slack));
        Some(if self.low > 0.0 { border(low, high) } else { 0.0 })
    }

    /// The ceiling, or the highest load that was tried.
    pub(super) fn at_least(&self) -> f64 {
        self.ceiling().unwrap_or(self.low)
    }

    /// How much slack is lost at the ceiling by so much more load.
    pub(super) fn steepness(&self) -> f64 {
        let both = self.high.as_ref().filter(|_| self.low > 0.0);
        let slope = |high: &Run| (self.slack - high.slack) * self.low / (high.multiple - self.low);
        both.map_or(1.0, |high| slope(high).max(1.0))
    }
}

/// Below this multiple of the present load nobody looks for a ceiling.
pub(super) const LEAST: f64 = 1e-3;
/// So far beyond the expected border a candidate lies, as a share of the tolerance: less than one half, so that one
/// on either side ends the search.
const ASIDE: f64 = 0.4;
/// No candidate is nearer to an end of what is left than this share of it.
const MARGIN: f64 = 0.05;
/// Less slack than this is near the border, where the steepness holds.
const NEAR: f64 = 0.1;

/// A run of a search: its multiple and its slack.
type Probe = (f64, f64);

/// Where the slack of a run that holds and of one that does not let the border between them expect.
fn border((low, over): Probe, (high, under): Probe) -> f64 {
    let share = over / (over - under);
    low + (high - low) * share.clamp(MARGIN, 1.0 - MARGIN)
}

impl Search {
    /// Looks for the ceiling of `plan`.
    pub(super) fn run(&self, lab: &Runner<'_>, scenario: &Scenario) -> CeilingEstimate {
        self.look(lab, scenario, self.guess, None)
    }

    /// Looks for the ceiling of `plan` above a run that held.
    pub(super) fn run_above(&self, lab: &Runner<'_>, scenario: &Scenario, held: &Run) -> CeilingEstimate {
        let guess = self.guess.max(held.multiple * (1.0 + self.tolerance));
        self.look(lab, scenario, guess, Some((held.multiple, held.slack)))
    }

    fn aside(&self) -> f64 {
        self.tolerance * ASIDE
    }

    fn look(
        &self,
        lab: &Runner<'_>,
        scenario: &Scenario,
        first: f64,
        mut low: Option<Probe>,
    ) -> CeilingEstimate {
        let mut high: Option<Box<Run>> = None;
        let (mut least, mut most) = (self.aside(), self.step - 1.0);
        let mut next = first.clamp(LEAST, self.most);
        let mut width = f64::INFINITY;
        loop {
            let trial = lab.run(scenario, next, self.replica);
            let step = 1.0 + self.distance(trial.slack, most).max(least);
            if trial.holds() {
                low = Some((next, trial.slack));
            } else {
                high = Some(Box::new(trial));
            }
            next = match (low, &high) {
                (Some((low, _)), Some(high)) if high.multiple <= low * (1.0 + self.tolerance) => break,
                (Some(low), Some(high)) => {
                    let (high, before) = ((high.multiple, high.slack), width);
                    width = high.0 - low.0;
                    if width > before / 2.0 { f64::midpoint(low.0, high.0) } else { self.between(low, high) }
                }
                (Some((low, _)), None) if low >= self.most => break,
                (Some((low, _)), None) => (low * step).min(self.most),
                (None, Some(high)) if high.multiple <= LEAST => break,
                (None, Some(high)) => (high.multiple / step).max(LEAST),
                (None, None) => unreachable!("every run holds or does not"),
            };
            // What is not within one step is farther.
            (least, most) = (2.0 * least, 2.0 * most);
        }
        let (low, slack) = low.unwrap_or((0.0, 0.0));
        CeilingEstimate { low, slack, high }
    }

    /// How far beyond a run with this slack a candidate on the other side of the border is, as a share of the load.
    fn distance(&self, slack: f64, most: f64) -> f64 {
        let slack = slack.abs();
        if slack >= 1.0 {
            most
        } else {
            let steepness = if slack < NEAR { self.steepness } else { 1.0 };
            slack / steepness + self.aside()
        }
    }

    /// A candidate between a run that holds and one that does not: beyond the border that their slacks let expect,
    /// where less would be left.
    fn between(&self, low: Probe, high: Probe) -> f64 {
        let border = border(low, high);
        let near_low = border - low.0 < high.0 - border;
        let beyond = border * if near_low { 1.0 + self.aside() } else { 1.0 - self.aside() };
        let margin = MARGIN * (high.0 - low.0);
        beyond.clamp(low.0 + margin, high.0 - margin)
    }
}
