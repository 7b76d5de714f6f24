//! A minimal check that a text is well-formed XML.

/// Returns the first error that makes `text` malformed XML; `None` if there is none.
pub(crate) fn first_error(text: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    if let Some(letter) = rest.chars().find(|letter| letter.is_control() && !letter.is_whitespace()) {
        return Some(format!("control character {letter:?}"));
    }
    while let Some((before, after)) = rest.split_once('<') {
        if let Some(entity) = before.split('&').skip(1).find(|entity| !is_entity(entity)) {
            return Some(format!("bare ampersand before {entity:.20}"));
        }
        if open.is_empty() && !before.trim().is_empty() {
            return Some(format!("text outside the root: {before:.40}"));
        }
        let Some((tag, after)) = after.split_once('>') else {
            return Some(format!("open tag: {after:.40}"));
        };
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Some(format!("{name} closes what is not open"));
            }
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        let attributes = tag[name.len()..].trim_end_matches('/').trim();
        if let Some(error) = first_attribute_error(attributes) {
            return Some(format!("{name}: {error}"));
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    match open.as_slice() {
        [] if rest.trim().is_empty() => None,
        _ => Some(format!("{open:?} never close, {rest:.40} is left")),
    }
}

fn first_attribute_error(attributes: &str) -> Option<String> {
    let mut rest = attributes;
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once("=\"") else {
            return Some(format!("no value: {rest:.40}"));
        };
        let Some((value, after)) = after.split_once('"') else {
            return Some(format!("open value: {rest:.40}"));
        };
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-:".contains(letter)) {
            return Some(format!("odd name: {name:.40}"));
        }
        if value.split('&').skip(1).any(|entity| !is_entity(entity)) {
            return Some(format!("bare ampersand in {value:.40}"));
        }
        rest = after.trim_start();
    }
    None
}

fn is_entity(text: &str) -> bool {
    ["amp;", "lt;", "gt;", "quot;", "apos;", "#13;"].iter().any(|entity| text.starts_with(entity))
}

#[test]
fn only_well_formed_text_is_accepted() {
    assert_eq!(first_error("<a b=\"c &amp; d\"><e/>text</a>"), None);
    for bad in [
        "<a>",
        "<a></b>",
        "<a b=c></a>",
        "<a>&</a>",
        "<a b=\"<\"",
        "<a/>text<b/>",
        "<a>\u{1}</a>",
        "<a/></a>",
    ] {
        assert!(first_error(bad).is_some(), "{bad}");
    }
}
