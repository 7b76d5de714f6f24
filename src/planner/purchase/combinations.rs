//! The sets that are tried one after the other if no single change helps any more: up to three changes other than accounts,
//! each with many accounts at all providers, with most of them at one, with some at each, and with none. More accounts do no
//! harm, but a route has room for a bounded number of targets; the search removes afterwards what is not needed.

use super::candidates::{Candidates, MAX_CHANGES};

/// The most changes other than accounts in a set.
const MAX_OTHERS: usize = 3;
/// The number of accounts of all providers together in a set with many.
const MANY_IN_ALL: usize = 40;
/// The number of accounts of each provider in a set with some.
const SOME_AT_EACH: usize = 3;

/// Returns the sets: those with few other changes first, in the order of their costs; for each, those with many accounts
/// before those with few.
pub(super) fn combinations(candidates: &Candidates<'_>) -> Vec<Vec<usize>> {
    let all = candidates.by_cost();
    let (account_changes, others): (Vec<usize>, Vec<usize>) =
        all.into_iter().partition(|index| candidates.is_account(*index));
    let mut sets = Vec::new();
    for subset in subsets(&others) {
        for account_counts in account_counts(account_changes.len()) {
            let mut set = subset.clone();
            for (account, copies) in account_changes.iter().zip(account_counts) {
                set = candidates.with(&set, *account, copies).unwrap_or(set);
            }
            if candidates.is_valid(&set) && !sets.contains(&set) {
                sets.push(set);
            }
        }
    }
    sets
}

/// Returns the subsets of at most [`MAX_OTHERS`] changes: the smallest first, each in the order of `others`.
fn subsets(others: &[usize]) -> Vec<Vec<usize>> {
    let mut subsets: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new())];
    let mut from = 0;
    for _ in 0..MAX_OTHERS {
        let until = subsets.len();
        for place in from..until {
            let (next, subset) = subsets[place].clone();
            let longer = |index: usize| {
                let set: Vec<usize> = subset.iter().copied().chain([others[index]]).collect();
                (index + 1, set)
            };
            subsets.extend((next..others.len()).map(longer));
        }
        from = until;
    }
    subsets.into_iter().map(|(_, subset)| subset).collect()
}

/// Returns the numbers of accounts of each of `providers` that are tried: the same for each; most at one of them; some at
/// each; none.
fn account_counts(providers: usize) -> Vec<Vec<usize>> {
    const { assert!(MANY_IN_ALL + MAX_OTHERS <= MAX_CHANGES, "invariant: a set with many accounts is valid") };
    if providers == 0 {
        return vec![Vec::new()];
    }
    let mut account_counts = vec![vec![MANY_IN_ALL / providers; providers]];
    if providers > 1 {
        let rest = MANY_IN_ALL / 4 / (providers - 1);
        let most_at =
            |most: usize| (0..providers).map(move |one| if one == most { MANY_IN_ALL * 3 / 4 } else { rest });
        account_counts.extend((0..providers).map(|most| most_at(most).collect()));
    }
    account_counts.extend([vec![SOME_AT_EACH; providers], vec![0; providers]]);
    account_counts
}
