//! The direct check of a ceiling to plan with: of fresh seeds at that load, few may break a rule.
//!
//! The bound from several ceilings assumes that their logarithms are normal, and that a seed that holds a load holds every
//! lower one. Both are nearly true of runs with many jobs. With few jobs, or ceilings that vary much, neither is: then the
//! load is simulated on seeds that nothing else has used, and lowered until few of them break a rule. With 120 seeds, of
//! which at most four may break one, a load that only 91 % of all seeds hold passes with a probability below 2 %, and one that
//! 98 % hold with about 90 %. Runs of many jobs are checked on 45 seeds, of which two may break a rule: 22 % and 94 %.

use super::plan::{BrokenRule, TooFewJobs};
use super::request::RunKind;
use super::runner::{Runner, distinct};
use crate::scenario::Scenario;
use rayon::prelude::*;

/// The number of seeds for runs of few jobs, and how many of them may break a rule.
const FEW_JOBS: (u32, u32) = (120, 4);
/// The same for runs of many jobs.
const MANY_JOBS: (u32, u32) = (45, 2);
/// The number of seeds that prove by themselves that 95 % of all seeds hold a load, with 90 % confidence, and how many of them may
/// break a rule: a load that only 95 % hold passes with 5.8 % if 2 of 120 may, and with 9.9 % if none of 45 may.
const FEW_JOBS_PROOF: (u32, u32) = (120, 2);
/// The same for runs of many jobs.
const MANY_JOBS_PROOF: (u32, u32) = (45, 0);
/// The first replica whose seed is used: no search uses as many replicas.
const FIRST_REPLICA: u32 = 1_000;
/// Ceilings with at most this spread, in runs with more than [`MAX_FEW_JOBS`] jobs, are not checked.
const MAX_SPREAD: f64 = 0.02;
/// Runs of at most this many jobs are always checked, as runs of few jobs.
const MAX_FEW_JOBS: u64 = 50_000;
/// The most times that the load is lowered by half the spread, or by [`MIN_STEP`] if that is more.
const MAX_STEPS: u32 = 8;
/// The most times that it is lowered after that, each time by twice as much: ceilings that are alike on a few seeds may be far
/// above what most seeds hold, if a seed that holds a load need not hold a lower one.
const MAX_WIDER_STEPS: u32 = 6;
/// The number of further loads that are simulated in the same round if several processes make the plan.
const STEPS_AHEAD: u32 = 2;
/// The smallest step, as a share of the load.
const MIN_STEP: f64 = 0.005;

/// A load and the fresh seeds on which it was simulated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verified {
    /// The multiple of the load; 0 if no load that was tried passed.
    pub(super) multiple: f64,
    /// The number of seeds.
    pub(super) seeds: u32,
    /// On how many of them every rule held, at the lowest load that was tried if `multiple` is 0.
    pub(super) held: u32,
    /// The rule that broke on the most seeds at the next higher load, which failed the check (at the lowest load that was tried if
    /// `multiple` is 0), and the multiple of that load; `None` if the first load passed.
    pub(super) broken_above: Option<(BrokenRule, f64)>,
    /// Why the load could not be checked: few seeds break a rule, but too few hold, since this rule cannot be judged on the
    /// others, and on how many. `None` if the load was checked.
    pub(super) undecided: Option<(TooFewJobs, u32)>,
}

/// Announces the runs at the loads that are tried after this one.
fn announce_lower(runner: &Runner<'_>, scenario: &Scenario, (multiple, step): (f64, f64), count: u32) {
    let mut lower = multiple;
    for _ in 0..STEPS_AHEAD {
        lower /= step;
        let seeds = FIRST_REPLICA..FIRST_REPLICA + count;
        runner.announce(scenario, (lower, seeds), RunKind::Verdict);
    }
}

