//! The changes from which a set is bought: which sets are valid, what arithmetic expects of a set, and the order of changes
//! by cost.

use super::offers::{self, MAX_FREE_ACCOUNTS, has_free_accounts};
use crate::ceiling::Ceiling;
use crate::planner::change::{Change, Edit};
use crate::planner::plan::ChangeKind;
use crate::planner::what_if::{Measured, Unchanged};
use crate::scenario::{Scenario, Target};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The most changes in a set, repetitions counted.
pub(super) const MAX_CHANGES: usize = 60;
/// The smallest expected gain for which arithmetic adds a change, as a ratio.
const MIN_GAIN: f64 = 1.005;

/// The candidates of a search. Sets hold their indices, with repetitions.
pub(super) struct Candidates<'a> {
    unchanged: &'a Unchanged<'a>,
    each: Vec<Candidate>,
    /// The multiple to hold.
    target: f64,
}

struct Candidate {
    change: Change,
    /// Its measured lift divided by its analytic one; the measured lift if arithmetic gives none, 1 if it was not measured.
    correction: f64,
    /// The extra cost per additional succeeded job at the target load, in USD; 0 for candidates that are not
    /// [`Candidates::priced`], or if no cost was measured. Infinite if the run with it, or the one without changes, did
    /// not end.
    cost: f64,
    /// What it requires besides money.
    concession: Concession,
}

/// What a change requires besides money, the least first. A change that requires less is preferred at any price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concession {
    /// Nothing: the same models answer the same jobs.
    Nothing,
    /// Another model answers some of the jobs.
    OtherModel,
    /// The traffic changes.
    Traffic,
}

impl Concession {
    /// All of them, the least first.
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::OtherModel, Self::Traffic];
}

impl<'a> Candidates<'a> {
    /// Returns the measured changes that can be proposed, and those that are tried only for a target.
    pub(super) fn new(unchanged: &'a Unchanged<'a>, measured: &[Measured], target: f64) -> Self {
        let proposed = measured.iter().filter(|one| one.effect.may_be_proposed());
        let measured = proposed.map(|one| (one.change.clone(), Some(one.effect.lift)));
        let mut each: Vec<Candidate> = Vec::new();
        let others =
            offers::for_a_target(unchanged.scenario, target).into_iter().map(|change| (change, None));
        for (change, lift) in measured.chain(others) {
            if each.iter().all(|known| known.change.name != change.name) {
                each.push(Candidate::new(unchanged, change, lift));
            }
        }
        let mut candidates = Self { unchanged, each, target };
        for index in 0..candidates.len() {
            candidates.each[index].concession = candidates.required_concession(index);
        }
        candidates
    }

    fn required_concession(&self, index: usize) -> Concession {
        match self.kind(index) {
            ChangeKind::Traffic => Concession::Traffic,
            // The author of the scenario chose the models of its own what-ifs.
            ChangeKind::Own => Concession::Nothing,
            _ if self.other_models(&self.with_needs(index)).is_empty() => Concession::Nothing,
            _ => Concession::OtherModel,
        }
    }

    /// Returns what a change requires besides money.
    pub(super) fn concession(&self, index: usize) -> Concession {
        self.each[index].concession
    }

