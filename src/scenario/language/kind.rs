//! How the text of a value of a scalar kind is read, and how every kind is described.

use super::value::Data;
use super::{Choice, Kind, MAX_RATE, MAX_USD, NameKind, SPEEDS, date_time, rule};
use crate::problem::{alternatives, did_you_mean, either};
use crate::scenario::diagnostics::shortened;
use crate::scenario::resolved::BaseUrl;
use provider::Nanos;
use provider::units::{self, ParseError, print_count, print_duration, print_share};

/// The YAML shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A single value.
    Scalar,
    /// A list.
    List,
    /// A map.
    Map,
}

/// The maximum length of a value that is quoted in a message, in characters.
const MAX_QUOTED: usize = 60;

/// Returns a value as a message quotes it.
pub(super) fn quoted(text: &str) -> String {
    shortened(text, MAX_QUOTED)
}

impl Kind {
    /// Returns the shape of the values of this kind; `None` if several are accepted.
    pub(super) fn shape(&self) -> Option<Shape> {
        match self {
            Self::OneOf(_) | Self::Any => None,
            Self::List { .. } => Some(Shape::List),
            Self::Map(_) | Self::NamedEntries { .. } => Some(Shape::Map),
            _ => Some(Shape::Scalar),
        }
    }

    /// Returns `true` if a scalar should be read as this kind rather than as a later alternative.
    pub(super) fn claims(&self, text: &str) -> bool {
        match self {
            Self::Choice(choices) => choices.iter().any(|choice| choice.word == text),
            Self::Share { .. } => text.contains('%'),
            Self::DateTime { .. } => date_time::is_like(text),
            _ => true,
        }
    }

    /// Reads a scalar. A value outside the range of the kind is an error, whose help ends with `hint` if that is not empty.
    pub(super) fn scalar(&self, text: &str, hint: &str) -> Result<Data, ParseError> {
        match self {
            Self::Text => Ok(Data::Text(text.trim().to_owned())),
            Self::Name(_) if text.trim().is_empty() => {
                Err(ParseError::new("a name cannot be empty", "write a name"))
            }
            Self::Name(_) if text.trim().contains(char::is_control) => {
                Err(ParseError::new("a name cannot contain line breaks or tabs", "write it on one line"))
            }
            Self::Name(NameKind::Variable) if !is_variable(text.trim()) => Err(ParseError::new(
                "this is not the name of an environment variable",
                "write letters, digits and `_`, such as `GROQ_API_KEY`; the key itself belongs in the variable",
            )),
            Self::Name(NameKind::BaseUrl) => {
                BaseUrl::parse(text.trim()).map(|_| Data::Text(text.trim().to_owned()))
            }
            Self::Name(_) => Ok(Data::Text(text.trim().to_owned())),
            Self::Bool => match text {
                "true" => Ok(Data::Bool(true)),
                "false" => Ok(Data::Bool(false)),
                _ => {
                    Err(ParseError::new(format!("unknown word `{}`", quoted(text)), "use `true` or `false`"))
                }
            },
            Self::Count { min, max } => {
                let count = units::parse_count(text)?;
                self.bounded(text, hint, count, (*min..=*max).contains(&count)).map(Data::Count)
            }
            Self::Duration { min, max } => {
                let length = units::parse_duration(text)?;
                self.bounded(text, hint, length, (*min..=*max).contains(&length)).map(Data::Duration)
            }
            Self::Permille => units::parse_permille(text).map(|share| Data::Count(share.into())),
            Self::Date if is_date(text.trim()) => Ok(Data::Text(text.trim().to_owned())),
            Self::Date => Err(ParseError::new(
                format!("invalid date `{}`", quoted(text)),
                "write `2026-10-01` or `2026-10`",
            )),
            Self::DateTime { zone } => date_time::read(text, *zone).map(Data::Text),
            Self::Months { max } => {
                let months = months(text)?;
                self.bounded(text, hint, months, (1..=*max).contains(&months)).map(Data::Count)
            }
            Self::Month if is_month(text.trim()) => Ok(Data::Text(text.trim().to_owned())),
            Self::Month => Err(ParseError::new(
                format!("`{}` is not a month", quoted(text)),
                "write `month 4` or `2027-03`",
            )),
            Self::Rule => rule::read(text).map(Data::Rule),
            Self::Choice(choices) => choose(choices, text),
            _ => self.number(text, hint).map(Data::Number),
        }
    }

