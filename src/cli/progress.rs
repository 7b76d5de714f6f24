//! The progress of `sim` and `run` on stderr, if stderr is a terminal: a bar, and of a live run its current numbers.

use super::live_numbers::LiveNumbers;
use crate::event::Event;
use crate::ids::TargetId;
use crate::record::{Fold, Mode};
use crate::scenario::Scenario;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provider::{Axis, Instant, Nanos, units};

/// The largest number of updates of the bar per run: drawing is slower than simulating.
const MAX_UPDATES: u64 = 200;

/// A fold that draws the share of the run's duration that has passed.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    duration: Nanos,
    /// The instant of the last update.
    last_update: Instant,
    /// `None` for a simulation.
    numbers: Option<LiveNumbers>,
}

impl Progress {
    /// Creates the bar of a run of `scenario`; `None` if stderr is not a terminal.
    pub(super) fn new(verb: &'static str, scenario: &Scenario, mode: Mode) -> Option<Self> {
        let bar = ProgressBar::with_draw_target(Some(MAX_UPDATES), ProgressDrawTarget::stderr());
        if bar.is_hidden() {
            return None;
        }
        let template = match mode {
            Mode::Virtual => "{prefix} [{bar:40}] {percent:>3} %  {msg}",
            Mode::Live => "{prefix} [{bar:40}] {percent:>3} %\n{msg}",
        };
        let style = ProgressStyle::with_template(template)
            .expect("invariant: the template is valid")
            .progress_chars("█▉▊▋▌▍▎▏ ");
        let bar = bar.with_style(style).with_prefix(verb);
        let numbers = (mode == Mode::Live).then(|| LiveNumbers::new(scenario));
        Some(Self { bar, duration: scenario.duration, last_update: Instant::ZERO, numbers })
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn update(&mut self, at: Instant) {
        let step = Nanos(self.duration.0 / MAX_UPDATES).max(Nanos(1));
        if at >= self.last_update + step {
            self.last_update = at;
            self.bar.set_position((at.0 / step.0).min(MAX_UPDATES));
            if self.numbers.is_none() {
                let whole_seconds = Nanos::from_secs(at.0 / Nanos::SECOND.0);
                self.bar.set_message(units::print_duration(whole_seconds));
            }
        }
    }
}

impl Fold for Progress {
    fn event(&mut self, event: &Event) {
        self.update(event.at);
        if let Some(numbers) = &mut self.numbers {
            numbers.event(event);
        }
    }

    fn next_sample(&self) -> Instant {
        self.numbers.as_ref().map_or(Instant::MAX, Fold::next_sample)
    }

    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        if let Some(numbers) = &mut self.numbers {
            numbers.sample(at, target, axis, used_share, limit);
        }
    }

    fn sampled(&mut self, at: Instant) {
        self.update(at);
        if let Some(numbers) = &mut self.numbers {
            numbers.sampled(at);
            self.bar.set_message(numbers.lines().to_owned());
        }
    }
}
