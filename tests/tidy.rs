//! Rules about the source tree that a reader relies on and the compiler does not check: imports between layers, the
//! length of files, module comments, and text that no file may contain.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from the lowest: a module imports only from lower ones. ARCHITECTURE.md shows the same table.
const LAYERS: [&[&str]; 8] = [
    &["ids", "api_keys", "formatting", "input_file", "problem", "shard", "stats", "xml"],
    &["event", "job"],
    &["scenario"],
    &["engine", "load", "ceiling"],
    &["drive", "record"],
    &["planner", "regression", "report", "explain", "gateway"],
    &["cli"],
    &["main"],
];

/// Imports allowed within a layer: drivers feed the folds; a report renders what the planner found.
const EXCEPTIONS: [(&str, &str); 2] = [("drive", "record"), ("report", "planner")];

/// What the engine may import from the provider model: time, random streams, what is visible on the wire, how a call is
/// charged, and the arithmetic of a token bucket, but no ground truth, no decision and no provider (law 13).
const ENGINE_IMPORTS: [&str; 18] = [
    "Axis",
    "Instant",
    "Nanos",
    "RandomStream",
    "Usage",
    "random",
    "calendar::LocalClock",
    "calendar::UnixTime",
    "calendar::parse_decimal",
    "decision::HeaderLimit",
    "decision::HeaderLimits",
    "decision::HeaderRemaining",
    "window::Bucket",
    "meter::Charge",
    "axis::Quantity",
    "config::TokenCounting",
    "config::Dialect",
    "config::DEFAULT_MAX_TOKENS",
];

/// The files and folders that may name tokio, hyper, axum and std::net.
const NETWORK_FILES: [&str; 20] = [
    "src/drive/attempt.rs",
    "src/drive/connections",
    "src/drive/endpoint/",
    "src/drive/https.rs",
    "src/drive/live.rs",
    "src/drive/live/",
    "src/drive/mock_process",
    "src/drive/reply_reader.rs",
    "src/drive/request_body.rs",
    "src/drive/secret.rs",
    "src/drive/local.rs",
    "src/gateway/",
    "src/cli/gateway",
    "src/cli/interrupt.rs",
    "src/cli/listen.rs",
    "src/cli/mock/",
    "src/cli/run.rs",
    "src/scenario/resolved/upstream.rs",
    "mock/src/server/",
    "mock/benches/",
];

/// The maximum number of lines of a file, without its unit tests.
const MAX_LINES: usize = 400;

/// Text that no source file may contain.
const FORBIDDEN: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
    concat!("#[al", "low("),
    concat!("#![al", "low("),
];

/// Absolute paths of one machine.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// Words that are not standard terms and were replaced; see CONTRIBUTING.md, "How we write".
const BANNED_WORDS: [&str; 13] = [
    concat!("who", "ever"),
    concat!("rec", "kon"),
    concat!("hee", "ds "),
    concat!("beq", "ueath"),
    concat!("lou", "dest"),
    concat!("so-", "many"),
    concat!("un", "well"),
    concat!("spo", "ilt"),
    concat!(" he", "irs"),
    concat!("in the wor", "ld's"),
    concat!("stands", " by"),
    concat!("tell", "s of"),
    concat!("nob", "ody"),
];

/// A file of the repository.
struct TextFile {
    /// The path from the top of the repository, with forward slashes.
    path: String,
    text: String,
}

