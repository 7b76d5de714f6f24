//! The conclusions of a run as data: did the generator keep its schedule, which limit refused first, what became of
//! the jobs, do the rules hold.
//!
//! They are derived from the other fields of a [`Summary`] when a run ends, or when a result of an earlier version is
//! read. Reports turn them into sentences (`report::verdict`).

use super::ceiling::{CeilingPeak, RouteOrderCeiling};
use super::cut_answers::CutAnswers;
use super::endpoint::{EndpointBound, EndpointResult, StatedTarget};
use super::generator::{self, GeneratorLag, GeneratorShed};
use super::given_up::GivenUp;
use super::log::is_default;
use super::rule_result::UnjudgedRule;
use super::summary::{CeilingSummary, Counts, LongWindow, Summary, Workload};
use super::tasks::{self, TaskOutcomes};
use super::unsent::UnsentJobs;
use super::worst_window::WorstWindow;
use super::{ended_early, local_failures, rule_result};
use crate::formatting::{per_minute, rounded, share_of};
use crate::scenario::Note;
use provider::Instant;
use serde::{Deserialize, Serialize};

/// One conclusion of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The run was interrupted: the result covers the time until then.
    Interrupted {
        /// When, in seconds since the run began.
        at_s: f64,
        /// The duration of the scenario, in seconds.
        planned_s: f64,
    },
    /// A bound on what a run through an endpoint may send ended it: the result covers the time until then.
    EndpointStopped {
        /// When, in seconds since the run began.
        at_s: f64,
        /// The duration of the scenario, in seconds.
        planned_s: f64,
        /// The bound.
        #[serde(flatten)]
        bound: EndpointBound,
    },
    /// The requests that an endpoint itself refused. Nothing is known of the limits behind it.
    EndpointRefusals {
        /// Requests that it answered like a provider that refuses by a limit, a budget, a plan or a size.
        refused: u64,
        /// Requests.
        requests: u64,
        /// Requests that it answered.
        answers: u64,
        /// When the first refusal was, in seconds; `None` if there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_at_s: Option<f64>,
        /// The refusals that state a wait.
        with_wait: u64,
        /// The median of the stated waits, in seconds; `None` if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_p50_s: Option<f64>,
    },
    /// Which targets answered behind an endpoint.
    EndpointTargets {
        /// Answers.
        answers: u64,
        /// The targets that they state, those of most answers first; empty unless every answer states one.
        targets: Vec<StatedTarget>,
        /// Answers of a later step ÷ answers; `None` if that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fallback_share: Option<f64>,
        /// Attempts behind the endpoint ÷ answers; `None` if that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempts_per_answer: Option<f64>,
    },
    /// So many jobs were in flight that the run was ended: the result covers the time until then.
    TooManyJobs {
        /// When, in seconds since the run began.
        at_s: f64,
        /// The duration of the scenario, in seconds.
        planned_s: f64,
        /// Jobs in flight.
        jobs: u64,
    },
    /// A live generator was so far behind its schedule that it did not send some jobs: the run represents a lower load.
    GeneratorShed(GeneratorShed),
    /// Attempts failed on this machine, not at the provider: the run represents another load.
    LocalFailures {
        /// Attempts that failed on this machine; at least one.
        attempts: u64,
        /// Attempts in all.
        of: u64,
        /// Those attempts by what the machine lacked, as in `attempts.failed_by`.
        by: Counts,
    },
    /// A live generator delivered another number of jobs than the schedule has: the run represents another load.
    GeneratorMissedJobs {
        /// Jobs delivered.
        offered: u64,
        /// Jobs in the schedule.
        scheduled: u64,
    },
    /// A live generator delivered jobs late, or attempts were sent late: the run represents a lower load.
    GeneratorLagged(GeneratorLag),
    /// The window of a limit is half of the run or longer, and the load uses a large share of the limit.
    LongWindow(LongWindow),
    /// Jobs of a workload can never be served: they are too large for every target of their route.
    Unservable {
        /// The workload.
        workload: String,
        /// Its route.
        route: String,
        /// The share of its jobs, above 0 and at most 1; with `of_tasks`, of the calls that its tasks have if all run to their end.
        share: f64,
        /// `true` if its jobs are the calls of tasks, which end with a call that fails.
        #[serde(default, skip_serializing_if = "is_default")]
        of_tasks: bool,
    },
    /// A limit refused an attempt that it could have admitted at another time; this is the first one that did.
    FirstRefusal {
        /// `provider/account/model`.
        target: String,
        /// The axis of the limit; the cause if the reply named no axis.
        axis: String,
        /// When, in seconds since the run began.
        at_s: f64,
        /// Jobs offered per minute, in the minute before it, or in a longer time around it that has at least twenty jobs.
        offered_per_min: f64,
        /// The jobs that arrive in the busiest minute about then, if they are far more than `offered_per_min`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        busiest_minute: Option<u64>,
    },
    /// No limit refused an attempt that it could have admitted at another time.
    NoRefusal {
        /// Jobs offered per minute, on average.
        offered_per_min: f64,
        /// The limit that binds first at a higher load; `None` if no limit bounds the load.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ceiling: Option<LimitCeiling>,
        /// The jobs that were given up nevertheless while they waited for a limit; `None` if they are few.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_up: Option<GivenUp>,
        /// The jobs that used no limit, because no attempt of their own was sent; `None` if there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsent: Option<UnsentJobs>,
        /// Attempts that were refused because they are too large.
        #[serde(default, skip_serializing_if = "is_default")]
        too_large: u64,
        /// Attempts that were refused because they are too long for the model.
        #[serde(default, skip_serializing_if = "is_default")]
        too_long: u64,
        /// Attempts that were answered like a refusal for another reason than a limit, such as an incident.
        #[serde(default, skip_serializing_if = "is_default")]
        faulted: u64,
    },
    /// How the tasks of a workload of sessions ended.
    TaskOutcomes(TaskOutcomes),
    /// Answers were cut.
    CutAnswers(CutAnswers),
    /// No job arrived, so nothing was measured.
    NoJobs,
    /// What became of the jobs.
    JobOutcomes {
        /// Jobs that arrived.
        offered: u64,
        /// Jobs that were served.
        succeeded: u64,
        /// Jobs given up after at least one attempt.
        failed: u64,
        /// Jobs given up before any attempt.
        shed: u64,
        /// Jobs not over when the run ended.
        in_flight: u64,
        /// The 95th percentile of the latency in seconds; `None` if no job succeeded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p95_s: Option<f64>,
    },
    /// What became of the jobs of one workload, and in which window of time fewest of them succeeded. A scenario with a single
    /// workload has this finding only if a window was notably worse than the run.
    WorkloadOutcome {
        /// The workload; empty if the scenario has only one.
        workload: String,
        /// Jobs that arrived.
        offered: u64,
        /// Jobs that were served.
        succeeded: u64,
        /// The 95th percentile of the latency in seconds; `None` if no job succeeded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p95_s: Option<f64>,
        /// Its worst window; `None` if no window was notably worse than the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worst: Option<WorstWindow>,
    },
    /// Every rule holds.
    ExpectationsMet {
        /// The rules as written; at least one.
        rules: Vec<String>,
    },
    /// Some rules are broken.
    ExpectationsMissed {
        /// Rules in all.
        total: u64,
        /// The broken rules as written; at least one.
        rules: Vec<String>,
    },
    /// Some rules cannot be judged.
    ExpectationsNotJudged {
        /// Rules in all.
        total: u64,
        /// Those that cannot be judged; at least one.
        rules: Vec<UnjudgedRule>,
    },
}

