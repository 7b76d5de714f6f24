//! Connects a gateway to the Redis through which replicas share quotas, budgets and cached answers, and waits at the end until the latest
//! usage is reported to it.

use super::super::{VerbError, run_error};
use super::REDIS_VARIABLE;
use crate::drive::clock::Clock;
use crate::gateway::{ANSWER_TIMEOUT, RedisUrl, Sharing, SharingOptions};
use crate::scenario::Scenario;
use anyhow::anyhow;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait until the latest usage is reported to Redis.
const SHARING_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until the latest usage is reported to Redis, at most [`SHARING_TIMEOUT`].
pub(super) async fn finish(sharing: Option<&Sharing>) {
    if let Some(sharing) = sharing
        && !sharing.finish(SHARING_TIMEOUT).await
    {
        tracing::warn!("not all usage was reported to redis: the rest stays counted as reserved");
    }
}

/// Returns what the replicas of a scenario share, for the operator.
pub(super) fn shared_parts(scenario: &Scenario) -> &'static str {
    match (scenario.callers.is_empty(), scenario.default_client().cache.is_some()) {
        (true, false) => "quotas",
        (false, false) => "quotas and budgets",
        (true, true) => "quotas and cached answers",
        (false, true) => "quotas, budgets and cached answers",
    }
}

/// Connects to Redis.
pub(super) async fn connect(url: RedisUrl, clock: Clock) -> Result<Arc<Sharing>, VerbError> {
    let replica = getrandom::u64()
        .map_err(|error| run_error(anyhow!("cannot create a random id for this replica: {error}")))?;
    let options = SharingOptions { url, replica, answer_timeout: ANSWER_TIMEOUT };
    Sharing::connect(&options, clock).await.map_err(|error| {
        run_error(anyhow!(
            "{error}\n  help: start it, or share nothing: leave out --redis and {REDIS_VARIABLE}"
        ))
    })
}
