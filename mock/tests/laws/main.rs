//! The provider's laws (laws 5, 6, 7 and 9), proved from outside: what a window promises for any
//! sequence of calls by property tests, what it loses under random traffic against closed formulas.

mod accounts;
mod cached;
mod calendar;
mod erlang;
mod lengths;
mod multirate;
mod poisson;
mod queue;
mod windows;

use provider::Zone;
use provider::config::{
    AccountConfig, Config, Dialect, Latency, Law, Lengths, Limit, ModelConfig, Price, Reserve, Service, Tier,
};
use provider::dist::Dist;

/// Every law of a limit that stands still.
const LAWS: [Law; 5] =
    [Law::Bucket, Law::Fixed, Law::SlidingLog, Law::SlidingCounter, Law::Calendar(Zone::Pacific)];

/// A provider of so many accounts with one model, whose calls take no time.
fn config(accounts: usize, limits: Vec<Limit>, reserve: Reserve) -> Config {
    let account = |index| AccountConfig { name: format!("a{index}"), keys: vec![format!("k{index}")] };
    Config {
        name: "provider".into(),
        dialect: Dialect::Groq,
        tier: Tier::Free,
        accounts: (0..accounts).map(account).collect(),
        models: vec![ModelConfig {
            name: "model".into(),
            limits,
            lengths: Lengths::default(),
            reserve,
            latency: Latency {
                service: Service::Total(Dist::Constant(0.0)),
                network: Dist::Constant(0.0),
                slots: None,
            },
            price: Price::default(),
            family: None,
            completion: Dist::Constant(1.0),
        }],
        incidents: vec![],
    }
}
