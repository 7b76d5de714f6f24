//! The catalogue of changes that every plan tries, each only if it would have an effect. For a policy that is already in
//! force, the ablation is tried instead, or more of the policy.

use super::change::{Change, Edit};
use super::finding::PlanNote;
use super::not_tried::{NotTriedReason, UntriedChange};
use super::plan::ChangeKind;
use super::policies;
use super::purchase::{MAX_FREE_ACCOUNTS, has_free_accounts};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::job::MAX_TOKENS;
use crate::scenario::{Arrivals, Metric, Op, Scenario, Workload, preset};
use provider::Nanos;
use provider::config::{Config, DEFAULT_MAX_TOKENS, Tier};
use provider::units::print_count;

/// An account is tried if it raises the analytic ceiling by more than this ratio.
const MIN_LIFT: f64 = 1.005;
/// The share to which prompts are shortened.
const PROMPT_SHARE: f64 = 0.75;
/// The preset of the tier above the free one; it also provides the fallback.
const DEVELOPER: &str = "groq-developer";
/// The models to fall back to: both are on every tier, and each has limits of its own.
const FALLBACKS: [&str; 2] = ["openai/gpt-oss-120b", "openai/gpt-oss-20b"];

/// Returns every change worth trying on `scenario`.
pub(super) fn changes(scenario: &Scenario) -> Vec<Change> {
    let mut changes = accounts(scenario);
    changes.extend(tiers(scenario));
    changes.extend(other_models(scenario));
    changes.extend(fallback(scenario));
    changes.extend(policies::changes(scenario));
    changes.extend(traffic(scenario));
    changes.extend(scenario.what_if.iter().map(|own| Change {
        name: own.name.clone(),
        kind: ChangeKind::Own,
        edit: Edit::Own(Box::new(own.scenario.clone())),
    }));
    changes
}

/// Returns the change that adds an account at a provider, given by its index and its configuration.
pub(super) fn account((index, config): (usize, &Config)) -> Change {
    Change {
        name: format!("one more account at {}", config.name),
        kind: ChangeKind::Quota,
        edit: Edit::Account { provider: index as u16 },
    }
}

/// Returns the change to one more account for every provider whose quota binds, so that more of it raises the analytic
/// ceiling.
fn accounts(scenario: &Scenario) -> Vec<Change> {
    let multiple = Ceiling::of(scenario).multiple;
    let binds =
        |change: &Change| Ceiling::of(&Change::all(scenario, [change])).multiple > multiple * MIN_LIFT;
    scenario.providers.iter().enumerate().map(account).filter(binds).collect()
}

/// Returns notes on changes whose names do not state every consequence, and on changes that were not tried, with the
/// reason.
pub(super) fn notes(scenario: &Scenario) -> Vec<PlanNote> {
    let mut notes: Vec<PlanNote> = other_models(scenario)
        .into_iter()
        .map(|change| PlanNote::OtherModel { change: change.name })
        .collect();
    notes.extend(
        scenario
            .providers
            .iter()
            .filter(|config| has_free_accounts(config))
            .map(|config| PlanNote::FreeAccounts { provider: config.name.clone(), max: MAX_FREE_ACCOUNTS }),
    );
    if scenario.clients_in_use().all(|(id, _)| !policies::has_repeats(scenario, id)) {
        let reason = NotTriedReason::NothingRepeats;
        notes.push(PlanNote::NotTried { change: UntriedChange::CacheAndCoalescing, reason });
    }
    if let Err(reason) = deferrable(scenario) {
        notes.push(PlanNote::NotTried { change: UntriedChange::MoveToNight, reason });
    }
    notes
}

fn developer() -> Config {
    preset(DEVELOPER).expect("invariant: the built-in preset exists")
}

