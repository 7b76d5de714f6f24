//! From a parsed request to the provider's decision, and the guard of what it admits.
//!
//! However the connection of an admitted call ends, the call is settled exactly once: when it has been served, or, if its
//! client goes away first, when the guard is dropped.

use super::Mock;
use super::context::RequestContext;
use super::mock::Generation;
use super::reply_kind::ReplyKind;
use super::responder::Responder;
use super::stream::UsageChunk;
use crate::call::Call;
use crate::decision::{Decision, DecisionReport, Service};
use crate::fault::ResponseFault;
use crate::wire::truth::TruthHeader;
use crate::wire::{Error, LimitsSnapshot};
use axum::response::Response;
use std::sync::Arc;

/// A well-formed request for a completion or a transcript, whatever its endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedRequest {
    /// The name of the model, which may be unknown.
    pub(super) model: String,
    /// Estimated tokens of the prompt; the truth header overrides it.
    pub(super) prompt_tokens: u32,
    /// Maximum tokens of the completion, at least one; `None` if the client sets no bound.
    pub(super) max_tokens: Option<u32>,
    /// Length of the audio file in seconds, rounded up; zero if there is none.
    pub(super) audio_seconds: u64,
    /// What the completion consists of.
    pub(super) reply: ReplyKind,
    /// How it is streamed; `None` if it is not.
    pub(super) stream: Option<UsageChunk>,
    /// The service tier asked for.
    pub(super) tier: ServiceTier,
    /// The truth header of a simulation's driver; without it the provider draws the truth.
    pub(super) truth: Option<TruthHeader>,
}

/// The service tier that a request asks for (`service_tier`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ServiceTier {
    /// `on_demand`, and every other value except `flex`.
    #[default]
    OnDemand,
    /// Served only if there is capacity now.
    Flex,
}

/// What the provider decided on a call.
#[derive(Debug)]
pub(super) struct Decided {
    /// The decision.
    pub(super) report: DecisionReport,
    /// The limits after it.
    pub(super) limits: LimitsSnapshot,
    /// What happens to the reply on its way.
    pub(super) fault: ResponseFault,
    /// How often the provider had been reset.
    pub(super) generation: Generation,
}

/// Has the provider decide on a request, and answers it.
pub(super) async fn admit(mut context: RequestContext, account: u16, request: ParsedRequest) -> Response {
    context.stream = request.stream.is_some();
    context.model = context.mock.model(&request.model);
    let Some(model) = context.model else {
        return context.reject(Error::UnknownModel(&request.model).into());
    };
    let mock = Arc::clone(&context.mock);
    let (truth, tag) = match request.truth {
        Some(TruthHeader { truth, tag }) => (truth, Some(tag)),
        None => (mock.draw_truth(context.number, model, request.prompt_tokens), None),
    };
    let call = Call { account, model, max_tokens: request.max_tokens };
    let (uplink, downlink) = mock.network(model, truth);
    mock.sleep(uplink).await;
    let Decided { report, limits, fault, generation } = mock.decide(call, request.audio_seconds, truth, tag);
    let mut responder = Responder {
        context,
        call,
        truth,
        reply: request.reply,
        stream: request.stream,
        tier: request.tier,
        limits,
        fault,
        downlink,
    };
    match report.decision {
        Decision::Admitted(service) => {
            let admission = Admission { mock, generation, call, tag, service, open: true };
            responder.serve(&report, admission).await
        }
        Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => responder.refuse(report).await,
    }
}

/// Settles one admitted call exactly once.
#[derive(Debug)]
pub(super) struct Admission {
    mock: Arc<Mock>,
    generation: Generation,
    call: Call,
    tag: Option<u64>,
    service: Service,
    /// Whether the call is yet to be settled.
    open: bool,
}

impl Admission {
    pub(super) fn mock(&self) -> &Mock {
        &self.mock
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Settles the call as served. Has no effect the second time.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.open) {
            self.mock.settle(self.generation, self.call, self.tag, &self.service);
        }
    }
}

impl Drop for Admission {
    /// Settles the call as cancelled by its client, unless it has been served.
    fn drop(&mut self) {
        if self.open {
            self.mock.cancel(self.generation, self.call, self.tag, &self.service);
        }
    }
}
