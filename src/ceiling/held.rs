//! What calls hold while they run: the part of a reservation that is given back at its end.
//!
//! A call is charged its reservation r until it ends, a time S after its admission, and its usage u ≤ r from then on. The
//! mean of u bounds the long-run rate; r and S can bound it further. What can be proved depends on the refill policy:
//!
//! * **Sliding log.** The charges of the calls admitted within the last T ≤ window are at most the limit L. The mean over
//!   time of that statement is `rate · (T·E[u] + E[(r − u)·min(S, T)]) ≤ L`, for any client. In a run of length D the
//!   windows that contain a call begin in a time of D + T.
//! * **Counted windows** (fixed, calendar, sliding counter, adaptive). What returns after the end of the window is lost.
//!   Divide the window into K parts no longer than τ. At the end of the j-th, the calls of the parts before are charged at
//!   least u, and those of the j-th that run for τ or longer are charged r. With any weights y that sum to 1 it follows for
//!   the calls of a window that `Σ min over j of (u·(y[j] + … + y[K]) + y[j]·E[(r − u)·1(S ≥ τ)]) ≤ L`. For equal calls with
//!   S = τ, weights in proportion to (1 − u/r)^(K − j) are the best ones: `L/u · (1 − (1 − u/r)^K)` calls.
//! * **Token bucket.** It refills while calls run, whatever they hold. If it can hold two reservations, a client that sends
//!   more and more calls at once comes as near to the limit as it likes, so that nothing but the usage bounds the rate.
//!   If its burst and what it refills during the longest S cover less than two reservations, a call is admitted only after the
//!   one before has ended: `rate · E[S] ≤ 1`.
//!
//! Nothing is claimed if some call may use more than it reserves, if a reservation is not known in advance, for traces, and
//! for buckets of providers with slots or incidents, which prolong S.

use super::demand::{Sizes, mean_at_most, mean_within, mid_quantiles, model};
use super::{Class, LimitConstraint};
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, Scenario, Workload};
use provider::Axis;
use provider::config::{Estimate, Latency, Limit, ModelConfig, RefillPolicy, Service, Settlement};
use provider::dist::Dist;

/// The most parts of a window. With more, a call is so short against the window that its reservation hardly matters.
const MAX_PARTS: f64 = 512.0;
/// A call that runs for this share of a time runs for the time, so that calls of exactly that time count.
const SAME: f64 = 1.0 - 1e-9;
/// Lengths of time that are tried, as multiples of the mean service time of each class.
const SPANS: [f64; 3] = [0.5, 1.0, 2.0];

/// The calls of a class at a target.
struct Calls<'a> {
    class: &'a Class,
    sizes: Sizes,
    target: TargetId,
    workload: &'a Workload,
    model: &'a ModelConfig,
    /// The `max_tokens` of each call.
    max_tokens: u32,
}

/// Returns the constraints that follow from what calls hold while they run, except those that `settled` implies.
pub(super) fn constraints<'a>(
    scenario: &'a Scenario,
    classes: &[Class],
    settled: &[LimitConstraint<'a>],
) -> Vec<LimitConstraint<'a>> {
    settled.iter().flat_map(|constraint| of_limit(scenario, classes, constraint)).collect()
}

/// Returns `true` if the bucket of a limit holds so little beside the calls in flight at the analytic ceiling that bursts of
/// them are refused, although no bound on the rate follows from it.
pub(super) fn is_uncounted(
    scenario: &Scenario,
    classes: &[Class],
    settled: &LimitConstraint<'_>,
    multiple: f64,
) -> bool {
    /// The held share of a bucket from which it matters.
    const NOTABLE: f64 = 0.25;
    /// Longer than any call, in seconds.
    const LONG_S: f64 = 1e9;
    if settled.limit.refill != RefillPolicy::Bucket || !multiple.is_finite() {
        return false;
    }
    let Some(calls) = calls(scenario, classes, settled) else { return false };
    let held = |class: &Class| {
        let of_class = calls.iter().filter(|calls| calls.class.number == class.number);
        let each = of_class.map(|calls| calls.held_until(LONG_S));
        class.rate * each.fold(f64::INFINITY, f64::min)
    };
    let touched = classes.iter().filter(|class| calls.iter().any(|calls| calls.class.number == class.number));
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let capacity = settled.limit.capacity() as f64;
    multiple * touched.map(held).sum::<f64>() >= NOTABLE * capacity
}

