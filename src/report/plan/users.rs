//! The load of closed workloads: a number of users, their throughput, and the number from which the limits set it.

use super::{PlanReport, differences, few, sentences};
use crate::formatting::{count, duration, job_rate, number, percent, plural, usd};
use crate::planner::{ChangeEffect, Load, NoUserCeiling, Plan, TargetLoad, UndecidedCheck, UserLoad};
use crate::report::page;
use maud::Markup;

/// The columns of [`rows`].
pub(super) const HEAD: [&str; 5] = ["", "users", "open jobs/min", "× load", "served jobs/min"];

/// Formats a load: `8 users`, or `8 users and 6 jobs/min from open workloads`.
fn load(users: u64, open_jobs_per_min: f64) -> String {
    let users = plural(users, "user");
    if open_jobs_per_min > 0.0 {
        format!("{users} and {} jobs/min from open workloads", number(open_jobs_per_min))
    } else {
        users
    }
}

/// Formats a target load: with closed workloads as their users, else as a rate.
pub(super) fn target(target: &TargetLoad) -> String {
    match target.users {
        Some(users) => load(users, target.jobs_per_min),
        None => job_rate(target.jobs_per_min),
    }
}

/// Formats the ceiling with a change as a number of users, the bound if none was found, `unknown` if it is undecided; `None`
/// if the load has no users.
pub(super) fn ceiling_of(change: &ChangeEffect) -> Option<String> {
    let users = count(change.users?);
    Some(match () {
        () if change.undecided.is_some() => "unknown".to_owned(),
        () if change.below_jobs_per_min.is_some() => format!("< {users}"),
        () if change.tried_jobs_per_min.is_some() => format!("> {users}"),
        () => users,
    })
}

/// Returns the finding about the load of users. `tried` is the highest multiple of the load that was tried, the lowest if none
/// held; `reason` is why there is no ceiling, if there is none, and `fresh` the check on fresh seeds that left it undecided; `runs` is the word for the runs of the plan.
pub(super) fn sentence(
    user_load: &UserLoad,
    present: &Load,
    tried: f64,
    (reason, fresh): (Option<&NoUserCeiling>, Option<UndecidedCheck>),
    runs: &str,
) -> String {
    let verdict = match (&present.undecided, present.holds) {
        (Some(_), _) => "cannot be judged",
        (None, true) => "holds",
        (None, false) => "does not hold",
    };
    let present = load(user_load.users, user_load.open_jobs_per_min);
    let ceiling = match (&user_load.ceiling, reason) {
        (None, reason) => no_ceiling(reason, tried, fresh),
        (Some(ceiling), _) if ceiling.users == 0 => match ceiling.share {
            Some(share) => format!("no number of users that was tried holds on {} of {runs}", percent(share)),
            None => "no number of users that was tried holds".to_owned(),
        },
        (Some(ceiling), _) => {
            let at = load(ceiling.users, ceiling.open_jobs_per_min);
            let times = number(ceiling.multiple);
            match ceiling.share {
                Some(share) => format!(
                    "the ceiling to plan with is {at}, {times} times that: {} of {runs} hold it",
                    percent(share)
                ),
                None => format!(
                    "the ceiling is {at}, {times} times that, on one seed: how much it varies between {runs} is not known"
                ),
            }
        }
    };
    format!("The present load of {present} {verdict}; {ceiling}. {}", throughput(user_load))
}

/// Says why there is no ceiling, without final punctuation. `tried` and `fresh` are as for [`sentence`].
fn no_ceiling(reason: Option<&NoUserCeiling>, tried: f64, fresh: Option<UndecidedCheck>) -> String {
    let tried = number(tried);
    match reason {
        Some(NoUserCeiling::NoLoadHolds { rules, too_large: Some(share) }) => {
            format!("nor does any other: {}", sentences::too_large(rules, *share))
        }
        Some(NoUserCeiling::NoLoadHolds { rules, too_large: None }) => format!(
            "nor does any other: {} at {tried} times that, on every seed tried, though no limit refuses what it could \
             admit and no job waits there. The cause is {}",
            sentences::breaks(rules),
            sentences::cause(rules)
        ),
        Some(NoUserCeiling::NoneHeld) => format!(
            "nor does any other load that was tried: a ceiling, if there is one, is below {tried} times that"
        ),
        Some(NoUserCeiling::TooFewJobs(few)) => {
            format!("the ceiling is not known: {}", few::no_user_ceiling(few, fresh))
        }
        Some(NoUserCeiling::Unbounded) | None => format!("no ceiling was found up to {tried} times that"),
    }
}

