//! Changes of the clients: the policies of each client in use, added or taken away.

use super::change::{Change, ClientEdit, Edit};
use super::plan::ChangeKind;
use crate::ids::ClientId;
use crate::scenario::{Arrivals, Cache, Client, Concurrency, Jitter, Pace, Pick, Scenario, Workload};
use provider::Nanos;
use provider::units::{print_count, print_duration};

/// The cache that is tried if there is none.
const CACHE: Cache = Cache { entries: 10_000, ttl: Nanos::HOUR };
/// The attempts per job that are tried if the client makes fewer.
const ATTEMPTS: u8 = 5;
/// The retry budget that is tried, in thousandths of a retry per job.
const BUDGET_PERMILLE: u32 = 200;

/// Returns `true` if any workload of this client with generated jobs repeats requests.
pub(super) fn has_repeats(scenario: &Scenario, client: ClientId) -> bool {
    let repeated = |workload: &Workload| {
        let traced = matches!(workload.arrivals, Arrivals::Trace { .. });
        workload.client == client && !traced && workload.repeats.is_some_and(|repeats| repeats.share > 0.0)
    };
    scenario.workloads.iter().any(repeated)
}

/// A policy of the client.
struct Policy {
    /// The name of the change that adds it; tried if it is not in force.
    name: String,
    edit: Edit,
    /// Tried if it is in force: the same client without it, or with more of it.
    instead: Change,
    in_force: bool,
}

/// Returns the ablation of a policy.
fn without(name: &str, edit: Edit) -> Change {
    Change { name: name.to_owned(), kind: ChangeKind::Ablation, edit }
}

/// A client in use, and what the names of changes of it begin with: nothing if it is the only one.
struct ChangedClient<'s> {
    id: ClientId,
    client: &'s Client,
    prefix: String,
}

impl ChangedClient<'_> {
    fn edit(&self, edit: ClientEdit) -> Edit {
        Edit::Client(self.id, edit)
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn without(&self, name: &str, edit: ClientEdit) -> Change {
        without(&self.name(name), self.edit(edit))
    }
}

/// Returns the clients in use.
fn changed_clients(scenario: &Scenario) -> Vec<ChangedClient<'_>> {
    let is_single = scenario.clients_in_use().count() == 1;
    let prefix = |client: &Client| if is_single { String::new() } else { format!("{}: ", client.name) };
    scenario
        .clients_in_use()
        .map(|(id, client)| ChangedClient { id, client, prefix: prefix(client) })
        .collect()
}

/// Returns the policies that have an effect in a scenario.
fn policies(scenario: &Scenario) -> Vec<Policy> {
    let mut policies = Vec::new();
    for client in changed_clients(scenario) {
        policies.push(Policy {
            name: client.name("pace by tokens"),
            edit: client.edit(ClientEdit::Pace(Pace::Tokens)),
            instead: client.without("without pacing", ClientEdit::Pace(Pace::Off)),
            in_force: client.client.pace == Pace::Tokens,
        });
        if client.client.retry.attempts > 1 {
            policies.extend(retry_policies(&client));
        }
        if has_repeats(scenario, client.id) {
            policies.extend(repeat_policies(&client));
        }
    }
    let mut choices =
        scenario.routes.iter().flat_map(|route| &route.steps).filter(|step| step.targets.len() > 1);
    if let Some(first) = choices.next() {
        let Change { name, edit, .. } = most_room();
        policies.push(Policy {
            name,
            edit,
            instead: without("round robin instead of most room", Edit::Pick(Pick::RoundRobin)),
            in_force: choices.chain([first]).all(|step| step.pick == Pick::MostRoom),
        });
    }
    policies
}

/// Returns the change that spreads jobs over the targets of a step by what is left of their limits.
pub(super) fn most_room() -> Change {
    Change {
        name: "pick the account with most room".to_owned(),
        kind: ChangeKind::Client,
        edit: Edit::Pick(Pick::MostRoom),
    }
}

/// Returns, for each client that makes fewer, the change to [`ATTEMPTS`] attempts per job.
pub(super) fn attempts(scenario: &Scenario) -> impl Iterator<Item = Change> {
    let fewer =
        changed_clients(scenario).into_iter().filter(|client| client.client.retry.attempts < ATTEMPTS);
    fewer.map(|client| more_attempts(&client))
}

