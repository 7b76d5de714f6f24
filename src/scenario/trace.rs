//! Reads recorded traffic from a file into the rows that a workload replays.
//!
//! The format follows from the content, plain or gzip:
//!
//! ```text
//!  TIMESTAMP,ContextTokens,GeneratedTokens                      Azure LLM inference traces (CSV; dates in UTC)
//!  Timestamp,Model,Request tokens,Response tokens,…             BurstGPT (CSV; seconds)
//!  {"timestamp": 0, "input_length": 6758, "output_length": 500} Mooncake (JSON lines; milliseconds)
//! ```
//!
//! Times are whole nanoseconds, read without floats, and count from the earliest row of the file. Each row is kept or
//! dropped by its own random draw, so the rows of a smaller rate are a subset of those of a larger one.

use super::TraceRow;
use super::record_bound::{RecordBound, RecordBudget};
use crate::formatting::path_name;
use crate::input_file;
use csv::{StringRecord, Trim};
use flate2::read::MultiGzDecoder;
use provider::calendar::{UnixTime, parse_decimal};
use provider::random;
use provider::{Instant, Nanos, RandomStream};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The maximum size of a file after decompression, in bytes.
const MAX_BYTES: u64 = 512 << 20;
/// The maximum number of rows in a file.
const MAX_ROWS: u64 = 20_000_000;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How much of a trace is used, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceOptions {
    /// The share of the rows that is kept; 1 or more keeps all.
    pub rate: f64,
    /// The factor by which the trace is replayed faster than recorded; positive.
    pub speed: f64,
    /// The seed of the draws that keep or drop rows.
    pub seed: u64,
    /// The length of the replayed trace: later rows are dropped. `None` keeps all.
    pub limit: Option<Nanos>,
}

/// Reads a trace, sorted by time. The result is empty if `options` keep no row.
///
/// # Errors
/// A message with the file, and the line if one is at fault: the file cannot be read, has an unknown format, is too
/// large, contains no row, or has an invalid row; or the speed is not positive.
pub fn read(path: &Path, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
    let in_file = |error: String| format!("{}: {error}", path_name(path));
    if !(options.speed.is_finite() && options.speed > 0.0) {
        return Err(in_file(format!("the speed of a trace must be positive, not {}", options.speed)));
    }
    let file =
        input_file::open_regular(path).map_err(|error| in_file(format!("cannot open the trace: {error}")))?;
    let rows = decompressed(BufReader::new(file)).and_then(|text| rows(text, options));
    rows.map_err(|error| format!("{}{error}", path_name(path)))
}

/// Returns the text of a plain or gzip file, up to one byte more than [`MAX_BYTES`].
fn decompressed(mut file: impl BufRead + 'static) -> Result<Box<dyn BufRead>, String> {
    let magic = file.fill_buf().map_err(|error| format!(": cannot read the trace: {error}"))?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(file).take(MAX_BYTES + 1)))
    } else {
        Box::new(file.take(MAX_BYTES + 1))
    })
}

/// Returns the rows of a text. Errors start with `:line: `, or with `: ` if they concern no line.
fn rows(text: impl BufRead, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
    let budget = RecordBudget::default();
    let mut text = BufReader::new(RecordBound::new(text, &budget));
    let start = text.fill_buf().map_err(|error| format!(":1: cannot be read: {error}"))?;
    let start = start.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(start);
    let is_json = start.trim_ascii_start().starts_with(b"{");
    let mut sample = Sample::new(options);
    if is_json {
        read_json_lines(text, &budget, &mut sample)?
    } else {
        read_csv(text, &budget, &mut sample)?
    }
    sample.finish(options)
}

fn read_csv(text: impl BufRead, budget: &RecordBudget, sample: &mut Sample) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text);
    let at = |line: u64, error: &str| format!(":{line}: {error}");
    let headers = reader.headers().map_err(|error| at(1, &format!("cannot be read: {error}")))?;
    if headers.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(headers).map_err(|error| at(1, &error))?;
    let mut record = StringRecord::new();
    loop {
        budget.restore();
        // The line after the previous record, if this one follows empty lines.
        let line = reader.position().line();
        let more = reader.read_record(&mut record);
        if !more.map_err(|error| at(line, &format!("cannot be read: {error}")))? {
            return Ok(());
        }
        let line = record.position().map_or(line, csv::Position::line);
        let row = columns.row(&record).map_err(|error| at(line, &error))?;
        sample.add(row, reader.position().byte())?;
    }
}

