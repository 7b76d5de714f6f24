//! The simulated ceiling of one scenario on one seed: a bracketing search over whole runs.
//!
//! All runs of a search use the same random streams, so that they differ in the load alone. A step of the search makes several
//! runs at once, which do not depend on each other, so a search has few steps. The slack of a run shows how far it is from the
//! border between holding and breaking a rule. Two of the probes of a step lie on either side of the expected border and, if it
//! is between them, end the search. If a step does not leave an equal part of the bracket, the next one divides it into equal
//! parts, so the search needs at most twice the steps of that division alone.
//!
//! A run may neither hold nor break a rule, since a rule cannot be judged from the few jobs of its windows. The search goes on
//! as if such a load held, since more load fills the windows, but such a load does not count as one that held.
//!
//! Invariant: `low` breaks no rule, `high` breaks one, and `low < high`.

use super::plan::TooFewJobs;
use super::runner::{Run, Runner};
use crate::scenario::Scenario;
use rayon::prelude::*;

/// Where to search, and how precisely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// The multiple at which the ceiling is expected; positive.
    pub(super) guess: f64,
    /// The ratio of neighbours among the loads around the guess with which the search begins; above 1.
    pub(super) width: f64,
    /// The largest first step away from them, as a ratio above 1. Steps double until the ceiling is bracketed.
    pub(super) step: f64,
    /// The relative loss of slack per relative increase of load near the ceiling, at least 1; 1 if unknown.
    pub(super) steepness: f64,
    /// The relative width of the bracket at which the search ends.
    pub(super) tolerance: f64,
    /// The lowest multiple to try; positive.
    pub(super) min_multiple: f64,
    /// The highest multiple to try.
    pub(super) max_multiple: f64,
    /// The number of runs of a step: 2, or 4 for a search that others wait for.
    pub(super) at_once: u8,
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

/// What the runs of a search show so far.
#[derive(Default)]
struct Bracket {
    /// The highest load that broke no rule.
    low: Option<Probe>,
    /// The highest load that held, and its cost scaled to a day, in USD.
    held: (Option<Probe>, f64),
    /// The highest load that neither held nor broke a rule, and why.
    unjudged: Option<(f64, TooFewJobs)>,
    /// The lowest load that broke a rule.
    high: Option<Box<Run>>,
}

impl Bracket {
    /// Adds a run between the ends of the bracket. Returns `true` if it breaks a rule.
    fn add(&mut self, run: &Run) -> bool {
        debug_assert!(self.low.is_none_or(|(low, _)| low < run.multiple), "invariant: a probe is above low");
        debug_assert!(
            self.high.as_ref().is_none_or(|high| run.multiple < high.multiple),
            "invariant: below high"
        );
        if run.breaks() {
            self.high = Some(Box::new(run.clone()));
            return true;
        }
        self.low = Some((run.multiple, run.slack));
        match run.undecided() {
            Some(few) => self.unjudged = Some((run.multiple, few.clone())),
            None => self.held = (self.low, run.cost_per_day()),
        }
        false
    }

    /// Returns the upper end divided by the lower one; infinite if one of them is not known.
    fn ratio(&self) -> f64 {
        match (self.low, &self.high) {
            (Some((low, _)), Some(high)) => high.multiple / low,
            _ => f64::INFINITY,
        }
    }
}

impl Search {
    /// Searches for the ceiling of `scenario`. Returns `None` if the measurements were stopped before it was found, or if a
    /// run had too many jobs in flight.
    pub(super) fn run(&self, runner: &Runner<'_>, scenario: &Scenario) -> Option<CeilingEstimate> {
        self.bracket(runner, scenario, None).map(|(estimate, _)| estimate)
    }

    /// Searches for the ceiling of `scenario`, of which one run on the same seed is known. Returns it with the runs that were made.
    /// Returns `None` in the same cases as [`Self::run`].
    pub(super) fn run_from(
        &self,
        runner: &Runner<'_>,
        scenario: &Scenario,
        known: &Run,
    ) -> Option<(CeilingEstimate, Vec<Run>)> {
        self.bracket(runner, scenario, Some(known))
    }

    /// The distance of a probe beyond the expected border, as a share of the load.
    fn overshoot(&self) -> f64 {
        self.tolerance * OVERSHOOT
    }