fn more_attempts(client: &ChangedClient<'_>) -> Change {
    Change {
        name: client.name(&format!("up to {ATTEMPTS} attempts per job")),
        kind: ChangeKind::Client,
        edit: client.edit(ClientEdit::Attempts(ATTEMPTS)),
    }
}

/// Returns the changes that give clients a longer deadline, and those with a bound on attempts in flight a higher one, for `target`
/// times the load.
pub(super) fn larger_bounds(scenario: &Scenario, target: f64) -> Vec<Change> {
    let mut changes = Vec::new();
    for client in changed_clients(scenario) {
        let deadline = client.client.deadline * 2;
        let name = format!("a deadline of {}", print_duration(deadline));
        changes.push((client.name(&name), client.edit(ClientEdit::Deadline(deadline))));
        if let Some(Concurrency::Fixed(concurrency)) = client.client.concurrency {
            let more = scaled(concurrency, target);
            let name = format!("a concurrency of {}", print_count(u64::from(more)));
            changes.push((client.name(&name), client.edit(ClientEdit::Concurrency(more))));
        }
    }
    let change = |(name, edit)| Change { name, kind: ChangeKind::Client, edit };
    changes.into_iter().map(change).collect()
}

/// Returns a concurrency that grows with the load, at least to twice the present one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn scaled(concurrency: u32, target: f64) -> u32 {
    libm::ceil(f64::from(concurrency) * target.max(2.0)) as u32
}

/// Returns the policies of a client that retries.
fn retry_policies(client: &ChangedClient<'_>) -> [Policy; 2] {
    let retry = &client.client.retry;
    [
        Policy {
            name: client.name("full jitter"),
            edit: client.edit(ClientEdit::Jitter(Jitter::Full)),
            instead: client.without("without jitter", ClientEdit::Jitter(Jitter::None)),
            in_force: retry.backoff.jitter == Jitter::Full,
        },
        Policy {
            name: client.name("a retry budget of 20 %"),
            edit: client.edit(ClientEdit::Budget(Some(BUDGET_PERMILLE))),
            instead: client.without("without a retry budget", ClientEdit::Budget(None)),
            in_force: retry.budget_permille.is_some_and(|budget| budget <= BUDGET_PERMILLE),
        },
    ]
}

/// Returns the policies that take advantage of repeated requests.
fn repeat_policies(client: &ChangedClient<'_>) -> [Policy; 2] {
    let (entries, ttl) = (print_count(u64::from(CACHE.entries)), print_duration(CACHE.ttl));
    // The analytic ceiling shows the worth of a cache; only a run shows whether entries should be kept longer.
    let present = client.client.cache.unwrap_or(CACHE);
    let longer = Cache { ttl: present.ttl * 2, ..present };
    let keeps_longer =
        format!("cache for {} instead of {}", print_duration(longer.ttl), print_duration(present.ttl));
    [
        Policy {
            name: client.name(&format!("cache {entries} answers for {ttl}")),
            edit: client.edit(ClientEdit::Cache(CACHE)),
            instead: Change {
                name: client.name(&keeps_longer),
                kind: ChangeKind::Client,
                edit: client.edit(ClientEdit::Cache(longer)),
            },
            in_force: client.client.cache.is_some(),
        },
        Policy {
            name: client.name("coalesce identical jobs (join)"),
            edit: client.edit(ClientEdit::Coalesce(true)),
            instead: client.without("without coalescing (join)", ClientEdit::Coalesce(false)),
            in_force: client.client.coalesce,
        },
    ]
}

/// Returns the changes of clients: the policies that are not in force, those in force taken away, and more attempts for clients that send a
/// job once.
pub(super) fn changes(scenario: &Scenario) -> impl Iterator<Item = Change> {
    let policies = policies(scenario).into_iter().map(|Policy { name, edit, instead, in_force }| {
        if in_force { instead } else { Change { name, kind: ChangeKind::Client, edit } }
    });
    // More attempts rarely help a client that retries already; one that does not retry loses every job whose attempt fails.
    let once = changed_clients(scenario).into_iter().filter(|client| client.client.retry.attempts == 1);
    policies.chain(once.map(|client| more_attempts(&client)))
}
