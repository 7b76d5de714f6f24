//! Laws of the cheapest order, compared with brute force over all orders of small random ladders of offers.

use super::order::{Choices, Micros, Order, Terms};
use crate::scenario::{Offer, OfferStart, can_be_bought, offer_sets};
use provider::RandomStream;

/// Random offers with the sets that can be owned, the load that each set holds, and what its use costs.
struct Ladder {
    offers: Vec<Offer>,
    terms: Vec<Terms>,
    sets: Vec<Vec<u32>>,
    /// By set: the last month that it holds.
    holds: Vec<u32>,
    /// By set: the cost of use per unit of load.
    price: Vec<Micros>,
}

fn offer(index: usize, requires: Vec<usize>, replaces: Vec<usize>, max: u32) -> Offer {
    Offer {
        name: format!("offer {index}"),
        has_changes: max == 1,
        account: (max > 1).then(|| "p".to_owned()),
        fee_usd: 0.0,
        setup_usd: 0.0,
        commitment: 1,
        from: OfferStart::Month(1),
        requires,
        replaces,
        max,
    }
}

/// Returns that any set can be owned after any other.
fn any(sets: &[Vec<u32>]) -> Vec<Vec<bool>> {
    vec![vec![true; sets.len()]; sets.len()]
}

impl Ladder {
    /// Draws two offers, or one of which two can be owned.
    fn random(seed: u64) -> Self {
        let mut stream = RandomStream::new(seed, "ladder", 0);
        let mut below = |bound: u64| stream.below(bound);
        let second = match below(4) {
            0 => vec![offer(0, vec![], vec![], 2)],
            1 => vec![offer(0, vec![], vec![], 1), offer(1, vec![], vec![0], 1)],
            2 => vec![offer(0, vec![], vec![], 1), offer(1, vec![0], vec![], 1)],
            _ => vec![offer(0, vec![], vec![], 1), offer(1, vec![], vec![], 1)],
        };
        let offers = second;
        let terms: Vec<Terms> = offers
            .iter()
            .map(|_| Terms {
                fee: below(4) as Micros,
                setup: below(5) as Micros,
                commitment: 1 + below(4) as u32,
                from: 1 + below(3) as u32,
            })
            .collect();
        let sets = offer_sets(&offers).expect("few sets");
        let holds = sets.iter().map(|set| (below(3) as u32) + 2 * set.iter().sum::<u32>()).collect();
        let price = sets.iter().map(|_| below(4) as Micros).collect();
        Self { offers, terms, sets, holds, price }
    }

    fn usage(&self, set: usize, month: u32) -> Option<Micros> {
        (month <= self.holds[set]).then(|| self.price[set] * Micros::from(month))
    }

    fn cheapest(&self, months: u32) -> Order {
        let usage = |set, month| self.usage(set, month);
        Order::cheapest(
            &Choices { terms: &self.terms, sets: &self.sets, usage: &usage, follows: &any(&self.sets) },
            months,
        )
    }

    /// Returns the sum of what is due in the months of an order, counted copy by copy; `None` if a set does not hold its
    /// month, or if something is bought before it is available.
    fn total(&self, order: &[usize]) -> Option<Micros> {
        let months = order.len() as u32;
        let mut total = 0;
        for (month, set) in (1..).zip(order) {
            total += self.usage(*set, month)?;
        }
        for (offer, terms) in self.terms.iter().enumerate() {
            // The month in which each copy was bought; the newest is given up last.
            let mut copies: Vec<u32> = Vec::new();
            let due = |bought: u32, until: u32| {
                Micros::from((bought + terms.commitment).max(until).min(months + 1) - bought) * terms.fee
            };
            for (month, set) in (1..).zip(order) {
                let count = self.sets[*set][offer] as usize;
                while copies.len() > count {
                    total += due(copies.remove(0), month);
                }
                while copies.len() < count {
                    if month < terms.from {
                        return None;
                    }
                    total += terms.setup;
                    copies.push(month);
                }
            }
            total += copies.into_iter().map(|bought| due(bought, months + 1)).sum::<Micros>();
        }
        Some(total)
    }