/// Returns the change to the developer tier for every provider that is on the free tier and has a target whose model the
/// developer tier has.
pub(super) fn tiers(scenario: &Scenario) -> Vec<Change> {
    let better = developer();
    let has = |name: &str| better.models.iter().any(|model| model.name == name);
    let is_upgradable = |provider: usize, config: &Config| {
        let mut used = scenario.targets.iter().filter(|target| usize::from(target.provider) == provider);
        config.tier == Tier::Free && used.any(|target| has(&config.models[usize::from(target.model)].name))
    };
    let free = scenario.providers.iter().enumerate().filter(|(index, config)| is_upgradable(*index, config));
    let change = |(index, config): (usize, &Config)| Change {
        name: format!("{} on {DEVELOPER}", config.name),
        kind: ChangeKind::Quota,
        edit: Edit::Tier { provider: index as u16, better: better.clone() },
    };
    free.map(change).collect()
}

/// Returns the first of [`FALLBACKS`] that no target serves yet.
fn unserved(scenario: &Scenario) -> Option<&'static str> {
    let served = |name: &str| scenario.targets.iter().any(|target| target.name.ends_with(name));
    FALLBACKS.into_iter().find(|name| !served(name))
}

/// Returns a change for each provider in use that has the first model of [`FALLBACKS`] that no target serves: this model as
/// the last step of its routes, on the present accounts. Limits are per model, so this is quota that is paid for already,
/// but the answers are another model's.
fn other_models(scenario: &Scenario) -> Vec<Change> {
    let Some(name) = unserved(scenario) else { return Vec::new() };
    let change = |(index, config): (usize, &Config)| {
        let model = config.models.iter().position(|model| model.name == name)?;
        Some(Change {
            name: format!("fall back to {name} at {}", config.name),
            kind: ChangeKind::Quota,
            edit: Edit::OtherModel { provider: index as u16, model: model as u16 },
        })
    };
    used_providers(scenario).filter_map(change).collect()
}

/// Returns the providers with a target, each with its index.
pub(super) fn used_providers(scenario: &Scenario) -> impl Iterator<Item = (usize, &Config)> {
    let uses = |index: usize| scenario.targets.iter().any(|target| usize::from(target.provider) == index);
    scenario.providers.iter().enumerate().filter(move |(index, _)| uses(*index))
}

/// Returns the change that adds a model of the developer tier as the last step, on an account of its own; `None` if a
/// provider on that tier has the model already, or if every model of [`FALLBACKS`] is served.
pub(super) fn fallback(scenario: &Scenario) -> Option<Change> {
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
    let change = format!("fall back to {DEVELOPER} {name}");
    (!config.models.is_empty()).then_some(Change {
        name: change,
        kind: ChangeKind::Quota,
        edit: Edit::Fallback { config },
    })
}

fn traffic(scenario: &Scenario) -> Vec<Change> {
    let bounds = shorter_completions(scenario).into_iter().chain(longer_completions(scenario));
    let mut changes: Vec<Change> = bounds.collect();
    let name = "prompts a quarter shorter".to_owned();
    changes.push(Change { name, kind: ChangeKind::Traffic, edit: Edit::Prompt(PROMPT_SHARE) });
    changes.extend(deferrable(scenario).ok().map(|workloads| {
        let names: Vec<&str> =
            workloads.iter().map(|index| scenario.workloads[*index].name.as_str()).collect();
        let name = format!("{} at night (0-6 h)", names.join(", "));
        Change { name, kind: ChangeKind::Traffic, edit: Edit::MoveToNight(workloads) }
    }));
    changes
}

/// Returns the change that bounds the completions of each workload so that at most 1 % of them are cut; at most 5 % if no
/// workload has a bound for 1 % below its present one; `None` if none has one for 5 % either.
fn shorter_completions(scenario: &Scenario) -> Option<Change> {
    let bounds = |percent| {
        let bounds: Vec<_> =
            scenario.workloads.iter().map(|workload| smaller_bound(workload, percent)).collect();
        bounds.iter().any(Option::is_some).then_some((percent, bounds))
    };
    let (percent, bounds) = bounds(99).or_else(|| bounds(95))?;
    let each: Vec<String> = bounds.iter().flatten().map(|bound| print_count(u64::from(*bound))).collect();
    let bound = format!("max_tokens {}", each.join(", "));
    let edit = Edit::MaxTokens(bounds.clone());
    let change = Change { name: bound.clone(), kind: ChangeKind::Traffic, edit };
    let changed = Change::all(scenario, [&change]);
    let bounded = changed.workloads.iter().zip(&bounds).filter(|(_, bound)| bound.is_some());
    let mut shares = bounded.map(|(workload, _)| changed.cut_share(workload));
    let cuts = shares.any(|cut| cut.is_some_and(|cut| cut > 0.0));
    let name = if cuts {
        format!("cut {} % of answers: {bound}", 100 - percent)
    } else {
        format!("{bound} (cuts no answer)")
    };
    Some(Change { name, ..change })
}

