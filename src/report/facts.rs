//! The rows that the text report and the page of a run share: labels and formatted values, without layout.

use super::endpoint::NOT_KNOWN;
use crate::formatting::{
    RunTime, count, duration, moment, number, percent, plural, quantity, quantity_beside, share_of, usd,
};
use crate::record::{
    BatchResult, CeilingAxis, Counts, DelayEffect, Difference, HedgeCounts, Limit, Mode, NotJudged,
    Quantiles, RuleResult, Summary, Target,
};
use crate::scenario::Family;
use provider::{Axis, units};

/// Describes the run in one line: `24 h of traffic, simulated, seed 7`.
pub(super) fn run(summary: &Summary) -> String {
    let how = match summary.mode {
        Mode::Virtual => "simulated",
        Mode::Live => match &summary.endpoint {
            Some(endpoint) => &format!("through {}", endpoint.url),
            None => "over real HTTP",
        },
    };
    let starts = summary.starts_at.as_ref().map(|at| format!(" from {at}")).unwrap_or_default();
    format!("{} of traffic{starts}, {how}, seed {}", duration(summary.duration_s), summary.seed)
}

/// Returns the outcomes of the jobs, then the kinds of those that succeeded: label, count, and share of the jobs offered.
/// Counts of zero are left out, except for succeeded and failed.
pub(super) fn jobs(summary: &Summary) -> Vec<(&'static str, u64, String)> {
    let jobs = &summary.jobs;
    let is_share_known = summary.endpoint.as_ref().is_none_or(|endpoint| endpoint.fallback_share.is_some());
    let by_fallback =
        if is_share_known { "served by a fallback" } else { "served by a fallback, as far as stated" };
    let all = [
        ("succeeded", jobs.succeeded),
        ("failed", jobs.failed),
        ("shed", jobs.shed),
        ("in flight", jobs.in_flight),
        ("from cache", jobs.cached),
        ("coalesced", jobs.joined),
        (by_fallback, jobs.fell_back),
        ("with a cut answer", jobs.cut),
    ];
    let shown =
        all.into_iter().filter(|(name, count)| *count > 0 || *name == "succeeded" || *name == "failed");
    shown.map(|(name, count)| (name, count, percent(share_of(count, jobs.offered).unwrap_or(0.0)))).collect()
}

/// Returns why attempts were rate-limited or failed, and why jobs failed or were shed: label, and counts by cause. Empty lists
/// are left out.
pub(super) fn failures(summary: &Summary) -> Vec<(&'static str, String)> {
    let all = [
        ("attempts rate-limited by", &summary.attempts.limited_by),
        ("attempts failed by", &summary.attempts.failed_by),
        ("jobs failed by", &summary.jobs.failed_by),
        ("jobs shed by", &summary.jobs.shed_by),
    ];
    all.into_iter()
        .filter(|(_, counts)| !counts.is_empty())
        .map(|(name, counts)| (name, listed(counts)))
        .collect()
}

/// Formats counts by name, largest first: `tpm 1,234 · rpm 50`.
pub(super) fn listed(counts: &Counts) -> String {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let each: Vec<_> = all.into_iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
    each.join(" · ")
}

/// The columns of [`times`].
pub(super) const STATISTICS: [&str; 6] = ["mean", "p50", "p90", "p95", "p99", "max"];

/// Returns every distribution of times with its columns. Distributions without values are left out.
pub(super) fn times(summary: &Summary) -> Vec<(&'static str, [String; STATISTICS.len()])> {
    let all = [
        ("latency", Some(&summary.latency_s)),
        ("TTFT", Some(&summary.first_token_s)),
        ("queue", Some(&summary.queue_s)),
        ("service", Some(&summary.service_s)),
        ("generator lag", summary.lag_s.as_ref()),
        ("send lag", summary.send_lag_s.as_ref()),
        ("wake-up lag", summary.delays.as_ref().map(|delays| &delays.wake_lag_s)),
        ("round trip", summary.delays.as_ref().map(|delays| &delays.round_trip_s)),
    ];
    let columns =
        |times: &Quantiles| [times.mean, times.p50, times.p90, times.p95, times.p99, times.max].map(duration);
    all.into_iter()
        .filter_map(|(name, times)| Some((name, times.filter(|times| times.count > 0)?)))
        .map(|(name, times)| (name, columns(times)))
        .collect()
}

/// Says what the delays of a live run change; `None` if that is not known.
pub(super) fn delay_effect(summary: &Summary) -> Option<String> {
    let DelayEffect { seeds, refusals, succeeded, latency_p95 } = summary.delays.as_ref()?.effect?;
    let difference = |Difference { mean, two_errors }: Difference| {
        format!("{:+.1} % ± {:.1}", mean * 100.0, two_errors * 100.0)
    };
    Some(format!(
        "Simulated with the round trips and the wake-up lag of this run instead of those that `sim` assumes: refusals {}, jobs \
         that succeeded {}, p95 latency {} (± two standard errors, {seeds} seeds).",
        difference(refusals),
        difference(succeeded),
        difference(latency_p95)
    ))
}

