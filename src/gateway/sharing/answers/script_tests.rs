//! The script on a real server: how replicas agree on a secret, and which of several answers stays.

use super::super::laws::Bench;
use super::call::{Action as ScriptAction, Answer, Call, Outcome, StoredValue};
use super::laws::replica::BEGINNING_MS;
use super::value::{PREFIX, Secret};

/// The replicas take the secret that is there. If there is none, or something else, they restore their own.
#[test]
fn the_replicas_agree_on_a_secret() {
    let Some(bench) = Bench::start() else { return };
    let [one, other] = ["1", "2"].map(|digit| digit.repeat(64));
    let agree = |secret: &str| {
        let answer = bench.make(&Call::new(ScriptAction::Agree(secret.to_owned())));
        assert_eq!(answer.outcome, Outcome::Done);
        String::from_utf8(answer.text).expect("text")
    };
    assert_eq!((agree(&one), agree(&other)), (one.clone(), one.clone()));
    let key = format!("'{PREFIX}secret'");
    for damage in [
        "",
        "redis.call('SET', KEY, 'x')",
        "redis.call('SET', KEY, string.rep('x', 64))",
        "redis.call('LPUSH', KEY, 'x')",
    ] {
        let damage = damage.replace("KEY", &key);
        bench.run(&format!("redis.call('DEL', {key}) {damage} return {{}}"));
        assert_eq!((agree(&other), agree(&one)), (other.clone(), other.clone()), "{damage}");
        bench.run(&format!("redis.call('SET', {key}, '{one}') return {{}}"));
    }
}

/// A later answer is not replaced by an earlier one that is written after it, and none is stored after its time to live.
#[test]
fn the_latest_answer_stays() {
    let Some(bench) = Bench::start() else { return };
    let key = Secret::parse(&"a".repeat(64)).expect("32 bytes").key_of(&[0; 32], b"one");
    let at = |ms: u64, action| bench.make(&Call::new(action).at_ms(BEGINNING_MS + ms));
    let store = |ms: u64, stored: u64, over: u64, text: &str| {
        let value = format!("quotalab-answer-1 {:016} {text}", BEGINNING_MS + stored).into_bytes();
        let (stored_ms, over_ms) = (BEGINNING_MS + stored, BEGINNING_MS + over);
        let value = StoredValue { value, stored_ms, over_ms };
        at(ms, ScriptAction::Store(key, value)).outcome
    };
    let look_up = |ms: u64| {
        let Answer { outcome, text, .. } = at(ms, ScriptAction::LookUp(key, 100));
        let text = String::from_utf8(text).expect("text");
        (outcome, text.get(35..).unwrap_or_default().to_owned())
    };
    assert_eq!(look_up(0), (Outcome::Absent, String::new()));
    assert_eq!(store(10, 5, 100, "later"), Outcome::Done);
    assert_eq!(store(11, 4, 100, "earlier"), Outcome::Absent);
    assert_eq!(look_up(12), (Outcome::Done, "later".to_owned()));
    assert_eq!(store(100, 6, 100, "over"), Outcome::Absent);
    assert_eq!(at(20, ScriptAction::Forget(key, BEGINNING_MS + 8)).outcome, Outcome::Done);
    assert_eq!(look_up(21), (Outcome::Absent, String::new()));
    assert_eq!(at(21, ScriptAction::Forget(key, BEGINNING_MS + 4)).outcome, Outcome::Absent, "none is there");
    assert_eq!(store(22, 7, 100, "late"), Outcome::Absent, "it was stored before the answers were dropped");
    assert_eq!(store(23, 8, 100, "new"), Outcome::Done);
    assert_eq!(look_up(24), (Outcome::Done, "new".to_owned()));
    assert_eq!(
        at(24, ScriptAction::LookUp(key, 37)).outcome,
        Outcome::Unreadable,
        "it is too long to be read"
    );
    assert_eq!(store(25, 1_000, 2_000, "future"), Outcome::Done);
    assert_eq!(store(26, 20, 100, "present"), Outcome::Done, "no answer is from the future");
}

/// A request that drops earlier answers may reach the server after the answer that takes their place.
#[test]
fn a_later_answer_is_not_dropped() {
    let Some(bench) = Bench::start() else { return };
    let key = Secret::parse(&"a".repeat(64)).expect("32 bytes").key_of(&[0; 32], b"one");
    let at = |ms: u64, action| bench.make(&Call::new(action).at_ms(BEGINNING_MS + ms)).outcome;
    let stored_ms = BEGINNING_MS + 1_000;
    let value = format!("quotalab-answer-1 {stored_ms:016} text").into_bytes();
    let value = StoredValue { value, stored_ms, over_ms: BEGINNING_MS + 9_000 };
    let store = || at(1_000, ScriptAction::Store(key, value.clone()));
    assert_eq!(store(), Outcome::Done);
    assert_eq!(at(1_100, ScriptAction::Forget(key, BEGINNING_MS + 949)), Outcome::Absent);
    assert_eq!(at(1_100, ScriptAction::LookUp(key, 100)), Outcome::Done, "it was stored clearly later");
    assert_eq!(at(1_100, ScriptAction::Forget(key, BEGINNING_MS + 950)), Outcome::Done);
    assert_eq!(at(1_100, ScriptAction::LookUp(key, 100)), Outcome::Absent, "clocks may differ by 50 ms");
    assert_eq!(store(), Outcome::Done);
    // The clock of the server was set back.
    assert_eq!(at(900, ScriptAction::Forget(key, BEGINNING_MS + 890)), Outcome::Done);
}
