//! Recorded traffic: files of past requests, read into rows that a workload replays.
//!
//! The format is told by the content, plain or gzip:
//!
//! ```text
//!  TIMESTAMP,ContextTokens,GeneratedTokens                      Azure LLM inference traces (CSV; dates)
//!  Timestamp,Model,Request tokens,Response tokens,…             BurstGPT (CSV; seconds)
//!  {"timestamp": 0, "input_length": 6758, "output_length": 500} Mooncake (JSON lines; milliseconds)
//! ```
//!
//! Times are whole nanoseconds from the first character on, so nothing is lost to a float; they count from
//! the earliest row of the file, whichever rows are kept. Which are kept is drawn row by row, so a tenth
//! of a trace is contained in a fifth of it.

use super::TraceRow;
use flate2::read::MultiGzDecoder;
use provider::random::key;
use provider::{Instant, Nanos, Stream};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The largest file, unpacked.
const MOST_BYTES: u64 = 512 << 20;
/// The most rows in a file.
const MOST_ROWS: u64 = 20_000_000;

/// How much of a trace is used, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceOptions {
    /// The share of the rows that is kept; 1 or more keeps all.
    pub rate: f64,
    /// How many times faster than recorded; positive.
    pub speed: f64,
    /// The seed by which rows are kept.
    pub seed: u64,
    /// Rows from this time on (after `speed`) are left out; `None` keeps all.
    pub limit: Option<Nanos>,
}

/// Reads a trace, sorted by time. Empty where `options` keep no row.
///
/// # Errors
/// In words, with the file and where it applies the line: the file cannot be read, is in no known format, is
/// too large, holds no row, or has a row that is not what its format says; or the speed is not positive.
pub fn read(path: &Path, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
    let in_file = |error: String| format!("{}: {error}", path.display());
    if !(options.speed.is_finite() && options.speed > 0.0) {
        return Err(in_file(format!("a trace's speed must be positive, not {}", options.speed)));
    }
    let file = File::open(path).map_err(|error| in_file(format!("cannot open the trace: {error}")))?;
    let rows = unpacked(BufReader::new(file)).and_then(|lines| rows(lines, options));
    rows.map_err(|error| format!("{}{error}", path.display()))
}

/// The text of a file, whether it is packed or not, up to one byte more than is accepted.
fn unpacked(mut file: impl BufRead + 'static) -> Result<Box<dyn BufRead>, String> {
    let magic = file.fill_buf().map_err(|error| format!(": cannot read the trace: {error}"))?;
    let packed = magic.starts_with(&[0x1f, 0x8b]);
    Ok(if packed {
        Box::new(BufReader::new(MultiGzDecoder::new(file).take(MOST_BYTES + 1)))
    } else {
        Box::new(file.take(MOST_BYTES + 1))
    })
}

/// The rows of a text; errors begin with `:line`, or with `:` where there is none.
fn rows(mut text: impl BufRead, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
    let thinning = key(options.seed, "trace");
    let (mut rows, mut seen, mut bytes) = (Vec::new(), 0u64, 0u64);
    let mut earliest = Instant::MAX;
    let mut format = None;
    let mut line = String::new();
    for number in 1u64.. {
        line.clear();
        let read =
            text.read_line(&mut line).map_err(|error| format!(":{number}: cannot be read: {error}"))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        let content = line.trim_start_matches('\u{feff}').trim_end();
        if bytes > MOST_BYTES || seen > MOST_ROWS {
            return Err(format!(": more than {} MiB or {MOST_ROWS} rows; cut the trace", MOST_BYTES >> 20));
        }
        if content.is_empty() {
            continue;
        }
        let format = match format {
            Some(format) => format,
            None => {
                let found = Format::of(content).map_err(|error| format!(":{number}: {error}"))?;
                format = Some(found);
                if matches!(found, Format::Csv(_)) {
                    continue;
                }
                found
            }
        };
        let row = format.row(content).map_err(|error| format!(":{number}: {error}"))?;
        earliest = earliest.min(row.at);
        if Stream::keyed(thinning, seen).unit() < options.rate {
            rows.push(row);
        }
        seen += 1;
    }
    if seen == 0 {
        return Err(": the trace holds no row".to_owned());
    }
    rows.sort_by_key(|row| row.at); // stable: rows of one instant keep their order
    for row in &mut rows {
        row.at = rescaled(row.at.since(earliest), options.speed);
    }
    if let Some(limit) = options.limit {
        rows.truncate(rows.partition_point(|row| row.at < Instant::ZERO + limit));
    }
    Ok(rows)
}