    /// Reads a quantity that is stored as a floating-point number.
    fn number(&self, text: &str, hint: &str) -> Result<f64, ParseError> {
        let (value, is_within) = match self {
            Self::Number { min, max } => {
                let value = units::parse_number(text)?;
                (value, (*min..=*max).contains(&value))
            }
            Self::Correlation => {
                let (sign, size) = text.trim().strip_prefix('-').map_or((1.0, text), |size| (-1.0, size));
                // Adding zero turns minus zero into zero.
                let value = sign * units::parse_number(size)? + 0.0;
                (value, value.abs() <= 1.0)
            }
            Self::Rate { zero } => {
                let value = units::parse_rate(text)?;
                (value, value <= MAX_RATE && (*zero || value > 0.0))
            }
            Self::Share { zero } => {
                let value = units::parse_share(text)?;
                (value, *zero || value > 0.0)
            }
            Self::Change { min, max } => {
                let value = units::parse_change(text)?;
                (value, (*min..=*max).contains(&value))
            }
            Self::Speed => {
                let value = units::parse_speed(text)?;
                (value, SPEEDS.contains(&value))
            }
            Self::Multiple { min, max, bare } => {
                let value = if *bare {
                    units::parse_number(text.strip_suffix('x').unwrap_or(text))?
                } else {
                    units::parse_multiple(text)?
                };
                (value, (*min..=*max).contains(&value))
            }
            Self::Usd { monthly } => {
                let value = usd(text, *monthly)?;
                (value, value <= MAX_USD)
            }
            kind => unreachable!("invariant: {kind:?} is a kind of number"),
        };
        self.bounded(text, hint, value, is_within)
    }

    fn bounded<T>(&self, text: &str, hint: &str, value: T, is_within: bool) -> Result<T, ParseError> {
        if is_within {
            return Ok(value);
        }
        let help = format!("write {}{}{hint}", self.describe(), if hint.is_empty() { "" } else { "; " });
        Err(ParseError::new(format!("`{}` is out of range", quoted(text)), help))
    }

    /// Describes the kind in words, with its range: "a whole number from 1 to 100".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Name(NameKind::New) => "a name".into(),
            Self::Name(NameKind::Preset) => "the name of a preset".into(),
            Self::Name(NameKind::Route) => "the name of a route".into(),
            Self::Name(NameKind::Client) => "the name of a client".into(),
            Self::Name(NameKind::Target) => "a target, `provider/account/model`".into(),
            Self::Name(NameKind::File) => "a file, relative to the scenario".into(),
            Self::Name(NameKind::Variable) => "the name of an environment variable".into(),
            Self::Name(NameKind::BaseUrl) => format!("an address, such as `{}`", BaseUrl::EXAMPLE),
            Self::Bool => "`true` or `false`".into(),
            Self::Count { min, max } => match (min, max) {
                (0, &u64::MAX) => "a whole number".into(),
                _ => format!("a whole number from {} to {}", print_count(*min), print_count(*max)),
            },
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Duration { min: Nanos(1), max } => {
                format!("a duration above zero, at most {}", print_duration(*max))
            }
            Self::Duration { min, max } => {
                format!("a duration from {} to {}", print_duration(*min), print_duration(*max))
            }
            Self::Rate { zero: true } => "a rate from `0/s` to `1M/s`".into(),
            Self::Rate { zero: false } => "a rate above zero, at most `1M/s`".into(),
            Self::Share { zero: true } => "a share from `0%` to `100%`".into(),
            Self::Share { zero: false } => "a share above `0%`, at most `100%`".into(),
            Self::Correlation => "a correlation from -1 to 1".into(),
            Self::Permille => "a share in steps of `0.1%`".into(),
            Self::Change { min, max } => {
                format!("a change from `{}` to `{}`", print_share(*min), print_share(*max))
            }
            Self::Speed => "a speed from `0.001 tok/s` to `1000M tok/s`".into(),
            Self::Multiple { min, max, bare: false } => format!("a multiple from `{min}x` to `{max}x`"),
            Self::Multiple { min, max, bare: true } => format!("a multiple from `{min}` to `{max}`"),
            Self::Date => "a date, such as `2026-10-01` or `2026-10`".into(),
            Self::DateTime { zone: true } => {
                "a date and time with a time zone, such as `2026-12-01T08:00 Europe/Berlin`".into()
            }
            Self::DateTime { zone: false } => "a date and time, such as `2026-12-01T08:00`".into(),
            Self::Usd { monthly: true } => "an amount such as `200 USD/month`".into(),
            Self::Usd { monthly: false } => "an amount such as `50 USD`".into(),
            Self::Months { max } => format!("a number of months from `1 month` to `{max} months`"),
            Self::Month => "a month, such as `month 4` or `2027-03`".into(),
            Self::Rule => "a rule".into(),
            Self::Choice(choices) => alternatives(&words(choices).collect::<Vec<_>>()),
            Self::List { .. } => "a list".into(),
            Self::NamedEntries { .. } => "a map of names".into(),
            Self::Map(_) => "a map".into(),
            Self::OneOf(kinds) => either(&kinds.iter().map(Self::describe).collect::<Vec<_>>()),
            Self::Any => "any value".into(),
        }
    }
}

