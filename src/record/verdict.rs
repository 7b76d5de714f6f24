//! What to make of a run, in sentences a reader needs no table for: which limit said no first, what users
//! saw, whether the expectations hold; and before all that, whether the run can be believed.

use super::summary::{Ceiling, Expected, FirstRefusal, Summary};
use crate::formatting::{count, duration, moment, number, per_minute, percent, plural, share_of};

/// A live run is believed while 99 % of its jobs left no later than this after their schedule.
const LATEST_S: f64 = 0.010;
/// … and while the jobs delivered differ from the schedule by no more than this share.
const MISSING: f64 = 0.001;

/// The sentences, the most important first.
pub(super) fn of(summary: &Summary, scheduled: Option<u64>) -> Vec<String> {
    let limit = match &summary.first_refusal {
        Some(refusal) => refused(refusal, summary),
        None => unrefused(summary),
    };
    let sentences =
        [generator(summary, scheduled), Some(limit), users(summary), expectations(&summary.expect)];
    sentences.into_iter().flatten().collect()
}

/// Whether the generator kept its schedule; silent where it did.
fn generator(summary: &Summary, scheduled: Option<u64>) -> Option<String> {
    let lag = summary.lag_s?;
    let missing = scheduled.and_then(|due| share_of(due.abs_diff(summary.jobs.offered), due)).unwrap_or(0.0);
    let due = scheduled.unwrap_or(summary.jobs.offered);
    let what = if missing > MISSING {
        format!("it delivered {} of {}", count(summary.jobs.offered), plural(due, "job"))
    } else if lag.p99 > LATEST_S {
        format!("1 % of the jobs left more than {} late", duration(lag.p99))
    } else {
        return None;
    };
    Some(format!("The generator could not keep its schedule ({what}): read these numbers as a lower load."))
}

fn refused(refusal: &FirstRefusal, summary: &Summary) -> String {
    let when = moment(refusal.at_s, summary.duration_s);
    format!(
        "{} on {} is the first limit to refuse: at {when}, with {} jobs/min offered.",
        refusal.axis,
        refusal.target,
        number(refusal.offered_per_min)
    )
}

fn unrefused(summary: &Summary) -> String {
    if summary.jobs.offered == 0 {
        return "No job arrived, so nothing was tried.".to_owned();
    }
    match &summary.ceiling {
        Ceiling { jobs_per_min: Some(ceiling), binding: Some(binding), .. } => format!(
            "No limit refused anything: {} jobs/min were offered on average, {} on {} allows {}.",
            number(per_minute(summary.jobs.offered, summary.duration_s)),
            binding.axis,
            binding.target,
            number(*ceiling)
        ),
        _ => "No limit refused anything, and none stands in the way of more.".to_owned(),
    }
}

/// What became of the jobs; silent where there were none.
fn users(summary: &Summary) -> Option<String> {
    let jobs = &summary.jobs;
    let succeeded = share_of(jobs.succeeded, jobs.offered)?;
    let mut text = format!("{} of {} succeeded", percent(succeeded), plural(jobs.offered, "job"));
    if summary.latency_s.count > 0 {
        text.push_str(&format!(", 95 % of those within {}", duration(summary.latency_s.p95)));
    }
    let rest = [(jobs.failed, "failed"), (jobs.shed, "given up unsent"), (jobs.in_flight, "still under way")];
    let rest = rest.into_iter().filter_map(|(number, what)| {
        let share = share_of(number, jobs.offered).filter(|share| *share > 0.0)?;
        Some(format!("{} {what}", percent(share)))
    });
    let rest: Vec<_> = rest.collect();
    if !rest.is_empty() {
        text.push_str(&format!("; {}", rest.join(", ")));
    }
    Some(text + ".")
}

/// Whether the expectations hold; silent where there are none.
fn expectations(expect: &[Expected]) -> Option<String> {
    let missed: Vec<_> = expect.iter().filter(|expected| !expected.pass).collect();
    match (expect.len(), missed.as_slice()) {
        (0, _) => None,
        (1, []) => Some(format!("The expectation holds: {}.", expect[0].rule)),
        (all, []) => Some(format!("All {all} expectations hold.")),
        (1, [only]) => Some(format!("The expectation is missed: {}.", only.rule)),
        (all, missed) => {
            let are = if missed.len() == 1 { "is" } else { "are" };
            let rules: Vec<_> = missed.iter().map(|expected| expected.rule.as_str()).collect();
            Some(format!("{} of {all} expectations {are} missed: {}.", missed.len(), rules.join(", ")))
        }
    }
}
