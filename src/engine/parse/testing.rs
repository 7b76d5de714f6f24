//! What the tests of these pages share.

use super::Headers;

/// Headers as pairs.
pub(super) struct Pairs<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl Headers for Pairs<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