fn read_json_lines(mut text: impl BufRead, budget: &RecordBudget, sample: &mut Sample) -> Result<(), String> {
    let (mut line, mut bytes) = (String::new(), 0u64);
    for number in 1u64.. {
        line.clear();
        budget.restore();
        let read =
            text.read_line(&mut line).map_err(|error| format!(":{number}: cannot be read: {error}"))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        let content = line.trim_start_matches(BYTE_ORDER_MARK).trim();
        if !content.is_empty() {
            let row = mooncake_row(content).map_err(|error| {
                // Until a row is valid, the file may be anything: nothing of it is shown.
                let error = if sample.rows_read > 0 { format!(": {error}") } else { String::new() };
                format!(
                    ":{number}: expected an object with whole `timestamp`, `input_length` and `output_length`{error}"
                )
            })?;
            sample.add(row, bytes)?;
        }
    }
    Ok(())
}

/// The kept rows of a trace.
struct Sample {
    rows: Vec<TraceRow>,
    rows_read: u64,
    earliest: Instant,
    rate: f64,
    stream_key: u64,
}

impl Sample {
    fn new(options: &TraceOptions) -> Self {
        let stream_key = random::label_key(options.seed, "trace");
        Self { rows: Vec::new(), rows_read: 0, earliest: Instant::MAX, rate: options.rate, stream_key }
    }

    /// Keeps or drops the next row of a text of which `bytes` were read.
    fn add(&mut self, row: TraceRow, bytes: u64) -> Result<(), String> {
        if bytes > MAX_BYTES || self.rows_read >= MAX_ROWS {
            return Err(format!(": more than {} MiB or {MAX_ROWS} rows: split the trace", MAX_BYTES >> 20));
        }
        self.earliest = self.earliest.min(row.at);
        if RandomStream::keyed(self.stream_key, self.rows_read).unit() < self.rate {
            self.rows.push(row);
        }
        self.rows_read += 1;
        Ok(())
    }

    /// Returns the rows by time, relative to the earliest row and scaled by the speed.
    fn finish(mut self, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
        if self.rows_read == 0 {
            return Err(": the trace contains no rows".to_owned());
        }
        self.rows.sort_by_key(|row| row.at); // stable: rows of one instant keep their order
        for row in &mut self.rows {
            row.at = scaled(row.at.since(self.earliest), options.speed);
        }
        if let Some(limit) = options.limit {
            self.rows.truncate(self.rows.partition_point(|row| row.at < Instant::ZERO + limit));
        }
        Ok(self.rows)
    }
}

/// Converts a time in the trace to an instant of the run; exact at speed 1.
#[expect(clippy::float_cmp, reason = "only exactly 1 needs no scaling")]
fn scaled(since: Nanos, speed: f64) -> Instant {
    let scaled = if speed == 1.0 { since } else { Nanos::from_secs_f64(since.as_secs_f64() / speed) };
    Instant::ZERO + scaled
}

/// The columns of a CSV format, by index, and the format of its times.
#[derive(Clone, Copy, Debug)]
struct Columns {
    at: usize,
    prompt: usize,
    completion: usize,
    time: fn(&str) -> Option<Nanos>,
    time_format: &'static str,
}

