//! Groq as captured in 2026: one function per kind of reply, each a pure function of the ruling.
//!
//! Where a text is quoted from captures its doc comment says so; where it is assumed, that too. The list of
//! rules with their evidence is in `mock/README.md`, the captures themselves in `mock/tests/data`.

mod chat;
mod error;
mod headers;
mod ids;

pub use chat::{Chunks, Finish};
pub use error::Error;

use super::Reply;
use crate::config::{Fault, Tier};
use crate::ruling::{LimitsView, Ruling, Verdict};
use crate::time::Instant;

/// What a reply says besides the ruling.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model's name, as the client sent it.
    pub model: &'a str,
    /// The account's name; the organisation of messages is `org_` and this name.
    pub account: &'a str,
    /// The plan the account is on: it changes what a refusal advises.
    pub tier: Tier,
    /// The number of the call: every id of the reply is derived from it.
    pub number: u64,
    /// When the reply is made; `created` is this many seconds after 2026-11-01 00:00 UTC.
    pub at: Instant,
    /// Why a served completion ends.
    pub finish: Finish,
}

/// The whole reply to a call. `None` where nothing is ever answered: a timeout, a reset.
///
/// A service that is [cut](crate::ruling::Service::cut) is rendered whole; whoever sends it breaks it off.
///
/// # Panics
/// Where the verdict is a fault that bends a reply (slow, cut, garbage, a false wait) rather than replaces it:
/// the provider's machine hands those out as services and denials.
#[must_use]
pub fn reply(ruling: &Ruling, context: &Context<'_>) -> Option<Reply> {
    let limits = Some(&ruling.limits);
    let error = match &ruling.verdict {
        Verdict::Admitted(service) if service.garbage => return Some(garbage(limits, context.number)),
        Verdict::Admitted(service) => {
            let headers = headers::render(JSON, limits, None, context.number);
            return Some(Reply { status: 200, headers, body: chat::completion(service, context) });
        }
        Verdict::Refused(denial) => return Some(error::refusal(denial, &ruling.limits, context)),
        Verdict::Faulted(Fault::Timeout | Fault::Reset) => return None,
        Verdict::Faulted(Fault::Status(status)) => Error::from_status(*status, context.model),
        Verdict::Faulted(fault) => unreachable!("{fault:?} bends a reply and never replaces one"),
    };
    Some(error.reply(limits, context.number))
}

/// The headers of a streamed reply; its status is 200.
#[must_use]
pub fn stream_headers(limits: &LimitsView, number: u64) -> super::Headers {
    headers::render("text/event-stream", Some(limits), None, number)
}

/// The list that `GET /models` answers with. It carries no limit headers (evidence: captures, 2026).
#[must_use]
pub fn models<'a>(names: impl Iterator<Item = &'a str>, number: u64) -> Reply {
    let mut body = String::from(r#"{"object":"list","data":["#);
    for (index, name) in names.enumerate() {
        body.push_str(if index == 0 { r#"{"id":"# } else { r#",{"id":"# });
        super::json::string(&mut body, name);
        super::json::put(
            &mut body,
            format_args!(
                r#","object":"model","created":{},"owned_by":"quotalab","active":true}}"#,
                ids::created(Instant::ZERO)
            ),
        );
    }
    body.push_str("]}");
    Reply { status: 200, headers: headers::render(JSON, None, None, number), body }
}

/// A success that no client can read: what a proxy in trouble answers.
fn garbage(limits: Option<&LimitsView>, number: u64) -> Reply {
    let body =
        "<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>\n";
    Reply { status: 200, headers: headers::render("text/html", limits, None, number), body: body.to_owned() }
}

const JSON: &str = "application/json";
