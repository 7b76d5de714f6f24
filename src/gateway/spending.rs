//! What an attempt may cost its caller: reserved before it is sent, settled when its usage is known.
//!
//! The most that an attempt can cost is its estimated prompt and the bound on its completion: `max_tokens`, or else the longest
//! completion of the model, or else [`DEFAULT_COMPLETION`], which is then sent as the bound. If that is more than the budget will
//! have left even when all attempts under way have cost nothing, the bound is lowered to what is left, unless that is less than
//! [`MIN_COMPLETION`].
//!
//! | an attempt | is charged |
//! |---|---|
//! | was answered | its usage, or the estimate if the answer states none |
//! | was refused, failed with an error of the provider, or was not sent | nothing |
//! | streamed, and broke off or was left by its caller | the prompt, and the events that arrived |
//! | had no whole reply: its caller left, its time was over, the connection broke | what was reserved: the provider may have answered |

use super::Gateway;
use super::caller_request::{Bound, CallerRequest};
use super::callers::Caller;
use super::endpoint::Endpoint;
use super::ledger::{Balance, ChargedCaller, Cost, Hold, Ledger, Refusal};
use super::metrics::Metrics;
use crate::engine::parse::Dialect;
use crate::engine::{Attempt, Reply};
use crate::event::{AttemptFailure, AttemptOutcome};
use crate::ids::{RouteId, TargetId};
use crate::scenario::{DailyBudget, TokenPrices};
use provider::Usage;
use std::sync::Arc;

/// The bound on a completion that is sent if neither the caller nor the scenario sets one and a budget is to hold, in tokens.
pub(super) const DEFAULT_COMPLETION: u32 = 16_384;

/// A completion is not bounded to fewer tokens than this: OpenAI refuses less (`max_output_tokens`), and it is of no use.
const MIN_COMPLETION: u32 = 16;

/// Returns what these tokens cost.
fn cost(prices: TokenPrices, usage: Usage) -> Cost {
    let tokens = u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
    Cost { pico_usd: prices.pico_usd(usage), tokens }
}

/// Returns the longest completion that `left` pays for after a prompt; `None` if it does not pay for the prompt.
fn completion_within(prices: TokenPrices, left: Cost, prompt: Usage) -> Option<u32> {
    let prompt = cost(prices, prompt);
    if !prompt.fits(left) {
        return None;
    }
    let left = left.minus(prompt);
    let by_price = left.pico_usd.checked_div(prices.output).unwrap_or(u64::MAX);
    Some(u32::try_from(left.tokens.min(by_price)).unwrap_or(u32::MAX))
}

/// What is reserved for an attempt under way. If it is dropped, the attempt has cost what was reserved.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    prices: TokenPrices,
    /// `None` once it was settled.
    hold: Option<Hold>,
    /// The bound on the completion that is sent, if it is not the caller's.
    pub(super) bound: Option<Bound>,
}

impl Reservation {
    /// Settles an attempt that has used these tokens.
    pub(super) fn settle(mut self, usage: Usage) {
        let cost = cost(self.prices, usage);
        self.settle_to(Some(cost));
    }

    /// Settles an attempt whose reply was read to its end. An answer that cannot be read has cost what was reserved.
    pub(super) fn settle_whole(self, reply: &Reply) {
        match reply.outcome {
            AttemptOutcome::Ok => self.settle(reply.usage),
            AttemptOutcome::Failed(AttemptFailure::Garbage) => drop(self),
            AttemptOutcome::Refused { .. } | AttemptOutcome::Failed(_) => self.release(),
        }
    }

    /// Settles an attempt that has cost nothing.
    pub(super) fn release(mut self) {
        self.settle_to(Some(Cost::ZERO));
    }

    fn settle_to(&mut self, used: Option<Cost>) {
        let Some(hold) = self.hold.take() else { return };
        let used = used.unwrap_or(hold.most);
        self.metrics.callers.spent(&hold.caller, used);
        self.ledger.settle(hold, used);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.settle_to(None);
    }
}

/// Why an attempt is not sent.
#[derive(Clone, Debug)]
pub(super) struct OverBudget {
    pub(super) caller: ChargedCaller,
    pub(super) balance: Balance,
    /// The most that it may cost.
    pub(super) most: Cost,
    /// What the smallest attempt of this kind would cost.
    pub(super) least: Cost,
}

/// The tokens of an attempt, and what they cost where it goes.
struct Wanted {
    prompt: Usage,
    /// All its completions together.
    completion: u32,
    choices: u32,
    /// The bound on the completion has to be sent, because nothing else sets one.
    is_unbounded: bool,
    prices: TokenPrices,
}

impl Wanted {
    fn new(gateway: &Gateway, target: TargetId, request: &CallerRequest) -> Self {
        let resolved = &gateway.scenario.targets[target.index()];
        let provider = &gateway.scenario.providers[usize::from(resolved.provider)];
        let lengths = provider.models[usize::from(resolved.model)].lengths;
        let prompt_tokens = gateway.ratios.corrected(target, request.prompt_tokens);
        let known = lengths.max_output.or(lengths.context);
        let longest = known.unwrap_or(DEFAULT_COMPLETION).saturating_mul(request.choices);
        Self {
            prompt: Usage { prompt_tokens, completion_tokens: 0, cached_tokens: 0 },
            completion: request.max_tokens.unwrap_or(longest),
            choices: request.choices,
            is_unbounded: request.max_tokens.is_none() && known.is_none(),
            prices: TokenPrices::of(resolved.price),
        }
    }

