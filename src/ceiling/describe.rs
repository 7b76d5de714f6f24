//! The ceiling as text, for `check`.

use super::{AxisCeiling, Ceiling, FirstRun};
use crate::formatting::job_rate;
use crate::scenario::Scenario;
use provider::units;
use std::fmt::Write as _;

impl Ceiling {
    /// Describes the ceiling, the binding limit, and what each limit admits alone, in a few lines of plain text.
    #[must_use]
    pub fn describe(&self, scenario: &Scenario) -> String {
        let mut out = format!(
            "ceiling over {} (computed from the limits, with what those per minute hold at the start, and mean sizes; bursts, \
             waits and outages lower it, cache hits raise it)\n",
            units::print_duration(scenario.duration)
        );
        // The others, if some jobs are too large.
        let offered = self.offered_jobs_per_min * self.servable_share;
        if self.servable_share > 0.0 && self.servable_share < 1.0 {
            let never = 1.0 - self.servable_share;
            let never = if never < 0.0005 { "less than 0.1%".to_owned() } else { units::print_share(never) };
            let _ = writeln!(
                out,
                "  {never} of the offered jobs are too large for every target; what follows is of the others"
            );
        }
        let _ = match self.binding {
            Some((target, axis)) => writeln!(
                out,
                "  {}, {:.2} × the offered {}; binding limit: {axis} of {}",
                job_rate(self.jobs_per_min),
                self.multiple,
                job_rate(offered),
                scenario.targets[target.index()].name,
            ),
            None if self.multiple == 0.0 => writeln!(out, "  0 jobs/min: every job is too large"),
            None => writeln!(out, "  none: no limit restricts the offered {}", job_rate(offered)),
        };
        out += &self.first_run_line(scenario);
        let axis = |AxisCeiling { axis, limit, jobs_per_min }: &AxisCeiling| {
            format!("{axis} {} admits {}", units::print_count(*limit), job_rate(*jobs_per_min))
        };
        for target in self.targets.iter().filter(|target| !target.axes.is_empty()) {
            let axes: Vec<String> = target.axes.iter().map(axis).collect();
            let name = &scenario.targets[target.target.index()].name;
            let _ = writeln!(out, "  {name}: {}", axes.join(", "));
        }
        out
    }

    /// Says what the limits admit in the first run of a new account, if that is more.
    fn first_run_line(&self, scenario: &Scenario) -> String {
        let Some(FirstRun { jobs_per_min, multiple }) = self.higher_first_run() else { return String::new() };
        let jobs = jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
        format!(
            "  a first run from full limits: {}, {multiple:.2} × the offered; what full limits hold is used once\n",
            plural(jobs)
        )
    }
}

/// Formats a number of jobs.
fn plural(jobs: f64) -> String {
    if (0.5..1.5).contains(&jobs) { "1 job".to_owned() } else { format!("{jobs:.0} jobs") }
}
