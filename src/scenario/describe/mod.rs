//! The text of a scenario that `quotalab check` prints: short lines, with which authors can check what they wrote.

mod arrivals;
mod caller;
mod client;
mod sessions;
mod upstream;

use super::resolved::{Arrivals, CachedPrompt, DEFAULT_CLIENT, Pick, Scenario, Shape, Workload};
use crate::ids::TargetId;
use crate::job::Priority;
use provider::Nanos;
use provider::axis::Period;
use provider::config::{
    AccountConfig, CachedTokens, Config, Dialect, Estimate, Fault, Incident, Latency, Lengths, Limit,
    ModelConfig, RefillPolicy, Reserve, ServiceTimeDist, Settlement, WaitForm,
};
use provider::dist::Dist;
use provider::units::{print_count, print_duration, print_number, print_share};
use std::fmt::Write as _;

impl Scenario {
    /// Formats the scenario as text: providers with their accounts and limits, routes, client, callers, workloads, rules.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = self.name.clone();
        if !self.about.is_empty() {
            text += &format!(": {}", self.about);
        }
        let from = if self.clock.has_date() { format!(" from {}", self.clock) } else { String::new() };
        text +=
            &format!("\n\nJobs arrive for {}{from}; seed {}.\n", print_duration(self.duration), self.seed);
        section(&mut text, "Providers", self.provider_lines());
        section(&mut text, "Routes", self.route_lines());
        client::sections(self, &mut text);
        section(&mut text, "Callers (of `quotalab gateway` only)", caller::lines(&self.callers));
        let workloads = self.workloads.iter().flat_map(|workload| {
            let route = &self.routes[workload.route.index()].name;
            let client = self.client_of(workload);
            let client = (client.name != DEFAULT_CLIENT).then_some(client.name.as_str());
            workload_lines(workload, (route, client), self.cut_share(workload))
        });
        section(&mut text, "Workload", workloads.collect());
        section(&mut text, "Expected", self.expect.iter().map(|rule| rule.text.clone()).collect());
        text
    }

    fn provider_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, provider) in self.providers.iter().enumerate() {
            let dialect = match provider.dialect {
                Dialect::Groq => String::new(),
                dialect => format!(" (dialect {})", dialect.name()),
            };
            lines.push(format!("{}{dialect}: {}", provider.name, accounts(provider)));
            let upstream = self.upstreams.get(index);
            lines.extend(upstream.and_then(|upstream| upstream::line(provider, upstream)));
            lines.extend(provider.incidents.iter().map(|incident| format!("  {}", self::incident(incident))));
            for (position, model) in provider.models.iter().enumerate() {
                let is_of_model = |target: &&super::Target| {
                    (usize::from(target.provider), usize::from(target.model)) == (index, position)
                };
                if self.targets.iter().any(|target| is_of_model(&target)) {
                    lines.extend(model_lines(model, provider.dialect).map(|line| format!("  {line}")));
                }
            }
        }
        lines
    }

    fn route_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for route in &self.routes {
            lines.push(format!("{}:", route.name));
            for (number, step) in route.steps.iter().enumerate() {
                let name = |(index, id): (usize, &TargetId)| {
                    let weight = step.weights.get(index).filter(|_| step.targets.len() > 1);
                    let weight = weight.map(|weight| format!(" (weight {weight})")).unwrap_or_default();
                    format!("{}{weight}", self.targets[id.index()].name)
                };
                let names: Vec<String> = step.targets.iter().enumerate().map(name).collect();
                let pick = match step.pick {
                    _ if names.len() == 1 => "",
                    Pick::InOrder => "the first free of ",
                    Pick::RoundRobin => "each in turn of ",
                    Pick::MostRoom => "the one with the most room of ",
                    Pick::Weighted => "one at random, by weight, of ",
                    Pick::Random => "one at random of ",
                    Pick::LeastBusy => "the one with the fewest attempts in flight of ",
                    Pick::Fastest => "the faster of two at random from ",
                    Pick::Cheapest => "the one that is cheapest for the job of ",
                };
                lines.push(format!("  {}. {pick}{}", number + 1, names.join(", ")));
            }
        }
        lines
    }
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    write!(text, "\n{title}\n").expect("invariant: writing to a String does not fail");
    for line in lines {
        writeln!(text, "  {line}").expect("invariant: writing to a String does not fail");
    }
}

