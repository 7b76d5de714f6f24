//! Each violation by example, and properties of the report.

use super::*;
use crate::axis::Axis;
use crate::journal::{End, JournalOutcome, OpenConnection, RetryHeaders};
use proptest::prelude::*;

const LIMITED: JournalOutcome = JournalOutcome::RateLimited { axis: Axis::Rpm, oversize: false };

/// Returns the entry of one attempt, whose number is its arrival in milliseconds and whose reply ends at once.
fn entry(at_ms: u64, fingerprint: u64, outcome: JournalOutcome) -> Entry {
    Entry {
        request_number: at_ms,
        arrived_at: at(at_ms),
        at: at(at_ms),
        end: End::Replied(at(at_ms)),
        sender: Sender { account: Some(0), key: Some(0), user_agent: None },
        connection: None,
        method_and_path: None,
        model: Some(0),
        wants_stream: false,
        fingerprint,
        is_body_read: true,
        retry: RetryHeaders::default(),
        request_bytes: 0,
        outcome,
        status: Some(match outcome {
            JournalOutcome::RateLimited { .. } => 429,
            JournalOutcome::Faulted(_) => 503,
            JournalOutcome::InvalidRequest => 400,
            JournalOutcome::UnservedPath => 404,
            JournalOutcome::Served | JournalOutcome::Unreadable => 200,
        }),
        wait: None,
        reserved_tokens: 0,
        charged_tokens: Some(0),
        body: None,
    }
}

/// The same attempt with the retry count that an SDK states.
fn counted(count: u32, entry: Entry) -> Entry {
    Entry { retry: RetryHeaders { count: Some(count), idempotency_key: None }, ..entry }
}

/// Gives the attempts of one job their retry counts.
fn counted_all<const N: usize>(attempts: [Entry; N]) -> Vec<Entry> {
    (0..).zip(attempts).map(|(count, entry)| counted(count, entry)).collect()
}

fn overloaded(at_ms: u64, fingerprint: u64) -> Entry {
    entry(at_ms, fingerprint, JournalOutcome::Faulted(crate::config::Fault::Status(503)))
}

fn served(at_ms: u64, fingerprint: u64) -> Entry {
    entry(at_ms, fingerprint, JournalOutcome::Served)
}

/// A refusal that announces a wait.
fn refused(at_ms: u64, fingerprint: u64, wait_ms: u64) -> Entry {
    Entry { wait: Some(Nanos::from_millis(wait_ms)), ..entry(at_ms, fingerprint, LIMITED) }
}

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

fn verdict(entries: &[Entry], now_ms: u64) -> Verdict {
    check(entries, at(now_ms), &Bounds::default()).verdict()
}

fn violations(entries: &[Entry], now_ms: u64) -> Vec<Violation> {
    let report = check(entries, at(now_ms), &Bounds::default());
    report.findings.iter().map(|finding| finding.violation).collect()
}

#[test]
fn a_retry_is_too_early_before_the_announced_wait_is_over_and_not_after() {
    let attempts = |retry_ms| counted_all([refused(0, 1, 2_000), served(retry_ms, 1)]);
    assert_eq!(violations(&attempts(2_000), 9_000), []);
    let after = Nanos::from_millis(1_999);
    let too_early = Violation::TooEarly { after, wait: Nanos::from_secs(2) };
    assert_eq!(violations(&attempts(1_999), 9_000), [too_early]);
    let key = RetryHeaders { count: None, idempotency_key: Some(7) };
    let with_key = attempts(1_999).into_iter().map(|entry| Entry { retry: key, ..entry });
    assert_eq!(violations(&with_key.collect::<Vec<_>>(), 9_000), [too_early], "an idempotency key");
    let mut bodies = vec![refused(0, 1, 2_000), served(1_999, 1), served(5_000, 2)];
    assert_eq!(violations(&bodies, 9_000), [too_early], "the bodies identify the jobs");
    bodies.insert(0, Entry { request_number: 1, ..served(0, 1) });
    bodies[1].request_number = 2;
    assert_eq!(verdict(&bodies, 9_000), Verdict::CannotTell, "a body came again after it had been served");
}

#[test]
fn retrying_a_permanent_error_is_a_violation() {
    let rejected = |at| entry(at, 1, JournalOutcome::InvalidRequest);
    let expected = Violation::RetriedPermanentError { status: 400 };
    assert_eq!(violations(&counted_all([rejected(0), rejected(5_000)]), 9_000), [expected]);
    assert_eq!(violations(&[rejected(0), rejected(5_000)], 9_000), [], "perhaps two jobs");
    assert_eq!(violations(&[0, 500, 900, 1_500].map(rejected), 9_000), [expected; 3], "one after another");
    assert_eq!(violations(&[rejected(0), served(5_000, 2)], 9_000), [], "a different text");
    let large = JournalOutcome::RateLimited { axis: Axis::Tpm, oversize: true };
    let large = |at| Entry { wait: Some(Nanos::SECOND), ..entry(at, 1, large) };
    assert_eq!(violations(&[large(0)], 90_000), [], "no wait helps, whatever the header says");
    let expected = Violation::RetriedPermanentError { status: 429 };
    assert_eq!(violations(&counted_all([large(0), large(5_000)]), 90_000), [expected]);
}

