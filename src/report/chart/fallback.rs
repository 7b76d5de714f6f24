//! The fallback chart: of the jobs that a target served, the share served by a later step of their route, over time.

use super::axis;
use super::canvas::{Anchor, Canvas, Frame, LABEL, Mark};
use super::{Chart, LEFT, RIGHT, incident, length_of, points};
use crate::formatting::{moment, percent, share_of};
use crate::record::Summary;
use crate::report::chart_data::{ChartData, Line, Panel, Shape, YUnit};
use crate::report::palette::Role;

const HEIGHT: i32 = 210;
const FRAME: Frame = Frame { left: LEFT, top: 34, right: RIGHT, bottom: HEIGHT - 44 };
const NAME: &str = "served by a fallback";

/// Draws the chart; `None` if no job fell back.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    if summary.series.fell_back.iter().all(|jobs| *jobs == 0) {
        return None;
    }
    let shares = shares(summary);
    let (served, fell_back) = (&summary.series.served, &summary.series.fell_back);
    let overall = share_of(fell_back.iter().sum(), served.iter().sum())?;
    let measured = shares.iter().filter_map(|(at, share)| Some((*at, (*share)?)));
    // Of equal shares, the first is kept.
    let highest = measured.reduce(|first, next| if next.1 > first.1 { next } else { first });
    let mut title = format!("{} of the jobs that a target served went to a fallback", percent(overall));
    if let Some((at, share)) = highest.filter(|(_, share)| *share > overall * 1.2) {
        let when = moment(at, &summary.run_time());
        title.push_str(&format!("; around {when} {}", percent(share)));
    }
    let note = "The share that a later step of their route served, of the jobs that a target served (neither from the cache nor \
                coalesced), by the time they ended.";
    let data = chart_data(summary, &shares);
    let chart = Chart::new("fallback", title, note.to_owned(), HEIGHT, |canvas| {
        draw(canvas, summary, &shares, overall);
    });
    Some(chart.with_data(data).with_incidents(summary))
}

/// Returns the middle, in seconds, and the share of each group of time buckets; `None` if no job was served in it.
fn shares(summary: &Summary) -> Vec<(f64, Option<f64>)> {
    let series = &summary.series;
    points(summary, length_of(summary), |buckets, _| {
        let sum = |counts: &[u64]| counts.get(buckets.clone()).unwrap_or_default().iter().sum::<u64>();
        share_of(sum(&series.fell_back), sum(&series.served))
    })
}

fn draw(canvas: &Canvas<'_>, summary: &Summary, shares: &[(f64, Option<f64>)], overall: f64) {
    let length = length_of(summary);
    let plot = canvas.plot(FRAME, 0.0..length, 0.0..1.0);
    incident::draw(&plot, summary);
    plot.rows(&axis::linear(1.0, percent));
    for segment in shares.split(|(_, share)| share.is_none()) {
        let segment: Vec<_> = segment.iter().filter_map(|(at, share)| Some((*at, (*share)?))).collect();
        match segment[..] {
            [] => {}
            [lone] => plot.dot(lone, Role::Third),
            _ => {
                plot.area(&segment, Role::Third, 0.2);
                plot.stroke(&segment, Role::Third, 2);
            }
        }
    }
    let (columns, unit) = axis::times(length, &summary.run_time());
    plot.columns(&columns);
    canvas.legend((FRAME.left, 12), &[(Mark::Line, Role::Third, NAME)]);
    let text = format!("{} overall", percent(overall));
    canvas.text((FRAME.right + 8, plot.y(overall)), LABEL, Role::Third, Anchor::Left, &text);
    canvas.text((FRAME.right, HEIGHT - 10), LABEL, Role::Muted, Anchor::Right, &unit);
}

fn chart_data(summary: &Summary, shares: &[(f64, Option<f64>)]) -> ChartData {
    let values = shares.iter().map(|(_, share)| *share);
    let panel = Panel {
        name: String::new(),
        up: YUnit::Share,
        height: 160,
        logarithmic: false,
        top: 1.0,
        lines: vec![Line::new(NAME, Role::Third, Shape::Area, values)],
    };
    ChartData::over_time(
        length_of(summary),
        shares.iter().map(|(at, _)| *at).collect(),
        vec![panel],
        &summary.run_time(),
    )
}
