//! Waits in members of an error: `"retry_after": 10`, `"resets_in_seconds": 602705`, `"resets_at": 1775317531`.

use super::clock_time::{self, ResetTime};
use super::duration::{millis, seconds};
use super::wait_words::whole_duration;
use provider::Nanos;
use serde_json::{Map, Value};

/// Members that hold a length in seconds, or a text with a unit. The names are those of `ErrorBody::members`.
const SECONDS: [&str; 22] = [
    "retryafter",
    "retryafterseconds",
    "retryaftersecs",
    "retryaftersec",
    "retryafters",
    "retryinseconds",
    "retryin",
    "resetsinseconds",
    "resetinseconds",
    "resetafterseconds",
    "resetafter",
    "resetsafterseconds",
    "resetsin",
    "resetin",
    "secondsuntilreset",
    "timeuntilreset",
    "waitseconds",
    "waittimeseconds",
    "waittime",
    "cooldownseconds",
    "retrydelay",
    "timeremaining",
];
/// Members that hold a length in milliseconds.
const MILLIS: [&str; 6] =
    ["retryafterms", "retryaftermillis", "retryaftermilliseconds", "retrydelayms", "resetsinms", "waitms"];
/// Members that hold a moment.
const MOMENTS: [&str; 10] = [
    "resetsat",
    "resetat",
    "resettime",
    "resetdate",
    "resettimestamp",
    "retryat",
    "retryafterat",
    "availableat",
    "nextavailableat",
    "xratelimitreset",
];

/// Returns the length of the wait that the members state; `None` if they state none or zero.
pub(super) fn length(members: &Map<String, Value>) -> Option<Nanos> {
    let read = |names: &[&str], parse: fn(&str) -> Option<Nanos>| {
        names.iter().filter_map(|name| scalar(members.get(*name)?)).find_map(|text| {
            // A number of 10⁹ or more is a Unix time, not a length.
            let is_moment = text.parse::<f64>().is_ok_and(|number| number >= 1e9);
            parse(&text).filter(|length| *length > Nanos::ZERO && !is_moment)
        })
    };
    read(&MILLIS, millis).or_else(|| read(&SECONDS, |text| seconds(text).or_else(|| whole_duration(text))))
}

/// Returns the moment that the members state; `None` if they state none. `zone` applies to a moment without a zone.
pub(super) fn moment(members: &Map<String, Value>, zone: Option<&'static str>) -> Option<ResetTime> {
    let names = MOMENTS.iter().chain(&SECONDS);
    names.filter_map(|name| scalar(members.get(*name)?)).find_map(|text| clock_time::whole(&text, zone))
}

/// Returns a number or a non-empty string as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::calendar::UnixTime;
    use serde_json::json;

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn lengths_are_read_in_every_form() {
        for (value, millis) in [
            (json!({ "retryafter": 10 }), Some(10_000)),
            (json!({ "retryafter": "10" }), Some(10_000)),
            (json!({ "retryafter": 2.5 }), Some(2_500)),
            (json!({ "retryafter": "26s" }), Some(26_000)),
            (json!({ "retryafterms": 1500, "retryafter": 2 }), Some(1_500)),
            (json!({ "resetsinseconds": 602_705, "resetsat": 1_775_317_531 }), Some(602_705_000)),
            (json!({ "retryafter": 0 }), None),
            (json!({ "retryafter": -1 }), None),
            (json!({ "retryafter": "soon" }), None),
            (json!({ "retryafter": 1_775_317_531 }), None),
        ] {
            let length = length(&members(value.clone())).map(|length| length.0 / 1_000_000);
            assert_eq!(length, millis, "{value}");
        }
    }

    #[test]
    fn moments_are_read_in_every_form() {
        let expected = UnixTime::parse_rfc3339("2026-04-04T15:45:31Z");
        for value in [
            json!({ "resetsat": 1_775_317_531 }),
            json!({ "resetsat": 1_775_317_531_000_u64 }),
            json!({ "resettime": "1775317531" }),
            json!({ "resetsat": "2026-04-04T15:45:31Z" }),
            json!({ "resetsat": "2026-04-04T23:45:31+08:00" }),
            json!({ "retryafter": 1_775_317_531 }),
        ] {
            assert_eq!(
                moment(&members(value.clone()), None).and_then(|reset| reset.time),
                expected,
                "{value}"
            );
        }
        assert_eq!(moment(&members(json!({ "resetsat": 12, "other": 1_775_317_531 })), None), None);
    }
}
