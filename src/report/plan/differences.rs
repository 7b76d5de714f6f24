//! The sentences on why the simulated ceiling differs from the analytic one, by the direction in which each cause works, and on
//! the peak that bounds the analytic one.

use crate::formatting::{count, duration, job_rate, number, percent, plural};
use crate::planner::{AnalyticCeiling, Difference, GiveUpBound, Plan};
use crate::report::ceiling_bounds;

/// Returns the sentences on the peak that bounds the analytic ceiling, on jobs that are too large, on the reasons why the two
/// ceilings differ, and on the bounds on bursts.
pub(super) fn sentences(plan: &Plan) -> Vec<String> {
    let peak = plan.ceiling.analytic.peak.as_ref().map(|peak| ceiling_bounds::peak(peak, &plan.run_time()));
    let in_order = plan.ceiling.analytic.in_route_order.as_ref().map(|order| {
        let in_order = ceiling_bounds::in_route_order(order);
        format!("The analytic ceiling takes every job to go where it leaves the most room; {in_order}.")
    });
    peak.into_iter().chain(in_order).chain(too_large(&plan.ceiling.analytic)).chain(reasons(plan)).collect()
}

/// Says that the rates count jobs that no target can admit; `None` if there are none, or no others.
fn too_large(analytic: &AnalyticCeiling) -> Option<String> {
    let (share, jobs_per_min) = (analytic.servable_share?, analytic.jobs_per_min?);
    Some(format!(
        "The rates count the {} of the jobs that are too large for every target: of the analytic {}, {} can be served.",
        percent(1.0 - share),
        job_rate(jobs_per_min),
        job_rate(jobs_per_min * share)
    ))
}

/// Returns the reasons why the two ceilings differ, those in the direction of the difference first, then the bounds on bursts.
fn reasons(plan: &Plan) -> Vec<String> {
    let Some(ratio) = plan.ceiling.differences.iter().find_map(|difference| match difference {
        Difference::Gap { ratio } => Some(*ratio),
        _ => None,
    }) else {
        return plan.ceiling.differences.iter().map(difference).collect();
    };
    let of = |wanted: Option<bool>| {
        let all = plan.ceiling.differences.iter();
        all.filter(move |difference| raises(difference) == wanted).map(difference).collect::<Vec<_>>()
    };
    let (causes, contrary) = (of(Some(ratio > 1.0)), of(Some(ratio <= 1.0)));
    let known = if causes.is_empty() { "No cause is known." } else { "Known causes:" };
    let gap = format!("The simulated ceiling is {} of the analytic one. {known}", percent(ratio));
    let contrary_head = (!contrary.is_empty()).then(|| "In the other direction:".to_owned());
    let listed = [gap].into_iter().chain(causes).chain(contrary_head).chain(contrary);
    let others =
        plan.ceiling.differences.iter().filter(|difference| {
            raises(difference).is_none() && !matches!(difference, Difference::Gap { .. })
        });
    listed.chain(others.map(difference)).collect()
}

/// Returns whether a cause raises the simulated ceiling above the analytic one or lowers it; `None` if it is not a cause.
fn raises(difference: &Difference) -> Option<bool> {
    match difference {
        Difference::CacheHits { .. }
        | Difference::Coalesced { .. }
        | Difference::CallsNotMade { .. }
        | Difference::FailuresAllowed { .. }
        | Difference::ServedAfterRun { .. } => Some(true),
        // `FullBucketsAtStart` is among these because arithmetic spreads the initial fill over the run.
        Difference::RuleBreaksFirst { .. }
        | Difference::UnevenArrivals { .. }
        | Difference::JobsGivenUp { .. }
        | Difference::Incidents { .. }
        | Difference::LimitGrows { .. }
        | Difference::FullBucketsAtStart { .. } => Some(false),
        Difference::Agreement { .. } | Difference::Gap { .. } | Difference::Reservation { .. } => None,
    }
}

