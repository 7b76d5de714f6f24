//! Explanations of refusals and errors of the mock: ten dialects with nine axes and thirteen faults each, 220 replies. A
//! value that a dialect does not state must stay unknown, and no reply may be explained by a wrong cause.

use super::{assert_members, one};
use provider::calendar::Epoch;
use provider::config::{Dialect, Fault, Tier};
use provider::decision::{Decision, DecisionReport, Denial, HeaderLimits};
use provider::wire::ReplyShape;
use provider::wire::{self, Content, Context, Finish, LimitsSnapshot};
use provider::{Axis, Instant, Nanos};
use serde_json::{Value, json};

const NOW: Instant = Instant(77_000_000_123);

/// Renders a decision as `curl -i` shows its reply.
fn dump(dialect: Dialect, decision: Decision) -> String {
    let context = Context {
        model: "m/x",
        system_fingerprint: "fp_0",
        account: "acme",
        tier: Tier::Free,
        number: 7,
        at: NOW,
        finish: Finish::Stop,
        content: Content::Filler,
        epoch: Epoch::RUN,
        shape: ReplyShape::PLAIN,
    };
    let report = DecisionReport { decision, limits: HeaderLimits::default() };
    let snapshot = LimitsSnapshot::new(NOW, report.limits);
    let wire::Reply { status, headers, body } =
        wire::format(dialect).reply(&report, &snapshot, &context).expect("a reply is sent");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("HTTP/1.1 {status} X\n{headers}\n{body}")
}

/// Returns a refusal because a limit of 600 units is used up. The call requests one unit, or ten on an axis of tokens; the
/// wait is that of a token bucket.
fn refusal(axis: Axis) -> Decision {
    let requested = if axis.counts_tokens() { 10 } else { 1 };
    let (limit, used) = (600, 600);
    let wait = window_of(axis).map(|window| Nanos(window.0 / limit * requested));
    Decision::Refused(Denial { window: window_of(axis), wait, ..Denial::new(axis, limit, used, requested) })
}

/// Returns the window of a limit on an axis; ten seconds if the limit has one of its own.
fn window_of(axis: Axis) -> Option<Nanos> {
    axis.has_own_window().then_some(Nanos::SECOND * 10).or(axis.window_length())
}

/// Returns what a dialect states of a limit on an axis: the cause and the axis.
fn stated(dialect: Dialect, axis: Axis) -> (&'static str, Option<Axis>) {
    let cause = |window: Option<Nanos>| match window {
        None => "concurrency",
        Some(Nanos::DAY) => "day_limit",
        Some(window) if window > Nanos::HOUR => "allowance",
        Some(_) => "minute_limit",
    };
    let by_axis = |axis: Axis| (cause(window_of(axis)), Some(axis));
    let requests = |axis: Axis| if axis.is_daily() { Axis::Rpd } else { Axis::Rph };
    match dialect {
        Dialect::Groq | Dialect::OpenAi => by_axis(axis),
        // Azure has one sentence for all axes; only a wait longer than a minute shows that the limit is per day.
        Dialect::Azure if window_of(axis) >= Some(Nanos::DAY) => ("day_limit", None),
        Dialect::Azure => ("minute_limit", None),
        // Two dialects have no words for audio. The mock states a limit of requests instead: per day for Anthropic, per
        // minute or per day for Cerebras.
        Dialect::Anthropic if matches!(axis, Axis::Ash | Axis::Asd) => by_axis(Axis::Rpd),
        Dialect::Anthropic if axis == Axis::Uitpm => by_axis(Axis::Itpm),
        Dialect::Anthropic => by_axis(axis),
        Dialect::Cerebras => match axis {
            Axis::Itpm | Axis::Uitpm | Axis::Otpm => by_axis(Axis::Tpm),
            Axis::Ash | Axis::Asd => by_axis(requests(axis)),
            _ => by_axis(axis),
        },
        Dialect::Mistral if axis.counts_requests() => by_axis(Axis::Rpm),
        Dialect::Mistral => ("minute_limit", None),
        // Concurrency is the only limit of this dialect.
        Dialect::DeepInfra => by_axis(Axis::Concurrency),
        Dialect::Together if axis == Axis::Rpm => by_axis(axis),
        Dialect::Together => ("minute_limit", None),
        Dialect::Fireworks => ("other", None),
        Dialect::Gemini => match axis {
            Axis::Tpm | Axis::Uitpm => by_axis(Axis::Itpm),
            Axis::Rpm | Axis::Rpd | Axis::Tpd | Axis::Itpm | Axis::Otpm => by_axis(axis),
            // Google's sentence for a quota that it does not name, explained as one per minute with a note.
            _ => ("minute_limit", None),
        },
    }
}

