//! Laws of the verdict, and the story of each misdeed.

use super::*;
use crate::axis::Axis;
use proptest::prelude::*;

const LIMITED: JournalOutcome = JournalOutcome::Refused { axis: Axis::Rpm, oversize: false };

fn entry(at_ms: u64, fingerprint: u64, decision: JournalOutcome) -> Entry {
    Entry {
        number: at_ms,
        at: Instant(at_ms * 1_000_000),
        account: Some(0),
        model: Some(0),
        stream: false,
        fingerprint,
        decision,
        status: Some(match decision {
            JournalOutcome::Refused { .. } => 429,
            JournalOutcome::Faulted(_) => 503,
            JournalOutcome::Rejected => 400,
            JournalOutcome::Served | JournalOutcome::Spoiled => 200,
        }),
        wait: None,
    }
}

/// A refusal with a wait of so many milliseconds.
fn told(at_ms: u64, fingerprint: u64, wait_ms: u64) -> Entry {
    Entry { wait: Some(Nanos::from_millis(wait_ms)), ..entry(at_ms, fingerprint, LIMITED) }
}

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

fn misdeeds(entries: &[Entry], now_ms: u64) -> Vec<Violation> {
    let conduct = judge(entries, at(now_ms), &Bounds::default());
    conduct.findings.iter().map(|finding| finding.misdeed).collect()
}

#[test]
fn who_returns_inside_the_wait_came_too_early_and_who_returns_at_its_end_did_not() {
    let tries = |again| [told(0, 1, 2_000), entry(again, 1, JournalOutcome::Served)];
    assert_eq!(misdeeds(&tries(2_000), 9_000), []);
    let after = Nanos::from_millis(1_999);
    assert_eq!(misdeeds(&tries(1_999), 9_000), [Violation::TooEarly { after, wait: Nanos::from_secs(2) }]);
}

#[test]
fn what_can_never_succeed_is_not_sent_again() {
    let rejected = |at| entry(at, 1, JournalOutcome::Rejected);
    assert_eq!(misdeeds(&[rejected(0), rejected(5_000)], 9_000), [Violation::Hopeless { status: 400 }]);
    assert_eq!(misdeeds(&[rejected(0), entry(5_000, 2, JournalOutcome::Served)], 9_000), [], "another text");
    let large = JournalOutcome::Refused { axis: Axis::Tpm, oversize: true };
    let large = Entry { wait: Some(Nanos::SECOND), ..entry(0, 1, large) };
    assert_eq!(misdeeds(&[large], 90_000), [], "to leave is right, whatever wait is named");
    let again = [large, Entry { number: 5_000, at: at(5_000), ..large }];
    assert_eq!(misdeeds(&again, 90_000), [Violation::Hopeless { status: 429 }]);
}

#[test]
fn the_fourth_try_without_a_pause_hammers() {
    let failed = |at| entry(at, 1, JournalOutcome::Faulted(crate::config::Fault::Status(503)));
    assert_eq!(misdeeds(&[0, 50, 99].map(failed), 9_000), []);
    assert_eq!(misdeeds(&[0, 50, 99, 150, 200].map(failed), 9_000), [Violation::Hammered { tries: 5 }]);
    assert_eq!(misdeeds(&[0, 100, 200, 300, 400].map(failed), 9_000), []);
}

#[test]
fn who_does_not_sit_out_a_short_wait_gave_up_and_nobody_is_judged_before_time() {
    assert_eq!(misdeeds(&[told(0, 1, 2_000)], 12_000), []);
    let gave_up = Violation::GaveUp { tries: 1, wait: Nanos::from_secs(2) };
    assert_eq!(misdeeds(&[told(0, 1, 2_000)], 12_001), [gave_up]);
    assert_eq!(misdeeds(&[told(0, 1, 61_000)], 900_000), [], "nobody sits out an hour");
    let thrice = [0, 3_000, 6_000].map(|at| told(at, 1, 2_000));
    assert_eq!(misdeeds(&thrice, 900_000), [], "three tries were enough");
}

#[test]
fn five_that_return_within_ten_milliseconds_of_each_other_are_a_herd() {
    let history = |gap: u64| -> Vec<Entry> {
        let client = |id: u64| [told(id, id, 2_000), entry(2_100 + id * gap, id, JournalOutcome::Served)];
        (0..5).flat_map(client).collect()
    };
    let herd = Violation::Herded { clients: 5, wait: Nanos::from_secs(2) };
    assert_eq!(misdeeds(&history(2), 9_000), [herd]);
    assert_eq!(misdeeds(&history(3), 9_000), []);
}

