//! Every admitted call is settled exactly once, whichever side ends it and when.

use crate::client::{Observed, RunningMock, admitted, chat_body, config, no_latency, post, settled};
use provider::config::{Limit, ServiceTimeDist};
use provider::dist::Dist;
use provider::{Axis, Instant, Nanos, RandomStream, Usage};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The first token comes after a minute. The mock really waits that long, longer than any test: every call ends because its client
/// disconnects or the mock stops. What it has used follows the clock that the test sets.
fn slow() -> ServiceTimeDist {
    ServiceTimeDist::Split {
        before_prefill: Dist::Constant(60.0),
        prefill_speed: None,
        cached_prefill_speed: None,
        decode_speed: 1.0,
    }
}

#[tokio::test]
async fn a_client_that_disconnects_early_is_charged_the_tokens_generated_so_far() {
    for more in ["", r#","stream":true"#] {
        let mock = RunningMock::start(&config(vec![Limit::new(Axis::Tpm, 8000)], slow(), &[])).await;
        let mut socket = mock.connect().await;
        let request = post("prompt=10;completion=50;draw=1;tag=3", &chat_body(more));
        socket.write_all(request.as_bytes()).await.unwrap();
        mock.wait_for(|seen| admitted(seen) == 1).await;
        mock.set_clock(Nanos::from_secs(69)); // by the clock, nine seconds after the first token
        drop(socket);
        mock.wait_for(|seen| settled(seen) == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let usage = Usage { prompt_tokens: 10, completion_tokens: 10, cached_tokens: 0 };
        let at = Instant::ZERO + Nanos::from_secs(69);
        let seen = mock.stop().await;
        assert_eq!(seen[1..], [Observed::Settled(at, Some(3), usage)], "{more}");
    }
}

/// One slot, a minute to the first token: the second call starts when the first client disconnects, and the third, whose
/// client disconnects in the queue, uses nothing.
#[tokio::test]
async fn a_server_slot_is_free_when_its_client_disconnects() {
    let mut config = config(vec![], slow(), &[]);
    config.models[0].latency.slots = Some(1);
    for more in ["", r#","stream":true"#] {
        let mock = RunningMock::start(&config).await;
        let mut sockets = Vec::new();
        for tag in 1..=3 {
            let mut socket = mock.connect().await;
            let request = post(&format!("prompt=10;completion=1;draw=1;tag={tag}"), &chat_body(more));
            socket.write_all(request.as_bytes()).await.unwrap();
            mock.wait_for(|seen| admitted(seen) == tag).await;
            sockets.push(socket);
        }
        drop(sockets.pop());
        mock.wait_for(|seen| settled(seen) == 1).await;
        mock.set_clock(Nanos::from_secs(5));
        drop(sockets.remove(0));
        mock.wait_for(|seen| settled(seen) == 2).await;
        mock.set_clock(Nanos::from_secs(66)); // a second after the end of the second call
        drop(sockets.pop());
        mock.wait_for(|seen| settled(seen) == 3).await;
        let seen = mock.stop().await;
        let settled: Vec<_> = seen
            .iter()
            .filter_map(|seen| match seen {
                Observed::Settled(_, tag, usage) => {
                    Some((tag.unwrap(), usage.prompt_tokens, usage.completion_tokens))
                }
                Observed::Decided(..) => None,
            })
            .collect();
        assert_eq!(settled, [(3, 0, 0), (1, 10, 0), (2, 10, 1)], "{more}");
    }
}

#[tokio::test]
async fn shutdown_settles_calls_in_flight() {
    let mock = RunningMock::start(&config(vec![], slow(), &[])).await;
    let mut sockets = Vec::new();
    for more in ["", r#","stream":true"#, "", r#","stream":true"#] {
        let mut socket = mock.connect().await;
        socket.write_all(post("", &chat_body(more)).as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    mock.wait_for(|seen| admitted(seen) == 4).await;
    let seen = mock.stop().await;
    assert_eq!((admitted(&seen), settled(&seen)), (4, 4));
}

#[tokio::test]
async fn a_clock_that_goes_back_is_ignored() {
    let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 1)], no_latency(), &[])).await;
    for (now, status) in [(5, 200), (3, 429), (4, 429), (65, 200), (0, 429)] {
        mock.set_clock(Nanos::from_secs(now));
        assert_eq!(mock.ask().await.status, status, "at {now} s");
    }
    let times: Vec<_> = mock.stop().await.iter().map(time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// Clients disconnect at random moments, some before the decision and some after the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_disconnects_never_settle_a_call_twice_or_not_at_all() {
    let service = ServiceTimeDist::Split {
        before_prefill: Dist::Constant(0.003),
        prefill_speed: None,
        cached_prefill_speed: None,
        decode_speed: 5000.0,
    };
    let limits = vec![Limit::new(Axis::Concurrency, 1000), Limit::new(Axis::Tpm, 100_000_000)];
    let mock = Arc::new(RunningMock::start(&config(limits, service, &[])).await);
    let clients = (0..400u64).map(|tag| {
        let mock = Arc::clone(&mock);
        tokio::spawn(async move {
            let mut random = RandomStream::new(11, "leave", tag);
            let more = if random.below(2) == 0 { "" } else { r#","stream":true"# };
            let mut socket = mock.connect().await;
            let request = post(&format!("prompt=10;completion=40;draw={tag};tag={tag}"), &chat_body(more));
            socket.write_all(request.as_bytes()).await.unwrap();
            let timeout = Duration::from_micros(random.below(20_000));
            let mut reply = Vec::new();
            let _left_or_served = tokio::time::timeout(timeout, socket.read_to_end(&mut reply)).await;
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    mock.wait_for(|seen| admitted(seen) == settled(seen)).await;
    let seen = Arc::into_inner(mock).expect("every client has disconnected").stop().await;
    let mut balance = BTreeMap::new();
    for event in &seen {
        match event {
            Observed::Decided(_, tag, _) => assert_eq!(balance.insert(*tag, 1), None),
            Observed::Settled(_, tag, usage) => {
                assert_eq!(
                    balance.insert(*tag, 0),
                    Some(1),
                    "{tag:?} is settled once, after it was admitted"
                );
                assert!(usage.prompt_tokens == 10 && usage.completion_tokens <= 40);
            }
        }
    }
    assert!(balance.values().all(|open| *open == 0), "{balance:?}");
    assert!(admitted(&seen) > 100, "too few calls were decided on for the test to be valid");
    assert!(seen.is_sorted_by_key(time));
}

fn time(seen: &Observed) -> Instant {
    match seen {
        Observed::Decided(at, ..) | Observed::Settled(at, ..) => *at,
    }
}
