//! Removes what surrounds the lines of a paste: the marks of `curl -v`, quotes, code fences, prompts, timestamps, the prefixes
//! of logs, colours.

/// Cleans a text line by line. Lines that are not part of a reply are removed.
pub(super) fn clean(text: &str) -> String {
    let text = without_escapes(&text.replace("\r\n", "\n").replace('\r', "\n"));
    let lines: Vec<&str> = text.lines().collect();
    let mut lines: Vec<String> = if lines.iter().any(|line| is_verbose_head(line)) {
        verbose(&lines)
    } else {
        without_quotes(&lines).into_iter().map(str::to_owned).collect()
    };
    strip_common_prefix(&mut lines);
    let is_kept = |line: &String| {
        let line = line.trim_start();
        !(line.starts_with("```") || line.starts_with("~~~") || is_prompt(line))
    };
    let lines: Vec<&str> =
        lines.iter().filter(|line| is_kept(line)).map(|line| strip_timestamp(line)).collect();
    lines.join("\n")
}

/// Removes the control sequences with which terminals set colours, and zero-width characters; replaces no-break spaces.
fn without_escapes(text: &str) -> String {
    if !text.contains(['\u{1b}', '\u{feff}', '\u{200b}', '\u{a0}']) {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                    chars.next();
                }
            }
            '\u{feff}' | '\u{200b}' => {}
            '\u{a0}' => kept.push(' '),
            _ => kept.push(c),
        }
    }
    kept
}

/// Returns `true` for the first line of a response head of `curl -v`.
fn is_verbose_head(line: &str) -> bool {
    line.trim_start().starts_with("< HTTP/")
}

/// Keeps the response of the output of `curl -v`: lines after `<`, and the body, which has no mark.
fn verbose(lines: &[&str]) -> Vec<String> {
    let mut kept = Vec::new();
    for line in lines {
        let mark = line.trim_start();
        if let Some(header) = mark.strip_prefix('<').filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
            kept.push(header.trim().to_owned());
        } else if mark.starts_with("* ")
            || mark == "*"
            || mark == ">"
            || mark.starts_with("> ")
            || is_data_note(mark)
        {
            continue;
        } else {
            // curl writes its notes directly after a body that does not end with a line feed.
            let end = line
                .find("* Connection #")
                .or_else(|| line.find("* Closing connection"))
                .unwrap_or(line.len());
            kept.push(line[..end].to_owned());
        }
    }
    kept
}

/// Returns `true` for `{ [344 bytes data]`, `} [64 bytes data]` and the two header lines of the progress meter.
fn is_data_note(line: &str) -> bool {
    let is_data = line.starts_with(['{', '}']) && line.trim_end().ends_with("bytes data]");
    is_data || line.starts_with("% Total") || line.starts_with("Dload  Upload")
}

/// Removes the marks of a quote, if all lines have them.
fn without_quotes<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let is_quoted =
        |line: &&&str| line.trim_start().starts_with('>') && !line.trim_start().starts_with(">>>");
    let filled = || lines.iter().filter(|line| !line.trim().is_empty());
    if filled().next().is_none() || !filled().all(|line| is_quoted(&line)) {
        return lines.to_vec();
    }
    let unquoted = |line: &&'a str| {
        let line: &'a str = line;
        let rest = line.trim_start().strip_prefix('>').unwrap_or("");
        rest.strip_prefix(' ').unwrap_or(rest)
    };
    lines.iter().map(unquoted).collect()
}

