//! The providers: their addresses and keys, and the pooled connections to them.

use super::addressing::{self, Addressing};
use super::caller_request::{Bound, CallerRequest};
use super::endpoint::Endpoint;
use super::headers::PassedHeaders;
use super::metrics::{Text, text};
use crate::api_keys::masked;
use crate::drive::https::{self, HttpsClient};
use crate::drive::local_failure;
use crate::drive::secret::{KeyLookup, Secret};
use crate::engine::Attempt;
use crate::engine::parse::Dialect as ReplyDialect;
use crate::event::AttemptFailure;
use crate::ids::TargetId;
use crate::scenario::{BaseUrl, KeySource, Scenario, Target};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use provider::{Instant, Nanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the gateway lacks to reach a provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}\n  help: {help}")]
pub struct ConfigError {
    /// The provider, or the part of the configuration.
    pub place: String,
    /// What is missing or wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// The providers of a scenario, as the gateway reaches them.
#[derive(Debug)]
pub(super) struct Upstreams {
    /// By target.
    targets: Vec<UpstreamTarget>,
    client: HttpsClient<Full<Bytes>>,
}

#[derive(Debug)]
struct UpstreamTarget {
    provider: Arc<UpstreamProvider>,
    /// The name that the provider knows the model by.
    model: Text,
    /// The name of the target as the value of a header; `None` if a header cannot carry it.
    header: Option<HeaderValue>,
    /// Used in turn: the keys of an account share its quota.
    keys: Vec<Key>,
}

/// The number of a key among those of its target.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyNumber(usize);

#[derive(Debug)]
struct Key {
    secret: Secret,
    /// The instant, in nanoseconds, until which other keys of the account are used, because the provider has refused this one.
    avoided_until: AtomicU64,
}

#[derive(Debug)]
struct UpstreamProvider {
    name: Text,
    base_url: BaseUrl,
    /// By endpoint, in the order of [`Endpoint::ALL`].
    uris: Vec<Uri>,
    key_header: HeaderName,
    dialect: ReplyDialect,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendError {
    pub(super) failure: AttemptFailure,
    /// `false` if there was no connection: the provider knows nothing of the request.
    pub(super) is_sent: bool,
}

impl Upstreams {
    /// Reads the addresses and keys of the providers that targets name.
    ///
    /// # Errors
    /// Everything that is missing.
    pub(super) fn new(scenario: &Scenario, lookup: &KeyLookup<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut problems = Vec::new();
        let mut providers: Vec<Option<Arc<UpstreamProvider>>> = Vec::new();
        for number in 0..scenario.providers.len() {
            let is_used = scenario.targets.iter().any(|target| usize::from(target.provider) == number);
            let provider = is_used.then(|| upstream_provider(scenario, number));
            providers.push(
                provider.and_then(|found| found.map_err(|problem| problems.push(problem)).ok().map(Arc::new)),
            );
        }
        let mut targets = Vec::new();
        for target in &scenario.targets {
            let Some(provider) = &providers[usize::from(target.provider)] else { continue };
            match keys(scenario, target, provider, lookup) {
                Ok(keys) => {
                    let config = &scenario.providers[usize::from(target.provider)];
                    let model = text(&config.models[usize::from(target.model)].name);
                    let header = HeaderValue::from_str(&target.name).ok();
                    targets.push(UpstreamTarget { provider: Arc::clone(provider), model, header, keys });
                }
                Err(problem) if !problems.contains(&problem) => problems.push(problem),
                Err(_) => {}
            }
        }
        let tls = https::client_config().map_err(|what| {
            let help = "name a file of PEM certificates, or unset the variable".to_owned();
            problems.push(ConfigError { place: "certificates".to_owned(), what, help });
        });
        match tls {
            Ok(tls) if problems.is_empty() => Ok(Self { targets, client: https::client(tls, None) }),
            _ => Err(problems),
        }
    }

    /// Returns the dialect in which the replies of a target are read.
    pub(super) fn dialect(&self, target: TargetId) -> ReplyDialect {
        self.targets[target.index()].provider.dialect
    }

    /// Returns the name of the provider of a target, and the model that it is asked for.
    pub(super) fn names(&self, target: TargetId) -> (&Text, &Text) {
        let UpstreamTarget { provider, model, .. } = &self.targets[target.index()];
        (&provider.name, model)
    }

    /// Returns the name of a target as the value of a header; `None` if a header cannot carry it.
    pub(super) fn header_of(&self, target: TargetId) -> Option<&HeaderValue> {
        self.targets[target.index()].header.as_ref()
    }

    /// Returns the name and the address of every provider that a target has, in the order of the targets.
    pub(super) fn addresses(&self) -> Vec<(String, String)> {
        let mut addresses: Vec<(String, String)> = Vec::new();
        for UpstreamTarget { provider, .. } in &self.targets {
            if addresses.iter().all(|(name, _)| **name != *provider.name) {
                addresses.push((provider.name.to_string(), provider.base_url.to_string()));
            }
        }
        addresses
    }

    /// Returns the key that an attempt uses at `now`: the next in turn that the provider has not refused lately, or simply the next if
    /// it has refused all.
    pub(super) fn key_for(&self, attempt: &Attempt, now: Instant) -> KeyNumber {
        let keys = &self.targets[attempt.target.index()].keys;
        let first = usize::try_from(attempt.id.0 % keys.len() as u64).unwrap_or(0);
        let mut in_turn = (0..keys.len()).map(|step| (first + step) % keys.len());
        let is_usable = |key: &usize| keys[*key].avoided_until.load(Ordering::Relaxed) <= now.0;
        KeyNumber(in_turn.find(is_usable).unwrap_or(first))
    }

