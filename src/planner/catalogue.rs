//! The changes that are tried without being asked for: each only where it would change something.

use super::change::{Change, Edit};
use super::summary::Kind;
use crate::ceiling::Ceiling;
use crate::scenario::{Arrivals, Cache, Jitter, Pace, Pick, Plan, Workload, preset};
use crate::units::{print_count, print_duration};
use provider::Nanos;
use provider::config::{Config, DEFAULT_MAX_TOKENS, Tier};
use std::collections::BTreeSet;

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
pub(super) fn changes(plan: &Plan) -> Vec<Change> {
    let mut changes = accounts(plan);
    changes.extend(tiers(plan));
    changes.extend(fallback(plan));
    changes.extend(cache(plan));
    changes.extend(client(plan));
    changes.extend(traffic(plan));
    changes.extend(plan.what_if.iter().map(|own| Change {
        words: own.name.clone(),
        kind: Kind::Own,
        edit: Edit::Own(Box::new(own.plan.clone())),
    }));
    changes
}

/// One more account of every provider that binds: whose quota, were there more of it, would lift the
/// arithmetic ceiling.
fn accounts(plan: &Plan) -> Vec<Change> {
    let account = |(index, config): (usize, &Config)| Change {
        words: format!("one more account at {}", config.name),
        kind: Kind::Quota,
        edit: Edit::Account { provider: index as u16 },
    };
    let multiple = Ceiling::of(plan).multiple;
    let lifts = |change: &Change| Ceiling::of(&Change::all(plan, [change])).multiple > multiple * LIFTS;
    plan.providers.iter().enumerate().map(account).filter(lifts).collect()
}

fn developer() -> Config {
    preset(DEVELOPER).expect("the presets are part of the program, and tested")
}

/// The developer plan, for providers on the free one whose models it has.
fn tiers(plan: &Plan) -> Vec<Change> {
    let better = developer();
    let has = |name: &str| better.models.iter().any(|model| model.name == name);
    let lifts = |provider: usize, config: &Config| {
        let mut used = plan.targets.iter().filter(|target| usize::from(target.provider) == provider);
        config.tier == Tier::Free && used.any(|target| has(&config.models[usize::from(target.model)].name))
    };
    let free = plan.providers.iter().enumerate().filter(|(index, config)| lifts(*index, config));
    let change = |(index, config): (usize, &Config)| Change {
        words: format!("{} on {DEVELOPER}", config.name),
        kind: Kind::Quota,
        edit: Edit::Tier { provider: index as u16, better: better.clone() },
    };
    free.map(change).collect()
}

