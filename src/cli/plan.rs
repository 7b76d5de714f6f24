//! `quotalab plan SCENARIO`

use super::output::{note, print, style};
use super::output_folder::{OutputFiles, default_folder};
use super::{Changes, Exit, VerbError, input, quoted};
use crate::planner::{self, GrowthRate, Plan, PlanOptions, PlanProgress, Target};
use crate::report;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provider::units;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The scenario
    scenario: PathBuf,
    /// Find the cheapest changes that hold this load: `5x` the present one, or `1000/min`
    #[arg(long, value_name = "LOAD", value_parser = target)]
    target: Option<(String, Target)>,
    /// Say when a load that grows like this reaches the ceiling
    #[arg(long, value_name = "8%/month", value_parser = growing)]
    growth: Option<GrowthRate>,
    /// Say whether the load survives the loss of each provider for an hour at the worst time
    #[arg(long)]
    incident: bool,
    /// Seeds to find the ceiling on [default: as many as it takes for 0.5 %, 4 to 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicas: Option<u32>,
    #[command(flatten)]
    changes: Changes,
    /// Write plan.json, plan.html and the charts here [default: out/<scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print plan.json instead of text
    #[arg(long)]
    json: bool,
    /// No progress and no notes on stderr
    #[arg(long)]
    quiet: bool,
}

impl PlanArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let plan = self.changes.load(&self.scenario)?;
        let ask = PlanOptions {
            target: self.target.as_ref().map(|(_, target)| *target),
            growth: self.growth.clone(),
            incident: self.incident,
            replicas: self.replicas,
            reproduce: self.command(),
        };
        let progress = (!self.quiet).then(Progress::new);
        let report = match &progress {
            Some(progress) => planner::plan(&plan, &ask, progress),
            None => planner::plan(&plan, &ask, &()),
        };
        if let Some(progress) = &progress {
            progress.0.finish_and_clear();
        }
        let report = report.map_err(input)?;
        self.deliver(&report)?;
        Ok(if holds(&report) { Exit::Success } else { Exit::Missed })
    }

    fn deliver(&self, report: &Plan) -> Result<(), VerbError> {
        print(&if self.json { report.to_json() } else { report::plan::render(report, style()) })?;
        let folder = self.out.clone().unwrap_or_else(|| default_folder(&self.scenario));
        let page = OutputFiles::of_plan(report).write(&folder)?;
        if !self.quiet {
            note(&format!("plan: {}", page.display()));
        }
        Ok(())
    }

    /// The command that makes this plan again.
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.display().to_string());
        let mut command = format!("quotalab plan {scenario}{}", self.changes.typed());
        if let Some((target, _)) = &self.target {
            command += &format!(" --target {}", quoted(target));
        }
        if let Some(growth) = &self.growth {
            command += &format!(" --growth {}", quoted(&growth.words));
        }
        if self.incident {
            command += " --incident";
        }
        if let Some(replicas) = self.replicas {
            command += &format!(" --replicas {replicas}");
        }
        command
    }
}

/// Whether what was asked for holds: the present load, the load to buy for, the loss of each provider.
fn holds(report: &Plan) -> bool {
    let bought = report.buy.as_ref().is_none_or(|buy| buy.holds);
    report.load.holds && bought && report.incidents.iter().all(|outage| outage.survives)
}

fn target(text: &str) -> Result<(String, Target), String> {
    let number = text.trim().strip_suffix(['x', '×']);
    let target = match number {
        Some(number) => {
            number.parse().ok().map(Target::Multiple).ok_or_else(|| format!("`{text}` is no multiple"))
        }
        None => units::rate(text)
            .map(|per_second| Target::JobsPerMin(per_second * 60.0))
            .map_err(|_| format!("`{text}` is neither a multiple, such as 5x, nor a rate, such as 1000/min")),
    }?;
    let (Target::Multiple(value) | Target::JobsPerMin(value)) = target;
    if value > 0.0 && value.is_finite() {
        Ok((text.to_owned(), target))
    } else {
        Err("the load must be more than nothing".to_owned())
    }
}

fn growing(text: &str) -> Result<GrowthRate, String> {
    GrowthRate::parse(text).map_err(|wrong| wrong.to_string())
}

/// A line on stderr that tells what is being done, where stderr is a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Self {
        let style = ProgressStyle::with_template("plan {spinner} {msg}: {pos} runs, {elapsed}")
            .expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl PlanProgress for Progress {
    fn stage(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    fn ran(&self) {
        self.0.inc(1);
    }
}
