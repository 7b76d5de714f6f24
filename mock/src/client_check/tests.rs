//! Each violation by example, and properties of the report.

use super::*;
use crate::axis::Axis;
use proptest::prelude::*;

const LIMITED: JournalOutcome = JournalOutcome::RateLimited { axis: Axis::Rpm, oversize: false };

/// Returns the entry of one attempt, whose number is its millisecond.
fn entry(at_ms: u64, fingerprint: u64, outcome: JournalOutcome) -> Entry {
    Entry {
        request_number: at_ms,
        at: Instant(at_ms * 1_000_000),
        account: Some(0),
        model: Some(0),
        wants_stream: false,
        fingerprint,
        outcome,
        status: Some(match outcome {
            JournalOutcome::RateLimited { .. } => 429,
            JournalOutcome::Faulted(_) => 503,
            JournalOutcome::InvalidRequest => 400,
            JournalOutcome::Served | JournalOutcome::CorruptBody => 200,
        }),
        wait: None,
    }
}

/// A refusal that announces a wait.
fn refused(at_ms: u64, fingerprint: u64, wait_ms: u64) -> Entry {
    Entry { wait: Some(Nanos::from_millis(wait_ms)), ..entry(at_ms, fingerprint, LIMITED) }
}

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

fn violations(entries: &[Entry], now_ms: u64) -> Vec<Violation> {
    let report = check(entries, at(now_ms), &Bounds::default());
    report.findings.iter().map(|finding| finding.violation).collect()
}

#[test]
fn a_retry_is_too_early_before_the_announced_wait_is_over_and_not_after() {
    let attempts = |retry_ms| [refused(0, 1, 2_000), entry(retry_ms, 1, JournalOutcome::Served)];
    assert_eq!(violations(&attempts(2_000), 9_000), []);
    let after = Nanos::from_millis(1_999);
    assert_eq!(
        violations(&attempts(1_999), 9_000),
        [Violation::TooEarly { after, wait: Nanos::from_secs(2) }]
    );
}

#[test]
fn retrying_a_permanent_error_is_a_violation() {
    let rejected = |at| entry(at, 1, JournalOutcome::InvalidRequest);
    assert_eq!(
        violations(&[rejected(0), rejected(5_000)], 9_000),
        [Violation::RetriedPermanentError { status: 400 }]
    );
    assert_eq!(
        violations(&[rejected(0), entry(5_000, 2, JournalOutcome::Served)], 9_000),
        [],
        "a different text"
    );
    let large = JournalOutcome::RateLimited { axis: Axis::Tpm, oversize: true };
    let large = Entry { wait: Some(Nanos::SECOND), ..entry(0, 1, large) };
    assert_eq!(violations(&[large], 90_000), [], "no wait helps, whatever the header says");
    let retried = [large, Entry { request_number: 5_000, at: at(5_000), ..large }];
    assert_eq!(violations(&retried, 90_000), [Violation::RetriedPermanentError { status: 429 }]);
}

#[test]
fn the_fourth_attempt_without_a_pause_is_hammering() {
    let failed = |at| entry(at, 1, JournalOutcome::Faulted(crate::config::Fault::Status(503)));
    assert_eq!(violations(&[0, 50, 99].map(failed), 9_000), []);
    assert_eq!(violations(&[0, 50, 99, 150, 200].map(failed), 9_000), [Violation::Hammered { attempts: 5 }]);
    assert_eq!(violations(&[0, 100, 200, 300, 400].map(failed), 9_000), []);
}

#[test]
fn a_client_that_does_not_retry_after_a_short_wait_gave_up() {
    assert_eq!(violations(&[refused(0, 1, 2_000)], 12_000), []);
    let gave_up = Violation::GaveUp { attempts: 1, wait: Nanos::from_secs(2) };
    assert_eq!(violations(&[refused(0, 1, 2_000)], 12_001), [gave_up]);
    assert_eq!(violations(&[refused(0, 1, 61_000)], 900_000), [], "longer waits need not be honoured");
    let thrice = [0, 3_000, 6_000].map(|at| refused(at, 1, 2_000));
    assert_eq!(violations(&thrice, 900_000), [], "three attempts are enough");
}

#[test]
fn five_retries_within_ten_milliseconds_are_a_herd() {
    let history = |gap: u64| -> Vec<Entry> {
        let client = |id: u64| [refused(id, id, 2_000), entry(2_100 + id * gap, id, JournalOutcome::Served)];
        (0..5).flat_map(client).collect()
    };
    let herd = Violation::ThunderingHerd { retries: 5, wait: Nanos::from_secs(2) };
    assert_eq!(violations(&history(2), 9_000), [herd]);
    assert_eq!(violations(&history(3), 9_000), []);
}

