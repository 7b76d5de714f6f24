//! Checks the documentation: the command line accepts every command that is shown, and every file that is named exists.

use clap::CommandFactory as _;
use quotalab::cli::Cli;
use std::fs;
use std::path::Path;

/// The pages that are checked.
const PAGES: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "mock/README.md", "docs/scenario.md", "docs/gateway.md"];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(top().join(page)).unwrap_or_else(|wrong| panic!("{page}: {wrong}"))
}

/// Returns the lines of all code blocks, joined where they end in a backslash.
fn code_lines(text: &str) -> Vec<String> {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        inside && !fence
    });
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().map(|line| line.trim().trim_start_matches("$ ").to_owned()).collect()
}

/// Returns the arguments of each call of quotalab in a line; a pipe may have several.
fn commands(line: &str) -> impl Iterator<Item = Vec<String>> {
    line.split(" | ").filter_map(arguments)
}

/// Splits a command into words as a shell does, up to the first redirection or comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | '&' | ';') => break,
            (None, '#') if word.is_none() => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Returns the arguments of a line that calls quotalab, by its name or through cargo; `None` for other commands.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words = words(line);
    let by_name = words.first().is_some_and(|first| first == "quotalab" || first.ends_with("/quotalab"));
    let through_cargo = words.starts_with(&["cargo".into(), "run".into()]);
    let from =
        if by_name { 1 } else { words.iter().position(|word| word == "--").filter(|_| through_cargo)? + 1 };
    Some(words[from..].to_vec())
}

#[test]
fn every_command_of_the_pages_is_understood() {
    let mut checked = 0;
    for page in PAGES {
        for line in code_lines(&read(page)) {
            for arguments in commands(&line) {
                checked += 1;
                let all = std::iter::once("quotalab".to_owned()).chain(arguments);
                if let Err(wrong) = Cli::command().try_get_matches_from(all) {
                    assert!(!wrong.use_stderr(), "{page}: `{line}`: {wrong}");
                }
            }
        }
    }
    assert!(checked >= 6, "the pages show the verbs: {checked} commands");
}

#[test]
fn every_verb_is_shown_in_the_readme() {
    let lines = code_lines(&read("README.md"));
    let shown: Vec<_> =
        lines.iter().flat_map(|line| commands(line)).filter_map(|words| words.first().cloned()).collect();
    for verb in Cli::command().get_subcommands() {
        assert!(shown.iter().any(|word| word == verb.get_name()), "`{}` is not shown", verb.get_name());
    }
}

#[test]
fn every_file_that_the_pages_name_is_there() {
    for page in PAGES {
        let text = read(page);
        let beside = top().join(page).parent().expect("a folder").to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(beside.join(link).exists(), "{page} links to {link}");
        }
        // Paths below one of the folders listed here, anywhere in the text. `*`, `<` and `{` begin a pattern: then the folder
        // must exist.
        for word in text.split(|c: char| c.is_whitespace() || "`()[]\"',;".contains(c)) {
            let path = word.trim_end_matches(['.', ':']).split(['*', '<', '{', '#']).next().unwrap_or(word);
            let local = ["scenarios/", "src/", "tests/", "mock/", "benches/", ".ci/"]
                .iter()
                .any(|folder| path.starts_with(folder));
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let is_pattern = word.contains(['*', '<', '{']);
            let exists = top().join(path).exists() || (is_pattern && top().join(folder).exists());
            assert!(!local || exists, "{page} names {path}");
        }
    }
}

#[test]
fn the_main_command_is_what_ci_runs() {
    let text = read("README.md");
    let (_, block) = text.split_once("```sh\n").expect("the commands are in a block of `sh`");
    let block = block.split("```").next().unwrap_or(block);
    assert!(block.contains("cargo run -- run scenarios/"), "{block}");
    assert!(text.contains("cargo test"));
    assert!(read(".ci/run").contains("README.md"), "CI runs the commands of the page");
}
