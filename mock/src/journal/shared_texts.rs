//! Texts that recur in many entries, such as paths and user agents: each is kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The texts that are kept. A text beyond [`MAX_TEXTS`] is not shared.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTexts(BTreeSet<Arc<str>>);

/// Maximum number of texts that are shared. The paths that a client makes up would otherwise fill the memory.
const MAX_TEXTS: usize = 1_000;

/// Maximum number of characters of a text.
const MAX_CHARS: usize = 300;

impl SharedTexts {
    /// Returns a copy of a text, shortened to [`MAX_CHARS`]; shared, unless [`MAX_TEXTS`] others are kept.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        // Nearly every text is short: then its characters need not be counted.
        let is_short = text.len() <= MAX_CHARS;
        let end = if is_short { None } else { text.char_indices().nth(MAX_CHARS) };
        let text = &text[..end.map_or(text.len(), |(end, _)| end)];
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        if self.0.len() < MAX_TEXTS {
            self.0.insert(Arc::clone(&text));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shared_shortened_and_bounded() {
        let mut texts = SharedTexts::default();
        assert!(Arc::ptr_eq(&texts.get("a"), &texts.get("a")));
        assert_eq!(texts.get(&"é".repeat(MAX_CHARS + 1)).chars().count(), MAX_CHARS);
        for number in 0..2 * MAX_TEXTS {
            assert_eq!(&*texts.get(&number.to_string()), number.to_string());
        }
        assert_eq!(texts.0.len(), MAX_TEXTS);
    }
}