/// A time of the file as a time of the run; to the nanosecond where the speed is one.
#[expect(clippy::float_cmp, reason = "exactly one is what needs no rescaling")]
fn rescaled(since: Nanos, speed: f64) -> Instant {
    let scaled = if speed == 1.0 { since } else { Nanos::from_secs_f64(since.as_secs_f64() / speed) };
    Instant::ZERO + scaled
}

/// How a row is written.
#[derive(Clone, Copy, Debug)]
enum Format {
    Csv(Columns),
    Mooncake,
}

/// Which columns of a CSV matter, and how it tells time.
#[derive(Clone, Copy, Debug)]
struct Columns {
    at: usize,
    prompt: usize,
    completion: usize,
    time: fn(&str) -> Option<Nanos>,
    times: &'static str,
}

/// A row of a Mooncake trace; the hashes of its prefix blocks are passed over.
#[derive(Deserialize)]
struct MooncakeRow {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
}

impl Format {
    /// The format that a file's first line announces.
    fn of(line: &str) -> Result<Self, String> {
        if line.starts_with('{') {
            return Ok(Self::Mooncake);
        }
        let azure = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
        let burst_gpt = ["Timestamp", "Request tokens", "Response tokens"];
        let columns = |names: [&str; 3], time, times| {
            let place = |name| line.split(',').position(|column| column.trim() == name);
            let [at, prompt, completion] = names.map(place);
            Some(Self::Csv(Columns { at: at?, prompt: prompt?, completion: completion?, time, times }))
        };
        columns(azure, calendar, "a date and time like 2023-11-16 18:15:46.6805900")
            .or_else(|| columns(burst_gpt, seconds, "seconds like 12 or 12.5"))
            .ok_or_else(|| {
                format!(
                    "expected the header `{}` (Azure), one with `{}` (BurstGPT), or JSON lines (Mooncake), found {}",
                    azure.join(","),
                    burst_gpt.join("`, `"),
                    quoted(line)
                )
            })
    }

    fn row(&self, line: &str) -> Result<TraceRow, String> {
        match self {
            Self::Csv(columns) => columns.row(line),
            Self::Mooncake => mooncake(line),
        }
    }
}

impl Columns {
    fn row(&self, line: &str) -> Result<TraceRow, String> {
        let field = |index| line.split(',').nth(index).map_or("", str::trim);
        let at = field(self.at);
        let at = (self.time)(at).ok_or_else(|| format!("expected {}, found {}", self.times, quoted(at)))?;
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

fn mooncake(line: &str) -> Result<TraceRow, String> {
    let row: MooncakeRow = serde_json::from_str(line).map_err(|error| {
        format!("expected an object with whole `timestamp`, `input_length` and `output_length`: {error}")
    })?;
    let tokens = |count: u64| {
        u32::try_from(count).map_err(|_| format!("expected a number of tokens below 2^32, found {count}"))
    };
    Ok(TraceRow {
        at: Instant::ZERO + Nanos::from_millis(row.timestamp),
        prompt_tokens: tokens(row.input_length)?,
        completion_tokens: tokens(row.output_length)?,
    })
}

/// `2023-11-16 18:15:46.6805900`, in UTC, since 1970. Up to nine decimals; a `T` may stand for the space,
/// and `Z` or `+00:00` at the end.
fn calendar(text: &str) -> Option<Nanos> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T'])?;
    let [year, month, day] = three(date, '-')?.map(whole);
    let [hour, minute, second] = three(time, ':')?;
    let (year, month, day) = (year?, month?, day?);
    let (hour, minute, second) = (whole(hour)?, whole(minute)?, seconds(second)?);
    let sane = (1970..2500).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < Nanos::MINUTE;
    sane.then(|| {
        let days = days_before(year, month) + day - 1;
        Nanos::DAY * days + Nanos::HOUR * hour + Nanos::MINUTE * minute + second
    })
}

/// Seconds with up to nine decimals.
fn seconds(text: &str) -> Option<Nanos> {
    let (whole_part, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let unit = 10u64.checked_pow(9u32.checked_sub(u32::try_from(decimals.len()).ok()?)?)?;
    let nanos = whole(whole_part)?.checked_mul(Nanos::SECOND.0)?;
    nanos.checked_add(whole(decimals)? * unit).map(Nanos)
}

/// Digits only: no sign, no blank.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn three(text: &str, between: char) -> Option<[&str; 3]> {
    let mut parts = text.split(between);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of the month.
fn days_before(year: u64, month: u64) -> u64 {
    let leap_years_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_years_before(year) - leap_years_before(1970);
    years + (1..month).map(|month| days_of(year, month)).sum::<u64>()
}

/// A value in an error message, cut to a readable length.
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
        rows(unpacked(std::io::Cursor::new(text.as_bytes().to_vec()))?, options)
    }

