//! Reports for people: a run or a plan as text for the terminal, as SVG charts, and as one HTML page that works
//! offline; several runs compared; and the presets with their evidence.
//!
//! Each is a pure function of what it shows, such as a [`crate::record::Summary`] or a [`crate::planner::Plan`], so a live run,
//! a simulated run and a stored `result.json` look the same. Numbers and times are formatted by [`crate::formatting`]; the text
//! and the page of a run take their rows from `facts`.

mod ceiling_bounds;
mod chart;
mod chart_data;
mod clients;
pub mod compare;
mod endpoint;
mod facts;
pub mod html;
mod job_traces;
pub mod notes;
mod page;
mod palette;
pub mod plan;
pub mod presets;
mod tasks;
mod terminal;
pub mod text;
mod text_layout;
mod unsent;
mod usage;
mod usage_table;
pub mod verdict;

pub use chart::{Chart, RUN_CHARTS, charts};

/// Whether text for the terminal is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Without ANSI codes.
    #[default]
    Plain,
    /// With ANSI codes for bold, faint, green and red.
    Colour,
}

impl Style {
    fn strong(self, text: &str) -> String {
        self.styled("1", text)
    }
    fn faint(self, text: &str) -> String {
        self.styled("2", text)
    }
    fn good(self, text: &str) -> String {
        self.styled("32", text)
    }
    fn bad(self, text: &str) -> String {
        self.styled("1;31", text)
    }
    fn styled(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