/// Checks `bound`, the multiple that most runs of about `jobs` jobs should hold; `spread` is the relative standard
/// deviation of the ceilings. Returns `Some(None)` if no check is needed, and `None` if the measurements were stopped
/// before the check ended. [`Verified::multiple`] is 0 if no load passed.
pub(super) fn verify(
    runner: &Runner<'_>,
    scenario: &Scenario,
    bound: f64,
    (spread, jobs): (f64, u64),
) -> Option<Option<Verified>> {
    assert!(bound > 0.0 && bound.is_finite(), "invariant: a positive bound, found {bound}");
    if spread <= MAX_SPREAD && jobs > MAX_FEW_JOBS {
        return Some(None);
    }
    let (count, may_break) = if jobs <= MAX_FEW_JOBS { FEW_JOBS } else { MANY_JOBS };
    let mut step = 1.0 + (spread / 2.0).max(MIN_STEP);
    let (mut multiple, mut last_held, mut broken_above) = (bound, 0, None);
    for number in 0..=MAX_STEPS + MAX_WIDER_STEPS {
        let Some(Judged { held, undecided, broken }) = judge(runner, scenario, multiple, count) else {
            if jobs <= MAX_FEW_JOBS {
                // Runs of few jobs are cheap, and a round of shards is not.
                announce_lower(runner, scenario, (multiple, step), count);
            }
            return None;
        };
        let breaking = broken.iter().filter(|rules| !rules.is_empty()).count() as u32;
        let has_passed = held + may_break >= count;
        if has_passed || breaking <= may_break {
            let undecided = undecided.filter(|_| !has_passed);
            return Some(Some(Verified { multiple, seeds: count, held, broken_above, undecided }));
        }
        if number >= MAX_STEPS {
            step = 2.0 * step - 1.0;
        }
        broken_above = most_frequent(&broken).map(|rule| (rule, multiple));
        (multiple, last_held) = (multiple / step, held);
    }
    Some(Some(Verified { multiple: 0.0, seeds: count, held: last_held, broken_above, undecided: None }))
}

/// Simulates the present load on the fresh seeds, in runs of about `jobs` jobs. Returns `Some` if so many hold it that they alone
/// prove that most seeds do; `None` if they do not, or if the measurements were stopped before that.
///
/// A search cannot tell apart loads closer than its tolerance, so a present load just below what breaks may lie above the
/// bound that follows from the searches.
pub(super) fn verify_present(runner: &Runner<'_>, scenario: &Scenario, jobs: u64) -> Option<Verified> {
    let (count, may_break) = if jobs <= MAX_FEW_JOBS { FEW_JOBS_PROOF } else { MANY_JOBS_PROOF };
    let Judged { held, .. } = judge(runner, scenario, 1.0, count)?;
    let verified = Verified { multiple: 1.0, seeds: count, held, broken_above: None, undecided: None };
    (held + may_break >= count).then_some(verified)
}

/// What the fresh seeds show of a load.
struct Judged {
    /// On how many of them every rule held.
    held: u32,
    /// Why a rule cannot be judged, and on how many of them; `None` if every rule can be on all.
    undecided: Option<(TooFewJobs, u32)>,
    /// The rules that broke on each of them.
    broken: Vec<Vec<BrokenRule>>,
}

/// Simulates a load on `count` fresh seeds. Returns `None` if the measurements were stopped before that.
fn judge(runner: &Runner<'_>, scenario: &Scenario, multiple: f64, count: u32) -> Option<Judged> {
    let seeds = (FIRST_REPLICA..FIRST_REPLICA + count).into_par_iter();
    let runs = seeds.filter_map(|replica| {
        let is_stopped = || runner.count.is_stopped();
        let run = runner.run_for_verdict(scenario, multiple, replica, &is_stopped)?;
        Some((run.undecided().cloned(), run.broken))
    });
    let (undecided, broken): (Vec<Option<TooFewJobs>>, Vec<Vec<BrokenRule>>) = runs.unzip();
    if broken.len() < count as usize {
        return None;
    }
    let number_of = |seeds: usize| u32::try_from(seeds).expect("invariant: at most all seeds");
    let undecided: Vec<TooFewJobs> = undecided.into_iter().flatten().collect();
    let unjudged = number_of(undecided.len());
    let held = number_of(broken.iter().filter(|rules| rules.is_empty()).count()) - unjudged;
    let undecided = undecided.into_iter().next().map(|few| (few, unjudged));
    Some(Judged { held, undecided, broken })
}

/// Returns the rule that most runs break; of equally frequent ones the first.
fn most_frequent(broken: &[Vec<BrokenRule>]) -> Option<BrokenRule> {
    let frequency = |rule: &BrokenRule| broken.iter().filter(|rules| rules.contains(rule)).count();
    let rules = distinct(broken.iter().flatten()).into_iter().rev();
    rules.max_by_key(frequency)
}
