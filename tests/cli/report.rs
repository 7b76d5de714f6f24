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

#[test]
fn large_numbers_are_read_and_written_without_loss() {
    let folder = scratch("large");
    let sim = quotalab(&["sim", SHORT, "--quiet", "--json", "--out", arg(&folder)]);
    let path = folder.join("large.json");
    for number in ["1000000000000.0001", "0.1", "123456789.12345679", "9007199254740993.0"] {
        let number: f64 = number.parse().unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&sim.out).unwrap();
        value["cost_usd"] = number.into();
        let text = serde_json::to_string(&value).unwrap();
        fs::write(&path, &text).unwrap();
        let report = quotalab(&["report", arg(&path), "--json"]);
        assert_eq!(report.json()["cost_usd"].as_f64(), Some(number), "{}", report.err);
        fs::write(&path, &report.out).unwrap();
        assert_eq!(quotalab(&["report", arg(&path), "--json"]).out, report.out);
    }
}

#[test]
fn charts_are_xml_whatever_a_name_contains() {
    let folder = scratch("names");
    let scenario = folder.join("s.yaml");
    let text = "providers: {g: {models: {\"m\\uFFFE<&\": {limits: {rpm: 30}}}}}\n\
                routes: {r: [{of: [\"g/default/m\\uFFFE<&\"]}]}\n\
                workload: [{name: \"w\\uFFFF\", arrivals: {constant: 1/s}, prompt: 1}]\n";
    fs::write(&scenario, text).unwrap();
    let sim = quotalab(&["sim", arg(&scenario), "--out", arg(&folder)]);
    assert!(sim.code < 2, "{}", sim.err);
    let mut charts = 0;
    for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "svg") {
            let svg = fs::read_to_string(&file).unwrap();
            assert!(!svg.contains(['\u{fffe}', '\u{ffff}']), "{}", file.display());
            assert_eq!(crate::report::xml::first_error(&svg), None, "{}", file.display());
            charts += 1;
        }
    }
    assert!(charts > 3, "{charts} charts");
}
