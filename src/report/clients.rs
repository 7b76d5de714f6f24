//! The clients of a run side by side: the rows of the table in the text and on the page.

use crate::formatting::{count, duration, number, percent, share_of, usd};
use crate::record::{ClientResult, Summary};

/// The heads of the columns.
pub(super) const HEAD: [&str; 8] =
    ["client", "jobs", "success", "attempts", "refused", "wait", "p95", "cost"];

/// What the columns count.
pub(super) const LEGEND: &str =
    "attempts: per success; refused: of the attempts; mean wait and p95: of the jobs that succeeded";

/// Returns a row per client; empty if one process of one client handles all jobs.
pub(super) fn rows(summary: &Summary) -> Vec<[String; 8]> {
    summary.clients.iter().map(row).collect()
}

fn row(client: &ClientResult) -> [String; 8] {
    let share = |part, whole| share_of(part, whole).map_or_else(|| "–".to_owned(), percent);
    let time = |seconds| if client.succeeded > 0 { duration(seconds) } else { "–".to_owned() };
    [
        name(client),
        count(client.offered),
        share(client.succeeded, client.offered),
        client.attempts_per_success.map_or_else(|| "–".to_owned(), number),
        share(client.refused, client.attempts),
        time(client.waited_s),
        time(client.latency_s.p95),
        client.cost_usd.map_or_else(|| "–".to_owned(), usd),
    ]
}

/// Returns the name of a client with the number of its processes, if it has several.
fn name(client: &ClientResult) -> String {
    match client.processes {
        1 => client.name.clone(),
        processes => format!("{} × {processes}", client.name),
    }
}