    fn row(nanos: u64, prompt_tokens: u32, completion_tokens: u32) -> TraceRow {
        TraceRow { at: Instant(nanos), prompt_tokens, completion_tokens }
    }

    #[test]
    fn azure_times_are_exact_and_cross_midnight_a_leap_day_and_a_year() {
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
        assert_eq!(calendar("1970-01-01 00:00:00"), Some(Nanos::ZERO));
        // 1,700,158,546 s: `date -ud '2023-11-16 18:15:46' +%s`.
        assert_eq!(calendar("2023-11-16 18:15:46.6805900"), Some(Nanos(1_700_158_546_680_590_000)));
    }

    #[test]
    fn mooncake_and_burst_gpt_rows_come_sorted() {
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
    fn what_is_wrong_is_said_with_its_line() {
        let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
        for (text, said) in [
            ("", ": the trace holds no row"),
            (azure, ": the trace holds no row"),
            ("a,b\n", ":1: expected the header `TIMESTAMP,"),
            (&format!("{azure}2023-02-29 00:00:00,1,1"), ":2: expected a date and time like"),
            (
                &format!("{azure}\n2023-02-28 00:00:00,1,-1"),
                ":3: expected a whole number of tokens, found `-1`",
            ),
            (&format!("{azure}2023-02-28 24:00:00,1,1"), ":2: expected a date"),
            (&format!("{azure}2023-02-28 00:00:00"), ":2: expected a whole number of tokens, found ``"),
            ("{\"timestamp\": 0}", ":1: expected an object with whole `timestamp`"),
            (
                "{\"timestamp\":0,\"input_length\":4294967296,\"output_length\":1}",
                ":1: expected a number of tokens",
            ),
        ] {
            let error = parsed(text, &ALL).unwrap_err();
            assert!(error.starts_with(said), "{text:?}: {error}");
        }
        assert!(parsed("{}", &ALL).is_err());
        let missing = read(Path::new("no/such/trace.csv"), &ALL).unwrap_err();
        assert!(missing.starts_with("no/such/trace.csv: cannot open the trace: "), "{missing}");
        let still = read(Path::new("t.csv"), &TraceOptions { speed: 0.0, ..ALL }).unwrap_err();
        assert_eq!(still, "t.csv: a trace's speed must be positive, not 0");
    }

    fn ten_thousand() -> String {
        (0..10_000)
            .map(|ms| format!("{{\"timestamp\":{ms},\"input_length\":{ms},\"output_length\":1}}\n"))
            .collect()
    }

    #[test]
    fn a_thinner_trace_is_part_of_a_thicker_one() {
        let kept = |rate| parsed(&ten_thousand(), &TraceOptions { rate, ..ALL }).unwrap();
        let (tenth, fifth) = (kept(0.1), kept(0.2));
        assert!(tenth.iter().all(|row| fifth.contains(row)));
        // Three standard errors of a binomial count.
        assert!((tenth.len() as f64 - 1000.0).abs() < 3.0 * 30.0, "{}", tenth.len());
        assert!((fifth.len() as f64 - 2000.0).abs() < 3.0 * 40.0, "{}", fifth.len());
        assert!(kept(0.0).is_empty());
    }

    #[test]
    fn speed_and_limit_count_from_the_first_row_of_the_file() {
        let limit = Some(Nanos::from_secs(2));
        let rows = parsed(&ten_thousand(), &TraceOptions { speed: 4.0, limit, ..ALL }).unwrap();
        assert_eq!(rows.len(), 8_000);
        assert_eq!(rows[7_999], row(1_999_750_000, 7_999, 1));
    }

    #[test]
    fn a_packed_trace_reads_like_a_plain_one_and_a_torn_one_is_refused() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(ten_thousand().as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        let read = |bytes: &[u8]| rows(unpacked(std::io::Cursor::new(bytes.to_vec()))?, &ALL);
        assert_eq!(read(&packed).unwrap(), parsed(&ten_thousand(), &ALL).unwrap());
        let error = read(&packed[..packed.len() / 2]).unwrap_err();
        assert!(error.contains(": cannot be read: "), "{error}");
    }
}
