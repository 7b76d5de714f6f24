//! The sentences on the first violation: which rule breaks, when it is worst, and which limit is the cause.

use crate::formatting::plural;
use crate::planner::FirstViolation;
use crate::scenario::Metric;

/// Returns the sentences of a first violation.
pub(super) fn sentence(violation: &FirstViolation) -> String {
    let rule = format!("The first rule to break is `{}`", violation.rule);
    let limit = violation.axis.as_ref().zip(violation.target.as_ref());
    let limit = limit.map(|(axis, target)| format!("{axis} of {target}"));
    match (violation.metric, &limit) {
        (Metric::Cost, _) => return format!("{rule}: a budget, not a limit of a provider."),
        (Metric::CutShare, _) => {
            return format!("{rule}: its cause is {CUT}, not a limit of a provider.");
        }
        (Metric::Headroom, Some(limit)) => {
            return format!("{rule}: headroom is arithmetic on the limits, of which {limit} binds.");
        }
        _ => {}
    }
    let worst = violation.at.as_ref().map_or_else(String::new, |at| format!(", worst at {at}"));
    let refused_over_run = plural(violation.refused_over_run, "attempt");
    if let Some(provider) = &violation.incident {
        let refused = limit
            .map_or_else(String::new, |limit| format!(" Over the run {limit} refuses {refused_over_run}."));
        return format!("{rule}{worst}, during an incident of {provider}.{refused}");
    }
    match limit {
        Some(limit) if violation.refused > 0 => {
            format!("{rule}{worst}, when {limit} refuses {}.", plural(violation.refused, "attempt"))
        }
        Some(limit) if violation.given_up > 0 => {
            let jobs = plural(violation.given_up, "job");
            format!(
                "{rule}{worst}. Over the run the client gives up {jobs} that would wait too long for {limit}."
            )
        }
        Some(limit) if violation.refused_over_run > 0 => {
            format!("{rule}{worst}. Over the run {limit} refuses {refused_over_run}.")
        }
        Some(limit) => format!("{rule}{worst}, when at least 90 % of {limit} is used."),
        None => format!("{rule}{worst}. {}", without_limit(violation)),
    }
}

/// The cause of cut answers.
pub(super) const CUT: &str = "the length at which answers are cut";

/// Says what the cause may be if no limit is known to be it.
fn without_limit(violation: &FirstViolation) -> String {
    if violation.over_budget > 0 {
        let jobs = plural(violation.over_budget, "job");
        return format!(
            "Over the run the budget of the client in USD does not allow {jobs} in time, which are lost, and no limit is the cause."
        );
    }
    let none =
        if violation.at.is_some() { "No limit refuses or is 90 % used then" } else { "No limit refuses" };
    format!(
        "{none}: the cause is the pace or another bound of the client, or a provider that fails or is slow."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_the_limit_that_stops_the_load_or_says_that_there_is_none() {
        let mut violation = FirstViolation {
            rule: "success >= 99%".to_owned(),
            metric: Metric::Success,
            actual: Some(0.98),
            multiple: 1.5,
            at: Some("14:05".to_owned()),
            at_s: Some(50_700.0),
            target: Some("groq/acme/m".to_owned()),
            axis: Some("tpm".to_owned()),
            incident: None,
            refused: 0,
            refused_over_run: 0,
            given_up: 0,
            over_budget: 0,
        };
        assert_eq!(
            sentence(&violation),
            "The first rule to break is `success >= 99%`, worst at 14:05, when at least 90 % of tpm of groq/acme/m is used."
        );
        violation.refused = 7;
        assert!(sentence(&violation).ends_with("when tpm of groq/acme/m refuses 7 attempts."));
        (violation.refused, violation.given_up) = (0, 1);
        assert!(sentence(&violation).ends_with(
            "Over the run the client gives up 1 job that would wait too long for tpm of groq/acme/m."
        ));
        (violation.target, violation.axis) = (None, None);
        assert!(sentence(&violation).contains("No limit refuses or is 90 % used then"));
        violation.metric = Metric::Cost;
        assert!(sentence(&violation).ends_with("a budget, not a limit of a provider."));
    }
}
