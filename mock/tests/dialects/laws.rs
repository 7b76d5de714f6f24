//! Property tests of how each dialect computes and prints its numbers.

use crate::{Case, denial, formats, header, level, refused, served};
use proptest::prelude::*;
use provider::calendar::Epoch;
use provider::config::{Dialect, Fault, Tier};
use provider::decision::{Decision, Denial};
use provider::length::{LengthLimit, TooLong};
use provider::wire::{self, Head, MediaType, WireFormat};
use provider::{Axis, Instant, Nanos};
use serde_json::Value;

const SECOND: u64 = Nanos::SECOND.0;

fn format(dialect: Dialect) -> &'static dyn WireFormat {
    wire::format(dialect)
}

/// Generates a limit and what remains of it, which may be negative after a settlement.
fn limit_and_remaining() -> impl Strategy<Value = (u64, i64)> {
    (1u64..=1_000_000_000).prop_flat_map(|limit| {
        let all = i64::try_from(limit).unwrap();
        (Just(limit), -all..=all)
    })
}

fn headers(format: usize, dialect: Dialect, levels: &[(Axis, u64, i64)], at: Instant) -> wire::Headers {
    let mut case = served(1, 1);
    case.levels = levels.iter().map(|(axis, limit, remaining)| level(*axis, *limit, *remaining)).collect();
    (case.at, case.arrived) = (at, at);
    case.render(wire::formats(dialect)[format]).headers
}

fn value<'a>(headers: &'a wire::Headers, name: &str) -> &'a str {
    headers.value(name).unwrap_or_else(|| panic!("{name} in {headers:?}"))
}

/// Returns the nanoseconds until a bucket is full, rounded down, as in 708 recordings of OpenAI.
fn until_full(limit: u64, remaining: i64, window: Nanos) -> u128 {
    let used = u128::try_from(i128::from(limit) - i128::from(remaining)).unwrap();
    used * u128::from(window.0) / u128::from(limit)
}

/// Parses hours, minutes, seconds and milliseconds of a Go duration to nanoseconds.
fn parse_go_duration(text: &str) -> u128 {
    let (mut rest, mut total) = (text, 0.0);
    for (unit, seconds) in [("h", 3600.0), ("m", 60.0)] {
        if let Some((number, after)) = rest.split_once(unit).filter(|(_, after)| !after.starts_with('s')) {
            total += number.parse::<f64>().unwrap() * seconds;
            rest = after;
        }
    }
    let millis = rest.strip_suffix("ms").map(|number| number.parse::<f64>().unwrap());
    let seconds =
        millis.map_or_else(|| rest.strip_suffix('s').unwrap().parse::<f64>().unwrap(), |ms| ms / 1e3);
    ((total + seconds) * 1e9).round() as u128
}

