//! Who may send requests: the callers of the scenario, each with a key of its own. The key in `QUOTALAB_GATEWAY_KEY` is then the
//! operator's: it opens the page, the state and the metrics, and no request may be sent with it.

use super::guard::{self, Access};
use super::ledger::{ChargedCaller, Cost};
use super::reply::ErrorReply;
use super::server::BASES;
use super::upstream::ConfigError;
use crate::drive::secret::{KeyLookup, Secret};
use crate::ids::FlowId;
use crate::job::Priority;
use crate::scenario::{self, DailyBudget, Scenario, budget_pico_usd};
use hyper::{Request, StatusCode};
use std::sync::Arc;

/// A caller.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) charged: ChargedCaller,
    pub(super) priority: Priority,
    /// That of its jobs: its place among the callers.
    pub(super) flow: FlowId,
    pub(super) budget: Option<DailyBudget>,
    key: Secret,
}

/// The callers of a scenario; empty if it names none: then everybody with [`Access`] may send requests.
#[derive(Debug, Default)]
pub(super) struct Callers(Vec<Arc<Caller>>);

impl Caller {
    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        &self.charged.name
    }
}

impl Callers {
    /// Reads the keys of the callers.
    ///
    /// # Errors
    /// Every key that is missing or malformed, and every two that are equal.
    pub(super) fn new(
        scenario: &Scenario,
        access: &Access,
        lookup: &KeyLookup<'_>,
    ) -> Result<Self, Vec<ConfigError>> {
        let (mut callers, mut problems) = (Vec::<Arc<Caller>>::new(), Vec::new());
        for (flow, caller) in (0..).map(FlowId).zip(&scenario.callers) {
            let place = format!("caller {}", caller.name);
            let key = match Secret::read(&caller.key, &caller.key_name, "", lookup) {
                Ok(key) => key,
                Err(what) => {
                    let help = "set it, or write another source: `{env: NAME}` or `{file: PATH}`".to_owned();
                    problems.push(ConfigError { place, what, help });
                    continue;
                }
            };
            let same =
                callers.iter().find(|other| other.key.is_same(&key)).map(|other| other.name().to_owned());
            let is_operators = matches!(access, Access::WithKey(operator) if key.is(operator.as_bytes()));
            if let Some(same) = same.or_else(|| is_operators.then(|| "the operator".to_owned())) {
                let what = format!("its key equals that of {same}");
                let help = "give every caller a key of its own".to_owned();
                problems.push(ConfigError { place, what, help });
            }
            callers.push(Arc::new(with_key(caller, flow, key)));
        }
        if problems.is_empty() { Ok(Self(callers)) } else { Err(problems) }
    }

    /// Returns `true` if the scenario names no caller.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns every caller, in the order of the scenario.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Caller>> {
        self.0.iter()
    }

    /// Returns who sends a request: `None` if the scenario names no caller, or if the request is for a page of the operator.
    ///
    /// # Errors
    /// If it may not use the gateway, or if two servers could read it differently.
    pub(super) fn admit<B>(
        &self,
        access: &Access,
        request: &Request<B>,
    ) -> Result<Option<Arc<Caller>>, ErrorReply> {
        if self.is_empty() || !is_of_api(request.uri().path()) {
            return guard::refusal(access, request).map_or(Ok(None), Err);
        }
        // A caller shows its own key instead of the operator's.
        if let Some(refusal) = guard::refusal_before_key_check(access, request) {
            return Err(refusal);
        }
        let sent = guard::sent_key(request.headers());
        let found = sent.and_then(|sent| self.find(sent));
        let is_operator =
            || matches!((access, sent), (Access::WithKey(key), Some(sent)) if guard::is_key(key, sent));
        found.map(Some).ok_or_else(|| {
            let message = if is_operator() {
                "this is the key of the gateway's operator: send a request with the key of one of its callers"
            } else {
                "the gateway does not know this key: send the key of one of its callers"
            };
            ErrorReply::of_caller(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
        })
    }

    /// Returns the caller with a key. Every key is compared, so the time does not depend on which one it is.
    fn find(&self, sent: &[u8]) -> Option<Arc<Caller>> {
        self.0
            .iter()
            .fold(None, |found, caller| {
                let is_it = caller.key.is(sent);
                found.or(Some(caller).filter(|_| is_it))
            })
            .cloned()
    }
}

fn with_key(caller: &scenario::Caller, flow: FlowId, key: Secret) -> Caller {
    let budget = caller.budget.unwrap_or_default();
    let most = Cost {
        pico_usd: budget.usd.map_or(u64::MAX, budget_pico_usd),
        tokens: budget.tokens.unwrap_or(u64::MAX),
    };
    let charged = ChargedCaller { name: caller.name.as_str().into(), budget: most };
    Caller { charged, priority: caller.priority, flow, budget: caller.budget, key }
}

/// Returns `true` for the paths of OpenAI's API.
fn is_of_api(path: &str) -> bool {
    BASES.iter().any(|base| path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')))
}
