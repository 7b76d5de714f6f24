//! What calls hold while they run: the part of a reservation that is given back when the call ends.
//!
//! A call is charged its reservation r until it ends, a time S after its admission, and its usage u ≤ r from then on. The
//! mean of u bounds the long-run rate; r and S can bound it further. What can be proved depends on the refill policy:
//!
//! * **Sliding log.** The charges of the calls admitted within the last T ≤ window are at most the limit L. The mean over
//!   time of that statement is `rate · (T·E[u] + E[(r − u)·min(S, T)]) ≤ L`, for any client. In a run of length D the
//!   windows that contain a call begin in a time of D + T.
//! * **Counted windows** (fixed, calendar, sliding counter, adaptive). What returns after the end of the window is lost.
//!   Divide the window into K parts no longer than τ. At the end of the j-th, the calls of the parts before are charged at
//!   least u, and those of the j-th that run for τ or longer are charged r. With any weights y that sum to 1, and
//!   `h = E[(r − u)·1(S ≥ τ)]`, a call of the j-th part has the demand `u·(y[j] + … + y[K]) + y[j]·h`, and the demands of all
//!   calls of a window are at most L. If y[j] is in proportion to g^(K − j) with `g = h/(u + h)`, that is the same in every
//!   part; for equal calls with S = τ it admits `L/u · (1 − (1 − u/r)^K)` calls, as many as are admitted by a client that
//!   sends whatever fits.
//! * **Sliding log and counted windows.** The last call leaves room unused, see `last_call.rs`.
//! * **Token bucket.** It refills while calls run, whatever they hold. If it can hold two reservations, a client that sends
//!   more and more calls at once comes arbitrarily close to the limit, so that only the usage bounds the rate.
//!   If its burst and what it refills during the longest S cover less than two reservations, a call is admitted only after the
//!   one before has ended: `rate · E[S] ≤ 1`.
//!
//! Nothing is claimed if some call may use more than it reserves, if a reservation is not known in advance, for traces, for
//! providers with incidents, which change S, and for buckets of models with slots, which prolong S. That a bucket admits one call
//! at a time holds even if calls may use more than they reserve.

use super::Class;
use super::constraint::{LimitConstraint, OtherDemand, Supply};
use super::demand::{Sizes, mean_over_quantiles, model};
use super::last_call;
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, CachedPrompt, Scenario, Workload};
use crate::stats::{largest_sample, mean_at_most, mean_within, smallest_sample};
use provider::axis::Quantity;
use provider::config::{
    CachedTokens, Estimate, Limit, ModelConfig, RefillPolicy, ServiceTimeDist, Settlement,
};
use provider::dist::Dist;
use provider::{Axis, Nanos};

/// A call counts as running for a time if it runs for this share of it, so that rounding excludes no call of exactly that
/// length.
const ROUNDING: f64 = 1.0 - 1e-9;
/// The lengths of intervals and of parts of windows that are tried, as multiples of the mean service time of each class.
const SPANS: [f64; 3] = [0.5, 1.0, 2.0];

/// The calls of a class at a target.
pub(super) struct Calls<'a> {
    class: &'a Class,
    pub(super) sizes: Sizes,
    target: TargetId,
    pub(super) workload: &'a Workload,
    model: &'a ModelConfig,
    /// The `max_tokens` of each call.
    max_tokens: u32,
}

/// Returns the constraints that follow from what calls hold while they run, except those that are implied by `settled`, the
/// constraints on final charges.
pub(super) fn constraints<'a>(
    scenario: &'a Scenario,
    classes: &[Class],
    settled: &[LimitConstraint<'a>],
) -> Vec<LimitConstraint<'a>> {
    settled.iter().flat_map(|constraint| of_limit(scenario, classes, constraint)).collect()
}