impl Columns {
    /// Returns the columns of the format that the header names. An error shows no part of the file, which may be anything.
    fn of(header: &StringRecord) -> Result<Self, String> {
        let azure = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
        let burst_gpt = ["Timestamp", "Request tokens", "Response tokens"];
        let columns = |names: [&str; 3], time, time_format| {
            let index = |name| header.iter().position(|column| column == name);
            let [at, prompt, completion] = names.map(index);
            Some(Self { at: at?, prompt: prompt?, completion: completion?, time, time_format })
        };
        columns(azure, since_epoch, "a date and time such as 2023-11-16 18:15:46.6805900")
            .or_else(|| columns(burst_gpt, seconds, "seconds such as 12 or 12.5"))
            .ok_or_else(|| {
                format!(
                    "expected the header `{}` (Azure), one with `{}` (BurstGPT), or JSON lines (Mooncake)",
                    azure.join(","),
                    burst_gpt.join("`, `"),
                )
            })
    }

    fn row(&self, record: &StringRecord) -> Result<TraceRow, String> {
        let field = |index| record.get(index).unwrap_or_default();
        let at = field(self.at);
        let at =
            (self.time)(at).ok_or_else(|| format!("expected {}, found {}", self.time_format, quoted(at)))?;
        let tokens = |index| {
            let field = field(index);
            field.parse().map_err(|_| format!("expected a whole number of tokens, found {}", quoted(field)))
        };
        Ok(TraceRow {
            at: Instant::ZERO + at,
            prompt_tokens: tokens(self.prompt)?,
            completion_tokens: tokens(self.completion)?,
        })
    }
}

/// A row of a Mooncake trace; the hashes of its prefix blocks are ignored.
#[derive(Deserialize)]
struct MooncakeRow {
    timestamp: u64,
    input_length: u32,
    output_length: u32,
}

fn mooncake_row(line: &str) -> serde_json::Result<TraceRow> {
    let row: MooncakeRow = serde_json::from_str(line)?;
    Ok(TraceRow {
        at: Instant::ZERO + Nanos::from_millis(row.timestamp),
        prompt_tokens: row.input_length,
        completion_tokens: row.output_length,
    })
}

fn since_epoch(text: &str) -> Option<Nanos> {
    UnixTime::parse_utc(text).map(|time| time.since(UnixTime::EPOCH))
}

fn seconds(text: &str) -> Option<Nanos> {
    parse_decimal(text, Nanos::SECOND)
}