/// A wrong key is refused before the body is read. Four requests with it, one after another, are retries of a permanent
/// error, as equal requests after a 400 are.
#[test]
fn a_refused_key_that_is_sent_again_and_again_is_a_retried_permanent_error() {
    let refused = |at, head| Entry {
        sender: Sender { account: None, key: None, user_agent: Some("curl/8".into()) },
        is_body_read: false,
        model: None,
        status: Some(401),
        ..entry(at, head, JournalOutcome::InvalidRequest)
    };
    let expected = Violation::RetriedPermanentError { status: 401 };
    let times = [0, 1_000, 3_000, 7_000];
    assert_eq!(violations(&times.map(|at| refused(at, 1)), 9_000), [expected; 3]);
    assert_eq!(violations(&[0, 1_000, 3_000].map(|at| refused(at, 1)), 9_000), [], "perhaps three jobs");
    assert_eq!(
        violations(&[0, 20_000, 40_000, 60_000].map(|at| refused(at, 1)), 90_000),
        [],
        "perhaps four jobs, 20 seconds apart"
    );
    let others = [(0, 1), (1_000, 2), (3_000, 1), (7_000, 2)].map(|(at, head)| refused(at, head));
    assert_eq!(violations(&others, 9_000), [], "two keys");
    let first_attempts = times.map(|at| counted(0, refused(at, 1)));
    assert_eq!(violations(&first_attempts, 9_000), [], "the client states that each is a first attempt");
    let mut paths = times.map(|at| Entry { status: Some(404), ..refused(at, 1) });
    paths.iter_mut().for_each(|entry| entry.outcome = JournalOutcome::UnservedPath);
    assert_eq!(violations(&paths, 9_000), [], "a path is not a key");
}

#[test]
fn many_attempts_with_short_pauses_are_hammering() {
    let history = |pause: u64, attempts: u64| -> Vec<Entry> {
        (0..attempts).map(|count| counted(count as u32, overloaded(count * pause, 1))).collect()
    };
    for (pause, attempts) in [(99, 3), (299, 5), (999, 10)] {
        let hammered = |attempts| Violation::Hammered { attempts, pause: Nanos::from_millis(pause + 1) };
        assert_eq!(violations(&history(pause, attempts), 90_000), [], "{pause}");
        let expected = [hammered(attempts as usize + 1)];
        assert_eq!(violations(&history(pause, attempts + 1), 90_000), expected, "{pause}");
    }
    assert_eq!(violations(&history(1_000, 60), 90_000), []);
}

#[test]
fn a_client_that_does_not_retry_after_a_short_wait_gave_up() {
    assert_eq!(violations(&[refused(0, 1, 2_000)], 12_000), []);
    let gave_up = Violation::GaveUp { attempts: 1, wait: Nanos::from_secs(2) };
    assert_eq!(violations(&[refused(0, 1, 2_000)], 12_001), [gave_up]);
    assert_eq!(violations(&[refused(0, 1, 61_000)], 900_000), [], "longer waits need not be honoured");
    let thrice = [0, 3_000, 6_000].map(|at| refused(at, 1, 2_000));
    assert_eq!(violations(&thrice, 900_000), [], "three attempts are enough");
    let changed = [refused(0, 1, 2_000), refused(2_100, 2, 2_000), served(4_500, 3)];
    assert_eq!(violations(&changed, 900_000), [], "perhaps retries with changed bodies");
    let moved_on = [refused(0, 1, 2_000), refused(100, 2, 2_000), served(13_000, 3)];
    assert_eq!(violations(&moved_on, 900_000), [gave_up; 2]);
}

#[test]
fn five_retries_within_ten_milliseconds_are_a_herd() {
    let history = |gap: u64| -> Vec<Entry> {
        (0..5).flat_map(|id| counted_all([refused(id, id, 2_000), served(2_100 + id * gap, id)])).collect()
    };
    let herd = Violation::ThunderingHerd { retries: 5, wait: Nanos::from_secs(2) };
    assert_eq!(violations(&history(2), 9_000), [herd]);
    assert_eq!(violations(&history(3), 9_000), []);
}

#[test]
fn the_same_text_after_a_served_attempt_is_a_new_job() {
    let report = check(&[0, 1, 2, 3, 4, 5].map(|at| served(at, 1)), at(9_000), &Bounds::default());
    assert_eq!(report.verdict(), Verdict::Behaved);
    assert_eq!((report.attempts, report.jobs.total), (6, 6));
    let corrupt = |at| entry(at, 1, JournalOutcome::Unreadable);
    let expected = Violation::Hammered { attempts: 4, pause: Nanos::from_millis(100) };
    assert_eq!(violations(&[0, 1, 2, 3].map(corrupt), 9_000), [expected]);
}