fn accounts(provider: &Config) -> String {
    let account = |account: &AccountConfig| match &account.keys[..] {
        // Keys are secrets: they are counted, not printed.
        [_] => format!("account {}", account.name),
        keys => format!("account {} ({} keys share its limits)", account.name, keys.len()),
    };
    provider.accounts.iter().map(account).collect::<Vec<_>>().join(", ")
}

fn model_lines(model: &ModelConfig, dialect: Dialect) -> impl Iterator<Item = String> {
    let limits: Vec<String> = model.limits.iter().map(limit).collect();
    let limits = if limits.is_empty() { "no limits".into() } else { limits.join(", ") };
    let price = match (model.price.input, model.price.output) {
        (0.0, 0.0) => "free of charge".into(),
        (input, output) => {
            let cached = model.price.cached_input;
            let cached = if cached == input { String::new() } else { format!(" ({cached} if cached)") };
            format!("{input} USD in{cached}, {output} USD out per million tokens")
        }
    };
    let family = model.family.as_ref().map(|name| format!(", shared with the family {name}"));
    let limits = limits + &family.unwrap_or_default();
    let lines = [format!("{}: {limits}", model.name), format!("  {}; {price}", latency(&model.latency))];
    // The default reservation, which is Groq's, is not printed. Cached tokens count in it as the dialect counts them.
    let usual = Reserve { cached: CachedTokens::default_of(dialect), ..Reserve::default() };
    let reserves = (model.reserve != usual).then(|| reserve(&model.reserve));
    lines.into_iter().chain(lengths(model.lengths)).chain(reserves)
}

fn lengths(lengths: Lengths) -> Option<String> {
    let context = lengths.context.map(|tokens| format!("{tokens} tokens of context"));
    let output = lengths.max_output.map(|tokens| format!("completions up to {tokens} tokens"));
    let both: Vec<String> = context.into_iter().chain(output).collect();
    (!both.is_empty()).then(|| format!("  {}", both.join(", ")))
}

fn reserve(reserve: &Reserve) -> String {
    let estimate = match reserve.estimate {
        Estimate::PromptAndMaxTokens => {
            format!("prompt and max_tokens ({} if absent)", reserve.default_max_tokens)
        }
        Estimate::PromptAndRecent => "prompt and the largest recent completion".into(),
        Estimate::Prompt => "the prompt".into(),
        Estimate::Nothing => "nothing".into(),
    };
    let cap = match reserve.max_completion_tokens {
        u32::MAX => String::new(),
        cap => format!(", {cap} tokens at most"),
    };
    let settle = match reserve.settlement {
        Settlement::ToUsage => "settled to what was used",
        Settlement::KeepReservation => "never settled",
        Settlement::ChargeExcess => "what was used beyond it charged at the end",
    };
    let weight = match reserve.output_weight {
        1 => String::new(),
        weight => format!("; a completion token counts as {weight} at the end"),
    };
    let refused = if reserve.charge_refused { "; refused requests count" } else { "" };
    let cached = match reserve.cached {
        CachedTokens::Counted => "count like others",
        CachedTokens::Refunded => "are given back at the end",
        CachedTokens::Free => "count nothing",
    };
    format!("  reserves {estimate}{cap}, {settle}; cached prompt tokens {cached}{weight}{refused}")
}

fn limit(limit: &Limit) -> String {
    let mut text = format!("{} {}", limit.axis, print_count(limit.amount));
    if let Some(window) = limit.window.filter(|_| limit.axis.has_own_window()) {
        text += &format!(" per {}", print_duration(window));
    }
    match limit.refill {
        RefillPolicy::Bucket if limit.burst != limit.amount => {
            text += &format!(" (bursts of {})", print_count(limit.burst));
        }
        RefillPolicy::Bucket => {}
        RefillPolicy::Fixed => text += " (fixed window)",
        RefillPolicy::FirstRequest => text += " (window from the first request)",
        RefillPolicy::SlidingLog => text += " (sliding log)",
        RefillPolicy::SlidingCounter => text += " (sliding counter)",
        RefillPolicy::Calendar(zone) => match limit.axis.period() {
            Some(Period::Day) => text += &format!(" (until midnight, {})", zone.name()),
            Some(Period::Week) => text += &format!(" (until Monday, {})", zone.name()),
            Some(Period::Month) => text += &format!(" (until the end of the month, {})", zone.name()),
            None => text += " (fixed window)",
        },
        RefillPolicy::Adaptive(growth) => {
            let max = print_count(growth.max_limit(limit.amount));
            let factor = print_number(f64::from(growth.factor_permille) / 1000.0);
            text += &format!(" (grows to {factor}x of what is used, up to {max})");
        }
    }
    text
}

