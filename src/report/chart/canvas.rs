//! The drawing surface: a thin layer over the SVG backend of plotters with colour roles and nominal units.
//!
//! The backend's coordinates are integers, so everything is drawn [`SCALE`] times larger and scaled down by the view box,
//! which keeps curves smooth. The style sheet sets text in the system's typeface, whose metrics are unknown here, so the
//! width of a label is estimated from its number of characters.

use super::axis::Tick;
use crate::report::palette::Role;
use crate::xml;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle};
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, ShapeStyle, TextStyle};
use std::ops::Range;

/// The width of every chart, in nominal units: pixels of a chart that is a file of its own.
pub(super) const WIDTH: i32 = 720;
/// Coordinates in the SVG per nominal unit.
pub(super) const SCALE: i32 = 4;
/// The font size of labels, in nominal units.
pub(super) const LABEL: i32 = 12;
/// The SVG backend divides font sizes by this constant of its own.
const FONT_SIZE_DIVISOR: f64 = 1.24;
const INTO_STRING: &str = "drawing into a string does not fail";

/// The surface that a chart is drawn on. Its positions and lengths are in nominal units.
pub(super) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// The part of a text that is placed at its position.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// The sample that a legend shows before a name.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Line,
    Dashes,
    Box,
}

/// A rectangle inside a canvas, in nominal units.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

/// A pair of axes inside a frame.
pub(super) struct Plot<'c, 'a> {
    canvas: &'c Canvas<'a>,
    frame: Frame,
    area: DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    xs: Range<f64>,
    ys: Range<f64>,
}

/// Runs `draw` on a canvas of this height and returns the SVG elements without the enclosing `<svg>`.
pub(super) fn drawn(height: i32, draw: impl FnOnce(&Canvas<'_>)) -> String {
    let mut svg = String::new();
    {
        let size = ((WIDTH * SCALE).unsigned_abs(), (height * SCALE).unsigned_abs());
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let canvas = Canvas(root);
        draw(&canvas);
        canvas.0.present().expect(INTO_STRING);
    }
    let inner = svg.split_once('>').expect("invariant: the backend writes an <svg> element").1;
    inner.rsplit_once("</svg>").expect("invariant: the backend closes the <svg> element").0.trim().to_owned()
}

impl<'a> Canvas<'a> {
    /// Draws one line of text, with the part that `anchor` names at `x` and its vertical middle at `y`.
    pub(super) fn text(&self, (x, y): (i32, i32), size: i32, role: Role, anchor: Anchor, text: &str) {
        let h_pos = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let font =
            ("sans-serif", f64::from(size * SCALE) * FONT_SIZE_DIVISOR).into_font().style(FontStyle::Normal);
        let colour = role.colour();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h_pos, VPos::Center));
        self.0.draw_text(&xml::allowed(text), &style, (x * SCALE, y * SCALE)).expect(INTO_STRING);
    }

    /// Draws a filled rectangle.
    pub(super) fn bar(&self, frame: Frame, role: Role) {
        self.cell(frame, role, 1.0);
    }

    /// Draws a rectangle filled with opacity `alpha` in `0..=1`.
    pub(super) fn cell(&self, frame: Frame, role: Role, alpha: f64) {
        let corners = [(frame.left * SCALE, frame.top * SCALE), (frame.right * SCALE, frame.bottom * SCALE)];
        self.0.draw(&Rectangle::new(corners, role.colour().mix(alpha).filled())).expect(INTO_STRING);
    }

    /// Draws a small triangle in the upper right corner of a frame.
    pub(super) fn corner(&self, frame: Frame, size: i32, role: Role) {
        let (right, top) = (frame.right, frame.top);
        let points = [(right - size, top), (right, top), (right, top + size)];
        let points = points.map(|(x, y)| (x * SCALE, y * SCALE)).to_vec();
        self.0.draw(&Polygon::new(points, role.colour().filled())).expect(INTO_STRING);
    }

    /// Draws a vertical dashed line between two positions on the canvas.
    pub(super) fn vertical_dashes(&self, x: i32, (from, to): (i32, i32), role: Role) {
        let ends = [(x * SCALE, from * SCALE), (x * SCALE, to * SCALE)];
        let (dash, gap) = (4 * SCALE.unsigned_abs(), 4 * SCALE.unsigned_abs());
        self.0.draw(&DashedPathElement::new(ends, dash, gap, pen(role, 1))).expect(INTO_STRING);
    }

    /// Draws a legend in one line from `(x, y)`; returns the `x` at which a further entry would begin.
    pub(super) fn legend(&self, (x, y): (i32, i32), entries: &[(Mark, Role, &str)]) -> i32 {
        let mut x = x;
        for (mark, role, name) in entries {
            match mark {
                Mark::Box => {
                    self.bar(Frame { left: x, top: y - 5, right: x + 14, bottom: y + 5 }, *role);
                }
                Mark::Line => {
                    self.bar(Frame { left: x, top: y - 1, right: x + 14, bottom: y + 1 }, *role);
                }
                Mark::Dashes => {
                    for left in [x, x + 6, x + 12] {
                        self.bar(Frame { left, top: y - 1, right: left + 4, bottom: y + 1 }, *role);
                    }
                }
            }
            self.text((x + 20, y), LABEL, Role::Ink, Anchor::Left, name);
            x += 20 + width_of(name, LABEL) + 16;
        }
        x
    }

    /// Returns axes over `xs` × `ys` inside a frame.
    pub(super) fn plot(&self, frame: Frame, xs: Range<f64>, ys: Range<f64>) -> Plot<'_, 'a> {
        let across = frame.left * SCALE..frame.right * SCALE;
        let down = frame.bottom * SCALE..frame.top * SCALE;
        let axes = Cartesian2d::new(xs.clone(), ys.clone(), (across, down));
        Plot { canvas: self, frame, area: self.0.clone().apply_coord_spec(axes), xs, ys }
    }
}

