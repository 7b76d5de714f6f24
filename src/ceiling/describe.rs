//! The ceiling as text, for `check`.

use super::peak::allowed_failures;
use super::{AxisCeiling, Ceiling, FirstRun, InRouteOrder, Peak};
use crate::formatting::{
    RunTime, at_seconds, duration, job_rate, jobs_in, moment, number, offered_in, seconds,
};
use crate::scenario::{Arrivals, Family, Note, Scenario};
use provider::units;
use std::fmt::Write as _;

/// Says what the ceiling does not know of recorded sessions; empty without them.
fn recorded_sessions_line(scenario: &Scenario) -> &'static str {
    if scenario.workloads.iter().all(|workload| workload.recorded_sessions().is_none()) {
        return "";
    }
    "  recorded sessions: when their calls are sent depends on the replies, so this counts the calls that were sent within the run in the \
     recording, spread evenly over it; peaks of theirs are not known, and lower the ceiling\n"
}

impl Ceiling {
    /// Describes the ceiling, the binding limit, and what each limit admits alone, in a few lines of plain text.
    #[must_use]
    pub fn describe(&self, scenario: &Scenario) -> String {
        let mut out = format!(
            "ceiling over {} (an upper bound of the load of which every job is served within the run, computed from mean \
             sizes and the limits, with what limits per minute hold at the start; chance, waits, outages and a daily limit that is used up before the end of the day lower it; cache hits \
             raise it)\n",
            units::print_duration(scenario.duration)
        );
        // If some jobs are too large for every target, the ceiling is compared with the load of the others.
        let offered = self.offered_jobs_per_min * self.servable_share;
        if self.servable_share > 0.0 && self.servable_share < 1.0 {
            let share = 1.0 - self.servable_share;
            let has_tasks = scenario.workloads.iter().any(|workload| workload.sessions.is_some());
            let too_large =
                if share < 0.0005 { "less than 0.1%".to_owned() } else { units::print_share(share) };
            let _ = writeln!(
                out,
                "  {too_large} of the offered jobs{} are too large for every target; the figures below are for the others",
                if has_tasks { ", if all tasks run to their end," } else { "" }
            );
        }
        let all_late = answers_are_late(scenario);
        let _ = match self.binding {
            _ if all_late => writeln!(out, "  0 jobs/min: no job can be answered in time"),
            Some((target, axis)) => writeln!(
                out,
                "  {}, {} × the offered {}; binding limit: {axis} of {}",
                job_rate(self.jobs_per_min),
                times(self.multiple),
                offered_rate(scenario, offered),
                scenario.targets[target.index()].name,
            ),
            None if self.multiple == 0.0 => writeln!(out, "  0 jobs/min: every job is too large"),
            None => {
                writeln!(out, "  none: no limit restricts the offered {}", offered_rate(scenario, offered))
            }
        };
        if !all_late {
            out += recorded_sessions_line(scenario);
            out += &self.route_order_line(scenario);
            out += &self.peak_line(scenario);
            out += &self.first_run_line(scenario);
            out += &self.rules_line(scenario);
        }
        for target in self.targets.iter().filter(|target| !target.axes.is_empty()) {
            let name = &scenario.targets[target.target.index()].name;
            let name = match Family::of(scenario, target.target.index()) {
                None => name.clone(),
                Some(family) if family.is_stated_at(name) => {
                    format!(
                        "{}, which share the limits of the family {}",
                        family.targets.join(", "),
                        family.name
                    )
                }
                Some(_) => continue,
            };
            let axes: Vec<String> = target.axes.iter().map(AxisCeiling::describe).collect();
            let _ = writeln!(out, "  {name}: {}", axes.join(", "));
        }
        if let Some((target, axis)) = self.uncounted {
            let name = &scenario.targets[target.index()].name;
            let _ = writeln!(
                out,
                "  the computed ceiling ignores what running calls reserve of {axis} on {name}; the simulation includes it"
            );
        }
        out
    }

    /// Describes [`Ceiling::in_route_order`]; empty if that is `None`.
    fn route_order_line(&self, scenario: &Scenario) -> String {
        let Some(InRouteOrder { jobs_per_min, multiple, limit: (target, axis) }) = self.in_route_order else {
            return String::new();
        };
        format!(
            "  that takes every job to go where it leaves the most room; in the order of the routes about {}, {} × the offered, since {axis} \
             of {} is used up while other targets are idle\n",
            job_rate(jobs_per_min),
            times(multiple),
            scenario.targets[target.index()].name,
        )
    }

    /// Describes the peaks that bound the ceiling and what the limits admit of them; empty if the mean over the run bounds it.
    fn peak_line(&self, scenario: &Scenario) -> String {
        let Some(Peak { from, length, count, jobs, may_fail }) = self.peak else { return String::new() };
        let run = RunTime::new(scenario.duration.as_secs_f64(), scenario.clock.clone());
        let length_s = seconds(length);
        let lasts = if length_s > 0.0 { format!(" for {}", duration(length_s)) } else { String::new() };
        let from = moment(at_seconds(from), &run);
        let peak = match count {
            1 => format!("bound by the peak from {from}{lasts}: "),
            _ => format!("bound by the {count} highest peaks (the busiest from {from}{lasts}); on average "),
        };
        let failing = if may_fail > 0.0 {
            format!(", the rules let {} fail", jobs_in(may_fail, length_s))
        } else {
            String::new()
        };
        format!(
            "  {peak}{} offered, {} admitted by their deadline of {}{failing}\n",
            offered_in(jobs, length_s),
            jobs_in((jobs - may_fail) * self.multiple, length_s),
            units::print_duration(scenario.longest_deadline()),
        )
    }

