//! The number of whole calls that fit into a window: fewer than its units ÷ the mean size if calls are large compared with it.
//!
//! When the last call of a window is admitted, its reservation r fits beside the others, each of which is charged at least
//! `a = min(r, final charge)`: `Σ a of the others + r of the last ≤ L`. With any size s, `Σ ⌊a ÷ s⌋` of the others is a whole
//! number, so that it is at most `⌊(L − r) ÷ s⌋` (a Chvátal–Gomory cut), and `⌊a ÷ s⌋` of the last adds to it. For equal calls
//! with r = a = s this is ⌊L ÷ s⌋ calls, which is exact; of random sizes the smallest counts, so that it is an upper bound. It
//! holds for counted windows, and for the window before any instant of a sliding log. A token bucket keeps what calls leave
//! unused, so it has no such bound.

use super::Class;
use super::constraint::{LimitConstraint, OtherDemand, Supply};
use super::demand::{PromptRange, model};
use crate::ids::TargetId;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, CachedPrompt, Scenario, Workload};
use crate::stats::smallest_sample;
use provider::axis::Quantity;
use provider::config::{CachedTokens, Estimate, Lengths, Limit, ModelConfig, RefillPolicy, Settlement};
use provider::{Axis, Instant, Nanos};

/// The most sizes that are tried for a limit.
const MAX_SIZES: usize = 8;
/// A quotient that is below a whole number by at most this counts as that number.
const ROUNDING: f64 = 1e-9;

/// The least that a call of a class uses of a limit at a target, in tokens.
#[derive(Clone, Copy, Debug)]
struct LeastUse {
    class: usize,
    target: TargetId,
    /// The reservation.
    reserved: f64,
    /// The smaller of the reservation and the final charge.
    charged: f64,
}

/// Returns the constraints on the number of whole calls per window for the limit of `settled`, which is its constraint on final
/// charges.
pub(super) fn constraints<'a>(
    scenario: &Scenario,
    classes: &[Class],
    settled: &LimitConstraint<'a>,
) -> Vec<LimitConstraint<'a>> {
    let limit = &settled.limit;
    if !limit.axis.counts_tokens() || limit.refill == RefillPolicy::Bucket {
        return Vec::new();
    }
    let least = least_uses(scenario, classes, settled);
    if least.is_empty() || least.iter().any(|least| least.charged <= 0.0) {
        return Vec::new();
    }
    let mut sizes: Vec<f64> = least.iter().map(|least| least.charged).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    sizes.truncate(MAX_SIZES);
    sizes.into_iter().filter_map(|size| row(scenario, classes, settled, &least, size)).collect()
}

/// Returns the constraint that follows with the size s of the module's formula.
fn row<'a>(
    scenario: &Scenario,
    classes: &[Class],
    settled: &LimitConstraint<'a>,
    least: &[LeastUse],
    size: f64,
) -> Option<LimitConstraint<'a>> {
    let capacity = capacity(&settled.limit);
    // The pieces of size s in a number of tokens.
    let pieces = |tokens: f64| libm::floor(tokens / size + ROUNDING).max(0.0);
    let with_last = |last: &LeastUse| pieces(capacity - last.reserved) + pieces(last.charged);
    let fitting = least.iter().filter(|least| least.reserved <= capacity);
    let most = fitting.map(with_last).reduce(f64::max).filter(|most| *most > 0.0)?;
    // The most pieces that fit count as a full window.
    let demand = |class: &Class, target: TargetId| {
        let known = least.iter().find(|least| least.class == class.number && least.target == target);
        known.map_or(0.0, |least| pieces(least.charged) * capacity / most)
    };
    let of_class = |class: &Class| class.targets.iter().map(|target| demand(class, *target)).collect();
    let (supply, sustained) = match (settled.limit.refill, settled.limit.window?) {
        (RefillPolicy::SlidingLog, window) => (Supply::WithinAny(window), capacity / window.as_secs_f64()),
        _ => (Supply::Units, settled.allowed),
    };
    let other =
        OtherDemand { demands: classes.iter().map(of_class).collect(), supply, is_of_whole_calls: true };
    let row = LimitConstraint { allowed: sustained, other_demand: Some(other), ..settled.clone() };
    let has_history = scenario.start.has_history(&settled.limit);
    let allowed = if has_history { sustained } else { row.allowed_from_full(scenario.duration) };
    Some(LimitConstraint { allowed, ..row })
}