/// Formats the measured value of an expectation, in its unit, with the start of the worst window if it is judged in several
/// windows; an instant of the run if the rule is on the end of a batch; says why if there is no value.
pub(super) fn actual(expected: &RuleResult, run: &RunTime) -> String {
    if let Some(end) = expected.end_of_batch(run) {
        return end;
    }
    let Some(actual) = expected.actual else {
        return match (expected.pass, expected.not_judged) {
            (true, _) => "unlimited".to_owned(),
            (false, Some(reason)) => not_judged(reason, expected.window_s),
            (false, None) => "no samples".to_owned(),
        };
    };
    if let Some(low) = expected.in_route_order {
        return format!("{} to {}", number(low), quantity(expected.unit, actual));
    }
    // The value of a rule that is broken gets enough digits to differ from the bound.
    let bound = expected.bound.filter(|_| !expected.pass).unwrap_or(f64::NAN);
    let actual = quantity_beside(expected.unit, actual, bound);
    expected.at_s.map_or_else(|| actual.clone(), |at_s| format!("{actual} at {}", moment(at_s, run)))
}

/// Returns why a rule cannot be judged: `at most 12 of 20 jobs`, those of the window with the most and those that a verdict needs.
pub(super) fn not_judged(reason: NotJudged, window_s: Option<f64>) -> String {
    match window_s {
        _ if reason.is_distorted => "another load was sent".to_owned(),
        _ if reason.is_not_stated => NOT_KNOWN.to_owned(),
        _ if reason.is_bound => "only a bound is known".to_owned(),
        Some(_) => format!("at most {} of {}", count(reason.jobs), plural(reason.needed, "job")),
        None => "nothing to measure".to_owned(),
    }
}

/// Returns a sentence per batch: how many of its jobs have ended, and when the last of them did.
pub(super) fn batches(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    let time = summary.run_time();
    summary.workloads.iter().filter_map(move |workload| {
        let batch = workload.batch.as_ref()?;
        let BatchResult { jobs, workers, from_s, finished_s, .. } = batch;
        let (name, workers) = (&workload.name, plural(u64::from(*workers), "worker"));
        let from = moment(*from_s, &time);
        Some(match finished_s {
            Some(at) => {
                let at = moment(*at, &time);
                format!("{name}: all {} ended by {at}; {workers} from {from}", plural(*jobs, "job"))
            }
            None => format!(
                "{name}: {} of {} ended by the end of the run; {workers} from {from}",
                count(batch.ended_by_end()),
                plural(*jobs, "job")
            ),
        })
    })
}

/// Returns the text of an expectation, with the day of its bound if it is on the end of a batch; says so if the scenario does not
/// state it.
pub(super) fn rule(expected: &RuleResult, run: &RunTime) -> String {
    let default = expected.is_default.then(|| "default".to_owned());
    let remarks: Vec<String> = default.into_iter().chain(expected.due_text(run)).collect();
    if remarks.is_empty() {
        return expected.rule.clone();
    }
    format!("{} ({})", expected.rule, remarks.join(", "))
}

/// A limit of a target and how it was used.
pub(super) struct Use {
    pub(super) axis: String,
    /// `30 per min`.
    pub(super) limit: String,
    /// The share used of what it could have admitted over the run; `None` if it was not measured.
    pub(super) used: Option<f64>,
    /// The largest share of the limit that was in use at one instant; of one that adapts, at a sample.
    pub(super) peak: f64,
}

/// Says with which targets a target shares its limits; `None` if they are its own.
pub(super) fn shared_limits(target: &Target) -> Option<String> {
    let family = target.family.as_ref()?;
    Some(match family.targets.as_slice() {
        [first, others @ ..] if *first == target.name => {
            format!(
                "shares its limits with {}: what follows is of the family {}",
                others.join(", "),
                family.name
            )
        }
        [first, ..] => format!("shares the limits of {first}, of the family {}", family.name),
        [] => return None,
    })
}

/// Returns the name of a target in a table of limits, with the family that shares them.
pub(super) fn with_family(name: &str, family: Option<&Family>) -> String {
    family.map_or_else(|| name.to_owned(), |family| format!("{name} (family {})", family.name))
}

/// Returns the limits of a target, in the order of reports; those of a family at its first target.
pub(super) fn uses(target: &Target) -> Vec<Use> {
    if target.family.as_ref().is_some_and(|family| !family.is_stated_at(&target.name)) {
        return Vec::new();
    }
    let each = target.limits.iter().map(|limit| Use {
        axis: limit.axis.clone(),
        limit: limit_text(limit),
        used: target.utilisation.get(&limit.axis).copied(),
        peak: target.peak.get(&limit.axis).copied().unwrap_or(0.0),
    });
    each.collect()
}