/// Returns the first bucket of which the calls in flight at the analytic ceiling, `multiple` times the load, hold so much
/// that it may refuse bursts of them, although no bound on the rate follows from that.
pub(super) fn uncounted(
    scenario: &Scenario,
    classes: &[Class],
    constraints: &[LimitConstraint<'_>],
    multiple: f64,
) -> Option<(TargetId, Axis)> {
    let is_counted = |constraint: &LimitConstraint<'_>| {
        let is_same = |other: &&LimitConstraint<'_>| {
            other.targets[0].0 == constraint.targets[0].0 && other.limit == constraint.limit
        };
        constraints.iter().filter(is_same).any(|same| same.other_demand.is_some())
    };
    let is_uncounted = |constraint: &&LimitConstraint<'_>| {
        !is_counted(constraint) && holds_notably(scenario, classes, constraint, multiple)
    };
    let found = constraints.iter().find(is_uncounted)?;
    Some((found.targets[0].0, found.limit.axis))
}

/// Returns `true` if the calls in flight hold a notable share of a bucket.
fn holds_notably(
    scenario: &Scenario,
    classes: &[Class],
    constraint: &LimitConstraint<'_>,
    multiple: f64,
) -> bool {
    /// The share of a bucket that calls must hold to be notable.
    const NOTABLE: f64 = 0.25;
    /// Longer than any call, in seconds.
    const LONG_S: f64 = 1e9;
    if constraint.limit.refill != RefillPolicy::Bucket || !multiple.is_finite() {
        return false;
    }
    let Some(calls) = calls(scenario, classes, constraint) else { return false };
    let held = |class: &Class| {
        let of_class = calls.iter().filter(|calls| calls.class.number == class.number);
        let each = of_class.map(|calls| calls.held_until(LONG_S));
        each.reduce(f64::min).map_or(0.0, |held| class.rate * held)
    };
    multiple * classes.iter().map(held).sum::<f64>() >= NOTABLE * capacity(&constraint.limit)
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
fn capacity(limit: &Limit) -> f64 {
    limit.capacity() as f64
}

/// Returns the constraints that follow for the limit of `settled`, without those that `settled` implies.
fn of_limit<'a>(
    scenario: &'a Scenario,
    classes: &[Class],
    settled: &LimitConstraint<'a>,
) -> Vec<LimitConstraint<'a>> {
    let limit = &settled.limit;
    let Some(window) = limit.window else { return Vec::new() };
    let Some(calls) = calls(scenario, classes, settled) else { return Vec::new() };
    let has_history = scenario.start.has_history(limit);
    let row = |supply: Supply, sustained: f64, demand: &dyn Fn(&Calls<'_>) -> f64| {
        let other = OtherDemand { demands: table(classes, &calls, demand), supply, is_of_whole_calls: false };
        let row = LimitConstraint { allowed: sustained, other_demand: Some(other), ..settled.clone() };
        let allowed = if has_history { sustained } else { row.allowed_from_full(scenario.duration) };
        LimitConstraint { allowed, ..row }
    };
    let spans = || calls.iter().flat_map(|calls| SPANS.map(|factor| factor * calls.service_seconds()));
    let window_s = window.as_secs_f64();
    let rows: Vec<LimitConstraint<'a>> = match limit.refill {
        RefillPolicy::Bucket if is_one_at_a_time(limit, &calls, window_s) => {
            vec![row(Supply::OneCall, 1.0, &|calls| calls.service_seconds())]
        }
        RefillPolicy::Bucket => Vec::new(),
        RefillPolicy::SlidingLog => spans()
            .filter(|span_s| *span_s > 0.0 && *span_s < window_s)
            .map(Nanos::from_secs_f64)
            .chain([window])
            .filter(|span| *span > Nanos::ZERO)
            .map(|span| {
                let span_s = span.as_secs_f64();
                let demand = |calls: &Calls<'_>| calls.used(limit.axis) + calls.held_until(span_s) / span_s;
                row(Supply::WithinAny(span), capacity(limit) / span_s, &demand)
            })
            .collect(),
        RefillPolicy::Fixed
        | RefillPolicy::FirstRequest
        | RefillPolicy::Calendar(_)
        | RefillPolicy::SlidingCounter
        | RefillPolicy::Adaptive(_) => {
            let parts = spans().filter(|part_s| *part_s > 0.0);
            let choices = parts.flat_map(|part_s| calls.iter().map(move |reference| (part_s, reference)));
            let of_choice = |(part_s, reference): (f64, &Calls<'_>)| {
                let parts = Parts::best_for(reference, limit, part_s, window_s);
                row(Supply::Units, settled.allowed, &|calls| parts.demand(calls, limit.axis))
            };
            choices.map(of_choice).collect()
        }
    };
    let used_share = 1.0 - last_call::unused(&calls, limit.axis) / capacity(limit);
    let last_call = match limit.refill {
        RefillPolicy::Bucket => None,
        RefillPolicy::SlidingLog => Some((Supply::WithinAny(window), capacity(limit) / window_s)),
        _ => Some((Supply::Units, settled.allowed)),
    };
    let last_call = last_call
        .filter(|_| used_share > 0.0)
        .map(|(supply, sustained)| row(supply, sustained, &|calls| calls.used(limit.axis) / used_share));
    rows.into_iter().chain(last_call).filter(|row| adds(row, settled, classes, scenario.duration)).collect()
}

