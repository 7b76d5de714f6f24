//! Traces in CSV: Azure's, BurstGPT's, or any whose columns the scenario names.

use super::{Sample, TraceColumns, TraceOptions, TraceUnit};
use crate::scenario::TraceRow;
use crate::scenario::row_bytes::RowBytesLeft;
use csv::{StringRecord, Trim};
use provider::calendar::{UnixTime, parse_decimal};
use provider::{Instant, Nanos};
use std::io::BufRead;

/// Reads the rows of a text into `sample`.
pub(super) fn read(
    text: impl BufRead,
    bytes_left: &RowBytesLeft,
    options: &TraceOptions,
    sample: &mut Sample,
) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text);
    let at = |line: u64, error: &str| format!(":{line}: {error}");
    let headers = reader.headers().map_err(|error| at(1, &format!("cannot be read: {error}")))?;
    if headers.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(headers, options).map_err(|error| at(1, &error))?;
    let mut record = StringRecord::new();
    loop {
        bytes_left.begin_row();
        // The line after the previous record: that of the next record, or of an empty line before it.
        let line = reader.position().line();
        let more = reader.read_record(&mut record);
        if !more.map_err(|error| at(line, &format!("cannot be read: {error}")))? {
            return Ok(());
        }
        let line = record.position().map_or(line, csv::Position::line);
        let (row, unit) = columns.row(&record).map_err(|error| at(line, &error))?;
        sample.record_unit(unit).map_err(|error| at(line, &error))?;
        sample.add(row, reader.position().byte())?;
    }
}

/// The columns of a CSV format, by index, and the form of its times.
#[derive(Clone, Copy, Debug)]
struct Columns {
    at: usize,
    prompt: usize,
    completion: usize,
    times: Times,
}

/// The form of the times of a CSV file.
#[derive(Clone, Copy, Debug)]
enum Times {
    /// Dates with times, in UTC if they state no offset.
    Dates,
    /// Numbers in this unit.
    Numbers(TraceUnit),
    /// Dates with times, or numbers in this unit.
    Either(TraceUnit),
}

impl Times {
    /// Parses a time. Returns it with its unit if it is a number, and with `None` if it is a date.
    fn parse(self, text: &str) -> Result<(Nanos, Option<TraceUnit>), String> {
        let date = || UnixTime::parse_utc(text).map(|time| (time.since(UnixTime::EPOCH), None));
        let number = |unit: TraceUnit| Some((parse_decimal(text, unit.length())?, Some(unit)));
        let (parsed, expected) = match self {
            Self::Dates => (date(), "a date and time such as 2023-11-16 18:15:46.6805900"),
            Self::Numbers(unit) => (number(unit), "a number such as 12 or 12.5"),
            Self::Either(unit) => (date().or_else(|| number(unit)), "a date and time, or a number"),
        };
        parsed.ok_or_else(|| format!("expected {expected}, found {}", quoted(text)))
    }
}

impl Columns {
    /// Returns the columns of the format that the header names. An error quotes no part of the file, which may not be a
    /// trace at all.
    fn of(header: &StringRecord, options: &TraceOptions) -> Result<Self, String> {
        let index = |name: &str| header.iter().position(|column| column == name);
        if let Some(columns) = &options.columns {
            let TraceColumns { time, prompt, completion } = columns;
            let index = |name: &str| index(name).ok_or_else(|| format!("the header has no column `{name}`"));
            let times = Times::Either(options.unit.unwrap_or(TraceUnit::Seconds));
            return Ok(Self {
                at: index(time)?,
                prompt: index(prompt)?,
                completion: index(completion)?,
                times,
            });
        }
        let azure = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
        let burst_gpt = ["Timestamp", "Request tokens", "Response tokens"];
        let columns = |names: [&str; 3], times| {
            let [at, prompt, completion] = names.map(index);
            Some(Self { at: at?, prompt: prompt?, completion: completion?, times })
        };
        columns(azure, Times::Dates)
            .or_else(|| columns(burst_gpt, Times::Numbers(options.unit.unwrap_or(TraceUnit::Seconds))))
            .ok_or_else(|| {
                format!(
                    "expected the header `{}` (Azure), one with `{}` (BurstGPT), or JSON lines (Mooncake)",
                    azure.join(","),
                    burst_gpt.join("`, `"),
                )
            })
    }

    /// Returns a row, and the unit of its time if that is a number.
    fn row(&self, record: &StringRecord) -> Result<(TraceRow, Option<TraceUnit>), String> {
        let field = |index| record.get(index).unwrap_or_default();
        let (at, unit) = self.times.parse(field(self.at))?;
        let tokens = |index| {
            let field = field(index);
            field.parse().map_err(|_| format!("expected a whole number of tokens, found {}", quoted(field)))
        };
        let row = TraceRow {
            at: Instant::ZERO + at,
            prompt_tokens: tokens(self.prompt)?,
            completion_tokens: tokens(self.completion)?,
        };
        Ok((row, unit))
    }
}

/// Quotes a value for an error message, cut to 60 characters.
fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{cut}`")
}