/// Returns the least use of every class at every target of the limit.
fn least_uses(scenario: &Scenario, classes: &[Class], settled: &LimitConstraint<'_>) -> Vec<LeastUse> {
    let covered = |class: &Class| {
        let targets = class.targets.iter().copied().filter(|target| settled.covers(*target));
        targets.collect::<Vec<_>>()
    };
    let of_class = |class: &Class| {
        let workload = &scenario.workloads[class.workload];
        let (number, range) = (class.number, class.range);
        let of_target = move |target: TargetId| {
            let model = model(scenario, target);
            let sizes = smallest_sizes(workload, scenario.duration, model.lengths, range);
            let (reserved, charged) = use_of(sizes, workload, settled.limit.axis, model);
            LeastUse { class: number, target, reserved, charged: charged.min(reserved) }
        };
        covered(class).into_iter().map(of_target).collect::<Vec<_>>()
    };
    classes.iter().flat_map(of_class).collect()
}

/// Returns the least that a call of these sizes reserves and is charged in the end.
fn use_of(
    (prompt, completion): (f64, f64),
    workload: &Workload,
    axis: Axis,
    model: &ModelConfig,
) -> (f64, f64) {
    let reserve = &model.reserve;
    let is_cached = !matches!(workload.cached_prompt, CachedPrompt::Share(share) if share <= 0.0);
    let new_prompt = if is_cached && reserve.cached != CachedTokens::Counted { 0.0 } else { prompt };
    let reserved_prompt = match (reserve.estimate, reserve.cached) {
        (Estimate::Nothing, _) => 0.0,
        (_, CachedTokens::Free) => new_prompt,
        (_, CachedTokens::Counted | CachedTokens::Refunded) => prompt,
    };
    let reserved_completion = match reserve.estimate {
        Estimate::PromptAndMaxTokens => f64::from(reserve.reserved_completion(workload.max_tokens)),
        Estimate::PromptAndRecent | Estimate::Prompt | Estimate::Nothing => 0.0,
    };
    let on_axis = |prompt: f64, completion: f64| match axis.quantity() {
        Quantity::UncachedTokens if is_cached => 0.0,
        Quantity::InputTokens | Quantity::UncachedTokens => prompt,
        Quantity::OutputTokens => completion,
        _ => prompt + completion,
    };
    let reserved = on_axis(reserved_prompt, reserved_completion);
    let used = on_axis(new_prompt, completion * f64::from(reserve.output_weight));
    match reserve.settlement {
        Settlement::ToUsage => (reserved, used),
        Settlement::KeepReservation | Settlement::ChargeExcess => (reserved, reserved),
    }
}

/// Returns the shortest prompt and completion of the jobs of a range, in tokens.
fn smallest_sizes(workload: &Workload, duration: Nanos, lengths: Lengths, range: PromptRange) -> (f64, f64) {
    let max = f64::from(workload.max_tokens.or(lengths.max_output).unwrap_or(MAX_TOKENS)).max(1.0);
    // Without `max_tokens`, a completion is also bounded by what the prompt leaves of the context, which may be one token.
    let has_fixed_bound = workload.max_tokens.is_some() || lengths.context.is_none();
    let bounded = |tokens: f64| if has_fixed_bound { libm::floor(tokens).clamp(1.0, max) } else { 1.0 };
    if let Arrivals::Trace { rows, .. } = &workload.arrivals {
        let rows =
            rows.iter().filter(|row| row.at < Instant::ZERO + duration && range.contains(row.prompt_tokens));
        return rows.fold((f64::INFINITY, f64::INFINITY), |(prompt, completion), row| {
            let of_row = bounded(f64::from(row.completion_tokens));
            (prompt.min(f64::from(row.prompt_tokens.clamp(1, MAX_TOKENS))), completion.min(of_row))
        });
    }
    let prompt = libm::floor(smallest_sample(workload.first_prompt())).max(f64::from(range.above) + 1.0);
    (prompt.min(f64::from(MAX_TOKENS)), bounded(smallest_sample(&workload.completion)))
}

/// Returns the units of a window; of an adaptive limit the most to which it grows.
#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
fn capacity(limit: &Limit) -> f64 {
    match limit.refill {
        RefillPolicy::Adaptive(growth) => growth.max_limit(limit.amount) as f64,
        _ => limit.amount as f64,
    }
}
