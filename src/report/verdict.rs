//! The findings of a run as sentences, for the head of every report.

use super::{ceiling_bounds, endpoint, notes, tasks, unsent};
use crate::event::LocalFailure;
use crate::formatting::{
    RunTime, count, duration, job_rate, jobs_in, moment, number, offered_in, percent, plural, share_of,
};
use crate::record::{
    CeilingPeak, Counts, CutAnswers, CutBound, CutWorkload, Finding, GeneratorLag, GeneratorShed, GivenUp,
    Late, LimitCeiling, LongWindow, Summary, UnjudgedRule, WorstWindow,
};
use provider::Axis;

/// Returns one sentence per finding, the most important first.
#[must_use]
pub fn sentences(summary: &Summary) -> Vec<String> {
    summary.findings.iter().map(|finding| sentence(finding, &summary.run_time())).collect()
}

/// Returns the most important sentence; empty if there is no finding.
pub(super) fn first(summary: &Summary) -> String {
    summary.findings.first().map_or_else(String::new, |finding| sentence(finding, &summary.run_time()))
}

fn sentence(finding: &Finding, run: &RunTime) -> String {
    match finding {
        Finding::Interrupted { at_s, planned_s } => format!(
            "The run was interrupted after {} of {}: the result covers that time only.",
            duration(*at_s),
            duration(*planned_s)
        ),
        Finding::TooManyJobs { at_s, planned_s, jobs } => format!(
            "The run was ended after {} of {} with {} in flight, the most that a run holds: the result covers that time only.",
            duration(*at_s),
            duration(*planned_s),
            plural(*jobs, "job")
        ),
        Finding::EndpointStopped { at_s, planned_s, bound } => endpoint::stopped(*at_s, *planned_s, *bound),
        Finding::EndpointRefusals { refused, requests, answers, first_at_s, with_wait, wait_p50_s } => {
            endpoint::refusals((*refused, *requests, *answers), *first_at_s, (*with_wait, *wait_p50_s), run)
        }
        Finding::EndpointTargets { answers, targets, fallback_share, attempts_per_answer } => {
            endpoint::targets(*answers, targets, *fallback_share, *attempts_per_answer)
        }
        Finding::GeneratorShed(shed) => generator_shed(shed, run),
        Finding::LocalFailures { attempts, of, by } => local_failures(*attempts, *of, by),
        Finding::GeneratorMissedJobs { offered, scheduled } => {
            not_kept(&format!("it delivered {} of {}", count(*offered), plural(*scheduled, "job")))
        }
        Finding::GeneratorLagged(lag) => generator_lag(lag),
        Finding::FirstRefusal { target, axis, at_s, offered_per_min, busiest_minute } => {
            let first = if Axis::ALL.iter().any(|known| known.name() == axis) {
                format!("{axis} on {target} is the first limit to refuse")
            } else {
                format!("{target} is the first to refuse, without naming a limit ({axis})")
            };
            let at = moment(*at_s, run);
            match busiest_minute {
                Some(jobs) => format!("{first}: at {at}, when {} arrive in a minute.", plural(*jobs, "job")),
                None => format!("{first}: at {at}, with {} offered in total.", job_rate(*offered_per_min)),
            }
        }
        Finding::Unservable { workload, route, share, of_tasks } => format!(
            "{} can never be served: too large for every target of the route {route}.",
            notes::jobs_of(workload, *share, *of_tasks)
        ),
        Finding::NoRefusal { offered_per_min, ceiling, given_up, unsent, too_large, too_long, faulted } => {
            let refused = refused(*too_large, *too_long, *faulted) + &self::given_up(given_up.as_ref());
            let text = no_refusal(&refused, *offered_per_min, ceiling.as_ref(), run);
            text + &unsent.map_or_else(String::new, |unsent| unsent::sentence(unsent, ceiling.is_some()))
        }
        Finding::LongWindow(window) => long_window(window, run),
        Finding::CutAnswers(cut) => cut_answers("", cut),
        Finding::NoJobs => "No job arrived, so nothing was measured.".to_owned(),
        Finding::TaskOutcomes(outcomes) => tasks::sentence(outcomes),
        Finding::JobOutcomes { .. } => outcomes(finding),
        Finding::WorkloadOutcome { .. } => workload_outcome(finding, run),
        Finding::ExpectationsMet { rules } => match rules.as_slice() {
            [rule] => format!("The expectation is met: {rule}."),
            rules => format!("All {} expectations are met.", rules.len()),
        },
        Finding::ExpectationsMissed { total: 1, rules } => {
            format!("The expectation is missed: {}.", rules.join(", "))
        }
        Finding::ExpectationsMissed { total, rules } => {
            let are = if rules.len() == 1 { "is" } else { "are" };
            format!("{} of {total} expectations {are} missed: {}.", rules.len(), rules.join(", "))
        }
        Finding::ExpectationsNotJudged { total, rules } => not_judged(*total, rules),
    }
}

