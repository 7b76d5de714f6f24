//! The ceiling as text, for `check`.

use super::{AxisCeiling, Ceiling, Sustained};
use crate::scenario::Scenario;
use provider::units;
use std::fmt::Write as _;

impl Ceiling {
    /// Describes the ceiling, the binding limit, and what each limit admits alone, in a few lines of plain text.
    #[must_use]
    pub fn describe(&self, scenario: &Scenario) -> String {
        let mut out = String::from(
            "ceiling (computed from the limits and mean sizes; bursts, waits and outages lower it, cache hits raise it)\n",
        );
        let offered = self.offered_jobs_per_min;
        if self.servable_share > 0.0 && self.servable_share < 1.0 {
            let never = units::print_share(1.0 - self.servable_share);
            let _ = writeln!(
                out,
                "  {never} of the offered jobs are too large for every target; what follows is of the others"
            );
        }
        let _ = match self.binding {
            Some((target, axis)) => writeln!(
                out,
                "  {:.1} jobs/min, {:.2} × the offered {offered:.1} jobs/min; binding limit: {axis} of {}",
                self.jobs_per_min,
                self.multiple,
                scenario.targets[target.index()].name,
            ),
            None if self.multiple == 0.0 => writeln!(out, "  0 jobs/min: every job is too large"),
            None => writeln!(out, "  none: no limit restricts the offered {offered:.1} jobs/min"),
        };
        out += &self.sustained_line(scenario);
        let axis = |AxisCeiling { axis, limit, jobs_per_min }: &AxisCeiling| {
            format!("{axis} {} admits {jobs_per_min:.1}", units::print_count(*limit))
        };
        for target in self.targets.iter().filter(|target| !target.axes.is_empty()) {
            let axes: Vec<String> = target.axes.iter().map(axis).collect();
            let name = &scenario.targets[target.target.index()].name;
            let _ = writeln!(out, "  {name}: {} jobs/min", axes.join(", "));
        }
        out
    }

    /// Says what the limits admit run after run, if that is less than in this run.
    fn sustained_line(&self, scenario: &Scenario) -> String {
        let Sustained { jobs_per_min, multiple, binding: Some((target, axis)) } = self.sustained else {
            return String::new();
        };
        if multiple >= self.multiple * MIN_SHARE_SUSTAINED {
            return String::new();
        }
        let jobs = match jobs_per_min {
            ..1.0 => format!("{:.0} jobs/day", jobs_per_min * 1440.0),
            _ => format!("{jobs_per_min:.1} jobs/min"),
        };
        format!(
            "  day after day only {jobs}, {multiple:.2} × the offered: this run begins with full limits, which are used once; \
             binding then: {axis} of {}\n",
            scenario.targets[target.index()].name
        )
    }
}

/// A sustained ceiling above this share of the run's is the same for a reader.
const MIN_SHARE_SUSTAINED: f64 = 0.98;