/// The load that the limits allow by arithmetic, and the limit that binds first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitCeiling {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit.
    pub axis: String,
    /// Jobs per minute, in the scenario's mix, over all targets.
    pub jobs_per_min: f64,
    /// The peak that bounds it; `None` if the mean over the run does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<CeilingPeak>,
    /// `true` if the run has several targets: `jobs_per_min` is then what their limits allow together.
    #[serde(default)]
    pub is_sum: bool,
    /// The estimate for the order of the routes, see [`CeilingSummary::in_route_order`]; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<RouteOrderCeiling>,
}

/// What findings are derived from besides a summary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// The number of jobs in the schedule of a live run, if it is known.
    pub(super) scheduled: Option<u64>,
    /// The attempts that no limit could have admitted. If it is `None`, every refused attempt of a summary without a first
    /// refusal counts as too large for a limit.
    pub(super) not_admitted: Option<NotAdmitted>,
    /// When the load generator first shed a job.
    pub(super) first_generator_shed: Option<Instant>,
}

/// Attempts that no limit could have admitted at any time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NotAdmitted {
    /// Refused by a limit, because they are larger than its capacity.
    pub(super) too_large: u64,
    /// Refused, because they are too long for the model.
    pub(super) too_long: u64,
    /// Answered like a refusal because of a fault.
    pub(super) faulted: u64,
}

