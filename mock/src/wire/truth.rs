//! The request header in which a simulation tells the mock what only the world knows of a call.
//!
//! Over HTTP the split between what a client knows and what is true has to travel on one connection. The
//! truth goes in a header that no real provider reads and that the routing engine never sees: the driver
//! adds it last. Without it the mock estimates the prompt and draws the completion.

use crate::call::Truth;
use std::fmt;

/// The header's name.
pub const HEADER: &str = "x-quotalab-truth";

/// The header's value: `prompt=800;completion=200;draw=7;tag=42`, or `prompt=800;cached=500;completion=…` where tokens of
/// the prompt are found in the provider's prefix cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What the provider model needs.
    pub truth: Truth,
    /// Whatever the sender wants its observer told about this call; an attempt's number.
    pub tag: u64,
}

impl Note {
    /// Reads a header's value. `None` where anything is missing, doubled, out of order, out of range or not a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(';').peekable();
        let prompt_tokens = field(&mut fields, "prompt=")?.try_into().ok()?;
        let is_cached = fields.peek().is_some_and(|field| field.starts_with(CACHED));
        let cached = if is_cached { field(&mut fields, CACHED)? } else { 0 };
        let truth = Truth {
            prompt_tokens,
            cached_tokens: u32::try_from(cached).ok().filter(|cached| *cached <= prompt_tokens)?,
            completion_tokens: field(&mut fields, "completion=")?.try_into().ok()?,
            draw: field(&mut fields, "draw=")?,
        };
        let tag = field(&mut fields, "tag=")?;
        fields.next().is_none().then_some(Self { truth, tag })
    }
}

/// What stands before the cached tokens; a field that is only there where there are any.
const CACHED: &str = "cached=";

/// The number behind `name` in the next field; digits only, no sign.
fn field<'t>(fields: &mut impl Iterator<Item = &'t str>, name: &str) -> Option<u64> {
    let digits = fields.next()?.strip_prefix(name)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Truth { prompt_tokens, completion_tokens, draw, .. } = self.truth;
        write!(f, "prompt={prompt_tokens};")?;
        if self.truth.cached() > 0 {
            write!(f, "{CACHED}{};", self.truth.cached())?;
        }
        write!(f, "completion={completion_tokens};draw={draw};tag={}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(prompt: u32, share in 0.0..=1.0, completion: u32, draw: u64, tag: u64) {
            let cached_tokens = (f64::from(prompt) * share) as u32;
            let truth = Truth { prompt_tokens: prompt, cached_tokens, completion_tokens: completion, draw };
            let note = Note { truth, tag };
            prop_assert_eq!(Note::parse(&note.to_string()), Some(note));
        }

        #[test]
        fn any_text_is_read_without_panic_and_only_if_it_prints_the_same(text in "[a-z0-9=;+ ]{0,60}") {
            if let Some(note) = Note::parse(&text) {
                prop_assert_eq!(Note::parse(&note.to_string()), Some(note));
            }
        }
    }

    #[test]
    fn anything_malformed_is_nothing() {
        for text in [
            "",
            "prompt=1;completion=2;draw=3",
            "prompt=1;completion=2;draw=3;tag=4;",
            "prompt=1;cached=2;completion=2;draw=3;tag=4",
            "prompt=1;completion=2;cached=1;draw=3;tag=4",
            "prompt=1;cached=;completion=2;draw=3;tag=4",
            "prompt=1;completion=2;draw=3;tag=4;tag=4",
            "completion=2;prompt=1;draw=3;tag=4",
            "prompt=+1;completion=2;draw=3;tag=4",
            "prompt=-1;completion=2;draw=3;tag=4",
            "prompt=;completion=2;draw=3;tag=4",
            "prompt=4294967296;completion=2;draw=3;tag=4",
            "prompt=1;completion=2;draw=18446744073709551616;tag=4",
            " prompt=1;completion=2;draw=3;tag=4",
        ] {
            assert_eq!(Note::parse(text), None, "{text:?}");
        }
    }
}
