//! The incidents of a run: bands in every chart over time, and their names.

use super::canvas::{Anchor, Canvas, LABEL, Plot, width_of};
use super::length_of;
use crate::formatting::{duration, moment, percent, plural};
use crate::record::{Incident, Summary};
use crate::report::chart_data::Band;
use crate::report::palette::Role;
use crate::report::text_layout::short;

/// The opacity of a band.
const ALPHA: f64 = 0.3;
/// A band is at least this share of the time axis wide.
const MIN_WIDTH: f64 = 1.0 / 300.0;
/// Incidents beyond this are counted in notes instead of named.
const MAX_NAMED: usize = 4;
/// Characters of the name of a provider.
const LETTERS: usize = 24;

/// Returns the incidents that begin within the time axis.
fn shown(summary: &Summary) -> impl Iterator<Item = &Incident> {
    let length = length_of(summary);
    summary.series.incidents.iter().filter(move |incident| incident.from_s < length)
}

/// Returns the sentence that names the incidents; `None` if there are none.
pub(super) fn note(summary: &Summary) -> Option<String> {
    let all: Vec<_> = shown(summary).collect();
    let mut names: Vec<_> = all.iter().take(MAX_NAMED).map(|incident| described(incident, summary)).collect();
    names.first()?;
    if all.len() > MAX_NAMED {
        names.push(format!("{} more", plural((all.len() - MAX_NAMED) as u64, "incident")));
    }
    Some(format!("Shaded: {}.", names.join("; ")))
}

/// Describes an incident: `groq 503 (20 % of calls) from 13:00 h for 45 min`.
fn described(incident: &Incident, summary: &Summary) -> String {
    let share =
        if incident.share < 1.0 { format!(" ({} of calls)", percent(incident.share)) } else { String::new() };
    format!(
        "{}{share} from {} for {}",
        name(incident),
        moment(incident.from_s, &summary.run_time()),
        duration(incident.to_s - incident.from_s)
    )
}

/// Names an incident: `groq 503`.
fn name(incident: &Incident) -> String {
    format!("{} {}", short(&incident.provider, LETTERS), incident.fault)
}

/// Returns the bands for the interactive chart.
pub(super) fn bands(summary: &Summary) -> Vec<Band> {
    let length = length_of(summary);
    let named = shown(summary).map(|incident| {
        let (from, to) = span(incident, length);
        Band::new(&name(incident), Role::Incident, from..to)
    });
    named.collect()
}

/// Shades the incidents over the height of a plot.
pub(super) fn draw(plot: &Plot<'_, '_>, summary: &Summary) {
    let length = length_of(summary);
    for incident in shown(summary) {
        let (from, to) = span(incident, length);
        plot.band(from, to, Role::Incident, ALPHA);
    }
}

/// Names the incidents in one line at the height `y`, each at its band. A name that does not fit is only in the note.
pub(super) fn draw_names(canvas: &Canvas<'_>, plot: &Plot<'_, '_>, summary: &Summary, y: i32) {
    let length = length_of(summary);
    let mut named: Vec<_> = shown(summary).map(|incident| (span(incident, length), name(incident))).collect();
    named.sort_by(|a, b| a.0.0.total_cmp(&b.0.0));
    let (mut free_from, end) = (plot.x(0.0), plot.x(length));
    for ((from, to), name) in named {
        let width = width_of(&name, LABEL);
        let left = i32::midpoint(plot.x(from), plot.x(to)) - width / 2;
        let left = left.min(end - width).max(free_from);
        // A name that begins to the right of its band would seem to belong to the next band.
        if left <= plot.x(to) && left + width <= end {
            canvas.text((left, y), LABEL, Role::Muted, Anchor::Left, &name);
            free_from = left + width + 12;
        }
    }
}

/// Returns the start and the end of a band, inside the time axis.
fn span(incident: &Incident, length: f64) -> (f64, f64) {
    let to = incident.to_s.max(incident.from_s + length * MIN_WIDTH).min(length);
    (incident.from_s.min(to), to)
}
