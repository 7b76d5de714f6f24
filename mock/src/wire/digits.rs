//! Numbers in decimal, written from their last digit to their first: what JSON, headers and lengths of time share.
//! Every reply has a score of them, so they go without the machinery of `format!`.

/// A short text that grows at its front.
pub(super) struct Digits {
    room: [u8; 32],
    /// Where it begins.
    first: usize,
}

impl Digits {
    /// No text yet.
    pub(super) const fn new() -> Self {
        Self { room: [0; 32], first: 32 }
    }

    /// Puts a text in front.
    ///
    /// # Panics
    /// Here and below, beyond 32 bytes.
    pub(super) fn text(&mut self, text: &str) {
        let end = self.first;
        self.first -= text.len();
        self.room[self.first..end].copy_from_slice(text.as_bytes());
    }

    /// Puts a whole number in front.
    pub(super) fn number(&mut self, mut number: u64) {
        loop {
            self.digit(number);
            number /= 10;
            if number == 0 {
                return;
            }
        }
    }

    /// Puts the fraction of `number` ÷ 10^`places` in front, with its point and without the zeros at its end; nothing
    /// where there is none. Returns the whole part, which belongs before it.
    pub(super) fn fraction(&mut self, mut number: u64, places: u32) -> u64 {
        let mut begun = false;
        for _ in 0..places {
            begun |= !number.is_multiple_of(10);
            if begun {
                self.digit(number);
            }
            number /= 10;
        }
        if begun {
            self.text(".");
        }
        number
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.room[self.first..]).expect("only texts and digits were put there")
    }

    /// Puts the last digit of a number in front.
    fn digit(&mut self, number: u64) {
        self.first -= 1;
        self.room[self.first] = b'0' + (number % 10) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_everywhere(number: u64, shift in 0u32..64) {
            let mut digits = Digits::new();
            digits.number(number >> shift);
            digits.text("×");
            prop_assert_eq!(digits.as_str(), format!("×{}", number >> shift));
        }
    }
}
