//! Traces of coding agents: what is read of them, what is left out, and the errors for lines that are not sessions.

use super::tests::{ALL, trace};
use super::*;
use crate::scenario::RecordedCall;

/// A call at `at` milliseconds that takes `duration` of them, as JSON.
fn call(at: u64, duration: u64, prompt: u32) -> String {
    format!(
        "{{\"timestamp\": {at}, \"duration_ms\": {duration}, \"status_code\": 200, \
         \"tokens\": {{\"prompt\": {prompt}, \"completion\": 7, \"cached\": 3}}, \"message_metadata\": [{{}}]}}"
    )
}

fn failed(at: u64, duration: u64) -> String {
    call(at, duration, 9).replace("\"status_code\": 200", "\"status_code\": 503")
}

fn session(turns: &[&[String]]) -> String {
    let turn = |calls: &&[String]| format!("{{\"turn_id\": 1, \"llm_calls\": [{}]}}", calls.join(", "));
    let turns: Vec<String> = turns.iter().map(turn).collect();
    format!("{{\"session_id\": \"s\", \"turns\": [{}]}}\n", turns.join(", "))
}

fn sessions(text: &str, options: &TraceOptions) -> SessionTrace {
    trace(text, options).unwrap().sessions.expect("a trace of sessions")
}

/// The calls of the turns of a session: the wait before each in milliseconds, and its prompt.
type Turns = Vec<Vec<(u64, u32)>>;

/// The beginning of each session in milliseconds; of its calls, the think time or the gap before each, and its prompt.
fn read(text: &str, options: &TraceOptions) -> Vec<(u64, Turns)> {
    let trace = sessions(text, options);
    let millis = |length: Nanos| length.0 / 1_000_000;
    let of_session = |session: &crate::scenario::RecordedSession| {
        let turns = (0..session.turns).map(|number| {
            let turn = trace.turn(session, number);
            let calls: Vec<RecordedCall> = (0..turn.calls).map(|number| *trace.call(turn, number)).collect();
            assert_eq!(calls[0].gap, Nanos::ZERO);
            let first = std::iter::once((millis(turn.think), calls[0].prompt_tokens));
            first.chain(calls[1..].iter().map(|call| (millis(call.gap), call.prompt_tokens))).collect()
        });
        (millis(session.at.since(Instant::ZERO)), turns.collect())
    };
    trace.sessions.iter().map(of_session).collect()
}

#[test]
fn gaps_count_from_the_end_of_every_call_before() {
    // The second call lasts longer than the third; the calls and turns of the file are in no order.
    let second = [call(90_000, 1_000, 50)];
    let first =
        [call(14_000, 500, 30), call(11_000, 4_000, 20), call(20_000, 1_000, 40), call(10_000, 500, 10)];
    let text = session(&[&second, &first]);
    let expected = (0, vec![vec![(0, 10), (500, 20), (0, 30), (5_000, 40)], vec![(69_000, 50)]]);
    assert_eq!(read(&text, &ALL), [expected]);
    let trace = sessions(&text, &ALL);
    assert_eq!((trace.counts.calls, trace.counts.overlapping, trace.number_of_calls()), (5, 1, 5));
    assert_eq!(
        (trace.counts.length, trace.counts.unit),
        (Nanos::from_secs(80), Some(TraceUnit::Milliseconds))
    );
    let rows: Vec<(u64, u32)> =
        (trace.rows(Instant::MAX).iter()).map(|row| (row.at.0 / 1_000_000, row.prompt_tokens)).collect();
    assert_eq!(rows, [(0, 10), (1_000, 20), (4_000, 30), (10_000, 40), (80_000, 50)]);
}

#[test]
fn the_next_call_takes_the_place_of_failed_ones() {
    let turn = [call(0, 1_000, 10), failed(3_000, 500), failed(8_000, 500), call(20_000, 1_000, 20)];
    let last = [call(30_000, 1_000, 30), failed(32_000, 1_000)];
    let lost = [failed(60_000, 1_000)];
    let after = [call(70_000, 1_000, 40)];
    let text = session(&[&turn, &last, &lost, &after]);
    // Gap and think time are those before the first failed call; a failed call at the end of a turn lasts until 33 s.
    let expected = vec![vec![(0, 10), (2_000, 20)], vec![(9_000, 30)], vec![(27_000, 40)]];
    assert_eq!(read(&text, &ALL), [(0, expected)]);
    let counts = sessions(&text, &ALL).counts;
    assert_eq!((counts.calls, counts.failed_calls, counts.empty), (8, 4, 0));
}

#[test]
fn a_call_fails_by_its_status_or_else_its_result_and_has_prompt_tokens() {
    let of = |status: &str, tokens: &str| {
        session(&[&[call(0, 0, 1), format!("{{\"timestamp\": 5, {status} \"tokens\": {tokens}}}")]])
    };
    let tokens = "{\"prompt\": 40.0, \"completion\": null, \"cached_pct\": 25}";
    for (status, tokens, is_replayed) in [
        ("\"status_code\": 204, \"result\": \"error\",", tokens, true),
        ("\"status_code\": \"200\",", tokens, true),
        ("\"status_code\": null, \"result\": \"Success\",", tokens, true),
        ("", tokens, true),
        ("\"status_code\": 429,", tokens, false),
        ("\"result\": \"Cancelled\",", tokens, false),
        ("", "null", false),
        ("", "{\"prompt\": 0, \"completion\": 3}", false),
        ("", "{\"completion\": 3}", false),
    ] {
        let text = of(status, tokens);
        let trace = sessions(&text, &ALL);
        assert_eq!(trace.number_of_calls(), 1 + u64::from(is_replayed), "{text}");
        if is_replayed {
            let call = trace.calls[1];
            assert_eq!([call.prompt_tokens, call.cached_tokens, call.completion_tokens], [40, 10, 0]);
        }
    }
}

