//! Axis ticks at round numbers, decades, and round times.

use crate::formatting::{self, RunTime};

/// A position on an axis and its label.
pub(super) type Tick = (f64, String);

/// Round distances of ticks on a time axis of four seconds or more, in seconds; longer ones are round numbers of days.
const TIMES: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0,
    14_400.0, 21_600.0, 43_200.0, DAY,
];
const DAY: f64 = 86_400.0;

/// Returns about five round numbers from zero to at least `top`; the last is the end of the axis.
pub(super) fn linear(top: f64, format: impl Fn(f64) -> String) -> Vec<Tick> {
    let step = round_up(top.max(1e-6) / 5.0);
    let count = libm::ceil(top.max(1e-6) / step - 1e-9).clamp(1.0, 20.0);
    ticks(step, count).map(|at| (at, format(at))).collect()
}

/// Returns 1, 2 or 5 times a power of ten, at or above `value`.
fn round_up(value: f64) -> f64 {
    let decade = libm::pow(10.0, libm::floor(libm::log10(value)));
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= value * (1.0 - 1e-9))
        .unwrap_or(value)
}

/// Returns the powers of ten (with 2 and 5 between them, if that makes at most 8) that enclose `low..=high`, as logarithms.
pub(super) fn decades(low: f64, high: f64, format: impl Fn(f64) -> String) -> Vec<Tick> {
    let fine = enclosing(&[1.0, 2.0, 5.0], low, high);
    let chosen = if fine.len() <= 8 { fine } else { enclosing(&[1.0], low, high) };
    chosen.into_iter().map(|at| (libm::log10(at), format(at))).collect()
}

/// Returns the multiples of powers of ten, from the last at or below `low` to the first at or above `high`.
fn enclosing(multiples: &[f64], low: f64, high: f64) -> Vec<f64> {
    let (from, to) = (libm::floor(libm::log10(low)), libm::ceil(libm::log10(high)));
    let decades = ticks(1.0, to - from).map(|up| libm::pow(10.0, from + up));
    let all: Vec<f64> = decades.flat_map(|decade| multiples.iter().map(move |step| step * decade)).collect();
    let first = all.iter().rposition(|at| *at <= low).unwrap_or(0);
    let last = all.iter().position(|at| *at >= high).unwrap_or(all.len() - 1);
    all[first..=last].to_vec()
}

/// Returns every n-th tick, with n chosen so that at most `most` are left; the first stays.
pub(super) fn thinned(ticks: Vec<Tick>, most: usize) -> Vec<Tick> {
    let each = ticks.len().div_ceil(most.max(1)).max(1);
    ticks.into_iter().step_by(each).collect()
}

/// Formats a duration as a label of a vertical axis.
pub(super) fn seconds(length: f64) -> String {
    if (1.0..3_600.0).contains(&length) {
        format!("{} s", formatting::number(length))
    } else {
        formatting::duration(length)
    }
}

/// Returns ticks at round times from zero up to `length` seconds, and the name of their unit. In a run with a date, they are at round local
/// times.
pub(super) fn times(length: f64, run: &RunTime) -> (Vec<Tick>, String) {
    let step = TIMES
        .into_iter()
        .find(|step| length / step <= 8.0)
        .unwrap_or_else(|| round_up(length / 8.0 / DAY) * DAY);
    let distance = if length < 4.0 { round_up(length.max(1e-3) / 8.0) } else { step };
    let count = libm::floor(length / distance + 1e-9).min(20.0);
    if let Some(starts_at) = run.starts_at() {
        return (local_times(length, distance, run), format!("local time, from {starts_at}"));
    }
    let (name, write): (_, fn(u64) -> String) = match length {
        ..=120.0 => ("seconds", |at| at.to_string()),
        ..=7_200.0 => ("min:s", |at| format!("{}:{:02}", at / 60, at % 60)),
        ..=172_800.0 => ("time (hh:mm)", |at| format!("{:02}:{:02}", at / 3_600, at % 3_600 / 60)),
        _ => ("days", |at| formatting::number(at as f64 / DAY)),
    };
    let write = |at: f64| if length < 4.0 { formatting::number(at) } else { write(at as u64) };
    (ticks(distance, count).map(|at| (at, write(at))).collect(), name.to_owned())
}

/// Returns ticks `distance` seconds apart, the first at a multiple of it in local time: dates if they are days apart, otherwise times of day.
fn local_times(length: f64, distance: f64, run: &RunTime) -> Vec<Tick> {
    let since_tick = libm::fmod(run.local_s(0.0), distance);
    let first = if since_tick > 0.0 { distance - since_tick } else { 0.0 };
    let count = libm::floor((length - first) / distance + 1e-9).min(20.0);
    let label = |at: f64| {
        let text = run.clock_text(at, distance < 60.0).unwrap_or_default();
        let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
        let time = time.split(' ').next().unwrap_or_default();
        if distance >= DAY { date.get(5..).unwrap_or_default().to_owned() } else { time.to_owned() }
    };
    if count < 0.0 {
        return vec![(0.0, label(0.0))];
    }
    ticks(distance, count).map(|at| (first + at, label(first + at))).collect()
}

/// Returns zero and the first `count` multiples of `step`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
fn ticks(step: f64, count: f64) -> impl Iterator<Item = f64> {
    (0..=count as u32).map(move |tick| f64::from(tick) * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: a linear and a logarithmic axis enclose their data, a linear one with 2 to 11 ticks; a time axis has 1 to 10
        /// ticks, none after the end.
        #[test]
        fn axes_enclose_their_data(top in 1e-5f64..1e12, ratio in 1.0f64..1e5, length in 0.0f64..1e9) {
            let linear = linear(top, formatting::number);
            prop_assert!(linear.last().unwrap().0 >= top * (1.0 - 1e-6) && (2..=11).contains(&linear.len()));
            let logarithmic = decades(top / ratio, top, formatting::number);
            let (first, last) = (logarithmic[0].0, logarithmic.last().unwrap().0);
            prop_assert!(first <= libm::log10(top / ratio) + 1e-9 && last >= libm::log10(top) - 1e-9);
            for start in ["", "2026-12-01T08:20 Europe/Berlin"] {
                let (times, _) = times(length, &RunTime::of_start(length, start));
                prop_assert!((1..=21).contains(&times.len()) && times.last().unwrap().0 <= length + 1e-6);
            }
        }
    }

    #[test]
    fn times_are_round() {
        let of_start = |length, start| {
            times(length, &RunTime::of_start(length, start))
                .0
                .into_iter()
                .map(|(_, text)| text)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let text = |length| of_start(length, "");
        assert_eq!(
            of_start(86_400.0, "2026-12-01T08:00 Europe/Berlin"),
            "09:00 12:00 15:00 18:00 21:00 00:00 03:00 06:00"
        );
        assert_eq!(
            of_start(4.0 * DAY, "2026-12-01T08:00 Europe/Berlin"),
            "12:00 00:00 12:00 00:00 12:00 00:00 12:00 00:00"
        );
        assert_eq!(text(86_400.0), "00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00 24:00");
        assert_eq!(text(60.0), "0 10 20 30 40 50 60");
        assert_eq!(text(600.0), "0:00 2:00 4:00 6:00 8:00 10:00");
        assert_eq!(text(2.0), "0 0.5 1 1.5 2");
        assert_eq!(text(365.0 * DAY), "0 50 100 150 200 250 300 350");
    }
}
