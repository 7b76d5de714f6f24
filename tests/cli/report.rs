//! `report`: renders a result again, or compares several.

use super::{SHORT, arg, quotalab, scratch};
use std::fs;

#[test]
fn a_result_is_rendered_again_with_the_same_bytes() {
    let folder = scratch("again");
    let (first, second) = (folder.join("first"), folder.join("second"));
    let sim = quotalab(&["sim", SHORT, "--quiet", "--out", arg(&first)]);
    let result = first.join("result.json");
    let report = quotalab(&["report", arg(&result), "--quiet", "--out", arg(&second)]);
    assert_eq!((report.code, &report.out, report.err.as_str()), (0, &sim.out, ""));
    for file in fs::read_dir(&first).unwrap() {
        let name = file.unwrap().file_name();
        assert_eq!(fs::read(first.join(&name)).unwrap(), fs::read(second.join(&name)).unwrap(), "{name:?}");
    }
    let json = quotalab(&["report", arg(&result), "--json"]);
    assert_eq!(json.out.trim_end(), fs::read_to_string(&result).unwrap().trim_end());
}

#[test]
fn several_results_are_compared() {
    let folder = scratch("several");
    let result = |name: &str, seed: &str| {
        let out = folder.join(name);
        assert_eq!(quotalab(&["sim", SHORT, "--seed", seed, "--out", arg(&out)]).code, 0);
        out.join("result.json")
    };
    let (one, two) = (result("one", "1"), result("two", "2"));
    let report = quotalab(&["report", arg(&one), arg(&two), "--out", arg(&folder.join("both"))]);
    assert_eq!(report.code, 0, "{}", report.err);
    // Paths may be shortened as long as they differ.
    assert!(report.out.contains("one") && report.out.contains("two"), "{}", report.out);
    assert!(folder.join("both/report.html").exists());
    let json = quotalab(&["report", arg(&one), arg(&two), "--json"]).json();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_file_that_is_not_a_result_is_exit_2() {
    let folder = scratch("none");
    let other = folder.join("other.json");
    fs::write(&other, r#"{"schema":"quotalab/result/99"}"#).unwrap();
    let missing = folder.join("missing.json");
    for (path, words) in [
        (SHORT, "is not a result"),
        (arg(&other), "is not a result"),
        (arg(&missing), "cannot be read"),
        (arg(&folder), "cannot be read"),
    ] {
        let output = quotalab(&["report", path, "--out", arg(&folder.join("out"))]);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{output:?}");
        assert!(output.err.contains(words) && output.err.contains(path), "{}", output.err);
        assert!(!folder.join("out").exists());
    }
}
