//! What can be bought: the offers of the scenario, or, without any, what the planner tries itself.

use super::order::{Micros, Terms};
use crate::planner::catalogue;
use crate::planner::change::{Change, Edit};
use crate::planner::plan::ChangeKind;
use crate::planner::purchase::{MAX_FREE_ACCOUNTS, has_free_accounts};
use crate::planner::{PlanError, YearOptions};
use crate::scenario::{MAX_OFFER_SETS, Offer, OfferStart, Offers, Scenario, can_be_bought, offer_sets};
use provider::Nanos;

/// The most accounts of a provider that are added without offers.
const MAX_ACCOUNTS: u32 = 3;

/// What can be bought, and the scenario with each set of it.
pub(super) struct Buyable {
    /// By offer.
    pub(super) names: Vec<String>,
    /// By offer.
    pub(super) terms: Vec<Terms>,
    /// How many of each offer; the first set is empty.
    pub(super) sets: Vec<Vec<u32>>,
    /// By set: whether it can be owned in the month after each set, apart from the dates of its offers.
    pub(super) follows: Vec<Vec<bool>>,
    /// By set.
    pub(super) scenarios: Vec<Scenario>,
    /// Whether the offers are those of the scenario.
    pub(super) is_own: bool,
}

/// Returns an amount in millionths of a dollar.
pub(super) fn micros(usd: f64) -> Micros {
    libm::round(usd * 1e6) as Micros
}

/// Returns the month of the plan in which an offer can be bought first, from 1.
///
/// # Errors
/// Fails if it is a month of the calendar, and the plan has no first month.
pub(super) fn first_month(offer: &Offer, options: &YearOptions) -> Result<u32, PlanError> {
    match (offer.from, options.from) {
        (OfferStart::Month(month), _) => Ok(month),
        (OfferStart::Calendar { year, month }, Some((first_year, first_month))) => {
            let months = |year: i16, month: i8| i32::from(year) * 12 + i32::from(month);
            let after = months(year, month) - months(first_year, first_month);
            Ok(u32::try_from(after).unwrap_or(0) + 1)
        }
        (OfferStart::Calendar { .. }, None) => Err(PlanError::NoFirstMonth),
    }
}

impl Buyable {
    /// Returns what the scenario offers, with runs of the duration of `scenario`; without offers, what the planner tries itself.
    ///
    /// # Errors
    /// Fails in the cases of [`first_month`].
    pub(super) fn new(
        scenario: &Scenario,
        offers: &Offers,
        options: &YearOptions,
    ) -> Result<Self, PlanError> {
        if offers.list.is_empty() {
            return Ok(Self::of_catalogue(scenario));
        }
        let sets =
            offer_sets(&offers.list).expect("invariant: the scenario has been read, so the sets are few");
        let terms = offers.list.iter().map(|offer| {
            Ok(Terms {
                fee: micros(offer.fee_usd),
                setup: micros(offer.setup_usd),
                commitment: offer.commitment,
                from: first_month(offer, options)?,
            })
        });
        Ok(Self {
            names: offers.list.iter().map(|offer| offer.name.clone()).collect(),
            terms: terms.collect::<Result<_, PlanError>>()?,
            scenarios: sets.iter().map(|set| with_offers(offers, set, scenario.duration)).collect(),
            follows: sets.iter().map(|set| follows(offers, &sets, set)).collect(),
            sets,
            is_own: true,
        })
    }

    /// Returns the accounts and the tiers of the catalogue as offers without fees.
    fn of_catalogue(scenario: &Scenario) -> Self {
        let scenario = &Scenario { what_if: Vec::new(), ..scenario.clone() };
        let accounts = catalogue::used_providers(scenario).map(|(index, config)| {
            let max = if has_free_accounts(config) { MAX_FREE_ACCOUNTS as u32 } else { MAX_ACCOUNTS };
            (catalogue::account((index, config)), max)
        });
        let tiers = catalogue::tiers(scenario).into_iter().map(|tier| (tier, 1));
        // Tiers first: accounts are added with the limits that are in force then.
        let all: Vec<(Change, u32)> = tiers.chain(accounts).collect();
        let mut changes = Vec::new();
        let mut sets = vec![Vec::new()];
        for (change, max) in all {
            if sets.len() * (max as usize + 1) <= MAX_OFFER_SETS {
                let longer = |set: &Vec<u32>| {
                    (0..=max).map(|count| [set.as_slice(), &[count]].concat()).collect::<Vec<_>>()
                };
                sets = sets.iter().flat_map(longer).collect();
                changes.push(change);
            }
        }
        sets.sort_by_key(|set| set.iter().sum::<u32>());
        let with = |set: &Vec<u32>| {
            let chosen = changes.iter().zip(set);
            Change::all(scenario, chosen.flat_map(|(change, count)| (0..*count).map(move |_| change)))
        };
        Self {
            names: changes.iter().map(|change| change.name.clone()).collect(),
            terms: vec![Terms { fee: 0, setup: 0, commitment: 1, from: 1 }; changes.len()],
            scenarios: sets.iter().map(with).collect(),
            follows: vec![vec![true; sets.len()]; sets.len()],
            sets,
            is_own: false,
        }
    }

    /// Returns the names of a set, copies repeated.
    pub(super) fn names_of(&self, counts: &[u32]) -> Vec<String> {
        let each = self.names.iter().zip(counts);
        each.flat_map(|(name, count)| (0..*count).map(move |_| name.clone())).collect()
    }

    /// Returns the sets that can be owned in this month, counted from 1.
    pub(super) fn available(&self, month: u32) -> Vec<usize> {
        (1..=month).fold(vec![0], |before, month| {
            let can_follow = |set: usize, before: usize| {
                let counts = self.sets[set].iter().zip(&self.sets[before]).zip(&self.terms);
                let mut dates = counts.map(|((count, had), terms)| count <= had || terms.from <= month);
                self.follows[set][before] && dates.all(|is_sold| is_sold)
            };
            let is_available = |set: &usize| before.iter().any(|before| can_follow(*set, *before));
            (0..self.sets.len()).filter(is_available).collect()
        })
    }
}

/// Returns by set whether `set` can be owned in the month after it.
fn follows(offers: &Offers, sets: &[Vec<u32>], set: &[u32]) -> Vec<bool> {
    sets.iter().map(|before| can_be_bought(&offers.list, before, set)).collect()
}

/// Returns the scenario with a set of offers.
fn with_offers(offers: &Offers, set: &[u32], duration: Nanos) -> Scenario {
    let variant = offers.scenario_with(set).expect("invariant: every set has a variant");
    let account = |(offer, count): (&Offer, &u32)| {
        let name = offer.account.as_ref()?;
        let provider = variant.providers.iter().position(|config| config.name == *name);
        let provider = provider.expect("invariant: the reader has checked that the provider exists") as u16;
        let change =
            Change { name: offer.name.clone(), kind: ChangeKind::Quota, edit: Edit::Account { provider } };
        Some((change, *count))
    };
    let accounts: Vec<(Change, u32)> = offers.list.iter().zip(set).filter_map(account).collect();
    let copies = accounts.iter().flat_map(|(change, count)| (0..*count).map(move |_| change));
    Scenario { duration, what_if: Vec::new(), ..Change::all(variant, copies) }
}