/// Formats how long a call takes.
fn latency(latency: &Latency) -> String {
    let mut text = match &latency.service {
        ServiceTimeDist::Split { before_prefill, prefill_speed, cached_prefill_speed, decode_speed } => {
            let prefill = prefill_speed.map(|speed| format!(", prompt at {} tok/s", print_number(speed)));
            let cached = cached_prefill_speed.map(|speed| format!(" (cached at {})", print_number(speed)));
            let prefill = prefill.map(|text| text + &cached.unwrap_or_default());
            format!(
                "first token after {}{}, then {} tok/s",
                dist(before_prefill, &seconds),
                prefill.unwrap_or_default(),
                print_number(*decode_speed)
            )
        }
        ServiceTimeDist::Total(total) => format!("whole reply after {}", dist(total, &seconds)),
    };
    if let Some(round_trip) = &latency.round_trip {
        text += &format!(", network {}", dist(round_trip, &seconds));
    }
    if let Some(slots) = latency.slots {
        text += &format!(", {} at once", print_count(slots.into()));
    }
    text
}

fn incident(incident: &Incident) -> String {
    let fault = match incident.fault {
        Fault::Status(status) => format!("status {status}"),
        Fault::Overload => "out of capacity".into(),
        Fault::Billing => "credit used up".into(),
        Fault::NotInTier => "model not in the plan".into(),
        Fault::Timeout => "no reply".into(),
        Fault::Slow(times) => format!("{} times the latency", print_number(times)),
        Fault::Reset => "a closed connection".into(),
        Fault::CutStream => "a reply that ends half-way".into(),
        Fault::Garbage => "a body that is not JSON".into(),
        Fault::NoRetryAfter => "429s that state no wait".into(),
        Fault::RetryAfter(wait) => format!("429s that state a wait of {}", print_duration(wait)),
        Fault::RetryAfterAs(WaitForm::Fraction) => "retry-after in fractions of seconds".into(),
        Fault::RetryAfterAs(WaitForm::Date) => "retry-after as a date".into(),
        Fault::RetryAfterAs(WaitForm::Negative) => "negative retry-after".into(),
        Fault::RetryAfterAs(WaitForm::Absurd) => "absurdly long retry-after".into(),
        Fault::Throttle(wait) => format!("status 429 and a wait of {}", print_duration(wait)),
        Fault::ErrorInside => "an error with status 200".into(),
        Fault::LateFirstToken(by) => format!("a first token {} late", print_duration(by)),
        Fault::SlowTokens(times) => format!("tokens {} times slower", print_number(times)),
        Fault::ResetAfterHead => "a connection closed after the head".into(),
        Fault::AbortBeforeToken => "a reply that ends before its first token".into(),
        Fault::Truncated => "JSON that ends half-way".into(),
        Fault::WrongType => "a reply that claims to be HTML".into(),
        Fault::NoLimitHeaders => "no headers about limits".into(),
        Fault::ClockAhead(by) => format!("a clock {} ahead", print_duration(by)),
        Fault::ClockBehind(by) => format!("a clock {} behind", print_duration(by)),
    };
    let calls = if incident.share >= 1.0 {
        "every call".into()
    } else {
        format!("{} of calls", print_share(incident.share))
    };
    let begins = print_duration(Nanos(incident.at.0));
    format!("from {begins} for {}: {fault} for {calls}", print_duration(incident.until.since(incident.at)))
}

/// Shares of cut answers below this are not mentioned.
const MIN_CUT_SHARE: f64 = 1e-3;

/// Describes which share of the answers of a workload is cut, and by what. Empty if the share is not known or below
/// [`MIN_CUT_SHARE`].
fn cut_answers(workload: &Workload, share: Option<f64>) -> String {
    let Some(share) = share.filter(|share| *share >= MIN_CUT_SHARE) else { return String::new() };
    let by = if workload.max_tokens.is_some() { ", which" } else { "; the longest completion of the model" };
    let part =
        if share < 1.0 { format!("{} of the answers", print_share(share)) } else { "every answer".into() };
    format!("{by} cuts {part}")
}

