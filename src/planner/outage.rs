//! What the future does to the ceiling: growth that reaches it, and the loss of a provider at the worst hour.

use super::replicas::Interval;
use super::runner::{Run, Runner};
use super::search::LEAST;
use super::summary::{Growth, Outage};
use crate::formatting::{moment, rounded};
use crate::record::Series;
use crate::scenario::Scenario;
use provider::config::{Fault, Incident};
use provider::units::ParseError;
use provider::{Instant, Nanos};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// How a load grows: by a share in every period, each on top of the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthRate {
    /// As written.
    pub words: String,
    /// The natural logarithm of the growth in a month.
    per_month: f64,
}

/// Days in a month: a twelfth of a year of 365.25.
const DAYS: f64 = 30.4375;
/// Seeds on which an outage must be survived.
const SEEDS: u32 = 3;

impl GrowthRate {
    /// Reads `8%/month`; the periods are `day`, `week`, `month` and `year`.
    ///
    /// # Errors
    /// Where the text is no share, or no share of a known period.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let wrong =
            |what: String| ParseError::new(what, "write it as `8%/month`, per day, week, month or year");
        let Some((share, period)) = text.split_once('/') else {
            return Err(wrong(format!("`{text}` does not say in what time")));
        };
        let days = match period.trim() {
            "day" => 1.0,
            "week" => 7.0,
            "month" => DAYS,
            "year" => 12.0 * DAYS,
            _ => return Err(wrong(format!("`{period}` is no period of growth"))),
        };
        let percent = share.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let percent = percent.filter(|percent| percent.is_finite() && *percent > 0.0);
        let percent = percent.ok_or_else(|| wrong(format!("`{}` is no growth", share.trim())))?;
        Ok(Self { words: text.trim().to_owned(), per_month: libm::log1p(percent / 100.0) * DAYS / days })
    }

    /// When a load that grows like this reaches `ceiling` times itself.
    pub(super) fn reaches(&self, ceiling: Option<Interval>) -> Growth {
        let months = |multiple: f64| rounded(libm::log(multiple.max(LEAST)) / self.per_month, 2);
        Growth {
            rate: self.words.clone(),
            months: ceiling.map(|ceiling| months(ceiling.mean)),
            between: ceiling.map(|ceiling| [months(ceiling.low), months(ceiling.high)]),
        }
    }
}

/// The loss of each provider that is used, for an hour at the worst time, at the present load.
pub(super) fn outages(lab: &Runner<'_>, scenario: &Scenario, present: &Run) -> Vec<Outage> {
    let length = Nanos::HOUR.min(scenario.duration);
    let at = busiest(&present.summary.series, length, scenario.duration);
    let used: BTreeSet<u16> = scenario.targets.iter().map(|target| target.provider).collect();
    used.into_par_iter().map(|provider| outage(lab, scenario, provider, at, length)).collect()
}

fn outage(lab: &Runner<'_>, scenario: &Scenario, provider: u16, at: Instant, length: Nanos) -> Outage {
    let mut lost = scenario.clone();
    let config = &mut lost.providers[usize::from(provider)];
    let name = config.name.clone();
    config.incidents.push(Incident { at, until: at + length, fault: Fault::Status(503), share: 1.0 });
    let trials: Vec<Run> = (0..SEEDS).into_par_iter().map(|replica| lab.run(&lost, 1.0, replica)).collect();
    let mut broken: Vec<String> = Vec::new();
    for rule in trials.iter().flat_map(Run::broken) {
        if !broken.iter().any(|known| known == rule) {
            broken.push(rule.to_owned());
        }
    }
    let success = |trial: &Run| {
        let jobs = &trial.summary.jobs;
        jobs.succeeded as f64 / (jobs.succeeded + jobs.failed + jobs.shed).max(1) as f64
    };
    Outage {
        provider: name,
        at: moment(at.as_secs_f64(), scenario.duration.as_secs_f64()),
        at_s: rounded(at.as_secs_f64(), 6),
        for_s: rounded(length.as_secs_f64(), 6),
        survives: trials.iter().all(Run::holds),
        broken,
        success: rounded(trials.iter().map(success).fold(1.0, f64::min), 6),
        p95_s: trials.iter().filter_map(Run::p95_s).reduce(f64::max),
    }
}

/// The start of the stretch of this length in which most jobs are offered.
fn busiest(series: &Series, length: Nanos, duration: Nanos) -> Instant {
    let step = Nanos::from_secs_f64(series.step_s);
    let steps = (length.0 / step.0.max(1)).max(1) as usize;
    let windows = series.offered.windows(steps.min(series.offered.len().max(1)));
    let sums = windows.map(|window| window.iter().sum::<u64>());
    let (start, _) =
        (0u64..).zip(sums).fold((0, 0), |best, (start, sum)| if sum > best.1 { (start, sum) } else { best });
    let latest = duration.saturating_sub(length);
    Instant((step * start).0.min(latest.0))
}
