//! Notes on an explanation: contradictions in the reply, what is doubtful, and how the paste was read.

use super::paste::PastedReply;
use super::text::{in_words, period, wait_text};
use super::{Explanation, names_no_quota};
use crate::engine::parse::{self, Headers as _, Reason, ResetTime, ZoneSource};
use crate::event::RefusalCause;
use provider::Nanos;
use provider::calendar::UnixTime;

impl Explanation {
    /// Sets the notes: on the reply, and on how it was pasted.
    pub(super) fn add_notes(&mut self, reply: &PastedReply, was_compressed: bool) {
        let mut notes = Vec::new();
        notes.extend(self.contradiction());
        notes.extend(self.wait_beyond_window());
        notes.extend(self.wait_of_shorter_window());
        notes.extend(self.failure.reset_at.as_ref().and_then(|reset| zone_note(reset, reply)));
        notes.extend(retry_after_note(reply));
        notes.extend(self.advertised_limit(reply));
        notes.extend(self.reset_without_unit(reply));
        notes.extend(self.responder_note());
        notes.extend(overage_note(reply));
        if self.failure.cause == RefusalCause::ShortLimit && names_no_quota(&self.failure) {
            notes.push(
                "Google does not say which quota refused. It is read as one per minute, the most common; if retries are still \
                 refused after some minutes, it is one per day."
                    .to_owned(),
            );
        }
        if self.failure.reason == Some(Reason::WorkerFull) {
            notes.push("The limit is that of one worker of the provider, not a quota of yours.".to_owned());
        }
        if self.status.is_none() {
            notes.push("The paste does not state the status of the reply.".to_owned());
        }
        if reply.in_stream {
            notes.push(
                "The error came inside a stream: retry only if no text of the answer was shown yet."
                    .to_owned(),
            );
        }
        if reply.cut {
            notes.push(
                "The paste ends in the middle of the reply: only what is complete was read.".to_owned(),
            );
        }
        if was_compressed {
            notes.push("The body was compressed (gzip) and has been decompressed.".to_owned());
        }
        self.notes = notes;
    }

    /// Returns a sentence on numbers that contradict the name of the limit.
    fn contradiction(&self) -> Option<String> {
        let named = self.failure.contradicted_window?;
        let implied = self.failure.refusal.window?;
        Some(format!(
            "The name says {}, but the numbers say {}: what is missing refills in the stated wait only if the whole limit refills \
             in {}. The explanation uses the numbers.",
            per_window(named),
            per_window(implied),
            in_words(implied),
        ))
    }

    /// Returns a sentence on a wait that is more than twice the window of the limit and does not follow from the numbers.
    fn wait_beyond_window(&self) -> Option<String> {
        let (window, wait) = (self.failure.refusal.window?, self.failure.wait?.length);
        let is_limit = self.failure.cause.is_window_limit();
        let follows = self.failure.refusal.wait_follows_from_numbers(wait);
        (is_limit && !follows && wait > window * 2).then(|| {
            format!(
                "The stated wait of {} is longer than the window of {}: one of them is wrong. Waiting for the longer one is safe.",
                wait_text(wait),
                in_words(window)
            )
        })
    }

    /// Returns a sentence on a wait that follows from the numbers only by a shorter window than the named one.
    fn wait_of_shorter_window(&self) -> Option<String> {
        let named = self.failure.refusal.window?;
        let exact = self.failure.refusal.exact_window().filter(|window| *window < named)?;
        Some(format!(
            "The name says {}, but the stated wait follows from the numbers only if the limit refills in {}: one of them is \
             wrong.",
            per_window(named),
            in_words(exact)
        ))
    }

    /// Returns a sentence on a limit in the headers that is not the one that refused.
    fn advertised_limit(&self, reply: &PastedReply) -> Option<String> {
        reply.value("x-ratelimit-type")?;
        let advertised = reply.value("x-ratelimit-limit-requests")?;
        Some(format!(
            "The header x-ratelimit-limit-requests advertises {advertised}, which is not the limit that refused: \
             x-ratelimit-type names that one."
        ))
    }