/// Returns the calls that a limit counts. `None` if there are none, if it does not count completions, if a call may use more
/// than it reserves or reserves what is not known in advance, for traces, or if incidents change how long calls run.
fn calls<'a>(
    scenario: &'a Scenario,
    classes: &'a [Class],
    constraint: &LimitConstraint<'_>,
) -> Option<Vec<Calls<'a>>> {
    if !matches!(constraint.limit.axis.quantity(), Quantity::Tokens | Quantity::OutputTokens) {
        return None;
    }
    let provider = scenario.targets[constraint.targets[0].0.index()].provider;
    if !scenario.providers[usize::from(provider)].incidents.is_empty() {
        return None;
    }
    let mut all = Vec::new();
    for class in classes {
        for (target, sizes) in class.targets.iter().zip(&class.sizes) {
            if !constraint.covers(*target) {
                continue;
            }
            let (workload, model) = (&scenario.workloads[class.workload], model(scenario, *target));
            let max_tokens = workload.max_tokens?;
            let reserve = &model.reserve;
            let is_known = reserve.estimate == Estimate::PromptAndMaxTokens
                && reserve.settlement == Settlement::ToUsage
                && reserve.reserved_completion(workload.max_tokens) >= max_tokens.min(MAX_TOKENS)
                && (reserve.cached == CachedTokens::Counted
                    || matches!(workload.cached_prompt, CachedPrompt::Share(_)))
                && !matches!(workload.arrivals, Arrivals::Trace { .. });
            if !is_known {
                return None;
            }
            all.push(Calls { class, sizes: *sizes, target: *target, workload, model, max_tokens });
        }
    }
    let may_exceed = || all.iter().any(Calls::may_exceed_reservation);
    let is_bounded = constraint.limit.refill == RefillPolicy::Bucket || !may_exceed();
    (is_bounded && !all.is_empty()).then_some(all)
}

/// Returns the demands by class and target, in the order of [`OtherDemand::demands`]; 0 at targets without `calls`.
fn table(classes: &[Class], calls: &[Calls<'_>], of: &dyn Fn(&Calls<'_>) -> f64) -> Vec<Vec<f64>> {
    let demand = |class: &Class, target: TargetId| {
        let is_of = |calls: &&Calls<'_>| calls.class.number == class.number && calls.target == target;
        calls.iter().find(is_of).map_or(0.0, of)
    };
    classes.iter().map(|class| class.targets.iter().map(|target| demand(class, *target)).collect()).collect()
}

