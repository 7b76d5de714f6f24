//! `quotalab plan SCENARIO`

use super::interrupt::Interrupt;
use super::output::{print, print_to_stderr, style};
use super::output_folder::{FileNames, OutputFiles, OutputFolder};
use super::plan_shards::{Done, PlanTask, ShardOptions};
use super::run_output::INTERRUPTED;
use super::size_check::SizeCheck;
use super::{Exit, ScenarioOptions, VerbError, fail_if, first_failure, quoted};
use crate::ceiling::Ceiling;
use crate::drive::RunSize;
use crate::drive::clock::Clock;
use crate::formatting;
use crate::planner::{GrowthRate, MAX_MONTHS, Plan, PlanOptions, PlanProgress, Target, YearOptions};
use crate::report;
use crate::scenario::Scenario;
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
    /// End after this time with the best answer until then; the search for the changes that hold a target load gets at least
    /// half of it after the ceiling and the changes are measured [default: 60s with --target, otherwise none]
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
    time_limit: Option<Nanos>,
    /// State when the load reaches the ceiling at this growth, per day, week, month or year
    #[arg(long, value_name = "8%/month", allow_hyphen_values = true, value_parser = parse_growth_rate)]
    growth: Option<GrowthRate>,
    /// State what to buy in which of this many months of that growth, and what each costs: the cheapest order of the
    /// scenario's `offers`
    #[arg(long, value_name = "N", requires = "growth", value_parser = clap::value_parser!(u32).range(1..=MAX_MONTHS.into()))]
    months: Option<u32>,
    /// The first of these months in the calendar, for offers with dates and for the days of each month
    #[arg(long, value_name = "2027-01", requires = "months", value_parser = parse_month)]
    from: Option<(i16, i8)>,
    /// Simulate the loss of each provider for an hour, or half of a run shorter than two hours, at its busiest time
    #[arg(long)]
    incident: bool,
    /// Number of seeds on which the ceiling is searched [default: 4 to 16, until its mean is known to 1.5 % and the ceiling to
    /// plan with to 2 %]
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
    #[command(flatten)]
    shard_options: ShardOptions,
    #[command(flatten)]
    size_check: SizeCheck,
}

impl PlanArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = self.scenario_options.read(&self.scenario)?;
        self.size_check.check(&self.size(&scenario))?;
        let task = self.shard_options.task();
        let folder = match task {
            PlanTask::Whole | PlanTask::Merge(_) => {
                let destination = (self.out.as_ref(), self.scenario.as_path());
                Some(OutputFolder::open_for(&scenario, destination, &FileNames::OF_PLAN, &[])?)
            }
            PlanTask::List(_) | PlanTask::Shard(_) => None,
        };
        // A plan that several processes make is not bound to the time of one of them.
        let default_limit =
            (self.target.is_some() && matches!(task, PlanTask::Whole)).then_some(DEFAULT_TIME_LIMIT);
        let options = PlanOptions {
            target: self.target.as_ref().map(|(_, target)| *target),
            growth: self.growth.clone(),
            year: self.months.map(|months| YearOptions { months, from: self.from }),
            incident: self.incident,
            replicas: self.replicas,
            time_limit: self.time_limit.or(default_limit),
            reproduce: self.command(),
        };
        let progress = PlanProgressBar::new(self.quiet);
        let done = self.shard_options.run((&scenario, &options), self.out.as_deref(), &progress);
        if let Some(bar) = &progress.bar {
            bar.finish_and_clear();
        }
        let (plan, folder) = match (done?, folder) {
            (Done::Plan(plan), Some(folder)) => (plan, folder),
            (Done::AnotherRound, _) => return Ok(Exit::AnotherRound),
            (Done::Written | Done::Plan(_), _) => return Ok(Exit::Success),
        };
        let plan = Plan { file: self.scenario.to_string_lossy().into_owned(), ..*plan };
        let delivered = self.deliver(&plan, &folder);
        first_failure([delivered, fail_if(progress.interrupt.is_set(), INTERRUPTED)])?;
        Ok(if plan.not_met.is_empty() { Exit::Success } else { Exit::NotMet })
    }

    /// Estimates the largest runs of the plan, one on each core.
    fn size(&self, scenario: &Scenario) -> RunSize {
        let ceiling = Ceiling::of(scenario);
        let target = match self.target {
            Some((_, Target::Multiple(multiple))) => multiple,
            Some((_, Target::JobsPerMin(jobs))) => jobs / ceiling.offered_jobs_per_min,
            None => 1.0,
        };
        // The search for the ceiling begins where arithmetic expects it.
        let largest = [ceiling.multiple, target]
            .into_iter()
            .filter(|multiple| multiple.is_finite())
            .fold(1.0, f64::max);
        RunSize::of(scenario, largest).beside_others(rayon::current_num_threads() as f64)
    }

    /// Prints the plan and writes its folder. If one of them fails, the other is done.
    fn deliver(&self, plan: &Plan, folder: &OutputFolder) -> Result<(), VerbError> {
        let printed = print(&if self.json { plan.to_json() } else { report::plan::render(plan, style()) });
        let page = folder.write(&OutputFiles::of_plan(plan));
        if let (Ok(page), false) = (&page, self.quiet) {
            print_to_stderr(&format!("plan: {}", formatting::path_name(page)));
        }
        first_failure([printed, page.map(drop)])
    }

    /// Returns the command that reproduces this plan.
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.to_string_lossy());
        let mut command = format!("quotalab plan {scenario}{}", self.scenario_options.to_arguments());
        if let Some((target, _)) = &self.target {
            command += &format!(" --target {}", quoted(target));
        }
        if let Some(time_limit) =
            self.time_limit.filter(|limit| self.target.is_none() || *limit != DEFAULT_TIME_LIMIT)
        {
            command += &format!(" --time-limit {}", units::print_duration(time_limit));
        }
        if let Some(growth) = &self.growth {
            command += &format!(" --growth {}", quoted(&growth.text));
        }
        if let Some(months) = self.months {
            command += &format!(" --months {months}");
        }
        if let Some((year, month)) = self.from {
            command += &format!(" --from {year:04}-{month:02}");
        }
        if self.incident {
            command += " --incident";
        }
        if let Some(replicas) = self.replicas {
            command += &format!(" --replicas {replicas}");
        }
        command + self.size_check.to_argument()
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

/// Parses a month of the calendar: `2027-01`.
fn parse_month(text: &str) -> Result<(i16, i8), String> {
    let month =
        text.split_once('-').and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)));
    let is_valid = |(year, month): &(i16, i8)| (2000..=9000).contains(year) && (1..=12).contains(month);
    month.filter(is_valid).ok_or_else(|| format!("`{text}` is not a month, such as 2027-01"))
}

fn parse_growth_rate(text: &str) -> Result<GrowthRate, String> {
    GrowthRate::parse(text).map_err(|error| error.to_string())
}

/// The time limit of a plan with a target if none is given.
const DEFAULT_TIME_LIMIT: Nanos = Nanos::MINUTE;

/// The progress on stderr: a line that is redrawn on a terminal, a line per stage otherwise.
struct PlanProgressBar {
    /// `None` with `--quiet`.
    bar: Option<ProgressBar>,
    clock: Clock,
    interrupt: Interrupt,
}

impl PlanProgressBar {
    fn new(quiet: bool) -> Self {
        Self { bar: (!quiet).then(progress_bar), clock: Clock::start(), interrupt: Interrupt::listen() }
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

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    fn elapsed(&self) -> Nanos {
        self.clock.now().since(Instant::ZERO)
    }
}
