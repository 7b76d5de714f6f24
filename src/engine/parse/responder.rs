//! Who answered: the provider, a gateway that forwards to providers, or a proxy before either.
//!
//! A proxy knows nothing about token quotas or about accounts at the provider: of its refusals only the wait is
//! known. A gateway passes on the refusals of providers, adds limits of its own, and lists several in one error.

use super::cloudflare;
use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::Headers;
use super::own_gateway;

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responder {
    /// The provider of the model.
    Provider,
    /// A gateway, with its name. The error may be its own or that of a provider behind it.
    Gateway(&'static str),
    /// A proxy, load balancer or firewall, with its name.
    Proxy(&'static str),
}

impl Responder {
    /// Returns the name of the kind in `explain --json`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Gateway(_) => "gateway",
            Self::Proxy(_) => "proxy",
        }
    }

    /// Returns the name of the product that answered; `None` for the provider.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Provider => None,
            Self::Gateway(name) | Self::Proxy(name) => Some(name),
        }
    }
}

/// Returns who sent an error: a proxy, else a gateway, else the provider if the dialect is known; otherwise `None`.
pub(super) fn responder(
    dialect: Option<Dialect>,
    headers: &dyn Headers,
    body: &ErrorBody,
    raw: &[u8],
) -> Option<Responder> {
    proxy(headers, body, raw)
        .map(Responder::Proxy)
        .or_else(|| gateway(dialect, headers, body).map(Responder::Gateway))
        .or_else(|| dialect.map(|_| Responder::Provider))
}

/// Returns the proxy that sent the body: by its page or message or, if it has no code of a provider's error, by the `server`
/// header.
fn proxy(headers: &dyn Headers, body: &ErrorBody, raw: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(raw.get(..MAX_SCANNED).unwrap_or(raw));
    let is_page = body.is_html || text.trim_start().starts_with('<');
    let server = headers.value("server").unwrap_or_default().to_ascii_lowercase();
    if is_page {
        let text = text.to_ascii_lowercase();
        let page = PAGES.iter().find(|(mark, _)| text.contains(mark) || server.starts_with(mark));
        return Some(page.map_or("an unnamed proxy", |(_, name)| *name));
    }
    // Cloudflare answers in plain text to clients that do not ask for HTML.
    if cloudflare::code(&body.lowercase).is_some() {
        return Some("Cloudflare");
    }
    let message = MESSAGES.iter().find(|(phrase, _)| body.lowercase.trim().starts_with(phrase));
    // GitHub's message begins with the same words as Kong's, and goes on with the user.
    let message = message.filter(|_| !body.lowercase.contains("limit exceeded for "));
    // Azure OpenAI's own errors have API Management's sentence, and this code. API Management sends `statusCode` instead.
    let message = message.filter(|(_, name)| *name != API_MANAGEMENT || !body.has_code("429"));
    if is_of_api_gateway(headers) && is_bare(body) {
        return Some("Amazon API Gateway");
    }
    // A proxy such as nginx or Kong names itself in `server`. So does Cloudflare, but it is in front of most providers, so its
    // name does not show who refused.
    let by_server = || SERVERS.iter().find(|(name, _)| server.starts_with(name) && is_bare(body));
    message.or_else(by_server).map(|(_, name)| *name)
}

/// Returns `true` if the headers are those of a refusal by Amazon API Gateway's own throttling or usage plan, not by a service of AWS
/// behind it (documented).
pub(super) fn is_of_api_gateway(headers: &dyn Headers) -> bool {
    let kind = headers.value("x-amzn-errortype").unwrap_or_default();
    ["TooManyRequestsException", "LimitExceededException"].iter().any(|name| kind.starts_with(name))
}

/// Returns `true` if a body has no code or type of a provider's error: no codes other than numbers.
fn is_bare(body: &ErrorBody) -> bool {
    body.codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the gateway that sent or passed on the error.
fn gateway(dialect: Option<Dialect>, headers: &dyn Headers, body: &ErrorBody) -> Option<&'static str> {
    if dialect == Some(Dialect::OpenRouter) {
        return Some("OpenRouter");
    }
    let by_header = GATEWAY_HEADERS.iter().find(|(name, _)| headers.value(name).is_some());
    let by_phrase = || GATEWAY_PHRASES.iter().find(|(phrase, _)| body.lowercase.contains(phrase));
    let found = by_header.or_else(by_phrase).map(|(_, name)| *name);
    found.or_else(|| (!body.listed.is_empty()).then_some("an unnamed gateway"))
}