/// Returns `true` if some class uses a larger share of `row` than of `settled`, so that `settled` does not imply `row`.
pub(super) fn adds(
    row: &LimitConstraint<'_>,
    settled: &LimitConstraint<'_>,
    classes: &[Class],
    duration: Nanos,
) -> bool {
    let is_larger = |one: f64, other: f64| one > other * (1.0 + 1e-9);
    let (row_from_full, settled_from_full) =
        (row.allowed_from_full(duration), settled.allowed_from_full(duration));
    classes.iter().any(|class| {
        class.targets.iter().any(|target| {
            let (held, used) = (row.demand(class, *target), settled.demand(class, *target));
            is_larger(held * settled.allowed, used * row.allowed)
                || is_larger(held * settled_from_full, used * row_from_full)
        })
    })
}

/// Returns `true` if the bucket of `limit` never holds two of `calls` at once.
fn is_one_at_a_time(limit: &Limit, calls: &[Calls<'_>], window_s: f64) -> bool {
    let mut longest_s = 0.0f64;
    for calls in calls {
        let Some(service_s) = calls.longest_service_seconds() else { return false };
        longest_s = longest_s.max(service_s);
    }
    let smallest =
        calls.iter().map(|calls| calls.smallest_reservation(limit.axis)).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let refilled = limit.amount as f64 * longest_s / window_s;
    capacity(limit) + refilled < 2.0 * smallest
}

/// The parts of a window, with the weights y of the first and the last.
struct Parts {
    /// The greatest length of a part, in seconds.
    part_s: f64,
    first: f64,
    last: f64,
}

impl Parts {
    /// Returns the weights that give the lowest bound for a load of `reference` calls alone.
    fn best_for(reference: &Calls<'_>, limit: &Limit, part_s: f64, window_s: f64) -> Self {
        let (used, held) = (reference.used(limit.axis), reference.held_if_longer(part_s));
        let longest_window_s = match limit.refill {
            // A day on which the clocks go back.
            RefillPolicy::Calendar(_) => window_s * 25.0 / 24.0,
            _ => window_s,
        };
        let count = libm::ceil(longest_window_s / part_s).max(1.0);
        let ratio = if held > 0.0 { held / (used + held) } else { 0.0 };
        let last = (1.0 - ratio) / (1.0 - libm::pow(ratio, count));
        Self { part_s, first: last * libm::pow(ratio, count - 1.0), last }
    }

    /// Returns a lower bound of the mean demand of calls, in whichever part each is admitted. The part may depend on the
    /// prompt, which is known at admission, but not on the answer.
    fn demand(&self, calls: &Calls<'_>, axis: Axis) -> f64 {
        let (used, held) = (calls.used(axis), calls.held_if_longer(self.part_s));
        // The demand is monotonic from part to part, so the least is that of the first or the last.
        let of_mean = (used + held * self.first).min((used + held) * self.last);
        // A token of the prompt raises it by the sum of the weights from the part of admission on, which is between the last
        // weight and 1, so choosing the part by the prompt lowers the mean by at most this.
        of_mean - calls.prompt_excess(axis) * (1.0 - self.last)
    }
}

impl Calls<'_> {
    /// Returns the longest completion, in tokens.
    pub(super) fn max_completion(&self) -> f64 {
        f64::from(self.max_tokens.min(MAX_TOKENS)).max(1.0)
    }

    /// Returns the completion of a call whose sample is this, in tokens.
    pub(super) fn completion(&self, sample: f64) -> f64 {
        sample.clamp(1.0, self.max_completion())
    }

    /// Returns the mean final charge.
    pub(super) fn used(&self, axis: Axis) -> f64 {
        self.sizes.demand(axis, self.model)
    }

    /// Returns the mean service time, in seconds.
    fn service_seconds(&self) -> f64 {
        self.sizes.service_seconds(&self.model.latency)
    }

    /// Returns a lower bound of the mean of (reservation − usage) · min(service time, `span_s`): without what a prefix cache
    /// gives back, and without the time that prompts take.
    fn held_until(&self, span_s: f64) -> f64 {
        self.mean_held(|service, other_s| {
            if other_s >= span_s { span_s } else { other_s + mean_at_most(service, span_s - other_s) }
        })
    }

    /// Returns a lower bound of the mean of (reservation − usage) over calls that run for at least `part_s`, counting the
    /// others as zero.
    fn held_if_longer(&self, part_s: f64) -> f64 {
        self.mean_held(|service, other_s| {
            let left_s = part_s * ROUNDING - other_s;
            if left_s <= 0.0 { 1.0 } else { service.probability_above(left_s) }
        })
    }

    /// Returns a lower bound of the mean of (reservation − usage) · `of`, whose arguments are the distribution of the random part
    /// of the service time and, without the time of the prompt, the rest of it in seconds.
    fn mean_held(&self, of: impl Fn(&Dist, f64) -> f64) -> f64 {
        let (max, weight) = (self.max_completion(), self.output_weight());
        match &self.model.latency.service {
            ServiceTimeDist::Total(total) => {
                (max - weight * mean_within(&self.workload.completion, 1.0, max)).max(0.0) * of(total, 0.0)
            }
            ServiceTimeDist::Split { before_prefill, decode_speed, .. } => {
                mean_over_quantiles(&self.workload.completion, (0.0, 1.0), |sample| {
                    let completion = self.completion(sample);
                    (max - weight * completion).max(0.0)
                        * of(before_prefill, (completion - 1.0) / decode_speed)
                })
            }
        }
    }

    /// Returns the mean of max(0, prompt − mean prompt), in tokens: half the mean absolute deviation. 0 if the axis does not
    /// count prompts.
    fn prompt_excess(&self, axis: Axis) -> f64 {
        if axis == Axis::Otpm {
            return 0.0;
        }
        self.class.range.mean_excess(&self.workload.prompt, self.sizes.prompt)
    }

    /// Returns the least that a call reserves.
    pub(super) fn smallest_reservation(&self, axis: Axis) -> f64 {
        let is_free = self.model.reserve.cached == CachedTokens::Free;
        let first = smallest_sample(self.workload.first_prompt()).max(1.0);
        let prompt = if axis == Axis::Otpm || is_free { 0.0 } else { first };
        libm::floor(prompt) + f64::from(self.max_tokens.min(MAX_TOKENS))
    }

    /// Returns `true` if a completion may count as more tokens than are reserved for it, because each counts several times.
    fn may_exceed_reservation(&self) -> bool {
        let longest = largest_sample(&self.workload.completion).unwrap_or(f64::INFINITY);
        let counted = self.output_weight() * libm::ceil(self.completion(longest));
        self.output_weight() > 1.0 && counted > self.max_completion()
    }

    /// Returns how many tokens a completion token counts as at the end.
    pub(super) fn output_weight(&self) -> f64 {
        f64::from(self.model.reserve.output_weight)
    }

    /// Returns the longest service time, in seconds; `None` if it is not bounded, as with slots or with contexts that grow.
    fn longest_service_seconds(&self) -> Option<f64> {
        let latency = &self.model.latency;
        if latency.slots.is_some() || self.workload.sessions.is_some() {
            return None;
        }
        match &latency.service {
            ServiceTimeDist::Total(total) => largest_sample(total),
            ServiceTimeDist::Split { before_prefill, prefill_speed, cached_prefill_speed, decode_speed } => {
                let longest = largest_sample(&self.workload.completion).unwrap_or(f64::INFINITY);
                let speeds = prefill_speed.iter().chain(cached_prefill_speed);
                let prefill = match speeds.copied().reduce(f64::min) {
                    Some(speed) => libm::ceil(largest_sample(&self.workload.prompt)?).max(1.0) / speed,
                    None => 0.0,
                };
                let decode = (libm::ceil(self.completion(longest)) - 1.0) / decode_speed;
                Some(largest_sample(before_prefill)? + prefill + decode)
            }
        }
    }
}
