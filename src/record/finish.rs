//! From the counters of a recorder to the summary: names for numbers, seconds for nanoseconds, and the
//! books closed: what was offered must be accounted for to the last job.

use super::histogram::Histogram;
use super::names::{REASONS, failure_name, refusal_name};
use super::recorder::{Class, NANOS_PER_SECOND, Recorder, Refusal, RunEnd, Traffic, Used};
use super::summary::{
    Attempts, Binding, Ceiling, CeilingAxis, CeilingTarget, Counts, FirstRefusal, Jobs, LatencyBreakdown,
    Limit, Mode, Quantiles, SCHEMA, Series, Shares, Summary, Target, Tokens, Workload,
};
use super::{expect, verdict};
use crate::ceiling::AxisCeiling;
use crate::event::AttemptFailure;
use crate::formatting::{at_seconds, per_minute, rounded, seconds};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use provider::config::{CachedTokens, Law, Limit as WorldLimit, Price};
use provider::{Axis, Instant, Nanos, Zone};

impl Recorder {
    /// Closes the books.
    ///
    /// # Panics
    /// Where the stream does not end every job that arrived (law 1), those in flight included, or ends an
    /// attempt that was never sent: a result that hides jobs would be worse than none.
    #[must_use]
    pub fn finish(mut self, end: RunEnd) -> Summary {
        self.gather();
        let jobs = self.jobs();
        let ended = jobs.succeeded + jobs.failed + jobs.shed + jobs.in_flight;
        assert_eq!(jobs.offered, ended, "every job that arrived ends exactly once");
        let span = self.span(end.at);
        let targets = self.targets(end.at, span);
        let series = self.steps.clone().finish(end.at, &self.scenario);
        let mut summary = Summary {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: self.scenario.name.clone(),
            about: self.scenario.about.clone(),
            seed: self.scenario.seed,
            mode: end.mode,
            duration_s: seconds(self.scenario.duration),
            ended_s: at_seconds(self.last.min(end.at)),
            reproduce: end.reproduce,
            verdict: Vec::new(),
            notes: end.notes,
            attempts: self.attempts(),
            latency_s: self.latency().spread(),
            first_token_s: self.first_token.spread(),
            queue_s: with_zeros(&self.queue, jobs.succeeded),
            service_s: self.service.spread(),
            time_s: self.time_spent(jobs.succeeded),
            tokens: targets.iter().fold(Tokens::default(), |sum, target| Tokens {
                prompt: sum.prompt + target.tokens.prompt,
                cached: sum.cached + target.tokens.cached,
                completion: sum.completion + target.tokens.completion,
            }),
            cost_usd: rounded(targets.iter().map(|target| target.cost_usd).sum(), 6),
            first_refusal: self.first_refusal.map(|refusal| first_refusal(refusal, &self.scenario, &series)),
            workloads: self.workloads(),
            targets,
            ceiling: ceiling_of(&end.ceiling, &self.scenario),
            series,
            expect: Vec::new(),
            worst: Vec::new(),
            lag_s: (end.mode == Mode::Live).then(|| with_zeros(&self.lag, jobs.offered)),
            jobs,
        };
        summary.expect = expect::judge(&self.scenario.expect, &summary);
        summary.verdict = verdict::of(&summary, end.scheduled);
        summary
    }

    /// The time over which limits could admit: to the end of arrivals, or to the last ruling where that came later.
    fn span(&self, end: Instant) -> Nanos {
        Nanos(self.scenario.duration.0.min(end.0).max(self.last_ruled.0))
    }

    fn jobs(&self) -> Jobs {
        let sum = |of: fn(&Class) -> u64| self.classes.iter().map(of).sum();
        let by = |of: fn(&Class) -> &[u64; REASONS.len()]| -> Counts {
            let counts = REASONS.iter().enumerate().map(|(place, (_, name))| {
                ((*name).to_owned(), self.classes.iter().map(|class| of(class)[place]).sum())
            });
            counts.filter(|(_, count)| *count > 0).collect()
        };
        Jobs {
            offered: sum(|class| class.offered),
            succeeded: sum(|class| class.succeeded),
            failed: sum(|class| class.failed.iter().sum()),
            shed: sum(|class| class.shed.iter().sum()),
            in_flight: sum(|class| class.in_flight),
            cached: self.cached,
            joined: self.joined,
            fell_back: self.fell_back,
            failed_by: by(|class| &class.failed),
            shed_by: by(|class| &class.shed),
        }
    }

