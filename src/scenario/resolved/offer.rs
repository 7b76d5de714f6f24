//! What can be bought, and which of it can be owned together.

use super::Scenario;
use std::collections::BTreeSet;

/// What can be bought, and the scenario with each combination of it.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// The offers, in the order written.
    pub list: Vec<Offer>,
    /// The scenario with each set of offers that change it, accounts left out; the first is the scenario itself. Empty without
    /// offers.
    pub variants: Vec<OfferVariant>,
}

impl Offers {
    /// Returns by offer whether its changes are made with this set.
    pub(crate) fn changing(&self, set: &[u32]) -> Vec<bool> {
        set.iter().zip(&self.list).map(|(count, offer)| *count > 0 && offer.has_changes).collect()
    }

    /// Returns the scenario with this set of offers, their accounts left out; `None` if it was not made.
    pub(crate) fn scenario_with(&self, set: &[u32]) -> Option<&Scenario> {
        let owned = self.changing(set);
        self.variants.iter().find(|variant| variant.owned == owned).map(|variant| &variant.scenario)
    }
}

/// The scenario with some offers.
#[derive(Clone, Debug)]
pub struct OfferVariant {
    /// By offer: whether its changes are made. `false` for an offer that is an account only.
    pub owned: Vec<bool>,
    /// The scenario with these changes.
    pub scenario: Scenario,
}

/// Something that can be bought.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its name in the plan.
    pub name: String,
    /// Whether it changes the scenario besides its account.
    pub has_changes: bool,
    /// The name of the provider of which it is one more account.
    pub account: Option<String>,
    /// The fee of every month, in USD.
    pub fee_usd: f64,
    /// What it costs once, in USD.
    pub setup_usd: f64,
    /// The months for which the fee is due at least; from 1.
    pub commitment: u32,
    /// When it can be bought.
    pub from: OfferStart,
    /// Indices of the offers without which it cannot be owned.
    pub requires: Vec<usize>,
    /// Indices of the offers that end when it is bought, also those that they replace.
    pub replaces: Vec<usize>,
    /// The most that can be owned at a time; from 1.
    pub max: u32,
}

/// The first month in which an offer can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferStart {
    /// A month of the plan, counted from 1.
    Month(u32),
    /// A month of the calendar.
    Calendar {
        /// The year.
        year: i16,
        /// From 1 to 12.
        month: i8,
    },
}

/// How many of each offer are owned, indexed as [`Offers::list`].
pub type OwnedCounts = Vec<u32>;

/// The most sets of offers that are compared. Each is simulated at the load of every month.
pub const MAX_OFFER_SETS: usize = 64;

/// Returns every set of offers that can be owned together, the empty one first, then those with fewer copies; `None` if there
/// are more than [`MAX_OFFER_SETS`].
///
/// A set is found by purchases of one copy each, of which every one ends what the offer replaces.
#[must_use]
pub fn offer_sets(offers: &[Offer]) -> Option<Vec<OwnedCounts>> {
    let mut found = BTreeSet::from([vec![0; offers.len()]]);
    let mut open: Vec<OwnedCounts> = found.iter().cloned().collect();
    while let Some(set) = open.pop() {
        for index in 0..offers.len() {
            let mut with = set.clone();
            with[index] += 1;
            for replaced in &offers[index].replaces {
                with[*replaced] = 0;
            }
            if is_valid_set(offers, &with) && can_be_bought(offers, &set, &with) && found.insert(with.clone())
            {
                open.push(with);
            }
        }
        if found.len() > MAX_OFFER_SETS {
            return None;
        }
    }
    let mut sets: Vec<OwnedCounts> = found.into_iter().collect();
    sets.sort_by_key(|set| set.iter().sum::<u32>());
    Some(sets)
}

/// Returns `true` if these offers can be owned together: at most [`Offer::max`] of each, none with one that replaces it, and
/// each with what it requires. An offer that replaces what it requires needs that only when it is bought, see [`can_be_bought`].
fn is_valid_set(offers: &[Offer], counts: &[u32]) -> bool {
    let mut owned = (0..offers.len()).filter(|index| counts[*index] > 0);
    owned.all(|index| {
        let offer = &offers[index];
        let is_served =
            |required: &usize| offer.replaces.contains(required) || has(offers, counts, *required, index);
        counts[index] <= offer.max
            && !offer.replaces.iter().any(|replaced| counts[*replaced] > 0)
            && offer.requires.iter().all(is_served)
    })
}

/// Returns `true` if `set` can be owned in the month after `before`: an offer that is bought and replaces what it requires needs that
/// offer, or another one that replaces it, in the month before, or another one that replaces it now.
pub(crate) fn can_be_bought(offers: &[Offer], before: &[u32], set: &[u32]) -> bool {
    let mut bought = (0..offers.len()).filter(|index| set[*index] > 0 && before[*index] == 0);
    bought.all(|index| {
        let mut requires = offers[index].requires.iter();
        requires.all(|required| has(offers, before, *required, index) || has(offers, set, *required, index))
    })
}

/// Returns `true` if an offer, or one that replaces it, is owned; `for_offer` does not count.
fn has(offers: &[Offer], counts: &[u32], required: usize, for_offer: usize) -> bool {
    let mut owned = (0..offers.len()).filter(|index| counts[*index] > 0 && *index != for_offer);
    owned.any(|other| other == required || offers[other].replaces.contains(&required))
}