fn difference(difference: &Difference) -> String {
    match difference {
        Difference::Agreement { .. } => "The simulated and the analytic ceiling agree.".to_owned(),
        Difference::Gap { ratio } => {
            format!("The simulated ceiling is {} of the analytic one.", percent(*ratio))
        }
        Difference::RuleBreaksFirst { rule } => {
            format!("`{rule}` breaks first, and the analytic ceiling is that of the limits alone.")
        }
        Difference::UnevenArrivals { step_s, peak_to_mean } => format!(
            "Arrivals are uneven: the busiest {} has {} times the mean, and arithmetic uses the mean.",
            duration(*step_s),
            number(*peak_to_mean)
        ),
        Difference::JobsGivenUp { .. } => given_up(difference),
        Difference::CacheHits { share } => {
            format!("The cache answers {} of the jobs, which use no quota.", percent(*share))
        }
        Difference::Coalesced { share } => {
            format!("{} of the jobs are coalesced with an identical one and use no quota.", percent(*share))
        }
        Difference::CallsNotMade { workload, share } => format!(
            "{} of the calls of {workload} are not made, since tasks end with a failed call or with their deadline; arithmetic counts \
             them.",
            percent(*share)
        ),
        Difference::FailuresAllowed { share } => {
            format!("The rules allow {} of the jobs to fail.", percent(*share))
        }
        Difference::ServedAfterRun { share } => format!(
            "{} of the jobs that are served are served after the run, before their deadlines; arithmetic counts what the limits admit in \
             the run.",
            percent(*share)
        ),
        Difference::Incidents { count } => {
            let verb = if *count == 1 { "takes" } else { "take" };
            format!("{} {verb} away capacity that arithmetic counts.", plural(*count as u64, "incident"))
        }
        Difference::LimitGrows { target, axis, amount, grows_to } => format!(
            "{axis} of {target} begins with {} and grows only as it is used; arithmetic assumes that it has grown to {}.",
            count(*amount),
            count(*grows_to)
        ),
        Difference::FullBucketsAtStart { axis, share, duration_s } => format!(
            "Buckets are full at the start: that fill is {} of what {axis} allows in a run of {}, and it is used once.",
            percent(*share),
            duration(*duration_s)
        ),
        Difference::Reservation { workload, target, axis, reserved_tokens, used_tokens, jobs_at_once } => {
            format!(
                "A job of {workload} reserves {} {}tokens and is charged {} on average once it has ended. With nothing used, {target} admits {} of them \
             at once; each gives the rest back at its end.",
                count(*reserved_tokens),
                if axis == "otpm" { "output " } else { "" },
                count(*used_tokens),
                count(*jobs_at_once)
            )
        }
    }
}

/// Returns the sentence of [`Difference::JobsGivenUp`].
fn given_up(difference: &Difference) -> String {
    let Difference::JobsGivenUp { bound, jobs, lost, multiple, refusals } = difference else {
        return String::new();
    };
    let bound = match bound {
        GiveUpBound::Attempts { attempts: 1 } => "sends a job once".to_owned(),
        GiveUpBound::Attempts { attempts } => format!("sends a job at most {attempts} times"),
        GiveUpBound::Deadline { deadline_s } => format!("gives a job up after {}", duration(*deadline_s)),
        GiveUpBound::RetryBudget => "retries no more than its budget allows".to_owned(),
        GiveUpBound::QueueFull => "sheds a job if its queue is full".to_owned(),
        GiveUpBound::ClientBudget => {
            "gives a job up that its budget in USD does not allow in time".to_owned()
        }
    };
    let refused = refusals.as_ref().map_or_else(String::new, |refusals| {
        let attempts = plural(refusals.attempts, "attempt");
        format!(", while {} of {} refuses {attempts}", refusals.axis, refusals.target)
    });
    let ended = match (*jobs, *lost) {
        (_, 1) => "the only lost job is".to_owned(),
        (jobs, lost) if jobs == lost => format!("all {} lost jobs are", count(lost)),
        (jobs, lost) => {
            let verb = if jobs == 1 { "is" } else { "are" };
            format!("{} of the {} lost jobs {verb}", count(jobs), count(lost))
        }
    };
    format!(
        "The client {bound}: at {} times the load, {ended} lost for this reason{refused}.",
        number(*multiple)
    )
}
