//! Describes the client: its retries, waits and bounds.

use super::section;
use crate::scenario::imitation::IMITATIONS;
use crate::scenario::resolved::{
    AdaptiveConcurrency, Cache, Client, Concurrency, CoolDown, DEFAULT_CLIENT, Eject, EstimateError,
    Fairness, Hedge, Jitter, Pace, Scenario, SpendingBudget, StatedWait,
};
use provider::Nanos;
use provider::units::{print_count, print_duration, print_number, print_share};

/// Returns the name of an imitation and the program that it stands for.
fn program(name: &str) -> String {
    let imitation = IMITATIONS.iter().find(|imitation| imitation.name == name);
    imitation.map_or_else(|| name.to_owned(), |imitation| format!("{name}: {}", imitation.program))
}

fn jitter(jitter: Jitter) -> String {
    let share = |permille: u16| print_share(f64::from(permille) / 1000.0);
    match jitter {
        Jitter::None => "no jitter".into(),
        Jitter::Full => "full jitter".into(),
        Jitter::Equal => "equal jitter".into(),
        Jitter::Decorrelated => "decorrelated jitter".into(),
        Jitter::Shorten(permille) => format!("up to {} shorter", share(permille)),
        Jitter::Add(most) => format!("up to {} longer", print_duration(most)),
        Jitter::Around(permille) => format!("up to {} shorter or longer", share(permille)),
    }
}

/// Describes which stated waits the client obeys, and whether one job's refusal holds back the others.
fn obeyed_waits(client: &Client) -> String {
    let Client { retry, cool_down, .. } = client;
    if !retry.obey_retry_after {
        return "ignores retry-after".into();
    }
    let StatedWait { headers_only, longest, jitter } = retry.stated_wait;
    let mut text = "obeys ".to_owned();
    text += if headers_only { "the header retry-after" } else { "retry-after" };
    if let Some(longest) = longest {
        text += &format!(" up to {}", print_duration(longest));
    }
    match jitter {
        None => {}
        Some(Nanos::ZERO) => text += " without jitter",
        Some(most) => text += &format!(" plus up to {}", print_duration(most)),
    }
    text + match cool_down {
        CoolDown::PerTarget => ", for all jobs at once, as a gateway does",
        CoolDown::PerJob => ", each job for itself, as SDKs do",
    }
}

/// Appends a section for each client in use. The heading has the names of further clients.
pub(super) fn sections(scenario: &Scenario, text: &mut String) {
    for (_, client) in scenario.clients_in_use() {
        let title = match client.name.as_str() {
            DEFAULT_CLIENT => "Client".to_owned(),
            name => format!("Client {name}"),
        };
        section(text, &title, lines(client));
    }
}

fn lines(client: &Client) -> Vec<String> {
    let retry = &client.retry;
    let backoff = format!(
        "waits {} doubling to {}, {}",
        print_duration(retry.backoff.base),
        print_duration(retry.backoff.cap),
        jitter(retry.backoff.jitter)
    );
    let obeys = obeyed_waits(client);
    let budget = retry.budget_permille.map(|permille| {
        format!(
            "a retry budget of {} per 100 jobs, holding at most 100 retries",
            print_number(f64::from(permille) / 10.0)
        )
    });
    let times = match retry.attempts {
        1 => "once".to_owned(),
        attempts => format!("{attempts} times, over all targets"),
    };
    let mut lines: Vec<String> =
        client.like.map(|name| format!("behaves as {}", program(name))).into_iter().collect();
    if client.processes > 1 {
        lines.push(format!("{} processes that share nothing; jobs go to them in turn", client.processes));
    }
    lines.extend([
        format!("gives up a job after {}; sends it at most {times}", print_duration(client.deadline)),
        [Some(backoff), Some(obeys), budget].into_iter().flatten().collect::<Vec<_>>().join("; "),
        in_flight(client),
    ]);
    lines.extend(
        client.attempt_timeout().map(|length| format!("cancels an attempt after {}", print_duration(length))),
    );
    lines.extend(client.hedge.map(|Hedge { after, spare_permille }| {
        format!(
            "sends a second attempt to another target {} after the first if there is no answer and {} of each of its limits is left",
            print_duration(after),
            print_share(f64::from(spare_permille) / 1000.0)
        )
    }));
    lines.push(client.eject.map_or_else(
        || "never ejects a target that fails".to_owned(),
        |Eject { after, duration }| {
            format!("ejects a target for {} after {after} failures in a row", print_duration(duration))
        },
    ));
    lines.extend(fairness(client.fair));
    lines.extend(match client.pace {
        Pace::Off => None,
        Pace::Gap(gap) => Some(format!("{} between sends to a target", print_duration(gap))),
        Pace::Requests => Some("sends as the request limits refill".to_owned()),
        Pace::Tokens => Some("sends as the request and token limits refill".to_owned()),
    });
    lines.extend(client.cache.map(|Cache { entries, ttl }| {
        format!("caches {} replies for {}", print_count(entries.into()), print_duration(ttl))
    }));
    lines.extend(
        client
            .coalesce
            .then(|| "coalesces identical jobs in flight: one is sent, all get its reply".to_owned()),
    );
    lines.extend(client.estimate.map(estimate));
    lines.extend(client.budget.map(|budget| spending(budget, client.processes)));
    lines
}

/// Describes who goes first among jobs that wait.
fn fairness(fair: Fairness) -> Option<String> {
    let shared = match fair {
        Fairness::Off => return None,
        Fairness::Requests => "requests",
        Fairness::Tokens => "tokens",
    };
    Some(format!("workloads that wait get equal shares of {shared}"))
}

/// Describes what the client may spend.
fn spending(budget: SpendingBudget, processes: u16) -> String {
    let share = if processes > 1 { ", in equal shares of its processes" } else { "" };
    format!("spends at most {budget}{share}")
}

/// Describes the bound on the attempts in flight.
fn in_flight(client: &Client) -> String {
    let queue = print_count(client.queue.into());
    match client.concurrency {
        None => "any number of attempts in flight".into(),
        Some(Concurrency::Fixed(max)) => format!("{max} attempts in flight; {queue} jobs may queue"),
        Some(Concurrency::Adaptive(AdaptiveConcurrency { initial, min, max })) => {
            format!(
                "{initial} attempts in flight at first, adapted from {min} to {max}; {queue} jobs may queue"
            )
        }
    }
}

/// Describes how far the client's count of prompt tokens is from the provider's.
fn estimate(error: EstimateError) -> String {
    let EstimateError { bias, spread } = error;
    let mean = match bias {
        0.0 => "right on average".to_owned(),
        _ if bias < 0.0 => format!("{} too low on average", print_share(-bias)),
        _ => format!("{} too high on average", print_share(bias)),
    };
    let spread =
        if spread > 0.0 { format!(", with a spread of {}", print_share(spread)) } else { String::new() };
    format!("counts the tokens of prompts {mean}{spread}")
}
