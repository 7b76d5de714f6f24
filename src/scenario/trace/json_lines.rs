//! Traces as JSON lines: Mooncake's and Bailian's, or any whose members the scenario names.
//!
//! Mooncake counts milliseconds, Bailian seconds, with the same members. The first row decides: a fraction or Bailian's
//! `chat_id` means seconds. If the first row implies milliseconds, a later fraction is an error. `unit:` overrides this.

use super::lines::Lines;
use super::{Sample, TraceColumns, TraceOptions, TraceUnit};
use crate::scenario::TraceRow;
use crate::scenario::row_bytes::MAX_ROW_BYTES;
use provider::calendar::{UnixTime, parse_decimal};
use provider::{Instant, Nanos};
use serde_json::{Map, Value};
use std::io::BufRead;

/// Reads the rows from the current line of a text into `sample`.
pub(super) fn read(
    lines: &mut Lines<'_, impl BufRead>,
    options: &TraceOptions,
    sample: &mut Sample,
) -> Result<(), String> {
    let members = Members::of(options.columns.as_ref());
    loop {
        let row = serde_json::from_str::<Map<String, Value>>(lines.content())
            .map_err(|error| error.to_string())
            .and_then(|object| members.row(&object, options.unit, sample));
        let row = row.map_err(|error| {
            // Before the first valid row, the file may not be a trace at all: the error shows none of its content.
            let error = match members {
                _ if sample.rows_read > 0 => format!(": {error}"),
                Members::Mooncake => ", or a session with `turns`".to_owned(),
                Members::Named(_) => String::new(),
            };
            let [time, prompt, completion] = members.names();
            let number = lines.number;
            format!(":{number}: expected an object with `{time}`, whole `{prompt}` and `{completion}`{error}")
        })?;
        sample.add(row, lines.bytes)?;
        if !lines.advance(MAX_ROW_BYTES)? {
            return Ok(());
        }
    }
}

/// The names of the members of a row.
#[derive(Clone, Copy, Debug)]
enum Members<'a> {
    /// Those of Mooncake and Bailian.
    Mooncake,
    /// Those that the scenario names.
    Named(&'a TraceColumns),
}

impl<'a> Members<'a> {
    const fn of(columns: Option<&'a TraceColumns>) -> Self {
        match columns {
            Some(columns) => Self::Named(columns),
            None => Self::Mooncake,
        }
    }

    fn names(self) -> [&'a str; 3] {
        match self {
            Self::Mooncake => ["timestamp", "input_length", "output_length"],
            Self::Named(TraceColumns { time, prompt, completion }) => [time, prompt, completion],
        }
    }

    fn row(
        self,
        object: &Map<String, Value>,
        unit: Option<TraceUnit>,
        sample: &mut Sample,
    ) -> Result<TraceRow, String> {
        let [time, prompt, completion] = self.names();
        let tokens = |name: &str| {
            let tokens =
                object.get(name).and_then(Value::as_u64).and_then(|tokens| u32::try_from(tokens).ok());
            tokens.ok_or_else(|| format!("`{name}` is not a whole number of tokens"))
        };
        let at = match object.get(time) {
            Some(Value::Number(number)) => {
                let text = number.to_string();
                let is_fraction = text.contains(['.', 'e']);
                let implied = match self {
                    Self::Mooncake if !is_fraction && !object.contains_key("chat_id") => {
                        TraceUnit::Milliseconds
                    }
                    Self::Mooncake | Self::Named(_) => TraceUnit::Seconds,
                };
                let known = sample.unit.or(unit).unwrap_or(implied);
                sample.record_unit(Some(known))?;
                if is_fraction && known == TraceUnit::Milliseconds && unit.is_none() {
                    let rows = "the rows before it were read as milliseconds";
                    return Err(format!(
                        "`{time}` has a fraction, but {rows}: write `unit: s` or `unit: ms`"
                    ));
                }
                parse_decimal(&text, known.length())
            }
            Some(Value::String(text)) => {
                let at = UnixTime::parse_utc(text).map(|at| at.since(UnixTime::EPOCH));
                if at.is_some() {
                    sample.record_unit(None)?;
                }
                at
            }
            _ => None,
        };
        let at: Nanos = at.ok_or_else(|| format!("`{time}` is neither a number nor a date with a time"))?;
        Ok(TraceRow {
            at: Instant::ZERO + at,
            prompt_tokens: tokens(prompt)?,
            completion_tokens: tokens(completion)?,
        })
    }
}
