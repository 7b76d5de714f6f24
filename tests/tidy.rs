//! The house kept tidy: who may import whom, what may stand in the source, and how long a file may be.
//! These are rules that a reader relies on and a compiler does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up: a module imports only from lower ones.
const FLOORS: [&[&str]; 8] = [
    &["ids", "formatting", "problem", "stats"],
    &["event", "job"],
    &["scenario"],
    &["engine", "load", "ceiling"],
    &["drive", "record"],
    &["planner", "regression", "report", "explain"],
    &["cli"],
    &["main"],
];

/// The stairs within a floor. Drivers feed the folds; a report shows what the planner found.
const STAIRS: [(&str, &str); 2] = [("drive", "record"), ("report", "planner")];

/// All that the engine knows of the world: time, chance, and the words that stand on the wire. No truth, no
/// ruling, no provider (law 13).
const ENGINE_IMPORTS: [&str; 16] = [
    "Axis",
    "Instant",
    "Nanos",
    "Stream",
    "Usage",
    "random",
    "calendar::UnixTime",
    "calendar::parse_decimal",
    "decision::LimitView",
    "decision::LimitsView",
    "decision::Remaining",
    "window::Bucket",
    "meter::Charge",
    "config::CachedTokens",
    "config::Dialect",
    "config::DEFAULT_MAX_TOKENS",
];

/// Where the network and its runtime may be named.
const ONLINE: [&str; 8] = [
    "src/drive/attempt.rs",
    "src/drive/live.rs",
    "src/drive/local.rs",
    "src/cli/mock.rs",
    "src/cli/run.rs",
    "mock/src/server/",
    "mock/benches/",
    "src/gateway/",
];

/// The most lines of a file, its unit tests not counted.
const LINES: usize = 400;

/// Files that are longer, as measured, and why: one list of fields.
const LONGER: [(&str, usize); 1] = [("src/record/summary.rs", 482)];

/// What no source may hold.
const FORBIDDEN: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
    concat!("#[al", "low("),
    concat!("#![al", "low("),
];

/// Places of somebody's machine, which mean nothing on another.
const MACHINE: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// A file of the repository.
struct Page {
    /// From the top of the repository, with forward slashes.
    path: String,
    text: String,
}

