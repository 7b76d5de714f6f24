//! The scenario language as data: every word with its kind, range, default, meaning and example.
//!
//! One table, four users:
//!
//! ```text
//!                    ┌─▶ check   a YAML tree ─▶ [`Value`]s, or every problem with its place and its remedy
//!  table (`SCENARIO`)┼─▶ schema  JSON Schema for editors (`quotalab schema`)
//!                    ├─▶ page    docs/scenario.md
//!                    └─▶ write   the order of words in a scenario that is written (`scenario::write`)
//! ```
//!
//! **To add a word**, add one row to the map in `table/` that it belongs to, read it in the matching file of `spec/`
//! (`fields.duration("…")`), and regenerate the page with `UPDATE_GOLDEN=1 cargo test --test it scenario`. A new kind of
//! value is a variant of `Kind`. The compiler demands an arm for it in `Kind::describe` only: `Kind::shape`, `claims` and
//! `scalar`, `check.rs`, `order.rs`, `schema.rs` and `page.rs` have catch-all arms, so check by hand that they suit it. A new
//! map also goes into the chapters of `page.rs`.
//!
//! What the table can express is checked here: names of words, kinds, ranges, required words, words that exclude each other
//! (`Form`). What depends on several maps, or compares two values of the scenario, is checked in `spec/`, `resolve.rs` and
//! `expect.rs`.
//!
//! Invariants: every default and every example of the table is accepted by its own kind, and every word of a form
//! exists; `tests/mod.rs` checks both.

mod check;
mod date_time;
mod forms;
mod kind;
mod order;
mod page;
mod rule;
mod schema;
mod table;
mod value;

#[cfg(test)]
mod tests;

pub(super) use check::{check, check_with_optional};
pub(super) use order::WordOrder;
pub use page::page;
pub(super) use rule::RuleSpec;
pub use schema::schema;
pub(super) use table::{CLIENT, FAULT, MODEL, PROVIDER, SCENARIO};
pub(super) use value::{Data, Fields, Value};

use provider::Nanos;

/// A map whose keys belong to the language.
#[derive(Debug)]
pub(super) struct Map {
    /// Its heading on the page and its name in the schema. Unique.
    pub(super) name: &'static str,
    /// What it describes, in one or two sentences.
    pub(super) doc: &'static str,
    /// The map as flow YAML.
    pub(super) example: &'static str,
    /// Its words in reading order.
    pub(super) words: &'static [Word],
    /// Alternatives of which exactly one is given; empty if all words are independent.
    pub(super) forms: &'static [Form],
    /// Words that are recognised and refused.
    pub(super) refused: &'static [Refused],
}

/// A word of a map with its properties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// The key.
    pub(super) name: &'static str,
    /// The values that it takes.
    pub(super) kind: Kind,
    /// When it must be given.
    pub(super) required: Required,
    /// The value if the word is absent, as YAML; `None` if the word is required, or if its absence has a meaning of its
    /// own, which `doc` states.
    pub(super) default: Option<&'static str>,
    /// What it means.
    pub(super) doc: &'static str,
    /// A value as flow YAML.
    pub(super) example: &'static str,
    /// Further advice on a value out of range; may be empty.
    pub(super) hint: &'static str,
}

/// When a word must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Required {
    /// Never.
    No,
    /// Always.
    Yes,
    /// If this other word of the map is absent.
    Unless(&'static str),
}

