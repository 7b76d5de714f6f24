//! What people read: a run as text for the terminal, as charts, as one page that works offline, and several
//! runs side by side.
//!
//! Every report is a function of [`crate::record::Summary`] and of nothing else, so a run in virtual time, a
//! run over HTTP and a `result.json` of last week look the same. Numbers are put into words in one place
//! ([`crate::formatting`]), and text and page take their rows from the same `facts`.

mod chart;
mod chart_data;
pub mod compare;
mod facts;
pub mod html;
mod job_traces;
mod page;
mod palette;
pub mod plan;
pub mod text;
mod text_layout;
mod usage;
mod usage_table;
pub mod verdict;

pub use chart::{Chart, charts};

/// How text for a terminal is dressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Nothing but text.
    #[default]
    Plain,
    /// With ANSI codes for bold, faint, green and red.
    Colour,
}

impl Style {
    fn strong(self, text: &str) -> String {
        self.dressed("1", text)
    }
    fn faint(self, text: &str) -> String {
        self.dressed("2", text)
    }
    fn good(self, text: &str) -> String {
        self.dressed("32", text)
    }
    fn bad(self, text: &str) -> String {
        self.dressed("1;31", text)
    }
    fn dressed(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