impl Plot<'_, '_> {
    /// Draws a horizontal grid line at every tick, with its label on the left.
    pub(super) fn rows(&self, ticks: &[Tick]) {
        for (y, text) in ticks {
            self.stroke(&[(self.xs.start, *y), (self.xs.end, *y)], Role::Grid, 1);
            let at = (self.frame.left - 8, self.y(*y));
            self.canvas.text(at, LABEL, Role::Muted, Anchor::Right, text);
        }
    }

    /// Draws the horizontal axis with a mark and a label at every tick.
    pub(super) fn columns(&self, ticks: &[Tick]) {
        self.stroke(&[(self.xs.start, self.ys.start), (self.xs.end, self.ys.start)], Role::Muted, 1);
        for (x, text) in ticks {
            let (at, bottom) = (self.x(*x), self.frame.bottom);
            self.canvas.bar(Frame { left: at, top: bottom, right: at + 1, bottom: bottom + 4 }, Role::Muted);
            self.canvas.text((at, bottom + 14), LABEL, Role::Muted, Anchor::Middle, text);
        }
    }

    /// Draws a line through points, `thickness` in nominal units.
    pub(super) fn stroke(&self, points: &[(f64, f64)], role: Role, thickness: u32) {
        let points: Vec<_> = points.iter().map(|point| self.inside(*point)).collect();
        self.area.draw(&PathElement::new(points, pen(role, thickness))).expect(INTO_STRING);
    }

    /// Draws a filled dot, e.g. for a value without neighbours.
    pub(super) fn dot(&self, point: (f64, f64), role: Role) {
        self.area
            .draw(&Circle::new(self.inside(point), 5 * SCALE / 2, role.colour().filled()))
            .expect(INTO_STRING);
    }

    /// Draws a horizontal dashed line at `y`.
    pub(super) fn horizontal_dashes(&self, y: f64, role: Role) {
        let ends = [self.inside((self.xs.start, y)), self.inside((self.xs.end, y))];
        let (dash, gap) = (6 * SCALE.unsigned_abs(), 4 * SCALE.unsigned_abs());
        self.area.draw(&DashedPathElement::new(ends, dash, gap, pen(role, 1))).expect(INTO_STRING);
    }