    /// Returns a sentence on a reset time of Azure whose unit is not known.
    fn reset_without_unit(&self, reply: &PastedReply) -> Option<String> {
        let names = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];
        let reset = names.iter().find_map(|name| reply.value(name))?;
        let is_used = self.provider == Some("azure") && self.limits.is_empty() && self.wait_s.is_some();
        let has_better = reply.value("retry-after").is_some() || reply.value("retry-after-ms").is_some();
        let is_number = !reset.is_empty() && reset.bytes().all(|byte| byte.is_ascii_digit());
        (is_used && is_number && !has_better).then(|| {
            format!(
                "The reset of {reset} has no unit and no limit beside it: it is read as seconds; on the classic endpoints it would be \
                 milliseconds."
            )
        })
    }

    fn is_of_caller_budget(&self) -> bool {
        use Reason::{CallerBudgetElsewhere, CallerBudgetInUse, CallerBudgetSpent};
        matches!(self.failure.reason, Some(CallerBudgetSpent | CallerBudgetInUse | CallerBudgetElsewhere))
    }

    fn is_of_route(&self) -> bool {
        use Reason::{RouteIsBusy, RouteIsLimited, RouteIsTooSmall};
        matches!(self.failure.reason, Some(RouteIsLimited | RouteIsBusy | RouteIsTooSmall))
    }

    /// Returns a sentence on who answered, or that it is not known; `None` for a provider, and for a rejected key.
    fn responder_note(&self) -> Option<String> {
        match (self.answered_by, self.server) {
            (Some("proxy"), Some(name)) => Some(format!(
                "The answer is that of {name}, a proxy in front of the provider, not of the provider: it says nothing about the provider's quotas."
            )),
            (Some("gateway"), Some(name)) if self.is_of_caller_budget() => {
                Some(format!("{name} answered: the refusal is its own, and no provider's."))
            }
            (Some("gateway"), Some(name)) if self.is_of_route() => Some(format!(
                "{name} answered: the message names what each target of its route answered, if one was asked."
            )),
            (Some("gateway"), Some(name)) if self.refusals.is_empty() => Some(match self.provider {
                Some("openrouter") | None => {
                    format!(
                        "{name} answered, a gateway: the refusal may be its own or that of a provider behind it."
                    )
                }
                Some(provider) => {
                    format!("{name} answered, a gateway, and passes on a refusal of {provider}.")
                }
            }),
            (Some("gateway"), Some(name)) => Some(format!(
                "{name} answered, a gateway: status {} is its own, and its message lists {} refusals of others.",
                self.failure.status,
                self.refusals.len()
            )),
            (None, _) => {
                let what = "Nothing in the reply shows who answered: a provider, a gateway or a proxy.";
                Some(what.to_owned()).filter(|_| self.failure.cause != RefusalCause::Auth)
            }
            _ => None,
        }
    }
}

fn per_window(window: Nanos) -> String {
    format!("per {}", period(window))
}

/// Returns a sentence on the zone of a moment, if the reply does not state it.
fn zone_note(reset: &ResetTime, reply: &PastedReply) -> Option<String> {
    let now = reply.value("date").and_then(UnixTime::parse_http_date);
    let wait_in = |zone: &str| {
        let time = UnixTime::parse_in_zone(&reset.stated, zone)?;
        Some(wait_text(time.since(now?))).filter(|text| text != "0s")
    };
    let stated = &reset.stated;
    match reset.zone {
        ZoneSource::Stated => None,
        ZoneSource::Known(zone) => Some(match wait_in("UTC") {
            Some(utc) => format!(
                "The reset at {stated} has no zone. This provider means {zone} time; read as UTC, the wait would be {utc}."
            ),
            None => format!("The reset at {stated} has no zone. This provider means {zone} time, not UTC."),
        }),
        ZoneSource::Unknown => Some(match (wait_in("UTC"), wait_in("Asia/Shanghai")) {
            (Some(utc), Some(beijing)) => {
                format!(
                    "The reset at {stated} has no zone: in UTC it is {utc} away, in Beijing time {beijing}."
                )
            }
            (Some(utc), None) => format!("The reset at {stated} has no zone: in UTC it is {utc} away."),
            _ => format!("The reset at {stated} has no zone, so it is not known when that is."),
        }),
    }
}

/// Returns a sentence on a `retry-after` that is not a duration.
fn retry_after_note(reply: &PastedReply) -> Option<String> {
    let text = reply.value("retry-after")?;
    if let Some(moment) = parse::retry_after_moment(reply) {
        let has_date = reply.value("date").is_some();
        let moment = moment.rfc3339();
        return Some(if has_date {
            format!("The retry-after of {text} is a moment in Unix time, {moment}, not a number of seconds.")
        } else {
            format!(
                "The retry-after of {text} is too long for a wait and probably means {moment}; without a date header, the wait is \
                 not known."
            )
        });
    }
    let seconds: Option<f64> = text.trim().parse().ok();
    seconds.filter(|seconds| *seconds >= 1e9).map(|_| {
        format!("The retry-after of {text} is neither a plausible wait nor a moment, and is ignored.")
    })
}

/// Returns a sentence on the use beyond an allowance that Claude's subscriptions may permit.
fn overage_note(reply: &PastedReply) -> Option<String> {
    let reason = reply.value("anthropic-ratelimit-unified-overage-disabled-reason")?;
    let by =
        if reason == "org_level_disabled" { "by the organisation".to_owned() } else { format!("({reason})") };
    Some(format!(
        "Use beyond the allowance is disabled {by}. The window rolls, so a request may fit before the stated wait."
    ))
}