#[test]
fn the_same_text_after_an_answer_is_a_new_request() {
    let served = |at| entry(at, 1, JournalOutcome::Served);
    let conduct = judge(&[0, 1, 2, 3, 4, 5].map(served), at(9_000), &Bounds::default());
    assert!(conduct.is_good());
    assert_eq!((conduct.requests, conduct.conversations), (6, 6));
    let spoiled = |at| entry(at, 1, JournalOutcome::Spoiled);
    assert_eq!(misdeeds(&[0, 1, 2, 3].map(spoiled), 9_000), [Violation::Hammered { tries: 4 }]);
}

#[test]
fn the_verdict_in_words() {
    let bounds = Bounds::default();
    assert_eq!(
        judge(&[], at(0), &bounds).to_string(),
        "Nothing was received, so there is nothing to judge.\n"
    );
    let entries = [told(7, 1, 2_000), entry(127, 1, JournalOutcome::Served)];
    assert_eq!(
        judge(&entries, at(9_000), &bounds).to_string(),
        "The client misbehaved: 2 requests, 1 without their retries.\n  \
         request 127 at 0.127s: came back after 0.120s, although told to wait 2.000s\n"
    );
}

/// What a client meets, and the pause it takes before the next try on top of what it was told, in milliseconds.
fn met() -> impl Strategy<Value = (Option<u64>, u64)> {
    (prop::option::of(0..5_000u64), 100..3_000u64)
}

/// A client that obeys: refused now and again, it waits as told and a little more, and is served in the end.
fn obedient(id: u64, start: u64, met: &[(Option<u64>, u64)]) -> Vec<Entry> {
    let mut now = start;
    let mut tries = Vec::new();
    for (wait, pause) in met {
        tries.push(match wait {
            Some(wait) => told(now, id, *wait),
            None => entry(now, id, JournalOutcome::Faulted(crate::config::Fault::Status(503))),
        });
        now += wait.unwrap_or(0) + pause;
    }
    tries.push(entry(now, id, JournalOutcome::Served));
    tries
}

/// A few obedient clients, fewer than a herd.
fn histories() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let client = (0..20_000u64, prop::collection::vec(met(), 0..6));
    prop::collection::vec(client, 0..5)
        .prop_map(|clients| (0..).zip(clients).map(|(id, (start, met))| obedient(id, start, &met)).collect())
}

/// Any history at all.
fn chaos() -> impl Strategy<Value = Vec<Entry>> {
    let decision = prop_oneof![
        Just(JournalOutcome::Served),
        Just(LIMITED),
        Just(JournalOutcome::Rejected),
        Just(JournalOutcome::Refused { axis: Axis::Tpm, oversize: true })
    ];
    let one =
        (any::<u64>(), 0..4u64, decision, prop::option::of(any::<u64>()), prop::option::of(200..600u16));
    prop::collection::vec(one, 0..200).prop_map(|all| {
        let made = |(number, (at, fingerprint, decision, wait, status))| {
            let wait = Option::map(wait, Nanos);
            Entry { number, at: Instant(at), status, wait, ..entry(0, fingerprint, decision) }
        };
        (0..).zip(all).map(made).collect()
    })
}

proptest! {
    #[test]
    fn who_obeys_is_never_blamed(histories in histories()) {
        let entries: Vec<_> = histories.concat();
        let conduct = judge(&entries, Instant::MAX, &Bounds::default());
        prop_assert!(conduct.is_good(), "{conduct}");
        prop_assert_eq!(conduct.conversations, histories.len() as u64);
    }

    #[test]
    fn one_return_too_early_is_found_among_all_that_obey(histories in histories(), wait in 2..5_000u64, early in 1..5_000u64) {
        let early = early.min(wait);
        let mut entries = histories.concat();
        entries.extend([told(30_000, 99, wait), entry(30_000 + wait - early, 99, JournalOutcome::Served)]);
        let conduct = judge(&entries, Instant::MAX, &Bounds::default());
        prop_assert_eq!(conduct.counts, [1, 0, 0, 0, 0]);
        prop_assert_eq!(conduct.findings[0].number, 30_000 + wait - early);
    }

    #[test]
    fn the_order_of_the_journal_does_not_matter(mut entries in chaos(), now in any::<u64>()) {
        let before = judge(&entries, Instant(now), &Bounds::default());
        entries.reverse();
        prop_assert_eq!(before, judge(&entries, Instant(now), &Bounds::default()));
    }

    #[test]
    fn everything_is_counted_and_no_more_is_told_than_the_bound(entries in chaos(), now in any::<u64>()) {
        let conduct = judge(&entries, Instant(now), &Bounds::default());
        prop_assert_eq!(conduct.requests, entries.len() as u64);
        let found = conduct.counts.iter().sum::<u64>();
        prop_assert_eq!(conduct.findings.len() as u64, found.min(MOST_FINDINGS as u64));
        let lines = conduct.to_string().lines().count();
        prop_assert!(lines <= MOST_FINDINGS + 2);
    }
}
