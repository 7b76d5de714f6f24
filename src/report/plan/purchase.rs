//! The sentences of the cheapest changes that hold a target load.

use super::few;
use super::sentences::{breaks, change_list};
use super::users;
use crate::formatting::{number, plural};
use crate::planner::{Purchase, only_cost};

/// Returns the sentences of a purchase.
pub(super) fn sentence(purchase: &Purchase) -> String {
    let target =
        format!("{} times the load ({})", number(purchase.target.multiple), users::target(&purchase.target));
    let changes =
        if purchase.changes.is_empty() { "no change".to_owned() } else { change_list(&purchase.changes) };
    let cost = purchase.cost_usd_per_day;
    let cost = cost.map_or_else(
        || "at an unknown cost".to_owned(),
        |cost| format!("for {cost:.2} USD/day in total at that load"),
    );
    let seeds = plural(purchase.replicas.into(), "seed");
    if let Some(few) = &purchase.undecided {
        return format!("It is not known whether {target} holds: {}.", few::why(few));
    }
    let answer = if purchase.holds && purchase.changes.is_empty() {
        format!(
            "{target} holds without any change, {cost}: it held on all {seeds} of the proof, as 95 % of runs do (90 % confidence)."
        )
    } else if purchase.holds {
        format!(
            "To hold {target}: {changes}, {cost}. It held on all {seeds} of the proof, as 95 % of runs do (90 % confidence)."
        )
    } else if purchase.replicas == 0 && !purchase.expected {
        let with = if purchase.changes.is_empty() { "without any change" } else { "with" };
        let changes = if purchase.changes.is_empty() { String::new() } else { format!(" {changes}") };
        format!(
            "By arithmetic, {target} is above the ceiling {with}{changes}. No run at that load ended in time, so nothing is proved."
        )
    } else if purchase.replicas == 0 {
        format!(
            "By arithmetic, {target} needs {changes}, {cost}. No run of it ended in time, so nothing is proved."
        )
    } else if purchase.broken.is_empty() {
        format!(
            "{target} with {changes}, {cost}, held on {seeds}; {} fresh ones are needed to conclude that 95 % of runs hold.",
            purchase.proof
        )
    } else if only_cost(&purchase.broken) {
        format!("To hold {target} apart from its cost: {changes}, {cost}; {}.", breaks(&purchase.broken))
    } else {
        format!(
            "No set of changes that was tried holds {target}: with {changes}, {} on {} of {seeds}.",
            breaks(&purchase.broken),
            purchase.failing_replicas
        )
    };
    let others = [other_models(purchase), not_compared(purchase), free_accounts(purchase)].concat();
    format!("{answer}{others}{}", incomplete(purchase))
}

/// Returns the changes of a purchase for a table; if there are none, why.
pub(super) fn changes(purchase: &Purchase) -> String {
    match purchase.changes.as_slice() {
        _ if purchase.undecided.is_some() => "too few jobs for a verdict".to_owned(),
        [] if !purchase.broken.is_empty() => "no change that was tried helps".to_owned(),
        [] if purchase.holds => "no change is needed".to_owned(),
        [] => "without any change".to_owned(),
        changes => change_list(changes),
    }
}

/// Returns the verdict on the target load with the changes of a purchase.
pub(super) fn verdict(purchase: &Purchase) -> &'static str {
    match () {
        () if purchase.holds => "the target load holds",
        () if purchase.undecided.is_some() => "whether the target load holds is not known",
        () if purchase.broken.is_empty() => "the target load is not proved to hold",
        () => "the target load does not hold",
    }
}

/// Returns the sentence on free accounts among the changes; empty if there are none.
fn free_accounts(purchase: &Purchase) -> String {
    if purchase.free_accounts.is_empty() {
        return String::new();
    }
    let providers = purchase.free_accounts.join(" and ");
    format!(" Check the terms of service of {providers} first: they may forbid several free accounts.")
}

