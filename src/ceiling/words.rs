//! The ceiling in words, for `check`.

use super::Ceiling;
use crate::scenario::Scenario;
use provider::units;
use std::fmt::Write as _;

impl Ceiling {
    /// The ceiling, what binds, and what each limit alone would allow: a few lines of plain text.
    #[must_use]
    pub fn words(&self, scenario: &Scenario) -> String {
        let mut out = String::from("ceiling (by arithmetic: bursts, waits and outages can only lower it)\n");
        let offered = self.offered_jobs_per_min;
        let _ = match self.binding {
            Some((target, axis)) => writeln!(
                out,
                "  {:.1} jobs/min, {:.2} × the {offered:.1} jobs/min offered; {axis} of {} binds",
                self.jobs_per_min,
                self.multiple,
                scenario.targets[target.index()].name,
            ),
            None => writeln!(out, "  none: no limit is in the way of the {offered:.1} jobs/min offered"),
        };
        for target in self.targets.iter().filter(|target| !target.axes.is_empty()) {
            let axes: Vec<String> = target
                .axes
                .iter()
                .map(|axis| {
                    format!(
                        "{} {} allows {:.1}",
                        axis.axis,
                        units::print_count(axis.limit),
                        axis.jobs_per_min
                    )
                })
                .collect();
            let _ = writeln!(
                out,
                "  {}: {} jobs/min",
                scenario.targets[target.target.index()].name,
                axes.join(", ")
            );
        }
        out
    }
}