    fn cost_with(&self, completion_tokens: u32) -> Cost {
        cost(self.prices, Usage { completion_tokens, ..self.prompt })
    }

    fn over_budget(&self, caller: &ChargedCaller, balance: Balance) -> OverBudget {
        let [most, least] = [self.completion, self.least()].map(|completion| self.cost_with(completion));
        OverBudget { caller: caller.clone(), balance, most, least }
    }

    /// Returns the smallest completions that are of use.
    fn least(&self) -> u32 {
        self.completion.min(MIN_COMPLETION.saturating_mul(self.choices))
    }

    /// Returns the completions to ask for now that all of [`Self::completion`] do not fit: as many as are left; `None` if the
    /// attempt may fit later, when attempts under way have cost less than is reserved for them, or never.
    fn lowered(&self, budget: Cost, balance: &Balance) -> Option<u32> {
        let if_returned = balance.left_if_returned(budget);
        if self.cost_with(self.completion).fits(if_returned) {
            return None;
        }
        // A multiple of the choices, each of which has the same bound.
        let even = |tokens: u32| tokens - tokens % self.choices;
        let now = even(completion_within(self.prices, balance.left(budget), self.prompt)?);
        let later = even(completion_within(self.prices, if_returned, self.prompt)?);
        // Rather wait for what may come back than have an answer that is much shorter than it could be.
        (now >= self.least() && now >= later / 2).then_some(now)
    }
}

/// Reserves the most that an attempt may cost; `None` if its request has no caller.
///
/// # Errors
/// If not even a short answer fits what is left of its caller's budget.
pub(super) async fn reserve(
    gateway: &Gateway,
    caller: Option<&Arc<Caller>>,
    attempt: &Attempt,
    request: &CallerRequest,
) -> Result<Option<Reservation>, OverBudget> {
    let Some(caller) = caller else { return Ok(None) };
    let wanted = Wanted::new(gateway, attempt.target, request);
    let budget = caller.charged.budget;
    let DailyBudget { usd, tokens } = caller.budget.unwrap_or_default();
    let is_counted = tokens.is_some() || (usd.is_some() && wanted.prices.output > 0);
    let mut completion = wanted.completion;
    loop {
        let Refusal { balance } =
            match gateway.ledger.reserve(&caller.charged, wanted.cost_with(completion)).await {
                Ok(hold) => {
                    let is_sent = completion < wanted.completion || (wanted.is_unbounded && is_counted);
                    let dialect = gateway.upstreams.dialect(attempt.target);
                    let bound = is_sent.then(|| Bound {
                        tokens: completion / wanted.choices,
                        name: bound_name(request.endpoint, dialect),
                    });
                    return Ok(Some(Reservation {
                        ledger: Arc::clone(&gateway.ledger),
                        metrics: Arc::clone(&gateway.metrics),
                        prices: wanted.prices,
                        hold: Some(hold),
                        bound,
                    }));
                }
                Err(refusal) => refusal,
            };
        // Another attempt may reserve what is left first. Each round asks for less, so the loop ends.
        match wanted.lowered(budget, &balance).filter(|lowered| *lowered < completion) {
            Some(lowered) => completion = lowered,
            None => return Err(wanted.over_budget(&caller.charged, balance)),
        }
    }
}

/// Returns why no attempt of a request can be sent on this day; `None` if one may be. A request that is refused here takes no place in a
/// queue and uses nothing of the limits.
pub(super) fn check(
    gateway: &Gateway,
    caller: Option<&Arc<Caller>>,
    route: RouteId,
    request: &CallerRequest,
) -> Option<OverBudget> {
    let caller = caller.filter(|caller| caller.budget.is_some())?;
    let balance = gateway.ledger.balance(&caller.charged);
    let left = balance.left_if_returned(caller.charged.budget);
    let steps = &gateway.scenario.routes[route.index()].steps;
    let mut over = steps
        .iter()
        .flat_map(|step| &step.targets)
        .map(|target| Wanted::new(gateway, *target, request).over_budget(&caller.charged, balance));
    let first = over.next()?;
    let fits = first.least.fits(left) || over.any(|over| over.least.fits(left));
    (!fits).then_some(first)
}

/// Returns the name of the member that bounds a completion where the caller has not named one. Of Chat Completions
/// `max_completion_tokens` is OpenAI's name since 2024; the APIs below document `max_tokens` only (2026-11).
const fn bound_name(endpoint: Endpoint, dialect: Dialect) -> &'static str {
    match (endpoint, dialect) {
        (Endpoint::Responses, _) => "max_output_tokens",
        (
            Endpoint::Chat,
            Dialect::Mistral
            | Dialect::DeepInfra
            | Dialect::Together
            | Dialect::Fireworks
            | Dialect::DeepSeek
            | Dialect::SiliconFlow,
        )
        | (Endpoint::Completions, _) => "max_tokens",
        _ => "max_completion_tokens",
    }
}
