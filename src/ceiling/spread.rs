//! Spreads the workloads over the targets of their routes as far as they go: the linear programme.
//!
//! Its variables are *outlets*, a workload and a target of its route, measured in shares of what the
//! target could carry of that workload alone; the last is the multiple itself, measured in what the
//! tightest workload could reach alone. So its numbers are near one, whatever the scenario's are.
//!
//! ```text
//!  per limit      Σ over its target's outlets of  (share of the limit) · outlet          ≤ 1
//!  per workload   multiple − Σ over its outlets of  (reach of the target) · outlet       ≤ 0
//! ```

use super::packing::maximise;
use super::{Cap, Class};
use crate::ids::TargetId;

/// A target with so many times the room that the tightest workload needs counts as just that.
const AMPLE: f64 = 1e6;

/// A workload, by index, and a target of its route.
struct Outlet {
    class: usize,
    target: TargetId,
    /// The multiple of the workload that the target would carry alone; infinite where nothing limits it.
    alone: f64,
}

impl Outlet {
    fn of_class(index: usize, class: &Class, caps: &[Cap<'_>]) -> impl Iterator<Item = Self> {
        class.targets.iter().map(move |&target| {
            let shares = caps.iter().map(|cap| cap.share(class, target));
            Self { class: index, target, alone: 1.0 / shares.fold(0.0, f64::max) }
        })
    }

    /// The share of a limit that the outlet uses when its target carries nothing else.
    fn uses(&self, cap: &Cap<'_>, classes: &[Class]) -> f64 {
        if cap.covers(self.target) { cap.share(&classes[self.class], self.target) * self.alone } else { 0.0 }
    }

    /// The part of `scale` that the outlet carries of a workload when its target carries nothing else.
    fn carries(&self, class: usize, scale: f64) -> f64 {
        if class == self.class { (self.alone / scale).min(AMPLE) } else { 0.0 }
    }
}

/// The largest multiple of the offered load that fits, and the limit that would lift it the most.
pub(super) fn tightest<'caps, 'scenario>(
    classes: &[Class],
    caps: &'caps [Cap<'scenario>],
) -> (f64, Option<&'caps Cap<'scenario>>) {
    let mut outlets: Vec<Outlet> =
        (0..).zip(classes).flat_map(|(index, class)| Outlet::of_class(index, class, caps)).collect();
    let mut reaches = vec![0.0; classes.len()];
    outlets.iter().for_each(|outlet| reaches[outlet.class] += outlet.alone);
    let scale = reaches.iter().copied().fold(f64::INFINITY, f64::min);
    if scale.is_infinite() {
        return (f64::INFINITY, None);
    }
    if scale == 0.0 {
        let shut = |cap: &Cap<'_>| outlets.iter().any(|o| cap.covers(o.target) && reaches[o.class] == 0.0);
        return (0.0, caps.iter().find(|cap| cap.allowed == 0.0 && shut(cap)));
    }
    // A workload with an unlimited target goes there and hinders nobody.
    outlets.retain(|outlet| reaches[outlet.class].is_finite() && outlet.alone > 0.0);
    let cap_row = |cap| outlets.iter().map(|o| o.uses(cap, classes)).chain([0.0]).collect::<Vec<_>>();
    let class_row = |class| outlets.iter().map(|o| -o.carries(class, scale)).chain([1.0]).collect();
    let limited = (0..classes.len()).filter(|&class| reaches[class].is_finite());
    let rows: Vec<Vec<f64>> = caps.iter().map(cap_row).chain(limited.map(class_row)).collect();
    let bounds: Vec<f64> = (0..rows.len()).map(|row| if row < caps.len() { 1.0 } else { 0.0 }).collect();
    let gain: Vec<f64> = outlets.iter().map(|_| 0.0).chain([1.0]).collect();
    let best = maximise(&gain, &rows, &bounds);
    let prices = caps.iter().zip(best.prices);
    let binding = prices.reduce(|most, next| if next.1 > most.1 + TIE { next } else { most });
    (best.value * scale, binding.map(|(cap, _)| cap))
}

/// Prices closer than this are equal but for rounding.
const TIE: f64 = 1e-9;
