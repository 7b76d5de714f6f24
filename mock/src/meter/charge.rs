//! What one call is charged: the units of each quantity that limits count.

use crate::axis::{Axis, Quantity};
use crate::call::Usage;

/// The units that a call is charged on each axis.
///
/// ```
/// use provider::meter::Charge;
/// use provider::{Axis, Usage};
///
/// let charge = Charge::new(Usage { prompt_tokens: 100, cached_tokens: 0, completion_tokens: 20 });
/// assert_eq!([Axis::Rpm, Axis::Tpm, Axis::Otpm].map(|axis| charge.units_on(axis)), [1, 120, 20]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Indexed by quantity. Computed once, because a charge is read several times per call and limit.
    units: [u64; Quantity::COUNT],
}

impl Charge {
    /// Zero on every axis.
    pub const ZERO: Self = Self { units: [0; Quantity::COUNT] };

    /// Returns the charge of one call with these tokens and without audio.
    #[must_use]
    #[inline]
    pub const fn new(tokens: Usage) -> Self {
        Self::with_audio(tokens, 0)
    }

    /// Returns the charge of one call with these tokens and seconds of audio.
    #[must_use]
    #[inline]
    pub const fn with_audio(tokens: Usage, audio_seconds: u64) -> Self {
        let (prompt, completion) = (tokens.prompt_tokens as u64, tokens.completion_tokens as u64);
        let mut units = [0; Quantity::COUNT];
        units[Quantity::Requests as usize] = 1;
        units[Quantity::InFlight as usize] = 1;
        units[Quantity::Tokens as usize] = prompt + completion;
        units[Quantity::InputTokens as usize] = prompt;
        units[Quantity::UncachedTokens as usize] = prompt.saturating_sub(tokens.cached_tokens as u64);
        units[Quantity::OutputTokens as usize] = completion;
        units[Quantity::AudioSeconds as usize] = audio_seconds;
        Self { units }
    }

    /// Adds another charge on every axis.
    pub fn add(&mut self, other: &Self) {
        self.units.iter_mut().zip(other.units).for_each(|(sum, units)| *sum += units);
    }

    /// Subtracts a charge that was added before.
    ///
    /// # Panics
    /// In a debug build, if more is subtracted than was added.
    pub fn subtract(&mut self, other: &Self) {
        self.units.iter_mut().zip(other.units).for_each(|(sum, units)| *sum -= units);
    }

    /// Returns this charge times `part / whole`, rounded up on every axis; zero if `whole` is zero. `part` is at most `whole`.
    #[must_use]
    pub fn part(&self, part: u64, whole: u64) -> Self {
        debug_assert!(part <= whole, "a part is at most the whole");
        let scaled = |units: u64| {
            let product = u128::from(units) * u128::from(part);
            // At most `units`, which fits.
            if whole == 0 { 0 } else { product.div_ceil(u128::from(whole)) as u64 }
        };
        Self { units: self.units.map(scaled) }
    }

    /// Returns the units on one axis.
    #[must_use]
    #[inline]
    pub const fn units_on(&self, axis: Axis) -> u64 {
        self.units[axis.quantity() as usize]
    }
}