/// Derives the findings, the most important first.
pub(super) fn of(summary: &Summary, facts: Facts) -> Vec<Finding> {
    let generator_shed = facts.first_generator_shed.and_then(|at| GeneratorShed::of(summary, at));
    let generator = generator::lag_finding(summary, facts.scheduled);
    let limit = match &summary.endpoint {
        Some(_) if summary.jobs.offered > 0 => None,
        _ => limit(summary, facts.not_admitted),
    };
    let limit = limit
        .filter(|finding| generator::supports(finding, summary, generator_shed.as_ref(), generator.as_ref()));
    let of_endpoint = summary.endpoint.iter().flat_map(EndpointResult::findings);
    let conclusions =
        limit.into_iter().chain(tasks::findings(summary)).chain(outcomes(summary)).chain(of_endpoint);
    let conclusions =
        conclusions.chain(workload_outcomes(summary)).chain(rule_result::findings(&summary.expect));
    let long_window = summary.long_window.as_ref();
    let (leading_window, trailing_window) =
        match long_window.map(|window| is_misleading_without(window, summary)) {
            Some(true) => (long_window, None),
            _ => (None, long_window),
        };
    let finding = |window: Option<&LongWindow>| window.cloned().map(Finding::LongWindow);
    let ended_early = ended_early::finding(summary);
    let (common, rare): (Vec<_>, Vec<_>) =
        CutAnswers::of(summary).into_iter().partition(CutAnswers::is_common);
    let [common, rare] = [common, rare].map(|cut| cut.into_iter().map(Finding::CutAnswers));
    // A finding on shed jobs already says that the generator lagged.
    let is_shed = generator_shed.is_some();
    let first = (generator_shed.map(Finding::GeneratorShed).into_iter())
        .chain(local_failures::finding(summary))
        .chain(ended_early)
        .chain(generator.filter(|_| !is_shed))
        .chain(finding(leading_window));
    let first = first.chain(unservable(&summary.notes)).chain(common);
    first.chain(conclusions).chain(rare).chain(finding(trailing_window)).collect()
}

/// The smallest share of served jobs from which a run appears to sustain its load.
const MOSTLY_SERVED: f64 = 0.9;

/// Returns `true` if the result misleads readers who do not know how much of the limit was used at the start: earlier
/// traffic used a part of it, or a load that it cannot sustain is served from what was left.
fn is_misleading_without(window: &LongWindow, summary: &Summary) -> bool {
    let served = share_of(summary.jobs.succeeded, summary.jobs.offered).unwrap_or(1.0);
    window.sustained || (window.offered_share > 1.0 && served >= MOSTLY_SERVED)
}

/// The largest number of workloads that findings describe: those with the lowest shares of succeeded jobs.
const MAX_WORKLOADS: usize = 8;
/// A window is notably worse than the run if its share of jobs that failed or were shed, or its 95th percentile of latency, is
/// more than this times that of the run.
const NOTABLY_WORSE: f64 = 1.5;

