//! The lines of a workload of sessions.

use super::{dist, seconds};
use crate::scenario::resolved::Sessions;
use provider::units::{print_duration, print_number, print_share};

/// Returns what a session does, a line per subject.
pub(super) fn lines(sessions: &Sessions) -> Vec<String> {
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
    lines.push(match sessions.deadline {
        Some(deadline) => {
            let stay = if sessions.leave < 1.0 {
                format!("; {} end the session when a task does not succeed", print_share(sessions.leave))
            } else {
                String::new()
            };
            format!("  users leave {} after a turn began{stay}", print_duration(deadline))
        }
        None => "  users wait as long as a turn takes".to_owned(),
    });
    let calls = sessions.calls_per_session();
    lines.push(format!(
        "  {} calls a session on average, if every task succeeds",
        print_number((calls * 100.0).round() / 100.0)
    ));
    lines
}
