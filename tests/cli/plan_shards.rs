//! `quotalab plan` in several processes: what each writes, and what a merge refuses.

use super::*;

/// A plan of a few hundred short runs.
const SCENARIO: &str = "scenarios/02-tpm-wall.yaml";
const OPTIONS: [&str; 6] = ["plan", SCENARIO, "--for", "10m", "--replicas", "2"];

fn plan(more: &[&str]) -> Output {
    quotalab(&[&OPTIONS[..], more].concat())
}

fn make_shard(shard: &str, folder: &Path) -> Output {
    plan(&["--shard", shard, "--out", arg(folder)])
}

fn merge(folder: &Path, out: &Path, more: &[&str]) -> Output {
    plan(&[&["--merge", arg(folder), "--out", arg(out), "--quiet"], more].concat())
}

/// Makes every round in two shards. Returns the last merge.
fn all_rounds(folder: &Path, out: &Path) -> Output {
    for _ in 0..100 {
        for shard in ["1/2", "0/2"] {
            let made = make_shard(shard, folder);
            assert_eq!(made.code, 0, "{}", made.err);
        }
        let merged = merge(folder, out, &[]);
        if merged.code != 4 {
            return merged;
        }
        assert_eq!(merged.out, "");
    }
    panic!("a plan has few rounds")
}

#[test]
fn the_plan_of_two_processes_has_the_bytes_of_one() {
    let folder = scratch("plan-shards");
    let (parts, merged, whole) = (folder.join("parts"), folder.join("merged"), folder.join("whole"));
    let last = all_rounds(&parts, &merged);
    let alone = plan(&["--out", arg(&whole), "--quiet"]);
    assert_eq!((last.code, last.out), (alone.code, alone.out));
    for file in ["plan.json", "plan.html", "curve.svg"] {
        let read =
            |folder: &Path| fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read(&merged), read(&whole), "{file}");
    }
    // What is there is not made again.
    let again = make_shard("0/2", &parts);
    assert!(again.code == 0 && again.err.contains("is there: "), "{}", again.err);
}

#[test]
fn a_merge_names_what_is_missing_doubled_or_foreign() {
    let folder = scratch("plan-shards-refused");
    let (parts, out) = (folder.join("parts"), folder.join("plan"));
    let empty = merge(&folder, &out, &[]);
    assert!(empty.code == 2 && empty.err.contains("has no shards of a plan"), "{}", empty.err);
    assert_eq!(make_shard("1/3", &parts).code, 0);
    let missing = merge(&parts, &out, &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("missing: shards 0/3, 2/3 of round 1"), "{}", missing.err);
    let partial = merge(&parts, &out, &["--allow-partial"]);
    assert_eq!(partial.code, 3, "without the present load there is no plan");
    assert!(
        partial.err.contains("shards are missing without which the ceiling cannot be found"),
        "{}",
        partial.err
    );

    let part = parts.join("round-01-shard-1-of-3.json");
    let copy = parts.join("round-01-shard-9-of-3.json");
    fs::copy(&part, &copy).unwrap();
    let doubled = merge(&parts, &out, &[]);
    assert!(doubled.err.contains("are both shard 1/3 of round 1"), "{}", doubled.err);
    fs::remove_file(copy).unwrap();

    let foreign = quotalab(&["plan", SCENARIO, "--for", "11m", "--replicas", "2", "--merge", arg(&parts)]);
    assert_eq!(foreign.code, 2);
    assert!(foreign.err.contains("is of another plan: another scenario, other options"), "{}", foreign.err);

    fs::write(&part, "{}").unwrap();
    let broken = merge(&parts, &out, &[]);
    assert!(
        broken.code == 2 && broken.err.contains("round-01-shard-1-of-3.json: not a part"),
        "{}",
        broken.err
    );
}

#[test]
fn the_shard_comes_from_the_scheduler_if_it_is_env() {
    let folder = scratch("plan-shards-env");
    let args = [&OPTIONS[..], &["--shard", "env", "--out", arg(&folder)]].concat();
    let pod = quotalab_with(&[("JOB_COMPLETION_INDEX", "1"), ("QUOTALAB_SHARDS", "2")], &args);
    assert_eq!(pod.code, 0, "{}", pod.err);
    assert!(folder.join("round-01-shard-1-of-2.json").exists());
    let without = quotalab_with(&[("JOB_COMPLETION_INDEX", "1")], &args);
    assert!(without.code == 2 && without.err.contains("set QUOTALAB_SHARDS"), "{}", without.err);
    let beyond = make_shard("2/2", &folder);
    assert!(beyond.code == 2 && beyond.err.contains("numbered from 0"), "{}", beyond.err);
}

#[test]
fn the_runs_of_a_round_are_listed_without_being_made() {
    let folder = scratch("plan-shards-list");
    let list = folder.join("runs.jsonl");
    let listed = plan(&["--list-runs", arg(&list)]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    let lines: Vec<Value> =
        fs::read_to_string(&list).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["changes"] == serde_json::json!([]) && line["multiple"] == 1.0));
    // A process finds the same list.
    assert_eq!(make_shard("0/1", &folder).code, 0);
    assert_eq!(fs::read(&list).unwrap(), fs::read(folder.join("round-01.jsonl")).unwrap());
    for (conflicting, word) in [("--time-limit", "5s"), ("--merge", "x")] {
        let refused = plan(&["--shard", "0/1", "--out", arg(&folder), conflicting, word]);
        assert!(refused.code == 2 && refused.err.contains("cannot be used with"), "{}", refused.err);
    }
}
