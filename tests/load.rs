//! Reads recorded traces and compares row counts, spans and means with those of an independent reading.
//! The files are not part of the repository; the test skips those that are absent.

use provider::Nanos;
use quotalab::scenario::trace::{TraceOptions, read};
use std::path::Path;

/// All rows at their recorded times.
const ALL: TraceOptions =
    TraceOptions { columns: None, unit: None, kept_share: 1.0, speed: 1.0, seed: 7, end: None };

/// A trace, and what an independent reading found in it.
struct Known {
    file: &'static str,
    rows: usize,
    span_s: f64,
    /// Means, in tokens.
    mean_prompt: f64,
    mean_completion: f64,
    /// The longest prompt and the longest completion, in tokens.
    longest: (u32, u32),
}

const KNOWN: [Known; 4] = [
    Known {
        file: "azure_llm_2023_conv.csv.gz",
        rows: 19_366,
        span_s: 3501.7,
        mean_prompt: 1155.0,
        mean_completion: 211.0,
        longest: (14_050, 1_000),
    },
    Known {
        file: "azure_llm_2023_code.csv.gz",
        rows: 8_819,
        span_s: 3435.9,
        mean_prompt: 2048.0,
        mean_completion: 28.0,
        longest: (7_437, 1_899),
    },
    Known {
        file: "mooncake_fast25_conversation.jsonl.gz",
        rows: 12_031,
        span_s: 3537.0,
        mean_prompt: 12_035.0,
        mean_completion: 343.0,
        longest: (126_195, 2_000),
    },
    Known {
        file: "mooncake_fast25_synthetic.jsonl.gz",
        rows: 3_993,
        span_s: 1022.0,
        mean_prompt: 15_325.0,
        mean_completion: 149.0,
        longest: (191_378, 893),
    },
];

#[test]
fn recorded_traces_have_the_known_rows_and_means() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    for known in KNOWN {
        let path = folder.join(known.file);
        if !path.exists() {
            println!("skipped: {} is absent", known.file);
            continue;
        }
        let rows = read(&path, &ALL).unwrap().rows;
        assert_eq!(rows.len(), known.rows, "{}", known.file);
        assert!(rows.is_sorted_by_key(|row| row.at));
        assert_eq!(rows[0].at.0, 0);
        let mean = |size: &dyn Fn(usize) -> u32| {
            (0..rows.len()).map(|row| f64::from(size(row))).sum::<f64>() / rows.len() as f64
        };
        let near = |actual: f64, known: f64, tolerance: f64| {
            assert!((actual - known).abs() <= tolerance, "{actual} is not {known}");
        };
        near(rows[rows.len() - 1].at.as_secs_f64(), known.span_s, 0.06);
        near(mean(&|row| rows[row].prompt_tokens), known.mean_prompt, 0.51);
        near(mean(&|row| rows[row].completion_tokens), known.mean_completion, 0.51);
        let max = |size: &dyn Fn(usize) -> u32| (0..rows.len()).map(size).max();
        assert_eq!(max(&|row| rows[row].prompt_tokens), Some(known.longest.0));
        assert_eq!(max(&|row| rows[row].completion_tokens), Some(known.longest.1));

        // A share of 0.5 and speed 2 within ten minutes: about half of the rows of the first twenty minutes.
        let end = Some(Nanos::MINUTE * 10);
        let part = read(&path, &TraceOptions { kept_share: 0.5, speed: 2.0, end, ..ALL }).unwrap().rows;
        let whole = rows.partition_point(|row| row.at.0 < Nanos::MINUTE.0 * 20) as f64;
        near(part.len() as f64, whole / 2.0, 3.0 * (whole / 4.0).sqrt());
    }
}
