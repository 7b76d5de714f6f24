//! From a refusal to a reply by way of its words: rendered as the provider writes it, and read as a client reads
//! it. NetworkEvent a dialect does not state is lost on the way, and what it states misleadingly misleads, in a
//! simulation as on the wire.
//!
//! Groq's refusals take the short cut of [`super::direct`], which a law holds to the same result. Other dialects
//! state so many different things that the detour is the only short description of them; only refusals take it.

use crate::engine::Reply;
use crate::engine::parse::{self, Headers, Response};
use provider::config::{Config, Dialect, Fault};
use provider::decision::{Decision, DecisionReport};
use provider::fault::ResponseFault;
use provider::wire::{self, Content, Context, Finish, LimitsSnapshot};
use provider::{Call, Instant};

/// Whether the reply to a verdict of this provider takes the detour.
pub(super) fn goes_via_wire(config: &Config, verdict: &Decision) -> bool {
    match verdict {
        Decision::Admitted(_) | Decision::Faulted(Fault::Timeout | Fault::Reset) => false,
        Decision::Faulted(Fault::Overload | Fault::Billing | Fault::NotInTier) => true,
        Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => config.dialect != Dialect::Groq,
    }
}

/// The reply to a call that was ruled on when the limits stood as `told`, and that comes at `whole_at`, bent on its way.
#[cold]
pub(super) fn reply(
    config: &Config,
    call: Call,
    ruling: &DecisionReport,
    told: &LimitsSnapshot,
    bend: &ResponseFault,
    whole_at: Instant,
) -> Option<Reply> {
    let context = Context {
        model: &config.models[usize::from(call.model)].name,
        account: &config.accounts[usize::from(call.account)].name,
        tier: config.tier,
        number: 0, // Ids mean nothing to the engine.
        at: told.at,
        finish: Finish::Stop,
        content: Content::Filler,
    };
    let reply = wire::format(config.dialect).reply(ruling, told, &context)?;
    let wire::Reply { status, headers, body } = bend.apply(reply, ruling.wait(), told.at);
    let response = Response { status, headers: &Rendered(&headers), body: body.as_bytes() };
    Some(parse::reply(Some(config.dialect.into()), whole_at, &response))
}

/// Headers as a provider renders them.
struct Rendered<'a>(&'a wire::Headers);

impl Headers for Rendered<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.value(name)
    }
}