/// Returns the sentence on expectations that can neither be called met nor missed.
fn not_judged(total: u64, rules: &[UnjudgedRule]) -> String {
    let why = |rule: &UnjudgedRule| match rule.window_s {
        _ if rule.jobs.is_distorted => format!("{} (another load was sent than the scenario's)", rule.rule),
        _ if rule.jobs.is_not_stated => format!("{} (not known through an endpoint)", rule.rule),
        _ if rule.jobs.is_bound => {
            let [low, high] = rule.headroom.unwrap_or_default().map(number);
            format!("{} (about {low} in the order of the routes, and at most {high})", rule.rule)
        }
        Some(window_s) => format!(
            "{} (no window of {} has the {} that a verdict needs; the fullest has {})",
            rule.rule,
            duration(window_s),
            plural(rule.jobs.needed, "job"),
            count(rule.jobs.jobs)
        ),
        None => format!("{} (nothing to measure)", rule.rule),
    };
    let each = rules.iter().map(why).collect::<Vec<_>>().join(", ");
    match total {
        1 => format!("The expectation cannot be judged: {each}."),
        _ => format!("{} of {total} expectations cannot be judged: {each}.", rules.len()),
    }
}

/// If a smaller share of a limit is used, the sentence says that all of it is left.
const MIN_USED_SHARE: f64 = 0.005;

/// Returns the sentence on a limit whose window is half of the run or longer.
pub(super) fn long_window(window: &LongWindow, run: &RunTime) -> String {
    long_window_against(window, &format!("the run {}", duration(run.length_s())), "the run begins")
}

/// Returns the sentence of [`long_window`]. `runs` states the durations that the window is compared with; `begins` is a clause
/// such as "the run begins", which is followed by how much of the limit is left or used.
pub(super) fn long_window_against(window: &LongWindow, runs: &str, begins: &str) -> String {
    let LongWindow { target, axis, window_s, is_calendar_month, .. } = window;
    let LongWindow { used_share, assumed_share, window_left_s, sustained, .. } = window;
    let length = if *is_calendar_month { "a month of the calendar".to_owned() } else { duration(*window_s) };
    let windows = format!("The window of {axis} on {target} is {length}, {runs}");
    if *sustained {
        let level = match *used_share {
            used if used < MIN_USED_SHARE => "all of that limit".to_owned(),
            used => format!("{} of that limit used", percent(used)),
        };
        let assumed = assumed_share.map_or_else(String::new, |assumed| {
            format!("; the client counts {} of it as used", percent(assumed))
        });
        // The run does not show the part of the window before it.
        let part =
            window_left_s.filter(|_| *used_share >= MIN_USED_SHARE).map_or_else(String::new, |left_s| {
                let left = duration(left_s);
                if window.window_end_assumed {
                    format!(" as if {left} before the end of a window, because `start` has no date,")
                } else {
                    format!(" {left} before the end of a window, not at the start of one,")
                }
            });
        let traffic = if window.run_repeated { "the run is repeated" } else { "it runs" };
        format!(
            "{windows}: {begins}{part} with {level}, the level at which the same traffic leaves it if {traffic} around the \
             clock every day{assumed}."
        )
    } else {
        format!(
            "{windows}: {begins} with all of that limit, which is used once; a load that holds here need not hold day after day."
        )
    }
}

/// The most workloads that the sentence on cut answers names.
const MAX_CUT_WORKLOADS: usize = 3;

/// Returns the sentence on cut answers, which begins with `when` ("" or text that ends in a space): how many, of which
/// workload, at which length.
pub(super) fn cut_answers(when: &str, answers: &CutAnswers) -> String {
    let (all, begin) = if when.is_empty() { ("All", "Answers") } else { ("all", "answers") };
    let text = match answers.workloads.as_slice() {
        [only] if answers.of == 1 => {
            let be = if only.cut == 1 { "was" } else { "were" };
            format!("{} {be} cut at {}", cut_part(only, all), cut_at(only))
        }
        workloads => {
            let named = workloads.iter().take(MAX_CUT_WORKLOADS);
            let each =
                named.map(|one| format!("{} of {} at {}", cut_part(one, "all"), one.name, cut_at(one)));
            let mut each: Vec<String> = each.collect();
            let others = workloads.len().saturating_sub(MAX_CUT_WORKLOADS);
            if others > 0 {
                each.push(format!("some of {}", plural(others as u64, "other workload")));
            }
            format!("{begin} were cut: {}", each.join(", "))
        }
    };
    let are = if answers.cut == answers.succeeded { "are those" } else { "include those" };
    let unjudged = " No expectation is about cut answers (`cut share <= 1%` would be).";
    let unjudged = if answers.is_judged { "" } else { unjudged };
    format!("{when}{text}; tokens, latency and cost {are} of incomplete answers.{unjudged}")
}

