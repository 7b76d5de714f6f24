//! The shape of traffic over a day or a week.

use provider::Nanos;
use std::sync::Arc;

/// Factors of a rate, one for each hour or minute of a day or a week, again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    factors: Arc<[f64]>,
    /// The length of time to which a factor belongs: an hour or a minute.
    cell: Nanos,
}

impl Shape {
    /// Creates a shape whose factors each belong to a `cell`: from midnight, or from Monday's midnight if they fill a week.
    ///
    /// # Panics
    /// If the factors fill neither a day nor a week.
    #[must_use]
    pub fn new(factors: &[f64], cell: Nanos) -> Self {
        let period = cell * factors.len() as u64;
        let is_whole = period == Nanos::DAY || period == Nanos::WEEK;
        assert!(is_whole, "invariant: a shape fills a day or a week, found {period:?}");
        Self { factors: factors.into(), cell }
    }

    /// Returns the factors, in order.
    #[must_use]
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }

    /// Returns the length of time to which a factor belongs.
    #[must_use]
    pub fn cell(&self) -> Nanos {
        self.cell
    }

    /// Returns the time after which the factors repeat: a day or a week.
    #[must_use]
    pub fn period(&self) -> Nanos {
        self.cell * self.factors.len() as u64
    }

    /// Returns the factor at a time since a Monday's midnight, and the time at which its cell ends.
    #[must_use]
    pub fn at(&self, since_monday: Nanos) -> (f64, Nanos) {
        let cell = since_monday.0 / self.cell.0;
        let factor = self.factors[(cell % self.factors.len() as u64) as usize];
        (factor, self.cell * (cell + 1))
    }

    /// Returns this shape with the traffic of each day in its first hours, evenly spread.
    #[must_use]
    pub fn gathered(&self, hours: usize) -> Self {
        let per_day = (Nanos::DAY.0 / self.cell.0) as usize;
        let days = self.factors.chunks(per_day).flat_map(|day| {
            let mean = day.iter().sum::<f64>() / per_day as f64;
            let mut gathered = [0.0; 24];
            gathered[..hours].fill(mean * 24.0 / hours as f64);
            gathered
        });
        Self::new(&days.collect::<Vec<f64>>(), Nanos::HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The factor of an hour of the week is the one in its place, and each day keeps its mean when it is gathered.
        #[test]
        fn factors_repeat_and_gathered_days_keep_their_mean(
            factors in prop::collection::vec(0.0..5.0f64, 168), hours in 1usize..=24, week in 0u64..50, hour in 0usize..168,
        ) {
            let shape = Shape::new(&factors, Nanos::HOUR);
            let at = Nanos::WEEK * week + Nanos::HOUR * hour as u64;
            prop_assert_eq!(shape.at(at), (factors[hour], at + Nanos::HOUR));
            prop_assert_eq!(shape.at(at + Nanos(Nanos::HOUR.0 - 1)), (factors[hour], at + Nanos::HOUR));
            let gathered = shape.gathered(hours);
            prop_assert_eq!(gathered.period(), Nanos::WEEK);
            for (day, before) in gathered.factors().chunks(24).zip(factors.chunks(24)) {
                prop_assert!((day.iter().sum::<f64>() - before.iter().sum::<f64>()).abs() < 1e-9);
                prop_assert!(day[hours..].iter().all(|factor| *factor == 0.0));
            }
        }
    }
}