/// The number of bytes of a page that are searched for the product that sent it.
const MAX_SCANNED: usize = 8 << 10;

/// Texts in HTML pages, in lower case, with the products that send them. The `server` header of an HTML page may also begin with
/// one of them.
const PAGES: [(&str, &str); 16] = [
    ("<title>just a moment...</title>", "Cloudflare"),
    ("cloudflare", "Cloudflare"),
    ("cf-error", "Cloudflare"),
    ("openresty", "OpenResty"),
    ("nginx", "nginx"),
    ("awselb", "AWS Elastic Load Balancing"),
    ("cloudfront", "Amazon CloudFront"),
    ("akamai", "Akamai"),
    ("errors.edgesuite.net", "Akamai"),
    ("varnish", "Varnish"),
    ("fastly", "Fastly"),
    ("haproxy", "HAProxy"),
    ("apache", "Apache"),
    ("microsoft-azure-application-gateway", "Azure Application Gateway"),
    ("vercel", "Vercel"),
    ("envoy", "Envoy"),
];

/// The name of Microsoft's proxy.
const API_MANAGEMENT: &str = "Azure API Management";

/// The beginnings of proxies' messages, in lower case.
const MESSAGES: [(&str, &str); 12] = [
    ("api rate limit exceeded", "Kong"),
    ("rate limit is exceeded. try again in", API_MANAGEMENT),
    ("token limit is exceeded. try again in", API_MANAGEMENT),
    ("out of call volume quota. quota will be replenished", API_MANAGEMENT),
    ("out of bandwidth quota. quota will be replenished", API_MANAGEMENT),
    ("quota exceeded. try again in", API_MANAGEMENT),
    ("local_rate_limited", "Envoy"),
    ("upstream connect error or disconnect/reset", "Envoy"),
    ("no healthy upstream", "Envoy"),
    ("upstream request timeout", "Envoy"),
    ("429 too many requests\nyou have sent too many requests in a given amount of time", "HAProxy"),
    ("fault filter abort", "Envoy"),
];

/// The beginnings of the `server` header of proxies that answer requests themselves.
const SERVERS: [(&str, &str); 6] = [
    ("kong", "Kong"),
    ("nginx", "nginx"),
    ("openresty", "OpenResty"),
    ("awselb", "AWS Elastic Load Balancing"),
    ("microsoft-azure-application-gateway", "Azure Application Gateway"),
    ("haproxy", "HAProxy"),
];

/// Headers of gateways, with their names.
const GATEWAY_HEADERS: [(&str, &str); 13] = [
    ("x-quotalab-attempts", own_gateway::NAME),
    ("x-litellm-call-id", "LiteLLM"),
    ("x-litellm-version", "LiteLLM"),
    ("x-litellm-model-id", "LiteLLM"),
    ("llm_provider-retry-after", "LiteLLM"),
    ("x-portkey-trace-id", "Portkey"),
    ("x-portkey-provider", "Portkey"),
    ("x-portkey-last-used-option-index", "Portkey"),
    ("helicone-id", "Helicone"),
    ("helicone-status", "Helicone"),
    ("cf-aig-log-id", "Cloudflare AI Gateway"),
    ("cf-aig-event-id", "Cloudflare AI Gateway"),
    ("x-kong-llm-model", "Kong AI Gateway"),
];

/// Phrases of gateways' messages, in lower case, with the names of the gateways.
const GATEWAY_PHRASES: [(&str, &str); 18] = [
    ("litellm.", "LiteLLM"),
    ("litellm_", "LiteLLM"),
    ("no deployments available for selected model", "LiteLLM"),
    ("crossed tpm / rpm", "LiteLLM"),
    ("max parallel request limit reached", "LiteLLM"),
    (". limit type: ", "LiteLLM"),
    ("available model group fallbacks", "LiteLLM"),
    ("budget has been exceeded! current cost", "LiteLLM"),
    ("all variants failed with errors", "TensorZero"),
    ("model providers failed to infer", "TensorZero"),
    ("provider returned error", "OpenRouter"),
    ("portkey", "Portkey"),
    ("openai error: ", "Portkey"),
    ("anthropic error: ", "Portkey"),
    ("groq error: ", "Portkey"),
    ("azure-openai error: ", "Portkey"),
    ("upstream request failed", "an unnamed gateway"),
    ("all providers failed", "an unnamed gateway"),
];
