//! The request header that carries the ground truth of a call from a simulation to the mock.
//!
//! Over HTTP, a request carries both what the client knows (its body) and the ground truth (this header). The driver adds the
//! header after the routing engine has decided, so that the engine never sees it, and sends it to no real provider. Without it
//! the mock estimates or counts the prompt and samples the completion.

use crate::call::Truth;
use std::fmt;

/// The name of the header.
pub const HEADER: &str = "x-quotalab-truth";

/// The value of the header: `prompt=800;completion=200;draw=7;tag=42`, or `prompt=800;cached=500;completion=…` if tokens of the
/// prompt are in the provider's prefix cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TruthHeader {
    /// The ground truth of the call.
    pub truth: Truth,
    /// Identifies the attempt and its run. The mock passes it to its observer with this call.
    pub tag: u128,
}

impl TruthHeader {
    /// Parses a value.
    ///
    /// # Errors
    /// [`InvalidTruth`] if a field is missing, unknown, repeated, out of order, out of range or not a number.
    pub fn parse(text: &str) -> Result<Self, InvalidTruth> {
        Self::parse_fields(text).ok_or_else(|| InvalidTruth::of(text))
    }

    fn parse_fields(text: &str) -> Option<Self> {
        let mut fields = text.split(';').peekable();
        let prompt_tokens = field(&mut fields, "prompt=")?.try_into().ok()?;
        let is_cached = fields.peek().is_some_and(|field| field.starts_with(CACHED));
        let cached = if is_cached { field(&mut fields, CACHED)? } else { 0 };
        let truth = Truth {
            prompt_tokens,
            cached_tokens: u32::try_from(cached).ok().filter(|cached| *cached <= prompt_tokens)?,
            completion_tokens: field(&mut fields, "completion=")?.try_into().ok()?,
            draw: field(&mut fields, "draw=")?.try_into().ok()?,
        };
        let tag = field(&mut fields, "tag=")?;
        fields.next().is_none().then_some(Self { truth, tag })
    }
}

/// The reason why a value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTruth {
    /// The required fields that are missing.
    missing: Vec<&'static str>,
}

impl InvalidTruth {
    fn of(text: &str) -> Self {
        let has = |name: &str| text.split(';').any(|field| field.trim_start().starts_with(name));
        let missing = ["prompt=", "completion=", "draw=", "tag="].into_iter().filter(|name| !has(name));
        Self { missing: missing.collect() }
    }
}

impl fmt::Display for InvalidTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.missing.iter().map(|name| format!("`{name}`")).collect();
        match names[..] {
            [] => write!(
                f,
                "{HEADER}: a field is unknown, repeated, out of order, out of range or not a whole number"
            )?,
            _ => write!(f, "{HEADER}: {} missing", names.join(", "))?,
        }
        f.write_str("; write `prompt=800;completion=200;draw=7;tag=42`, with `cached=500;` after the prompt if tokens are cached")
    }
}

/// The name of the field of cached tokens, which is absent if there are none.
const CACHED: &str = "cached=";

/// Parses the next field, which must start with `name`; the rest must be digits. Returns its number.
fn field<'t>(fields: &mut impl Iterator<Item = &'t str>, name: &str) -> Option<u128> {
    let digits = fields.next()?.strip_prefix(name)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl fmt::Display for TruthHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Truth { prompt_tokens, completion_tokens, draw, .. } = self.truth;
        write!(f, "prompt={prompt_tokens};")?;
        if self.truth.cached_prompt_tokens() > 0 {
            write!(f, "{CACHED}{};", self.truth.cached_prompt_tokens())?;
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
        fn a_printed_header_parses_to_the_same(prompt: u32, share in 0.0..=1.0, completion: u32, draw: u64, tag: u128) {
            let cached_tokens = (f64::from(prompt) * share) as u32;
            let truth = Truth { prompt_tokens: prompt, cached_tokens, completion_tokens: completion, draw };
            let header = TruthHeader { truth, tag };
            prop_assert_eq!(TruthHeader::parse(&header.to_string()), Ok(header));
        }

        #[test]
        fn arbitrary_text_parses_without_panic(text in "[a-z0-9=;+ ]{0,60}") {
            if let Ok(header) = TruthHeader::parse(&text) {
                prop_assert_eq!(TruthHeader::parse(&header.to_string()), Ok(header));
            }
        }
    }

    #[test]
    fn malformed_values_are_rejected() {
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
            assert!(TruthHeader::parse(text).is_err(), "{text:?}");
        }
        let missing = TruthHeader::parse("completion=3").unwrap_err().to_string();
        assert!(missing.starts_with("x-quotalab-truth: `prompt=`, `draw=`, `tag=` missing;"), "{missing}");
    }
}