    /// Returns the models that answer with the chosen changes and not without them. Providers name a model differently:
    /// `gpt-oss-120b` and `openai/gpt-oss-120b` are the same model.
    pub(super) fn other_models(&self, chosen: &[usize]) -> Vec<String> {
        let present = models(self.unchanged.scenario);
        let is_present = |model: &String| present.iter().any(|known| short(known) == short(model));
        models(&self.scenario(chosen)).into_iter().filter(|model| !is_present(model)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    fn edit(&self, index: usize) -> &Edit {
        &self.each[index].change.edit
    }

    fn kind(&self, index: usize) -> ChangeKind {
        self.each[index].change.kind
    }

    /// Returns the names of a set in the order in which its changes are applied.
    pub(super) fn names(&self, chosen: &[usize]) -> Vec<String> {
        self.ordered(chosen).into_iter().map(|index| self.each[index].change.name.clone()).collect()
    }

    /// Returns the scenario with the chosen changes.
    pub(super) fn scenario(&self, chosen: &[usize]) -> Scenario {
        let changes = self.ordered(chosen).into_iter().map(|index| &self.each[index].change);
        Change::all(self.unchanged.scenario, changes)
    }

    /// Returns a set in an order in which each change has its full effect: providers and models before their accounts,
    /// accounts before the pick among them.
    fn ordered(&self, chosen: &[usize]) -> Vec<usize> {
        let place = |index: &usize| match self.edit(*index) {
            Edit::Own(_) => 0,
            Edit::Tier { .. } => 1,
            Edit::OtherModel { .. } => 2,
            Edit::Fallback { .. } => 3,
            Edit::Account { .. } => 4,
            _ => 5,
        };
        let mut ordered = chosen.to_vec();
        ordered.sort_by_key(|index| (place(index), *index));
        ordered
    }

    /// Returns `true` for a further account of a provider, which may be chosen several times.
    pub(super) fn is_account(&self, index: usize) -> bool {
        self.each[index].change.is_repeatable()
    }

    /// Returns `true` if the changes of a set can be made together: at most [`MAX_CHANGES`], none but accounts several times,
    /// at most one of the scenario's own what-ifs, accounts of the fallback only with it and without a what-if, and of a
    /// provider with free accounts no more than [`MAX_FREE_ACCOUNTS`].
    pub(super) fn is_valid(&self, chosen: &[usize]) -> bool {
        let own = chosen.iter().filter(|index| self.kind(**index) == ChangeKind::Own).count();
        let has_fallback = chosen.iter().any(|index| matches!(self.edit(*index), Edit::Fallback { .. }));
        let is_valid = |index: usize| {
            let copies = copies(chosen, index);
            match self.edit(index) {
                Edit::Account { provider } => {
                    let is_new = usize::from(*provider) >= self.unchanged.scenario.providers.len();
                    (!is_new || (has_fallback && own == 0))
                        && (copies <= MAX_FREE_ACCOUNTS || !self.is_free(chosen, *provider))
                }
                _ => copies <= 1,
            }
        };
        chosen.len() <= MAX_CHANGES && own <= 1 && distinct(chosen).into_iter().all(is_valid)
    }

    /// Returns `true` if accounts of a provider cost nothing with the chosen changes.
    fn is_free(&self, chosen: &[usize], provider: u16) -> bool {
        let others: Vec<usize> = chosen.iter().copied().filter(|index| !self.is_account(*index)).collect();
        self.scenario(&others).providers.get(usize::from(provider)).is_some_and(has_free_accounts)
    }

    /// Returns the providers of which a set adds free accounts.
    pub(super) fn free_accounts(&self, chosen: &[usize]) -> Vec<String> {
        let scenario = self.scenario(chosen);
        let free = distinct(chosen).into_iter().filter_map(|index| match self.edit(index) {
            Edit::Account { provider } => scenario.providers.get(usize::from(*provider)),
            _ => None,
        });
        free.filter(|config| has_free_accounts(config)).map(|config| config.name.clone()).collect()
    }

    /// Returns a set with up to `copies` more of a change: as many as are valid, at least one; `None` if none is.
    pub(super) fn with(&self, chosen: &[usize], index: usize, copies: usize) -> Option<Vec<usize>> {
        let mut longer = chosen.to_vec();
        for _ in 0..copies {
            longer.push(index);
            if !self.is_valid(&longer) {
                longer.pop();
                break;
            }
        }
        (longer.len() > chosen.len()).then_some(longer)
    }

    /// Returns a change together with what it needs: an account of the fallback needs the fallback.
    pub(super) fn with_needs(&self, index: usize) -> Vec<usize> {
        let fallback = (0..self.len()).find(|other| matches!(self.edit(*other), Edit::Fallback { .. }));
        if self.is_valid(&[index]) { vec![index] } else { fallback.into_iter().chain([index]).collect() }
    }

    /// Returns the candidates whose cost depends on a price; settings of the client and the traffic have none.
    pub(super) fn priced(&self) -> Vec<usize> {
        let has_price = |index: &usize| matches!(self.kind(*index), ChangeKind::Quota | ChangeKind::Own);
        (0..self.len()).filter(has_price).collect()
    }

    /// Sets the cost of a candidate.
    pub(super) fn set_cost(&mut self, index: usize, cost: f64) {
        assert!(cost >= 0.0, "invariant: costs are not negative, found {cost}");
        self.each[index].cost = cost;
    }

    /// Returns the cost of a candidate.
    #[cfg(test)]
    pub(super) fn cost(&self, index: usize) -> f64 {
        self.each[index].cost
    }

    /// Compares two candidates by what they require besides money, then by marginal cost.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        let cost = |index: usize| self.each[index].cost;
        self.concession(one).cmp(&self.concession(other)).then(cost(one).total_cmp(&cost(other)))
    }

    /// Returns all candidates, those first that require the least besides money, of these the cheapest.
    pub(super) fn by_cost(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.len()).collect();
        all.sort_by(|one, other| self.compare(*one, *other));
        all
    }

