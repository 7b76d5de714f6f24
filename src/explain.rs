//! A refusal in plain words: which limit of whose quota was hit, how full it was, when to come back, what
//! the headers do *not* say, and what would prevent it.
//!
//! It reads what people have at hand: the body alone, or the whole of `curl -i`. It says only what the
//! reply states or what the provider's documented law implies.

use crate::engine::parse::{self, Headers, Refusal};
use crate::engine::{Meaning, Reply};
use crate::event::Cause;
use crate::units;
use provider::{Axis, Instant, Nanos};
use serde::Serialize;
use std::fmt::Write as _;

/// What is known of a refusal. The field names are the contract of `explain --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Who refused: the dialect.
    pub provider: &'static str,
    /// What kind of refusal it is.
    pub cause: &'static str,
    /// The axis named, in the words of scenarios.
    pub axis: Option<&'static str>,
    /// The model named.
    pub model: Option<String>,
    /// The limit named.
    pub limit: Option<u64>,
    /// How much of it was used, as stated.
    pub used: Option<i64>,
    /// How much the request asked for.
    pub requested: Option<u64>,
    /// The wait named, in seconds.
    pub wait_s: Option<f64>,
    /// Until what: `until_enough`, …, or `meaningless` where no wait helps.
    pub wait_meaning: Option<&'static str>,
    /// The same request can never succeed here.
    pub terminal: bool,
    /// What to do, the most useful first.
    pub advice: Vec<String>,
    /// Whose quota it is, where named.
    #[serde(skip)]
    organization: Option<String>,
    #[serde(skip)]
    wait: Option<Nanos>,
    #[serde(skip)]
    reply: Option<Reply>,
    /// The reply's message, as it stands.
    #[serde(skip)]
    message: Option<String>,
}

/// Why a text could not be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("there is nothing to explain: paste the body of a refusal, or the whole output of `curl -i`")]
    Empty,
    /// It is a success.
    #[error("status {0} is a success: paste the reply that was refused")]
    Success(u16),
    /// It is no reply that any rule here knows.
    #[error(
        "this is no error reply in a shape that is known here: expected {{\"error\": {{\"message\": …}}}}, alone or \
         below the headers that `curl -i` prints"
    )]
    Unknown,
}

/// Explains the body of a refusal, or a whole response as `curl -i` prints it.
///
/// # Errors
/// Where the text is empty, a success, or in no known shape.
pub fn explain(text: &str) -> Result<Explanation, Unreadable> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let dump = Dump::read(text);
    let message = parse::error_message(dump.body.as_bytes());
    let refusal = message.as_deref().map(Refusal::read).unwrap_or_default();
    let status = dump
        .status
        .or_else(|| status_of(&refusal))
        .or_else(|| message.as_ref().and_then(|m| known_status(m)));
    let Some(status) = status else { return Err(Unreadable::Unknown) };
    if status < 400 {
        return Err(Unreadable::Success(status));
    }
    let reply = parse::reply(Instant::ZERO, status, &dump, dump.body.as_bytes());
    let cause = refusal.cause(status);
    let mut explanation = Explanation {
        provider: "groq",
        cause: cause.name(),
        axis: refusal.axis.map(Axis::name),
        model: refusal.model,
        limit: refusal.limit,
        used: refusal.used,
        requested: refusal.requested,
        wait_s: reply.wait.map(|wait| wait.length.as_secs_f64()),
        wait_meaning: reply.wait.map(|wait| wait.meaning.name()),
        terminal: matches!(cause, Cause::TooLarge | Cause::Billing | Cause::NotInTier | Cause::Auth)
            || (cause == Cause::Other && status < 429),
        advice: Vec::new(),
        organization: refusal.organization,
        wait: reply.wait.map(|wait| wait.length),
        reply: Some(reply),
        message,
    };
    explanation.advice = advice(&explanation, cause, refusal.axis);
    Ok(explanation)
}