    fn attempts(&self) -> Attempts {
        let sum = |of: fn(&Traffic) -> u64| self.targets.iter().map(of).sum::<u64>();
        let (total, ok) = (sum(|target| target.sent), sum(|target| target.ok));
        let (limited, failed) = (sum(Traffic::limited), sum(|target| target.failed));
        let in_flight =
            total.checked_sub(ok + limited + failed).expect("an attempt ends only once it was sent");
        let mut limited_by = Counts::new();
        for target in &self.targets {
            for (name, count) in target.limited_by() {
                *limited_by.entry(name).or_default() += count;
            }
        }
        Attempts { total, ok, limited, failed, in_flight, limited_by, failed_by: self.failed_by() }
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
        let named =
            statuses.chain(others).map(|(failure, count)| (failure_name(failure).into_owned(), count));
        let all = named.chain([("abandoned".to_owned(), failures.abandoned)]);
        all.filter(|(_, count)| *count > 0).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean of nanoseconds needs no more than 53 bits")]
    fn time_spent(&self, succeeded: u64) -> LatencyBreakdown {
        let mean = |sum: u128| rounded(sum as f64 / NANOS_PER_SECOND / succeeded.max(1) as f64, 6);
        LatencyBreakdown {
            queue: mean(self.spent.queue),
            wait: mean(self.spent.wait),
            lost: mean(self.spent.lost),
            first_token: mean(self.spent.first_token),
            output: mean(self.spent.output),
        }
    }

    fn workloads(&self) -> Vec<Workload> {
        let each = self.scenario.workloads.iter().zip(&self.classes);
        each.map(|(workload, class)| Workload {
            name: workload.name.clone(),
            offered: class.offered,
            succeeded: class.succeeded,
            failed: class.failed.iter().sum(),
            shed: class.shed.iter().sum(),
            in_flight: class.in_flight,
            latency_s: class.latency.spread(),
        })
        .collect()
    }

    fn targets(&self, end: Instant, span: Nanos) -> Vec<Target> {
        // Over real HTTP nobody may see the provider's books; then the replies tell what was used.
        let told = self.targets.iter().any(|traffic| traffic.ruled > 0);
        let each = self.scenario.targets.iter().zip(&self.targets);
        each.map(|(target, traffic)| {
            let model =
                &self.scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
            let used = if told { traffic.settled } else { traffic.replied };
            let by_axis = |of: &dyn Fn(&WorldLimit) -> Option<f64>| -> Shares {
                let shares = model.limits.iter().filter_map(|limit| Some((limit, of(limit)?)));
                shares.map(|(limit, share)| (limit.axis.name().to_owned(), rounded(share, 6))).collect()
            };
            Target {
                name: target.name.clone(),
                attempts: traffic.sent,
                ok: traffic.ok,
                limited: traffic.limited(),
                failed: traffic.failed,
                limited_by: traffic.limited_by(),
                tokens: Tokens { prompt: used.prompt, cached: used.cached, completion: used.completion },
                cost_usd: rounded(cost(used, target.price), 6),
                cool_downs: traffic.cool_downs,
                limits: model.limits.iter().map(limit_of).collect(),
                utilisation: by_axis(&|limit| utilisation(limit, traffic, told, end, span)),
                peak: by_axis(&|limit| Some(traffic.peak[limit.axis as usize])),
            }
        })
        .collect()
    }

    fn latency(&self) -> Histogram {
        self.classes.iter().fold(Histogram::of_run(), |mut all, class| {
            all.add(&class.latency);
            all
        })
    }
}

/// The spread over `all`, of whom only those with more than nothing were recorded.
fn with_zeros(recorded: &Histogram, all: u64) -> Quantiles {
    let mut hist = recorded.clone();
    hist.record_n(Nanos::ZERO, all - hist.len());
    hist.spread()
}

impl Traffic {
    fn limited(&self) -> u64 {
        self.limited_by.iter().sum()
    }

