//! The simulated ceiling of one scenario on one seed: a bracketing search over whole runs.
//!
//! All runs of a search use the same random streams, so that they differ in the load alone. The slack of a run shows how
//! far it is from the border between holding and breaking a rule, so the next probe is not the midpoint of the bracket: it
//! lies just beyond the expected border, on the side that leaves the smaller bracket. Two such probes, one on either side,
//! end the search. If a probe does not halve the bracket, the next one bisects it, so the search needs at most twice the
//! runs of plain bisection.
//!
//! A run may neither hold nor break a rule, since a rule cannot be judged from the few jobs of its windows. The search goes on
//! as if such a load held, since more load fills the windows, but such a load does not count as one that held.
//!
//! Invariant: `low` breaks no rule, `high` breaks one, and `low < high`.

use super::plan::TooFewJobs;
use super::runner::{Run, Runner};
use crate::scenario::Scenario;

/// Where to search, and how precisely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// The multiple at which the ceiling is expected; positive.
    pub(super) guess: f64,
    /// The largest first step away from the guess, as a ratio above 1. Steps double until the ceiling is bracketed.
    pub(super) step: f64,
    /// The relative loss of slack per relative increase of load near the ceiling, at least 1; 1 if unknown.
    pub(super) steepness: f64,
    /// The relative width of the bracket at which the search ends.
    pub(super) tolerance: f64,
    /// The lowest multiple to try; positive.
    pub(super) min_multiple: f64,
    /// The highest multiple to try.
    pub(super) max_multiple: f64,
    /// The replica: which seed the runs use.
    pub(super) replica: u32,
}

/// The bracket that a search ended with.
#[derive(Clone, Debug)]
pub(super) struct CeilingEstimate {
    /// The highest multiple that held; 0 if none did.
    pub(super) low: f64,
    /// The slack of that run; 0 if no run held.
    slack: f64,
    /// The cost of that run scaled to a day, in USD; 0 if no run held.
    cost_usd_per_day: f64,
    /// The lowest run that broke a rule; `None` if none did.
    pub(super) high: Option<Box<Run>>,
    /// The highest multiple above `low` and below `high` that neither held nor broke a rule, and why; `None` if there is none.
    unjudged: Option<(f64, TooFewJobs)>,
}

impl CeilingEstimate {
    fn new(
        (low, cost_usd_per_day): (Option<Probe>, f64),
        high: Option<Box<Run>>,
        unjudged: Option<(f64, TooFewJobs)>,
    ) -> Self {
        let (low, slack) = low.unwrap_or((0.0, 0.0));
        let unjudged = unjudged.filter(|(multiple, _)| *multiple > low);
        assert!(low >= 0.0 && low.is_finite() && slack >= 0.0, "invariant: low holds, found {low} {slack}");
        if let Some(high) = &high {
            assert!(high.breaks() && low < high.multiple, "invariant: {low} < high = {}", high.multiple);
        }
        Self { low, slack, cost_usd_per_day, high, unjudged }
    }

    /// Returns why it cannot be determined whether any load holds: none held, and one of them broke no rule either. `None`
    /// if it can.
    pub(super) fn undecided(&self) -> Option<&TooFewJobs> {
        self.unjudged.as_ref().filter(|_| self.low <= 0.0).map(|(_, few)| few)
    }

    /// Returns the ceiling, interpolated inside the bracket unless a load there could not be judged; `None` if no run broke a
    /// rule, 0 if no run held.
    pub(super) fn ceiling(&self) -> Option<f64> {
        let high = self.high.as_ref()?;
        if self.unjudged.is_some() {
            return Some(self.low);
        }
        let (low, high) = ((self.low, self.slack), (high.multiple, high.slack));
        Some(if self.low > 0.0 { border(low, high) } else { 0.0 })
    }

    /// Returns the multiple of the run that bounds the ceiling from below, the highest that held; if none did, the lowest that
    /// broke a rule. 0 if no run could be judged. At this multiple a run was made, unlike at an interpolated [`Self::ceiling`].
    pub(super) fn simulated_bound(&self) -> f64 {
        let broken = self.high.as_ref().filter(|_| self.unjudged.is_none());
        if self.low > 0.0 { self.low } else { broken.map_or(0.0, |run| run.multiple) }
    }

    /// Returns the highest multiple that broke no rule; 0 if every one did.
    pub(super) fn highest_unbroken(&self) -> f64 {
        self.unjudged.as_ref().map_or(self.low, |(multiple, _)| *multiple)
    }

    /// Returns the ceiling, or the highest multiple that held if no run broke a rule.
    pub(super) fn at_least(&self) -> f64 {
        self.ceiling().unwrap_or(self.low)
    }

    /// Returns the cost of a day at [`Self::at_least`], in USD, from the highest run that held; 0 if none did.
    pub(super) fn cost_per_day(&self) -> f64 {
        if self.low > 0.0 { self.cost_usd_per_day * self.at_least() / self.low } else { 0.0 }
    }

    /// Returns the relative loss of slack per relative increase of load at the ceiling; at least 1.
    pub(super) fn steepness(&self) -> f64 {
        let both = self.high.as_ref().filter(|_| self.low > 0.0);
        let slope = |high: &Run| (self.slack - high.slack) * self.low / (high.multiple - self.low);
        both.map_or(1.0, |high| slope(high).max(1.0))
    }
}