/// Returns `all 600 answers` with the given word for `all`, or `30 of 500 answers (6 %)`.
fn cut_part(workload: &CutWorkload, all: &str) -> String {
    let CutWorkload { cut, succeeded, .. } = workload;
    match plural(*succeeded, "answer") {
        answers if cut == succeeded && *cut > 1 => format!("{all} {answers}"),
        answers => {
            format!("{} of {answers} ({})", count(*cut), percent(share_of(*cut, *succeeded).unwrap_or(0.0)))
        }
    }
}

/// Returns the length at which the answers of a workload were cut.
fn cut_at(workload: &CutWorkload) -> String {
    let of_model = match workload.bound {
        CutBound::Output => "the longest completion of the model",
        CutBound::Context => "the end of the model's context",
        CutBound::OutputOrContext => "the longest completion of the model or the end of its context",
    };
    workload.max_tokens.map_or_else(|| of_model.to_owned(), |max_tokens| format!("max_tokens {max_tokens}"))
}

fn not_kept(how: &str) -> String {
    format!("The load generator did not keep its schedule ({how}): {LOWER_LOAD}")
}

/// Returns the sentence on a live run whose jobs or attempts were late.
fn generator_lag(lag: &GeneratorLag) -> String {
    let of = match lag.of {
        Late::Jobs => "jobs were delivered",
        Late::Attempts => "attempts were sent",
    };
    let late = duration(lag.late_s.unwrap_or(lag.p99_s));
    not_kept(&format!("{} of the {of} at least {late} late", percent(lag.share)))
}

/// What follows for the numbers of a run whose generator did not keep its schedule.
const LOWER_LOAD: &str =
    "the numbers represent a lower load, and do not show whether a limit would refuse the scenario's load.";

/// Returns the sentence on jobs that the load generator did not send.
fn generator_shed(shed: &GeneratorShed, run: &RunTime) -> String {
    let GeneratorShed { jobs, offered, from_s, offered_per_s, kept_per_s } = *shed;
    format!(
        "The load generator could not keep up: from {} on, with {} jobs/s offered, it shed {} of {} ({}) instead of sending them \
         late, and sent {} jobs/s; {LOWER_LOAD}",
        moment(from_s, run),
        number(offered_per_s),
        count(jobs),
        plural(offered, "job"),
        percent(share_of(jobs, offered).unwrap_or(0.0)),
        number(kept_per_s)
    )
}

/// Returns the sentence on attempts that failed on this machine, with the remedies.
fn local_failures(attempts: u64, of: u64, by: &Counts) -> String {
    let remedy = |failure| match failure {
        LocalFailure::Descriptors => {
            "no file descriptor was free (a call in flight takes two: raise the hard limit, `ulimit -Hn`, or run a smaller load)"
        }
        LocalFailure::Ports => {
            "no local port was free (widen `net.ipv4.ip_local_port_range`, or run a smaller load)"
        }
        LocalFailure::Memory => "memory was short (run a smaller load)",
    };
    let named = LocalFailure::ALL.into_iter().filter_map(|failure| Some((failure, by.get(failure.name())?)));
    let causes: Vec<_> = match by.len() {
        1 => named.map(|(failure, _)| remedy(failure).to_owned()).collect(),
        _ => named.map(|(failure, number)| format!("{}: {}", count(*number), remedy(failure))).collect(),
    };
    format!(
        "{} of {} ({}) failed on this machine, not at the provider, so the numbers represent another load: {}.",
        count(attempts),
        plural(of, "attempt"),
        percent(share_of(attempts, of).unwrap_or(0.0)),
        causes.join("; ")
    )
}

/// Says what was refused if no limit refused an attempt that it could have admitted at another time.
fn refused(too_large: u64, too_long: u64, faulted: u64) -> String {
    let limits = match too_large {
        0 => "No limit refused anything".to_owned(),
        1 => "The limits refused one attempt, which is too large".to_owned(),
        _ => format!("The limits refused {}, all of them too large", plural(too_large, "attempt")),
    };
    let others =
        [(too_long, "too long for the model", "were"), (faulted, "a rate-limit error of an incident", "met")];
    let others = others.into_iter().filter(|(attempts, ..)| *attempts > 0).map(|(attempts, what, verb)| {
        let verb = if verb == "were" && attempts == 1 { "was" } else { verb };
        format!("{} {verb} {what}", plural(attempts, "attempt"))
    });
    match others.collect::<Vec<_>>().as_slice() {
        [] => limits,
        others => format!("{limits} ({})", others.join(", ")),
    }
}

