//! Notes of a scenario as sentences.

use crate::formatting::{RunTime, count, duration, job_rate, moment, plural};
use crate::scenario::trace::TraceUnit;
use crate::scenario::{AnswerBound, DEFAULT_CLIENT, ExceededBound, Note, SpendingBudget};
use provider::Nanos;
use provider::config::DEFAULT_MAX_TOKENS;
use provider::units::{print_count, print_duration, print_number, print_share};

/// Returns the sentence of each note.
#[must_use]
pub fn sentences(notes: &[Note]) -> Vec<String> {
    notes.iter().map(sentence).collect()
}

/// Returns the sentence of a note.
#[must_use]
pub(super) fn sentence(note: &Note) -> String {
    match note {
        Note::AssumedLatency { provider, model, first_token_seconds, tokens_per_second } => format!(
            "{provider}/{model} states no latency; assumed: first token after {}, then {} tok/s",
            print_duration(Nanos::from_secs_f64(*first_token_seconds)),
            print_number(*tokens_per_second),
        ),
        Note::TooLarge { workload, target, share, bound, capacity, others, max_tokens } => format!(
            "{} of {workload} {} too large for {target}: {}{}",
            jobs(*share),
            if (1e-3..1.0).contains(share) { "are" } else { "is" },
            excess(bound, *capacity, *max_tokens),
            others.iter().map(|other| exceeded_as_well(other, *share)).collect::<String>(),
        ),
        Note::Unservable { workload, route, share, of_tasks, .. } => {
            let others = if *share < 1.0 { "; the ceiling counts only the other jobs" } else { "" };
            unservable(workload, route, *share, *of_tasks) + others
        }
        Note::LateAnswers { workload, bound, bound_s, shortest_s } => {
            let bound_s = duration(*bound_s);
            let (waits, longer) = match bound {
                AnswerBound::Deadline => (format!("its deadline is {bound_s}"), "deadline"),
                AnswerBound::AttemptTimeout => {
                    (format!("attempts are cancelled after {bound_s}"), "attempt_timeout")
                }
                AnswerBound::ShareOfDeadline => {
                    (format!("attempts are cancelled after {bound_s}, a share of the deadline"), "deadline")
                }
            };
            let shortest = duration(*shortest_s);
            format!(
                "no job of {workload} can be answered: {waits}, and every answer takes at least {shortest}; write a longer `{longer}`"
            )
        }
        Note::Trace { .. } => trace(note),
        Note::SessionTrace { .. } => session_trace(note),
        Note::LastStep { workload, at_s, run_s } => format!(
            "the last step of {workload}, at {}, lasts for the other {} of the run; `every: 1d` in `arrivals` repeats the steps each day",
            moment(*at_s, &RunTime::of_start(*run_s, "")),
            duration(run_s - at_s),
        ),
        Note::WrittenKeys { .. } | Note::Unencrypted { .. } | Note::RealKeys { .. } => upstream(note),
        Note::ClientBudget { .. } => budget(note),
        Note::Sentence(sentence) => sentence.clone(),
    }
}

/// Says what a client may spend, and what does not count.
fn budget(note: &Note) -> String {
    let Note::ClientBudget { client, usd_per_hour, usd_per_day, free, unbounded } = note else {
        return String::new();
    };
    let budget = SpendingBudget { usd_per_hour: *usd_per_hour, usd_per_day: *usd_per_day };
    let client =
        if client == DEFAULT_CLIENT { "the client".to_owned() } else { format!("the client {client}") };
    let mut text = format!(
        "{client} spends at most {budget}; the analytic ceiling does not know this bound and may be too high"
    );
    if !free.is_empty() {
        let verb = if free.len() == 1 { "states no price and counts" } else { "state no price and count" };
        text += &format!("; {} {verb} as free", free.join(", "));
    }
    if !unbounded.is_empty() {
        text += &format!(
            "; at {} nothing bounds the completion of a job without `max_tokens`: {} tokens are reserved for it, and a longer one \
             can exceed the budget",
            unbounded.join(", "),
            count(u64::from(DEFAULT_MAX_TOKENS))
        );
    }
    text
}

