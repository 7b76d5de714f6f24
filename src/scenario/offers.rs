//! Looks up the names in `offers`, and makes the scenario with each combination of them.

use super::diagnostics::{Diagnostics, Name};
use super::resolved::{MAX_OFFER_SETS, Offer, OfferVariant, Offers, Scenario, offer_sets};
use super::spec::{OfferSpec, TreeChange};
use crate::problem::did_you_mean;
use std::collections::BTreeSet;

/// Returns the offers with their names looked up. Reports names that are used twice or do not exist, requirements and
/// replacements that lead back to the same offer, and several copies of something that is not an account.
///
/// `written` are the names of all offers, those of invalid ones included, which have been reported.
pub(super) fn resolve_offers(
    specs: &[OfferSpec],
    written: &[String],
    diagnostics: &Diagnostics,
) -> Vec<Offer> {
    for (index, spec) in specs.iter().enumerate() {
        if specs[..index].iter().any(|other| other.name.text == spec.name.text) {
            let what = format!("an offer named `{}` exists already", spec.name.text);
            diagnostics.report_at(&spec.name.at, what, "give every offer a name of its own");
        }
        if spec.max.0 > 1 && spec.account.is_none() {
            let what =
                "only accounts can be owned several times: a change that is made twice is the same change";
            diagnostics.report_at(&spec.max.1, what, "use `account`, or make an offer of each");
        }
    }
    let index = |name: &Name| {
        let found = specs.iter().position(|other| other.name.text == name.text);
        if found.is_none() && !written.contains(&name.text) {
            let names = written.iter().map(String::as_str);
            let what = format!("unknown offer `{}`", name.text);
            diagnostics.report_at(&name.at, what, did_you_mean(&name.text, names));
        }
        found
    };
    let indices = |names: &[Name]| -> Vec<usize> { names.iter().filter_map(index).collect() };
    let requires: Vec<Vec<usize>> = specs.iter().map(|spec| indices(&spec.requires)).collect();
    let replaces: Vec<Vec<usize>> = specs.iter().map(|spec| indices(&spec.replaces)).collect();
    let offer = |(index, spec): (usize, &OfferSpec)| {
        for (word, edges) in [("requires", &requires), ("replaces", &replaces)] {
            if reachable(edges, index).contains(&index) {
                let what = format!("`{}` {word} itself, directly or through others", spec.name.text);
                let help = "let each name only offers that come before it, such as lower tiers";
                diagnostics.report_at(&spec.name.at, what, help);
            }
        }
        Offer {
            name: spec.name.text.clone(),
            has_changes: !spec.change.is_empty(),
            account: spec.account.as_ref().map(|name| name.text.clone()),
            fee_usd: spec.fee,
            setup_usd: spec.setup,
            commitment: spec.commitment,
            from: spec.from,
            requires: requires[index].clone(),
            replaces: reachable(&replaces, index).into_iter().collect(),
            max: spec.max.0,
        }
    };
    specs.iter().enumerate().map(offer).collect()
}

/// Returns what can be reached from `start` along one or more edges.
fn reachable(edges: &[Vec<usize>], start: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = edges[start].clone();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(&edges[next]);
        }
    }
    found
}

/// Returns the offers with the scenario of each combination, which `with` makes of the changes. Reports if there are too many
/// combinations, and accounts of providers that do not exist. Returns `None` if the scenario with some changes cannot be read,
/// which has been reported.
pub(super) fn with_variants(
    list: Vec<Offer>,
    specs: &[OfferSpec],
    diagnostics: &Diagnostics,
    with: impl Fn(&[&TreeChange]) -> Option<Scenario>,
) -> Option<Offers> {
    if list.is_empty() || diagnostics.problems().is_some() {
        return Some(Offers::default());
    }
    let Some(sets) = offer_sets(&list) else {
        let at = &specs[0].name.at;
        let what = format!("the offers can be combined in more than {MAX_OFFER_SETS} ways");
        let help =
            "leave out what you would not buy, lower `max`, or state what `requires` or `replaces` what";
        diagnostics.report_at(at, what, help);
        return Some(Offers::default());
    };
    let mut offers = Offers { list, variants: Vec::new() };
    for set in &sets {
        if offers.scenario_with(set).is_none() {
            let owned = offers.changing(set);
            let chosen = specs.iter().zip(&owned).filter(|(_, owned)| **owned);
            let changes: Vec<&TreeChange> = chosen.map(|(spec, _)| &spec.change).collect();
            let scenario = with(&changes)?;
            if diagnostics.problems().is_some() {
                return Some(Offers::default());
            }
            offers.variants.push(OfferVariant { owned, scenario });
        }
        report_unknown_accounts((specs, set), offers.scenario_with(set), diagnostics);
    }
    Some(offers)
}

/// Reports the accounts of a set whose provider does not exist in its scenario. Each place is reported once at most, since
/// nothing else is read after a problem.
fn report_unknown_accounts(
    (specs, set): (&[OfferSpec], &[u32]),
    scenario: Option<&Scenario>,
    diagnostics: &Diagnostics,
) {
    let (Some(scenario), None) = (scenario, diagnostics.problems()) else { return };
    let names = || scenario.providers.iter().map(|config| config.name.as_str());
    for (spec, _) in specs.iter().zip(set).filter(|(_, count)| **count > 0) {
        if let Some(account) = &spec.account
            && names().all(|name| name != account.text)
        {
            let what = format!("there is no provider `{}` with this offer", account.text);
            diagnostics.report_at(&account.at, what, did_you_mean(&account.text, names()));
        }
    }
}
