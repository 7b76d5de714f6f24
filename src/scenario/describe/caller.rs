//! Describes the callers of the gateway.

use crate::api_keys::masked;
use crate::scenario::resolved::{Caller, DailyBudget, KeySource};
use provider::units::{print_count, print_number};

/// Returns a line on each caller.
pub(super) fn lines(callers: &[Caller]) -> Vec<String> {
    let line = |caller: &Caller| {
        let place = match caller.key {
            KeySource::File(_) => "in the file",
            KeySource::Env(_) | KeySource::Written => "in the environment:",
        };
        let budget =
            caller.budget.as_ref().map_or_else(String::new, |budget| format!(", {}", self::budget(budget)));
        format!(
            "{}: {}{budget}; key {place} {}",
            caller.name,
            caller.priority.name(),
            masked(&caller.key_name)
        )
    };
    callers.iter().map(line).collect()
}

fn budget(budget: &DailyBudget) -> String {
    let usd = budget.usd.map(|usd| format!("{} USD", print_number(usd)));
    let tokens = budget.tokens.map(|tokens| format!("{} tokens", print_count(tokens)));
    let both: Vec<String> = usd.into_iter().chain(tokens).collect();
    format!("at most {} per day of UTC", both.join(" and "))
}
