//! One provider: its dialect, its accounts and their keys, its models, its incidents.

use super::answers::{Answer, Answers, answers};
use super::evidence::evidence;
use super::incident::incident;
use super::limits::stated_policy;
use super::model::{Inherited, model};
use super::reserve::reserve;
use crate::scenario::answer_cache::AnswerCache;
use crate::scenario::diagnostics::{Diagnostics, Name, shortened};
use crate::scenario::evidence::Evidence;
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::{BaseUrl, KeySource, Upstream};
use provider::calendar::LocalClock;
use provider::config::{AccountConfig, CachedTokens, Config, Dialect, ModelConfig, Reserve, Tier};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A provider that was read. Its accounts or models are empty only if they were invalid, which has been reported.
#[derive(Debug)]
pub(in crate::scenario) struct ProviderSpec {
    /// The provider.
    pub(in crate::scenario) config: Config,
    /// How the real provider is reached.
    pub(in crate::scenario) upstream: Upstream,
    /// The models without a stated latency.
    pub(in crate::scenario) models_without_latency: Vec<String>,
    /// `allow_retired`.
    pub(in crate::scenario) allow_retired: bool,
    /// The retired models, each with the date of its retirement.
    pub(in crate::scenario) retired: BTreeMap<String, String>,
    /// `answers`.
    pub(in crate::scenario) answers: Vec<Answer>,
    /// The files with recorded exchanges that `answers` names.
    pub(in crate::scenario) answer_files: Vec<PathBuf>,
    /// `evidence` of the provider.
    pub(in crate::scenario) evidence: Vec<Evidence>,
    /// `evidence` of each model, by its name.
    pub(in crate::scenario) model_evidence: BTreeMap<String, Vec<Evidence>>,
}

/// Builds a provider whose preset is merged already. Paths are relative to `base_dir`; without one, a path of recorded
/// exchanges is reported.
pub(in crate::scenario) fn provider(
    name: &str,
    fields: Option<&Fields>,
    (base_dir, cache, clock): (Option<&Path>, &AnswerCache, &LocalClock),
    diagnostics: &Diagnostics,
) -> ProviderSpec {
    let config = Config {
        name: name.to_owned(),
        dialect: Dialect::default(),
        tier: Tier::default(),
        accounts: Vec::new(),
        models: Vec::new(),
        incidents: Vec::new(),
        start_levels: Vec::new(),
    };
    let mut spec = ProviderSpec {
        config,
        upstream: Upstream { base_url: None, keys: Vec::new() },
        models_without_latency: Vec::new(),
        allow_retired: false,
        retired: BTreeMap::new(),
        answers: Vec::new(),
        answer_files: Vec::new(),
        evidence: Vec::new(),
        model_evidence: BTreeMap::new(),
    };
    let Some(fields) = fields else { return spec };
    spec.allow_retired = fields.bool("allow_retired").unwrap_or_default();
    spec.evidence = evidence(fields);
    let config = &mut spec.config;
    let dialects = Dialect::ALL.map(|dialect| (dialect.name(), dialect));
    config.dialect = fields.choice("dialect", &dialects).unwrap_or_default();
    let tiers = [("free", Tier::Free), ("developer", Tier::Developer)];
    config.tier = fields.choice("tier", &tiers).unwrap_or_default();
    spec.upstream.base_url = fields.text("base_url").and_then(|text| BaseUrl::parse(text).ok());
    (config.accounts, spec.upstream.keys) = accounts(fields, base_dir, diagnostics).into_iter().unzip();
    config.incidents =
        fields.items("incidents").iter().filter_map(|value| incident(value, clock, diagnostics)).collect();
    let cached = CachedTokens::default_of(config.dialect);
    let reserve = fields.get("reserve").and_then(|value| reserve(value, cached, diagnostics));
    let inherited = Inherited {
        dialect: config.dialect,
        refill: stated_policy(fields, None, diagnostics),
        reserve: reserve.unwrap_or(Reserve::default_of(config.dialect)),
        cached,
    };
    for (name, value) in fields.named_entries("models") {
        let Some(mut model) = model(name, value, inherited, diagnostics) else { continue };
        let mut models = spec.config.models.iter();
        if let Some(first) = models.find(|first| model.family.is_some() && first.family == model.family) {
            share_limits(first, &mut model, value, diagnostics);
        }
        if let Some(fields) = value.fields() {
            if !fields.is_given("latency") {
                spec.models_without_latency.push(model.name.clone());
            }
            spec.retired.extend(fields.text("retired").map(|date| (model.name.clone(), date.to_owned())));
            spec.model_evidence.insert(model.name.clone(), evidence(fields));
        }
        spec.config.models.push(model);
    }
    let Answers { answers, files } = answers(fields, &spec.config, (base_dir, cache), diagnostics);
    (spec.answers, spec.answer_files) = (answers, files);
    spec.config.begin_at(clock.epoch());
    spec
}