/// Removes the prefix that a program that runs several services puts before every line: `web-1  | `. All lines must have the
/// same.
fn strip_common_prefix(lines: &mut [String]) {
    let prefix_of = |line: &str| {
        let bar = line.find("| ").map(|at| at + 2).or_else(|| line.ends_with('|').then_some(line.len()))?;
        let name = line[..bar].trim_end_matches([' ', '|']);
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        is_name.then(|| (name.to_owned(), bar))
    };
    let filled: Vec<_> =
        lines.iter().filter(|line| !line.trim().is_empty()).map(|line| prefix_of(line)).collect();
    let Some(Some((first, _))) = filled.first() else { return };
    if !filled.iter().all(|prefix| prefix.as_ref().is_some_and(|(name, _)| name == first)) {
        return;
    }
    for line in lines.iter_mut() {
        if let Some((_, end)) = prefix_of(line) {
            line.replace_range(..end, "");
        }
    }
}

/// Returns `true` for the line of a shell on which a command was typed, or an empty prompt.
fn is_prompt(line: &str) -> bool {
    let marks = ["$", "❯", "➜", "%", "#"];
    let after_mark = marks.iter().find_map(|mark| {
        let rest = line.strip_prefix(mark)?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(rest.trim())
    });
    let commands = [
        "curl", "python", "node", "http ", "https ", "wget", "cat ", "echo", "export ", "quotalab", "npx",
        "uv ", "Invoke-",
    ];
    let is_command = |text: &str| commands.iter().any(|command| text.starts_with(command));
    match after_mark {
        Some(rest) => rest.is_empty() || is_command(rest),
        None => {
            // `user@host:~$ curl …`, `PS C:\> curl …`, `>>> client.chat…`.
            let is_shell = line.starts_with("PS ")
                || line.starts_with("C:\\")
                || line.starts_with(">>> ")
                || line.contains("$ curl ");
            is_shell && !line.contains("Error")
        }
    }
}

/// Removes a timestamp and a level from the start of a line: `2026-03-13T08:09:32Z `, `[2026-03-13 08:09:32,123] ERROR: `.
fn strip_timestamp(line: &str) -> &str {
    let is_of_time = |c: char| c.is_ascii_digit() || "-:.,TZ+/[]".contains(c);
    let first = line.trim_start_matches('[');
    let has_date = first.get(..10).is_some_and(|date| {
        date.chars().filter(char::is_ascii_digit).count() == 8
            && date.chars().all(|c| c.is_ascii_digit() || "-/".contains(c))
    });
    let (mut rest, mut has_clock) = (line, false);
    // At most a date, a time and an offset. A word of three digits is a status.
    for _ in 0..3 {
        let word = rest.split(' ').next().unwrap_or_default();
        let is_status = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        if word.is_empty() || is_status || !word.chars().all(is_of_time) {
            break;
        }
        has_clock |= word.contains(':');
        rest = rest[word.len()..].trim_start();
    }
    if !has_date || !has_clock {
        return line;
    }
    let levels = ["ERROR", "WARNING", "WARN", "INFO", "DEBUG", "error", "warn", "info"];
    let level = levels.iter().find_map(|level| rest.strip_prefix(level));
    level.map_or(rest, |rest| rest.trim_start_matches([':', ' ', ']', '-', '|']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_and_levels_are_removed() {
        for (line, rest) in [
            ("2026-03-13T08:09:32Z HTTP/2 429", "HTTP/2 429"),
            ("[2026-03-13 08:09:32,123] ERROR: Rate limited", "Rate limited"),
            ("2026/03/13 08:09:32 429 Too Many Requests", "429 Too Many Requests"),
            ("2026-03-13", "2026-03-13"),
            ("HTTP/2 429", "HTTP/2 429"),
            ("größer als alles", "größer als alles"),
            ("", ""),
        ] {
            assert_eq!(strip_timestamp(line), rest, "{line}");
        }
    }

    #[test]
    fn a_prompt_is_recognised_and_text_is_not() {
        for line in
            ["$ curl -i x", "$", "user@host:~$ curl -i x", "PS C:\\> curl x", ">>> client.chat()", "% curl x"]
        {
            assert!(is_prompt(line), "{line}");
        }
        for line in ["$5 is left", "{", "100 % used", "# heading", "data: {}", "< retry-after: 7"] {
            assert!(!is_prompt(line), "{line}");
        }
    }
}
