//! Finds the heads of responses: a status line, which words may precede, with its headers, or headers alone.

/// A part of a paste: the head, if it has one, and the text up to the next head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: &'a str,
}

/// Splits a text at its heads.
pub(super) fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = vec![Part { status: None, headers: Vec::new(), body: "" }];
    let (mut body_start, mut in_head) = (0, false);
    let mut at = 0;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (index, line) in lines.iter().enumerate() {
        let (start, end) = (at, at + line.len());
        at = end;
        let line = line.trim();
        let next = lines.get(index + 1).map_or("", |line| line.trim());
        let bare = || bare_status(line).filter(|_| !in_head && header(next).is_some());
        let status = status_line(line).or_else(bare);
        let header = header(line);
        if status.is_some()
            || (!in_head
                && header.as_ref().is_some_and(|(name, _)| is_of_reply(name))
                && can_start_head(&text[body_start..start], &parts))
        {
            close(&mut parts, &text[body_start..start]);
            // Headers above a status line, without a body between them, belong to an earlier reply.
            parts.push(Part { status, headers: Vec::new(), body: "" });
            in_head = true;
            body_start = end;
            if status.is_some() {
                continue;
            }
        }
        if in_head {
            match header.filter(|_| !line.is_empty()) {
                Some(header) => {
                    if let Some(part) = parts.last_mut() {
                        part.headers.push(header);
                    }
                    body_start = end;
                }
                None => {
                    in_head = false;
                    body_start = if line.is_empty() { end } else { start };
                }
            }
        }
    }
    close(&mut parts, &text[body_start..]);
    parts
}

/// Ends the last part with its body.
fn close<'a>(parts: &mut [Part<'a>], body: &'a str) {
    if let Some(part) = parts.last_mut() {
        part.body = body;
    }
}

/// Returns `true` if headers without a status line can start below `before`, the text since the last head: not inside a printed
/// object, and not where the body of a reply with headers begins.
fn can_start_head(before: &str, parts: &[Part<'_>]) -> bool {
    let is_in_object = before.matches('{').count() > before.matches('}').count();
    let has_headers = parts.last().is_some_and(|part| !part.headers.is_empty());
    !is_in_object && (!has_headers || !before.trim().is_empty())
}

/// Parses `HTTP/2 429`, which words may precede. A request line, whose version is its last word, does not match.
fn status_line(line: &str) -> Option<u16> {
    let at = line.find("HTTP/")?;
    if line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '"' || c == '\'') {
        return None;
    }
    let mut words = line[at..].split_whitespace();
    let version = words.next()?.strip_prefix("HTTP/")?;
    let is_version = version.starts_with(['1', '2', '3']) && version.len() <= 3;
    let status: u16 = words.next()?.parse().ok()?;
    (is_version && (100..600).contains(&status)).then_some(status)
}

/// Parses a status line without the version, as graphical tools show it, `429 Too Many Requests` or `Status: 429`, or the
/// pseudo-header of HTTP/2, `:status: 429`.
fn bare_status(line: &str) -> Option<u16> {
    let rest = [":status:", "Status Code:", "Status code:", "status code:", "Status:", "status:"]
        .iter()
        .find_map(|label| line.strip_prefix(label));
    let rest = rest.unwrap_or(line).trim();
    let (status, phrase) = rest.split_at_checked(3)?;
    let is_phrase = phrase.chars().all(|c| c.is_ascii_alphabetic() || c == ' ' || c == '-')
        && phrase.split_whitespace().count() <= 5;
    status.parse().ok().filter(|status| is_phrase && (400..600).contains(status))
}

/// Parses `name: value`. Pseudo-headers, whose names begin with a colon, do not match.
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && name.len() <= 80 && name.chars().all(is_token))
        .then(|| (name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// Returns `true` for the names of headers that indicate a reply even without a status line.
fn is_of_reply(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["retry-after", "retry-after-ms", "x-should-retry", "cf-ray", "x-request-id", "x-ms-region"];
    let prefixes =
        ["x-ratelimit-", "ratelimit-", "anthropic-ratelimit-", "x-codex-", "llm_provider-", "x-tokenlimit-"];
    NAMES.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}