proptest! {
    /// OpenAI: `reset` is the time until full, rounded down to whole milliseconds, for days and minutes. `remaining` is never negative.
    #[test]
    fn openai_resets_are_the_time_until_full((limit, remaining) in limit_and_remaining(), daily: bool) {
        let axis = if daily { Axis::Rpd } else { Axis::Rpm };
        let window = axis.window_length().unwrap();
        let headers = headers(0, Dialect::OpenAi, &[(axis, limit, remaining), (Axis::Tpm, limit, remaining)], Instant::ZERO);
        for (name, window) in [("requests", window), ("tokens", Nanos::MINUTE)] {
            let value = |what: &str| value(&headers, &format!("x-ratelimit-{what}-{name}")).to_owned();
            let exact = until_full(limit, remaining, window);
            prop_assert_eq!(parse_go_duration(&value("reset")), exact - exact % 1_000_000);
            prop_assert_eq!(value("limit"), limit.to_string());
            prop_assert_eq!(value("remaining"), remaining.max(0).to_string());
        }
    }

    /// OpenAI: the wait in the message is (used + requested − limit) ÷ limit × period, rounded down to the millisecond. The headers
    /// never have a shorter one.
    #[test]
    fn openai_messages_have_the_wait_to_the_millisecond(
        (limit, remaining) in limit_and_remaining(), axis in prop::sample::select(vec![Axis::Tpm, Axis::Rpm, Axis::Rpd, Axis::Tpd]), requested_share in 0.0..1.0,
    ) {
        let requested = ((limit as f64 * requested_share) as u64).max(1);
        let used = i64::try_from(limit).unwrap() - remaining;
        let excess = i128::from(used) + i128::from(requested) - i128::from(limit);
        prop_assume!(excess > 0);
        let denial = denial(axis, limit, used, requested);
        let reply = refused(denial).render(format(Dialect::OpenAi));
        let (_, wait) = reply.body.split_once("Please try again in ").unwrap();
        let wait = parse_go_duration(wait.split_once(". ").unwrap().0);
        let exact = u128::try_from(excess).unwrap() * u128::from(axis.window_length().unwrap().0) / u128::from(limit);
        // A wait computed in doubles may be one nanosecond short, which can change the millisecond.
        prop_assert!(wait.is_multiple_of(1_000_000) && wait <= exact + 1 && exact < wait + 1_000_000 + 1, "{wait} for {exact}");
        let millis: u128 = header(&reply, "retry-after-ms").unwrap().parse().unwrap();
        let seconds: u128 = header(&reply, "retry-after").unwrap().parse().unwrap();
        prop_assert!(millis * 1_000_000 >= exact - 1 && seconds * u128::from(SECOND) >= exact - 1);
    }

    /// Azure: the same resets as bare numbers, in milliseconds at one kind of endpoint and in seconds at the other.
    #[test]
    fn azure_resets_are_bare_numbers_in_two_units((limit, remaining) in limit_and_remaining()) {
        let levels = [(Axis::Rpm, limit, remaining), (Axis::Tpm, limit, remaining)];
        for (index, unit) in [(0, u128::from(SECOND)), (1, 1_000_000)] {
            let headers = headers(index, Dialect::Azure, &levels, Instant::ZERO);
            for name in ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"] {
                let reset: u128 = value(&headers, name).parse().unwrap();
                prop_assert_eq!(reset, until_full(limit, remaining, Nanos::MINUTE) / unit);
            }
        }
    }

    /// Anthropic: tokens are rounded to the nearest thousand, requests are not. Both token axes are also reported as one, with the
    /// earlier date. Dates are rounded down to whole seconds.
    #[test]
    fn anthropic_rounds_tokens_to_thousands((input, remaining_input) in limit_and_remaining(), (output, remaining_output) in limit_and_remaining(), secs in 0..86_400u64) {
        let at = Instant(secs * SECOND);
        let levels = [(Axis::Rpm, input, remaining_input), (Axis::Itpm, input, remaining_input), (Axis::Otpm, output, remaining_output)];
        let headers = headers(0, Dialect::Anthropic, &levels, at);
        let number = |name: &str| value(&headers, &format!("anthropic-ratelimit-{name}")).parse::<i64>().unwrap();
        prop_assert_eq!(number("requests-remaining"), remaining_input.max(0));
        for (name, remaining) in [("input-tokens-remaining", remaining_input), ("output-tokens-remaining", remaining_output)] {
            prop_assert!(number(name) % 1000 == 0 && number(name).abs_diff(remaining.max(0)) <= 500);
        }
        prop_assert_eq!(number("tokens-limit"), i64::try_from(input + output).unwrap());
        prop_assert!(number("tokens-remaining").abs_diff(remaining_input.max(0) + remaining_output.max(0)) <= 500);
        let date = |name: &str| value(&headers, &format!("anthropic-ratelimit-{name}-reset")).to_owned();
        prop_assert_eq!(date("tokens"), date("input-tokens").min(date("output-tokens")));
        let reset = secs + u64::try_from(until_full(input, remaining_input, Nanos::MINUTE) / u128::from(SECOND)).unwrap();
        let (day, second) = (reset / 86_400 + 1, reset % 86_400);
        let clock = format!("2026-11-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        prop_assert_eq!(date("input-tokens"), clock);
    }

    /// Cerebras: a reset is the end of the calendar minute or day, so that the two differ by whole minutes.
    #[test]
    fn cerebras_resets_are_the_end_of_the_calendar_window((limit, remaining) in limit_and_remaining(), at in 0..Nanos::DAY.0 * 3) {
        let levels = [(Axis::Rpm, limit, remaining), (Axis::Rpd, limit, remaining), (Axis::Tpm, limit, remaining), (Axis::Tpd, limit, remaining)];
        let headers = headers(0, Dialect::Cerebras, &levels, Instant(at));
        let reset = |name: &str| value(&headers, &format!("x-ratelimit-reset-{name}")).parse::<f64>().unwrap();
        let (minute, day) = (reset("tokens-minute"), reset("requests-day"));
        prop_assert!(minute > 0.0 && minute <= 60.0 && day >= minute && day <= 86_400.0);
        let ends = at as f64 / 1e9 + minute;
        prop_assert!((ends / 60.0 - (ends / 60.0).round()).abs() < 1e-6, "{ends}");
        let between = (day - minute) / 60.0;
        prop_assert!((between - between.round()).abs() < 1e-6, "{day} − {minute}");
        prop_assert_eq!(minute.to_bits(), reset("requests-minute").to_bits());
        prop_assert_eq!(day.to_bits(), reset("tokens-day").to_bits());
    }

    /// Mistral: headers have the remaining units and the cost of the call, and no reset.
    #[test]
    fn mistral_reports_the_cost_and_no_reset((limit, remaining) in limit_and_remaining(), prompt: u32, completion: u32) {
        let mut case = served(prompt, completion);
        case.levels = vec![level(Axis::Tpm, limit, remaining), level(Axis::Rpm, limit, remaining)];
        // Renders the headers alone, because the longest completions have long bodies.
        let snapshot = case.snapshot();
        let usage = match case.decision { Decision::Admitted(service) => Some(service.usage), _ => None };
        let head = Head { media_type: MediaType::Json, usage, ..Head::new(200, Some(&snapshot), 7, (Instant::ZERO, Epoch::RUN)) };
        let headers = format(Dialect::Mistral).headers(&head);
        prop_assert_eq!(value(&headers, "x-ratelimit-tokens-query-cost"), (u64::from(prompt) + u64::from(completion)).to_string());
        prop_assert_eq!(value(&headers, "x-ratelimit-remaining-tokens-minute"), remaining.max(0).to_string());
        prop_assert!(headers.iter().all(|(name, _)| !name.contains("reset")));
    }

    /// Together: limits are per second, rounded up; what remains is at most that.
    #[test]
    fn together_reports_limits_per_second((limit, remaining) in limit_and_remaining()) {
        let headers = headers(0, Dialect::Together, &[(Axis::Rpm, limit, remaining), (Axis::Tpm, limit, remaining)], Instant::ZERO);
        let number = |name: &str| value(&headers, name).parse::<u64>().unwrap();
        for prefix in ["x-ratelimit", "x-tokenlimit"] {
            let per_second = number(&format!("{prefix}-limit"));
            prop_assert!(per_second * 60 >= limit && (per_second - 1) * 60 < limit);
            let remaining = number(&format!("{prefix}-remaining"));
            prop_assert!(remaining <= per_second);
            prop_assert_eq!(per_second, number(&format!("{prefix}-limit-dynamic")));
        }
    }

    /// Gemini: the message and `RetryInfo` have the same wait, the latter in whole seconds, rounded down. For a daily limit
    /// it is the rest of the minute, not the time until the limit has room.
    #[test]
    fn gemini_reports_one_wait_twice_and_a_wrong_one_for_days(at in 0..Nanos::DAY.0, (limit, remaining) in limit_and_remaining(), daily: bool) {
        let axis = if daily { Axis::Rpd } else { Axis::Tpm };
        let denial = denial(axis, limit, i64::try_from(limit).unwrap() - remaining, limit);
        let case = Case { arrived: Instant(at), ..refused(denial) };
        let reply = case.render(format(Dialect::Gemini));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let error = &body[0]["error"];
        let (_, wait) = error["message"].as_str().unwrap().split_once("Please retry in ").unwrap();
        let wait: f64 = wait.strip_suffix("s.").unwrap().parse().unwrap();
        prop_assert_eq!(error["details"][1]["retryDelay"].as_str().unwrap(), format!("{}s", wait.floor()));
        let expected = if daily { Nanos::MINUTE.0 - at % Nanos::MINUTE.0 } else { denial.wait.unwrap().0 };
        prop_assert!((wait - expected as f64 / 1e9).abs() < 1e-6, "{wait} for {expected}");
        let id = error["details"][0]["violations"][0]["quotaId"].as_str().unwrap();
        let period = if daily { "PerDay" } else { "PerMinute" };
        prop_assert!(id.contains(period), "{id}");
    }

    /// For all numbers and names, every wire format renders valid JSON and valid HTTP headers.
    #[test]
    fn every_reply_is_well_formed(
        model in any::<String>(), limit in 1..=u64::MAX, used: i64, requested: u64, wait in prop::option::of(any::<u64>()),
        axis in prop::sample::select(Axis::ALL.to_vec()), at: u64, oversize: bool, developer: bool, remaining: i64,
        missing in prop::sample::select(Axis::ALL.to_vec()),
    ) {
        let denial = Denial { wait: wait.map(Nanos), oversize, ..Denial::new(axis, limit, used, requested) };
        let too_long = |violated| TooLong { violated, limit_tokens: at as u32, prompt_tokens: used as u32, max_tokens: wait.map(|wait| wait as u32) };
        let decisions = [
            Decision::Refused(denial), Decision::Faulted(Fault::Overload), Decision::Faulted(Fault::Billing),
            Decision::Faulted(Fault::NotInTier), Decision::Faulted(Fault::Status(400)), served(1, 3).decision,
            Decision::TooLong(too_long(LengthLimit::Context)), Decision::TooLong(too_long(LengthLimit::Output)),
        ];
        for (dialect, format) in formats() {
            for decision in decisions {
                let mut case = Case { at: Instant(at), arrived: Instant(at), model: model.clone(), ..Case::new(decision) };
                case.tier = if developer { Tier::Developer } else { Tier::Free };
                case.levels = Axis::ALL.map(|axis| level(axis, limit, remaining)).to_vec();
                case.levels.retain(|level| level.axis != missing);
                let reply = case.render(format);
                prop_assert!(serde_json::from_str::<Value>(&reply.body).is_ok(), "{dialect:?}: {}", reply.body);
                for (name, value) in reply.headers.iter() {
                    prop_assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{name}");
                    prop_assert!(!value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value}");
                }
            }
        }
    }
}
