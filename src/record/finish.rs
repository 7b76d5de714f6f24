//! Turns the counters of a recorder into the summary: names for numbers, seconds for nanoseconds.
//!
//! Every job that arrived must have ended, and every attempt that ended must have been sent. Otherwise the recorder panics,
//! so that no summary can lack jobs.

use super::charge::ChargeSum;
use super::counts::{TargetCounts, WorkloadCounts};
use super::endpoint::EndpointResult;
use super::findings::NotAdmitted;
use super::first_refusal::first_refusal;
use super::histogram::Histogram;
use super::names::{REASONS, failure_name, refusal_name};
use super::recorder::Recorder;
use super::summary::{
    Attempts, Counts, Jobs, LatencyBreakdown, Limit, Mode, Quantiles, SCHEMA, Shares, Summary, Target, Tokens,
};
use super::{expect, findings};
use crate::event::{AttemptFailure, LocalFailure};
use crate::formatting::{at_seconds, rounded, seconds};
use crate::scenario::Family;
use provider::config::{CachedTokens, Limit as ProviderLimit, RefillPolicy};
use provider::{Axis, Instant, Nanos, Zone};

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd {
    /// The last instant of the run.
    pub at: Instant,
    /// How it was driven.
    pub mode: Mode,
    /// Jobs in the schedule up to then, of which a live driver may have delivered fewer; `None` if unknown.
    pub scheduled: Option<u64>,
    /// `true` if the run was ended before all jobs had arrived and ended: the summary then covers the time until `at`.
    pub interrupted: bool,
}

const NANOS_PER_S: f64 = Nanos::SECOND.0 as f64;

impl Recorder {
    /// Returns the summary of the run. Its `reproduce`, `file`, `job_traces` and `delays` are empty: the caller sets them.
    ///
    /// # Panics
    /// If the stream does not end every job that arrived (law 1), those in flight included, or ends an attempt that was
    /// never sent (law 2).
    #[must_use]
    pub fn finish(self, end: RunEnd) -> Summary {
        self.finish_run(end, None)
    }

    /// Ends the recording of a run through an endpoint.
    ///
    /// # Panics
    /// As [`Self::finish`].
    #[must_use]
    pub fn finish_through(self, end: RunEnd, endpoint: EndpointResult) -> Summary {
        self.finish_run(end, Some(endpoint))
    }

    fn finish_run(mut self, end: RunEnd, endpoint: Option<EndpointResult>) -> Summary {
        self.merge_parts();
        let planned = self.scenario.duration;
        // A bound on the requests to an endpoint stops the arrivals; the requests in flight still get their replies.
        let stopped_s = endpoint.as_ref().and_then(|endpoint| Some(endpoint.stopped.as_ref()?.at_s));
        let stopped_at = stopped_s.map(|at_s| Instant::ZERO + Nanos::from_secs_f64(at_s));
        let ended_early = stopped_at.or(end.interrupted.then_some(end.at));
        let ended_early = ended_early.filter(|at| *at > Instant::ZERO && at.0 < planned.0);
        if let Some(at) = ended_early {
            self.scenario.duration = Nanos(at.0);
        }
        let jobs = self.jobs();
        let ended = jobs.succeeded + jobs.failed + jobs.shed + jobs.in_flight;
        assert_eq!(jobs.offered, ended, "invariant: every job that arrived ends exactly once (law 1)");
        let span = self.span(end.at);
        let targets = self.targets(end.at, span);
        let series = self.buckets.clone().finish(end.at, &self.scenario);
        let mut summary = Summary {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: self.scenario.name.clone(),
            about: self.scenario.about.clone(),
            seed: self.scenario.seed,
            mode: end.mode,
            duration_s: seconds(self.scenario.duration),
            starts_at: self.scenario.clock.has_date().then(|| self.scenario.clock.to_string()),
            planned_s: ended_early.map(|_| seconds(planned)),
            ended_s: at_seconds(self.last_event.min(end.at)),
            reproduce: String::new(),
            file: String::new(),
            findings: Vec::new(),
            notes: self.scenario.notes.clone(),
            attempts: self.attempts(),
            latency_s: self.quantiles(&self.latency()),
            first_token_s: self.quantiles(&self.first_token),
            queue_s: self.quantiles(&with_zeros(&self.queue, jobs.succeeded)),
            service_s: self.quantiles(&self.service),
            time_s: self.latency_breakdown(jobs.succeeded),
            tokens: targets.iter().fold(Tokens::default(), |sum, target| Tokens {
                prompt: sum.prompt + target.tokens.prompt,
                cached: sum.cached + target.tokens.cached,
                completion: sum.completion + target.tokens.completion,
            }),
            cost_usd: Some(rounded(targets.iter().map(|target| target.cost_usd).sum(), 6)),
            first_refusal: self.first_refusal.map(|refusal| first_refusal(refusal, &self.scenario, &series)),
            workloads: self.workload_results(),
            clients: self.client_results(),
            targets,
            ceiling: super::ceiling::ceiling_of(&self.scenario),
            long_window: super::ceiling::LongWindow::of(&self.scenario),
            series,
            expect: Vec::new(),
            job_traces: Vec::new(),
            lag_s: (end.mode == Mode::Live).then(|| self.quantiles(&with_zeros(&self.lag, jobs.offered))),
            send_lag_s: (end.mode == Mode::Live).then(|| self.quantiles(&self.send_lag)),
            delays: None,
            endpoint: None,
            jobs,
        };
        if let Some(endpoint) = endpoint {
            summary.apply_endpoint(endpoint);
        }
        summary.expect = expect::judge(&self.scenario, &self.rule_windows, &summary);
        summary.findings = findings::of(
            &summary,
            findings::Facts {
                scheduled: end.scheduled,
                not_admitted: Some(self.not_admitted_for_size_or_fault()),
                first_generator_shed: self.first_generator_shed,
            },
        );
        summary
    }

