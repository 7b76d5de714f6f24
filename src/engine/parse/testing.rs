//! Headers for the unit tests of the dialects.

use super::Headers;

/// Headers as pairs of name and value.
pub(super) struct Pairs<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl Headers for Pairs<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
