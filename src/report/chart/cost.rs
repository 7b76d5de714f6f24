//! The cost chart: what each provider charged per hour, over time.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL};
use super::{Chart, LEFT, RIGHT, compare_chart, incident, length_of, points};
use crate::formatting::{number, percent, plural, usd};
use crate::record::Summary;
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::palette::Role;
use crate::report::text_layout::short;

const HEIGHT: i32 = 250;
const FRAME: Frame = Frame { left: LEFT, top: 50, right: RIGHT, bottom: HEIGHT - 44 };
/// The largest number of providers drawn: those that charged most.
const MAX_PROVIDERS: usize = 6;
/// Characters of the name of a provider.
const LETTERS: usize = 16;

/// What one provider charged.
struct Cost<'s> {
    provider: &'s str,
    sum: f64,
    /// USD per hour at the middle of each group of steps.
    points: Vec<(f64, f64)>,
}

impl Cost<'_> {
    fn name(&self) -> String {
        format!("{} {}", short(self.provider, LETTERS), usd(self.sum))
    }
}

/// Draws the chart; `None` if nothing was charged.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let mut all = costs(summary);
    let most_expensive = all.first().filter(|cost| cost.sum > 0.0)?;
    let whole: f64 = all.iter().map(|cost| cost.sum).sum();
    let mut title = format!("{} charged {}", most_expensive.provider, usd(most_expensive.sum));
    if all.len() > 1 {
        title.push_str(&format!(", {} of the run's cost", percent(most_expensive.sum / whole)));
    }
    let mut note =
        "USD per hour, by the time the calls ended; beside each provider its cost in the run.".to_owned();
    if all.len() > MAX_PROVIDERS {
        let hidden = plural((all.len() - MAX_PROVIDERS) as u64, "provider");
        note.push_str(&format!(" Not shown: {hidden}, with no higher cost than these."));
        all.truncate(MAX_PROVIDERS);
    }
    let data = chart_data(summary, &all);
    let chart = Chart::new("cost", title, note, HEIGHT, |canvas| draw(canvas, summary, &all));
    Some(chart.with_data(data).with_incidents(summary))
}

/// Returns the providers, the one that charged most first.
fn costs(summary: &Summary) -> Vec<Cost<'_>> {
    let each = summary.series.cost_usd.iter().map(|(provider, costs)| {
        let rate = |steps: std::ops::Range<usize>, seconds: f64| {
            let sum: f64 = costs.get(steps).unwrap_or_default().iter().sum();
            Some(sum * 3_600.0 / seconds)
        };
        let points = points(summary, length_of(summary), rate);
        let points = points.into_iter().map(|(at, rate)| (at, rate.unwrap_or(0.0))).collect();
        Cost { provider, sum: costs.iter().sum(), points }
    });
    let mut all: Vec<_> = each.collect();
    all.sort_by(|a, b| b.sum.total_cmp(&a.sum));
    all
}

fn draw(canvas: &Canvas<'_>, summary: &Summary, costs: &[Cost<'_>]) {
    let length = length_of(summary);
    let highest = costs.iter().flat_map(|cost| &cost.points).fold(1e-9, |top: f64, (_, rate)| top.max(*rate));
    // The axis ends at no less than a millionth, so smaller rates are drawn flat.
    let rows = axis::linear(highest * 1.02, number);
    let plot = canvas.plot(FRAME, 0.0..length, 0.0..rows.last().map_or(1.0, |row| row.0));
    incident::draw(&plot, summary);
    plot.rows(&rows);
    for (place, cost) in costs.iter().enumerate().rev() {
        match cost.points[..] {
            [lone] => plot.dot(lone, Role::of_series(place)),
            _ => plot.stroke(&cost.points, Role::of_series(place), 2),
        }
    }
    let (columns, unit) = axis::times(length, &summary.run_time());
    plot.columns(&columns);
    compare_chart::legend(canvas, &costs.iter().map(Cost::name).collect::<Vec<_>>());
    canvas.text((FRAME.left - 8, 12), LABEL, Role::Muted, Anchor::Right, "USD/h");
    canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Anchor::Right, &unit);
}

fn chart_data(summary: &Summary, costs: &[Cost<'_>]) -> ChartData {
    let x = costs[0].points.iter().map(|(at, _)| *at).collect();
    let lines = costs.iter().enumerate().map(|(place, cost)| {
        let values = cost.points.iter().map(|(_, rate)| Some(*rate));
        Line::new(&cost.name(), Role::of_series(place), Shape::Line, values)
    });
    let panel = Panel {
        name: String::new(),
        up: YUnit::UsdPerHour,
        height: 200,
        logarithmic: false,
        top: 0.0,
        lines: lines.collect(),
    };
    ChartData::over_time(length_of(summary), x, vec![panel], &summary.run_time())
}
