//! The changes that are tried without being asked for: each only where it would change something; and of the tactics
//! in force, what the plan would be without each, or with more of it.

use super::change::{Change, Edit};
use super::summary::Kind;
use crate::ceiling::Ceiling;
use crate::scenario::{Arrivals, Cache, Jitter, Pace, Pick, Scenario, Workload, preset};
use provider::Nanos;
use provider::config::{Config, DEFAULT_MAX_TOKENS, Tier};
use provider::units::{print_count, print_duration};

/// What an account must lift the arithmetic ceiling to be tried, as a ratio.
const LIFTS: f64 = 1.005;
/// What a cache is tried with where there is none.
const CACHE: Cache = Cache { entries: 10_000, ttl: Nanos::HOUR };
/// What a prompt is shortened to.
const PROMPT: f64 = 0.75;
/// Retries per job, in thousandths, where they are unbounded.
const BUDGET: u32 = 200;
/// The preset that is the next tier of the free one, and the fallback.
const DEVELOPER: &str = "groq-developer";
/// What is fallen back to: both models are on every plan, and each has limits of its own.
const FALLBACKS: [&str; 2] = ["openai/gpt-oss-120b", "openai/gpt-oss-20b"];

/// Every change worth trying on `plan`.
pub(super) fn changes(scenario: &Scenario) -> Vec<Change> {
    let mut changes = accounts(scenario);
    changes.extend(tiers(scenario));
    changes.extend(other_models(scenario));
    changes.extend(fallback(scenario));
    changes.extend(client(scenario));
    changes.extend(traffic(scenario));
    changes.extend(scenario.what_if.iter().map(|own| Change {
        words: own.name.clone(),
        kind: Kind::Own,
        edit: Edit::Own(Box::new(own.scenario.clone())),
    }));
    changes
}

/// One more account of every provider that binds: whose quota, were there more of it, would lift the
/// arithmetic ceiling.
fn accounts(scenario: &Scenario) -> Vec<Change> {
    let account = |(index, config): (usize, &Config)| Change {
        words: format!("one more account at {}", config.name),
        kind: Kind::Quota,
        edit: Edit::Account { provider: index as u16 },
    };
    let multiple = Ceiling::of(scenario).multiple;
    let lifts = |change: &Change| Ceiling::of(&Change::all(scenario, [change])).multiple > multiple * LIFTS;
    scenario.providers.iter().enumerate().map(account).filter(lifts).collect()
}

/// What the names of the changes to `plan` do not say.
pub(super) fn notes(scenario: &Scenario) -> Vec<String> {
    let note = |change: Change| {
        format!(
            "`{}` needs no new account, since limits are per model; its answers are another model's.",
            change.words
        )
    };
    other_models(scenario).into_iter().map(note).collect()
}

fn developer() -> Config {
    preset(DEVELOPER).expect("the presets are part of the program, and tested")
}

/// The developer plan, for providers on the free one whose models it has.
fn tiers(scenario: &Scenario) -> Vec<Change> {
    let better = developer();
    let has = |name: &str| better.models.iter().any(|model| model.name == name);
    let lifts = |provider: usize, config: &Config| {
        let mut used = scenario.targets.iter().filter(|target| usize::from(target.provider) == provider);
        config.tier == Tier::Free && used.any(|target| has(&config.models[usize::from(target.model)].name))
    };
    let free = scenario.providers.iter().enumerate().filter(|(index, config)| lifts(*index, config));
    let change = |(index, config): (usize, &Config)| Change {
        words: format!("{} on {DEVELOPER}", config.name),
        kind: Kind::Quota,
        edit: Edit::Tier { provider: index as u16, better: better.clone() },
    };
    free.map(change).collect()
}

/// The first of [`FALLBACKS`] that no job can go to yet.
fn unserved(scenario: &Scenario) -> Option<&'static str> {
    let served = |name: &str| scenario.targets.iter().any(|target| target.name.ends_with(name));
    FALLBACKS.into_iter().find(|name| !served(name))
}