    /// Says why a load above the ceiling may keep the rules: they let jobs fail, or jobs may be served after the end of the run. Empty
    /// if there is no finite ceiling, if neither is at least 2 % of the run, or if a peak bounds the ceiling, which counts both.
    fn rules_line(&self, scenario: &Scenario) -> String {
        if self.peak.is_some() || self.multiple <= 0.0 || !self.multiple.is_finite() {
            return String::new();
        }
        let failing = (0..scenario.workloads.len()).map(|workload| allowed_failures(scenario, workload));
        let failing = failing.fold(0.0, f64::max);
        let after = scenario.longest_deadline().min(scenario.duration);
        let is_late = after.as_secs_f64() >= MIN_REPORTED_EXCESS * scenario.duration.as_secs_f64();
        let failing = (failing >= MIN_REPORTED_EXCESS).then(|| {
            format!("they let up to {} of the jobs of a workload fail", units::print_share(failing))
        });
        let after = is_late.then(|| {
            format!(
                "jobs that arrive in the last {} may be served after the end of the run",
                units::print_duration(after)
            )
        });
        let reasons: Vec<String> = failing.into_iter().chain(after).collect();
        if reasons.is_empty() {
            return String::new();
        }
        format!("  a higher load may still keep the rules: {}\n", reasons.join(", and "))
    }

    /// Describes what the limits admit in the first run of a new account; empty unless that is more than 2 % above the ceiling.
    fn first_run_line(&self, scenario: &Scenario) -> String {
        let Some(FirstRun { jobs_per_min, multiple }) = self.higher_first_run() else { return String::new() };
        let jobs = jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
        format!(
            "  a first run with full limits: {}, {} × the offered load; full limits are available only once\n",
            job_count(jobs),
            times(multiple)
        )
    }
}

/// Returns `true` if no job of the scenario can be answered in time, as its notes state.
fn answers_are_late(scenario: &Scenario) -> bool {
    let is_late = |name: &String| {
        let of_workload =
            |note: &Note| matches!(note, Note::LateAnswers { workload, .. } if workload == name);
        scenario.notes.iter().any(of_workload)
    };
    !scenario.workloads.is_empty() && scenario.workloads.iter().all(|workload| is_late(&workload.name))
}

impl AxisCeiling {
    fn describe(&self) -> String {
        let Self { axis, window, limit, grows_to, jobs_per_min, unreserved_jobs_per_min } = self;
        let per = window
            .filter(|_| axis.has_own_window())
            .map_or_else(String::new, |window| format!(" per {}", units::print_duration(window)));
        let grown = grows_to
            .map_or_else(String::new, |most| format!(", once grown to {},", units::print_count(most)));
        let admits =
            format!("{axis} {}{per}{grown} admits {}", units::print_count(*limit), job_rate(*jobs_per_min));
        if *jobs_per_min > unreserved_jobs_per_min * MAX_STATED_RATIO {
            return admits;
        }
        format!("{admits} ({} without reservations beyond usage)", job_rate(*unreserved_jobs_per_min))
    }
}

/// The share of the jobs that may fail, or of the run in whose last part jobs may wait beyond its end, from which it is stated.
const MIN_REPORTED_EXCESS: f64 = 0.02;

/// The largest ratio, of the jobs that a limit admits with reservations to those without, at which both numbers are stated.
const MAX_STATED_RATIO: f64 = 0.995;

/// Formats a multiple with two decimals; one below 0.01 with as many as it needs.
fn times(multiple: f64) -> String {
    if multiple < 0.01 { number(multiple) } else { format!("{multiple:.2}") }
}

/// Formats the offered rate. Users who wait for their replies send fewer jobs.
fn offered_rate(scenario: &Scenario, jobs_per_min: f64) -> String {
    let has_users =
        (scenario.workloads.iter()).any(|workload| matches!(workload.arrivals, Arrivals::Users { .. }));
    let rate = job_rate(jobs_per_min);
    if has_users { format!("{rate} (at most: users who wait send fewer)") } else { rate }
}

/// Formats a number of jobs, rounded to a whole number.
fn job_count(jobs: f64) -> String {
    if (0.5..1.5).contains(&jobs) { "1 job".to_owned() } else { format!("{jobs:.0} jobs") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::tests::{limit, scenario, workload};
    use provider::Axis;

    /// Two workloads on two models of a family: what a shared limit admits is of the jobs of both.
    #[test]
    fn a_shared_limit_admits_the_jobs_of_all_models_of_its_family() {
        let thirty = || vec![limit(Axis::Rpm, 30)];
        let both = vec![workload(0, 20.0), workload(1, 10.0)];
        let mut scenario = scenario(&[thirty(), thirty()], &[&[&[0]], &[&[1]]], both);
        for (model, name) in scenario.providers[0].models.iter_mut().zip(["one", "two"]) {
            (model.family, model.name) = (Some("gpt".into()), name.into());
        }
        for (target, name) in scenario.targets.iter_mut().zip(["p/a/one", "p/a/two"]) {
            target.name = name.into();
        }
        let ceiling = Ceiling::of(&scenario);
        assert!((ceiling.jobs_per_min - 30.0).abs() < 1e-6, "{ceiling:#?}");
        assert!(
            ceiling.targets.iter().all(|target| (target.axes[0].jobs_per_min - 30.0).abs() < 1e-6),
            "{ceiling:#?}"
        );
        let text = ceiling.describe(&scenario);
        assert!(
            text.contains(
                "p/a/one, p/a/two, which share the limits of the family gpt: rpm 30 admits 30 jobs/min"
            ),
            "{text}"
        );
        assert_eq!(text.matches("rpm 30 admits").count(), 1, "{text}");
    }
}