#[test]
fn times_are_dates_or_numbers_of_either_unit() {
    let numbers = session(&[&[call(1_780_300_800_000, 500, 10), call(1_780_300_802_000, 500, 20)]]);
    let dates = numbers
        .replace("1780300800000", "\"2026-06-01T08:00:00.000Z\"")
        .replace("1780300802000", "\"2026-06-01 10:00:02+02:00\"");
    let expected = vec![(0, vec![vec![(0, 10), (1_500, 20)]])];
    assert_eq!(read(&numbers, &ALL), expected);
    assert_eq!(read(&dates, &ALL), expected);
    let seconds = numbers.replace("800000", "800").replace("802000", "802");
    let options = TraceOptions { unit: Some(TraceUnit::Seconds), ..ALL };
    assert_eq!(read(&seconds, &options), expected);
    let error = trace(&(numbers + &dates), &ALL).unwrap_err();
    assert!(error.starts_with(":2: ") && error.contains("the times before are numbers"), "{error}");
}

#[test]
fn a_share_keeps_whole_sessions_and_speed_and_end_apply_to_them() {
    let text: String = (0..2_000u64)
        .map(|number| {
            session(&[&[
                call(number * 1_000 + 5_000, 100, number as u32 + 1),
                call(number * 1_000 + 6_100, 0, 1),
            ]])
        })
        .collect();
    let kept = |kept_share| {
        let all = read(&text, &TraceOptions { kept_share, ..ALL });
        all.into_iter().map(|(at, turns)| (at, turns[0][0].1)).collect::<Vec<_>>()
    };
    let (tenth, fifth) = (kept(0.1), kept(0.2));
    assert!(
        tenth.iter().all(|session| fifth.contains(session) && session.0 == u64::from(session.1 - 1) * 1_000)
    );
    // Three standard errors of a binomial count.
    assert!((tenth.len() as f64 - 200.0).abs() < 3.0 * 13.4, "{}", tenth.len());
    assert!(trace(&text, &TraceOptions { kept_share: 0.0, ..ALL }).unwrap().rows.is_empty());
    let options = TraceOptions { speed: 4.0, end: Some(Nanos::from_secs(100)), ..ALL };
    let faster = read(&text, &options);
    assert_eq!((faster.len(), &faster[1]), (400, &(250, vec![vec![(0, 2), (250, 1)]])));
    assert_eq!(sessions(&text, &options).counts.after_end, 1_600);
}

#[test]
fn errors_name_the_line_and_what_was_expected() {
    let valid = session(&[&[call(0, 0, 1)]]);
    let expected = "expected a session with `turns`, each with `llm_calls`, each with `timestamp`, `duration_ms` and `tokens`";
    let bad = |from: &str, to: &str| valid.replace(from, to);
    for (line, detail) in [
        (
            bad("\"timestamp\": 0", "\"timestamp\": \"SECRET\""),
            "turn 1, call 1: `timestamp` is neither a date",
        ),
        (bad("\"timestamp\": 0, ", ""), "turn 1, call 1: `timestamp` is neither a date"),
        (bad("\"duration_ms\": 0", "\"duration_ms\": -1"), "`duration_ms` is not a number of milliseconds"),
        (bad("\"status_code\": 200", "\"status_code\": \"SECRET\""), "`status_code` is not a number"),
        (bad("\"prompt\": 1", "\"prompt\": 1.5"), "`tokens.prompt` is not a whole number of tokens"),
        (bad("\"cached\": 3", "\"cached\": -3"), "`tokens.cached` is not a whole number of tokens"),
    ] {
        let first = trace(&line, &ALL).unwrap_err();
        assert!(first.starts_with(&format!(":1: {expected}: ")) && first.contains(detail), "{line}: {first}");
        assert!(!first.contains("SECRET"), "{first}");
        let third = trace(&format!("{valid}\n{line}"), &ALL).unwrap_err();
        assert!(third.starts_with(&format!(":3: {expected}: ")) && third.contains(detail), "{third}");
    }
    let error = trace("{\"turns\": [\"SECRET\"]}", &ALL).unwrap_err();
    assert_eq!(error, format!(":1: {expected}"), "the first line shows nothing of its content");
    let error = trace(&format!("{valid}{{\"turns\": 5}}"), &ALL).unwrap_err();
    assert!(error.starts_with(&format!(":2: {expected}: invalid type")), "{error}");
    let error = trace(&format!("{valid}{{\"turns\": ["), &ALL).unwrap_err();
    assert!(error.starts_with(&format!(":2: {expected}: EOF")), "{error}");
    let error = trace(&session(&[&[failed(0, 0)]]), &ALL).unwrap_err();
    assert_eq!(error, ": the trace contains no call that succeeded and states its prompt tokens");
    assert!(trace("{\"turns\": []}", &ALL).is_err());
}

#[test]
fn a_session_may_be_longer_than_a_row_of_other_traces() {
    let text = session(&[&[call(0, 0, 1)]]).replace("[{}]", &format!("[\"{}\"]", "x".repeat(3 << 20)));
    assert_eq!(sessions(&text, &ALL).number_of_calls(), 1);
}