/// Says which limit jobs were given up for although it refused nothing; empty if there is none.
fn given_up(given_up: Option<&GivenUp>) -> String {
    let Some(GivenUp { target, axis, jobs, is_reserved }) = given_up else { return String::new() };
    let reserved = if *is_reserved {
        ", of which calls reserve more than they use while they run, which the ceiling by arithmetic does not count"
    } else {
        ""
    };
    let jobs = plural(*jobs, "job");
    format!(", but the client gave up {jobs} that had to wait too long for {axis} on {target}{reserved}")
}

fn no_refusal(refused: &str, offered_per_min: f64, ceiling: Option<&LimitCeiling>, run: &RunTime) -> String {
    match ceiling {
        Some(LimitCeiling { target, axis, jobs_per_min, is_sum, peak, in_route_order }) => {
            let allowed = peak.map_or_else(
                || job_rate(*jobs_per_min),
                |peak| format!("{} until their deadline", jobs_in(peak.admitted, peak.length_s)),
            );
            let in_order = in_route_order.as_ref().map(ceiling_bounds::in_route_order);
            let at_most = if in_order.is_some() { "at most " } else { "" };
            let allowed = if *is_sum {
                let binds =
                    format!("all limits together allow {at_most}{allowed}, {axis} on {target} binds first");
                binds + &in_order.map_or_else(String::new, |in_order| format!(" ({in_order})"))
            } else {
                format!("{axis} on {target} allows {allowed}")
            };
            match peak {
                Some(CeilingPeak { from_s, length_s, offered, .. }) => format!(
                    "{refused}: at the peak, from {}, {} were expected, {allowed}.",
                    moment(*from_s, run),
                    offered_in(*offered, *length_s)
                ),
                None => {
                    format!("{refused}: {} were offered on average, {allowed}.", job_rate(offered_per_min))
                }
            }
        }
        None => format!("{refused}, and no limit bounds the load."),
    }
}

/// Returns the sentence of [`Finding::JobOutcomes`]. Outcomes without a job are left out.
fn outcomes(finding: &Finding) -> String {
    let Finding::JobOutcomes { offered, succeeded, failed, shed, in_flight, p95_s } = finding else {
        return String::new();
    };
    let share = |part: u64| percent(share_of(part, *offered).unwrap_or(0.0));
    let mut text = served(*succeeded, *offered, *p95_s);
    let others = [(*failed, "failed"), (*shed, "shed"), (*in_flight, "in flight at the end")];
    let others = others.into_iter().filter(|(part, _)| *part > 0);
    let others: Vec<_> = others.map(|(part, what)| format!("{} {what}", share(part))).collect();
    if !others.is_empty() {
        text.push_str(&format!("; {}", others.join(", ")));
    }
    text + "."
}

/// Returns the sentences of [`Finding::WorkloadOutcome`].
fn workload_outcome(finding: &Finding, run: &RunTime) -> String {
    let Finding::WorkloadOutcome { workload, offered, succeeded, p95_s, worst } = finding else {
        return String::new();
    };
    let worst = worst.as_ref().map(|worst| worst_window(worst, run));
    if workload.is_empty() {
        return worst.map_or_else(String::new, |worst| format!("Worst {worst}."));
    }
    let whole = served(*succeeded, *offered, *p95_s);
    let worst = worst.map_or_else(String::new, |worst| format!("; worst {worst}"));
    format!("{workload}: {whole}{worst}.")
}

/// Says when a window begins, how long it is, how many of its jobs succeeded and how fast, and which limit refused most.
pub(super) fn worst_window(worst: &WorstWindow, run: &RunTime) -> String {
    let jobs = served(worst.succeeded, worst.jobs, worst.p95_s);
    let refused = worst.refused_by.as_ref().map_or_else(String::new, |by| {
        format!(", while {} on {} refused {}", by.axis, by.target, plural(by.attempts, "attempt"))
    });
    format!("from {} for {}: {jobs}{refused}", moment(worst.from_s, run), duration(worst.length_s))
}

/// Says how many of some jobs succeeded, and how fast.
fn served(succeeded: u64, jobs: u64, p95_s: Option<f64>) -> String {
    let share = percent(share_of(succeeded, jobs).unwrap_or(0.0));
    let within =
        p95_s.map_or_else(String::new, |p95_s| format!(", 95 % of those within {}", duration(p95_s)));
    format!("{share} of {} succeeded{within}", plural(jobs, "job"))
}
