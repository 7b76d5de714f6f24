//! The cheapest order of purchases: a shortest path over the months, exact for the given sets, terms and costs of use.
//!
//! A state is the set of offers that is owned in a month, with the months that are paid beyond it because of commitments. The
//! fees of a commitment count in full when it is entered, since nothing can save them any more. Of two states with the same
//! set, one is left out if the other costs no more even after it has paid for the months that it has not paid and the first
//! one has: it can then do whatever the first one can. Amounts are whole millionths of a dollar, so that sums do not depend
//! on their order.

use std::collections::BTreeMap;

/// Millionths of a dollar.
pub(super) type Micros = i64;

/// What an offer costs and when it can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// The fee of a month.
    pub(super) fee: Micros,
    /// What it costs when it is bought.
    pub(super) setup: Micros,
    /// The months for which the fee is due at least; from 1.
    pub(super) commitment: u32,
    /// The first month in which it can be bought; from 1.
    pub(super) from: u32,
}

/// The sets and the costs among which an order is chosen.
pub(super) struct Choices<'a> {
    pub(super) terms: &'a [Terms],
    /// How many of each offer; the first set is empty, and none occurs twice.
    pub(super) sets: &'a [Vec<u32>],
    /// The cost of use of a set in a month, counted from 1; `None` if the set does not hold the month's load.
    pub(super) usage: &'a dyn Fn(usize, u32) -> Option<Micros>,
    /// By set: whether it can be owned in the month after each set, apart from the dates of its offers.
    pub(super) follows: &'a [Vec<bool>],
}

/// The set that is owned in each month, and what is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// By month: the index of the set. Shorter than the months that were asked for if no set holds the load of the next one.
    pub(super) sets: Vec<usize>,
    /// By month: what is due.
    pub(super) due: Vec<Due>,
    /// The fees of commitments that are due after the last month.
    pub(super) due_later: Micros,
}

/// What is due in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The fees of what is owned, and of commitments to what is not owned any more.
    pub(super) fees: Micros,
    /// For what is bought in this month.
    pub(super) setup: Micros,
    /// The cost of use.
    pub(super) usage: Micros,
}

impl Due {
    /// Returns the sum.
    pub(super) fn total(self) -> Micros {
        self.fees + self.setup + self.usage
    }
}

/// A state of a month.
struct State {
    /// By offer: the months that are paid beyond this one, by copy, the most first.
    paid: Vec<Vec<u32>>,
    /// What is due until then, commitments in full as far as they lie within the months of the order.
    cost: Micros,
    /// Copies × months until then: of equally expensive orders the one that owns less is chosen.
    owned: u32,
    /// The state of the month before; `None` in the first month.
    before: Option<(usize, usize)>,
}

impl Order {
    /// Returns the cheapest order over `months`, or over the first ones if no order holds all of them.
    pub(super) fn cheapest(choices: &Choices<'_>, months: u32) -> Self {
        let layers = layers(choices, months);
        let held = u32::try_from(layers.len()).expect("invariant: as many layers as months");
        // Commitments were counted up to the last month that was asked for, which the order does not reach.
        let layers = if held < months { self::layers(choices, held) } else { layers };
        Self::of_sets(choices, last_path(&layers))
    }

    /// Returns the order of these sets with what is due. Panics if a set does not hold its month or is not available.
    fn of_sets(choices: &Choices<'_>, sets: Vec<usize>) -> Self {
        let mut due = vec![Due::default(); sets.len()];
        let (mut due_later, mut paid) = (0, vec![Vec::new(); choices.terms.len()]);
        for (index, set) in sets.iter().enumerate() {
            let month = index as u32 + 1;
            let step = step(choices.terms, &paid, &choices.sets[*set], month)
                .expect("invariant: what is bought can be bought");
            for (terms, bought) in choices.terms.iter().zip(&step.bought) {
                due[index].setup += terms.setup * Micros::from(*bought);
                for later in 0..terms.commitment as usize {
                    let fees = terms.fee * Micros::from(*bought);
                    due.get_mut(index + later).map_or_else(|| due_later += fees, |due| due.fees += fees);
                }
            }
            due[index].fees += step.renewed;
            due[index].usage =
                (choices.usage)(*set, month).expect("invariant: a set of the order holds its month");
            paid = step.paid;
        }
        Self { sets, due, due_later }
    }

    /// Returns the sum of what is due in the months of the order.
    pub(super) fn total(&self) -> Micros {
        self.due.iter().map(|due| due.total()).sum()
    }
}

