//! What a mock prints when it serves: for people, or as one line of JSON for scripts.

use super::super::quoted;
use super::base_urls::base_urls;
use super::{TOKEN_VARIABLE, environment};
use crate::api_keys::masked;
use crate::formatting::plural;
use crate::scenario::{KeySource, Upstream};
use provider::config::Config;
use provider::server::ControlPlane;
use provider::wire::{self, KeyLocation, WireFormat};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Returns for each provider: its address, accounts and models; for each wire format of its dialect, a command that requests a
/// completion; the base URLs and the environment variables of the SDKs; and whether it has a control plane. `upstreams` states
/// where the real keys are, `any_key` whether keys that no account has belong to the first account.
pub(super) fn text(
    providers: &[Config],
    upstreams: &[Upstream],
    addresses: &[SocketAddr],
    control: &ControlPlane,
    any_key: bool,
) -> String {
    let mut out = String::new();
    for ((config, upstream), address) in providers.iter().zip(upstreams).zip(addresses) {
        let (name, dialect, base) =
            (&config.name, config.dialect.name(), wire::format(config.dialect).base());
        let _ = writeln!(out, "{name} ({dialect}) listens on http://{address}{base}");
        for (index, (account, sources)) in config.accounts.iter().zip(&upstream.keys).enumerate() {
            let others = if any_key && index == 0 { ", and any other key" } else { "" };
            let _ = writeln!(out, "  account {}: {}{others}", account.name, keys(&account.keys, sources));
        }
        let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
        let _ = writeln!(out, "  models: {}", models.join(", "));
        let first_key = config.accounts.first().and_then(|account| account.keys.first());
        let source = upstream.keys.first().and_then(|sources| sources.first());
        let key = first_key.zip(source).and_then(|(key, source)| public(key, source)).unwrap_or("KEY");
        if let Some(model) = models.first().filter(|_| first_key.is_some()) {
            for format in wire::formats(config.dialect) {
                let _ = writeln!(out, "  try: {}", curl(*format, *address, key, model));
            }
        }
        out.push_str(&base_urls(config.dialect, *address));
        let variables = environment::of_provider(config, *address, key);
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let _ = writeln!(out, "  for SDKs: export {}", variables.join(" "));
        let _ = match control {
            ControlPlane::Enabled => {
                writeln!(out, "  control plane: http://{address}/_quotalab and /metrics")
            }
            ControlPlane::WithToken(_) => writeln!(
                out,
                "  control plane: http://{address}/_quotalab and /metrics, with the token of {TOKEN_VARIABLE}"
            ),
            ControlPlane::Disabled | ControlPlane::JournalOnly => {
                writeln!(out, "  control plane: off; enable it with --control")
            }
        };
    }
    out
}

/// The line of JSON.
#[derive(Serialize)]
struct Announcement<'a> {
    providers: Vec<Provider<'a>>,
    /// The variables of all providers together. If several providers use one, it has the value of the first of them.
    environment: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Provider<'a> {
    name: &'a str,
    dialect: &'static str,
    address: SocketAddr,
    url: String,
    /// The base URL of OpenAI-compatible clients.
    base_url: String,
    control_plane: Option<String>,
    accounts: Vec<Account<'a>>,
    models: Vec<&'a str>,
    environment: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Account<'a> {
    name: &'a str,
    /// The mock's own keys, which no real provider accepts; masked if they look like those of a real one.
    keys: Vec<Cow<'a, str>>,
}

/// Returns the announcement as one line of JSON, with the keys, without the commands and the base URLs of single SDKs. Keys that
/// look like those of a real provider are masked, because the line is likely to be logged.
pub(super) fn json(providers: &[Config], addresses: &[SocketAddr], control: &ControlPlane) -> String {
    let has_control = matches!(control, ControlPlane::Enabled | ControlPlane::WithToken(_));
    let provider = |(config, address): (&'_ Config, &SocketAddr)| {
        let url = format!("http://{address}");
        let key = config.accounts.first().and_then(|account| account.keys.first());
        let variables = environment::of_provider(config, *address, key.map_or("", String::as_str));
        (config.name.clone(), url, variables)
    };
    let parts: Vec<_> = providers.iter().zip(addresses).map(provider).collect();
    let rendered = providers.iter().zip(addresses).zip(&parts);
    let rendered = rendered.map(|((config, address), (name, url, variables))| Provider {
        name,
        dialect: config.dialect.name(),
        address: *address,
        url: url.clone(),
        base_url: format!("{url}{}", wire::format(config.dialect).base()),
        control_plane: has_control.then(|| format!("{url}/_quotalab")),
        accounts: config
            .accounts
            .iter()
            .map(|account| Account {
                name: &account.name,
                keys: account.keys.iter().map(|key| masked(key)).collect(),
            })
            .collect(),
        models: config.models.iter().map(|model| model.name.as_str()).collect(),
        environment: with_masked_keys(variables),
    });
    let announcement = Announcement {
        providers: rendered.collect(),
        environment: with_masked_keys(&environment::of_all(providers, addresses)),
    };
    let line = serde_json::to_string(&announcement).expect("invariant: every member is serialisable");
    line + "\n"
}

/// The key of an account that the scenario does not describe. It is no secret, in contrast to the keys of a scenario.
const DEFAULT_KEY: &str = "default";

/// Returns a key if it is no secret: that of an account that the scenario does not describe, or the name of a variable or a file.
fn public<'k>(key: &'k str, source: &KeySource) -> Option<&'k str> {
    let is_public = match source {
        KeySource::Written => key == DEFAULT_KEY,
        // The name may be a key that was written there by mistake.
        KeySource::Env(_) | KeySource::File(_) => masked(key) == key,
    };
    is_public.then_some(key)
}

/// Describes the keys of an account, without printing those that are written in a scenario.
fn keys(keys: &[String], sources: &[KeySource]) -> String {
    let named: Vec<&str> = keys.iter().zip(sources).filter_map(|(key, source)| public(key, source)).collect();
    match keys.len() - named.len() {
        0 => named.join(", "),
        others => {
            let others = format!("{} of the scenario", plural(others as u64, "key"));
            named.into_iter().chain([&*others]).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Returns the environment variables, with their keys masked.
fn with_masked_keys(variables: &[(String, String)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| (name.clone(), masked(value).into_owned())).collect()
}

/// Returns a command that requests a completion.
fn curl(format: &dyn WireFormat, address: SocketAddr, key: &str, model: &str) -> String {
    let header = match format.key_locations().first() {
        Some(KeyLocation::Header(name)) => format!("{name}: {key}"),
        Some(KeyLocation::Bearer | KeyLocation::Query(_)) | None => format!("Authorization: Bearer {key}"),
    };
    let path = format.path(model);
    let body = if path.ends_with(":generateContent") {
        serde_json::json!({ "contents": [{ "parts": [{ "text": "hello" }] }] })
    } else {
        serde_json::json!({
            "model": model,
            "messages": [{ "role": "user", "content": "hello" }],
            "max_tokens": 100,
        })
    };
    let url = quoted(&format!("http://{address}{path}"));
    format!("curl -i {url} -H {} -d {}", quoted(&header), quoted(&body.to_string()))
}