/// Says what is wrong with the way in which a real provider is reached.
fn upstream(note: &Note) -> String {
    match note {
        Note::WrittenKeys { provider, base_url, assumed: true, .. } => format!(
            "{provider} has only the assumed key `default`, which is for mocks: `quotalab gateway` sends it to loopback addresses \
             only, not to {base_url}; write `accounts: {{default: [{{env: NAME}}]}}`"
        ),
        Note::WrittenKeys { provider, base_url, written, keys, .. } => {
            let which = match keys {
                1 => format!("the key of {provider} is"),
                keys => {
                    let verb = if *written == 1 { "is" } else { "are" };
                    format!("{} of the {} keys of {provider} {verb}", count(*written), count(*keys))
                }
            };
            format!(
                "{which} written in the scenario, which is for mocks: `quotalab gateway` sends such keys to loopback addresses only, \
                 not to {base_url}; write `{{env: NAME}}`"
            )
        }
        Note::Unencrypted { provider, base_url } => {
            format!(
                "keys and prompts travel unencrypted to {base_url} ({provider}); write `https://` if it is offered"
            )
        }
        Note::RealKeys { provider, first, keys } => {
            let which = match keys {
                1 => format!("the key `{first}` of {provider} is"),
                more => format!("{} keys of {provider}, the first of which is `{first}`, are", count(*more)),
            };
            let looks = if *keys == 1 { "looks like a real one" } else { "look like real ones" };
            format!(
                "{which} written in the scenario and {looks}; write `{{env: NAME}}`, and revoke what others may have read"
            )
        }
        _ => String::new(),
    }
}

/// Says what a workload replays of a trace, how its times were read, and what was left out.
fn trace(note: &Note) -> String {
    let Note::Trace {
        workload,
        replayed,
        recorded,
        length_s,
        unit,
        dropped_by_rate,
        after_end,
        without_completion,
    } = note
    else {
        return String::new();
    };
    let times = unit_of_times(*unit);
    let mut text = format!(
        "{workload} replays {} of a trace of {} recorded over {}{times}",
        plural(*replayed, "request"),
        count(*recorded),
        duration(*length_s)
    );
    if *length_s > 0.0 {
        text += &format!(", on average {}", job_rate(*recorded as f64 * 60.0 / length_s));
    }
    let mut left_out = Vec::new();
    if *dropped_by_rate > 0 {
        left_out.push(format!("`rate` drops {}", count(*dropped_by_rate)));
    }
    if *after_end > 0 {
        left_out.push(format!("{} are beyond the end of the run", count(*after_end)));
    }
    if *without_completion > 0 {
        let failed = "such rows are failed calls in BurstGPT's traces";
        left_out.push(format!(
            "{} have no completion tokens and are replayed with one ({failed})",
            count(*without_completion)
        ));
    }
    for part in left_out {
        text += "; ";
        text += &part;
    }
    text
}

/// Says what a workload replays of a trace of sessions, how its times were read, and what was left out.
fn session_trace(note: &Note) -> String {
    let Note::SessionTrace {
        workload,
        replayed,
        replayed_calls,
        recorded,
        recorded_calls,
        length_s,
        unit,
        dropped_by_rate,
        after_end,
        failed_calls,
        empty,
        overlapping,
    } = note
    else {
        return String::new();
    };
    let mut text = format!(
        "{workload} replays {} with {} of a trace of {} with {} recorded over {}{}",
        plural(*replayed, "session"),
        plural(*replayed_calls, "call"),
        count(*recorded),
        count(*recorded_calls),
        duration(*length_s),
        unit_of_times(*unit)
    );
    let parts = [
        ("dropped by `rate`", *dropped_by_rate, "session"),
        ("after the end of the run", *after_end, "session"),
        ("without a call that succeeded and states its prompt tokens", *empty, "session"),
        ("left out because they failed or state no prompt tokens", *failed_calls, "call"),
        ("replayed without a gap because they overlap with one before", *overlapping, "call"),
    ];
    for (what, number, noun) in parts.into_iter().filter(|(_, number, _)| *number > 0) {
        text += &format!("; {what}: {}", plural(number, noun));
    }
    text
}

