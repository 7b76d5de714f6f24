//! A bar on stderr while a run goes on, where stderr is a terminal and a person waits.

use crate::event::Event;
use crate::record::Fold;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provider::{Instant, Nanos};

/// A fold that shows how far the run's own time has come.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    duration: Nanos,
    shown: Instant,
}

/// The bar moves this many times over a run at most: redrawing costs more than simulating.
const STEPS: u64 = 200;

impl Progress {
    /// A bar over `duration`; none where stderr is not a terminal.
    pub(super) fn new(verb: &'static str, duration: Nanos) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:40}] {percent:>3} %  {msg}")
            .expect("the template is well formed")
            .progress_chars("█▉▊▋▌▍▎▏ ");
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
        Self { bar: bar.with_style(style).with_prefix(verb), duration, shown: Instant::ZERO }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Fold for Progress {
    fn event(&mut self, event: &Event) {
        let step = Nanos(self.duration.0 / STEPS).max(Nanos(1));
        if event.at >= self.shown + step {
            self.shown = event.at;
            self.bar.set_position((event.at.0 / step.0).min(STEPS));
            self.bar.set_message(provider::units::print_duration(Nanos(
                event.at.0 / Nanos::SECOND.0 * Nanos::SECOND.0,
            )));
        }
    }
}
