//! `quotalab plan SCENARIO`

use super::default_folder::default_folder;
use super::output::{print, print_to_stderr, style};
use super::output_file::refuse_overwriting;
use super::output_folder::{OutputFiles, OutputFolder};
use super::{Exit, ScenarioOptions, VerbError, first_failure, input_error, quoted};
use crate::drive::clock::Clock;
use crate::formatting;
use crate::planner::{self, GrowthRate, Plan, PlanOptions, PlanProgress, Target};
use crate::report;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provider::{Instant, Nanos, units};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The scenario
    scenario: PathBuf,
    /// Find the cheapest changes that hold this load: `5x` the present one, or `1000/min`
    #[arg(long, value_name = "LOAD", value_parser = parse_target)]
    target: Option<(String, Target)>,
    /// End the search for these changes after this time, with the best answer until then. Counted from the start, but the
    /// search gets at least half of it after the ceiling and the changes are measured
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::parse_duration)]
    time_limit: Nanos,
    /// State when the load reaches the ceiling at this growth, per day, week, month or year
    #[arg(long, value_name = "8%/month", value_parser = parse_growth_rate)]
    growth: Option<GrowthRate>,
    /// Simulate the loss of each provider for an hour at the busiest time
    #[arg(long)]
    incident: bool,
    /// Number of seeds [default: 4 to 16, until the ceiling is known to 0.5 %]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicas: Option<u32>,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    /// Write plan.json, plan.html and the charts to this folder [default: out/<scenario>, or
    /// out/<folder>/<scenario> if that holds the files of another scenario]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print plan.json instead of text
    #[arg(long)]
    json: bool,
    /// Print no progress and no notes on stderr
    #[arg(long)]
    quiet: bool,
}

impl PlanArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = self.scenario_options.load(&self.scenario)?;
        let folder = self.out.clone().map_or_else(|| default_folder(&self.scenario), Ok)?;
        let files = ["plan.json", "plan.html"].map(|name| folder.join(name));
        let inputs = scenario.files.iter().map(PathBuf::as_path);
        refuse_overwriting(inputs, &files.each_ref().map(|file| ("--out", file.as_path())))?;
        let folder = OutputFolder::open(folder)?;
        let options = PlanOptions {
            target: self.target.as_ref().map(|(_, target)| *target),
            growth: self.growth.clone(),
            incident: self.incident,
            replicas: self.replicas,
            time_limit: Some(self.time_limit),
            reproduce: self.command(),
        };
        let progress = PlanProgressBar::new(self.quiet);
        let plan = planner::plan(&scenario, &options, &progress);
        if let Some(bar) = &progress.bar {
            bar.finish_and_clear();
        }
        let plan = Plan { file: self.scenario.display().to_string(), ..plan.map_err(input_error)? };
        self.deliver(&plan, &folder)?;
        Ok(if plan.not_met.is_empty() { Exit::Success } else { Exit::NotMet })
    }

    /// Prints the plan and writes its folder. If one of them fails, the other is done.
    fn deliver(&self, plan: &Plan, folder: &OutputFolder) -> Result<(), VerbError> {
        let printed = print(&if self.json { plan.to_json() } else { report::plan::render(plan, style()) });
        let page = folder.write(&OutputFiles::of_plan(plan));
        if let (Ok(page), false) = (&page, self.quiet) {
            print_to_stderr(&format!("plan: {}", page.display()));
        }
        first_failure([printed, page.map(drop)])
    }

    /// Returns the command that reproduces this plan.
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.display().to_string());
        let mut command = format!("quotalab plan {scenario}{}", self.scenario_options.to_arguments());
        if let Some((target, _)) = &self.target {
            command += &format!(" --target {}", quoted(target));
            if self.time_limit != DEFAULT_TIME_LIMIT {
                command += &format!(" --time-limit {}", units::print_duration(self.time_limit));
            }
        }
        if let Some(growth) = &self.growth {
            command += &format!(" --growth {}", quoted(&growth.text));
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

/// Parses a target load: a multiple of the present one, or a rate. Keeps the text for the command that reproduces the plan.
fn parse_target(text: &str) -> Result<(String, Target), String> {
    let number = text.trim().strip_suffix(['x', '×']);
    let target = match number {
        Some(number) => number
            .parse()
            .ok()
            .map(Target::Multiple)
            .ok_or_else(|| format!("`{text}` is not a multiple, such as 5x")),
        None => units::parse_rate(text)
            .map(|per_second| Target::JobsPerMin(per_second * 60.0))
            .map_err(|_| format!("`{text}` is neither a multiple, such as 5x, nor a rate, such as 1000/min")),
    }?;
    let (Target::Multiple(value) | Target::JobsPerMin(value)) = target;
    if value > 0.0 && value.is_finite() {
        Ok((text.to_owned(), target))
    } else {
        Err("the target load must be above 0".to_owned())
    }
}

fn parse_growth_rate(text: &str) -> Result<GrowthRate, String> {
    GrowthRate::parse(text).map_err(|error| error.to_string())
}

/// The time limit if none is given.
const DEFAULT_TIME_LIMIT: Nanos = Nanos::MINUTE;

/// The progress on stderr: a line that is redrawn on a terminal, a line per stage otherwise.
struct PlanProgressBar {
    /// `None` with `--quiet`.
    bar: Option<ProgressBar>,
    clock: Clock,
}

impl PlanProgressBar {
    fn new(quiet: bool) -> Self {
        Self { bar: (!quiet).then(progress_bar), clock: Clock::start() }
    }
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("plan {spinner} {msg}: {pos} runs, {elapsed}")
        .expect("invariant: the progress template is valid");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl PlanProgress for PlanProgressBar {
    fn stage(&self, name: &str) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(name.to_owned());
        if bar.is_hidden() {
            let seconds = self.elapsed().as_secs_f64();
            print_to_stderr(&format!(
                "plan: {name} (after {} runs, {})",
                bar.position(),
                formatting::duration(seconds)
            ));
        }
    }

    fn ran(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn elapsed(&self) -> Nanos {
        self.clock.now().since(Instant::ZERO)
    }
}