fn of_limit<'a>(
    scenario: &'a Scenario,
    classes: &[Class],
    settled: &LimitConstraint<'a>,
) -> Vec<LimitConstraint<'a>> {
    let Some(calls) = calls(scenario, classes, settled) else { return Vec::new() };
    let run_s = scenario.duration.as_secs_f64().max(1e-9);
    let limit = &settled.limit;
    let Some(window_s) = limit.axis.window_length().map(provider::Nanos::as_secs_f64) else {
        return Vec::new();
    };
    let row = |demands: Vec<f64>, allowed: f64, from_full: f64| {
        let held = table(classes, &calls, &demands);
        LimitConstraint { held: Some(held), allowed, from_full, ..settled.clone() }
    };
    let spans = calls.iter().flat_map(|calls| SPANS.map(|factor| factor * calls.service_seconds()));
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let capacity = limit.capacity() as f64;
    let rows: Vec<LimitConstraint<'a>> = match limit.refill {
        RefillPolicy::Bucket => one_at_a_time(scenario, limit, &calls, window_s)
            .into_iter()
            .map(|longest_s| {
                let demands = calls.iter().map(Calls::service_seconds).collect();
                row(demands, 1.0, 1.0 + longest_s / run_s)
            })
            .collect(),
        RefillPolicy::SlidingLog => spans
            .chain([window_s])
            .filter(|span| *span > 0.0 && *span <= window_s)
            .map(|span| {
                let demand = |calls: &Calls<'_>| calls.used(limit.axis) + calls.held_until(span) / span;
                row(
                    calls.iter().map(demand).collect(),
                    capacity / span,
                    capacity * (1.0 / span + 1.0 / run_s),
                )
            })
            .collect(),
        RefillPolicy::Fixed
        | RefillPolicy::Calendar(_)
        | RefillPolicy::SlidingCounter
        | RefillPolicy::Adaptive(_) => spans
            .filter(|part| *part > 0.0 && window_s / part <= MAX_PARTS)
            .flat_map(|part| calls.iter().map(move |reference| (part, reference)))
            .map(|(part, reference)| {
                let weights = Weights::best_for(reference, limit.axis, part, window_s);
                let demand = |calls: &Calls<'_>| weights.demand(calls, limit.axis, part);
                row(calls.iter().map(demand).collect(), settled.allowed, settled.from_full)
            })
            .collect(),
    };
    rows.into_iter().filter(|row| adds(row, settled, classes)).collect()
}

/// Returns the calls that a limit counts. `None` if it does not count completions, or if a call may use more than it reserves
/// or reserves what is not known in advance.
fn calls<'a>(
    scenario: &'a Scenario,
    classes: &'a [Class],
    constraint: &LimitConstraint<'_>,
) -> Option<Vec<Calls<'a>>> {
    if !matches!(constraint.limit.axis, Axis::Tpm | Axis::Tpd | Axis::Otpm) {
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
                && !matches!(workload.arrivals, Arrivals::Trace { .. });
            if !is_known {
                return None;
            }
            all.push(Calls { class, sizes: *sizes, target: *target, workload, model, max_tokens });
        }
    }
    (!all.is_empty()).then_some(all)
}

/// Returns the demands by class and target, in the order of the targets of the class.
fn table(classes: &[Class], calls: &[Calls<'_>], demands: &[f64]) -> Vec<Vec<f64>> {
    let demand = |class: &Class, target: TargetId| {
        let of = |calls: &&Calls<'_>| calls.class.number == class.number && calls.target == target;
        calls.iter().position(|calls| of(&calls)).map_or(0.0, |index| demands[index])
    };
    classes.iter().map(|class| class.targets.iter().map(|target| demand(class, *target)).collect()).collect()
}

/// Returns `true` if some class uses a larger share of `row` than of `settled`, so that it is not implied.
fn adds(row: &LimitConstraint<'_>, settled: &LimitConstraint<'_>, classes: &[Class]) -> bool {
    let is_larger = |one: f64, other: f64| one > other * (1.0 + 1e-9);
    classes.iter().any(|class| {
        class.targets.iter().any(|target| {
            let (held, used) = (row.demand(class, *target), settled.demand(class, *target));
            is_larger(held * settled.allowed, used * row.allowed)
                || is_larger(held * settled.from_full, used * row.from_full)
        })
    })
}

/// Returns the longest service time if the bucket of `limit` never holds two of `calls` at once.
fn one_at_a_time(scenario: &Scenario, limit: &Limit, calls: &[Calls<'_>], window_s: f64) -> Option<f64> {
    let prolongs = |calls: &Calls<'_>| {
        let target = &scenario.targets[calls.target.index()];
        let provider = &scenario.providers[usize::from(target.provider)];
        calls.model.latency.slots.is_some() || !provider.incidents.is_empty()
    };
    if calls.iter().any(prolongs) {
        return None;
    }
    let mut longest_s = 0.0f64;
    for calls in calls {
        longest_s = longest_s.max(calls.longest_service_seconds()?);
    }
    let smallest =
        calls.iter().map(|calls| calls.smallest_reservation(limit.axis)).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let available = limit.burst as f64 + limit.amount as f64 * longest_s / window_s;
    (available < 2.0 * smallest).then_some(longest_s)
}

/// The weights of the parts of a window, which sum to 1.
struct Weights {
    /// The weight of each part.
    parts: Vec<f64>,
    /// The sum of the weights from each part on.
    from: Vec<f64>,
}

impl Weights {
    /// Returns the weights that bound a run of `reference` calls alone the most.
    fn best_for(reference: &Calls<'_>, axis: Axis, part: f64, window_s: f64) -> Self {
        let (used, held) = (reference.used(axis), reference.held_if_longer(part));
        let ratio = if held > 0.0 { held / (used + held) } else { 0.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and MAX_PARTS + 1"
        )]
        let count = libm::ceil(window_s / part).max(1.0) as usize;
        let mut parts: Vec<f64> =
            std::iter::successors(Some(1.0), |weight| Some(weight * ratio)).take(count).collect();
        parts.reverse();
        let sum: f64 = parts.iter().sum();
        parts.iter_mut().for_each(|weight| *weight /= sum);
        let mut from: Vec<f64> = parts
            .iter()
            .rev()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        from.reverse();
        Self { parts, from }
    }

    /// Returns the least charge of a call over the parts in which it may be admitted.
    fn demand(&self, calls: &Calls<'_>, axis: Axis, part: f64) -> f64 {
        let (used, held) = (calls.used(axis), calls.held_if_longer(part));
        let each = self.parts.iter().zip(&self.from).map(|(weight, from)| used * from + held * weight);
        each.fold(f64::INFINITY, f64::min)
    }
}