    /// Returns the changes of a set, each once, in the reverse order of [`Self::by_cost`].
    pub(super) fn most_expensive_first(&self, chosen: &[usize]) -> Vec<usize> {
        let mut distinct: Vec<usize> = distinct(chosen).into_iter().collect();
        distinct.sort_by(|&one, &other| self.compare(other, one));
        distinct
    }

    /// Returns `true` if a candidate raises the limits of the provider of a target, named `provider/account/model`.
    pub(super) fn lifts(&self, chosen: &[usize], index: usize, target: &str) -> bool {
        let name = target.split('/').next().unwrap_or_default();
        let position = self.scenario(chosen).providers.iter().position(|config| config.name == name);
        match self.edit(index) {
            Edit::Account { provider } | Edit::Tier { provider, .. } | Edit::OtherModel { provider, .. } => {
                position == Some(usize::from(*provider))
            }
            _ => false,
        }
    }

    /// Returns the multiple that a set is expected to hold.
    fn expected(&self, chosen: &[usize]) -> f64 {
        let analytic = Ceiling::of(&self.scenario(chosen)).multiple / self.unchanged.analytic;
        let analytic = if analytic.is_nan() { 1.0 } else { analytic };
        let correction = |index: usize| self.each[index].correction;
        let corrections = distinct(chosen).into_iter().map(correction);
        self.unchanged.estimate.at_least() * analytic * corrections.product::<f64>()
    }

    /// Returns the set to which the cheapest change with a gain is added until the set is expected to hold the target, or no
    /// further change has a gain.
    pub(super) fn expected_to_hold(&self) -> Vec<usize> {
        let mut chosen = Vec::new();
        let mut expected = self.expected(&chosen);
        while expected < self.target {
            let Some((next, reached)) = self.gaining(&chosen, expected) else { break };
            (chosen, expected) = (next, reached);
        }
        chosen
    }

    /// Returns `true` if a set is expected to hold the target.
    pub(super) fn is_expected_to_hold(&self, chosen: &[usize]) -> bool {
        self.expected(chosen) >= self.target
    }

    /// Returns the names of all changes that bring another model, if a set has changes of quota but none of these; else none.
    pub(super) fn not_compared(&self, chosen: &[usize]) -> Vec<String> {
        let is_bought = chosen.iter().any(|index| self.kind(*index) == ChangeKind::Quota);
        let is_other =
            |index: &usize| self.concession(*index) == Concession::OtherModel && !self.is_account(*index);
        if !is_bought || chosen.iter().any(is_other) {
            return Vec::new();
        }
        (0..self.len()).filter(is_other).map(|index| self.each[index].change.name.clone()).collect()
    }

    /// Returns the set with the cheapest candidate that has a gain and requires nothing besides money, and what it is expected
    /// to hold; `None` if there is none.
    fn gaining(&self, chosen: &[usize], expected: f64) -> Option<(Vec<usize>, f64)> {
        // Arithmetic ignores incidents, for example, so it must not choose another model or other traffic: that is left to
        // the repair, which simulates.
        let indices = (0..self.len()).filter(|index| self.concession(*index) == Concession::Nothing);
        let gains = indices.filter_map(|index| {
            let with = self.with(chosen, index, 1)?;
            let reached = self.expected(&with);
            (reached > expected * MIN_GAIN).then_some((index, with, reached))
        });
        let best = gains.min_by(|one, other| self.compare(one.0, other.0).then(other.2.total_cmp(&one.2)));
        best.map(|(_, with, reached)| (with, reached))
    }
}

impl Candidate {
    fn new(unchanged: &Unchanged<'_>, change: Change, lift: Option<f64>) -> Self {
        let analytic = Ceiling::of(&Change::all(unchanged.scenario, [&change])).multiple / unchanged.analytic;
        let has_analytic_lift = analytic.is_finite() && analytic > 0.0;
        let correction = lift.map_or(1.0, |lift| if has_analytic_lift { lift / analytic } else { lift });
        Self { change, correction, cost: 0.0, concession: Concession::Nothing }
    }
}

/// Returns how often a change is in a set.
pub(super) fn copies(chosen: &[usize], index: usize) -> usize {
    chosen.iter().filter(|other| **other == index).count()
}

/// Returns the changes of a set, each once.
fn distinct(chosen: &[usize]) -> BTreeSet<usize> {
    chosen.iter().copied().collect()
}

/// Returns the names of the models of all targets.
fn models(scenario: &Scenario) -> BTreeSet<String> {
    let name = |target: &Target| {
        scenario.providers[usize::from(target.provider)].models[usize::from(target.model)].name.clone()
    };
    scenario.targets.iter().map(name).collect()
}

/// Returns the name of a model without that of its maker.
fn short(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}
