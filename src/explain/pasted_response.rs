//! A pasted response: a body, or the output of `curl -i`.

use crate::engine::parse::Headers;

/// A pasted response, split into its parts.
pub(super) struct PastedResponse<'a> {
    /// The status; `None` if only the body was pasted.
    pub(super) status: Option<u16>,
    headers: Vec<(String, &'a str)>,
    pub(super) body: &'a str,
}

impl<'a> PastedResponse<'a> {
    /// Splits a pasted text. Of several responses (redirects, `100 Continue`) the last one counts.
    pub(super) fn read(text: &'a str) -> Self {
        let mut response = Self { status: None, headers: Vec::new(), body: text };
        while let Some(line) = response.body.lines().next().filter(|line| line.starts_with("HTTP/")) {
            response.status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
            response.headers.clear();
            let mut rest = &response.body[line.len()..];
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
                    response.headers.push((name.trim().to_ascii_lowercase(), value.trim()));
                }
            }
            response.body = rest.trim_start();
        }
        response
    }
}

impl Headers for PastedResponse<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}