/// Another model of a provider as the last step, on the accounts that are there: limits are per model, so this is quota
/// that is paid for already, though the answers are another model's.
fn other_models(scenario: &Scenario) -> Vec<Change> {
    let Some(name) = unserved(scenario) else { return Vec::new() };
    let uses =
        |provider: usize| scenario.targets.iter().any(|target| usize::from(target.provider) == provider);
    let change = |(index, config): (usize, &Config)| {
        let model = config.models.iter().position(|model| model.name == name).filter(|_| uses(index))?;
        Some(Change {
            words: format!("fall back to {name} at {}", config.name),
            kind: Kind::Quota,
            edit: Edit::OtherModel { provider: index as u16, model: model as u16 },
        })
    };
    scenario.providers.iter().enumerate().filter_map(change).collect()
}

/// A model of the developer plan as the last step, by an account of its own; nothing where an account on that plan
/// has the model already.
fn fallback(scenario: &Scenario) -> Option<Change> {
    let name = unserved(scenario)?;
    let has = |config: &Config| {
        config.tier == Tier::Developer && config.models.iter().any(|model| model.name == name)
    };
    if scenario.providers.iter().any(has) {
        return None;
    }
    let mut config = developer();
    config.name = "fallback".to_owned();
    config.models.retain(|model| model.name == name);
    let words = format!("fall back to {DEVELOPER} {name}");
    (!config.models.is_empty()).then_some(Change {
        words,
        kind: Kind::Quota,
        edit: Edit::Fallback { config },
    })
}

/// Whether jobs are asked again that were asked before.
fn repeats(scenario: &Scenario) -> bool {
    let repeated = |workload: &Workload| {
        let traced = matches!(workload.arrivals, Arrivals::Trace { .. });
        !traced && workload.repeats.is_some_and(|repeats| repeats.share > 0.0)
    };
    scenario.workloads.iter().any(repeated)
}

/// A tactic of the client.
struct Policy {
    /// Tried where the plan lacks it.
    words: String,
    edit: Edit,
    /// Tried where it is in force: the same client without it, or with more of it.
    instead: Change,
    in_force: bool,
}

/// A client without a tactic.
fn without(words: &str, edit: Edit) -> Change {
    Change { words: words.to_owned(), kind: Kind::Without, edit }
}

/// The tactics that mean something in a plan.
fn tactics(scenario: &Scenario) -> Vec<Policy> {
    let mut tactics = vec![Policy {
        words: "pace by tokens".to_owned(),
        edit: Edit::Pace(Pace::Tokens),
        instead: without("without pacing", Edit::Pace(Pace::Off)),
        in_force: scenario.client.pace == Pace::Tokens,
    }];
    if scenario.client.retry.attempts > 1 {
        tactics.extend(retries(scenario));
    }
    if repeats(scenario) {
        tactics.extend(repetitions(scenario));
    }
    let mut choices =
        scenario.routes.iter().flat_map(|route| &route.steps).filter(|step| step.targets.len() > 1);
    if let Some(first) = choices.next() {
        tactics.push(Policy {
            words: "pick the account with most room".to_owned(),
            edit: Edit::Pick(Pick::MostRoom),
            instead: without("round robin instead of most room", Edit::Pick(Pick::RoundRobin)),
            in_force: choices.chain([first]).all(|step| step.pick == Pick::MostRoom),
        });
    }
    tactics
}

/// The tactics of a client that tries again.
fn retries(scenario: &Scenario) -> [Policy; 2] {
    let retry = &scenario.client.retry;
    [
        Policy {
            words: "full jitter".to_owned(),
            edit: Edit::Jitter(Jitter::Full),
            instead: without("without jitter", Edit::Jitter(Jitter::None)),
            in_force: retry.backoff.jitter == Jitter::Full,
        },
        Policy {
            words: "a retry budget of 20 %".to_owned(),
            edit: Edit::Budget(Some(BUDGET)),
            instead: without("without a retry budget", Edit::Budget(None)),
            in_force: retry.budget_permille.is_some_and(|budget| budget <= BUDGET),
        },
    ]
}