/// A model of the developer plan as the last step, where every job has only one provider to go to.
fn fallback(plan: &Plan) -> Option<Change> {
    let used: BTreeSet<u16> = plan.targets.iter().map(|target| target.provider).collect();
    if used.len() != 1 {
        return None;
    }
    let served = |name: &str| plan.targets.iter().any(|target| target.name.ends_with(name));
    let name = FALLBACKS.into_iter().find(|name| !served(name))?;
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

/// A cache, or one that keeps twice as long; nothing where no job is ever repeated.
fn cache(plan: &Plan) -> Option<Change> {
    let repeated = |workload: &Workload| {
        let traced = matches!(workload.arrivals, Arrivals::Trace { .. });
        !traced && workload.repeats.is_some_and(|repeats| repeats.share > 0.0)
    };
    if !plan.workloads.iter().any(repeated) {
        return None;
    }
    let (words, cache) = match plan.client.cache {
        None => (
            format!(
                "cache {} answers for {}",
                print_count(u64::from(CACHE.entries)),
                print_duration(CACHE.ttl)
            ),
            CACHE,
        ),
        Some(cache) => {
            let ttl = cache.ttl * 2;
            (
                format!("cache for {} instead of {}", print_duration(ttl), print_duration(cache.ttl)),
                Cache { ttl, ..cache },
            )
        }
    };
    Some(Change { words, kind: Kind::Client, edit: Edit::Cache(cache) })
}

/// A tactic of the client, and whether the plan has it already.
struct Tactic {
    words: &'static str,
    edit: Edit,
    in_force: bool,
}

/// The tactics that mean something in a plan.
fn tactics(plan: &Plan) -> Vec<Tactic> {
    let client = &plan.client;
    let mut tactics = vec![Tactic {
        words: "pace by tokens",
        edit: Edit::Pace(Pace::Tokens),
        in_force: client.pace == Pace::Tokens,
    }];
    if client.retry.attempts > 1 {
        tactics.push(Tactic {
            words: "full jitter",
            edit: Edit::Jitter(Jitter::Full),
            in_force: client.retry.backoff.jitter == Jitter::Full,
        });
        tactics.push(Tactic {
            words: "a retry budget of 20 %",
            edit: Edit::Budget(BUDGET),
            in_force: client.retry.budget_permille.is_some_and(|budget| budget <= BUDGET),
        });
    }
    let mut choices = plan.routes.iter().flat_map(|route| &route.steps).filter(|step| step.targets.len() > 1);
    if let Some(first) = choices.next() {
        tactics.push(Tactic {
            words: "pick the account with most room",
            edit: Edit::Pick(Pick::MostRoom),
            in_force: choices.chain([first]).all(|step| step.pick == Pick::MostRoom),
        });
    }
    tactics
}

fn client(plan: &Plan) -> impl Iterator<Item = Change> {
    let lacking = tactics(plan).into_iter().filter(|tactic| !tactic.in_force);
    lacking.map(|Tactic { words, edit, .. }| Change { words: words.to_owned(), kind: Kind::Client, edit })
}

/// The tactics that need not be tried, because the plan has them.
pub(super) fn in_force(plan: &Plan) -> Vec<&'static str> {
    tactics(plan).iter().filter(|tactic| tactic.in_force).map(|tactic| tactic.words).collect()
}

fn traffic(plan: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    let most: Vec<Option<u32>> = plan.workloads.iter().map(enough_tokens).collect();
    if most.iter().any(Option::is_some) {
        let each: Vec<String> = most.iter().flatten().map(|most| print_count(u64::from(*most))).collect();
        let words = format!("max_tokens {} (99 % of answers)", each.join(", "));
        changes.push(Change { words, kind: Kind::Traffic, edit: Edit::MaxTokens(most) });
    }
    let words = "prompts a quarter shorter".to_owned();
    changes.push(Change { words, kind: Kind::Traffic, edit: Edit::Prompt(PROMPT) });
    let night = batches(plan);
    if !night.is_empty() {
        let names: Vec<&str> = night.iter().map(|index| plan.workloads[*index].name.as_str()).collect();
        let words = format!("{} at night (0-6 h)", names.join(", "));
        changes.push(Change { words, kind: Kind::Traffic, edit: Edit::Night(night) });
    }
    changes
}

/// A bound that 99 % of the completions keep, where it is smaller than the bound there is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn enough_tokens(workload: &Workload) -> Option<u32> {
    let most = match &workload.arrivals {
        Arrivals::Trace { rows } => {
            let mut sizes: Vec<u32> = rows.iter().map(|row| row.completion_tokens).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len().saturating_sub(1) * 99 / 100).copied()?
        }
        _ => libm::ceil(workload.completion.quantile(0.99)) as u32,
    };
    let most = most.max(1);
    (most < workload.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)).then_some(most)
}

/// The workloads that need not come when they do: those that say so by their name, or all but the first.
/// A run of less than a day has no night.
fn batches(plan: &Plan) -> Vec<usize> {
    let rated = |workload: &Workload| {
        !matches!(workload.arrivals, Arrivals::Burst { .. } | Arrivals::Users { .. } | Arrivals::Trace { .. })
    };
    let named: Vec<usize> = indices(plan, |index| plan.workloads[index].name.contains("batch"));
    let waiting = if named.is_empty() { indices(plan, |index| index > 0) } else { named };
    let day = plan.duration >= Nanos::DAY;
    waiting.into_iter().filter(|index| day && rated(&plan.workloads[*index])).collect()
}

fn indices(plan: &Plan, which: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..plan.workloads.len()).filter(|index| which(*index)).collect()
}