/// The values that a word takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Free text.
    Text,
    /// A non-empty name that the author chooses, or that refers to something.
    Name(NameKind),
    /// `true` or `false`.
    Bool,
    /// A whole number: `6000`, `10_000`, `400k`, `1M`.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A rank correlation, from −1 to 1: `0.6`.
    Correlation,
    /// A date with a time of day; with `zone`, in a time zone: `2026-12-01T08:00 Europe/Berlin`.
    DateTime {
        /// Whether a time zone follows.
        zone: bool,
    },
    /// A plain number, not negative: `0.35`.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A length of time: `250ms`, `1h30m`.
    Duration {
        /// The shortest.
        min: Nanos,
        /// The longest.
        max: Nanos,
    },
    /// Jobs per time up to [`MAX_RATE`]: `30/s`, `250/min`.
    Rate {
        /// `true` if `0/s` is accepted.
        zero: bool,
    },
    /// A share of a whole: `20%`.
    Share {
        /// Whether `0%` is accepted.
        zero: bool,
    },
    /// A share in steps of a tenth of a percent, read as thousandths: `12.5%`.
    Permille,
    /// A change by a share, up or down: `-20%`, `10%`.
    Change {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Tokens per second, from 0.001 to a billion: `560 tok/s`.
    Speed,
    /// A multiple: `4x`; with `bare`, `4` is accepted as well.
    Multiple {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// Whether the `x` may be left out.
        bare: bool,
    },
    /// A day, month or year: `2026-10-01`, `2026-10`, `2026`.
    Date,
    /// An amount of money from 0 to [`MAX_USD`]: `50 USD`, or `200 USD/month`.
    Usd {
        /// Whether it is paid every month.
        monthly: bool,
    },
    /// A number of months from 1: `3 months`.
    Months {
        /// The most.
        max: u64,
    },
    /// A month of a plan, by its number or by the calendar: `month 4`, `2027-03`.
    Month,
    /// A rule of `expect`: `p95 latency <= 8s`.
    Rule,
    /// One of the words listed.
    Choice(&'static [Choice]),
    /// A list of values of one kind.
    List {
        /// The kind of its entries.
        of: &'static Kind,
        /// The fewest entries.
        min: usize,
        /// The most entries.
        max: usize,
    },
    /// A map whose keys are names that the author chooses; at least one.
    NamedEntries {
        /// The kind of its values.
        of: &'static Kind,
        /// Whether a name may contain `/`: not if it is the `provider` or the `account` in `provider/account/model`.
        slash: bool,
    },
    /// A map of the language.
    Map(&'static Map),
    /// One of these alternatives. A value is read as the first that has its YAML shape and, if it is a scalar, [claims
    /// it](Kind::claims); if none does, as the last of its shape, which reports the problem. The check itself reports a
    /// shape that no alternative has, and a word that is written without its value, such as `gap` for `{gap: 100ms}`.
    OneOf(&'static [Kind]),
    /// Any value. It is checked after it has been set at its path (`what_if.set`).
    Any,
}

/// What a name refers to, for messages, the page and the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    /// A name that this word defines.
    New,
    /// A preset that comes with quotalab.
    Preset,
    /// A route of the scenario.
    Route,
    /// A client of the scenario.
    Client,
    /// A target: `provider/account/model`.
    Target,
    /// A file, relative to the scenario.
    File,
    /// An environment variable.
    Variable,
    /// The address of an API.
    BaseUrl,
}

/// A word that is a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// The word.
    pub(super) word: &'static str,
    /// What it means.
    pub(super) doc: &'static str,
}

/// One of the alternatives of a map: the words that it requires and those that it allows. Words of the map that are in no
/// form are allowed with every form.
#[derive(Debug)]
pub(super) struct Form {
    /// Groups of words; exactly one word of each group is given. The words of the first group select the form. A form without
    /// a group applies if no other is selected.
    pub(super) requires: &'static [&'static [&'static str]],
    /// Words that may be given besides.
    pub(super) allows: &'static [&'static str],
    /// The form as flow YAML.
    pub(super) example: &'static str,
}

/// A key that is recognised and refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// The key.
    pub(super) word: &'static str,
    /// Why, as the end of a sentence that begins with the word: "is not modelled yet".
    pub(super) why: &'static str,
    /// What to write instead.
    pub(super) help: &'static str,
}

/// The highest rate, in jobs per second. A higher one is likely a typing error, and a day at this rate takes about half a
/// day to simulate.
pub(super) const MAX_RATE: f64 = 1e6;

/// The longest time that a scenario may name: a leap year.
pub(super) const MAX_DURATION: Nanos = Nanos(366 * Nanos::DAY.0);

/// The largest amount of money, in USD. A larger one is likely a typing error.
pub(super) const MAX_USD: f64 = 1e8;

/// The range of [`Kind::Speed`], in tokens per second.
const SPEEDS: std::ops::RangeInclusive<f64> = 1e-3..=1e9;

/// Returns an optional word without a default.
const fn word(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Word {
    Word { name, kind, required: Required::No, default: None, doc, example, hint: "" }
}

impl Word {
    /// Makes the word always required.
    const fn required(self) -> Self {
        Self { required: Required::Yes, ..self }
    }

    /// Makes the word required if `other` is absent.
    const fn required_unless(self, other: &'static str) -> Self {
        Self { required: Required::Unless(other), ..self }
    }

    /// Sets the default of the word.
    const fn default(self, value: &'static str) -> Self {
        Self { default: Some(value), ..self }
    }

    /// Sets the further advice on values out of range.
    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}

const fn choice(word: &'static str, doc: &'static str) -> Choice {
    Choice { word, doc }
}

impl Map {
    /// Returns the word with this name.
    fn word(&self, name: &str) -> Option<&'static Word> {
        self.words.iter().find(|word| word.name == name)
    }

    /// Returns the index of a word.
    ///
    /// # Panics
    /// If the map has no such word.
    fn index(&self, name: &str) -> usize {
        let found = self.words.iter().position(|word| word.name == name);
        found.unwrap_or_else(|| panic!("invariant: the map `{}` has the word `{name}`", self.name))
    }
}
