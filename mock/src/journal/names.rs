//! Texts that recur in many entries, such as paths and user agents: each is kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The texts that are kept. A text beyond [`MAX_NAMES`] is not shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeSet<Arc<str>>);

/// Maximum number of texts that are shared. The paths that a client makes up would otherwise fill the memory.
const MAX_NAMES: usize = 1_000;

/// Maximum number of characters of a text.
const MAX_CHARS: usize = 300;

impl Names {
    /// Returns a copy of a text, shortened to [`MAX_CHARS`]; shared, unless [`MAX_NAMES`] others are kept.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        // Nearly every text is short: then its characters need not be counted.
        let is_short = text.len() <= MAX_CHARS;
        let end = if is_short { None } else { text.char_indices().nth(MAX_CHARS) };
        let text = &text[..end.map_or(text.len(), |(end, _)| end)];
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        if self.0.len() < MAX_NAMES {
            self.0.insert(Arc::clone(&name));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shared_shortened_and_bounded() {
        let mut names = Names::default();
        assert!(Arc::ptr_eq(&names.get("a"), &names.get("a")));
        assert_eq!(names.get(&"é".repeat(MAX_CHARS + 1)).chars().count(), MAX_CHARS);
        for number in 0..2 * MAX_NAMES {
            assert_eq!(&*names.get(&number.to_string()), number.to_string());
        }
        assert_eq!(names.0.len(), MAX_NAMES);
    }
}
