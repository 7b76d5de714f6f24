//! Codes and sentences that name the same cause in every dialect, without doubt.
//!
//! They are checked in the order of the harm that a mistake does. An account that must pay is not a rate limit, though its status
//! is often 429, and not a problem of the key, though its status may be 403. A call that is too large never succeeds, whatever
//! the wait.
//!
//! Codes are compared without regard to case; phrases are in lower case.

use super::error_body::ErrorBody;
use crate::event::RefusalCause;

/// What an error says beyond its cause, if a code or sentence states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The model was withdrawn.
    ModelWithdrawn,
    /// The model does not exist, or the account has no access to it.
    ModelUnknown,
    /// The account or organisation is restricted by the provider.
    AccountRestricted,
    /// No endpoint has this path.
    UnknownPath,
    /// The model did not produce what was asked of it, such as valid JSON or a tool call.
    OutputRejected,
    /// Many requests are in flight at one worker of the provider.
    WorkerFull,
    /// The budget of a caller of `quotalab gateway` does not pay for the request, and begins again on the next day.
    CallerBudgetSpent,
    /// The budget of a caller of `quotalab gateway` is reserved for other requests, which may give some of it back.
    CallerBudgetInUse,
    /// Other replicas of `quotalab gateway` have their shares of what is left of a caller's budget, while Redis is gone.
    CallerBudgetElsewhere,
    /// Limits stand in the way at the targets of a route of `quotalab gateway`.
    RouteIsLimited,
    /// The queue of `quotalab gateway` is full, or no target of a route answers before the deadline.
    RouteIsBusy,
    /// The request exceeds a limit at every target of a route of `quotalab gateway`.
    RouteIsTooSmall,
    /// The client was refused because of its user agent, address or country.
    ClientBlocked,
}

/// Returns the cause that a code or sentence names in any dialect.
pub(super) fn cause(body: &ErrorBody, sentence: &str) -> Option<RefusalCause> {
    let has_code = |codes: &[&str]| codes.iter().any(|code| has_code(body, code));
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| sentence.contains(phrase));
    if has_code(&BILLING_CODES) || says(&BILLING) {
        return Some(RefusalCause::Billing);
    }
    if has_code(&TOO_LARGE_CODES) || says(&TOO_LARGE) {
        return Some(RefusalCause::TooLarge);
    }
    if has_code(&OVERLOAD_CODES) || says(&OVERLOAD) {
        return Some(RefusalCause::Overload);
    }
    if says(&NOT_IN_TIER) {
        return Some(RefusalCause::NotInTier);
    }
    if says(&ALLOWANCE) {
        return Some(RefusalCause::Allowance);
    }
    let is_auth = has_code(&AUTH_CODES) || says(&AUTH);
    is_auth.then_some(RefusalCause::Auth)
}

/// Returns what an error says beyond its cause; `None` if no code or sentence states it.
pub(super) fn reason(body: &ErrorBody, sentence: &str) -> Option<Reason> {
    let by_code = REASON_CODES.iter().find(|(code, _)| has_code(body, code));
    let by_phrase = || REASON_PHRASES.iter().find(|(phrase, _)| sentence.contains(phrase));
    by_code.or_else(by_phrase).map(|(_, reason)| *reason)
}

/// Returns `true` if a code equals `code` without regard to case.
fn has_code(body: &ErrorBody, code: &str) -> bool {
    body.codes.iter().any(|known| known.eq_ignore_ascii_case(code))
}

const BILLING_CODES: [&str; 21] = [
    "accountoverdueerror",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "blocked_api_access",
    "insufficient_balance",
    "insufficient_balance_error",
    "insufficient_credits",
    "insufficient_funds",
    "insufficient_user_quota",
    "payment_required",
    "payment_required_error",
    "exceeded_current_quota_error",
    "account_suspended",
    "arrearage",
    "budget_exceeded",
    "spend_limit_reached",
    "spend_limit_exceeded",
    "spending_limit_exceeded",
    "credits_exhausted",
    "invoice_past_due",
];

/// Sentences on payment. Those that only advertise a better plan, such as `adding a payment method`, are not among them.
const BILLING: [&str; 48] = [
    "have any credits",
    // OpenRouter: the spend limit of a key.
    "key limit exceeded (",
    "overdue balance",
    "spend limit",
    "spending limit",
    "spend cap",
    "spending cap",
    "insufficient balance",
    "insufficient credit",
    "insufficient account funds",
    "insufficient account balance",
    "insufficient funds",
    "balance is insufficient",
    "balance is not enough",
    "not enough credit",
    "not enough balance",
    "credit balance is too low",
    "credit balance too low",
    "credits are depleted",
    "credits have been depleted",
    "credits depleted",
    "credit limit exceeded",
    "payment is past due",
    "payment past due",
    "past due invoice",
    "pay past invoices",
    "unpaid invoice",
    "payment required",
    "payment is required",
    "top up your",
    "please top up",
    "please recharge",
    "out of credits",
    "no credits left",
    "no remaining credits",
    "ran out of credit",
    "run out of credit",
    "used all available credits",
    "used up all your credits",
    "requires more credits",
    "exceeded current quota, please check your plan and billing",
    "account is in arrears",
    "overdue payment",
    "overdue-payment",
    "budget has been exceeded",
    "exceeded budget",
    "余额不足",
    "欠费",
];