/// The tactics of a client that is asked the same again.
fn repetitions(scenario: &Scenario) -> [Policy; 2] {
    let (entries, ttl) = (print_count(u64::from(CACHE.entries)), print_duration(CACHE.ttl));
    // What a cache brings is told by the ceiling with and without it; whether it should keep longer is not.
    let present = scenario.client.cache.unwrap_or(CACHE);
    let longer = Cache { ttl: present.ttl * 2, ..present };
    [
        Policy {
            words: format!("cache {entries} answers for {ttl}"),
            edit: Edit::Cache(CACHE),
            instead: Change {
                words: format!(
                    "cache for {} instead of {}",
                    print_duration(longer.ttl),
                    print_duration(present.ttl)
                ),
                kind: Kind::Client,
                edit: Edit::Cache(longer),
            },
            in_force: scenario.client.cache.is_some(),
        },
        Policy {
            words: "join identical jobs under way".to_owned(),
            edit: Edit::Join(true),
            instead: without("without joining identical jobs", Edit::Join(false)),
            in_force: scenario.client.join,
        },
    ]
}

fn client(scenario: &Scenario) -> impl Iterator<Item = Change> {
    tactics(scenario).into_iter().map(|Policy { words, edit, instead, in_force }| {
        if in_force { instead } else { Change { words, kind: Kind::Client, edit } }
    })
}

fn traffic(scenario: &Scenario) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(shorter_answers(scenario));
    let words = "prompts a quarter shorter".to_owned();
    changes.push(Change { words, kind: Kind::Traffic, edit: Edit::Prompt(PROMPT) });
    let night = batches(scenario);
    if !night.is_empty() {
        let names: Vec<&str> = night.iter().map(|index| scenario.workloads[*index].name.as_str()).collect();
        let words = format!("{} at night (0-6 h)", names.join(", "));
        changes.push(Change { words, kind: Kind::Traffic, edit: Edit::Night(night) });
    }
    changes
}

/// A bound on the answers that 99 % of them keep by themselves, or, where none is smaller than what there is, one
/// that cuts one in twenty.
fn shorter_answers(scenario: &Scenario) -> Option<Change> {
    let bounds = |percent| {
        let most: Vec<_> =
            scenario.workloads.iter().map(|workload| enough_tokens(workload, percent)).collect();
        most.iter().any(Option::is_some).then_some((percent, most))
    };
    let (percent, most) = bounds(99).or_else(|| bounds(95))?;
    let each: Vec<String> = most.iter().flatten().map(|most| print_count(u64::from(*most))).collect();
    let bound = format!("max_tokens {}", each.join(", "));
    let words = if percent == 99 {
        format!("{bound} (99 % of answers)")
    } else {
        format!("cut 5 % of answers: {bound}")
    };
    Some(Change { words, kind: Kind::Traffic, edit: Edit::MaxTokens(most) })
}

/// A bound that so many per cent of the completions keep, where it is smaller than the bound there is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn enough_tokens(workload: &Workload, percent: u8) -> Option<u32> {
    let most = match &workload.arrivals {
        Arrivals::Trace { rows } => {
            let mut sizes: Vec<u32> = rows.iter().map(|row| row.completion_tokens).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len().saturating_sub(1) * usize::from(percent) / 100).copied()?
        }
        _ => libm::ceil(workload.completion.quantile(f64::from(percent) / 100.0)) as u32,
    };
    let most = most.max(1);
    (most < workload.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)).then_some(most)
}

/// The workloads that need not come when they do: those that say so by their name, or all but the first.
/// A run of less than a day has no night.
fn batches(scenario: &Scenario) -> Vec<usize> {
    let rated = |workload: &Workload| {
        !matches!(workload.arrivals, Arrivals::Burst { .. } | Arrivals::Users { .. } | Arrivals::Trace { .. })
    };
    let named: Vec<usize> = indices(scenario, |index| scenario.workloads[index].name.contains("batch"));
    let waiting = if named.is_empty() { indices(scenario, |index| index > 0) } else { named };
    let day = scenario.duration >= Nanos::DAY;
    waiting.into_iter().filter(|index| day && rated(&scenario.workloads[*index])).collect()
}

fn indices(scenario: &Scenario, which: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..scenario.workloads.len()).filter(|index| which(*index)).collect()
}