    /// Returns the figures of a histogram, and the distribution itself if the summary carries it.
    pub(super) fn quantiles(&self, histogram: &Histogram) -> Quantiles {
        let hdr = if self.distributions { histogram.encode() } else { String::new() };
        Quantiles { hdr, ..histogram.quantiles() }
    }

    /// Returns the time over which limits could admit: the scenario's duration, or to the last decision if that is later.
    /// A run that was ended early, which leaves jobs in flight, could admit only until its end.
    fn span(&self, end: Instant) -> Nanos {
        let was_cut_off = self.workloads.iter().any(|workload| workload.in_flight > 0);
        let run = if was_cut_off { self.scenario.duration.0.min(end.0) } else { self.scenario.duration.0 };
        // A decision at the instant at which a window ends belongs to the next window, which the span must then include.
        Nanos(run.max(self.last_decision.0.saturating_add(1)))
    }

    fn jobs(&self) -> Jobs {
        let sum = |of: fn(&WorkloadCounts) -> u64| self.workloads.iter().map(of).sum();
        let by = |of: fn(&WorkloadCounts) -> &[u64; REASONS.len()]| -> Counts {
            let counts = REASONS.iter().enumerate().map(|(index, (_, name))| {
                ((*name).to_owned(), self.workloads.iter().map(|workload| of(workload)[index]).sum())
            });
            counts.filter(|(_, count)| *count > 0).collect()
        };
        Jobs {
            offered: sum(|workload| workload.offered),
            succeeded: sum(|workload| workload.succeeded),
            failed: sum(|workload| workload.failed.iter().sum()),
            shed: sum(|workload| workload.shed.iter().sum()),
            in_flight: sum(|workload| workload.in_flight),
            cached: self.cached,
            joined: self.without_own_attempt - self.cached,
            fell_back: self.fell_back,
            cut: sum(|workload| workload.cut),
            failed_by: by(|workload| &workload.failed),
            shed_by: by(|workload| &workload.shed),
        }
    }

    fn attempts(&self) -> Attempts {
        let sum = |of: fn(&TargetCounts) -> u64| self.targets.iter().map(of).sum::<u64>();
        let (total, ok) = (sum(|target| target.sent), sum(|target| target.ok));
        let (limited, failed) = (sum(TargetCounts::limited), sum(|target| target.failed));
        let in_flight = total
            .checked_sub(ok + limited + failed)
            .expect("invariant: every attempt that ends was sent (law 2)");
        let mut limited_by = Counts::new();
        for target in &self.targets {
            for (name, count) in target.limited_by() {
                *limited_by.entry(name).or_default() += count;
            }
        }
        let hedges = self.hedges();
        Attempts { total, ok, limited, failed, in_flight, hedges, limited_by, failed_by: self.failed_by() }
    }