/// Describes the factors of a shape, after the rate that they change.
fn shape(shape: &Shape) -> String {
    let min = shape.factors().iter().copied().fold(f64::INFINITY, f64::min);
    let max = shape.factors().iter().copied().fold(0.0, f64::max);
    let rounded = |factor: f64| print_number((factor * 1000.0).round() / 1000.0);
    let cell = if shape.cell() == Nanos::HOUR { "hour" } else { "minute" };
    let of_week = if shape.period() == Nanos::WEEK { " of the week" } else { "" };
    format!(", times {} to {} by the {cell}{of_week}", rounded(min), rounded(max))
}

fn workload_lines(
    workload: &Workload,
    (route, client): (&str, Option<&str>),
    cut_share: Option<f64>,
) -> Vec<String> {
    let client = client.map(|name| format!(" by client {name}")).unwrap_or_default();
    let priority = match workload.priority {
        Priority::Interactive => "",
        Priority::Batch => ", priority batch",
    };
    let mut lines = vec![format!(
        "{} on route {route}{client}: {}{}{}{priority}",
        workload.name,
        if workload.sessions.is_some() { "sessions, " } else { "" },
        match workload.recorded_sessions() {
            Some(trace) => format!("{} recorded", trace.sessions.len()),
            None => arrivals::arrivals(&workload.arrivals),
        },
        workload.shape.as_ref().map(shape).unwrap_or_default()
    )];
    let bound = workload.max_tokens.map(|max| format!(", max_tokens {max}")).unwrap_or_default();
    let bound = bound + &cut_answers(workload, cut_share);
    if let Some(sessions) = &workload.sessions {
        lines.extend(sessions::lines(sessions));
        match sessions.drawn() {
            Some(_) => {
                lines.push(format!(
                    "  completion {} tokens{bound}",
                    dist(&workload.completion, &print_number)
                ));
            }
            None if bound.is_empty() => {}
            None => lines.push(format!("  completions as recorded{bound}")),
        }
        return lines;
    }
    if matches!(workload.arrivals, Arrivals::Trace { .. }) {
        lines.push(format!("  tokens as recorded{bound}"));
    } else {
        let correlation = match workload.correlation {
            0.0 => String::new(),
            correlation => format!(", rank correlation {correlation}"),
        };
        lines.push(format!(
            "  prompt {} tokens, completion {} tokens{correlation}{bound}",
            dist(&workload.prompt, &print_number),
            dist(&workload.completion, &print_number),
        ));
    }
    lines.extend(match &workload.cached_prompt {
        CachedPrompt::Share(0.0) => None,
        CachedPrompt::Share(share) => {
            Some(format!("  {} of each prompt is in the provider's prefix cache", print_share(*share)))
        }
        CachedPrompt::Tokens(tokens) => {
            let tokens = dist(tokens, &print_number);
            Some(format!("  {tokens} tokens of each prompt are in the provider's prefix cache"))
        }
    });
    if let Some(repeats) = workload.repeats {
        lines.push(format!(
            "  {} of jobs ask one of {} popular prompts (Zipf {})",
            print_share(repeats.share),
            print_count(repeats.prompts.into()),
            repeats.zipf
        ));
    }
    lines
}

fn dist(dist: &Dist, print: &dyn Fn(f64) -> String) -> String {
    match dist {
        Dist::Constant(value) => print(*value),
        Dist::LogNormal { .. } => {
            format!("{} (p95 {})", print(dist.quantile(0.5)), print(dist.quantile(0.95)))
        }
        Dist::Exponential(mean) => format!("{} on average (exponential)", print(*mean)),
        Dist::Uniform { min, max } => format!("{} to {}", print(*min), print(*max)),
        Dist::Discrete(steps) => format!("one of {} values, {} on average", steps.len(), print(dist.mean())),
    }
}

/// Formats seconds as a duration, rounded to the millisecond.
fn seconds(seconds: f64) -> String {
    let Nanos(nanos) = Nanos::from_secs_f64(seconds);
    print_duration(Nanos(nanos.saturating_add(500_000) / 1_000_000 * 1_000_000))
}
