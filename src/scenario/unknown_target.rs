//! The problems of a target that does not exist: an unknown provider, account or model, or a model that is retired.

use super::spec::ProviderSpec;
use crate::problem::{alternatives, did_you_mean, nearest};
use provider::config::Config;
use provider::units::ParseError;

pub(super) fn unknown_provider<'a>(
    name: &str,
    rest: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> ParseError {
    let help = match nearest(name, known.clone()) {
        Some(near) if !rest.is_empty() => format!("did you mean `{near}/{rest}`?"),
        _ => format!("{} as the first part of `provider/account/model`", did_you_mean(name, known)),
    };
    ParseError::new(format!("there is no provider `{name}`"), help)
}

pub(super) fn unknown_account(target: &str, config: &Config) -> ParseError {
    let provider = &config.name;
    let rest = target.split_once('/').map_or("", |(_, rest)| rest);
    let (account, model) = rest.split_once('/').unwrap_or((rest, ""));
    let known = config.accounts.iter().map(|account| account.name.as_str());
    let what = match account {
        "" => format!("`{target}` has no account and no model"),
        account => format!("`{provider}` has no account `{account}`"),
    };
    let help = match (nearest(account, known.clone()), known.clone().next()) {
        (_, Some(first)) if config.models.iter().any(|model| model.name == rest) => {
            format!("a target is `provider/account/model`: did you mean `{provider}/{first}/{rest}`?")
        }
        (Some(near), _) if !model.is_empty() => format!("did you mean `{provider}/{near}/{model}`?"),
        _ => format!("{} as the second part", did_you_mean(account, known)),
    };
    ParseError::new(what, help)
}

pub(super) fn unknown_model(target: &str, config: &Config) -> ParseError {
    let mut parts = target.splitn(3, '/');
    let [provider, account, model] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let known = config.models.iter().map(|model| model.name.as_str());
    let what = match model {
        "" => format!("`{target}` has no model"),
        model => format!("`{provider}` has no model `{model}`"),
    };
    let help = match nearest(model, known.clone()) {
        Some(near) => format!("did you mean `{provider}/{account}/{near}`?"),
        None => format!("{} as the last part", did_you_mean(model, known)),
    };
    ParseError::new(what, help)
}

pub(super) fn retired_model(spec: &ProviderSpec, model: &str, date: &str) -> ParseError {
    let provider = &spec.config.name;
    let offered = spec.config.models.iter().map(|model| model.name.as_str());
    let offered: Vec<&str> = offered.filter(|name| !spec.retired.contains_key(*name)).collect();
    let instead = match offered[..] {
        [] => String::new(),
        _ => format!("name a model that is offered ({}), or ", alternatives(&offered)),
    };
    ParseError::new(
        format!("`{model}` is retired: `{provider}` has not offered it since {date}"),
        format!("{instead}write `allow_retired: true` at `providers.{provider}` to simulate it anyway"),
    )
}