/// Says how the times of a trace were read; empty if they are dates.
fn unit_of_times(unit: Option<TraceUnit>) -> &'static str {
    match unit {
        Some(TraceUnit::Seconds) => " (its times read as seconds)",
        Some(TraceUnit::Milliseconds) => " (its times read as milliseconds)",
        None => "",
    }
}

/// Says that a share of the jobs of a workload can never be served, without final punctuation.
pub(super) fn unservable(workload: &str, route: &str, share: f64, of_tasks: bool) -> String {
    let size = if share < 1.0 { "their size" } else { "its size" };
    let jobs = jobs_of(workload, share, of_tasks);
    format!("{jobs} can never be served: no target of the route {route} admits {size}")
}

/// Formats a share of the jobs of a workload; `of_tasks`: of the calls that its tasks have if all run to their end.
pub(super) fn jobs_of(workload: &str, share: f64, of_tasks: bool) -> String {
    if of_tasks {
        format!("{} that the tasks of {workload} have if all run to their end", part_of("call", share))
    } else {
        format!("{} of {workload}", jobs(share))
    }
}

/// Formats a share of the jobs: "Every job", "9.2% of the jobs", "One job in 2000". `share` is above 0.
pub(super) fn jobs(share: f64) -> String {
    part_of("job", share)
}

/// Formats a share of what `noun` names in the singular, as [`jobs`] does.
fn part_of(noun: &str, share: f64) -> String {
    match share {
        ..1e-3 => format!("One {noun} in {:.0}", 1.0 / share),
        ..1.0 => format!("{} of the {noun}s", print_share(share)),
        _ => format!("Every {noun}"),
    }
}

/// Names a further bound that jobs exceed: "; its context of 4096 is too small for them as well". `share` is that of the jobs
/// that exceed the first bound.
fn exceeded_as_well(other: &ExceededBound, share: f64) -> String {
    let ExceededBound { bound, capacity, share: of_other } = other;
    let jobs_of_other = match (of_other - share).abs() < 1e-9 {
        true if share < 1.0 => "them".to_owned(),
        true => "it".to_owned(),
        false => {
            let jobs = jobs(*of_other);
            format!("{}{}", jobs[..1].to_lowercase(), &jobs[1..])
        }
    };
    let bound = if bound == "max_output" { "longest completion" } else { bound };
    format!("; its {bound} of {} is too small for {jobs_of_other} as well", print_count(*capacity))
}

/// Returns what exceeds which bound: "the prompt and max_tokens of 8192 together exceed its tpm of 8k".
fn excess(bound: &str, capacity: u64, max_tokens: Option<u32>) -> String {
    let capacity = print_count(capacity);
    let completion = max_tokens.map_or_else(
        || "the tokens that are reserved for the completion".to_owned(),
        |tokens| format!("max_tokens of {}", print_count(tokens.into())),
    );
    match (bound, max_tokens) {
        ("context", None) => format!("the prompt exceeds its context of {capacity}"),
        ("context", Some(_)) => {
            format!("the prompt and {completion} together exceed its context of {capacity}")
        }
        ("max_output", _) => format!("{completion} exceeds the {capacity} that a call may ask for"),
        ("itpm", _) => format!("the prompt exceeds its itpm of {capacity}"),
        ("otpm", None) => format!("{completion} exceed its otpm of {capacity}"),
        ("otpm", Some(_)) => format!("{completion} exceeds its otpm of {capacity}"),
        ("tpm" | "tpd", _) => {
            format!("the prompt and {completion} together exceed its {bound} of {capacity}")
        }
        _ => format!("its {bound} of {capacity} admits nothing"),
    }
}