/// The status that a refusal's own words imply, where only the body was pasted.
fn status_of(refusal: &Refusal) -> Option<u16> {
    match (refusal.too_large, refusal.axis, refusal.limit) {
        // Too much output for the limit is the one oversize that Groq answers with 429.
        (true, Some(Axis::Otpm), _) => Some(429),
        (true, ..) => Some(413),
        (false, _, Some(_)) => Some(429),
        (false, _, None) => None,
    }
}

/// The status of messages that name no limit.
fn known_status(message: &str) -> Option<u16> {
    let known = [
        ("Invalid API Key", 401),
        ("does not exist or you do not have access", 404),
        ("over capacity", 503),
        ("reduce the length of the messages", 400),
    ];
    known.iter().find(|(words, _)| message.contains(words)).map(|(_, status)| *status)
}

fn advice(explanation: &Explanation, cause: Cause, axis: Option<Axis>) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |sentence: String| advice.push(sentence);
    let (limit, requested) = (explanation.limit.unwrap_or(0), explanation.requested.unwrap_or(0));
    match cause {
        Cause::MinuteLimit | Cause::DayLimit => {
            if let Some(wait) = explanation.wait {
                say(format!("Wait {} and send the same request again; earlier is refused again.", wait_words(wait)));
            }
            match axis {
                Some(axis) if axis.counts_tokens() => {
                    if limit > 0 && requested > 0 {
                        say(format!(
                            "Make requests smaller: this one reserves {requested} of {limit} tokens, prompt and max_tokens \
                             together. max_tokens counts in full at admission, even if the answer is short."
                        ));
                    }
                    say("Pace by tokens on the client: reserve prompt + max_tokens, settle at the reply.".into());
                }
                Some(_) => say(format!(
                    "Space requests evenly: {} a {} is one every {}.",
                    limit,
                    if cause == Cause::DayLimit { "day" } else { "minute" },
                    axis.and_then(Axis::window).filter(|_| limit > 0).map_or_else(
                        || "window".into(),
                        |window| units::print_duration(Nanos(window.0 / limit))
                    )
                )),
                None => {}
            }
            say("Another key of the same organisation shares this quota and does not help; another account, model or \
                 provider does."
                .into());
        }
        Cause::TooLarge => {
            say("Never retry this as it is: it asks for more than the limit itself, so no wait helps.".into());
            say(format!("Ask for at most {limit} tokens (prompt + max_tokens), or send it to a model with a larger limit."));
        }
        Cause::Overload => {
            say("Back off with jitter and fall back to another provider: the provider is out of capacity, your quota is not the \
                 reason."
                .into());
        }
        Cause::Auth => say("Check the key: it is wrong, revoked or not allowed here. Retrying cannot succeed.".into()),
        Cause::Billing => say("Check the account's balance or plan. Retrying cannot succeed.".into()),
        Cause::Concurrency => say("Send fewer requests at once: cap the number in flight.".into()),
        Cause::NotInTier => say("Choose a model of your plan, or another plan.".into()),
        Cause::Other => match explanation.wait {
            Some(wait) => say(format!("Wait {} and try again.", wait_words(wait))),
            None => say("The reply does not say why. If its status is 400 or 404, change the request; else back off with jitter.".into()),
        },
    }
    advice
}

fn wait_words(wait: Nanos) -> String {
    units::print_duration(wait)
}