    /// Avoids a key of a target from `now` for [`KEY_AVOIDANCE`], if its account has another one: the provider has refused it.
    pub(super) fn avoid_key(&self, target: TargetId, KeyNumber(key): KeyNumber, now: Instant) {
        let until = now + KEY_AVOIDANCE;
        self.targets[target.index()].keys[key].avoided_until.store(until.0, Ordering::Relaxed);
    }

    /// Returns the body of an error without the keys of its target.
    pub(super) fn without_keys(&self, target: TargetId, body: Bytes) -> Bytes {
        let keys = &self.targets[target.index()].keys;
        keys.iter().fold(body, |body, key| key.secret.masked_in(body))
    }

    /// Sends a request with a key of the target and waits for the head of the response. `headers` are those of the caller that are
    /// passed on.
    ///
    /// # Errors
    /// If there is no response. A request that was not written because its connection had been closed while it was idle is sent over
    /// another one.
    pub(super) async fn send(
        &self,
        (target, KeyNumber(key)): (TargetId, KeyNumber),
        (request, bound): (&CallerRequest, Option<Bound>),
        headers: &PassedHeaders,
    ) -> Result<Response<Incoming>, SendError> {
        let UpstreamTarget { provider, model, keys, .. } = &self.targets[target.index()];
        let uri = &provider.uris[request.endpoint as usize];
        let mut sent = Request::new(Full::new(request.body_for(model, bound)));
        *sent.method_mut() = Method::POST;
        *sent.uri_mut() = uri.clone();
        *sent.headers_mut() = headers.with(provider.key_header.clone(), keys[key].secret.header());
        self.client.request(sent).await.map_err(|error| {
            let is_sent = !error.is_connect();
            // The log says what the engine need not know: a name that does not resolve, a refused connection, a certificate.
            let reason = anyhow::Error::new(error);
            tracing::warn!(
                provider = &*provider.name,
                address = provider.base_url.authority(),
                "no response: {reason:#}"
            );
            let failure =
                local_failure(reason.as_ref()).map_or(AttemptFailure::Connection, AttemptFailure::Local);
            SendError { failure, is_sent }
        })
    }
}

fn upstream_provider(scenario: &Scenario, number: usize) -> Result<UpstreamProvider, ConfigError> {
    let (config, upstream) = (&scenario.providers[number], &scenario.upstreams[number]);
    let Addressing { base_url, key_header, .. } = addressing::of(config.dialect);
    let default = || {
        let parsed = base_url.map(|text| BaseUrl::parse(text).expect("invariant: the table holds base URLs"));
        parsed.ok_or_else(|| ConfigError {
            place: format!("provider {}", config.name),
            what: format!("the dialect `{}` has no address for all customers", config.dialect.name()),
            help: "add `base_url: https://RESOURCE.openai.azure.com/openai/v1`".to_owned(),
        })
    };
    let base_url = upstream.base_url.clone().map_or_else(default, Ok)?;
    let uri = |endpoint: &Endpoint| {
        Uri::try_from(format!("{base_url}{}", endpoint.path())).expect("invariant: base URLs were checked")
    };
    Ok(UpstreamProvider {
        name: text(&config.name),
        uris: Endpoint::ALL.iter().map(uri).collect(),
        key_header: HeaderName::from_static(key_header),
        dialect: addressing::reply_dialect(config.dialect, base_url.host()),
        base_url,
    })
}

fn keys(
    scenario: &Scenario,
    target: &Target,
    provider: &UpstreamProvider,
    lookup: &KeyLookup<'_>,
) -> Result<Vec<Key>, ConfigError> {
    let number = usize::from(target.provider);
    let (config, account) = (&scenario.providers[number], usize::from(target.account));
    let prefix = addressing::of(config.dialect).key_prefix;
    let sources = &scenario.upstreams[number].keys[account];
    let place = || format!("provider {}, account {}", config.name, config.accounts[account].name);
    let named = config.accounts[account].keys.iter().zip(sources);
    let read = named.map(|(name, source)| {
        // What a name below `localhost` resolves to depends on the system.
        let is_loopback = provider.base_url.is_loopback() && !provider.base_url.host().ends_with(".localhost");
        if *source == KeySource::Written && !is_loopback {
            return Err(ConfigError {
                place: place(),
                what: format!(
                    "the key `{}` is written in the scenario, and is not sent to {}",
                    masked(name),
                    provider.base_url.authority()
                ),
                help: "take it from the environment (`keys: [{env: GROQ_API_KEY}]`) or from a file (`{file: PATH}`); keys that are \
                       written in a scenario are for mocks, and go to loopback addresses only"
                    .to_owned(),
            });
        }
        let secret = Secret::read(source, name, prefix, lookup).map_err(|what| ConfigError {
            place: place(),
            what,
            help: "set it, or write another source: `{env: NAME}` or `{file: PATH}`".to_owned(),
        })?;
        Ok(Key { secret, avoided_until: AtomicU64::new(0) })
    });
    read.collect()
}

/// How long a key that was refused is avoided if its account has another one.
const KEY_AVOIDANCE: Nanos = Nanos::MINUTE;
