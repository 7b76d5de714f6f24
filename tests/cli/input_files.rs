//! Input files: only regular files of a bounded size and pipes that the shell opened are read. An error about a file that is
//! not a trace contains no part of the file.

use super::{Output, SHORT, arg, quotalab, scratch};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MOONCAKE_ROW: &str = "{\"timestamp\":0,\"input_length\":9,\"output_length\":2}\n";

/// Checks a scenario in `folder` that replays `trace`.
fn check_trace(folder: &Path, trace: &str) -> Output {
    let path = folder.join("s.yaml");
    fs::write(
        &path,
        format!(
            "providers: {{ p: {{ models: {{ m: {{}} }} }} }}\nroutes: {{ r: [{{ of: [p/default/m] }}] }}\n\
             workload: [{{ name: w, arrivals: {{ trace: {trace} }} }}]\n"
        ),
    )
    .expect("a writable folder");
    quotalab(&["check", arg(&path)])
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path
}

fn gzip(path: &Path, content: impl Fn(&mut dyn std::io::Write)) {
    let mut encoder = GzEncoder::new(fs::File::create(path).expect("a writable folder"), Compression::fast());
    content(&mut encoder);
    encoder.finish().expect("the file is written");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_wherever_a_file_is_read() {
    let folder = scratch("devices");
    let fifo = fifo(&folder);
    for file in ["/dev/zero", arg(&fifo), arg(&folder)] {
        for args in [
            &["check", file][..],
            &["report", file],
            &["report", file, file],
            &["test", SHORT, "--baseline", file],
            &["explain", file],
        ] {
            let output = quotalab(args);
            assert_eq!((output.code, output.out.as_str()), (2, ""), "{args:?}: {output:?}");
            assert!(output.err.contains("it is "), "{args:?}: {}", output.err);
        }
        let output = check_trace(&folder, file);
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.err.contains("it is "), "{}", output.err);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_that_the_shell_opened_is_read() {
    let scenario = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(SHORT)).unwrap();
    let output = super::quotalab_reading(&["check", "/dev/stdin"], &scenario);
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn an_error_contains_no_part_of_a_file_that_is_not_a_trace() {
    let folder = scratch("secrets");
    for (name, text) in [
        ("shadow", "root:$6$SECRET:0:0:root:/root:/bin/bash\n"),
        ("credentials.json", "{\"timestamp\": \"SECRET\", \"client_secret\": \"SECRET\"}\n"),
        ("token.json", "{\"SECRET\": 1}\n"),
        ("broken.json", "{\"timestamp\": SECRET\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let output = check_trace(&folder, name);
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.err.contains(&format!("{name}:1: expected ")), "{}", output.err);
        assert!(!output.err.contains("SECRET"), "{}", output.err);
    }
    // If the first row is one of a trace, the error shows the wrong value of a later row.
    fs::write(folder.join("t.json"), format!("{MOONCAKE_ROW}{{\"timestamp\": \"x\"}}\n")).unwrap();
    let output = check_trace(&folder, "t.json");
    assert!(
        output.err.contains("t.json:2: ") && output.err.contains("is neither a number nor a date"),
        "{}",
        output.err
    );
}

#[test]
fn a_small_compressed_file_with_a_long_row_is_refused() {
    let folder = scratch("long-rows");
    let spaces = vec![b' '; 1 << 20];
    let long = |start: &'static [u8]| {
        let spaces = &spaces;
        move |out: &mut dyn std::io::Write| {
            out.write_all(start).unwrap();
            (0..64).for_each(|_| out.write_all(spaces).unwrap());
        }
    };
    gzip(&folder.join("header.gz"), long(b""));
    gzip(
        &folder.join("quoted.gz"),
        long(b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-01-01 00:00:00,\"1"),
    );
    gzip(&folder.join("json.gz"), long(MOONCAKE_ROW.as_bytes()));
    for name in ["header.gz", "quoted.gz", "json.gz"] {
        let output = check_trace(&folder, name);
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.err.contains("a row is longer than 1 MiB"), "{name}: {}", output.err);
    }
}

#[test]
fn what_ifs_are_bounded_and_do_not_read_the_trace_again() {
    let folder = scratch("what-ifs");
    fs::write(folder.join("t.json"), MOONCAKE_ROW.repeat(200_000)).unwrap();
    let scenario = |number: usize| {
        let what_ifs: String = (0..number)
            .map(|index| {
                format!(
                    "  - {{ name: w{index}, set: {{ providers.p.models.m.limits.rpm: {} }} }}\n",
                    index + 1
                )
            })
            .collect();
        format!(
            "providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 10 }} }} }} }} }}\nroutes: {{ r: [{{ of: [p/default/m] }}] }}\n\
             workload: [{{ name: w, arrivals: {{ trace: t.json }} }}]\nwhat_if:\n{what_ifs}"
        )
    };
    let load = |number| {
        let path = folder.join("s.yaml");
        fs::write(&path, scenario(number)).unwrap();
        quotalab::scenario::read(&path, &quotalab::scenario::Overrides::default())
    };
    let scenario = load(64).unwrap();
    let rows = |scenario: &quotalab::scenario::Scenario| match &scenario.workloads[0].arrivals {
        quotalab::scenario::Arrivals::Trace { rows, .. } => std::sync::Arc::as_ptr(rows),
        other => panic!("no trace: {other:?}"),
    };
    for what_if in &scenario.what_if {
        assert_eq!(rows(&what_if.scenario), rows(&scenario), "{} has read the trace again", what_if.name);
    }
    let problems = load(65).unwrap_err();
    assert!(problems.to_string().contains("at most 64"), "{problems}");
}