/// Returns the states by month and set, until no set holds the load of the next month.
fn layers(choices: &Choices<'_>, months: u32) -> Vec<BTreeMap<usize, Vec<State>>> {
    let mut layers: Vec<BTreeMap<usize, Vec<State>>> = Vec::new();
    for month in 1..=months {
        let mut layer = BTreeMap::new();
        let held = (0..choices.sets.len()).filter_map(|set| Some((set, (choices.usage)(set, month)?)));
        let held: Vec<(usize, Micros)> = held.collect();
        let start = State { paid: vec![Vec::new(); choices.terms.len()], cost: 0, owned: 0, before: None };
        let nothing_before = BTreeMap::from([(0, vec![start])]);
        for (set_before, states) in layers.last().unwrap_or(&nothing_before) {
            for (place, before) in states.iter().enumerate() {
                for (set, usage) in held.iter().filter(|(set, _)| choices.follows[*set][*set_before]) {
                    let origin = (month > 1).then_some((*set_before, place));
                    if let Some(next) = before.next(choices, (*set, *usage), (month, months), origin) {
                        insert(layer.entry(*set).or_default(), next, choices.terms);
                    }
                }
            }
        }
        if layer.is_empty() {
            break;
        }
        layers.push(layer);
    }
    layers
}

/// Adds a state to those of its set unless one of them dominates it, and removes those that it dominates.
fn insert(states: &mut Vec<State>, new: State, terms: &[Terms]) {
    if !states.iter().any(|state| state.dominates(&new, terms)) {
        states.retain(|state| !new.dominates(state, terms));
        states.push(new);
    }
}

/// Returns the sets of the cheapest path to the last month.
fn last_path(layers: &[BTreeMap<usize, Vec<State>>]) -> Vec<usize> {
    let Some(last) = layers.last() else { return Vec::new() };
    let states = last.iter().flat_map(|(set, states)| (0..states.len()).map(move |place| (*set, place)));
    let best = states.min_by_key(|(set, place)| {
        let state = &last[set][*place];
        (state.cost, state.owned)
    });
    let (mut path, mut at) = (Vec::new(), best);
    for layer in layers.iter().rev() {
        let (set, place) = at.expect("invariant: every layer has states, and leads to the first month");
        path.push(set);
        at = layer[&set][place].before;
    }
    path.reverse();
    path
}

/// A change of what is owned at the beginning of a month.
struct Step {
    /// By offer: the copies that are bought.
    bought: Vec<u32>,
    /// The fees of the month for copies that were owned before and have no paid month left.
    renewed: Micros,
    /// By offer: the months that are paid beyond this one, by copy, the most first.
    paid: Vec<Vec<u32>>,
}

/// Returns the change to `counts` in `month` from copies with these paid months; `None` if something cannot be bought yet.
/// Copies with the fewest paid months are given up first.
fn step(terms: &[Terms], paid: &[Vec<u32>], counts: &[u32], month: u32) -> Option<Step> {
    let mut step = Step { bought: Vec::new(), renewed: 0, paid: Vec::new() };
    for ((terms, before), count) in terms.iter().zip(paid).zip(counts) {
        let count = *count as usize;
        let mut copies: Vec<u32> = before.iter().copied().take(count).collect();
        let bought = count - copies.len();
        if bought > 0 && month < terms.from {
            return None;
        }
        for paid in &mut copies {
            match paid.checked_sub(1) {
                Some(left) => *paid = left,
                None => step.renewed += terms.fee,
            }
        }
        copies.extend(std::iter::repeat_n(terms.commitment - 1, bought));
        copies.sort_unstable_by(|one, other| other.cmp(one));
        step.bought.push(bought as u32);
        step.paid.push(copies);
    }
    Some(step)
}

impl State {
    /// Returns the state with a set in `month`; `None` if something cannot be bought yet. `origin` is this state.
    fn next(
        &self,
        choices: &Choices<'_>,
        (set, usage): (usize, Micros),
        (month, months): (u32, u32),
        origin: Option<(usize, usize)>,
    ) -> Option<Self> {
        let step = step(choices.terms, &self.paid, &choices.sets[set], month)?;
        let bought = choices.terms.iter().zip(&step.bought).map(|(terms, bought)| {
            let due = Micros::from(terms.commitment.min(months - month + 1));
            Micros::from(*bought) * (terms.setup + terms.fee * due)
        });
        let owned = self.owned + choices.sets[set].iter().sum::<u32>();
        let cost = self.cost + step.renewed + bought.sum::<Micros>() + usage;
        // What is paid beyond the last month has no use.
        let within = |paid: u32| paid.min(months - month);
        let paid = step.paid.into_iter().map(|copies| copies.into_iter().map(within).collect()).collect();
        Some(Self { paid, cost, owned, before: origin })
    }

    /// Returns `true` if this state of a set is not worse than another one of the same set, whatever is done next.
    fn dominates(&self, other: &Self, terms: &[Terms]) -> bool {
        let missing = |(copies, others): (&Vec<u32>, &Vec<u32>)| {
            copies.iter().zip(others).map(|(paid, other)| Micros::from(other.saturating_sub(*paid))).sum()
        };
        let each = self.paid.iter().zip(&other.paid).map(missing);
        let missing: Micros =
            terms.iter().zip(each).map(|(terms, months): (_, Micros)| terms.fee * months).sum();
        (self.cost + missing, self.owned) <= (other.cost, other.owned)
    }
}
