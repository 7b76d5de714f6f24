//! The mock's numbers in the text format of Prometheus (version 0.0.4).

use super::Said;
use crate::server::Mock;
use std::fmt::{self, Write as _};

/// Requests by account, model and ruling; every limit and what is left of it; the clock; standing faults.
pub(super) fn metrics(mock: &Mock) -> Said {
    let mut out = String::new();
    family(&mut out, "requests_total", "counter", "Requests received, by what was decided on them.");
    let counts = mock.journal(|journal| journal.counts().collect::<Vec<_>>()).unwrap_or_default();
    for ((account, model, ruling), count) in counts {
        let account = Label(account.map_or("", |account| mock.account_name(account)));
        let model = Label(model.map_or("", |model| mock.model_name(model)));
        put(
            &mut out,
            format_args!(
                "quotalab_mock_requests_total{{account={account},model={model},ruling=\"{ruling}\"}} {count}"
            ),
        );
    }
    let mut remaining = String::new();
    family(&mut out, "limit", "gauge", "The limit, per its window.");
    family(
        &mut remaining,
        "remaining",
        "gauge",
        "What is left of the limit; negative where it is overdrawn.",
    );
    for (account, id) in mock.account_names().zip(0..) {
        for (model, model_id) in mock.model_names().zip(0..) {
            mock.each_level(id, model_id, |level| {
                let (account, model, axis) = (Label(account), Label(model), level.axis);
                let labels = format!("{{account={account},model={model},axis=\"{axis}\"}}");
                put(&mut out, format_args!("quotalab_mock_limit{labels} {}", level.limit));
                put(&mut remaining, format_args!("quotalab_mock_remaining{labels} {}", level.remaining));
            });
        }
    }
    out.push_str(&remaining);
    family(&mut out, "standing_faults", "gauge", "Faults that were asked for and still stand.");
    let standing = mock.standing(|standing, now| standing.orders(now).len());
    put(&mut out, format_args!("quotalab_mock_standing_faults {standing}"));
    family(&mut out, "clock_seconds", "gauge", "The mock's own clock.");
    put(&mut out, format_args!("quotalab_mock_clock_seconds {}", mock.now().as_secs_f64()));
    Said::Text("text/plain; version=0.0.4; charset=utf-8", out)
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    put(out, format_args!("# HELP quotalab_mock_{name} {help}\n# TYPE quotalab_mock_{name} {kind}"));
}

fn put(out: &mut String, line: fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes whatever is written");
}

/// The value of a label, quoted and escaped.
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
