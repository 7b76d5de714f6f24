//! Closed workloads: their load is a number of users, and the quota bounds their throughput.
//!
//! The users of a closed workload send their next job after the reply to the last, so they slow down as limits refuse them:
//! twice the users are not twice the jobs. A multiple of the load scales the users, and their throughput is
//! measured, not multiplied.

use super::conclusion::Conclusion;
use super::finding::Difference;
use super::plan::{Plan, Saturation, UserCeiling, UserLoad};
use super::replicas::{COVERAGE, Replicas};
use super::runner::{Run, Runner};
use crate::ceiling::Ceiling;
use crate::formatting::{per_minute, significant};
use crate::scenario::{Arrivals, Scenario, Workload};

/// Users count as using up the quota if their throughput is below it by at most this share.
const SATURATED: f64 = 0.02;
/// The throughput is measured up to this multiple of the present users, or of those that the quota serves by arithmetic if they
/// are more.
const MAX_MULTIPLE: u64 = 64;
/// The relative precision with which the number of users is found from which the limits set the throughput.
const TOLERANCE: f64 = 0.02;
/// The steps of the bisection by which the quota beside open workloads is found.
const BISECTIONS: u32 = 50;
/// The floating-point error by which a whole number of users may be too low before it is rounded down.
const ROUNDING_ERROR: f64 = 1e-6;

/// Returns `true` if a workload has users instead of a rate.
pub(super) fn is_closed(workload: &Workload) -> bool {
    matches!(workload.arrivals, Arrivals::Users { .. })
}

/// Returns `true` if some workload has users.
pub(super) fn has_users(scenario: &Scenario) -> bool {
    scenario.workloads.iter().any(is_closed)
}

/// Returns the load of the closed workloads of `scenario`; `None` if it has none. `present` is the run at the present load.
pub(super) fn user_load(
    runner: &Runner<'_>,
    scenario: &Scenario,
    present: &Run,
    replicas: &Replicas,
    conclusion: &Conclusion,
) -> Option<UserLoad> {
    let users = users(scenario);
    if users == 0 {
        return None;
    }
    let open = scenario.workloads.iter().filter(|workload| !is_closed(workload));
    let open: f64 = open.map(|workload| unthrottled(scenario, workload)).sum();
    let quota = quota(scenario);
    let (saturation, tried_users) = match quota {
        Some(quota) => saturation(runner, scenario, quota),
        None => (None, users),
    };
    Some(UserLoad {
        users,
        open_jobs_per_min: significant(open),
        jobs_per_min: significant(throughput(scenario, present)),
        quota_jobs_per_min: quota.map(significant),
        saturation,
        tried_users,
        ceiling: match conclusion {
            Conclusion::Ceiling => ceiling(runner, scenario, open, replicas),
            _ => None,
        },
    })
}

/// Returns the users of all closed workloads.
fn users(scenario: &Scenario) -> u64 {
    let of = |workload: &Workload| match workload.arrivals {
        Arrivals::Users { users, .. } => u64::from(users),
        _ => 0,
    };
    scenario.workloads.iter().map(of).sum()
}

/// Returns the users of all closed workloads in a run at this multiple of the load; 0 at the multiple 0.
pub(super) fn users_at(scenario: &Scenario, multiple: f64) -> u64 {
    if multiple > 0.0 { users(&scenario.scaled(multiple)) } else { 0 }
}

/// Returns the jobs per minute of a workload that nothing slows down.
fn unthrottled(scenario: &Scenario, workload: &Workload) -> f64 {
    let alone = Scenario { workloads: vec![workload.clone()], ..scenario.clone() };
    Ceiling::of(&alone).offered_jobs_per_min
}

/// Returns the jobs of closed workloads that succeeded in a run, per minute.
fn throughput(scenario: &Scenario, run: &Run) -> f64 {
    let counted = scenario.workloads.iter().zip(&run.summary.workloads);
    let succeeded =
        counted.filter(|(workload, _)| is_closed(workload)).map(|(_, counts)| counts.succeeded).sum();
    per_minute(succeeded, run.summary.duration_s)
}