/// Faults whose reply is an error.
const FAULTS: [Fault; 13] = [
    Fault::Overload,
    Fault::Billing,
    Fault::NotInTier,
    Fault::Status(400),
    Fault::Status(401),
    Fault::Status(402),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Status(529),
];

/// Returns the expected cause of a fault, and whether it is terminal: no wait ends it.
fn cause(dialect: Dialect, fault: Fault) -> (&'static str, bool) {
    match fault {
        Fault::Overload | Fault::Status(500..) => ("overload", false),
        Fault::Billing | Fault::Status(402) => ("billing", true),
        // All other dialects answer that the model does not exist.
        Fault::NotInTier if matches!(dialect, Dialect::Anthropic | Dialect::Gemini | Dialect::Mistral) => {
            ("not_in_tier", true)
        }
        Fault::NotInTier | Fault::Status(400 | 404) => ("other", true),
        Fault::Status(401 | 403) => ("auth", true),
        // A message of Anthropic that names no limit means overloaded servers; Mistral has one code for every rate limit.
        Fault::Status(429) if dialect == Dialect::Anthropic => ("overload", false),
        Fault::Status(429) if dialect == Dialect::Mistral => ("minute_limit", false),
        // As above: Google's sentence names no quota.
        Fault::Status(429) if dialect == Dialect::Gemini => ("minute_limit", false),
        _ => ("other", false),
    }
}

#[test]
fn refusals_and_errors_of_the_mock_are_understood_in_every_dialect() {
    let mut replies = 0;
    for dialect in Dialect::ALL {
        for axis in Axis::ALL {
            let dump = dump(dialect, refusal(axis));
            let (cause, axis) = stated(dialect, axis);
            let expected = json!({ "cause": cause, "axis": axis.map(Axis::name), "terminal": false });
            assert_members(&one(&dump), &expected, &dump);
            replies += 1;
        }
        for fault in FAULTS {
            let dump = dump(dialect, Decision::Faulted(fault));
            let (cause, terminal) = cause(dialect, fault);
            let explained = one(&dump);
            assert_members(
                &explained,
                &json!({ "cause": cause, "terminal": terminal }),
                &format!("{fault:?} at {dialect:?}: {dump}"),
            );
            assert!(explained["advice"].as_array().is_some_and(|advice| !advice.is_empty()));
            replies += 1;
        }
    }
    assert_eq!(replies, 330);
}

/// Pastes a reply as `curl -v` and `curl -i` print it, with the line ends of Windows, and in a fenced block.
#[test]
fn a_reply_of_the_mock_has_the_same_explanation_in_every_form_of_paste() {
    for dialect in Dialect::ALL {
        for decision in [
            refusal(Axis::Rpm),
            refusal(Axis::Tpd),
            Decision::Faulted(Fault::Billing),
            Decision::Faulted(Fault::Overload),
        ] {
            let dump = dump(dialect, decision);
            let expected = one(&dump);
            let (head, body) = dump.split_once("\n\n").expect("a head and a body");
            let verbose: String = head.lines().map(|line| format!("< {line}\n")).collect();
            for paste in [
                format!(
                    "* Trying 127.0.0.1:4141...\n> POST / HTTP/1.1\n>\n{verbose}<\n{body}* Connection #0 to host x left intact\n"
                ),
                dump.replace('\n', "\r\n"),
                format!("```\n{dump}\n```"),
                format!("$ curl -i http://127.0.0.1:4141/\n{dump}"),
            ] {
                assert_eq!(one(&paste), expected, "{paste}");
            }
        }
    }
}

/// The number of members in the output for one reply; `tests/cli/explain.rs` has their names.
#[test]
fn the_output_has_twenty_one_members() {
    let explained: Value = one(dump(Dialect::Groq, refusal(Axis::Rpm)));
    let names: Vec<&String> = explained.as_object().expect("an object").keys().collect();
    assert_eq!(names.len(), 21, "{names:?}");
}
