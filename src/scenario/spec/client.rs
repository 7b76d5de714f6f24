//! The client: deadline, retries, concurrency, pacing, cache, coalescing.

use crate::scenario::diagnostics::{Diagnostics, Location};
use crate::scenario::language::{Data, Fields, Value};
use crate::scenario::resolved::{
    AdaptiveConcurrency, AttemptTimeout, Backoff, Cache, Client, Concurrency, CoolDown, DEFAULT_CLIENT,
    Eject, EstimateError, Fairness, Hedge, Jitter, MAX_ENGINES, Pace, Retry, SpendingBudget, StatedWait,
};
use provider::{Nanos, units};

/// Builds the default client, then those under `clients` in the order written.
pub(super) fn clients(scenario: &Fields, diagnostics: &Diagnostics) -> Vec<Client> {
    let default = scenario.fields("client").map(|fields| client(DEFAULT_CLIENT, fields, diagnostics));
    let mut clients = vec![default.unwrap_or_default()];
    for (name, value) in scenario.named_entries("clients") {
        if name.text == DEFAULT_CLIENT {
            let what = format!("`{DEFAULT_CLIENT}` is the name of the client under `client`");
            diagnostics.report_at(
                &name.at,
                what,
                "give this client another name, or write its words under `client`",
            );
        }
        clients.extend(value.fields().map(|fields| client(&name.text, fields, diagnostics)));
        let processes: u32 = clients.iter().map(|client| u32::from(client.processes)).sum();
        if processes > MAX_ENGINES {
            let what = format!("with this client, all clients have {processes} processes");
            diagnostics.report_at(
                &name.at,
                what,
                format!("at most {MAX_ENGINES} run together: lower `processes`"),
            );
            break;
        }
    }
    clients
}

/// Builds the client with this name. Values that are invalid have been reported and are zero or absent.
pub(in crate::scenario) fn client(name: &str, fields: &Fields, diagnostics: &Diagnostics) -> Client {
    // `None` stands for `off`, which has the same effect as `obey_retry_after: false`.
    let cool_downs =
        [("per_target", Some(CoolDown::PerTarget)), ("per_job", Some(CoolDown::PerJob)), ("off", None)];
    let cool_down = fields.choice("cool_down", &cool_downs).unwrap_or_default();
    let mut retry = fields.fields("retry").map(|retry| self::retry(retry, diagnostics)).unwrap_or_default();
    retry.obey_retry_after &= cool_down.is_some();
    Client {
        name: name.to_owned(),
        processes: fields.count("processes").unwrap_or(1),
        like: fields.get("like").and_then(Value::keyword),
        deadline: fields.duration("deadline").unwrap_or_default(),
        attempt_timeout: fields.get("attempt_timeout").and_then(attempt_timeout),
        retry,
        cool_down: cool_down.unwrap_or_default(),
        hedge: fields.fields("hedge").and_then(hedge),
        eject: fields.fields("eject").and_then(eject),
        concurrency: fields.get("concurrency").and_then(|value| concurrency(value, diagnostics)),
        queue: fields.count("queue").unwrap_or_default(),
        fair: fields.choice("fair", FAIRNESS).unwrap_or_default(),
        pace: fields.get("pace").and_then(pace).unwrap_or_default(),
        cache: fields.fields("cache").and_then(cache),
        coalesce: fields.bool("join").unwrap_or_default(),
        estimate: fields.fields("estimate").and_then(estimate),
        budget: fields.fields("budget").and_then(|budget| self::budget(budget, diagnostics)),
    }
}

fn budget(fields: &Fields, diagnostics: &Diagnostics) -> Option<SpendingBudget> {
    if fields.first_given(&["usd_per_hour", "usd_per_day"]).is_none() {
        let help = "add `usd_per_hour: 5` or `usd_per_day: 60`";
        diagnostics.report_at(&fields.at, "this budget limits nothing", help);
        return None;
    }
    Some(SpendingBudget {
        usd_per_hour: fields.number("usd_per_hour"),
        usd_per_day: fields.number("usd_per_day"),
    })
}

/// Returns the place of the budget of each client that has one, with the name of the client.
pub(super) fn budget_places(scenario: &Fields) -> Vec<(String, Location)> {
    let place = |fields: &Fields| fields.fields("budget").map(|budget| budget.at.clone());
    let default = scenario.fields("client").and_then(place).map(|at| (DEFAULT_CLIENT.to_owned(), at));
    let named = scenario.named_entries("clients").iter();
    let named = named.filter_map(|(name, value)| Some((name.text.clone(), place(value.fields()?)?)));
    default.into_iter().chain(named).collect()
}

fn attempt_timeout(value: &Value) -> Option<AttemptTimeout> {
    match value.data {
        Data::Duration(length) => Some(AttemptTimeout::Length(length)),
        Data::Number(share) => Some(AttemptTimeout::ShareOfDeadline(share)),
        _ => None,
    }
}

