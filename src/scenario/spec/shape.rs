//! The shape of a rate: factors for the hours or minutes of a day or a week.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Fields, Value};
use crate::scenario::resolved::Shape;
use provider::Nanos;
use provider::units::print_number;

/// `shape: daily`: the factor of each hour, from midnight. Derived from ServeGen (Alibaba, Apache-2.0, commit f891d11,
/// `data/language/m-large`): the request rate of all clients, averaged by hour of the day over its 14 days and divided by
/// the mean. Office hours and an evening peak: lowest in the hour from 8, highest in that from 19. A single day varies much
/// more than the average of the fourteen; a scenario with a sharper peak states its own 24 factors.
const SHAPE_DAILY: [f64; 24] = [
    0.994, 1.002, 0.986, 0.936, 0.908, 0.883, 0.854, 0.817, 0.788, 0.868, 1.046, 1.106, //
    0.971, 0.981, 1.047, 1.047, 1.109, 1.078, 1.040, 1.143, 1.133, 1.074, 1.103, 1.086,
];

/// `shape: evening`: the factor of each hour of a single day with an evening peak: the sixth of the 14 days behind
/// [`SHAPE_DAILY`].
const SHAPE_EVENING: [f64; 24] = [
    0.846, 0.832, 0.869, 0.838, 0.802, 0.823, 0.851, 0.820, 0.807, 0.905, 0.960, 0.998, //
    0.969, 0.962, 0.984, 1.014, 0.936, 0.916, 1.056, 1.693, 1.559, 1.523, 1.197, 0.842,
];

/// The largest difference between the mean of factors and one, which allows for rounded factors.
const MEAN_TOLERANCE: f64 = 0.01;

/// The numbers of factors, and the length of time to which each of them belongs.
const CELLS: [(usize, Nanos); 3] = [(24, Nanos::HOUR), (168, Nanos::HOUR), (1_440, Nanos::MINUTE)];

/// Builds `arrivals.shape`: factors whose mean is one, or weights that are divided by their mean.
pub(super) fn shape(fields: &Fields, diagnostics: &Diagnostics) -> Option<Shape> {
    let value = fields.get("shape")?;
    if let Some(named) = value.choice(&[("daily", SHAPE_DAILY), ("evening", SHAPE_EVENING)]) {
        return Some(Shape::new(&named, Nanos::HOUR));
    }
    let Some(map) = value.fields() else {
        let (factors, cell) = cells(value, diagnostics)?;
        let mean = mean(&factors, value, diagnostics)?;
        return has_mean_one(mean, value, diagnostics).then(|| Shape::new(&factors, cell));
    };
    let list = map.get("weights")?;
    let (weights, cell) = cells(list, diagnostics)?;
    let (weights, cell) = match map.get("minutes") {
        None => (weights, cell),
        Some(minutes) if cell == Nanos::MINUTE => {
            let help = "leave out `minutes`, or write 24 or 168 weights of hours";
            diagnostics.report_at(&minutes.at, "`weights` has the minutes of a day already", help);
            return None;
        }
        Some(minutes) => {
            let of_minutes = numbers(minutes)?;
            mean(&of_minutes, minutes, diagnostics)?;
            let of_hour = |hour: &f64| of_minutes.iter().map(|minute| hour * minute).collect::<Vec<_>>();
            (weights.iter().flat_map(of_hour).collect(), Nanos::MINUTE)
        }
    };
    let mean = mean(&weights, list, diagnostics)?;
    Some(Shape::new(&weights.iter().map(|weight| weight / mean).collect::<Vec<_>>(), cell))
}

/// Returns the numbers of a list and the length of time to which each belongs, which follows from how many they are. Reports another
/// number of them.
fn cells(list: &Value, diagnostics: &Diagnostics) -> Option<(Vec<f64>, Nanos)> {
    let numbers = numbers(list)?;
    let cell = CELLS.iter().find(|(count, _)| *count == numbers.len());
    if cell.is_none() {
        let what = format!("a shape does not have {} numbers", numbers.len());
        let help = "write 24 (the hours of a day, from midnight), 168 (the hours of a week, from Monday's midnight) or 1440 (the minutes of a day)";
        diagnostics.report_at(&list.at, what, help);
    }
    cell.map(|(_, cell)| (numbers, *cell))
}

fn numbers(list: &Value) -> Option<Vec<f64>> {
    list.items().iter().map(Value::quantity).collect()
}

/// Returns the mean of some factors. Reports factors that are all zero.
fn mean(factors: &[f64], list: &Value, diagnostics: &Diagnostics) -> Option<f64> {
    let mean = factors.iter().sum::<f64>() / factors.len() as f64;
    if mean == 0.0 {
        let help = "give at least one of them a factor above zero";
        diagnostics.report_at(&list.at, "all factors of the shape are zero", help);
    }
    (mean > 0.0).then_some(mean)
}

/// Returns `true` if the mean of factors is one, apart from rounding. Reports another one.
fn has_mean_one(mean: f64, list: &Value, diagnostics: &Diagnostics) -> bool {
    let is_one = (mean - 1.0).abs() <= MEAN_TOLERANCE;
    if !is_one {
        let mean = print_number((mean * 1000.0).round() / 1000.0);
        let period = if list.items().len() == 168 { "week" } else { "day" };
        let what = format!(
            "the mean of these factors is {mean}, so the mean rate of a {period} would be {mean} times the stated rate"
        );
        let help = "divide them by their mean, or write `shape: {weights: [...]}`, which does it: percentages and counts are weights";
        diagnostics.report_at(&list.at, what, help);
    }
    is_one
}
