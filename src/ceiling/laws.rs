//! Laws of the analytic ceiling over random scenarios.

use super::Ceiling;
use super::tests::{limit, scenario, workload};
use crate::scenario::{Arrivals, Scenario, Workload};
use proptest::prelude::*;
use provider::Axis;
use provider::config::{Limit, RefillPolicy};
use provider::dist::Dist;

/// Returns a bucket: other policies admit whole calls per window, so that what they admit is not proportional to the limit.
fn bucket(axis: Axis, amount: u64) -> Limit {
    Limit { refill: RefillPolicy::Bucket, ..limit(axis, amount) }
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let number = || (0.0..6.0f64).prop_map(|exponent| 1000 * (10f64.powf(exponent) as u64 + 1));
    let limits = prop::collection::vec((number(), number()), 1..5);
    let route = prop::collection::vec(0u16..5, 1..4);
    let workloads = prop::collection::vec((route, -3.0..4.0f64, 1.0..5000.0f64), 1..4);
    (limits, workloads).prop_map(|(limits, workloads)| {
        let targets: Vec<_> = limits
            .iter()
            .map(|(rpm, tpm)| vec![bucket(Axis::Rpm, *rpm), bucket(Axis::Tpm, *tpm * 100)])
            .collect();
        let count = u16::try_from(targets.len()).unwrap();
        let routes: Vec<Vec<u16>> =
            workloads.iter().map(|(route, ..)| route.iter().map(|target| target % count).collect()).collect();
        let steps: Vec<[&[u16]; 1]> = routes.iter().map(|route| [route.as_slice()]).collect();
        let steps: Vec<&[&[u16]]> = steps.iter().map(<[&[u16]; 1]>::as_slice).collect();
        let make = |(index, (_, exponent, prompt)): (u16, &(Vec<u16>, f64, f64))| Workload {
            prompt: Dist::Constant(*prompt),
            ..workload(index, 10f64.powf(*exponent))
        };
        scenario(&targets, &steps, (0..).zip(&workloads).map(make).collect())
    })
}

proptest! {
    /// Doubling the offered load halves the multiple; raising every limit tenfold raises the multiple tenfold.
    #[test]
    fn the_multiple_is_proportional_to_limits_and_inverse_to_load(scenario in any_scenario()) {
        let base = Ceiling::of(&scenario);
        prop_assert!(base.multiple > 0.0 && base.multiple.is_finite() && base.binding.is_some());
        let mut busier = scenario.clone();
        for workload in &mut busier.workloads {
            let Arrivals::Poisson(rate) = &mut workload.arrivals else { unreachable!() };
            *rate *= 2.0;
        }
        let busier = Ceiling::of(&busier);
        prop_assert!((busier.multiple * 2.0 / base.multiple - 1.0).abs() < 1e-6);
        let mut larger = scenario.clone();
        for limit in larger.providers[0].models.iter_mut().flat_map(|model| &mut model.limits) {
            limit.amount *= 10;
            limit.burst *= 10;
        }
        prop_assert!((Ceiling::of(&larger).multiple / base.multiple / 10.0 - 1.0).abs() < 1e-6);
    }

    /// A raise of the binding limit by a small share raises the ceiling at least as much as that of any other limit.
    #[test]
    fn the_binding_limit_raises_the_ceiling_the_most(scenario in any_scenario()) {
        let base = Ceiling::of(&scenario);
        let relative_gain = |target: usize, axis: Axis| {
            let mut scenario = scenario.clone();
            let model = &mut scenario.providers[0].models[target];
            let limit = model.limits.iter_mut().find(|limit| limit.axis == axis).unwrap();
            limit.amount += limit.amount / 1000;
            (Ceiling::of(&scenario).multiple / base.multiple - 1.0) * 1000.0
        };
        let (target, axis) = base.binding.unwrap();
        let binding_gain = relative_gain(target.index(), axis);
        for target in 0..scenario.targets.len() {
            for axis in [Axis::Rpm, Axis::Tpm] {
                let other_gain = relative_gain(target, axis);
                prop_assert!(other_gain <= binding_gain * 1.01 + 1e-6, "{target} {axis}: {other_gain} over {binding_gain}");
            }
        }
    }

    /// A workload alone reaches the sum of what its targets admit; in the mix, its multiple is no larger.
    #[test]
    fn a_workload_alone_reaches_what_its_targets_admit_and_no_more_in_the_mix(scenario in any_scenario()) {
        let base = Ceiling::of(&scenario);
        for workload in &scenario.workloads {
            let alone = Scenario { workloads: vec![workload.clone()], ..scenario.clone() };
            prop_assert!(base.multiple <= Ceiling::of(&alone).multiple * (1.0 + 1e-9));
            let sum: f64 = Ceiling::of(&alone).targets.iter()
                .map(|target| target.axes.iter().map(|axis| axis.jobs_per_min).fold(f64::INFINITY, f64::min))
                .filter(|jobs| jobs.is_finite())
                .sum();
            prop_assert!((Ceiling::of(&alone).jobs_per_min / sum - 1.0).abs() < 1e-9);
        }
    }
}