/// Returns the jobs per minute of closed workloads that the limits admit beside the open workloads; 0 if the limits do not
/// even admit the open ones, `None` if nothing limits the closed ones. The closed workloads are mixed as if nothing slowed
/// their users down.
fn quota(scenario: &Scenario) -> Option<f64> {
    let (closed, open): (Vec<Workload>, Vec<Workload>) =
        scenario.workloads.iter().cloned().partition(is_closed);
    let rate: f64 = closed.iter().map(|workload| unthrottled(scenario, workload)).sum();
    let at = |multiple: f64, open: &[Workload]| {
        let rated = closed.iter().map(|workload| {
            let jobs_per_second = unthrottled(scenario, workload) / 60.0;
            Workload {
                arrivals: Arrivals::Constant(jobs_per_second * multiple),
                sessions: None,
                ..workload.clone()
            }
        });
        Ceiling::of(&Scenario { workloads: rated.chain(open.iter().cloned()).collect(), ..scenario.clone() })
    };
    let alone = at(1.0, &[]).multiple;
    if !alone.is_finite() || open.is_empty() {
        return alone.is_finite().then_some(rate * alone);
    }
    let (mut fits, mut exceeds) = (0.0, alone);
    for _ in 0..BISECTIONS {
        let multiple = f64::midpoint(fits, exceeds);
        if multiple > 0.0 && at(multiple, &open).multiple >= 1.0 {
            fits = multiple;
        } else {
            exceeds = multiple;
        }
    }
    Some(rate * fits)
}

/// Returns the number of users from which the limits set the throughput, beside the present load of the open workloads, and
/// the most users that were simulated.
fn saturation(runner: &Runner<'_>, scenario: &Scenario, quota: f64) -> (Option<Saturation>, u64) {
    let present_users = users(scenario);
    let closed = scenario.workloads.iter().filter(|workload| is_closed(workload));
    let rate: f64 = closed.map(|workload| unthrottled(scenario, workload)).sum();
    // The throughput of fewer users is below the quota even if they never wait.
    let least = libm::floor(quota * (1.0 - SATURATED) / rate * present_users as f64).max(1.0) as u64;
    if quota <= 0.0 {
        return (None, present_users);
    }
    let reached = |wanted: u64| {
        let run = runner.run(&with_users(scenario, wanted as f64 / present_users as f64), 1.0, 0)?;
        let jobs_per_min = throughput(scenario, &run);
        (jobs_per_min >= quota * (1.0 - SATURATED)).then(|| significant(jobs_per_min))
    };
    let most = present_users.max(least).saturating_mul(MAX_MULTIPLE);
    let (mut below, mut users) = (least.saturating_sub(1), least);
    // Users that retry waste quota, so the throughput has a maximum, near the fewest users that reach the quota: the steps
    // begin small.
    let mut step = (least as f64 * TOLERANCE).max(1.0) as u64;
    let mut found = loop {
        match reached(users) {
            Some(jobs_per_min) => break Saturation { users, jobs_per_min },
            None if users >= most || runner.count.is_incomplete() => return (None, users),
            None => (below, users) = (users, users.saturating_add(step).min(most)),
        }
        step = step.saturating_mul(2);
    };
    let tried = found.users;
    while (found.users - below) as f64 > (found.users as f64 * TOLERANCE).max(1.0)
        && !runner.count.is_incomplete()
    {
        let users = u64::midpoint(below, found.users);
        match reached(users) {
            Some(jobs_per_min) => found = Saturation { users, jobs_per_min },
            None => below = users,
        }
    }
    (Some(found), tried.max(present_users))
}

/// Returns the scenario with the users of its closed workloads multiplied; its open workloads stay.
fn with_users(scenario: &Scenario, multiple: f64) -> Scenario {
    let mut with = scenario.clone();
    for (workload, scaled) in with.workloads.iter_mut().zip(scenario.scaled(multiple).workloads) {
        if is_closed(workload) {
            *workload = scaled;
        }
    }
    with
}

/// Returns the ceiling as a number of users. Without open workloads the multiple is that of the whole number of users: the
/// largest that the ceiling to plan with allows, or, without one, that of the highest load that held. With open workloads it is
/// rounded down as well. `None` if no rule broke.
fn ceiling(runner: &Runner<'_>, scenario: &Scenario, open: f64, replicas: &Replicas) -> Option<UserCeiling> {
    replicas.first().ceiling()?;
    let planning = replicas.planning_ceiling();
    let multiple = planning.unwrap_or(replicas.first().low);
    let present_users = users(scenario);
    // The number of users is whole, so it is rounded down.
    let rounded_down = || libm::floor(multiple * present_users as f64 + ROUNDING_ERROR) as u64;
    let holding = match planning {
        _ if multiple <= 0.0 => 0,
        Some(_) if open <= 0.0 => rounded_down(),
        // A load has at least one user, however low it is.
        Some(_) => rounded_down().max(1),
        None => users(&scenario.scaled(multiple)),
    };
    let multiple = match (open <= 0.0, holding) {
        (_, 0) => 0.0,
        (true, holding) => holding as f64 / present_users as f64,
        (false, _) => multiple,
    };
    let run = (multiple > 0.0).then(|| runner.run(scenario, multiple, 0)).flatten();
    let succeeded = |run: Run| per_minute(run.summary.jobs.succeeded, run.summary.duration_s);
    Some(UserCeiling {
        users: holding,
        open_jobs_per_min: significant(open * multiple),
        multiple: significant(multiple),
        jobs_per_min: significant(run.map_or(0.0, succeeded)),
        share: planning.map(|_| COVERAGE),
    })
}

