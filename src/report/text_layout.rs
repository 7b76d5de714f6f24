//! Text for a limited space: wrapped, shortened and made printable.

use crate::formatting::printable;

/// Breaks `text` at white space into lines of at most `width` characters. A longer word gets a line of its own. Returns
/// at least one line, which is empty if the text is.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("invariant: lines starts with one element");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Shortens a name to `letters` characters, at least one, by cutting its middle, since names usually differ at their ends.
pub(super) fn short(name: &str, letters: usize) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= letters {
        return name.to_owned();
    }
    let (head, tail) =
        (letters.saturating_sub(1) / 3, letters.saturating_sub(1) - letters.saturating_sub(1) / 3);
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

/// Shortens a name as [`short`] does, with unprintable characters replaced by blanks.
pub(super) fn fitted(name: &str, letters: usize) -> String {
    short(&printable(name), letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: wrapping loses no word and keeps to the width unless one word is longer.
        #[test]
        fn wrapped_text_is_the_same_text(text in "[a-z ]{0,200}", width in 5usize..40) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width || !line.contains(' ')));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&lines.join(" ")), words(&text));
        }
    }

    #[test]
    fn long_names_are_cut_in_the_middle() {
        assert_eq!(short("groq/acme/small", 15), "groq/acme/small");
        assert_eq!(short("groq/acme/llama-3.3-70b-versatile", 16), "groq/…-versatile");
        assert_eq!(short("abc", 0), "…");
    }

    #[test]
    fn control_characters_become_blanks() {
        assert_eq!(fitted("a\u{1b}[31mb\n", 20), "a [31mb ");
    }
}
