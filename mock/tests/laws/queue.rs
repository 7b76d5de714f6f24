//! The queueing time for a slot, compared with Erlang's formula: Poisson arrivals, exponential service.

use super::config;
use super::erlang::{batch_means, erlang_c};
use provider::config::{Estimate, Latency, Reserve, ServiceTimeDist};
use provider::decision::Decision;
use provider::dist::Dist;
use provider::slots::StartedCall;
use provider::{Call, Instant, Nanos, Provider, RandomStream, Truth};
use std::collections::{BTreeMap, VecDeque};

const BATCHES: usize = 40;
/// Calls per batch. At 80 % utilisation the queue is independent of its past after some hundred services.
const CALLS_PER_BATCH: usize = 15_000;
const UTILISATION: f64 = 0.8;

/// Asserts that the mean wait for one of `slots` slots is `C / (cμ − λ)` with μ = 1 per second, within three standard
/// errors of the batch means.
fn assert_mean_wait(slots: u32) {
    let mut config = config(1, vec![], Reserve::default_for(Estimate::Prompt));
    config.models[0].latency =
        Latency::new(ServiceTimeDist::Total(Dist::Exponential(1.0))).with_slots(Some(slots));
    let mut provider = Provider::new(&config);
    let mut stream = RandomStream::new(2026, "arrivals", u64::from(slots));
    let load = UTILISATION * f64::from(slots);
    let gap = Dist::Exponential(1.0 / load);
    let (mut next_arrival, mut draw) = (Instant::ZERO, 0);
    // The calls that are served, by their end; those that wait; and the waits of calls that have started.
    let (mut served, mut waiting, mut waits) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
    let (wait, error) = batch_means(BATCHES, CALLS_PER_BATCH, || {
        loop {
            if let Some(wait) = waits.pop_front() {
                return wait;
            }
            let first_end = served.first_key_value().map(|((end, _), _)| *end);
            let service = if let Some(end) = first_end.filter(|end| *end <= next_arrival) {
                let (_, service) = served.pop_first().expect("one is served");
                let Some(StartedCall { ticket_number: ticket, at }) = provider.complete(end, &service) else {
                    continue;
                };
                let next: provider::decision::Service = waiting.pop_front().expect("one waits");
                assert_eq!(next.ticket.number, ticket, "first come, first served");
                provider::decision::Service { started_at: Some(at), ..next }
            } else {
                let now = next_arrival;
                next_arrival += Nanos::from_secs_f64(gap.sample(&mut stream));
                draw += 1;
                let call = Call { account: 0, model: 0, max_tokens: None };
                match provider.decide(now, call, Truth { draw, ..Truth::default() }).decision {
                    Decision::Admitted(service) => service,
                    other => panic!("no limit applies, found {other:?}"),
                }
            };
            match service.done_at() {
                Some(end) => {
                    waits.push_back(service.queue_time().as_secs_f64());
                    served.insert((end, service.ticket.number), service);
                }
                None => waiting.push_back(service),
            }
        }
    });
    let expected = erlang_c(slots, load) / (f64::from(slots) - load);
    assert!(
        (wait - expected).abs() <= 3.0 * error,
        "{slots} slots: waited {wait} s, expected {expected} ± {error}"
    );
}

#[test]
fn one_slot_behaves_as_an_m_m_1_queue() {
    assert_mean_wait(1);
}

#[test]
fn several_slots_behave_as_an_m_m_c_queue() {
    for slots in [2, 5, 10] {
        assert_mean_wait(slots);
    }
}
