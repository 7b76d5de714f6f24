//! The JSON tokens that the wire needs, written straight into a buffer.

use super::digits;
use crate::time::Nanos;
use std::fmt::Write;

/// Appends `text` as a JSON string, quoted and escaped (RFC 8259, section 7).
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

/// Appends `text` as it stands inside a JSON string.
pub(super) fn escaped(out: &mut String, text: &str) {
    let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    // Nearly every text is plain. A look at every byte, rather than up to the first that is not, takes many at a time.
    if !text.bytes().fold(false, |any, byte| any | special(byte)) {
        return out.push_str(text);
    }
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate().filter(|(_, byte)| special(*byte)) {
        out.push_str(&text[plain..index]);
        plain = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => put(out, format_args!("\\u{control:04x}")),
        }
    }
    out.push_str(&text[plain..]);
}

/// Appends a comma and the name of one more member, which needs no escape.
pub(super) fn name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// Appends a length of time as a number of seconds, exact to the nanosecond: `0.041876985`.
pub(super) fn seconds(out: &mut String, length: Nanos) {
    digits::decimal(out, length.0, 9);
}

/// Appends formatted text.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes whatever is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_json(text in any::<String>()) {
            let mut out = String::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn seconds_are_exact(nanos in any::<u64>()) {
            let mut out = String::new();
            seconds(&mut out, Nanos(nanos));
            let (whole, fraction) = out.split_once('.').unwrap_or((&out, ""));
            prop_assert!(!fraction.ends_with('0'));
            prop_assert_eq!(format!("{whole}{fraction:0<9}").parse::<u64>().unwrap(), nanos);
        }
    }

    #[test]
    fn controls_are_escaped() {
        let mut out = String::new();
        string(&mut out, "a\"b\\c\n\t\r\u{1}é");
        assert_eq!(out, r#""a\"b\\c\n\t\r\u0001é""#);
    }
}