    fn bracket(
        &self,
        runner: &Runner<'_>,
        scenario: &Scenario,
        known: Option<&Run>,
    ) -> Option<(CeilingEstimate, Vec<Run>)> {
        assert!(
            self.guess > 0.0 && self.guess.is_finite(),
            "invariant: a positive guess, found {}",
            self.guess
        );
        assert!(0.0 < self.min_multiple && self.min_multiple <= self.max_multiple, "{self:?}");
        assert!(
            self.width > 1.0 && self.step > 1.0 && self.tolerance > 0.0 && self.steepness >= 1.0,
            "{self:?}"
        );
        assert!((2..=4).contains(&self.at_once), "{self:?}");
        let mut bracket = Bracket::default();
        if let Some(run) = known {
            bracket.add(run);
        }
        let (mut made, mut before, mut max_step) = (Vec::new(), f64::INFINITY, self.step - 1.0);
        while !self.is_found(&bracket) {
            let probes = match (bracket.low, &bracket.high) {
                _ if made.is_empty() => self.first(&bracket),
                (Some(low), Some(high)) => self.between(low, (high.multiple, high.slack), before),
                (Some((low, slack)), None) => self.beyond(low, 1.0 + self.distance(slack, max_step)),
                (None, Some(high)) => {
                    self.beyond(high.multiple, 1.0 / (1.0 + self.distance(high.slack, max_step)))
                }
                (None, None) => unreachable!("invariant: a run breaks a rule or does not"),
            };
            if !made.is_empty() {
                // A ceiling that is not within one step is farther away than expected.
                max_step *= 2.0;
            }
            before = bracket.ratio();
            let runs = self.probe(runner, scenario, probes)?;
            // What breaks no rule above a load that does is not below the ceiling.
            let _broken = runs.iter().find(|run| bracket.add(run));
            made.extend(runs);
        }
        Some((CeilingEstimate::new(bracket.held, bracket.high, bracket.unjudged), made))
    }

    /// Returns `true` if the bracket is narrow enough, or if no load that may be tried breaks a rule, or each does.
    fn is_found(&self, bracket: &Bracket) -> bool {
        match (bracket.low, &bracket.high) {
            (Some(_), Some(_)) => bracket.ratio() <= 1.0 + self.tolerance,
            (Some((low, _)), None) => low >= self.max_multiple,
            (None, Some(high)) => high.multiple <= self.min_multiple,
            (None, None) => false,
        }
    }

    /// Makes the runs at some loads, the lowest first, as far as they may be tried. Returns `None` if one was not made.
    fn probe(&self, runner: &Runner<'_>, scenario: &Scenario, mut probes: Vec<f64>) -> Option<Vec<Run>> {
        for probe in &mut probes {
            *probe = probe.clamp(self.min_multiple, self.max_multiple);
        }
        probes.sort_by(f64::total_cmp);
        probes.dedup();
        // All runs are asked for, also if one is missing.
        let runs: Vec<Option<Run>> =
            probes.into_par_iter().map(|multiple| runner.run(scenario, multiple, self.replica)).collect();
        runs.into_iter().collect()
    }

    /// Returns the first probes: on either side of the guess, or beyond the run that is known if the guess is not.
    fn first(&self, bracket: &Bracket) -> Vec<f64> {
        let half = f64::from(self.at_once - 1) / 2.0;
        let probe = |index| self.guess * libm::pow(self.width, f64::from(index) - half);
        let (lowest, highest) = (probe(0), probe(self.at_once - 1));
        let beyond = 1.0 + self.tolerance;
        let shift = match (bracket.low, &bracket.high) {
            (Some((low, _)), _) if lowest <= low => low * beyond / lowest,
            (_, Some(high)) if highest >= high.multiple => high.multiple / beyond / highest,
            _ => 1.0,
        };
        (0..self.at_once).map(|index| probe(index) * shift).collect()
    }

    /// Returns probes beyond a load, each twice as many steps away as the one before; `step` is a ratio.
    fn beyond(&self, load: f64, step: f64) -> Vec<f64> {
        (0..self.at_once).map(|index| load * libm::pow(step, f64::from(1u32 << index))).collect()
    }

    /// Returns the distance from a run with this slack to a probe beyond the border, as a share of the load.
    fn distance(&self, slack: f64, max_step: f64) -> f64 {
        let steepness = if slack.abs() < NEAR_BORDER { self.steepness } else { 1.0 };
        (slack.abs() / steepness + self.overshoot()).clamp(self.tolerance, max_step.max(self.tolerance))
    }

    /// Returns probes inside the bracket, of which the upper end was `before` times the lower one a step earlier: on either side of
    /// the expected border, and midway to the ends. If the last step left more than an equal part of the bracket, or if that ends
    /// the search, they divide it into equal parts.
    fn between(&self, low: Probe, high: Probe, before: f64) -> Vec<f64> {
        let ratio = high.0 / low.0;
        let parts = f64::from(self.at_once) + 1.0;
        let fewest = libm::ceil(libm::log(ratio) / libm::log(1.0 + self.tolerance) - 1e-9).max(2.0);
        if fewest <= parts || ratio - 1.0 > (before - 1.0) / parts {
            let parts = fewest.min(parts);
            let inner = (1..=self.at_once).map(f64::from).take_while(|index| *index < parts);
            return inner.map(|index| low.0 * libm::pow(ratio, index / parts)).collect();
        }
        let (border, margin) = (border(low, high), MARGIN * (high.0 - low.0));
        let inside = |probe: f64| probe.clamp(low.0 + margin, high.0 - margin);
        let around = [inside(border * (1.0 - self.overshoot())), inside(border * (1.0 + self.overshoot()))];
        let farther = [f64::midpoint(low.0, around[0]), f64::midpoint(around[1], high.0)];
        around.into_iter().chain(farther).take(usize::from(self.at_once)).collect()
    }
}
