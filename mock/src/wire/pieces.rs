//! Texts put together from pieces. It is what `write!` does, without the machinery of formatting: every reply has a score
//! of pieces, and for most of them that takes longer than to append them.

use super::digits;

/// What can be appended to a text.
pub(super) trait Piece {
    /// Appends it.
    fn append(&self, out: &mut String);
}

/// Appends these pieces, one behind the other.
pub(super) fn put(out: &mut String, pieces: &[&dyn Piece]) {
    pieces.iter().for_each(|piece| piece.append(out));
}

impl Piece for &str {
    fn append(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Piece for u64 {
    fn append(&self, out: &mut String) {
        digits::number(out, *self);
    }
}

impl Piece for u32 {
    fn append(&self, out: &mut String) {
        u64::from(*self).append(out);
    }
}

impl Piece for i64 {
    fn append(&self, out: &mut String) {
        if *self < 0 {
            out.push('-');
        }
        self.unsigned_abs().append(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_everywhere(signed: i64, long: u64, short: u32) {
            let mut text = String::from("[");
            put(&mut text, &[&signed, &" ", &long, &" ", &short, &"]"]);
            prop_assert_eq!(text, format!("[{signed} {long} {short}]"));
        }
    }
}