/// Quotes a value for an error message, cut to 60 characters.
fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{cut}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    const ALL: TraceOptions = TraceOptions { rate: 1.0, speed: 1.0, seed: 7, limit: None };

    fn parsed(text: &str, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
        rows(decompressed(std::io::Cursor::new(text.as_bytes().to_vec()))?, options)
    }

    fn row(nanos: u64, prompt_tokens: u32, completion_tokens: u32) -> TraceRow {
        TraceRow { at: Instant(nanos), prompt_tokens, completion_tokens }
    }

    #[test]
    fn azure_times_are_exact_across_days_and_years() {
        let text = "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
                    2023-12-31 23:59:59.9999999,10,1\r\n2024-01-01 00:00:00.0000001,20,2\r\n\r\n\
                    2024-02-28T23:59:59Z,30,3\n2024-03-01 00:00:00+00:00,40,4";
        let day = Nanos::DAY.0;
        let expected = [
            row(0, 10, 1),
            row(200, 20, 2),
            row(59 * day - 1_000_000_000 + 100, 30, 3),
            row(60 * day + 100, 40, 4),
        ];
        assert_eq!(parsed(text, &ALL).unwrap(), expected);
    }

    #[test]
    fn quoted_fields_may_contain_commas_and_line_breaks() {
        let text = "Timestamp,Model,Request tokens,Response tokens\n5,\"a, b\",472,18\n6,\"c\nd\",\"1\",2\n7,e,x,3\n";
        let error = parsed(text, &ALL).unwrap_err();
        assert_eq!(error, ":5: expected a whole number of tokens, found `x`");
        let rows = parsed(&text.replace('x', "4"), &ALL).unwrap();
        assert_eq!(rows, [row(0, 472, 18), row(1_000_000_000, 1, 2), row(2_000_000_000, 4, 3)]);
    }

    #[test]
    fn mooncake_and_burst_gpt_rows_are_sorted_by_time() {
        let text = "{\"timestamp\": 3000, \"input_length\": 5, \"output_length\": 6, \"hash_ids\": [1]}\n\
                    {\"timestamp\": 1000, \"input_length\": 7, \"output_length\": 8}\n\
                    {\"timestamp\": 3000, \"input_length\": 9, \"output_length\": 1}\n";
        let expected = [row(0, 7, 8), row(2_000_000_000, 5, 6), row(2_000_000_000, 9, 1)];
        assert_eq!(parsed(text, &ALL).unwrap(), expected);
        let text = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                    5,ChatGPT,472,18,490,Conversation log\n45.25,GPT-4,1,0,1,API log\n";
        assert_eq!(parsed(text, &ALL).unwrap(), [row(0, 472, 18), row(40_250_000_000, 1, 0)]);
    }

    #[test]
    fn errors_name_the_line() {
        let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
        for (text, expected) in [
            ("", ": the trace contains no rows"),
            (azure, ": the trace contains no rows"),
            ("a,b\n", ":1: expected the header `TIMESTAMP,"),
            (&format!("{azure}2023-02-29 00:00:00,1,1"), ":2: expected a date and time such as"),
            (
                &format!("{azure}2023-02-28 00:00:00,1,1\n2023-02-28 00:00:00,1,-1"),
                ":3: expected a whole number of tokens, found `-1`",
            ),
            (&format!("{azure}2023-02-28 24:00:00,1,1"), ":2: expected a date"),
            (&format!("{azure}2023-02-28 00:00:00"), ":2: expected a whole number of tokens, found ``"),
            ("{\"timestamp\": 0}", ":1: expected an object with whole `timestamp`"),
            (
                "{\"timestamp\":0,\"input_length\":4294967296,\"output_length\":1}",
                ":1: expected an object with whole `timestamp`",
            ),
        ] {
            let error = parsed(text, &ALL).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(parsed("{}", &ALL).is_err());
        let missing = read(Path::new("no/such/trace.csv"), &ALL).unwrap_err();
        assert!(missing.starts_with("no/such/trace.csv: cannot open the trace: "), "{missing}");
        let error = read(Path::new("t.csv"), &TraceOptions { speed: 0.0, ..ALL }).unwrap_err();
        assert_eq!(error, "t.csv: the speed of a trace must be positive, not 0");
    }

    fn ten_thousand() -> String {
        (0..10_000)
            .map(|ms| format!("{{\"timestamp\":{ms},\"input_length\":{ms},\"output_length\":1}}\n"))
            .collect()
    }

    #[test]
    fn the_rows_of_a_smaller_rate_are_a_subset() {
        let kept = |rate| parsed(&ten_thousand(), &TraceOptions { rate, ..ALL }).unwrap();
        let (tenth, fifth) = (kept(0.1), kept(0.2));
        assert!(tenth.iter().all(|row| fifth.contains(row)));
        // Three standard errors of a binomial count.
        assert!((tenth.len() as f64 - 1000.0).abs() < 3.0 * 30.0, "{}", tenth.len());
        assert!((fifth.len() as f64 - 2000.0).abs() < 3.0 * 40.0, "{}", fifth.len());
        assert!(kept(0.0).is_empty());
    }

    #[test]
    fn speed_and_limit_apply_from_the_earliest_row() {
        let limit = Some(Nanos::from_secs(2));
        let rows = parsed(&ten_thousand(), &TraceOptions { speed: 4.0, limit, ..ALL }).unwrap();
        assert_eq!(rows.len(), 8_000);
        assert_eq!(rows[7_999], row(1_999_750_000, 7_999, 1));
    }

    #[test]
    fn gzip_gives_the_same_rows_and_a_truncated_file_is_an_error() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(ten_thousand().as_bytes()).unwrap();
        let gzip = encoder.finish().unwrap();
        let read = |bytes: &[u8]| rows(decompressed(std::io::Cursor::new(bytes.to_vec()))?, &ALL);
        assert_eq!(read(&gzip).unwrap(), parsed(&ten_thousand(), &ALL).unwrap());
        let error = read(&gzip[..gzip.len() / 2]).unwrap_err();
        assert!(error.contains(": cannot be read: "), "{error}");
    }
}
