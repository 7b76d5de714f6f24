//! The first refusal of a run, with the rate at which jobs were offered then.

use super::counts::Refusal;
use super::names::refusal_name;
use super::series::Series;
use super::summary::FirstRefusal;
use crate::formatting::{at_seconds, per_minute, rounded, seconds};
use crate::scenario::Scenario;

/// The fewest jobs from which the rate offered before the first refusal is computed.
const MIN_JOBS_OF_RATE: u64 = 20;
/// Jobs arrive at once if the busiest minute of a time bucket has this many times the mean of its minutes, or more.
const AT_ONCE: f64 = 5.0;

/// Returns the refusal with the rate offered in the time buckets of the minute before it (of the first minute, if it came
/// earlier), or of a longer time around it that has at least [`MIN_JOBS_OF_RATE`] jobs or is the whole run.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "buckets are few, their counts far below 2^53"
)]
pub(super) fn first_refusal(refusal: Refusal, scenario: &Scenario, series: &Series) -> FirstRefusal {
    let (at_s, bucket_s, duration_s) = (at_seconds(refusal.at), series.step_s, seconds(scenario.duration));
    let buckets_per_minute = (libm::ceil(60.0 / bucket_s) as usize).max(1);
    let planned = (libm::ceil(duration_s / bucket_s) as usize).clamp(1, series.offered.len());
    let mut end = ((at_s / bucket_s) as usize + 1).max(buckets_per_minute).min(planned);
    let mut begin = end.saturating_sub(buckets_per_minute);
    // The busiest minute of a bucket that is longer than a minute shows whether its jobs arrived at once.
    let busiest = series.busiest_minute.get(end - 1).copied();
    let minutes = bucket_s / 60.0;
    let busiest = busiest.filter(|jobs| {
        *jobs >= MIN_JOBS_OF_RATE && *jobs as f64 * minutes >= AT_ONCE * series.offered[end - 1] as f64
    });
    let minute = begin..end;
    while series.offered[begin..end].iter().sum::<u64>() < MIN_JOBS_OF_RATE {
        match (begin, end) {
            (0, _) if end >= planned => break,
            (0, _) => end += 1,
            _ => begin -= 1,
        }
    }
    let offered: u64 = series.offered[begin..end].iter().sum();
    let covered_s = (end as f64 * bucket_s).min(duration_s) - begin as f64 * bucket_s;
    let is_longer = (begin..end) != minute;
    let between = is_longer.then(|| between_first_and_last(&series.offered[begin..end])).flatten();
    let (offered, covered_s) =
        between.map_or((offered, covered_s), |(jobs, buckets)| (jobs, buckets as f64 * bucket_s));
    FirstRefusal {
        at_s,
        target: scenario.targets[refusal.target.index()].name.clone(),
        axis: refusal_name(refusal.by).to_owned(),
        offered_per_min: rounded(per_minute(offered, covered_s.max(bucket_s.min(1.0))), 6),
        busiest_minute: busiest,
    }
}

/// Returns the jobs after those of the first bucket that has any, and the buckets from that to the last that has any; `None` if all jobs
/// are in one bucket. A time that begins and ends with one of a few jobs has one interval between jobs less than it has jobs.
fn between_first_and_last(offered: &[u64]) -> Option<(u64, usize)> {
    let first = offered.iter().position(|jobs| *jobs > 0)?;
    let last = offered.iter().rposition(|jobs| *jobs > 0)?;
    (first < last).then(|| (offered[first + 1..=last].iter().sum(), last - first))
}
