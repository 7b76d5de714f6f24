//! The progress bar of `sim` and `run` on stderr, if stderr is a terminal.

use crate::event::Event;
use crate::record::Fold;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provider::{Instant, Nanos, units};

/// The largest number of updates of the bar per run: drawing is slower than simulating.
const MAX_UPDATES: u64 = 200;

/// A fold that draws the share of the run's duration that has passed.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    duration: Nanos,
    /// The instant of the last update.
    last_update: Instant,
}

impl Progress {
    /// Creates a bar over `duration`; invisible if stderr is not a terminal.
    pub(super) fn new(verb: &'static str, duration: Nanos) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:40}] {percent:>3} %  {msg}")
            .expect("invariant: the template is valid")
            .progress_chars("█▉▊▋▌▍▎▏ ");
        let bar = ProgressBar::with_draw_target(Some(MAX_UPDATES), ProgressDrawTarget::stderr());
        Self { bar: bar.with_style(style).with_prefix(verb), duration, last_update: Instant::ZERO }
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Fold for Progress {
    fn event(&mut self, event: &Event) {
        let step = Nanos(self.duration.0 / MAX_UPDATES).max(Nanos(1));
        if event.at >= self.last_update + step {
            self.last_update = event.at;
            self.bar.set_position((event.at.0 / step.0).min(MAX_UPDATES));
            let whole_seconds = Nanos::from_secs(event.at.0 / Nanos::SECOND.0);
            self.bar.set_message(units::print_duration(whole_seconds));
        }
    }
}