#[test]
fn the_report_text_states_refusals_verdict_and_findings() {
    let bounds = Bounds::default();
    assert_eq!(check(&[], at(0), &bounds).to_string(), "No requests were received.\n");
    let entries = counted_all([refused(7, 1, 2_000), served(127, 1)]);
    assert_eq!(
        check(&entries, at(9_000), &bounds).to_string(),
        "0 of 1 jobs ended in a refusal.\nViolations (jobs: 1; 2 requests).\n  \
         request 127 at 0.127s: retried after 0.120s, before the announced wait of 2.000s was over\n"
    );
}

/// The wait that a refusal announces (`None`: a 503 without one) and the client's pause on top of it, in milliseconds.
fn wait_and_pause() -> impl Strategy<Value = (Option<u64>, u64)> {
    (prop::option::of(0..5_000u64), 100..3_000u64)
}

/// The requests of a client that waits as announced and a little more before each retry, and is served in the end.
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
    (0..).zip(attempts).map(|(count, entry)| counted(count, entry)).collect()
}

/// The requests of each of several obedient clients, fewer than make a herd.
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
        Just(JournalOutcome::UnservedPath),
        Just(JournalOutcome::RateLimited { axis: Axis::Tpm, oversize: true })
    ];
    let end = prop_oneof![
        Just(None),
        any::<u64>().prop_map(|at| Some(End::Replied(Instant(at)))),
        any::<u64>().prop_map(|at| Some(End::Disconnected(Instant(at)))),
    ];
    let retry = (prop::option::of(0..3u32), prop::option::weighted(0.2, 0..3u64));
    let one = (
        (0..10_000_000_000u64, 0..4u64, outcome, end, retry),
        (prop::option::of(any::<u64>()), prop::option::of(200..600u16), any::<bool>()),
    );
    prop::collection::vec(one, 0..200).prop_map(|all| {
        let made = |(
            request_number,
            ((at, fingerprint, outcome, end, (count, key)), (wait, status, is_body_read)),
        )| {
            let at = Instant(at);
            Entry {
                request_number,
                arrived_at: at,
                at,
                end: Option::unwrap_or(end, End::Replied(at)),
                wait: Option::map(wait, Nanos),
                status,
                is_body_read,
                retry: RetryHeaders { count, idempotency_key: key },
                ..entry(0, fingerprint, outcome)
            }
        };
        (0..).zip(all).map(made).collect()
    })
}

proptest! {
    #[test]
    fn an_obedient_client_has_no_violations(histories in histories()) {
        let entries: Vec<_> = histories.concat();
        let report = check(&entries, Instant::MAX, &Bounds::default());
        prop_assert_eq!(report.verdict(), Verdict::Behaved, "{}", report);
        prop_assert_eq!(report.jobs.total, histories.len() as u64);
    }

    #[test]
    fn one_early_retry_is_found_among_obedient_clients(histories in histories(), wait in 2..5_000u64, early in 1..5_000u64) {
        let early = early.min(wait);
        let mut entries = histories.concat();
        entries.extend(counted_all([refused(30_000, 99, wait), served(30_000 + wait - early, 99)]));
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
    fn merged_reports_of_keys_equal_the_report_of_all(mut entries in arbitrary_entries(), now in any::<u64>(), keys in 1..4_u16) {
        for (number, entry) in (0..).zip(&mut entries) {
            entry.sender.key = Some(number % keys).filter(|key| *key > 0);
        }
        let by_key = check_by_key(&entries, Instant(now), &Bounds::default());
        let all = check(&entries, Instant(now), &Bounds::default());
        prop_assert_eq!(ClientReport::merged(by_key.iter().map(|(_, report)| report)), all);
    }

    #[test]
    fn the_states_of_jobs_add_up_and_findings_are_bounded(entries in arbitrary_entries(), now in any::<u64>()) {
        let report = check(&entries, Instant(now), &Bounds::default());
        prop_assert_eq!(report.attempts, entries.len() as u64);
        let JobCounts { total, refused, served, failed, in_progress, may_be_retried } = report.jobs;
        prop_assert_eq!(total, refused + served + failed + in_progress);
        prop_assert!(may_be_retried <= refused + failed && report.pending <= may_be_retried);
        prop_assert!(report.unclear <= report.attempts);
        let found = report.counts.iter().sum::<u64>();
        prop_assert_eq!(report.findings.len() as u64, found.min(MAX_FINDINGS as u64));
        let lines = report.to_string().lines().count();
        prop_assert!(lines <= MAX_FINDINGS + 3);
    }
}

mod cases;
