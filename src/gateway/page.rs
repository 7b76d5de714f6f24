//! The page that shows the gateway's state. It loads itself again every two seconds and runs no script.

use super::server::Current;
use super::state::{CallerState, GatewayState, TargetState};
use crate::formatting::{count, duration, number, plural};
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

const CSS: &str = include_str!("page.css");

/// Answers with the page.
pub(super) async fn page(State(current): State<Arc<Current>>) -> Response {
    let markup = render(&GatewayState::of(&current.get()));
    let headers = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(markup.into_string())).into_response()
}

fn render(state: &GatewayState) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="refresh" content="2";
                title { (state.scenario) " · quotalab gateway" }
                style { (PreEscaped(CSS)) }
            }
            body {
                main {
                    h1 { (state.scenario) }
                    p {
                        "The gateway has run for " (duration(state.uptime_s)) "; "
                        "requests under way: " (count(state.jobs_in_flight as u64)) "."
                    }
                    h2 { "Targets" }
                    div.scroll { (targets(&state.targets)) }
                    @if !state.callers.is_empty() {
                        h2 { "Callers" }
                        @match state.budgets {
                            Some("shared") => p { "Budgets are shared with other gateways through Redis; shown is what all of them use." },
                            Some("share") => p { "Redis does not answer: this gateway uses its share of each budget and does not see what others use." },
                            _ => {}
                        }
                        div.scroll { (callers(&state.callers)) }
                    }
                    h2 { "Routes" }
                    ul {
                        @for route in &state.routes {
                            li {
                                code { (route.name) } ": "
                                @for (number, step) in route.steps.iter().enumerate() {
                                    @if number > 0 { ", then " }
                                    (step.join(" or "))
                                }
                            }
                        }
                    }
                    @if let Some(cache) = &state.cache {
                        h2 { "Shared answers" }
                        p {
                            "From the cache: " (count(cache.hits))
                            @if cache.shared.is_some() { "; found in Redis: " (count(cache.shared_hits)) }
                            "; given to identical requests in flight: " (count(cache.coalesced))
                            "; sent: " (count(cache.misses)) ". The cache holds " (plural(cache.answers, "answer")) ", "
                            (mebibytes(cache.bytes)) " of " (mebibytes(cache.max_bytes)) " MiB."
                        }
                    }
                    h2 { "Latest decisions" }
                    @if state.decisions.is_empty() {
                        p { "No request has arrived yet." }
                    } @else {
                        div.scroll { (decisions(state)) }
                    }
                }
            }
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn targets(targets: &[TargetState]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th { "target" } th { "state" } th { "free in" } th { "estimated use" }
                    th.number { "refusals" } th.number { "failures" } th.number { "token ratio" }
                }
            }
            tbody {
                @for target in targets {
                    tr {
                        td { (target.name) }
                        td class=(target.state) { (target.state.replace('_', " ")) }
                        td {
                            @match (target.free_in_s, target.cause) {
                                (Some(left), Some(cause)) => {
                                    (duration(left)) " (" (cause.replace('_', " "))
                                    @if let Some(axis) = target.axis { ", " (axis) }
                                    ")"
                                }
                                _ => "now",
                            }
                        }
                        td {
                            @for limit in &target.limits {
                                span.limit {
                                    (limit.axis) " " (number(limit.used as f64)) " of " (number(limit.limit as f64))
                                }
                            }
                            @if target.limits.is_empty() { "not estimated" }
                        }
                        td.number { (target.refusals) }
                        td.number { (target.failures) }
                        td.number title=[target.in_scenario.as_deref()] {
                            (format!("{:.2}", target.token_ratio))
                        }
                    }
                }
            }
        }
    }
}

fn callers(callers: &[CallerState]) -> Markup {
    let usd = |usd: f64| format!("{usd:.4} USD");
    html! {
        table {
            thead {
                tr {
                    th { "caller" } th { "priority" } th.number { "used on this day of UTC" }
                    th.number { "reserved" } th.number { "budget per day" }
                }
            }
            tbody {
                @for caller in callers {
                    tr {
                        td { (caller.name) }
                        td { (caller.priority) }
                        td.number { (count(caller.used_tokens)) " tokens, " (usd(caller.used_usd)) }
                        td.number { (count(caller.reserved_tokens)) " tokens, " (usd(caller.reserved_usd)) }
                        td.number {
                            @match (caller.budget_tokens, caller.budget_usd) {
                                (Some(tokens), Some(sum)) => { (count(tokens)) " tokens, " (usd(sum)) }
                                (Some(tokens), None) => { (count(tokens)) " tokens" }
                                (None, Some(sum)) => (usd(sum)),
                                (None, None) => "none",
                            }
                        }
                    }
                }
            }
        }
    }
}

fn decisions(state: &GatewayState) -> Markup {
    html! {
        table {
            thead { tr { th.number { "ago" } th.number { "job" } th { "decision" } } }
            tbody {
                @for decision in &state.decisions {
                    tr {
                        td.number { (duration(state.uptime_s - decision.at_s)) }
                        td.number { (decision.job) }
                        td { (decision.decision) }
                    }
                }
            }
        }
    }
}
