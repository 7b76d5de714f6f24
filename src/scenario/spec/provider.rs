//! One provider: its dialect, its accounts and their keys, its models, its incidents.

use super::incident::incidents;
use super::model::{Inherited, law, model};
use super::reserve::reserve;
use crate::scenario::value::{Value, Word, shortened};
use provider::config::{AccountConfig, CachedTokens, Config, Dialect, Law, ModelConfig, Reserve, Tier};

/// A provider as read; what was wrong is reported and left out.
#[derive(Debug)]
pub(in crate::scenario) struct ProviderSpec {
    /// The world's side of it. Without accounts or models only where those were wrong.
    pub(in crate::scenario) config: Config,
    /// The models whose latency is assumed.
    pub(in crate::scenario) assumed_latency: Vec<String>,
}

/// Reads a provider whose preset is already laid under it.
pub(super) fn provider(name: &Word, value: &Value) -> ProviderSpec {
    let config = Config {
        name: name.text.clone(),
        dialect: Dialect::default(),
        tier: Tier::default(),
        accounts: Vec::new(),
        models: Vec::new(),
        incidents: Vec::new(),
    };
    let mut spec = ProviderSpec { config, assumed_latency: Vec::new() };
    let Some(mut fields) = value.fields("groq: {preset: groq-free}") else { return spec };
    fields.get("preset"); // laid under by `preset`
    if let Some(dialect) = fields.get("dialect").and_then(|value| dialect(&value)) {
        spec.config.dialect = dialect;
    }
    if let Some(tier) = fields.get("tier").and_then(|value| tier(&value)) {
        spec.config.tier = tier;
    }
    let cached = CachedTokens::of(spec.config.dialect);
    let written = fields.get("reserve").and_then(|value| reserve(&value, cached));
    let inherited = Inherited {
        law: law(&mut fields, Law::default()),
        reserve: written.unwrap_or(Reserve { cached, ..Reserve::default() }),
        cached,
    };
    spec.config.accounts = match fields.get("accounts") {
        Some(value) => accounts(&value),
        None => vec![AccountConfig { name: "default".into(), keys: vec!["default".into()] }],
    };
    let example = "models: {gpt-oss-120b: {limits: {rpm: 1000}}}` or `preset: groq-free";
    let models = if fields.has("preset") { fields.get("models") } else { fields.require("models", example) };
    for (name, value) in models.and_then(|models| named(&models)).unwrap_or_default() {
        let (mut model, assumed) = model(&name, &value, inherited);
        if let Some(first) =
            spec.config.models.iter().find(|first| model.family.is_some() && first.family == model.family)
        {
            share(first, &mut model, &value);
        }
        if assumed {
            spec.assumed_latency.push(model.name.clone());
        }
        spec.config.models.push(model);
    }
    spec.config.incidents = fields.get("incidents").map(|value| incidents(&value)).unwrap_or_default();
    fields.done();
    spec
}

/// Gives a model the limits of the first of its family, whose meter it draws from.
fn share(first: &ModelConfig, model: &mut ModelConfig, value: &Value) {
    if !model.limits.is_empty() && model.limits != first.limits {
        value.wrong(
            format!("its family draws from the limits of `{}`, and these are others", shortened(&first.name)),
            "leave the limits out here, or give both models the same",
        );
    }
    model.limits.clone_from(&first.limits);
}

fn dialect(value: &Value) -> Option<Dialect> {
    value.one_of(&Dialect::ALL.map(|dialect| (dialect.name(), dialect)))
}

fn tier(value: &Value) -> Option<Tier> {
    value.one_of(&[("free", Tier::Free), ("developer", Tier::Developer)])
}

fn named<'a>(value: &Value<'a>) -> Option<Vec<(Word, Value<'a>)>> {
    let entries = value.entries("name: {…}")?;
    if entries.is_empty() {
        value.wrong("nothing is listed here", "give at least one");
    }
    Some(entries)
}

fn accounts(value: &Value) -> Vec<AccountConfig> {
    let mut taken: Vec<Word> = Vec::new();
    let mut accounts = Vec::new();
    for (name, value) in named(value).unwrap_or_default() {
        if name.text.contains('/') {
            value.blame(
                &name,
                format!("the account name `{}` contains `/`", name.text),
                "choose a name without: targets are written `provider/account/model`",
            );
        }
        let mut keys = Vec::new();
        for key in self::keys(&value) {
            match taken.iter().find(|other| other.text == key.text) {
                Some(other) => value.blame(
                    &key,
                    format!("the key `{}` is already used on line {}", key.text, other.place.line),
                    "give every key of a provider its own name: a key belongs to one account",
                ),
                None => {
                    keys.push(key.text.clone());
                    taken.push(key);
                }
            }
        }
        accounts.push(AccountConfig { name: name.text, keys });
    }
    accounts
}

/// `{keys: [k1, k2]}`, or the list alone.
fn keys(value: &Value) -> Vec<Word> {
    let listed = if value.is_map() {
        let Some(mut fields) = value.fields("{keys: [k1]}") else { return Vec::new() };
        let keys = fields.require("keys", "keys: [k1]");
        fields.done();
        keys
    } else {
        Some(value.clone())
    };
    let Some(items) = listed.as_ref().and_then(|keys| keys.items("[k1, k2]")) else { return Vec::new() };
    if items.is_empty() {
        value.wrong("an account without keys cannot be used", "give it one, such as `{keys: [k1]}`");
    }
    items.iter().filter_map(Value::word).collect()
}