    /// Returns the sum of the cheapest of all orders over these months; `None` if none holds them.
    fn by_brute_force(&self, months: u32) -> Option<Micros> {
        let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..months {
            let longer = |order: &Vec<usize>| {
                (0..self.sets.len()).map(|set| [order.as_slice(), &[set]].concat()).collect::<Vec<_>>()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        orders.iter().filter_map(|order| self.total(order)).min()
    }
}

/// Law: the order costs as much as the cheapest that brute force finds, over as many months as any order holds, and what is due
/// by month adds up to what its purchases cost.
#[test]
fn no_order_is_cheaper_than_the_one_that_is_found() {
    let (mut held, mut short, mut bought) = (0, 0, 0);
    for seed in 0..600 {
        let ladder = Ladder::random(seed);
        let months = 5;
        let order = ladder.cheapest(months);
        let length = order.sets.len() as u32;
        let by_brute_force =
            (0..=months).rev().find_map(|months| Some((months, ladder.by_brute_force(months)?)));
        assert_eq!(
            by_brute_force,
            Some((length, order.total())),
            "seed {seed}: {order:?} {:?}",
            ladder.terms
        );
        assert_eq!(ladder.total(&order.sets), Some(order.total()), "seed {seed}: {order:?}");
        held += u32::from(length == months);
        short += u32::from(length < months);
        bought += u32::from(order.due.iter().any(|due| due.fees > 0));
    }
    assert!(held > 50 && short > 50 && bought > 100, "the ladders differ: {held} {short} {bought}");
}

/// Law: an offer more never makes the months that are held without it dearer.
#[test]
fn another_offer_never_makes_the_months_dearer() {
    for seed in 0..600 {
        let ladder = Ladder::random(seed);
        let months = ladder.cheapest(5).sets.len() as u32;
        if ladder.offers.len() < 2 || months == 0 {
            continue;
        }
        let without = |set: &&Vec<u32>| set[1] == 0;
        let kept: Vec<usize> = (0..ladder.sets.len()).filter(|set| without(&&ladder.sets[*set])).collect();
        let sets: Vec<Vec<u32>> = kept.iter().map(|set| ladder.sets[*set].clone()).collect();
        let usage = |set: usize, month| ladder.usage(kept[set], month);
        let choices = Choices { terms: &ladder.terms, sets: &sets, usage: &usage, follows: &any(&sets) };
        let fewer = Order::cheapest(&choices, months);
        let held = fewer.sets.len() as u32;
        assert!(held <= months, "seed {seed}");
        if held > 0 {
            assert!(ladder.cheapest(held).total() <= fewer.total(), "seed {seed}: {fewer:?}");
        }
    }
}

/// A tier for 10 a month from month 2 on, with a commitment of three months, and one for 14 that replaces it. The first holds
/// months 2 and 3, so that buying both costs a month of the first after it has been replaced.
#[test]
fn a_commitment_is_due_although_the_offer_was_replaced() {
    let offers = [offer(0, vec![], vec![], 1), offer(1, vec![], vec![0], 1)];
    let sets = offer_sets(&offers).expect("few sets");
    assert_eq!(sets, [[0, 0], [0, 1], [1, 0]]);
    let terms = |fee| Terms { fee, setup: 0, commitment: 3, from: 1 };
    let holds = [1, 6, 3];
    let usage = |set: usize, month: u32| (month <= holds[set]).then_some(0);
    let order = |low, high, months| {
        let terms = [terms(low), terms(high)];
        Order::cheapest(&Choices { terms: &terms, sets: &sets, usage: &usage, follows: &any(&sets) }, months)
    };
    // The lower tier until month 3 costs 3 × 2, of which one month is due in month 4, and the higher one 14 from month 4 on:
    // 34 until month 5, where the higher one from month 2 on costs 56.
    let found = order(2, 14, 5);
    assert_eq!(found.sets, [0, 2, 2, 1, 1]);
    assert_eq!(found.due.iter().map(|due| due.fees).collect::<Vec<_>>(), [0, 2, 2, 16, 14]);
    assert_eq!((found.total(), found.due_later), (34, 14));
    // At 13 the lower tier costs 39, which is more than 28 for two months more of the higher one.
    assert_eq!(order(13, 14, 5).sets, [0, 1, 1, 1, 1]);
}

/// `b` requires and replaces `a`. It is bought in the month after `a`, never at first, and keeps itself from then on. After `c`, which
/// replaces `a` as well, it can be bought too.
#[test]
fn what_replaces_its_own_requirement_is_bought_after_it() {
    let offers = [offer(0, vec![], vec![], 1), offer(1, vec![0], vec![0], 1), offer(2, vec![], vec![0], 1)];
    let follows = |before: [u32; 3], set: [u32; 3]| can_be_bought(&offers, &before, &set);
    let (none, a, b, c) = ([0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]);
    assert!(!follows(none, b) && follows(a, b) && follows(b, b) && follows(c, b) && follows(none, a));
    let sets = offer_sets(&offers[..2]).expect("few sets");
    assert_eq!(sets, [[0, 0], [0, 1], [1, 0]]);
    // `b` alone holds every month, but costs a month of `a` before.
    let follows: Vec<Vec<bool>> = sets
        .iter()
        .map(|set| sets.iter().map(|before| can_be_bought(&offers[..2], before, set)).collect())
        .collect();
    let free = Terms { fee: 0, setup: 0, commitment: 1, from: 1 };
    let terms = [Terms { fee: 7, ..free }, Terms { fee: 2, ..free }];
    let usage = |set: usize, month: u32| (set != 0 || month == 1).then_some(0);
    let order = |months| {
        let choices = Choices { terms: &terms, sets: &sets, usage: &usage, follows: &follows };
        Order::cheapest(&choices, months)
    };
    let found = order(4);
    assert_eq!((found.sets.as_slice(), found.total()), ([0, 2, 1, 1].as_slice(), 7 + 2 + 2));
}

#[test]
fn sets_respect_requirements_replacements_and_numbers() {
    // A developer tier, a business tier that replaces it, and up to two accounts that need one of them.
    let offers = [offer(0, vec![], vec![], 1), offer(1, vec![], vec![0], 1), offer(2, vec![0], vec![], 2)];
    let sets = offer_sets(&offers).expect("few sets");
    let expected =
        [[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1], [0, 1, 2], [1, 0, 2]].map(|set| set.to_vec());
    assert_eq!(sets, expected);
    let many: Vec<Offer> = (0..7).map(|index| offer(index, vec![], vec![], 1)).collect();
    assert!(offer_sets(&many[..6]).is_some_and(|sets| sets.len() == 64) && offer_sets(&many).is_none());
}
