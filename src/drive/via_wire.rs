//! Builds the reply to a refusal by rendering it in the provider's dialect and parsing the result. A simulation then
//! loses what the dialect does not state and is misled by what it states wrongly, as over HTTP.
//!
//! Groq's refusals are built directly by [`super::direct`], with the same result, and so are most faults of Groq's dialect, unless
//! an incident changes the headers of its refusals. Refusals of other dialects differ too much to be built directly. The faults
//! overload, billing and tier are rendered in every dialect. Successes are always built directly.

use crate::engine::Reply;
use crate::engine::parse::{self, Headers, Response};
use provider::calendar::Epoch;
use provider::config::{Config, Dialect, Fault};
use provider::decision::{Decision, DecisionReport};
use provider::fault::ResponseFault;
use provider::wire::{self, Content, Context, Finish, LimitsSnapshot, ReplyShape};
use provider::{Call, Instant};

/// Returns `true` if the reply to a decision of this provider is rendered, changed by `fault`, and parsed.
pub(super) fn goes_via_wire(config: &Config, decision: &Decision, fault: &ResponseFault) -> bool {
    match decision {
        Decision::Admitted(_) | Decision::Faulted(Fault::Timeout | Fault::Reset) => false,
        Decision::Faulted(Fault::Overload | Fault::Billing | Fault::NotInTier) => true,
        Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => {
            config.dialect != Dialect::Groq || *fault != ResponseFault::default()
        }
    }
}

/// Returns the reply to a call that was decided on at the limits of `snapshot` and that arrives at `arrives_at`, with
/// the faults in `fault` applied; `None` if no reply ever comes.
#[cold]
pub(super) fn reply(
    config: &Config,
    call: Call,
    report: &DecisionReport,
    snapshot: &LimitsSnapshot,
    fault: &ResponseFault,
    arrives_at: Instant,
) -> Option<Reply> {
    let context = Context {
        model: &config.models[usize::from(call.model)].name,
        system_fingerprint: "",
        account: &config.accounts[usize::from(call.account)].name,
        tier: config.tier,
        // The engine reads neither `system_fingerprint` nor the ids of replies.
        number: 0,
        at: snapshot.at,
        epoch: Epoch::RUN,
        finish: Finish::Stop,
        content: Content::Filler,
        shape: ReplyShape::PLAIN,
    };
    let reply = wire::format(config.dialect).reply(report, snapshot, &context)?;
    let wire::Reply { status, headers, body } = fault.apply(reply, report.wait(), snapshot.at, Epoch::RUN);
    let response = Response { status, headers: &Rendered(&headers), body: body.as_bytes() };
    Some(parse::reply(Some(config.dialect.into()), arrives_at, &response))
}

/// Headers as a provider renders them.
struct Rendered<'a>(&'a wire::Headers);

impl Headers for Rendered<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.value(name)
    }
}
