//! The mock's metrics in the text format of Prometheus (version 0.0.4).

use crate::server::Mock;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Returns requests by account, model and outcome, replies by status and their times, every limit and what remains of it, the
/// number of injected faults, and the clock.
pub(super) async fn metrics(State(mock): State<Arc<Mock>>) -> impl IntoResponse {
    let mut out = String::new();
    write_family(&mut out, "requests_total", "counter", "Requests received, by their outcome.");
    let counts = mock.journal(|journal| journal.counts().collect::<Vec<_>>()).unwrap_or_default();
    for ((account, model, outcome), count) in counts {
        let account = Label(account.map_or("", |account| mock.account_name(account)));
        let model = Label(model.map_or("", |model| mock.model(model).name.as_str()));
        let labels = format!("{{account={account},model={model},outcome=\"{outcome}\"}}");
        write_line(&mut out, format_args!("quotalab_mock_requests_total{labels} {count}"));
    }
    write_replies(&mut out, &mock);
    let mut remaining = String::new();
    write_family(&mut out, "limit", "gauge", "Units of the limit per window.");
    write_family(
        &mut remaining,
        "remaining",
        "gauge",
        "What remains of the limit; negative if it is overdrawn.",
    );
    for (account, id) in mock.account_names().zip(0..) {
        for (model, model_id) in mock.model_names().zip(0..) {
            mock.for_each_level(id, model_id, |level| {
                let (account, model, axis) = (Label(account), Label(model), level.axis);
                let labels = format!("{{account={account},model={model},axis=\"{axis}\"}}");
                write_line(&mut out, format_args!("quotalab_mock_limit{labels} {}", level.limit));
                write_line(
                    &mut remaining,
                    format_args!("quotalab_mock_remaining{labels} {}", level.remaining),
                );
            });
        }
    }
    out.push_str(&remaining);
    write_family(&mut out, "injected_faults", "gauge", "Injected faults that have not ended.");
    let faults = mock.with_faults(|faults, now| faults.not_ended(now).len());
    write_line(&mut out, format_args!("quotalab_mock_injected_faults {faults}"));
    write_family(
        &mut out,
        "clock_seconds",
        "gauge",
        "Seconds since the start on the mock's clock, which the control plane can move.",
    );
    write_line(&mut out, format_args!("quotalab_mock_clock_seconds {}", mock.now().as_secs_f64()));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out)
}

/// Appends the replies by status, and the times from the arrival of a request to the end of its reply.
fn write_replies(out: &mut String, mock: &Mock) {
    let read = mock.journal(|journal| (journal.statuses().collect::<Vec<_>>(), *journal.durations()));
    let (statuses, durations) = read.unwrap_or_default();
    write_family(
        out,
        "replies_total",
        "counter",
        "Requests by the status of their reply, counted when the reply is decided; `none` if the mock sends no reply.",
    );
    for (status, count) in statuses {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        write_line(out, format_args!("quotalab_mock_replies_total{{status=\"{status}\"}} {count}"));
    }
    write_family(
        out,
        "request_seconds",
        "histogram",
        "Time from the arrival of a request to the end of its reply.",
    );
    for (bound, count) in durations.cumulative() {
        write_line(out, format_args!("quotalab_mock_request_seconds_bucket{{le=\"{bound}\"}} {count}"));
    }
    write_line(out, format_args!("quotalab_mock_request_seconds_bucket{{le=\"+Inf\"}} {}", durations.count));
    write_line(out, format_args!("quotalab_mock_request_seconds_sum {}", durations.sum_s));
    write_line(out, format_args!("quotalab_mock_request_seconds_count {}", durations.count));
}

/// Appends the `HELP` and `TYPE` lines of a metric.
fn write_family(out: &mut String, name: &str, kind: &str, help: &str) {
    write_line(out, format_args!("# HELP quotalab_mock_{name} {help}\n# TYPE quotalab_mock_{name} {kind}"));
}

fn write_line(out: &mut String, line: fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("invariant: writing to a string does not fail");
}

/// The value of a label, displayed quoted and escaped.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                plain => f.write_char(plain)?,
            }
        }
        f.write_char('"')
    }
}
