//! Rows of every format, and the errors for files that cannot be read.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

pub(super) const ALL: TraceOptions =
    TraceOptions { columns: None, unit: None, kept_share: 1.0, speed: 1.0, seed: 7, end: None };

pub(super) fn trace(text: &str, options: &TraceOptions) -> Result<Trace, String> {
    rows(decompressed(std::io::Cursor::new(text.as_bytes().to_vec()))?, options)
}

fn parsed(text: &str, options: &TraceOptions) -> Result<Vec<TraceRow>, String> {
    trace(text, options).map(|trace| Arc::unwrap_or_clone(trace.rows))
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
    let text =
        "Timestamp,Model,Request tokens,Response tokens\n5,\"a, b\",472,18\n6,\"c\nd\",\"1\",2\n7,e,x,3\n";
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
                45.25,GPT-4,1,0,1,API log\n5,ChatGPT,472,18,490,Conversation log\n";
    assert_eq!(parsed(text, &ALL).unwrap(), [row(0, 472, 18), row(40_250_000_000, 1, 0)]);
}

#[test]
fn errors_name_the_line_if_one_is_at_fault() {
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
        ("{\"timestamp\": 0}", ":1: expected an object with `timestamp`"),
        (
            "{\"timestamp\":0,\"input_length\":4294967296,\"output_length\":1}",
            ":1: expected an object with `timestamp`",
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

fn ten_thousand_rows() -> String {
    (0..10_000)
        .map(|ms| format!("{{\"timestamp\":{ms},\"input_length\":{ms},\"output_length\":1}}\n"))
        .collect()
}

#[test]
fn the_rows_of_a_smaller_share_are_a_subset() {
    let kept = |kept_share| parsed(&ten_thousand_rows(), &TraceOptions { kept_share, ..ALL }).unwrap();
    let (tenth, fifth) = (kept(0.1), kept(0.2));
    assert!(tenth.iter().all(|row| fifth.contains(row)));
    // Three standard errors of a binomial count.
    assert!((tenth.len() as f64 - 1000.0).abs() < 3.0 * 30.0, "{}", tenth.len());
    assert!((fifth.len() as f64 - 2000.0).abs() < 3.0 * 40.0, "{}", fifth.len());
    assert!(kept(0.0).is_empty());
}

#[test]
fn speed_and_end_apply_from_the_earliest_row() {
    let end = Some(Nanos::from_secs(2));
    let later: String = (0..10_000)
        .map(|ms| format!("{{\"timestamp\":{},\"input_length\":{ms},\"output_length\":1}}\n", ms + 5_000))
        .collect();
    let rows = parsed(&later, &TraceOptions { speed: 4.0, end, ..ALL }).unwrap();
    assert_eq!(rows.len(), 8_000);
    assert_eq!(rows[7_999], row(1_999_750_000, 7_999, 1));
}

#[test]
fn gzip_gives_the_same_rows_and_a_truncated_file_is_an_error() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(ten_thousand_rows().as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let read = |bytes: &[u8]| {
        let trace = rows(decompressed(std::io::Cursor::new(bytes.to_vec()))?, &ALL)?;
        Ok::<_, String>(Arc::unwrap_or_clone(trace.rows))
    };
    assert_eq!(read(&gzip).unwrap(), parsed(&ten_thousand_rows(), &ALL).unwrap());
    let error = read(&gzip[..gzip.len() / 2]).unwrap_err();
    assert!(error.contains(": cannot be read: "), "{error}");
}

/// Rows of a Bailian trace, rows whose times have fractions, and rows in whole seconds, which are read as milliseconds
/// unless the unit is stated.
#[test]
fn the_first_row_of_json_lines_implies_the_unit_unless_it_is_stated() {
    let bailian = "{\"chat_id\": 159, \"parent_chat_id\": -1, \"timestamp\": 61, \"input_length\": 521, \"output_length\": 132}\n\
                   {\"chat_id\": 160, \"timestamp\": 63.5, \"input_length\": 1, \"output_length\": 1}\n";
    assert_eq!(parsed(bailian, &ALL).unwrap(), [row(0, 521, 132), row(2_500_000_000, 1, 1)]);
    let fraction = "{\"timestamp\": 0.2, \"input_length\": 20, \"output_length\": 8, \"hash_ids\": [0, 1]}\n\
                    {\"timestamp\": 3, \"input_length\": 20, \"output_length\": 8}\n";
    assert_eq!(parsed(fraction, &ALL).unwrap()[1].at, Instant(2_800_000_000));
    let whole: String = [0, 60, 3600]
        .map(|at| format!("{{\"timestamp\": {at}, \"input_length\": 20, \"output_length\": 8}}\n"))
        .concat();
    let milliseconds = trace(&whole, &ALL).unwrap().recorded;
    assert_eq!(
        (milliseconds.length, milliseconds.unit),
        (Nanos::from_millis(3_600), Some(TraceUnit::Milliseconds))
    );
    let stated = TraceOptions { unit: Some(TraceUnit::Seconds), ..ALL };
    assert_eq!(trace(&whole, &stated).unwrap().recorded.length, Nanos::HOUR);
    let mixed = format!("{whole}{}", fraction.lines().next().unwrap());
    let error = parsed(&mixed, &ALL).unwrap_err();
    assert!(error.starts_with(":4: ") && error.contains("`unit: s`"), "{error}");
    assert!(parsed(&mixed, &stated).is_ok());
}

#[test]
fn a_file_of_any_form_is_read_if_its_columns_are_named() {
    let columns = |time: &str, prompt: &str, completion: &str| TraceOptions {
        columns: Some(TraceColumns {
            time: time.into(),
            prompt: prompt.into(),
            completion: completion.into(),
        }),
        ..ALL
    };
    let csv = "time,status,prompt tokens,completion tokens,total tokens\n\
               2025-10-28T10:15:30.123Z,200,150,75,225\n2025-10-28T12:15:31.123+02:00,200,10,0,10\n";
    let by_name = columns("time", "prompt tokens", "completion tokens");
    let read = trace(csv, &by_name).unwrap();
    assert_eq!(*read.rows, [row(0, 150, 75), row(1_000_000_000, 10, 0)], "an offset is honoured");
    assert_eq!((read.recorded.unit, read.recorded.without_completion), (None, 1));
    let error = parsed(csv, &columns("when", "prompt tokens", "completion tokens")).unwrap_err();
    assert_eq!(error, ":1: the header has no column `when`");
    let lines = "{\"startTime\": \"2026-08-06T14:30:00+00:00\", \"prompt_tokens\": 7, \"completion_tokens\": 17}\n\
                 {\"startTime\": \"2026-08-06T14:30:02+00:00\", \"prompt_tokens\": 8, \"completion_tokens\": 9}\n";
    let by_name = columns("startTime", "prompt_tokens", "completion_tokens");
    assert_eq!(parsed(lines, &by_name).unwrap(), [row(0, 7, 17), row(2_000_000_000, 8, 9)]);
}

/// Dates count from 1970: beside plain seconds, they would make a trace of fifty years.
#[test]
fn dates_and_numbers_in_one_trace_are_an_error() {
    let options = TraceOptions {
        columns: Some(TraceColumns { time: "t".into(), prompt: "p".into(), completion: "c".into() }),
        ..ALL
    };
    let (date, number) = ("2025-10-28T10:15:30Z", "12.5");
    for (first, second, expected) in [
        (date, number, "the times before are dates, and this one is a number"),
        (number, date, "the times before are numbers, and this one is a date"),
    ] {
        let json = |time: &str| if time == number { time.to_owned() } else { format!("\"{time}\"") };
        let csv = format!("t,p,c\n{first},1,1\n{second},1,1\n");
        let line = |time: &str| format!("{{\"t\": {}, \"p\": 1, \"c\": 1}}\n", json(time));
        for (text, at) in [(csv, ":3: "), (line(first) + &line(second), ":2: ")] {
            let error = parsed(&text, &options).unwrap_err();
            assert!(error.starts_with(at) && error.contains(expected), "{error}");
        }
    }
}