/// Formats the quantity of a limit per window: `60,000`, or `60k, grown to 600k`.
pub(super) fn amount(limit: &CeilingAxis) -> String {
    match limit.grows_to {
        Some(most) => format!("{}, grown to {}", units::print_count(limit.limit), units::print_count(most)),
        None => count(limit.limit),
    }
}

/// Returns what the shares of [`uses`] mean; nothing if there are no limits.
pub(super) fn use_legend(summary: &Summary) -> Vec<&'static str> {
    let limits = || summary.targets.iter().flat_map(|target| &target.limits);
    if limits().next().is_none() {
        return Vec::new();
    }
    let adapts = limits().any(|limit| limit.grows_to.is_some());
    let mut legend = vec!["charged: the share of what the limit allows over the run, or in a longer window"];
    legend.push(if adapts {
        "fullest: the largest share in use; of adaptive limits, at a sample"
    } else {
        "fullest: the largest share in use at one instant"
    });
    if adapts {
        legend.push(
            "adaptive limits: charged is relative to the mean over the run; the ceiling counts the maximum",
        );
    }
    legend
}

fn limit_text(limit: &Limit) -> String {
    let per = match limit.window_s {
        Some(_) if limit.is_per_calendar_month() => "per month of the calendar".to_owned(),
        Some(60.0) => "per min".to_owned(),
        Some(3_600.0) => "per hour".to_owned(),
        Some(86_400.0) => "per day".to_owned(),
        Some(window) => format!("per {}", duration(window)),
        None => "at once".to_owned(),
    };
    if let Some(most) = limit.grows_to {
        return format!("{} to {} {per}", units::print_count(limit.limit), units::print_count(most));
    }
    let burst =
        if limit.burst == limit.limit { String::new() } else { format!(", burst {}", count(limit.burst)) };
    format!("{} {per}{burst}", count(limit.limit))
}

/// Describes the attempts at a target, and how often it was put in cool-down:
/// `1,234 sent, 1,200 succeeded, 30 rate-limited, 4 failed, 2 cool-downs`.
pub(super) fn traffic(target: &Target) -> String {
    let mut text = format!("{} sent, {} succeeded", count(target.attempts), count(target.ok));
    for (number, what) in [(target.limited, "rate-limited"), (target.failed, "failed")] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", count(number)));
        }
    }
    if target.cool_downs > 0 {
        text.push_str(&format!(", {}", plural(target.cool_downs, "cool-down")));
    }
    text
}

/// Returns the name of what was sent: attempts at targets, or requests to an endpoint.
pub(super) fn sent(summary: &Summary) -> &'static str {
    if summary.endpoint.is_some() { "requests" } else { "attempts" }
}

/// Describes the hedges of a run; `None` if no client hedges.
pub(super) fn hedges(summary: &Summary) -> Option<String> {
    let HedgeCounts { sent, won } = summary.attempts.hedges?;
    let text = format!("{} beside an attempt without an answer", count(sent));
    Some(if sent == 0 {
        text
    } else {
        format!("{text}, {} of them answered first (the slower of two is abandoned)", count(won))
    })
}

/// Describes the tokens charged and their cost, over the whole run.
pub(super) fn charged(summary: &Summary) -> String {
    let tokens = summary.tokens;
    format!(
        "{} prompt{} and {} completion tokens, {}",
        count(tokens.prompt),
        if tokens.cached > 0 { format!(" ({} cached)", count(tokens.cached)) } else { String::new() },
        count(tokens.completion),
        summary.cost_usd.map_or_else(|| "a cost that is not known".to_owned(), usd)
    )
}

/// Returns what an axis counts; `None` if `name` is not an axis.
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    Some(match Axis::from_name(name)? {
        Axis::Rps => "requests per second",
        Axis::Rpm => "requests per minute",
        Axis::Rph => "requests per hour",
        Axis::Rpd => "requests per day",
        Axis::Rpw => "requests per week",
        Axis::RpMonth => "requests per month",
        Axis::Requests => "requests per window",
        Axis::Tps => "tokens per second",
        Axis::Tpm => "tokens per minute",
        Axis::Tph => "tokens per hour",
        Axis::Tpd => "tokens per day",
        Axis::Tpw => "tokens per week",
        Axis::TpMonth => "tokens per month",
        Axis::Tokens => "tokens per window",
        Axis::Itpm => "input tokens per minute",
        Axis::Uitpm => "uncached input tokens per minute",
        Axis::Otpm => "output tokens per minute",
        Axis::Ash => "audio seconds per hour",
        Axis::Asd => "audio seconds per day",
        Axis::Concurrency => "requests in flight at once",
    })
}
