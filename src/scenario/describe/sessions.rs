//! The lines of a workload of sessions.

use super::{dist, seconds};
use crate::scenario::resolved::{DrawnSessions, SessionContent, SessionTrace, Sessions};
use provider::units::{print_count, print_duration, print_number, print_share};

/// Returns what a session does, a line per subject.
pub(super) fn lines(sessions: &Sessions) -> Vec<String> {
    let (mut lines, calls) = match &sessions.content {
        SessionContent::Drawn(drawn) => (drawn_lines(drawn), drawn.calls_per_session()),
        SessionContent::Recorded(trace) => {
            (recorded_lines(trace), trace.number_of_calls() as f64 / trace.sessions.len().max(1) as f64)
        }
    };
    lines.push(match sessions.deadline {
        Some(deadline) => {
            format!("  users leave {} after a turn began{}", print_duration(deadline), stay(sessions))
        }
        None => "  users wait as long as a turn takes".to_owned(),
    });
    lines.push(format!(
        "  {} calls a session on average, if every task succeeds",
        print_number((calls * 100.0).round() / 100.0)
    ));
    lines
}

/// Says which users stay after a task that did not succeed; empty if none does.
fn stay(sessions: &Sessions) -> String {
    if sessions.leave < 1.0 {
        format!("; {} end the session when a task does not succeed", print_share(sessions.leave))
    } else {
        String::new()
    }
}

fn recorded_lines(trace: &SessionTrace) -> Vec<String> {
    let turns: u64 = trace.sessions.iter().map(|session| u64::from(session.turns)).sum();
    vec![
        format!(
            "  {} with {}: calls follow one another with the recorded gaps after the replies, turns with the recorded times to think",
            plural(turns, "turn"),
            plural(trace.number_of_calls(), "call"),
        ),
        format!(
            "  tokens as recorded; {} of all prompt tokens are in the provider's prefix cache",
            print_share((trace.cached_share() * 1000.0).round() / 1000.0)
        ),
    ]
}

fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", print_count(number), if number == 1 { "" } else { "s" })
}

fn drawn_lines(sessions: &DrawnSessions) -> Vec<String> {
    let count = |what: &provider::dist::Dist| dist(what, &print_number);
    let is_single =
        |what: &provider::dist::Dist| matches!(what, provider::dist::Dist::Constant(value) if *value <= 1.0);
    let mut steps = format!("  steps of a turn: {}", count(&sessions.calls));
    if !is_single(&sessions.fan_out) {
        steps += &format!("; calls of a step: {}", count(&sessions.fan_out));
    }
    let mut lines =
        vec![steps + &format!("; tools between two steps: {}", dist(&sessions.tool_time, &seconds))];
    if !is_single(&sessions.turns) {
        lines.push(format!(
            "  turns: {}; time to think between two: {}",
            count(&sessions.turns),
            dist(&sessions.think, &seconds)
        ));
    }
    let cached = if sessions.cached > 0.0 {
        format!("; {} of the prompt before is in the provider's prefix cache", print_share(sessions.cached))
    } else {
        String::new()
    };
    lines.push(format!(
        "  tokens of the first prompt: {}; of every call besides its completion: {}{cached}",
        count(&sessions.first),
        count(&sessions.growth)
    ));
    lines
}