/// How far beyond the expected border a probe lies, as a share of the tolerance. It is less than one half, so that two
/// probes, one on either side of the border, end the search.
const OVERSHOOT: f64 = 0.4;
/// The smallest distance of a probe from an end of the bracket, as a share of the bracket.
const MARGIN: f64 = 0.05;
/// Below this slack a run counts as near the border, where the steepness is valid.
const NEAR_BORDER: f64 = 0.1;

/// The multiple and the slack of a run.
type Probe = (f64, f64);

/// Returns the multiple between a run that holds and one that breaks a rule at which slack is expected to be 0.
fn border((low, low_slack): Probe, (high, high_slack): Probe) -> f64 {
    debug_assert!(
        low < high && low_slack >= 0.0 && high_slack < 0.0,
        "{low} {low_slack} {high} {high_slack}"
    );
    let share = low_slack / (low_slack - high_slack);
    low + (high - low) * share.clamp(MARGIN, 1.0 - MARGIN)
}

impl Search {
    /// Searches for the ceiling of `scenario`. Returns `None` if the measurements were stopped before it was found, or if a
    /// run had too many jobs in flight.
    pub(super) fn run(&self, runner: &Runner<'_>, scenario: &Scenario) -> Option<CeilingEstimate> {
        self.bracket(runner, scenario, self.guess, None)
    }

    /// Searches for the ceiling of `scenario` above a run that held. Returns `None` in the same cases as [`Self::run`].
    pub(super) fn run_above(
        &self,
        runner: &Runner<'_>,
        scenario: &Scenario,
        held: &Run,
    ) -> Option<CeilingEstimate> {
        assert!(held.holds(), "invariant: the lower end of a bracket holds, found {:?}", held.broken);
        let guess = self.guess.max(held.multiple * (1.0 + self.tolerance));
        self.bracket(runner, scenario, guess, Some(held))
    }

    /// The distance of a probe beyond the expected border, as a share of the load.
    fn overshoot(&self) -> f64 {
        self.tolerance * OVERSHOOT
    }

    fn bracket(
        &self,
        runner: &Runner<'_>,
        scenario: &Scenario,
        first: f64,
        held: Option<&Run>,
    ) -> Option<CeilingEstimate> {
        assert!(first > 0.0 && first.is_finite(), "invariant: a positive first multiple, found {first}");
        assert!(0.0 < self.min_multiple && self.min_multiple <= self.max_multiple, "{self:?}");
        assert!(self.step > 1.0 && self.tolerance > 0.0 && self.steepness >= 1.0, "{self:?}");
        let mut low: Option<Probe> = held.map(|run| (run.multiple, run.slack));
        let (mut last_held, mut unjudged) = ((low, held.map_or(0.0, Run::cost_per_day)), None);
        let mut high: Option<Box<Run>> = None;
        let (mut min_step, mut max_step) = (self.overshoot(), self.step - 1.0);
        let mut next = first.clamp(self.min_multiple, self.max_multiple);
        let mut width = f64::INFINITY;
        loop {
            let run = runner.run(scenario, next, self.replica)?;
            let step = 1.0 + self.distance(run.slack, max_step).max(min_step);
            if run.breaks() {
                high = Some(Box::new(run));
            } else {
                low = Some((next, run.slack));
                match run.undecided() {
                    Some(few) => unjudged = Some((next, few.clone())),
                    None => last_held = (low, run.cost_per_day()),
                }
            }
            next = match (low, &high) {
                (Some((low, _)), Some(high)) if high.multiple <= low * (1.0 + self.tolerance) => break,
                (Some(low), Some(high)) => {
                    let (high, before) = ((high.multiple, high.slack), width);
                    width = high.0 - low.0;
                    if width > before / 2.0 { f64::midpoint(low.0, high.0) } else { self.between(low, high) }
                }
                (Some((low, _)), None) if low >= self.max_multiple => break,
                (Some((low, _)), None) => (low * step).min(self.max_multiple),
                (None, Some(high)) if high.multiple <= self.min_multiple => break,
                (None, Some(high)) => (high.multiple / step).max(self.min_multiple),
                (None, None) => unreachable!("invariant: a run breaks a rule or does not"),
            };
            debug_assert!(low.is_none_or(|(low, _)| low < next), "invariant: {next} is above {low:?}");
            debug_assert!(high.as_ref().is_none_or(|high| next < high.multiple), "invariant: {next} < high");
            // A ceiling that is not within one step is farther away than expected.
            (min_step, max_step) = (2.0 * min_step, 2.0 * max_step);
        }
        Some(CeilingEstimate::new(last_held, high, unjudged))
    }

    /// Returns the distance from a run with this slack to a probe beyond the border, as a share of the load.
    fn distance(&self, slack: f64, max_step: f64) -> f64 {
        let slack = slack.abs();
        if slack >= 1.0 {
            max_step
        } else {
            let steepness = if slack < NEAR_BORDER { self.steepness } else { 1.0 };
            slack / steepness + self.overshoot()
        }
    }

    /// Returns a probe inside the bracket: beyond the expected border, on the side that leaves the smaller bracket.
    fn between(&self, low: Probe, high: Probe) -> f64 {
        let border = border(low, high);
        let is_near_low = border - low.0 < high.0 - border;
        let beyond = border * if is_near_low { 1.0 + self.overshoot() } else { 1.0 - self.overshoot() };
        let margin = MARGIN * (high.0 - low.0);
        beyond.clamp(low.0 + margin, high.0 - margin)
    }
}
