//! The growth of the load, and when it reaches the ceiling.

use super::plan::Growth;
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
const DAYS_PER_MONTH: f64 = 30.4375;

impl GrowthRate {
    /// Parses `8%/month`; the periods are `day`, `week`, `month` and `year`.
    ///
    /// # Errors
    /// Fails if the text is not a positive percentage per one of these periods.
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
        assert!(log_per_month > 0.0, "invariant: growth is positive, found {log_per_month}");
        Ok(Self { text: text.trim().to_owned(), log_per_month })
    }

    /// Returns when a load that grows at this rate reaches `ceiling`, given as a multiple of the load, and the ends of the
    /// interval of the mean ceiling.
    pub(super) fn reaches(&self, ceiling: Option<f64>, mean: Option<Interval>) -> Growth {
        let months =
            |multiple: f64| rounded(libm::log(multiple.max(f64::MIN_POSITIVE)) / self.log_per_month, 2);
        Growth {
            rate: self.text.clone(),
            months: ceiling.map(months),
            between: mean.map(|mean| [months(mean.low), months(mean.high)]),
        }
    }
}