impl TextFile {
    /// Returns the code without comments and unit tests.
    fn code(&self) -> String {
        let lines = self.source().lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// Returns everything above the unit tests.
    fn source(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&self.text)
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every text file of the repository, without build output, results of runs, and git's own files.
fn files() -> Vec<TextFile> {
    let mut found = Vec::new();
    let mut folders = vec![top().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
            if entry.is_dir() && !["target", "out", ".git"].contains(&name.as_str()) {
                folders.push(entry);
            } else if entry.is_file() && name != ".git" {
                found.extend(read(&entry));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Reads a file; `None` if it is not UTF-8.
fn read(path: &PathBuf) -> Option<TextFile> {
    let text = String::from_utf8(fs::read(path).expect("a readable file")).ok()?;
    let path =
        path.strip_prefix(top()).expect("below the top").to_str().expect("a plain name").replace('\\', "/");
    Some(TextFile { path, text })
}

fn sources() -> impl Iterator<Item = TextFile> {
    files().into_iter().filter(|file| file.path.ends_with(".rs"))
}

/// Returns the paths below `root` that `code` names, down to the first segment that is not followed by `::` or is a type:
/// `window::Bucket`, `Axis`.
fn names<'a>(code: &'a str, root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest: &'a str = code;
    while let Some(at) = rest.find(root) {
        let whole_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        rest = &rest[at + root.len()..];
        if whole_word {
            names.extend(leaves(rest));
        }
    }
    names
}

/// Returns the path at the start of `text`, such as `a::B`, or each of a list, such as `{a, b::C}`.
fn leaves(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if let Some(list) = text.strip_prefix('{') {
        let list = list.split('}').next().unwrap_or(list);
        return list.split(',').map(str::trim).filter(|item| !item.is_empty()).flat_map(leaves).collect();
    }
    let first = word(text);
    match text[first.len()..].strip_prefix("::") {
        Some(below) if first.starts_with(char::is_lowercase) => {
            leaves(below).into_iter().map(|leaf| format!("{first}::{leaf}")).collect()
        }
        _ => vec![first],
    }
}

fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|modules| modules.contains(&module));
    layer.unwrap_or_else(|| panic!("`{module}` has no layer: add it to LAYERS in tests/tidy.rs"))
}

#[test]
fn modules_import_only_from_lower_layers() {
    let mut seen = BTreeSet::new();
    for file in sources().filter(|file| !file.is_test()) {
        let Some(path) = file.path.strip_prefix("src/").filter(|path| *path != "lib.rs") else { continue };
        let module = path.split('/').next().and_then(|part| part.split('.').next()).expect("a module");
        seen.insert(module.to_owned());
        let roots = names(&file.code(), "crate::").into_iter().chain(names(&file.code(), "quotalab::"));
        for name in roots {
            let other = name.split("::").next().expect("a name");
            let below =
                layer(other) < layer(module) || other == module || EXCEPTIONS.contains(&(module, other));
            assert!(below, "{} imports {name}, which is not below `{module}`", file.path);
        }
    }
    let known: BTreeSet<_> = LAYERS.into_iter().flatten().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, known, "every module is in LAYERS and every name in LAYERS is a module");
}

/// The drawing in ARCHITECTURE.md has a line for each layer: its number and its modules.
#[test]
fn the_drawn_layers_are_the_enforced_ones() {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).expect("a readable file");
    let drawn: Vec<_> = text.lines().filter_map(drawn_layer).collect();
    let expected: Vec<_> =
        LAYERS.iter().enumerate().rev().map(|(number, modules)| (number, modules.to_vec())).collect();
    assert_eq!(drawn, expected);
}

/// The number and modules of a line such as `4  drive  record`; `None` for any other line.
fn drawn_layer(line: &str) -> Option<(usize, Vec<&str>)> {
    let (number, modules) = line.split_once("  ")?;
    Some((number.parse().ok()?, modules.split_whitespace().collect()))
}

#[test]
fn sources_and_pages_contain_no_banned_word() {
    for file in files().into_iter().filter(|file| file.path.ends_with(".rs") || file.path.ends_with(".md")) {
        for (number, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let banned = BANNED_WORDS.iter().find(|word| lower.contains(**word));
            assert!(banned.is_none(), "{}:{}: {banned:?}: {line}", file.path, number + 1);
        }
    }
}

#[test]
fn the_engine_never_sees_the_ground_truth() {
    for file in sources().filter(|file| file.path.starts_with("src/engine/")) {
        let code = file.code();
        for name in names(&code, "provider::") {
            assert!(ENGINE_IMPORTS.contains(&name.as_str()), "{} imports provider::{name}", file.path);
        }
        for word in ["Truth", "Arrival", "DecisionReport", "Decision::Admitted"] {
            assert!(!code.contains(word), "{} names {word}", file.path);
        }
    }
}