impl Calls<'_> {
    /// Returns the mean final charge.
    fn used(&self, axis: Axis) -> f64 {
        self.sizes.demand(axis, self.model)
    }

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

    /// Returns a lower bound of the mean of (reservation − usage) over calls that run for at least `part_s`, counting the others
    /// as zero.
    fn held_if_longer(&self, part_s: f64) -> f64 {
        self.mean_held(|service, other_s| {
            let left_s = part_s * SAME - other_s;
            if left_s <= 0.0 { 1.0 } else { service.probability_above(left_s) }
        })
    }

    /// Returns the mean of (reservation − usage) · `of`, which is given the random part of the service time and the rest of it.
    fn mean_held(&self, of: impl Fn(&Dist, f64) -> f64) -> f64 {
        let max = f64::from(self.max_tokens.min(MAX_TOKENS));
        let completion = |sample: f64| sample.clamp(1.0, max.max(1.0));
        match &self.model.latency.service {
            Service::Total(total) => {
                (max - mean_within(&self.workload.completion, 1.0, max)).max(0.0) * of(total, 0.0)
            }
            Service::Split { first_token, output, .. } => {
                mid_quantiles(&self.workload.completion, (0.0, 1.0), |sample| {
                    let completion = completion(sample);
                    (max - completion) * of(first_token, completion / output)
                })
            }
        }
    }

    /// Returns the least that a call reserves.
    fn smallest_reservation(&self, axis: Axis) -> f64 {
        let free = self.model.reserve.cached == provider::config::CachedTokens::Free;
        let prompt = if axis == Axis::Otpm || free { 0.0 } else { bounds(&self.workload.prompt).0.max(1.0) };
        libm::floor(prompt) + f64::from(self.max_tokens)
    }

    /// Returns the longest service time; `None` if it is not bounded.
    fn longest_service_seconds(&self) -> Option<f64> {
        let Latency { service, .. } = &self.model.latency;
        match service {
            Service::Total(total) => bounds(total).1,
            Service::Split { first_token, prefill, output } => {
                let max = f64::from(self.max_tokens);
                let completion =
                    bounds(&self.workload.completion).1.map_or(max, |most| most.clamp(1.0, max.max(1.0)));
                let prompt = match prefill {
                    Some(speed) => bounds(&self.workload.prompt).1? / speed,
                    None => 0.0,
                };
                Some(bounds(first_token).1? + prompt + (completion + 1.0) / output)
            }
        }
    }
}

/// Returns the smallest and the largest sample of a distribution; `None` if there is no largest.
fn bounds(dist: &Dist) -> (f64, Option<f64>) {
    match dist {
        Dist::Constant(value) => (*value, Some(*value)),
        Dist::Uniform { min, max } => (*min, Some(*max)),
        Dist::Discrete(steps) => {
            let values = || steps.iter().map(|(value, _)| *value);
            (values().fold(f64::INFINITY, f64::min), values().reduce(f64::max))
        }
        Dist::LogNormal { .. } | Dist::Exponential(_) => (0.0, None),
    }
}
