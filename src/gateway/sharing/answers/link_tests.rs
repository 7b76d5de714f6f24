//! The link to a real server: what is counted, what too many calls do, and what a slow connection does.

use super::super::RedisUrl;
use super::super::redis_server::RedisServer;
use super::call::StoredValue;
use super::clock::ServerClock;
use super::laws::replica::{answers_of, scenario_with};
use super::link::{MAX_FORGETS, MAX_LOOKUPS};
use super::*;
use crate::drive::clock::Clock;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Returns the shared answers of a replica that is connected to Redis at this port.
fn connected(runtime: &Runtime, port: u16, answer_timeout: Duration) -> SharedAnswers {
    let url = RedisUrl::parse(&format!("redis://127.0.0.1:{port}")).expect("a URL");
    let (link, queue) = AnswerLink::new(url, answer_timeout, Clock::start());
    let run = Arc::clone(&link);
    runtime.spawn(async move { run.run(queue).await });
    let answers = answers_of(link, (&scenario_with(1_000), Nanos::from_secs(1_000)));
    wait_for(|| answers.state().up);
    answers
}

fn wait_for(is_true: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_true() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("not within 10 s");
}

#[expect(clippy::disallowed_methods, reason = "the server and its connections run in real time")]
fn sleep(length: Duration) {
    thread::sleep(length);
}

fn bytes(length: usize) -> Arc<AnswerBytes> {
    AnswerBytes::found(TargetId(0), &HeaderMap::new(), &vec![b'x'; length]).expect("an answer")
}

fn store(answers: &SharedAnswers, key: AnswerKey, length: usize) {
    let before = answers.state().stored;
    answers.store(key, answers.link.now(), (&bytes(length), false));
    wait_for(|| answers.state().stored > before);
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn answers_are_dropped_while_too_many_are_looked_up() {
    let Some(server) = RedisServer::start(None) else { return };
    let runtime = Runtime::new().expect("a runtime");
    let answers = connected(&runtime, server.port, LONG);
    let counts = &answers.link.counts;
    let key = answers.key_of(b"one").expect("it is connected");
    let forget = || runtime.block_on(answers.forget(&key));
    let look_up = |key: Option<&AnswerKey>| runtime.block_on(answers.look_up(key)).is_some();
    forget();
    assert_eq!(counts.writes(Write::Forgotten), 0, "none was there");
    // The time of the drop in Redis is not later than that of the answer.
    sleep(Duration::from_millis(5));
    store(&answers, key, 10);
    assert!(look_up(Some(&key)));
    // A permit is given back just after the answer has arrived.
    let take_all = |permits: &Arc<Semaphore>, count: usize| {
        let count = u32::try_from(count).expect("a few");
        runtime.block_on(Arc::clone(permits).acquire_many_owned(count)).expect("it is open")
    };
    let taken = take_all(&answers.link.lookups, MAX_LOOKUPS);
    assert!(!look_up(Some(&key)));
    assert_eq!(counts.lookups(Lookup::Skipped), 1);
    forget();
    drop(taken);
    assert!(!look_up(Some(&key)), "it was dropped");
    assert_eq!((counts.writes(Write::Forgotten), counts.lookups(Lookup::Miss)), (1, 1));
    let _taken = take_all(&answers.link.forgets, MAX_FORGETS);
    forget();
    assert_eq!((counts.writes(Write::Skipped), counts.writes(Write::Failed)), (1, 0));
    assert!(!look_up(None), "there is no key before the first connection");
    assert_eq!(counts.lookups(Lookup::Skipped), 2);
}

/// An answer that was stored before the clock of the server was set back is not used, and is no damaged one.
#[test]
fn an_answer_from_the_future_is_a_miss() {
    let url = RedisUrl::parse("redis://127.0.0.1:1").expect("a URL");
    let (link, _queue) = AnswerLink::new(url, Duration::ZERO, Clock::start());
    link.set_agreed(&"a".repeat(64), ServerClock::new(None, (Instant::ZERO, Instant::ZERO), 5_000_000));
    let answers = answers_of(link, (&scenario_with(1), Nanos::from_secs(1)));
    let (key, agreed) = (answers.key_of(b"one").expect("a key"), answers.link.agreed().expect("a secret"));
    let (answer, target) = (bytes(10), "p/a/m".into());
    let waiting = Waiting { key, stored: Instant::ZERO, ttl: answers.ttl, answer, cut: false, target };
    let Some(Action::Store(_, StoredValue { value: text, stored_ms, .. })) = waiting.into_action(&agreed)
    else {
        panic!("a value")
    };
    let take = |now_ms: u64| {
        let answer = Answer { outcome: Outcome::Done, now_ms, text: text.clone() };
        answers.take(&key, &answer, (Instant::ZERO, Instant::ZERO)).err()
    };
    assert_eq!(
        [take(stored_ms), take(stored_ms - 1), take(stored_ms + 1_000)],
        [None, Some(Lookup::Miss), Some(Lookup::Miss)]
    );
}

/// A server whose answers come slowly. Returns its port, and how many connections it has accepted.
fn slow_server(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own_port = listener.local_addr().expect("it is bound").port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::Relaxed);
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let copy = |stream: &TcpStream| stream.try_clone().expect("a copy");
            let (up, down) = ((copy(&client), copy(&server)), (server, client));
            thread::spawn(move || pass_on(up, Duration::ZERO));
            thread::spawn(move || pass_on(down, Duration::from_millis(50)));
        }
    });
    (own_port, accepted)
}

/// Passes on what is sent, with this pause for 64 KiB.
fn pass_on((mut from, mut to): (TcpStream, TcpStream), pause: Duration) {
    let mut part = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut part)
        && length > 0
        && to.write_all(&part[..length]).is_ok()
    {
        sleep(pause.mul_f64(length as f64 / part.len() as f64));
    }
}

/// A large answer delays the lookups behind it. The connection is kept, and used again when the answer has arrived.
#[test]
fn a_large_answer_on_a_slow_connection_does_not_end_it() {
    let Some(server) = RedisServer::start(None) else { return };
    let runtime = Runtime::new().expect("a runtime");
    let (port, accepted) = slow_server(server.port);
    let answers = connected(&runtime, port, Duration::from_millis(500));
    let [large, small] = [&b"large"[..], b"small"].map(|digest| answers.key_of(digest).expect("a key"));
    store(&answers, large, 4 << 20);
    store(&answers, small, 10);
    let connections = accepted.load(Ordering::Relaxed);
    let look_up = |key: AnswerKey| {
        let answers = answers.clone();
        runtime.spawn(async move { answers.look_up(Some(&key)).await.is_some() })
    };
    let first = look_up(large);
    sleep(Duration::from_millis(50));
    let behind = [look_up(small), look_up(small), look_up(small)];
    assert!(!runtime.block_on(first).expect("no panic"), "it takes more than three seconds");
    for lookup in behind {
        assert!(!runtime.block_on(lookup).expect("no panic"), "it waits behind the large one");
    }
    let begun = answers.link.now();
    assert!(!runtime.block_on(look_up(small)).expect("no panic"));
    assert!(answers.link.now().since(begun) < Nanos::from_millis(400), "it does not wait");
    wait_for(|| runtime.block_on(look_up(small)).expect("no panic"));
    assert!(answers.state().up);
    assert_eq!(accepted.load(Ordering::Relaxed), connections, "it has not connected again");
}