#[test]
fn the_provider_model_does_not_import_its_server() {
    for file in sources()
        .filter(|file| file.path.starts_with("mock/src/") && !file.path.starts_with("mock/src/server/"))
    {
        let code = file.code();
        assert!(
            names(&code, "crate::").iter().all(|name| !name.starts_with("server")),
            "{} imports the server",
            file.path
        );
    }
}

#[test]
fn network_crates_are_named_only_in_the_listed_files() {
    for file in sources().filter(|file| !file.is_test() && !file.path.starts_with("benches/")) {
        if NETWORK_FILES.iter().any(|allowed| file.path.starts_with(allowed)) {
            continue;
        }
        let code = file.code();
        for word in ["tokio", "hyper", "hyper_util", "axum", "std::net"] {
            let named =
                !names(&code, &format!("{word}::")).is_empty() || code.contains(&format!("use {word};"));
            assert!(!named, "{} names {word}", file.path);
        }
    }
}

#[test]
fn files_are_short() {
    let long: Vec<_> = sources()
        .map(|file| (file.source().lines().count(), file.path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines: {long:?}");
}

#[test]
fn no_unfinished_code_silenced_lints_or_machine_paths() {
    for file in files() {
        let at = |word: &str| file.text.lines().position(|line| line.contains(word)).map(|line| line + 1);
        for word in MACHINE_PATHS {
            assert!(at(word).is_none(), "{}:{} names `{word}`", file.path, at(word).unwrap_or(0));
        }
        for word in FORBIDDEN.iter().filter(|_| file.path.ends_with(".rs")) {
            assert!(at(word).is_none(), "{}:{} contains `{word}`", file.path, at(word).unwrap_or(0));
        }
    }
}

/// A file name may contain a line feed and a command of a CI system: `formatting::path_name` makes it printable.
#[test]
fn file_names_are_made_printable_in_messages() {
    for file in sources().filter(|file| file.path.starts_with("src/")) {
        assert!(!file.source().contains(".display()"), "{}: write path_name(path)", file.path);
    }
}

#[test]
fn every_source_file_has_a_module_comment() {
    for file in sources() {
        assert!(file.text.starts_with("//! "), "{} does not begin with //!", file.path);
    }
}

#[test]
fn every_refusal_cause_occurs_in_some_test() {
    let event =
        sources().find(|file| file.path == "src/event.rs").expect("src/event.rs is in the repository");
    let tests: String = sources().filter(TextFile::is_test).map(|file| file.text).collect();
    let (_, methods) = event.text.split_once("impl RefusalCause {").expect("the causes have methods");
    let (_, names) = methods.split_once("fn name(self)").expect("the causes have names");
    let names = names.split("\n    }").next().expect("the end of the function");
    let names: Vec<_> = names.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("\"{name}\"")), "no test contains `{name}`");
    }
}

/// Names of types that are also names of dialects, which texts may contain.
const DIALECT_NAMES: [&str; 1] = ["DeepInfra"];

/// No string literal contains the name of a type of several words: a rename must not have changed a sentence for users.
#[test]
fn no_string_literal_names_a_type_of_several_words() {
    let is_compound = |name: &str| {
        let letters: Vec<char> = name.chars().collect();
        letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase())
    };
    let files: Vec<_> = sources().filter(|file| file.path.contains("src/")).collect();
    let mut types = BTreeSet::new();
    for line in files.iter().flat_map(|file| file.text.lines()) {
        for keyword in ["struct ", "enum ", "trait "] {
            let Some((before, after)) = line.split_once(keyword) else { continue };
            let name: String = after.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            if (before.trim().is_empty() || before.trim().starts_with("pub")) && is_compound(&name) {
                types.insert(name);
            }
        }
    }
    assert!(types.len() > 200, "the names of types are found: {}", types.len());
    for file in &files {
        let code = |line: &&str| !line.trim_start().starts_with("//") && !line.trim_start().starts_with("#[");
        for line in file.source().lines().filter(code) {
            let words = line
                .split('"')
                .skip(1)
                .step_by(2)
                .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
            for word in words.filter(|word| !DIALECT_NAMES.contains(word)) {
                assert!(!types.contains(word), "{}: `{word}` in {line}", file.path);
            }
        }
    }
}
