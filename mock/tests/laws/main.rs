//! The laws of the provider (5, 6, 7 and 9), checked through its public interface: property tests for any sequence of
//! calls, and closed formulas for the share of random traffic that is refused and for its mean wait.

mod accounts;
mod announced_wait;
mod cached;
mod calendar;
mod erlang;
mod lengths;
mod levels;
mod multirate;
mod poisson;
mod queue;
mod windows;

use provider::Zone;
use provider::config::{Config, Limit, ModelConfig, RefillPolicy, Reserve};

/// Every refill policy with a constant limit.
const REFILL_POLICIES: [RefillPolicy; 6] = [
    RefillPolicy::Bucket,
    RefillPolicy::Fixed,
    RefillPolicy::FirstRequest,
    RefillPolicy::SlidingLog,
    RefillPolicy::SlidingCounter,
    RefillPolicy::Calendar(Zone::Pacific),
];

/// Returns the configuration of a provider with this many accounts and one model that replies at once.
fn config(accounts: usize, limits: Vec<Limit>, reserve: Reserve) -> Config {
    let model = ModelConfig { limits, reserve, ..ModelConfig::default() };
    (0..accounts).fold(Config::new("provider").with_model(model), |config, index| {
        config.with_account(&format!("a{index}"))
    })
}