fn retry(fields: &Fields, diagnostics: &Diagnostics) -> Retry {
    Retry {
        attempts: fields.count("attempts").unwrap_or_default(),
        backoff: fields
            .fields("backoff")
            .map(|backoff| self::backoff(backoff, diagnostics))
            .unwrap_or_default(),
        obey_retry_after: fields.bool("obey_retry_after").unwrap_or_default(),
        stated_wait: fields.fields("stated_wait").map(stated_wait).unwrap_or_default(),
        budget_permille: fields.count("budget"),
    }
}

fn stated_wait(fields: &Fields) -> StatedWait {
    let keyword = fields.choice("jitter", &[("backoff", None), ("none", Some(Nanos::ZERO))]);
    StatedWait {
        headers_only: fields.choice("from", &[("reply", false), ("headers", true)]).unwrap_or_default(),
        longest: fields.duration("longest"),
        jitter: fields.duration("jitter").or(keyword.flatten()),
    }
}

fn backoff(fields: &Fields, diagnostics: &Diagnostics) -> Backoff {
    let [base, mut cap] = ["base", "cap"].map(|word| fields.duration(word).unwrap_or_default());
    if cap < base && !fields.is_given("cap") {
        cap = base;
    }
    if cap < base && fields.duration("cap").is_some() {
        let what = format!("`cap` is shorter than `base`, which is {}", units::print_duration(base));
        diagnostics.report_at(&fields.at, what, "raise `cap` or lower `base`");
    }
    Backoff { base, cap, jitter: fields.get("jitter").and_then(jitter).unwrap_or_default() }
}

fn jitter(value: &Value) -> Option<Jitter> {
    let Some(fields) = value.fields() else {
        return value.choice(&[
            ("none", Jitter::None),
            ("full", Jitter::Full),
            ("equal", Jitter::Equal),
            ("decorrelated", Jitter::Decorrelated),
        ]);
    };
    let shorten = fields.count("shorten").map(Jitter::Shorten);
    let add = fields.duration("add").map(Jitter::Add);
    shorten.or(add).or_else(|| fields.count("around").map(Jitter::Around))
}

fn concurrency(value: &Value, diagnostics: &Diagnostics) -> Option<Concurrency> {
    match value.fields() {
        Some(fields) => adaptive(fields, diagnostics).map(Concurrency::Adaptive),
        None if value.keyword() == Some("adaptive") => {
            Some(Concurrency::Adaptive(AdaptiveConcurrency::default()))
        }
        None => value.count().map(Concurrency::Fixed),
    }
}

/// Returns the bounds of an adaptive concurrency. An `initial` that is not given is moved into them.
fn adaptive(fields: &Fields, diagnostics: &Diagnostics) -> Option<AdaptiveConcurrency> {
    let [initial, min, max] = ["initial", "min", "max"].map(|word| fields.count::<u32>(word));
    let (min, max) = (min?, max?);
    if max < min {
        let what = format!("`max` is smaller than `min`, which is {min}");
        diagnostics.report_at(&fields.at, what, "raise `max` or lower `min`");
        return None;
    }
    let initial = initial?;
    if fields.is_given("initial") && !(min..=max).contains(&initial) {
        let what = format!("`initial` is not between `min` and `max`, which are {min} and {max}");
        diagnostics.report_at(&fields.at, what, "begin with a number between them");
        return None;
    }
    Some(AdaptiveConcurrency { initial: initial.clamp(min, max), min, max })
}

const FAIRNESS: &[(&str, Fairness)] =
    &[("off", Fairness::Off), ("requests", Fairness::Requests), ("tokens", Fairness::Tokens)];

fn pace(value: &Value) -> Option<Pace> {
    match value.fields() {
        Some(fields) => fields.duration("gap").map(Pace::Gap),
        None => value.choice(&[("off", Pace::Off), ("requests", Pace::Requests), ("tokens", Pace::Tokens)]),
    }
}

fn hedge(fields: &Fields) -> Option<Hedge> {
    Some(Hedge { after: fields.duration("after")?, spare_permille: fields.count("spare")? })
}

fn eject(fields: &Fields) -> Option<Eject> {
    Some(Eject { after: fields.count("after")?, duration: fields.duration("for")? })
}

fn cache(fields: &Fields) -> Option<Cache> {
    Some(Cache { entries: fields.count("entries")?, ttl: fields.duration("ttl")? })
}

/// Returns `None` if bias and spread are zero: the count is exact.
fn estimate(fields: &Fields) -> Option<EstimateError> {
    let error = EstimateError { bias: fields.number("bias")?, spread: fields.number("spread")? };
    (error.bias != 0.0 || error.spread != 0.0).then_some(error)
}
