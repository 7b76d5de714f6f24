//! One request to the endpoint: a chat completion of the size that the job says.

use super::address::EndpointError;
use super::plain_client::ModelNames;
use super::prompt::PromptText;
use super::statements::Statement;
use crate::drive::clock::Clock;
use crate::drive::connections::{local_failure, max_connections};
use crate::drive::https::{self, HttpsClient};
use crate::drive::live::{FirstToken, Waiting};
use crate::drive::reply_reader::ReplyReader;
use crate::drive::request_body::RequestBody;
use crate::drive::secret::{KeyLookup, Secret};
use crate::engine::Reply;
use crate::event::{AttemptFailure, LocalFailure};
use crate::job::Job;
use crate::scenario::{BaseUrl, KeySource, Scenario};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::sync::Semaphore;

/// An endpoint that requests can be sent to.
#[derive(Clone, Debug)]
pub struct EndpointClient {
    url: BaseUrl,
    /// The address that is connected to.
    address: SocketAddr,
    /// The name that certificates must have.
    name: ServerName<'static>,
    models: ModelNames,
    tls: rustls::ClientConfig,
    key: Option<Secret>,
    prompts: PromptText,
}

/// Returns the first of the addresses that accepts a connection. Sends nothing over it.
///
/// # Errors
/// If none does.
pub fn reachable(url: &BaseUrl, addresses: &[SocketAddr]) -> Result<SocketAddr, EndpointError> {
    let mut reason = String::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, PROBE_TIMEOUT) {
            Ok(_) => return Ok(*address),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(EndpointError::new(
        format!("{} accepts no connection: {reason}", url.authority()),
        "start the server at this address, or use another address",
    ))
}

/// The longest wait for a connection to an address before a run.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

impl EndpointClient {
    /// Creates the client of an endpoint at an address that was checked. `key` names the environment variable with its key, which
    /// `lookup` reads; `None`: no key is sent.
    ///
    /// # Errors
    /// If the host is not a valid server name, if the key is missing or malformed, or if the trusted certificates cannot be
    /// read.
    pub fn new(
        (url, address): (BaseUrl, SocketAddr),
        models: ModelNames,
        key: Option<&str>,
        lookup: &KeyLookup<'_>,
    ) -> Result<Self, EndpointError> {
        let help = "name a file of PEM certificates, or unset the variable";
        let tls = https::client_config().map_err(|what| EndpointError::new(what, help))?;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|error| {
            EndpointError::new(
                format!("{} is not a valid server name: {error}", url.host()),
                "write another name",
            )
        })?;
        let key = key.map(|variable| {
            let source = KeySource::Env(variable.to_owned());
            Secret::read(&source, variable, "Bearer ", lookup).map_err(|what| {
                EndpointError::new(what, "set it to the key, or name another with `--key-env NAME`")
            })
        });
        let key = key.transpose()?;
        Ok(Self { url, address, name, models, tls, key, prompts: PromptText::new() })
    }

    /// Returns the address as it was written.
    #[must_use]
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// Returns the models that routes ask for.
    #[must_use]
    pub fn model_names(&self) -> &ModelNames {
        &self.models
    }

    /// Returns the model that each route asks for, by the name of the route.
    pub(super) fn models(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let routes = scenario.routes.iter().map(|route| route.name.clone());
        routes.zip(self.models.iter().map(str::to_owned)).collect()
    }

    /// Creates the sender of a run.
    pub(super) fn sender(&self, clock: Clock) -> Sender {
        let scheme = if self.url.is_https() { "https" } else { "http" };
        let uri = format!("{scheme}://{}{}/chat/completions", self.address, self.url.path());
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(self.url.authority());
        headers.insert(HOST, host.expect("invariant: authorities are visible ASCII"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("quotalab/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, key.header());
        }
        let quoted = |name: &str| serde_json::to_string(name).expect("invariant: a string serialises");
        Sender {
            client: https::client(self.tls.clone(), Some(self.name.clone())),
            uri: Uri::try_from(uri).expect("invariant: addresses were checked"),
            headers,
            models: self.models.iter().map(quoted).collect(),
            prompts: self.prompts.clone(),
            permits: Semaphore::new(max_connections(0, false)),
            clock,
        }
    }
}

/// Sends requests to the endpoint.
#[derive(Debug)]
pub(super) struct Sender {
    client: HttpsClient<RequestBody>,
    uri: Uri,
    headers: HeaderMap,
    /// By route, as JSON strings.
    models: Vec<String>,
    prompts: PromptText,
    /// One for each connection that may be open.
    permits: Semaphore,
    clock: Clock,
}

impl Sender {
    /// Sends the request of a job and reads the reply to its end. The attempt counts as waiting until `waiting` is
    /// consumed, when the request begins.
    pub(super) async fn send(&self, job: &Job, stream: bool, waiting: Waiting) -> (Reply, Statement) {
        let failed = |failure| (Reply::failed(self.clock.now(), failure), Statement::default());
        let Ok(_permit) = self.permits.try_acquire() else {
            return failed(AttemptFailure::Local(LocalFailure::Descriptors));
        };
        let mut request = Request::new(RequestBody::of_parts(self.body(job, stream), waiting, self.clock));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                let local = local_failure(&error);
                return failed(local.map_or(AttemptFailure::Connection, AttemptFailure::Local));
            }
        };
        let statement = Statement::of_headers(response.headers());
        match ReplyReader::new(self.clock).read(None, response, FirstToken::unreported()).await {
            Some(reply) => (reply, statement.with_reply(&reply)),
            None => (Reply::failed(self.clock.now(), AttemptFailure::Connection), statement),
        }
    }

    /// Returns the body of a request in parts.
    fn body(&self, job: &Job, stream: bool) -> [Bytes; 3] {
        let (begin, rest) = self.prompts.of(job.fingerprint, job.prompt_tokens);
        let (model, mut head) = (&self.models[job.route.index()], String::with_capacity(HEAD_BYTES));
        let usage = if stream { r#","stream_options":{"include_usage":true}"# } else { "" };
        let max_tokens = job.max_tokens.map(|max| format!(r#","max_tokens":{max}"#)).unwrap_or_default();
        write!(
            head,
            r#"{{"model":{model},"stream":{stream}{usage}{max_tokens},"messages":[{{"role":"user","content":"{begin}"#
        )
        .expect("invariant: a string accepts all text");
        [head.into(), rest, Bytes::from_static(br#""}]}"#)]
    }
}

/// The usual size of a body without the prompt.
const HEAD_BYTES: usize = 192;
