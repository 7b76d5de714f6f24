//! The XML escaper of JUnit files, of Markdown, and of the titles and descriptions of charts. HTML pages are escaped by `maud`,
//! the texts drawn in charts by `plotters`.

use std::borrow::Cow;

/// Returns `text` as character data of XML 1.0 and of HTML, valid between tags and in quoted attribute values.
#[must_use]
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    quick_xml::escape::escape(allowed(text))
}

/// Returns `text` with control characters (other than tab, line feed and carriage return), U+FFFE and U+FFFF replaced by
/// U+FFFD. These include all characters that XML 1.0 forbids even when escaped (section 2.2, `Char`).
#[must_use]
pub(crate) fn allowed(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    let allowed = |c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER };
    Cow::Owned(text.chars().map(allowed).collect())
}

/// Returns `true` if XML 1.0 allows `c` and it is no control character other than tab, line feed and carriage return. XML 1.0
/// allows DEL and U+0080 to U+009F as well, but terminals and browsers do not show them.
fn is_allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_control_characters_are_replaced() {
        assert_eq!(
            escape("<b title='\u{1}'>&\"\u{fffe}\u{ffff}\u{7f}"),
            "&lt;b title=&apos;\u{fffd}&apos;&gt;&amp;&quot;\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(escape("line\n\ttab\u{e9}\u{1f600}"), "line\n\ttab\u{e9}\u{1f600}");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escape("requests per minute"), Cow::Borrowed(_)));
    }
}