    /// `concurrency` is the name of an axis and of a cause: one count.
    fn limited_by(&self) -> Counts {
        let mut counts = Counts::new();
        for (by, &count) in self.limited_by.iter().enumerate().filter(|(_, count)| **count > 0) {
            *counts.entry(refusal_name(by).to_owned()).or_default() += count;
        }
        counts
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts of a run stay far below 2^53")]
fn cost(used: Used, price: Price) -> f64 {
    let Used { prompt, cached, completion, .. } = used;
    let new = prompt - cached;
    (new as f64 * price.input + cached as f64 * price.cached_input + completion as f64 * price.output) / 1e6
}

/// What was used of a limit ÷ what it could have admitted in `span`; `None` where no event tells.
///
/// Between 0 and 1 as long as the provider keeps law 5, but for what settlements overdraw.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn utilisation(limit: &WorldLimit, traffic: &Traffic, told: bool, end: Instant, span: Nanos) -> Option<f64> {
    let used = if told { traffic.settled } else { traffic.replied };
    let prompt = used.prompt - if traffic.cached == CachedTokens::Counted { 0 } else { used.cached };
    let charged = match limit.axis {
        Axis::Rpm | Axis::Rpd if told => traffic.admitted as f64,
        Axis::Rpm | Axis::Rpd => used.calls as f64,
        Axis::Tpm | Axis::Tpd => (prompt + used.completion) as f64,
        Axis::Itpm => prompt as f64,
        Axis::Otpm => used.completion as f64,
        Axis::Ash | Axis::Asd => return None,
        Axis::Concurrency if told => busy(traffic, end) / NANOS_PER_SECOND,
        Axis::Concurrency => return None,
    };
    let seconds = limit.axis.window().map_or_else(|| Nanos(end.0).as_secs_f64(), |_| 1.0);
    let capacity = limit.max_units_in(span) * seconds;
    (capacity > 0.0).then(|| charged / capacity)
}

/// How long the calls of a target were in flight, added up, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn busy(traffic: &Traffic, end: Instant) -> f64 {
    let open = traffic.admitted.saturating_sub(traffic.settled.calls);
    let ends = traffic.settled_at + u128::from(open) * u128::from(end.0);
    ends.saturating_sub(traffic.admitted_at) as f64
}

fn limit_of(limit: &WorldLimit) -> Limit {
    let law = match (limit.axis.window(), limit.law) {
        (None, _) => "at_once",
        (_, Law::Bucket) => "bucket",
        (_, Law::Fixed) => "fixed",
        (_, Law::SlidingLog) => "sliding_log",
        (_, Law::SlidingCounter) => "sliding_counter",
        (_, Law::Adaptive(_)) => "adaptive",
        (_, Law::Calendar(Zone::Utc)) => "calendar_utc",
        (_, Law::Calendar(Zone::Pacific)) => "calendar_pacific",
    };
    Limit {
        axis: limit.axis.name().to_owned(),
        limit: limit.limit,
        burst: limit.burst,
        window_s: limit.axis.window().map(seconds),
        law: law.to_owned(),
    }
}

fn ceiling_of(ceiling: &crate::ceiling::Ceiling, scenario: &Scenario) -> Ceiling {
    let name = |target: TargetId| scenario.targets[target.index()].name.clone();
    // JSON has no infinity: what nothing limits is not there.
    let finite = |value: f64| value.is_finite().then(|| rounded(value, 6));
    let axis = |axis: &AxisCeiling| {
        let jobs_per_min = finite(axis.jobs_per_min)?;
        Some(CeilingAxis { axis: axis.axis.name().to_owned(), limit: axis.limit, jobs_per_min })
    };
    let targets = ceiling.targets.iter().map(|target| CeilingTarget {
        name: name(target.target),
        axes: target.axes.iter().filter_map(axis).collect(),
    });
    Ceiling {
        jobs_per_min: finite(ceiling.jobs_per_min),
        multiple: finite(ceiling.multiple),
        offered_jobs_per_min: rounded(ceiling.offered_jobs_per_min, 6),
        binding: ceiling
            .binding
            .map(|(target, axis)| Binding { target: name(target), axis: axis.name().to_owned() }),
        targets: targets.collect(),
    }
}

/// The rate is that of the steps that make up the minute before the refusal (the first minute, early in a run).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "steps are few, their counts far below 2^53"
)]
fn first_refusal(refusal: Refusal, scenario: &Scenario, series: &Series) -> FirstRefusal {
    let at_s = at_seconds(refusal.at);
    let steps_per_minute = (libm::ceil(60.0 / series.step_s) as usize).max(1);
    let planned =
        (libm::ceil(seconds(scenario.duration) / series.step_s) as usize).clamp(1, series.offered.len());
    let after = ((at_s / series.step_s) as usize + 1).max(steps_per_minute).min(planned);
    let before = after.saturating_sub(steps_per_minute);
    let offered: u64 = series.offered[before..after].iter().sum();
    let covered_s = ((after as f64 * series.step_s).min(seconds(scenario.duration))
        - before as f64 * series.step_s)
        .max(series.step_s.min(1.0));
    FirstRefusal {
        at_s,
        target: scenario.targets[refusal.target.index()].name.clone(),
        axis: refusal_name(refusal.by).to_owned(),
        offered_per_min: rounded(per_minute(offered, covered_s), 6),
    }
}
