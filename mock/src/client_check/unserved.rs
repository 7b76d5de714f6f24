//! The requests of a journal whose paths are not served, such as those of a client with a wrong base URL.

use crate::journal::{Entry, JournalOutcome};
use std::collections::BTreeMap;
use std::fmt;

/// The requests whose paths are not served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnservedPaths {
    /// All of them.
    pub requests: u64,
    /// Those of them that look like calls of an API, by their method or by the end of their path. Others are GET, HEAD or OPTIONS of
    /// tools and browsers, which try whether a server runs or what it has.
    pub calls: u64,
    /// The number of requests by method and path, which are one text as [`cleaned`] returns it.
    by_method_and_path: BTreeMap<String, u64>,
}

/// Maximum number of paths that a report lists.
pub const MAX_PATHS: usize = 10;

/// Maximum number of characters of a listed method and path.
const MAX_CHARS: usize = 120;

impl UnservedPaths {
    /// Counts an entry if its path is not served.
    pub(super) fn add(&mut self, entry: &Entry) {
        if entry.outcome != JournalOutcome::UnservedPath {
            return;
        }
        let (method, path) =
            entry.method_and_path.as_ref().map_or(("", ""), |(method, path)| (&**method, &**path));
        self.requests += 1;
        self.calls += u64::from(is_call(method, path));
        *self.by_method_and_path.entry(cleaned(&format!("{method} {path}"))).or_default() += 1;
    }

    /// Adds the requests of another report.
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        for (path, requests) in &other.by_method_and_path {
            *self.by_method_and_path.entry(path.clone()).or_default() += requests;
        }
    }

    /// Returns the methods and paths with the most requests, in descending order, at most [`MAX_PATHS`], each with the number of
    /// its requests.
    #[must_use]
    pub fn most_requested(&self) -> Vec<(&str, u64)> {
        let mut paths: Vec<_> =
            self.by_method_and_path.iter().map(|(path, requests)| (&**path, *requests)).collect();
        paths.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
        paths.truncate(MAX_PATHS);
        paths
    }

    /// Returns the number of methods and paths that [`UnservedPaths::most_requested`] leaves out.
    #[must_use]
    pub fn others(&self) -> usize {
        self.by_method_and_path.len().saturating_sub(MAX_PATHS)
    }
}

impl fmt::Display for UnservedPaths {
    /// Writes a line with the number of requests and one for each path; nothing if there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests == 0 {
            return Ok(());
        }
        let requests =
            |number: u64| if number == 1 { "1 request".to_owned() } else { format!("{number} requests") };
        let cause = if self.calls > 0 { "; the base URL may be wrong" } else { "" };
        writeln!(f, "{} went to paths that are not served{cause}:", requests(self.requests))?;
        for (path, number) in self.most_requested() {
            writeln!(f, "  {path} ({})", requests(number))?;
        }
        match self.others() {
            0 => Ok(()),
            others => writeln!(f, "  and {others} more paths"),
        }
    }
}

/// The ends of the paths of API calls: of operations, and of the list of the models.
const CALL_SUFFIXES: [&str; 11] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/audio/transcriptions",
    "/audio/translations",
    "/messages",
    ":generateContent",
    ":streamGenerateContent",
    ":countTokens",
    "/models",
];

/// Returns `true` if a request looks like a call of an API.
fn is_call(method: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    !matches!(method, "GET" | "HEAD" | "OPTIONS") || CALL_SUFFIXES.iter().any(|end| path.ends_with(end))
}

/// Returns a text in visible ASCII and blanks on one line, cut to [`MAX_CHARS`]: paths come from clients, and reports are printed on
/// terminals.
fn cleaned(text: &str) -> String {
    let visible = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let mut cleaned: String = text.chars().take(MAX_CHARS).map(visible).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(paths: &[&str]) -> UnservedPaths {
        let mut unserved = UnservedPaths::default();
        for path in paths {
            unserved.requests += 1;
            *unserved.by_method_and_path.entry(cleaned(path)).or_default() += 1;
        }
        unserved
    }

    #[test]
    fn the_paths_with_the_most_requests_are_listed() {
        let paths: Vec<_> = (0..MAX_PATHS + 2).map(|number| format!("POST /{number}")).collect();
        let mut all: Vec<_> = paths.iter().map(String::as_str).collect();
        all.push("POST /11");
        let unserved = counted(&all);
        assert_eq!(unserved.most_requested()[0], ("POST /11", 2));
        assert_eq!((unserved.most_requested().len(), unserved.others()), (MAX_PATHS, 2));
        assert!(unserved.to_string().ends_with("  and 2 more paths\n"), "{unserved}");
    }

    /// A browser's request for an icon says nothing about the base URL.
    #[test]
    fn only_what_looks_like_a_call_makes_the_base_url_suspect() {
        for (method, path, expected) in [
            ("GET", "/favicon.ico", false),
            ("HEAD", "/", false),
            ("OPTIONS", "/v1/files", false),
            ("POST", "/", true),
            ("DELETE", "/v1/files/x", true),
            ("GET", "/v1/v1/models", true),
            ("GET", "/v1/models/", true),
            ("GET", "/api/v1/chat/completions", true),
        ] {
            assert_eq!(is_call(method, path), expected, "{method} {path}");
            let mut unserved = counted(&[&format!("{method} {path}")]);
            unserved.calls = u64::from(expected);
            assert_eq!(unserved.to_string().contains("the base URL may be wrong"), expected, "{unserved}");
        }
    }

    #[test]
    fn a_listed_path_is_short_and_visible() {
        assert_eq!(cleaned("GET /a\u{1b}[31m\u{e9}\n"), "GET /a?[31m??");
        assert_eq!(cleaned(&"x".repeat(500)).chars().count(), MAX_CHARS + 1);
    }
}