    /// Fills the area between the axis and the points, `alpha` in `0..=1`.
    pub(super) fn area(&self, points: &[(f64, f64)], role: Role, alpha: f64) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let base = [(last.0, self.ys.start), (first.0, self.ys.start)];
        let outline: Vec<_> = points.iter().chain(&base).map(|point| self.inside(*point)).collect();
        self.area.draw(&Polygon::new(outline, role.colour().mix(alpha).filled())).expect(INTO_STRING);
    }

    /// Draws a ring around a point.
    pub(super) fn ring(&self, point: (f64, f64), role: Role) {
        let at = self.inside(point);
        self.area.draw(&Circle::new(at, 5 * SCALE, Role::Paper.colour().filled())).expect(INTO_STRING);
        self.area.draw(&Circle::new(at, 5 * SCALE, pen(role, 2))).expect(INTO_STRING);
    }

    /// Draws a filled rectangle between two points.
    pub(super) fn block(&self, from: (f64, f64), to: (f64, f64), role: Role) {
        let corners = [self.inside(from), self.inside(to)];
        self.area.draw(&Rectangle::new(corners, role.colour().filled())).expect(INTO_STRING);
    }

    /// Fills the full height between two positions on the horizontal axis, `alpha` in `0..=1`.
    pub(super) fn band(&self, from: f64, to: f64, role: Role, alpha: f64) {
        let corners = [self.inside((from, self.ys.start)), self.inside((to, self.ys.end))];
        self.area.draw(&Rectangle::new(corners, role.colour().mix(alpha).filled())).expect(INTO_STRING);
    }

    /// Draws a vertical dashed line at `x`.
    pub(super) fn vertical_dashes(&self, x: f64, role: Role) {
        self.canvas.vertical_dashes(self.x(x), (self.frame.top, self.frame.bottom), role);
    }

    /// Fills the area between two lines with the same `x` values, `alpha` in `0..=1`.
    pub(super) fn between(&self, lower: &[(f64, f64)], upper: &[(f64, f64)], role: Role, alpha: f64) {
        let outline: Vec<_> =
            upper.iter().chain(lower.iter().rev()).map(|point| self.inside(*point)).collect();
        self.area.draw(&Polygon::new(outline, role.colour().mix(alpha).filled())).expect(INTO_STRING);
    }

    /// Returns the end of the vertical axis.
    pub(super) fn top(&self) -> f64 {
        self.ys.end
    }

    /// Converts a value of the vertical axis to a canvas coordinate.
    pub(super) fn y(&self, y: f64) -> i32 {
        self.area.map_coordinate(&self.inside((self.xs.start, y))).1 / SCALE
    }

    /// Converts a value of the horizontal axis to a canvas coordinate.
    pub(super) fn x(&self, x: f64) -> i32 {
        self.area.map_coordinate(&self.inside((x, self.ys.start))).0 / SCALE
    }

    /// Returns the nearest point inside the axes.
    fn inside(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.xs.start, self.xs.end), y.clamp(self.ys.start, self.ys.end))
    }
}

/// Moves the positions of labels up just as far as needed so that they keep `apart` from each other and none is below `bottom`.
/// `positions` are ordered from the lowest on the canvas to the highest.
pub(super) fn spread_up(positions: &mut [i32], bottom: i32, apart: i32) {
    let mut below = bottom + apart;
    for position in positions {
        *position = (*position).min(below - apart);
        below = *position;
    }
}

/// Estimates the width of a text: a character of a system typeface is about 0.58 of the font size wide.
pub(super) fn width_of(text: &str, size: i32) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 1_000);
    letters * size * 58 / 100
}

fn pen(role: Role, thickness: u32) -> ShapeStyle {
    role.colour().stroke_width(thickness * SCALE.unsigned_abs())
}
