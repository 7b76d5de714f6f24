//! The codes of Cloudflare's own refusals, which name no status: `error code: 1015`, and the page of that error.
//!
//! Source: Cloudflare's documentation of its 1xxx errors. 1015 is a rate limit of the site's owner; the others block the client.

/// Returns the code of a body in plain text, such as `error code: 1015`; the text is in lower case.
pub(super) fn code(text: &str) -> Option<&str> {
    let code = text.trim().strip_prefix("error code: ")?;
    let is_code = code.len() == 4 && code.starts_with('1') && code.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some(code)
}

/// Returns the status of a body in plain text that holds only a code; the text is in lower case.
pub(super) fn status(text: &str) -> Option<u16> {
    let code = code(text)?;
    STATUS_OF_CODE.iter().find(|(known, _)| *known == code).map(|(_, status)| *status)
}

/// Returns the status of one of Cloudflare's pages, in lower case, by the code in its heading.
pub(super) fn page_status(page: &str) -> Option<u16> {
    let names =
        |code: &str| [format!("error {code}"), format!(">{code}<")].iter().any(|name| page.contains(name));
    let found = || STATUS_OF_CODE.iter().find(|(code, _)| names(code)).map(|(_, status)| *status);
    // The pages with a challenge, and with which a site blocks a client, state no code.
    let titles = ["<title>just a moment...</title>", "<title>attention required! | cloudflare</title>"];
    if titles.iter().any(|title| page.contains(title)) {
        return Some(403);
    }
    page.contains("cloudflare").then(found)?
}

/// The codes and the statuses with which they are sent.
const STATUS_OF_CODE: [(&str, u16); 8] = [
    ("1015", 429),
    ("1006", 403),
    ("1007", 403),
    ("1008", 403),
    ("1009", 403),
    ("1010", 403),
    ("1012", 403),
    ("1020", 403),
];