impl Explanation {
    /// The explanation as a page of plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}", self.headline());
        if let (Some(limit), Some(requested)) = (self.limit, self.requested) {
            let _ = match self.used {
                Some(used) => writeln!(
                    out,
                    "\n  limit      {limit:>12}\n  used       {used:>12}   {:.0} % full when you asked\n  requested  {requested:>12}   \
                     {} more than was left",
                    used as f64 / limit.max(1) as f64 * 100.0,
                    (i128::from(used) + i128::from(requested) - i128::from(limit)).max(0),
                ),
                None => writeln!(
                    out,
                    "\n  limit      {limit:>12}\n  requested  {requested:>12}   {:.1} × the limit itself",
                    requested as f64 / limit.max(1) as f64,
                ),
            };
        }
        if let Some(wait) = self.wait {
            let _ = if self.wait_meaning == Some(Meaning::Meaningless.name()) {
                writeln!(
                    out,
                    "\nThe reply names a wait of {}. It means nothing: no wait helps here.",
                    wait_words(wait)
                )
            } else {
                writeln!(
                    out,
                    "\nCome back in {}: from then on this very request fits, if nobody else asks.",
                    wait_words(wait)
                )
            };
        }
        self.headers_do_not_say(&mut out);
        let _ = writeln!(out, "\nWhat to do:");
        for sentence in &self.advice {
            let _ = writeln!(out, "  - {sentence}");
        }
        out
    }

    fn headline(&self) -> String {
        let whose = self
            .organization
            .as_ref()
            .map_or_else(|| "the organisation".into(), |name| format!("organisation {name}"));
        let model = self.model.as_ref().map_or_else(|| "this model".into(), |name| name.clone());
        let axis = self.axis.and_then(Axis::from_name).map_or("limit", long_name);
        match self.cause {
            "minute_limit" | "day_limit" => {
                format!("The {axis} limit of {whose} on {model} is used up for now.")
            }
            "too_large" => {
                format!("The request is larger than the whole {axis} limit of {whose} on {model}.")
            }
            "overload" => format!("The provider is overloaded or broken: {}", self.said()),
            "auth" => format!("The key was not accepted: {}", self.said()),
            "concurrency" => format!("{whose} has too many requests in flight on {model}."),
            _ => format!("Refused: {}", self.said()),
        }
    }

    fn said(&self) -> &str {
        self.message.as_deref().unwrap_or("the reply gives no reason")
    }

    /// What a reader of the headers would miss.
    fn headers_do_not_say(&self, out: &mut String) {
        let Some(limits) = self.reply.map(|reply| reply.limits) else { return };
        let shown: Vec<_> = limits.requests.into_iter().chain(limits.tokens).collect();
        if shown.is_empty() {
            return;
        }
        let _ = writeln!(out, "\nWhat the headers say, and what not:");
        for view in &shown {
            let _ = writeln!(
                out,
                "  - {} of {} {} left; full again (not: room again) in {}.",
                view.remaining,
                view.limit,
                view.axis,
                wait_words(view.reset)
            );
        }
        if let Some(axis) = self.axis.filter(|axis| shown.iter().all(|view| view.axis.name() != *axis)) {
            let _ =
                writeln!(out, "  - Nothing about {axis}, the limit that refused: only the body tells of it.");
        }
    }
}

fn long_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rpm => "requests-per-minute",
        Axis::Rpd => "requests-per-day",
        Axis::Tpm => "tokens-per-minute",
        Axis::Tpd => "tokens-per-day",
        Axis::Itpm => "input-tokens-per-minute",
        Axis::Otpm => "output-tokens-per-minute",
        Axis::Ash => "audio-seconds-per-hour",
        Axis::Asd => "audio-seconds-per-day",
        Axis::Concurrency => "concurrency",
    }
}

/// A pasted response: its status and headers where they were pasted, and its body.
struct Dump<'a> {
    status: Option<u16>,
    headers: Vec<(String, &'a str)>,
    body: &'a str,
}

impl<'a> Dump<'a> {
    /// Reads the output of `curl -i` (the last response, where redirects or `100 Continue` came before), or a body alone.
    fn read(text: &'a str) -> Self {
        let mut dump = Self { status: None, headers: Vec::new(), body: text };
        while let Some(line) = dump.body.lines().next().filter(|line| line.starts_with("HTTP/")) {
            dump.status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
            dump.headers.clear();
            let mut rest = &dump.body[line.len()..];
            rest = rest.strip_prefix('\r').unwrap_or(rest);
            rest = rest.strip_prefix('\n').unwrap_or(rest);
            loop {
                let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
                rest = after;
                let line = line.trim_end_matches('\r');
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':') {
                    dump.headers.push((name.trim().to_ascii_lowercase(), value.trim()));
                }
            }
            dump.body = rest.trim_start();
        }
        dump
    }
}

impl Headers for Dump<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}