/// Returns the sentence on a search that its time limit or a signal ended; empty if it was complete.
fn incomplete(purchase: &Purchase) -> &'static str {
    match () {
        () if purchase.complete => "",
        () if purchase.holds => {
            " The search ended early, at its time limit or by a signal: fewer changes may suffice."
        }
        () => {
            " The search ended early, at its time limit or by a signal, so this is the best answer until then; a longer `--time-limit` may find another."
        }
    }
}

/// Returns the sentence on changes that may cost less, but after which another model answers some jobs; empty if there are
/// none.
fn not_compared(purchase: &Purchase) -> String {
    if purchase.not_compared.is_empty() || !purchase.holds {
        return String::new();
    }
    let changes = purchase.not_compared.iter().map(|change| format!("`{change}`")).collect::<Vec<_>>();
    format!(" The same models suffice; whether {} costs less was not compared.", changes.join(" or "))
}

/// Returns the sentence on models that answer jobs only with the changes; empty if there are none.
fn other_models(purchase: &Purchase) -> String {
    if purchase.other_models.is_empty() {
        return String::new();
    }
    format!(" Some jobs are then answered by another model: {}.", purchase.other_models.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::{BrokenRule, TargetLoad};
    use crate::scenario::Metric;

    fn proved() -> Purchase {
        Purchase {
            target: TargetLoad { multiple: 5.0, jobs_per_min: 100.0, users: None },
            holds: true,
            undecided: None,
            proof: 50,
            complete: true,
            expected: true,
            not_compared: Vec::new(),
            changes: vec!["one more account at p".to_owned(); 2],
            free_accounts: Vec::new(),
            other_models: Vec::new(),
            broken: Vec::new(),
            cost_usd_per_day: Some(12.5),
            p95_s: Some(1.0),
            replicas: 50,
            failing_replicas: 0,
        }
    }

    #[test]
    fn a_proved_purchase_states_its_whole_cost_and_its_proof() {
        assert_eq!(
            sentence(&proved()),
            "To hold 5 times the load (100 jobs/min): 2 × one more account at p, for 12.50 USD/day in total at that load. \
             It held on all 50 seeds of the proof, as 95 % of runs do (90 % confidence)."
        );
    }

    #[test]
    fn other_models_and_free_accounts_are_named_in_the_answer() {
        let (free_accounts, other_models) = (vec!["p".to_owned()], vec!["m".to_owned()]);
        let text = sentence(&Purchase { free_accounts, other_models, ..proved() });
        assert!(text.contains("another model: m.") && text.contains("terms of service of p"), "{text}");
    }

    #[test]
    fn an_answer_that_the_time_limit_ended_says_so_and_claims_no_proof() {
        let cut = Purchase { holds: false, complete: false, cost_usd_per_day: None, replicas: 0, ..proved() };
        let text = sentence(&cut);
        assert!(text.starts_with("By arithmetic, 5 times the load (100 jobs/min) needs"), "{text}");
        assert!(text.contains("at an unknown cost") && text.contains("nothing is proved"), "{text}");
        assert!(text.contains("The search ended early"), "{text}");
        let screened = sentence(&Purchase { replicas: 3, ..cut });
        assert!(screened.contains("held on 3 seeds; 50 fresh ones are needed"), "{screened}");
    }

    #[test]
    fn no_change_is_needed_is_said_only_if_the_load_holds() {
        let without = Purchase { changes: Vec::new(), ..proved() };
        assert_eq!(
            (changes(&without), verdict(&without)),
            ("no change is needed".to_owned(), "the target load holds")
        );
        let unproved = Purchase { holds: false, ..without };
        let expected = ("without any change".to_owned(), "the target load is not proved to hold");
        assert_eq!((changes(&unproved), verdict(&unproved)), expected);
    }

    #[test]
    fn a_load_that_nothing_holds_names_the_rule_and_on_how_many_seeds_it_breaks() {
        let broken = vec![BrokenRule { rule: "success >= 99%".to_owned(), metric: Metric::Success }];
        let text = sentence(&Purchase { holds: false, broken, replicas: 9, failing_replicas: 2, ..proved() });
        assert!(text.contains("`success >= 99%` breaks on 2 of 9 seeds."), "{text}");
    }
}