const TOO_LARGE_CODES: [&str; 5] = [
    "tokens_limit_reached",
    "request_too_large",
    "context_length_exceeded",
    "string_above_max_length",
    "payload_too_large",
];

const TOO_LARGE: [&str; 7] = [
    "request too large",
    "request body too large",
    "request entity too large",
    "payload too large",
    "please reduce your message size",
    "input or output tokens must be reduced",
    "exceeds the maximum request size",
];

const OVERLOAD_CODES: [&str; 8] = [
    "overloaded_error",
    "engine_overloaded",
    "engine_overloaded_error",
    "server_is_overloaded",
    "queue_exceeded",
    "capacity_exceeded",
    "model_capacity_exhausted",
    "service_unavailable",
];

const OVERLOAD: [&str; 23] = [
    "is overloaded",
    "currently overloaded",
    "overloaded or not ready",
    "servers are overloaded",
    "server overloaded",
    "service overloaded",
    "model overloaded",
    "over capacity",
    "at capacity",
    "no capacity available",
    "tier capacity exceeded",
    "experiencing high demand",
    "experiencing high traffic",
    "high load",
    "server is busy",
    "servers are busy",
    "model is busy",
    "model busy",
    "worker local total request limit",
    "before the given deadline",
    "当前访问量过大",
    "系统繁忙",
    "服务过载",
];

const NOT_IN_TIER: [&str; 10] = [
    "not part of your plan",
    "not included in your plan",
    "not available in your plan",
    "not available on your plan",
    "not available for your plan",
    "your plan does not include",
    "your plan does not support",
    "extra usage is required for long context",
    "not supported when using codex with a chatgpt account",
    "is only available on a paid",
];

/// Sentences of Azure API Management on a quota over some hours or days, with status 403 (documented: policy `quota`).
const ALLOWANCE: [&str; 2] = ["out of call volume quota", "out of bandwidth quota"];

const AUTH_CODES: [&str; 9] = [
    "expiredtokenexception",
    "unrecognizedclientexception",
    "invalid_api_key",
    "api_key_invalid",
    "wrong_api_key",
    "authentication_error",
    "invalid_authentication_error",
    "organization_restricted",
    "account_deactivated",
];

const AUTH: [&str; 14] = [
    "invalid api key",
    "incorrect api key",
    "wrong api key",
    "api key not valid",
    "api key is invalid",
    "api key expired",
    "api key you provided is invalid",
    "invalid x-api-key",
    "invalid subscription key",
    "no api key provided",
    "missing api key",
    "missing authentication header",
    "not authenticated",
    "organization has been restricted",
];

const REASON_CODES: [(&str, Reason); 14] = [
    ("model_decommissioned", Reason::ModelWithdrawn),
    ("model_deprecated", Reason::ModelWithdrawn),
    ("model_not_found", Reason::ModelUnknown),
    ("model_not_available", Reason::ModelUnknown),
    ("invalid_model", Reason::ModelUnknown),
    ("deploymentnotfound", Reason::ModelUnknown),
    ("organization_restricted", Reason::AccountRestricted),
    ("account_deactivated", Reason::AccountRestricted),
    ("unknown_url", Reason::UnknownPath),
    ("json_validate_failed", Reason::OutputRejected),
    ("tool_use_failed", Reason::OutputRejected),
    ("output_parse_failed", Reason::OutputRejected),
    ("unsupported_country_region_territory", Reason::ClientBlocked),
    ("request_forbidden_by_administrative_rules", Reason::ClientBlocked),
];

const REASON_PHRASES: [(&str, Reason); 10] = [
    ("has been decommissioned", Reason::ModelWithdrawn),
    ("has been deprecated and", Reason::ModelWithdrawn),
    ("does not exist or you do not have access", Reason::ModelUnknown),
    ("unable to access model", Reason::ModelUnknown),
    ("model not found", Reason::ModelUnknown),
    ("organization has been restricted", Reason::AccountRestricted),
    ("unknown request url", Reason::UnknownPath),
    ("worker local total request limit", Reason::WorkerFull),
    ("country, region, or territory not supported", Reason::ClientBlocked),
    ("user location is not supported", Reason::ClientBlocked),
];