/// Returns the findings on the workloads, in the scenario's order.
fn workload_outcomes(summary: &Summary) -> impl Iterator<Item = Finding> {
    let is_only = summary.workloads.len() == 1;
    let share = |workload: &Workload| share_of(workload.succeeded, workload.offered).unwrap_or(1.0);
    let mut shares: Vec<f64> = summary.workloads.iter().map(share).collect();
    shares.sort_by(f64::total_cmp);
    let highest = shares.get(MAX_WORKLOADS - 1).copied().unwrap_or(1.0);
    let outcome = move |workload: &Workload| {
        let worst = workload.worst_window.clone().filter(|worst| is_notable(workload, worst));
        let is_shown =
            workload.offered > 0 && if is_only { worst.is_some() } else { share(workload) <= highest };
        is_shown.then(|| Finding::WorkloadOutcome {
            workload: if is_only { String::new() } else { workload.name.clone() },
            offered: workload.offered,
            succeeded: workload.succeeded,
            p95_s: (workload.latency_s.count > 0).then_some(workload.latency_s.p95),
            worst,
        })
    };
    summary.workloads.iter().filter_map(outcome).take(MAX_WORKLOADS)
}

/// Returns `true` if a window is notably worse than the run.
fn is_notable(workload: &Workload, worst: &WorstWindow) -> bool {
    let ended = workload.offered - workload.in_flight;
    let lost = |succeeded, ended| 1.0 - share_of(succeeded, ended).unwrap_or(1.0);
    let (in_window, in_run) = (lost(worst.succeeded, worst.jobs), lost(workload.succeeded, ended));
    let is_slower = worst.p95_s.is_some_and(|p95_s| p95_s > workload.latency_s.p95 * NOTABLY_WORSE);
    in_window > 0.0 && in_window > in_run * NOTABLY_WORSE || is_slower
}

/// Returns a finding for each workload some of whose jobs are too large for every target.
fn unservable(notes: &[Note]) -> impl Iterator<Item = Finding> {
    notes.iter().filter_map(|note| match note {
        Note::Unservable { workload, route, share, of_tasks, .. } => {
            let (workload, route) = (workload.clone(), route.clone());
            Some(Finding::Unservable { workload, route, share: *share, of_tasks: *of_tasks })
        }
        _ => None,
    })
}

/// Returns the finding on what the limits refused; `None` if they can admit no job at all, which is another finding.
fn limit(summary: &Summary, not_admitted: Option<NotAdmitted>) -> Option<Finding> {
    if let Some(refusal) = &summary.first_refusal {
        return Some(Finding::FirstRefusal {
            target: refusal.target.clone(),
            axis: refusal.axis.clone(),
            at_s: refusal.at_s,
            offered_per_min: refusal.offered_per_min,
            busiest_minute: refusal.busiest_minute,
        });
    }
    if summary.jobs.offered == 0 {
        return Some(Finding::NoJobs);
    }
    if summary.ceiling.jobs_per_min == Some(0.0) {
        return None;
    }
    let ceiling = match &summary.ceiling {
        CeilingSummary { jobs_per_min: Some(jobs_per_min), binding: Some(binding), peak, .. } => {
            Some(LimitCeiling {
                target: binding.target.clone(),
                axis: binding.axis.clone(),
                jobs_per_min: *jobs_per_min,
                peak: *peak,
                is_sum: summary.targets.len() > 1,
                in_route_order: summary.ceiling.in_route_order.clone(),
            })
        }
        _ => None,
    };
    let offered_per_min = rounded(per_minute(summary.jobs.offered, summary.duration_s), 6);
    let of_limits = NotAdmitted { too_large: summary.attempts.limited, ..NotAdmitted::default() };
    let NotAdmitted { too_large, too_long, faulted } = not_admitted.unwrap_or(of_limits);
    let (given_up, unsent) = (GivenUp::of(summary), UnsentJobs::of(&summary.jobs));
    Some(Finding::NoRefusal { offered_per_min, ceiling, given_up, unsent, too_large, too_long, faulted })
}

/// Returns what became of the jobs; `None` if none arrived.
fn outcomes(summary: &Summary) -> Option<Finding> {
    let (jobs, latency) = (&summary.jobs, &summary.latency_s);
    (jobs.offered > 0).then(|| Finding::JobOutcomes {
        offered: jobs.offered,
        succeeded: jobs.succeeded,
        failed: jobs.failed,
        shed: jobs.shed,
        in_flight: jobs.in_flight,
        p95_s: (latency.count > 0).then_some(latency.p95),
    })
}