    /// Returns the attempts that were not admitted and that no limit could have admitted at another time.
    fn not_admitted_for_size_or_fault(&self) -> NotAdmitted {
        let failures = &self.failures;
        NotAdmitted {
            too_large: self.too_large,
            too_long: failures.too_long,
            faulted: failures.rate_limit_error + failures.overload,
        }
    }

    fn failed_by(&self) -> Counts {
        let failures = &self.failures;
        let statuses =
            (0u16..).zip(&failures.status).map(|(code, &count)| (AttemptFailure::Status(code), count));
        let others = [
            (AttemptFailure::Connection, failures.connection),
            (AttemptFailure::Timeout, failures.timeout),
            (AttemptFailure::Garbage, failures.garbage),
        ];
        let local = LocalFailure::ALL.map(AttemptFailure::Local).into_iter().zip(failures.local);
        let named = statuses
            .chain(others)
            .chain(local)
            .map(|(failure, count)| (failure_name(failure).into_owned(), count));
        let others = [
            ("abandoned", failures.abandoned),
            ("too_long", failures.too_long),
            ("rate_limit_error", failures.rate_limit_error),
            ("overload", failures.overload),
        ];
        let all = named.chain(others.map(|(name, count)| (name.to_owned(), count)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean of nanoseconds needs no more than 53 bits")]
    fn latency_breakdown(&self, succeeded: u64) -> LatencyBreakdown {
        let mean = |sum: u128| rounded(sum as f64 / NANOS_PER_S / succeeded.max(1) as f64, 6);
        LatencyBreakdown {
            queue: mean(self.latency_sums.queue),
            wait: mean(self.latency_sums.wait),
            lost: mean(self.latency_sums.failed_attempts),
            first_token: mean(self.latency_sums.first_token),
            output: mean(self.latency_sums.output),
        }
    }

    fn targets(&self, end: Instant, span: Nanos) -> Vec<Target> {
        // A real provider reports no decisions over HTTP; then usage is what the replies report.
        let has_decisions = self.targets.iter().any(|counts| counts.decided > 0);
        let each = self.scenario.targets.iter().zip(&self.targets).enumerate();
        each.map(|(index, (target, counts))| {
            let model =
                &self.scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
            let used = if has_decisions { counts.settled } else { counts.replied };
            let by_axis = |of: &dyn Fn(&ProviderLimit) -> Option<f64>| -> Shares {
                let shares = model.limits.iter().filter_map(|limit| Some((limit, of(limit)?)));
                shares.map(|(limit, share)| (limit.axis.name().to_owned(), rounded(share, 6))).collect()
            };
            Target {
                name: target.name.clone(),
                family: Family::of(&self.scenario, index),
                attempts: counts.sent,
                ok: counts.ok,
                limited: counts.limited(),
                failed: counts.failed,
                limited_by: counts.limited_by(),
                tokens: Tokens { prompt: used.prompt, cached: used.cached, completion: used.completion },
                cost_usd: rounded(used.usd(&target.price), 6),
                cool_downs: counts.cool_downs,
                given_up_for: Axis::ALL
                    .into_iter()
                    .zip(counts.given_up_for)
                    .filter(|(_, jobs)| *jobs > 0)
                    .map(|(axis, jobs)| (axis.name().to_owned(), jobs))
                    .collect(),
                limits: model.limits.iter().map(|limit| limit_of(limit, counts)).collect(),
                utilisation: by_axis(&|limit| {
                    let used_before = super::ceiling::used_at_start(&self.scenario, target, limit);
                    let charged = self.charges_on_limits_of(index, has_decisions, end).on(limit.axis)?;
                    utilisation(limit, (counts, used_before), charged, end, span)
                }),
                peak: by_axis(&|limit| {
                    let axis = limit.axis as usize;
                    Some(counts.most_used[axis].unwrap_or(counts.peak[axis]))
                }),
            }
        })
        .collect()
    }

    /// Returns the latency of all workloads together.
    fn latency(&self) -> Histogram {
        self.workloads.iter().fold(Histogram::of_run(), |mut all, workload| {
            all.add(&workload.latency);
            all
        })
    }
}

/// Returns the distribution over `all` jobs, of which only the durations above zero were recorded.
fn with_zeros(recorded: &Histogram, all: u64) -> Histogram {
    debug_assert!(recorded.len() <= all, "invariant: {} recorded of {all} jobs", recorded.len());
    let mut histogram = recorded.clone();
    histogram.record_n(Nanos::ZERO, all.saturating_sub(recorded.len()));
    histogram
}

impl TargetCounts {
    fn limited(&self) -> u64 {
        self.limited_by.iter().sum()
    }

    /// Returns the refusals by name. `concurrency` names an axis and a cause, which share one count.
    fn limited_by(&self) -> Counts {
        let mut counts = Counts::new();
        for (by, &count) in self.limited_by.iter().enumerate().filter(|(_, count)| **count > 0) {
            *counts.entry(refusal_name(by).to_owned()).or_default() += count;
        }
        counts
    }
}

/// Returns what was charged to a limit ÷ what it could have admitted in `span`; `None` if it could have admitted nothing.
///
/// The result is in `0..=1` unless settlements overdraw the limit (law 5). The mean of an adaptive limit takes its place.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn utilisation(
    limit: &ProviderLimit,
    (counts, used_before): (&TargetCounts, u64),
    charged: f64,
    end: Instant,
    span: Nanos,
) -> Option<f64> {
    let run = Nanos(end.0.max(span.0));
    // Concurrency is charged in seconds of calls in flight.
    let factor = if limit.window.is_some() { 1.0 } else { run.as_secs_f64() };
    let capacity = match mean_of_adaptive(limit, counts).zip(limit.window) {
        Some((mean, window)) => mean * (run.as_secs_f64() / window.as_secs_f64()).max(1.0),
        // The units that earlier traffic had used were not available.
        None => (limit.max_units_in(span) - used_before as f64) * factor,
    };
    (capacity > 0.0).then(|| charged / capacity)
}

/// Returns what a target charged over the run, from the decisions of its provider, or from the replies if there are no
/// decisions. `keeps_reservations` means that what calls reserve stays charged.
pub(super) fn charges(
    counts: &TargetCounts,
    has_decisions: bool,
    keeps_reservations: bool,
    end: Instant,
) -> ChargeSum {
    let used = if has_decisions { counts.settled } else { counts.replied };
    ChargeSum {
        calls: if has_decisions { counts.admitted } else { used.calls },
        prompt_tokens: used.prompt
            - if counts.counting.cached == CachedTokens::Counted { 0 } else { used.cached },
        completion_tokens: used.completion * u64::from(counts.counting.output_weight),
        kept_tokens: (has_decisions && keeps_reservations).then_some(counts.reserved),
        busy_s: has_decisions.then(|| busy(counts, end) / NANOS_PER_S),
    }
}

/// Returns the mean of the samples of an adaptive limit, in units per window; `None` if it has none, or does not adapt.
fn mean_of_adaptive(limit: &ProviderLimit, counts: &TargetCounts) -> Option<f64> {
    let (sum, samples) = counts.limits[limit.axis as usize];
    let adapts = matches!(limit.refill, RefillPolicy::Adaptive(_));
    (adapts && samples > 0).then(|| sum / f64::from(samples))
}

/// Returns the summed time that the calls of a target were in flight, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn busy(counts: &TargetCounts, end: Instant) -> f64 {
    let open = counts.admitted.saturating_sub(counts.settled.calls);
    let ends = counts.settled_at + u128::from(open) * u128::from(end.0);
    ends.saturating_sub(counts.admitted_at) as f64
}

fn limit_of(limit: &ProviderLimit, counts: &TargetCounts) -> Limit {
    let law = match (limit.window, limit.refill) {
        (None, _) => "at_once",
        (_, RefillPolicy::Bucket) => "bucket",
        (_, RefillPolicy::Fixed) => "fixed",
        (_, RefillPolicy::FirstRequest) => "first_request",
        (_, RefillPolicy::SlidingLog) => "sliding_log",
        (_, RefillPolicy::SlidingCounter) => "sliding_counter",
        (_, RefillPolicy::Adaptive(_)) => "adaptive",
        (_, RefillPolicy::Calendar(Zone::Utc)) => "calendar_utc",
        (_, RefillPolicy::Calendar(Zone::Pacific)) => "calendar_pacific",
    };
    Limit {
        axis: limit.axis.name().to_owned(),
        limit: limit.amount,
        burst: limit.burst,
        window_s: limit.window.map(seconds),
        mean: mean_of_adaptive(limit, counts).map(|mean| rounded(mean, 3)),
        grows_to: match limit.refill {
            RefillPolicy::Adaptive(growth) => Some(growth.max_limit(limit.amount)),
            _ => None,
        },
        law: law.to_owned(),
    }
}
