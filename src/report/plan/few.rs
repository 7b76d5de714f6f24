//! Sentences on loads that cannot be judged, because a run or the windows of a rule have too few jobs.

use crate::formatting::{duration, job_rate, plural};
use crate::planner::{Load, Plan, TooFewJobs, UndecidedCheck, UndecidedSeeds};

/// Returns what there is and what a rule needs, in its own unit: `20 jobs` and `300 jobs`, or `0 tasks` and `60 tasks`.
fn amounts(few: &TooFewJobs) -> (String, String) {
    let (unit, have, needed) = match few.tasks {
        Some(few) => ("task", few.tasks, few.needed),
        None => ("job", few.jobs, few.needed),
    };
    (plural(have, unit), plural(needed, unit))
}

/// Says how many jobs or tasks a verdict needs and how many there are, as a clause without final punctuation.
pub(super) fn why(few: &TooFewJobs) -> String {
    let (rule, (have, needed)) = (&few.rule, amounts(few));
    match few.window_s {
        Some(window_s) => format!(
            "no window of {} has the {needed} that a verdict on `{rule}` needs (the fullest has {have})",
            duration(window_s)
        ),
        None => format!("a run has {have}, and `{rule}` needs {needed}"),
    }
}

/// Says why a ceiling is undecided, and what would help, without final punctuation.
fn no_ceiling(few: &TooFewJobs) -> String {
    let (rule, (have, needed)) = (&few.rule, amounts(few));
    match few.window_s {
        Some(_) => format!("{}. {}", why(few), remedy(few)),
        None => format!(
            "a run has {have} where the rules begin to break, and `{rule}` needs {needed}. {}",
            remedy(few)
        ),
    }
}

/// Says why a ceiling of users is undecided, and what would help, without final punctuation. Few of the fresh seeds that cannot be
/// judged break a rule, so their load is not where the rules begin to break.
pub(super) fn no_user_ceiling(few: &TooFewJobs, fresh: Option<UndecidedCheck>) -> String {
    match fresh {
        Some(UndecidedCheck { undecided, seeds, .. }) => {
            format!(
                "{undecided} of {seeds} fresh seeds cannot be judged at the highest load checked at which few of them break a rule: \
                 there {}. {}",
                why(few),
                remedy(few)
            )
        }
        None => no_ceiling(few),
    }
}

/// Says what has more jobs, without final punctuation.
fn remedy(few: &TooFewJobs) -> &'static str {
    if few.window_s.is_some() { "Longer windows have more" } else { "A longer run (`--for`) has more" }
}

/// Says whether the present load holds, without final punctuation.
pub(super) fn present_load(load: &Load) -> String {
    let jobs = job_rate(load.jobs_per_min);
    match (&load.undecided, load.holds) {
        (Some(few), _) => {
            format!("It is not known whether the present load of {jobs} holds, because {}", why(few))
        }
        (None, true) => format!("The present load of {jobs} holds"),
        (None, false) => format!("The present load of {jobs} does not hold"),
    }
}

/// Returns the sentence on an undecided ceiling, and on whether the present load certainly breaks a rule.
pub(super) fn cannot_tell(
    plan: &Plan,
    load_jobs_per_min: f64,
    (few, load_breaks): (&TooFewJobs, bool),
    seeds: Option<UndecidedSeeds>,
) -> String {
    let jobs = job_rate(load_jobs_per_min);
    let known = if load_breaks {
        format!("The present load of {jobs} does not hold, and the ceiling is not known")
    } else {
        format!("It is not known whether the present load of {jobs} holds, nor what the ceiling is")
    };
    let on_seeds = seeds.map_or_else(String::new, |seeds| on_seeds(seeds, plan.seed));
    match seeds.and_then(|seeds| seeds.fresh) {
        // Few of these seeds break a rule, so it is not where the rules begin to break.
        Some(_) => format!("{known}: {on_seeds}{}. {}.", why(few), remedy(few)),
        None => format!("{known}: {on_seeds}{}.", no_ceiling(few)),
    }
}

/// Says on which seeds a rule cannot be judged, and what is known of the scenario's own seed (`own`); ends in a space.
fn on_seeds(seeds: UndecidedSeeds, own: u64) -> String {
    let UndecidedSeeds { seeds, undecided, fresh, held_jobs_per_min, broken_jobs_per_min } = seeds;
    let held = held_jobs_per_min.map(|jobs| format!("{} held", job_rate(jobs)));
    let broken = broken_jobs_per_min.map(|jobs| format!("{} broke a rule", job_rate(jobs)));
    let known: Vec<String> = held.into_iter().chain(broken).collect();
    let known = match known.as_slice() {
        [] => String::new(),
        known => format!("on seed {own} {}; ", known.join(" and ")),
    };
    if let Some(fresh) = fresh {
        return format!(
            "{known}{} of {} fresh seeds cannot be judged at {}, the highest load checked at which few of them break a \
             rule: there ",
            fresh.undecided,
            fresh.seeds,
            job_rate(fresh.jobs_per_min)
        );
    }
    match (undecided, seeds) {
        (0, _) => format!("{known}on too many fresh seeds "),
        (undecided, seeds) if undecided == seeds => format!("{known}at the loads at which no rule breaks, "),
        (undecided, seeds) => {
            format!("{known}on {undecided} of {seeds} seeds, at the loads at which no rule breaks, ")
        }
    }
}

/// Returns the legend of the words for runs of the curve that have no verdict: `few` and `thin`, each if it occurs.
pub(super) fn legend(plan: &Plan) -> Vec<String> {
    let of_runs = plan
        .ceiling
        .simulated
        .judged_from
        .as_ref()
        .filter(|_| plan.curve.iter().any(|point| point.too_few_jobs));
    let of_runs = of_runs.map(|from| {
        format!(
            "few: the jobs of the run, fewer than the {} from which `{}` is judged",
            plural(from.jobs, "job"),
            from.rule
        )
    });
    let thin = plan.curve.iter().filter(|point| !point.too_few_jobs);
    let thin = thin.filter_map(|point| point.undecided.as_ref()).next().map(|few| {
        format!(
            "thin: the jobs of the fullest window, fewer than the {} from which `{}` is judged",
            amounts(few).1,
            few.rule
        )
    });
    of_runs.into_iter().chain(thin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fresh seeds are checked at a load that few of them break, so the sentence does not say that the rules begin to break there.
    #[test]
    fn users_whose_fresh_seeds_are_undecided_are_not_said_to_break_the_rules() {
        let few = TooFewJobs {
            rule: "success >= 99%".to_owned(),
            jobs: 20,
            needed: 300,
            window_s: None,
            tasks: None,
        };
        let fresh = UndecidedCheck { jobs_per_min: 2.0, seeds: 32, undecided: 9 };
        assert_eq!(
            no_user_ceiling(&few, Some(fresh)),
            "9 of 32 fresh seeds cannot be judged at the highest load checked at which few of them break a rule: there a run has 20 jobs, and \
             `success >= 99%` needs 300 jobs. A longer run (`--for`) has more"
        );
        let searched = no_user_ceiling(&few, None);
        assert!(searched.starts_with("a run has 20 jobs where the rules begin to break"), "{searched}");
    }
}
