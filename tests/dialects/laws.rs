//! Properties of the parser for any body: truncated, wrapped, mutated or inside a success.

use super::{NOW, Pairs, Row, rows};
use proptest::prelude::*;
use provider::Nanos;
use quotalab::engine::parse::{self, Dialect, Parsed, ParsedFailure, Response};
use quotalab::event::{AttemptOutcome, RefusalCause};
use quotalab::explain::explain;
use serde_json::json;
use std::collections::BTreeSet;

/// Returns the values of a failure that the parser must never invent.
fn facts(parsed: &Parsed) -> Vec<(&'static str, String)> {
    let Some(ParsedFailure { refusal, wait, .. }) = &parsed.failure else { return Vec::new() };
    let wait = wait.map(|wait| wait.length);
    [
        ("axis", refusal.axis.map(|axis| axis.to_string())),
        ("limit", refusal.limit.map(|limit| limit.to_string())),
        ("used", refusal.used.map(|used| used.to_string())),
        ("requested", refusal.requested.map(|requested| requested.to_string())),
        ("wait", wait.map(|Nanos(wait)| wait.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// Truncation at any byte removes values and never changes one: an incomplete number is not read.
#[test]
fn a_truncated_body_gives_a_subset_of_the_values() {
    for row in rows() {
        let bytes = row.bytes();
        let whole = row.read(Some(row.dialect()), &bytes);
        let known: BTreeSet<_> = facts(&whole).into_iter().collect();
        for end in 0..bytes.len() {
            let truncated = row.read(Some(row.dialect()), &bytes[..end]);
            for fact in facts(&truncated) {
                assert!(known.contains(&fact), "{fact:?} in {}", String::from_utf8_lossy(&bytes[..end]));
            }
            assert!(truncated.reply.usage == provider::Usage::default());
        }
    }
}

/// Gateways and libraries wrap bodies in arrays, strings and envelopes.
#[test]
fn a_body_gives_the_same_failure_in_every_envelope() {
    for row in rows().into_iter().filter(|row| row.body.is_object() || row.body.is_array()) {
        let whole = row.read(Some(row.dialect()), &row.bytes()).failure;
        let text = row.body.to_string();
        for wrapped in [
            json!([row.body]),
            json!(text),
            json!(json!(text).to_string()),
            json!({ "error": { "message": text } }),
            json!({ "message": text }),
        ] {
            let failure = row.read(Some(row.dialect()), wrapped.to_string().as_bytes()).failure;
            assert_eq!(failure, whole, "{wrapped}");
        }
    }
}

/// An error in the body of a 200 is parsed as if its status were the one that its code or message implies.
#[test]
fn an_error_in_a_success_is_parsed_like_one_with_an_error_status() {
    for row in rows().into_iter().filter(|row| row.body["error"].is_object()) {
        let inside = Row { status: 200, ..row.clone() };
        for dialect in [Some(row.dialect()), None] {
            let (outside, inside) = (row.read(dialect, &row.bytes()), inside.read(dialect, &row.bytes()));
            assert!(inside.failure.is_some());
            assert_eq!(inside, outside, "{row:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No input makes the parser panic, and none of these bodies, which have no answer, is a success.
    #[test]
    fn any_input_is_parsed_without_a_panic(
        at in 0..91usize, dialect in prop::option::of(prop::sample::select(Dialect::ALL.to_vec())),
        status in 100..600u16, spliced in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        value in ".{0,30}", noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let row = &rows()[at];
        let mut bytes = row.bytes();
        bytes.splice(0..0, noise.iter().copied().take(usize::from(noise.len() % 3 == 0) * noise.len()));
        for (place, byte) in spliced {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        let headers = Pairs(row.headers.0.keys().chain(&["retry-after".into(), "date".into()]).map(|name| (name.clone(), value.clone())).collect());
        let parsed = parse::parsed(dialect, NOW, &Response { status, headers: &headers, body: &bytes });
        prop_assert!(parsed.failure.is_some() || (200..300).contains(&status));
        prop_assert_eq!(parsed.reply.outcome == AttemptOutcome::Ok, false);
        let mut stream = parse::Stream::default();
        stream.take(NOW, &bytes, status % 2 == 0);
        let _ = stream.reply(dialect, NOW, &headers);
        let _ = explain(&bytes, dialect).map(|explained| quotalab::explain::text(&explained));
    }

    /// Numbers of any size are read completely.
    #[test]
    fn large_numbers_are_parsed(limit in 1..u64::MAX, used in 0..i64::MAX, requested: u64, millis in 1..1_000_000_000u64) {
        // If the numbers imply another window than the sentence names, the parser uses theirs; the test leaves such numbers out.
        prop_assume!(parse::implied_window(limit, used, requested, Nanos::from_millis(millis), Nanos::MINUTE).is_none());
        let message = format!("Rate limit reached for m in organization org-x on tokens per min (TPM): Limit {limit}, Used {used}, Requested {requested}. Please try again in {millis}ms. Visit");
        let body = json!({ "error": { "message": message, "type": "tokens", "code": "rate_limit_exceeded" } }).to_string();
        let response = Response { status: 429, headers: &Pairs::default(), body: body.as_bytes() };
        let parsed = parse::parsed(None, NOW, &response);
        let Some(ParsedFailure { refusal, cause, wait, .. }) = parsed.failure else { panic!("a refusal") };
        prop_assert_eq!((refusal.limit, refusal.used, refusal.requested), (Some(limit), Some(used), Some(requested)));
        prop_assert_eq!((cause, wait.map(|wait| wait.length)), (RefusalCause::ShortLimit, Some(Nanos::from_millis(millis))));
    }
}
