//! Allocates the classes of jobs to the targets that can admit them: the linear programme. A class is the part of the jobs of one
//! workload that the same targets can admit.
//!
//! Its variables are *assignments*, each of a class and one of its targets, in units of what the target admits of that
//! class alone. The last variable is the multiple, in units of what the most restricted class can reach alone.
//! So every share is at most one, and every reach at most [`MAX_REACH`], whatever the numbers of the scenario.
//!
//! ```text
//!  per limit   Σ over the assignments to its targets of  (share of the limit) · assignment   ≤ 1
//!  per class   multiple − Σ over its assignments of  (reach of the assignment) · assignment  ≤ 0
//! ```

use super::Class;
use super::constraint::LimitConstraint;
use super::simplex::maximise;
use crate::ids::TargetId;

/// The upper bound on the reach of an assignment, in units of what the most restricted class can reach alone.
const MAX_REACH: f64 = 1e6;

/// An assignment variable: a class, by index, and one of its targets.
struct Assignment {
    class: usize,
    target: TargetId,
    /// The multiple of the class's load that the target admits of it alone; infinite without a limit.
    alone: f64,
}

impl Assignment {
    fn of_class(
        index: usize,
        class: &Class,
        constraints: &[LimitConstraint<'_>],
    ) -> impl Iterator<Item = Self> {
        class.targets.iter().map(move |&target| {
            let shares = constraints.iter().map(|constraint| constraint.share(class, target));
            Self { class: index, target, alone: 1.0 / shares.fold(0.0, f64::max) }
        })
    }

    /// Returns the share of a limit that the assignment uses at value 1.
    fn share_of(&self, constraint: &LimitConstraint<'_>, classes: &[Class]) -> f64 {
        if constraint.covers(self.target) {
            constraint.share(&classes[self.class], self.target) * self.alone
        } else {
            0.0
        }
    }

    /// Returns the multiple of the load of `class` that the assignment serves at value 1, in units of `scale`; 0 for another
    /// class.
    fn reach(&self, class: usize, scale: f64) -> f64 {
        if class == self.class { (self.alone / scale).min(MAX_REACH) } else { 0.0 }
    }
}

/// Returns the largest multiple of the offered load that the limits admit, and the limit whose growth by a small share raises this
/// multiple the most. Returns infinity and `None` if no limit bounds the load. If the multiple is 0, the limit is one that admits
/// nothing to some class.
pub(super) fn maximum_multiple<'constraints, 'scenario>(
    classes: &[Class],
    constraints: &'constraints [LimitConstraint<'scenario>],
) -> (f64, Option<&'constraints LimitConstraint<'scenario>>) {
    let mut assignments: Vec<Assignment> = (0..)
        .zip(classes)
        .flat_map(|(index, class)| Assignment::of_class(index, class, constraints))
        .collect();
    // The multiple that each class can reach alone.
    let mut class_multiples = vec![0.0; classes.len()];
    assignments.iter().for_each(|assignment| class_multiples[assignment.class] += assignment.alone);
    let scale = class_multiples.iter().copied().fold(f64::INFINITY, f64::min);
    if scale.is_infinite() {
        return (f64::INFINITY, None);
    }
    if scale == 0.0 {
        let blocks = |constraint: &LimitConstraint<'_>| {
            assignments.iter().any(|a| constraint.covers(a.target) && class_multiples[a.class] == 0.0)
        };
        let blocking = constraints.iter().find(|constraint| constraint.allowed == 0.0 && blocks(constraint));
        return (0.0, blocking);
    }
    // A class with an unlimited target is sent there and uses no limit.
    assignments.retain(|assignment| class_multiples[assignment.class].is_finite() && assignment.alone > 0.0);
    let limit_row =
        |limit| assignments.iter().map(|a| a.share_of(limit, classes)).chain([0.0]).collect::<Vec<_>>();
    let class_row = |class| assignments.iter().map(|a| -a.reach(class, scale)).chain([1.0]).collect();
    let limited = (0..classes.len()).filter(|&class| class_multiples[class].is_finite());
    let rows: Vec<Vec<f64>> = constraints.iter().map(limit_row).chain(limited.map(class_row)).collect();
    let bounds: Vec<f64> =
        (0..rows.len()).map(|row| if row < constraints.len() { 1.0 } else { 0.0 }).collect();
    let gain: Vec<f64> = assignments.iter().map(|_| 0.0).chain([1.0]).collect();
    let optimum = maximise(&gain, &rows, &bounds);
    let shadow_prices = constraints.iter().zip(optimum.prices);
    let binding =
        shadow_prices.reduce(|max, next| if next.1 > max.1 + SHADOW_PRICE_TOLERANCE { next } else { max });
    (optimum.value * scale, binding.map(|(constraint, _)| constraint))
}

/// Shadow prices (the gain by one more unit of a constraint) that differ by less are equal up to rounding.
const SHADOW_PRICE_TOLERANCE: f64 = 1e-9;
