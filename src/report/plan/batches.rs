//! Batches in a plan: a sentence each, and a table of the numbers of workers that were tried.

use super::PlanReport;
use crate::formatting::{RunTime, count, moment, percent, plural, share_of};
use crate::planner::{BatchPlan, BatchTry, Plan};
use crate::report::page::{self, cell};
use maud::{Markup, html};

/// The columns of [`rows`].
const HEAD: [&str; 4] = ["workers", "ended", "finished", "other rules broken"];

/// Returns the finding about a batch.
pub(super) fn sentence(batch: &BatchPlan, time: &RunTime) -> String {
    let at = |seconds: f64| moment(seconds, time);
    let present = batch.tries.iter().find(|one| one.workers == batch.workers);
    let now = match present.map(|one| (one.finished_s, one.ended)) {
        Some((Some(finished), _)) => {
            format!("its {} have ended by {}", plural(batch.jobs, "job"), at(finished))
        }
        Some((None, ended)) => {
            format!("{} of its {} have ended when the run does", count(ended), plural(batch.jobs, "job"))
        }
        None => "its end is not known".to_owned(),
    };
    let workers = plural(u64::from(batch.workers), "worker");
    let most = batch.tries.last().map_or(batch.workers, |one| one.workers);
    let enough = match batch.enough {
        Some(1) => format!("1 worker finishes it by {}", at(batch.by_s)),
        Some(enough) => format!("{} workers finish it by {}", count(u64::from(enough)), at(batch.by_s)),
        None => format!("no number up to {} finishes it by {}", count(u64::from(most)), at(batch.by_s)),
    };
    let borne = match (batch.bearable, batch.enough) {
        (None, _) => "with a single worker another rule is broken".to_owned(),
        (Some(most), _) if batch.bears_all_tried => {
            format!("with up to {}, the most that were tried, every other rule holds", count(u64::from(most)))
        }
        (Some(most), Some(enough)) if most < enough => {
            format!(
                "with more than {} another rule is broken, so no number does both",
                count(u64::from(most))
            )
        }
        (Some(most), _) => format!("with up to {} every other rule holds", count(u64::from(most))),
    };
    format!("{}: with {workers} {now}; {enough}; {borne}.", batch.workload)
}

fn row(batch: &BatchPlan, one: &BatchTry, time: &RunTime) -> [String; 4] {
    let ended = share_of(one.ended, batch.jobs).map_or_else(|| "–".to_owned(), percent);
    let finished = one.finished_s.map_or_else(|| "–".to_owned(), |at| moment(at, time));
    let broken = if one.broken.is_empty() { "–".to_owned() } else { one.broken.join(", ") };
    [count(u64::from(one.workers)), ended, finished, broken]
}

/// Prints the tables of the batches.
pub(super) fn print(report: &mut PlanReport, plan: &Plan) {
    let run = plan.run_time();
    for batch in &plan.batches {
        report.0.heading(&format!("{}, by workers", batch.workload));
        let line = |[workers, ended, finished, broken]: &[String; 4]| {
            format!("  {workers:>8}{ended:>9}{finished:>18}  {}", super::fitted(broken, 41))
        };
        let head = report.0.style.faint(&line(&HEAD.map(str::to_owned)));
        report.0.line(&head);
        for one in &batch.tries {
            report.0.line(&line(&row(batch, one, &run)));
        }
    }
}

/// Returns the sections of the batches; empty without a batch.
pub(super) fn sections(plan: &Plan) -> Markup {
    let run = plan.run_time();
    html! {
        @for batch in &plan.batches {
            @let rows: Vec<Vec<Markup>> =
                batch.tries.iter().map(|one| row(batch, one, &run).map(cell).to_vec()).collect();
            (page::section(&format!("{}, by workers", batch.workload), &page::table(&HEAD, 0, &rows)))
        }
    }
}