impl Page {
    /// The code without its comments and its unit tests.
    fn code(&self) -> String {
        let lines = self.source().lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// Everything above the unit tests.
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

/// Every text of the repository: not what is built, written by runs, or kept by git itself.
fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    let mut folders = vec![top().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
            if entry.is_dir() && !["target", "out", ".git"].contains(&name.as_str()) {
                folders.push(entry);
            } else if entry.is_file() && name != ".git" {
                found.extend(page(&entry));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// A file as text; nothing where it is none.
fn page(path: &PathBuf) -> Option<Page> {
    let text = String::from_utf8(fs::read(path).expect("a readable file")).ok()?;
    let path =
        path.strip_prefix(top()).expect("below the top").to_str().expect("a plain name").replace('\\', "/");
    Some(Page { path, text })
}

fn sources() -> impl Iterator<Item = Page> {
    pages().into_iter().filter(|page| page.path.ends_with(".rs"))
}

/// Paths that `code` names below `root`, two segments deep: `window::Bucket`, `Axis`.
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

/// The names at the start of `text`: `a::B`, or each of `{a, b::C}`.
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

fn floor(module: &str) -> usize {
    let floor = FLOORS.iter().position(|floor| floor.contains(&module));
    floor.unwrap_or_else(|| panic!("`{module}` has no floor: give it one in tests/tidy.rs"))
}

#[test]
fn a_module_imports_only_from_lower_floors() {
    let mut seen = BTreeSet::new();
    for page in sources().filter(|page| !page.is_test()) {
        let Some(path) = page.path.strip_prefix("src/").filter(|path| *path != "lib.rs") else { continue };
        let module = path.split('/').next().and_then(|part| part.split('.').next()).expect("a module");
        seen.insert(module.to_owned());
        let roots = names(&page.code(), "crate::").into_iter().chain(names(&page.code(), "quotalab::"));
        for name in roots {
            let other = name.split("::").next().expect("a name");
            let below = floor(other) < floor(module) || other == module || STAIRS.contains(&(module, other));
            assert!(below, "{} imports {name}, which is not below `{module}`", page.path);
        }
    }
    let known: BTreeSet<_> = FLOORS.into_iter().flatten().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, known, "every module has a floor and every floor its modules");
}

#[test]
fn the_engine_never_sees_the_truth() {
    for page in sources().filter(|page| page.path.starts_with("src/engine/")) {
        let code = page.code();
        for name in names(&code, "provider::") {
            assert!(ENGINE_IMPORTS.contains(&name.as_str()), "{} imports provider::{name}", page.path);
        }
        for word in ["Truth", "Arrival", "DecisionReport", "Verdict::Admitted"] {
            assert!(!code.contains(word), "{} speaks of {word}", page.path);
        }
    }
}

#[test]
fn the_provider_is_pure_below_its_server() {
    for page in sources()
        .filter(|page| page.path.starts_with("mock/src/") && !page.path.starts_with("mock/src/server/"))
    {
        let code = page.code();
        assert!(
            names(&code, "crate::").iter().all(|name| !name.starts_with("server")),
            "{} knows of the server",
            page.path
        );
    }
}

#[test]
fn the_network_is_named_only_where_it_is_used() {
    for page in sources().filter(|page| !page.is_test() && !page.path.starts_with("benches/")) {
        if ONLINE.iter().any(|online| page.path.starts_with(online)) {
            continue;
        }
        let code = page.code();
        for word in ["tokio", "hyper", "hyper_util", "axum", "std::net"] {
            let named =
                !names(&code, &format!("{word}::")).is_empty() || code.contains(&format!("use {word};"));
            assert!(!named, "{} names {word}", page.path);
        }
    }
}

#[test]
fn files_are_short() {
    let long: Vec<_> = sources()
        .map(|page| (page.source().lines().count(), page.path))
        .filter(|(lines, path)| *lines > allowed(path))
        .collect();
    assert!(long.is_empty(), "more than {LINES} lines: {long:?}");
}

fn allowed(path: &str) -> usize {
    LONGER.iter().find(|(longer, _)| *longer == path).map_or(LINES, |(_, lines)| *lines)
}

#[test]
fn nothing_is_unfinished_silenced_or_bound_to_a_machine() {
    for page in pages() {
        let at = |word: &str| page.text.lines().position(|line| line.contains(word)).map(|line| line + 1);
        for word in MACHINE {
            assert!(at(word).is_none(), "{}:{} names `{word}`", page.path, at(word).unwrap_or(0));
        }
        for word in FORBIDDEN.iter().filter(|_| page.path.ends_with(".rs")) {
            assert!(at(word).is_none(), "{}:{} holds `{word}`", page.path, at(word).unwrap_or(0));
        }
    }
}

#[test]
fn every_source_says_what_it_is() {
    for page in sources() {
        assert!(page.text.starts_with("//! "), "{} opens with what it is", page.path);
    }
}

#[test]
fn every_cause_is_told_by_some_test() {
    let event = sources().find(|page| page.path == "src/event.rs").expect("the words of a run");
    let tests: String = sources().filter(Page::is_test).map(|page| page.text).collect();
    let causes = event
        .text
        .split("pub enum LimitCause {")
        .nth(1)
        .and_then(|rest| rest.split("\n}").next())
        .expect("causes");
    let causes: Vec<_> = causes.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
    assert!(causes.len() > 8, "{causes:?}");
    for cause in causes {
        let word: String = cause.chars().flat_map(spaced).collect();
        assert!(tests.contains(&format!("\"{}\"", word.trim_start_matches('_'))), "no test tells `{cause}`");
    }
}

fn spaced(c: char) -> impl Iterator<Item = char> {
    c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase())
}