/// Returns higher bounds for the workloads that break a rule on cut answers: bounds that cut at most half of what the rules
/// allow. `None` if no workload breaks one, or if no bound is enough.
fn longer_completions(scenario: &Scenario) -> Option<Change> {
    let larger = |(index, workload): (usize, &Workload)| {
        let rules = scenario.expect.iter().filter(|rule| {
            rule.metric == Metric::CutShare && matches!(rule.op, Op::AtMost | Op::Below) && rule.judges(index)
        });
        let allowed = rules.map(|rule| rule.value).reduce(f64::min)?;
        let present = workload.max_tokens.filter(|_| scenario.cut_share(workload) > Some(allowed))?;
        // Half of what is allowed, since a run may by chance cut more than the mean.
        completion_bound(workload, 1.0 - allowed / 2.0).filter(|bound| *bound > present)
    };
    let bounds: Vec<Option<u32>> = scenario.workloads.iter().enumerate().map(larger).collect();
    let each: Vec<String> = bounds.iter().flatten().map(|bound| print_count(u64::from(*bound))).collect();
    (!each.is_empty()).then(|| Change {
        name: format!("longer answers: max_tokens {}", each.join(", ")),
        kind: ChangeKind::Traffic,
        edit: Edit::MaxTokens(bounds),
    })
}

/// Returns the bound that `percent` % of the completions do not exceed, if it is smaller than the present one. Without a
/// present bound, it must be smaller than [`DEFAULT_MAX_TOKENS`], which a call then reserves.
fn smaller_bound(workload: &Workload, percent: u8) -> Option<u32> {
    let bound = completion_bound(workload, f64::from(percent) / 100.0)?;
    (bound < workload.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)).then_some(bound)
}

/// Returns the bound that this share of the completions does not exceed, at least 1; `None` if there is none up to
/// [`MAX_TOKENS`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn completion_bound(workload: &Workload, share: f64) -> Option<u32> {
    debug_assert!((0.0..=1.0).contains(&share), "invariant: a share, found {share}");
    let bound = match &workload.arrivals {
        Arrivals::Trace { rows, .. } => {
            let mut sizes: Vec<u32> = rows.iter().map(|row| row.completion_tokens).collect();
            sizes.sort_unstable();
            let within = libm::ceil(rounded(sizes.len() as f64 * share, 6)) as usize;
            sizes.get(within.checked_sub(1)?).copied()?
        }
        _ => libm::ceil(workload.completion.quantile(share)) as u32,
    };
    (bound <= MAX_TOKENS).then_some(bound.max(1))
}

/// Returns the indices of the workloads that can be moved to the night: those with `deferrable: true` that arrive at a
/// constant rate, in a run of at least a day. If there are none, returns the reason.
fn deferrable(scenario: &Scenario) -> Result<Vec<usize>, NotTriedReason> {
    // With other arrivals, the shape of a night would not keep the number of jobs.
    let has_rate = |index: &usize| {
        matches!(
            scenario.workloads[*index].arrivals,
            Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Renewal { .. }
        )
    };
    let deferrable: Vec<usize> =
        (0..scenario.workloads.len()).filter(|index| scenario.workloads[*index].deferrable).collect();
    let movable: Vec<usize> = deferrable.iter().copied().filter(has_rate).collect();
    match () {
        () if deferrable.is_empty() => Err(NotTriedReason::NoDeferrableWorkload),
        () if scenario.duration < Nanos::DAY => Err(NotTriedReason::RunShorterThanADay),
        () if movable.is_empty() => Err(NotTriedReason::NoRateToMove),
        () => Ok(movable),
    }
}
