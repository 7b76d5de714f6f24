//! The growth of the load, and when it reaches the ceiling.

use super::plan::{Growth, MeanGrowth};
use super::replicas::Interval;
use crate::formatting::rounded;
use provider::units::ParseError;

/// Compound growth of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthRate {
    /// As written: `8%/month`.
    pub text: String,
    /// The natural logarithm of the growth in a month; positive.
    log_per_month: f64,
}

/// Days in a month: a twelfth of a year of 365.25 days.
pub(crate) const DAYS_PER_MONTH: f64 = 30.4375;

impl GrowthRate {
    /// Parses `8%/month`; the periods are `day`, `week`, `month` and `year`.
    ///
    /// # Errors
    /// Fails if the text is not a positive percentage per one of these periods, or if the percentage is too small to compute
    /// with.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let wrong =
            |what: String| ParseError::new(what, "write it as `8%/month`, per day, week, month or year");
        let Some((percent, period)) = text.split_once('/') else {
            return Err(wrong(format!("`{text}` has no period")));
        };
        let days = match period.trim() {
            "day" => 1.0,
            "week" => 7.0,
            "month" => DAYS_PER_MONTH,
            "year" => 12.0 * DAYS_PER_MONTH,
            _ => return Err(wrong(format!("unknown period `{period}`"))),
        };
        let number = percent.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite() && *number > 0.0);
        let number =
            number.ok_or_else(|| wrong(format!("`{}` is not a positive percentage", percent.trim())))?;
        let log_per_month = libm::log1p(number / 100.0) * DAYS_PER_MONTH / days;
        if !log_per_month.is_normal() {
            return Err(wrong(format!("`{}` is too small a percentage", percent.trim())));
        }
        Ok(Self { text: text.trim().to_owned(), log_per_month })
    }

    /// Returns the load after a number of months, as a multiple of the present one.
    pub(super) fn after_months(&self, months: f64) -> f64 {
        libm::exp(self.log_per_month * months)
    }

    /// Returns when a load that grows at this rate reaches `ceiling`, given as a multiple of the load, and the mean ceiling with the
    /// ends of its interval. Times are `None` if `ceiling` or `mean` is.
    pub(super) fn reaches(&self, ceiling: Option<f64>, mean: Option<Interval>) -> Growth {
        let months = |multiple: f64| {
            let exact = libm::log(multiple.max(f64::MIN_POSITIVE)) / self.log_per_month;
            let short = rounded(exact, 2);
            // A load that is not above the ceiling yet takes some time, however fast it grows.
            if short == 0.0 { exact } else { short }
        };
        Growth {
            rate: self.text.clone(),
            months: ceiling.map(months),
            mean: mean.map(|mean| MeanGrowth {
                months: months(mean.mean),
                between: [months(mean.low), months(mean.high)],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_that_is_not_positive_or_too_small_is_refused() {
        for text in ["1e-322%/year", "1e-320%/month", "0%/day", "-1%/day"] {
            assert!(GrowthRate::parse(text).is_err(), "{text}");
        }
    }

    /// The ceiling to plan with lies below the interval of the mean ceiling: each time is stated with its own ceiling.
    #[test]
    fn the_interval_is_that_of_the_mean_ceiling() {
        let rate = GrowthRate::parse("10%/month").expect("a rate");
        let mean = Interval { mean: 1.21, low: 1.2, high: 1.22 };
        let growth = rate.reaches(Some(1.1), Some(mean));
        assert_eq!(growth.months, Some(1.0));
        let mean = growth.mean.expect("a mean ceiling");
        assert_eq!(mean.months, 2.0);
        assert!(mean.between[0] < mean.months && mean.months < mean.between[1], "{mean:?}");
    }

    /// Law: the time is positive if the load is below the ceiling, and negative if it is above.
    #[test]
    fn the_time_until_the_ceiling_has_the_sign_of_what_is_left() {
        for rate in ["99999999%/day", "8%/month", "1e-9%/year"] {
            let rate = GrowthRate::parse(rate).expect("a rate");
            let months = |ceiling| rate.reaches(Some(ceiling), None).months.expect("a ceiling");
            assert!(months(1.000_01) > 0.0 && months(1.17) > 0.0 && months(50.0) > 0.0, "{rate:?}");
            assert!(months(0.999_99) < 0.0 && months(0.01) < 0.0, "{rate:?}");
        }
    }
}