impl Plan {
    /// Replaces what is only true of rates: the jobs per minute of the load and of the simulated ceiling are measured, those of
    /// the analytic ceiling are the quota and the present load of the open workloads, and no multiple of the load follows from
    /// the limits. Other loads become numbers of users, with the jobs per minute of the open workloads alone.
    pub(super) fn restate_for_users(&mut self, load: UserLoad, scenario: &Scenario, present: &Run) {
        let summary = &present.summary;
        self.load.jobs_per_min = significant(per_minute(summary.jobs.offered, summary.duration_s));
        let (analytic, simulated) = (&mut self.ceiling.analytic, &mut self.ceiling.simulated);
        analytic.multiple = None;
        analytic.jobs_per_min =
            load.quota_jobs_per_min.map(|quota| significant(quota + load.open_jobs_per_min));
        (analytic.cached, analytic.peak, analytic.servable_share) = (None, None, None);
        analytic.in_route_order = None;
        (simulated.jobs_per_min, simulated.multiple) =
            load.ceiling.map(|at| (at.jobs_per_min, at.multiple)).unzip();
        if let (Some(planning), Some(at)) = (&mut simulated.planning, load.ceiling) {
            (planning.jobs_per_min, planning.multiple) = (at.jobs_per_min, at.multiple);
            self.load.holds = at.multiple >= 1.0 && self.load.undecided.is_none();
        }
        (simulated.low, simulated.high) = (None, None);
        self.planning_multiple = simulated.multiple;
        self.ceiling.differences.retain(|difference| matches!(difference, Difference::Reservation { .. }));
        if let Some(compared) = &mut self.compared {
            compared.jobs_per_min = significant(compared.multiple * load.open_jobs_per_min);
        }
        for change in &mut self.what_if {
            let multiple =
                change.ceiling_jobs_per_min.or(change.below_jobs_per_min).or(change.tried_jobs_per_min);
            let multiple = multiple.unwrap_or(0.0) / summary.ceiling.offered_jobs_per_min;
            let open = |jobs: &mut f64| *jobs = significant(multiple * load.open_jobs_per_min);
            change.ceiling_jobs_per_min.as_mut().map(open);
            change.below_jobs_per_min.as_mut().map(open);
            change.tried_jobs_per_min.as_mut().map(open);
        }
        if let Some(buy) = &mut self.buy {
            buy.target.users = Some(users(&scenario.scaled(buy.target.multiple)));
            buy.target.jobs_per_min = significant(buy.target.multiple * load.open_jobs_per_min);
        }
        self.users = Some(load);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::rules::Rules;
    use crate::planner::run_count::RunCount;
    use crate::scenario::{self, Overrides};

    #[test]
    fn eight_users_share_a_quota_of_358_jobs_per_minute() {
        let yaml = "name: users only
duration: 1h
start: full
providers: { groq: { preset: groq-developer } }
routes: { r: [ { of: [groq/default/openai/gpt-oss-120b] } ] }
client: { deadline: 30s, retry: { attempts: 3 } }
workload: [ { name: b, route: r, arrivals: { users: 8, think: 0s }, prompt: 700, completion: 10, max_tokens: 20 } ]
expect: [\"success >= 90%\"]";
        let scenario = scenario::parse("users", yaml, &Overrides::default(), None).expect("a valid scenario");
        let (rules, count) = (Rules::of(&scenario), RunCount::new(&()));
        let runner = Runner::new(&rules, &count);
        let present = runner.run(&scenario, 1.0, 0).expect("nothing ends the measurements");
        let search = crate::planner::found::search(&scenario, &Ceiling::of(&scenario), &rules);
        let replicas = Replicas::run(&runner, (&scenario, &present), search, Some(4))
            .expect("nothing ends the measurements");
        let load = user_load(&runner, &scenario, &present, &replicas, &Conclusion::Ceiling)
            .expect("a workload has users");
        // An hour admits 60 refills and the full bucket: 61 · 250,000 tokens of 710, or 358.0 jobs per minute.
        let quota = 61.0 * 250_000.0 / 710.0 / 60.0;
        assert!((load.quota_jobs_per_min.unwrap() / quota - 1.0).abs() < 1e-3, "{load:#?}");
        assert!((0.98..1.001).contains(&(load.jobs_per_min / quota)), "{load:#?}");
        // A user that never waits sends 253 jobs per minute, so that one is not enough for the quota.
        assert!((2..=4).contains(&load.saturation.unwrap().users), "{load:#?}");
        let ceiling = load.ceiling.expect("a rule breaks with many users");
        assert!((9..=17).contains(&ceiling.users) && ceiling.share == Some(COVERAGE), "{load:#?}");
        assert!(ceiling.jobs_per_min <= quota * 1.001, "{load:#?}");
    }
}