/// Iterates over the words of a choice.
fn words(choices: &'static [Choice]) -> impl Iterator<Item = &'static str> + Clone {
    choices.iter().map(|choice| choice.word)
}

fn choose(choices: &'static [Choice], text: &str) -> Result<Data, ParseError> {
    match choices.iter().find(|choice| choice.word == text) {
        Some(choice) => Ok(Data::Choice(choice.word)),
        None => {
            let what = match text {
                "" => "expected a word".into(),
                _ => format!("unknown word `{}`", quoted(text)),
            };
            Err(ParseError::new(what, did_you_mean(text, words(choices))))
        }
    }
}

/// Reads an amount of money: `50 USD`, or `200 USD/month` if it is paid monthly.
fn usd(text: &str, monthly: bool) -> Result<f64, ParseError> {
    let help = if monthly { "write it as `200 USD/month`" } else { "write it as `50 USD`" };
    let wrong = || ParseError::new(format!("`{}` is not an amount of USD", quoted(text)), help);
    let amount = match (monthly, text.split_once('/')) {
        (true, Some((amount, period))) if period.trim() == "month" => amount,
        (false, None) => text,
        _ => return Err(wrong()),
    };
    units::parse_dollars(amount).map_err(|_| wrong())
}

/// Reads a number of months: `3 months`.
fn months(text: &str) -> Result<u64, ParseError> {
    let wrong =
        || ParseError::new(format!("`{}` is not a number of months", quoted(text)), "write it as `3 months`");
    let number = text.trim().strip_suffix("months").or_else(|| text.trim().strip_suffix("month"));
    number.and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)
}

/// Returns `true` for a month of a plan: `month 4`, counted from 1, or `2027-03`.
fn is_month(text: &str) -> bool {
    match text.strip_prefix("month ") {
        Some(number) => number.trim().parse::<u32>().is_ok_and(|number| (1..=1200).contains(&number)),
        None => is_date(text) && text.len() == "2027-03".len(),
    }
}

/// Returns `true` for the name of an environment variable: letters of either case, digits and `_`, not beginning with a
/// digit. POSIX defines the same for portable programs, with upper-case letters only.
fn is_variable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Returns `true` for a year, a month of a year, or a day of a month, as ISO 8601 writes them. Every month may have 31 days.
fn is_date(text: &str) -> bool {
    let number = |part: &str, digits: usize| {
        part.parse::<u32>()
            .ok()
            .filter(|_| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts: Vec<&str> = text.split('-').collect();
    let year = |part: &str| number(part, 4).is_some();
    let month = |part: &str| number(part, 2).is_some_and(|month| (1..=12).contains(&month));
    let day = |part: &str| number(part, 2).is_some_and(|day| (1..=31).contains(&day));
    match parts[..] {
        [y] => year(y),
        [y, m] => year(y) && month(m),
        [y, m, d] => year(y) && month(m) && day(d),
        _ => false,
    }
}