/// Gives a model the limits of the first model of its family, since both use one quota. Reports limits that differ from those.
fn share_limits(first: &ModelConfig, model: &mut ModelConfig, value: &Value, diagnostics: &Diagnostics) {
    if !model.limits.is_empty() && model.limits != first.limits {
        let what = format!(
            "these limits differ from those of `{}`, a model of the same family, with which it shares one quota",
            shortened(&first.name, 60)
        );
        diagnostics.report_at(&value.at, what, "leave the limits out here, or give both models the same");
    }
    model.limits.clone_from(&first.limits);
}

/// Returns the accounts, each with the sources of its keys.
fn accounts(
    fields: &Fields,
    base_dir: Option<&Path>,
    diagnostics: &Diagnostics,
) -> Vec<(AccountConfig, Vec<KeySource>)> {
    if !fields.is_given("accounts") {
        let account = AccountConfig { name: "default".into(), keys: vec!["default".into()] };
        return vec![(account, vec![KeySource::Written])];
    }
    let mut used: Vec<Name> = Vec::new();
    let mut accounts = Vec::new();
    for (name, value) in fields.named_entries("accounts") {
        let items = value.fields().map_or_else(|| value.items(), |fields| fields.items("keys"));
        let (mut keys, mut sources) = (Vec::new(), Vec::new());
        for (key, source) in items.iter().filter_map(|value| self::key(value, base_dir)) {
            if let Some(other) = used.iter().find(|other| other.text == key.text) {
                let what = format!("this key is already used on line {}", other.at.place.line);
                let help = "give every key of a provider its own name: a key belongs to one account";
                diagnostics.report_at(&key.at, what, help);
            } else {
                if !key.text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    let (what, help) = match source {
                        KeySource::File(_) => {
                            ("the path of this key", "give the file a path in ASCII without blanks")
                        }
                        _ => ("this key", "write it in ASCII without blanks, such as `k1`"),
                    };
                    let what = format!("{what} has characters other than visible ASCII");
                    diagnostics.report_at(&key.at, what, help);
                }
                keys.push(key.text.clone());
                sources.push(source);
                used.push(key);
            }
        }
        accounts.push((AccountConfig { name: name.text.clone(), keys }, sources));
    }
    accounts
}

/// Returns the name of a key and its source; `None` if it is invalid, which has been reported.
pub(super) fn key(value: &Value, base_dir: Option<&Path>) -> Option<(Name, KeySource)> {
    let Some(fields) = value.fields() else { return Some((value.name()?, KeySource::Written)) };
    let env = |name: Name| (KeySource::Env(name.text.clone()), name);
    let file = |name: Name| (KeySource::File(base_dir.unwrap_or(Path::new("")).join(&name.text)), name);
    let (source, name) = fields.name("env").map(env).or_else(|| fields.name("file").map(file))?;
    Some((name, source))
}
