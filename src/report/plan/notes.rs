//! The sentences of the notes of a plan: how it was found, and what was left out.

use super::sentences::rule_list;
use crate::formatting::{duration, number, percent};
use crate::planner::{CutIncrease, NotTriedReason, PlanNote, UntriedChange};
use crate::report::notes as scenario_notes;
use crate::scenario::{Metric, Note};

/// A day in seconds.
const DAY_S: f64 = 86_400.0;

/// Returns the sentence of a note.
pub(super) fn sentence(note: &PlanNote) -> String {
    match note {
        PlanNote::RulesLeftOut { rules } => format!(
            "The plan does not judge these rules, because more load does not break them, less load does not mend them, or they set \
             a maximum for what is served: {}. `sim` and `test` judge them.",
            rule_list(rules.iter().map(String::as_str))
        ),
        PlanNote::RuleAssumed { rule, metric } => {
            let what = match metric {
                Metric::FinishedBy => "when the batch must be finished",
                Metric::TaskSuccess => "how many tasks may fail",
                _ => "how many jobs may fail",
            };
            format!("The scenario does not say {what}; assumed: `{rule}`.")
        }
        PlanNote::Method { .. } => method(note),
        PlanNote::OtherModel { change } => format!(
            "`{change}` needs no new account, since limits are per model; its answers are another model's."
        ),
        PlanNote::FreeAccounts { provider, max } => format!(
            "Accounts at {provider} cost nothing in this scenario. If they are free, its terms of service may forbid several: \
             check them first. At most {max} more are proposed unless a change gives them a price."
        ),
        PlanNote::CutsAnswers { change, workloads } => cuts_answers(change, workloads),
        PlanNote::Ablations { changes } => format!(
            "Policies in force were left out one at a time to measure their worth (a lift below 1 means that the \
             ceiling is lower without the policy); this is no advice: {}.",
            changes.join(", ")
        ),
        PlanNote::MeasuredWithoutCostRules => {
            "A rule on cost breaks first, so changes are measured without the rules on cost.".to_owned()
        }
        PlanNote::LongerRuns { from_s, to_s, covers_windows: true } => format!(
            "Each run covers {} of the same traffic instead of {}: shorter runs show what a long limit holds when they begin, not \
             what it sustains.",
            duration(*to_s),
            duration(*from_s)
        ),
        PlanNote::LongerRuns { from_s, to_s, .. } => format!(
            "Runs last {} instead of {}, since a shorter one has too few jobs for the rules.",
            duration(*to_s),
            duration(*from_s)
        ),
        PlanNote::GrowthWithoutCeiling { rate } => format!(
            "It is not known when a growth of {rate} reaches the ceiling, because no load is known to hold."
        ),
        PlanNote::CostPerDay { run_s, has_daily_limits } if *run_s < DAY_S => {
            let of_day = "; if a limit per day or the budget of a client does not allow that, they are those of a simulated day if the traffic can go on, and at most the budget";
            format!(
                "Costs per day are those of a run of {}, times {}, as if its traffic went on for the whole day{}.",
                duration(*run_s),
                number(DAY_S / run_s),
                if *has_daily_limits { of_day } else { "" }
            )
        }
        PlanNote::CostPerDay { run_s, .. } => {
            format!("Costs per day are the mean over the {} of a run.", duration(*run_s))
        }
        PlanNote::NotTried { change, reason } => {
            format!("Not tried: {}, because {}.", untried(*change), why(*reason))
        }
        // Without the ending "the ceiling counts only the other jobs": a plan's ceilings count unservable jobs too; only that of
        // `check` does not.
        PlanNote::Scenario { note: Note::Unservable { workload, route, share, of_tasks, .. } } => {
            scenario_notes::unservable(workload, route, *share, *of_tasks)
        }
        PlanNote::Scenario { note } => scenario_notes::sentence(note),
    }
}

/// Returns the sentences of [`PlanNote::Method`].
fn method(note: &PlanNote) -> String {
    let PlanNote::Method {
        replicas,
        confidence,
        tolerance,
        other_seeds_tolerance,
        change_tolerance,
        ablation_tolerance,
        pair_tolerance,
        equal,
        ablation_equal,
    } = note
    else {
        return String::new();
    };
    let ceiling = match replicas {
        1 => format!("The ceiling is that of one seed, found to within {}.", percent(*tolerance)),
        _ => format!(
            "The mean ceiling is over {replicas} seeds, the first found to within {}, the others to within {}, with the {} \
             confidence interval of the mean. The ceiling to plan with is a lower tolerance bound of the highest \
             loads that held on these seeds, taken as log-normal.",
            percent(*tolerance),
            percent(*other_seeds_tolerance),
            percent(*confidence)
        ),
    };
    format!(
        "Every run that searches for a ceiling covers the whole duration; one that only checks whether a load holds ends \
         once the rule on success is certainly broken. {ceiling} The curve and the changes use the scenario's own seed: \
         the ceilings with changes are found to within {}, those without a policy to within {}, those with pairs to within \
         {}. Ceilings that differ by at most {} ({} for policies left out) are called equal: the tolerances \
         and the variation between seeds explain as much.",
        percent(*change_tolerance),
        percent(*ablation_tolerance),
        percent(*pair_tolerance),
        percent(*equal),
        percent(*ablation_equal)
    )
}

fn cuts_answers(change: &str, workloads: &[CutIncrease]) -> String {
    let each = workloads.iter().map(|workload| {
        let before = workload
            .share_before
            .map_or_else(String::new, |before| format!(" instead of {}", percent(before)));
        format!("{} of the answers of {}{before}", percent(workload.share_after), workload.workload)
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let judged = if workloads.iter().all(|workload| workload.is_judged) {
        "a rule on cut answers judges it"
    } else {
        "it is measured, but not proposed, since not every workload of which it cuts answers has a rule on how many may be"
    };
    format!("`{change}` cuts {each}: {judged}.")
}

fn untried(change: UntriedChange) -> &'static str {
    match change {
        UntriedChange::MoveToNight => "moving workloads to the night",
        UntriedChange::CacheAndCoalescing => "a cache and request coalescing",
    }
}

fn why(reason: NotTriedReason) -> &'static str {
    match reason {
        NotTriedReason::NoDeferrableWorkload => "no workload says `deferrable: true`",
        NotTriedReason::RunShorterThanADay => "the run is shorter than a day",
        NotTriedReason::NoRateToMove => "deferrable workloads do not arrive at a constant rate",
        NotTriedReason::NothingRepeats => "no workload repeats requests",
    }
}
