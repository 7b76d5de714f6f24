//! A pasted response, taken apart.

use crate::engine::parse::Headers;

/// A pasted response: its status and headers where they were pasted, and its body.
pub(super) struct Dump<'a> {
    pub(super) status: Option<u16>,
    headers: Vec<(String, &'a str)>,
    pub(super) body: &'a str,
}

impl<'a> Dump<'a> {
    /// Reads the output of `curl -i` (the last response, where redirects or `100 Continue` came before), or a body alone.
    pub(super) fn read(text: &'a str) -> Self {
        let mut dump = Self { status: None, headers: Vec::new(), body: text };
        while let Some(line) = dump.body.lines().next().filter(|line| line.starts_with("HTTP/")) {
            dump.status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
            dump.headers.clear();
            let mut rest = &dump.body[line.len()..];
            rest = rest.strip_prefix('\r').unwrap_or(rest);
            rest = rest.strip_prefix('\n').unwrap_or(rest);
            loop {
                let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
                rest = after;
                let line = line.trim_end_matches('\r');
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':') {
                    dump.headers.push((name.trim().to_ascii_lowercase(), value.trim()));
                }
            }
            dump.body = rest.trim_start();
        }
        dump
    }
}

impl Headers for Dump<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}