/// Says how many jobs of the users succeed, what the limits admit, and from which number of users on the limits set the throughput.
fn throughput(user_load: &UserLoad) -> String {
    let served = number(user_load.jobs_per_min);
    let beside = if user_load.open_jobs_per_min > 0.0 { " beside the present open workloads" } else { "" };
    let Some(quota) = user_load.quota_jobs_per_min else {
        return format!("{served} jobs/min of the users succeed; no limit bounds them.");
    };
    let quota = number(quota);
    let bound = format!(
        "{served} jobs/min of the users succeed in the plan's run, and the limits admit {quota} of them{beside} on average by arithmetic"
    );
    match user_load.saturation {
        Some(saturation) => format!(
            "{bound}: from about {} on, the limits set how many jobs are served, and further users add waiting or \
             failures.",
            plural(saturation.users, "user")
        ),
        None => format!("{bound}; up to {} that was not reached.", plural(user_load.tried_users, "user")),
    }
}

/// Returns the rows of the table of ceilings, by [`HEAD`].
pub(super) fn rows(plan: &Plan, user_load: &UserLoad) -> Vec<[String; 5]> {
    let none = || "–".to_owned();
    let open = |jobs: f64| if user_load.open_jobs_per_min > 0.0 { number(jobs) } else { none() };
    let minutes = plan.duration_s / 60.0;
    let present = plan.curve.iter().find(|point| point.multiple == 1.0);
    let mut rows = vec![[
        "present load".to_owned(),
        count(user_load.users),
        open(user_load.open_jobs_per_min),
        number(1.0),
        present.map_or_else(none, |point| number(point.succeeded as f64 / minutes)),
    ]];
    if let Some(saturation) = user_load.saturation {
        rows.push([
            "saturated at".to_owned(),
            count(saturation.users),
            open(user_load.open_jobs_per_min),
            none(),
            format!("{} of users", number(saturation.jobs_per_min)),
        ]);
    }
    if let Some(quota) = user_load.quota_jobs_per_min {
        let quota = format!("{} of users", number(quota));
        rows.push([
            "the limits, by arithmetic".to_owned(),
            none(),
            open(user_load.open_jobs_per_min),
            none(),
            quota,
        ]);
    }
    rows.push(match &user_load.ceiling {
        Some(ceiling) => [
            "ceiling".to_owned(),
            count(ceiling.users),
            open(ceiling.open_jobs_per_min),
            number(ceiling.multiple),
            number(ceiling.jobs_per_min),
        ],
        None => [
            "ceiling".to_owned(),
            none(),
            none(),
            match (&plan.ceiling.simulated, number(plan.ceiling.simulated.search_bound)) {
                (simulated, _) if simulated.undecided.is_some() => "few jobs".to_owned(),
                (simulated, tried) if simulated.lowest_tried.is_some() => format!("< {tried}"),
                (_, tried) => format!("> {tried}"),
            },
            none(),
        ],
    });
    rows
}

/// Writes the table of ceilings for the terminal.
pub(super) fn print(report: &mut PlanReport, plan: &Plan, user_load: &UserLoad) {
    let line = |row: &[String; 5]| {
        format!("{:<27} {:>8} {:>14} {:>8} {:>18}", row[0], row[1], row[2], row[3], row[4])
    };
    report.0.heading(&line(&HEAD.map(str::to_owned)));
    for row in rows(plan, user_load) {
        report.0.line(&line(&row));
    }
    let differences = differences::sentences(plan);
    if !differences.is_empty() {
        report.0.line("");
    }
    for sentence in differences {
        report.0.sentence(&sentence, 2);
    }
}

/// Returns the tiles of the page.
pub(super) fn tiles(plan: &Plan, user_load: &UserLoad) -> Markup {
    let none = || "–".to_owned();
    page::tiles(&[
        (user_load.ceiling.map_or_else(none, |ceiling| count(ceiling.users)), "users: ceiling".to_owned()),
        (count(user_load.users), "users: present load".to_owned()),
        (
            user_load.saturation.map_or_else(none, |saturation| count(saturation.users)),
            "users at saturation".to_owned(),
        ),
        (user_load.quota_jobs_per_min.map_or_else(none, number), "jobs/min of users: limits".to_owned()),
        (plan.load.p95_s.map_or_else(none, duration), "p95 latency now".to_owned()),
        (usd(plan.load.cost_usd_per_day), "per day now".to_owned()),
    ])
}