#[test]
fn the_same_text_after_a_served_attempt_is_a_new_request() {
    let served = |at| entry(at, 1, JournalOutcome::Served);
    let report = check(&[0, 1, 2, 3, 4, 5].map(served), at(9_000), &Bounds::default());
    assert!(report.is_clean());
    assert_eq!((report.attempts, report.requests), (6, 6));
    let corrupt = |at| entry(at, 1, JournalOutcome::CorruptBody);
    assert_eq!(violations(&[0, 1, 2, 3].map(corrupt), 9_000), [Violation::Hammered { attempts: 4 }]);
}

#[test]
fn the_report_as_text() {
    let bounds = Bounds::default();
    assert_eq!(check(&[], at(0), &bounds).to_string(), "No requests were received.\n");
    let entries = [refused(7, 1, 2_000), entry(127, 1, JournalOutcome::Served)];
    assert_eq!(
        check(&entries, at(9_000), &bounds).to_string(),
        "Violations: 1 request in 2 attempts.\n  \
         attempt 127 at 0.127s: retried after 0.120s, before the announced wait of 2.000s was over\n"
    );
}

/// The wait that a refusal announces (`None`: a 503 without one) and the client's pause on top of it, in milliseconds.
fn wait_and_pause() -> impl Strategy<Value = (Option<u64>, u64)> {
    (prop::option::of(0..5_000u64), 100..3_000u64)
}

/// A client that waits as announced and a little more before each retry, and is served in the end.
fn obedient(id: u64, start: u64, waits_and_pauses: &[(Option<u64>, u64)]) -> Vec<Entry> {
    let mut now = start;
    let mut attempts = Vec::new();
    for (wait, pause) in waits_and_pauses {
        attempts.push(match wait {
            Some(wait) => refused(now, id, *wait),
            None => entry(now, id, JournalOutcome::Faulted(crate::config::Fault::Status(503))),
        });
        now += wait.unwrap_or(0) + pause;
    }
    attempts.push(entry(now, id, JournalOutcome::Served));
    attempts
}

/// Obedient clients, fewer than a herd.
fn histories() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let client = (0..20_000u64, prop::collection::vec(wait_and_pause(), 0..6));
    prop::collection::vec(client, 0..5).prop_map(|clients| {
        (0..)
            .zip(clients)
            .map(|(id, (start, waits_and_pauses))| obedient(id, start, &waits_and_pauses))
            .collect()
    })
}

fn arbitrary_entries() -> impl Strategy<Value = Vec<Entry>> {
    let outcome = prop_oneof![
        Just(JournalOutcome::Served),
        Just(LIMITED),
        Just(JournalOutcome::InvalidRequest),
        Just(JournalOutcome::RateLimited { axis: Axis::Tpm, oversize: true })
    ];
    let one = (any::<u64>(), 0..4u64, outcome, prop::option::of(any::<u64>()), prop::option::of(200..600u16));
    prop::collection::vec(one, 0..200).prop_map(|all| {
        let made = |(request_number, (at, fingerprint, outcome, wait, status))| {
            let wait = Option::map(wait, Nanos);
            Entry { request_number, at: Instant(at), status, wait, ..entry(0, fingerprint, outcome) }
        };
        (0..).zip(all).map(made).collect()
    })
}

proptest! {
    #[test]
    fn an_obedient_client_has_no_violations(histories in histories()) {
        let entries: Vec<_> = histories.concat();
        let report = check(&entries, Instant::MAX, &Bounds::default());
        prop_assert!(report.is_clean(), "{report}");
        prop_assert_eq!(report.requests, histories.len() as u64);
    }

    #[test]
    fn one_early_retry_is_found_among_obedient_clients(histories in histories(), wait in 2..5_000u64, early in 1..5_000u64) {
        let early = early.min(wait);
        let mut entries = histories.concat();
        entries.extend([refused(30_000, 99, wait), entry(30_000 + wait - early, 99, JournalOutcome::Served)]);
        let report = check(&entries, Instant::MAX, &Bounds::default());
        prop_assert_eq!(report.counts, [1, 0, 0, 0, 0]);
        prop_assert_eq!(report.findings[0].request_number, 30_000 + wait - early);
    }

    #[test]
    fn the_order_of_the_journal_does_not_matter(mut entries in arbitrary_entries(), now in any::<u64>()) {
        let before = check(&entries, Instant(now), &Bounds::default());
        entries.reverse();
        prop_assert_eq!(before, check(&entries, Instant(now), &Bounds::default()));
    }

    #[test]
    fn every_attempt_is_counted_and_findings_are_bounded(entries in arbitrary_entries(), now in any::<u64>()) {
        let report = check(&entries, Instant(now), &Bounds::default());
        prop_assert_eq!(report.attempts, entries.len() as u64);
        let found = report.counts.iter().sum::<u64>();
        prop_assert_eq!(report.findings.len() as u64, found.min(MAX_FINDINGS as u64));
        let lines = report.to_string().lines().count();
        prop_assert!(lines <= MAX_FINDINGS + 2);
    }
}
