//! Latency distributions: an HDR histogram in microseconds beside the exact sum and maximum.
//!
//! The recorder keeps a few histograms per run and one for the current time bucket. A result carries them in the
//! V2 compressed encoding of `HdrHistogram`, as base64, so that the distributions of several runs can be added.
//! Recording allocates nothing. Values above a day count as a day in percentiles, not in mean and maximum.

mod error;

pub use error::HistogramError;

use super::summary::Quantiles;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
use provider::Nanos;
use std::io::Read as _;

/// Significant decimal digits of a distribution over a whole run: percentiles are exact to 0.1 %.
const RUN_DIGITS: u8 = 3;
/// Significant decimal digits within one time bucket: percentiles are exact to 1 %.
const BUCKET_DIGITS: u8 = 2;
/// The longest duration that the percentiles distinguish, in microseconds; longer ones count as this.
const MAX_US: u64 = Nanos::DAY.0 / NANOS_PER_MICRO;
const NANOS_PER_MICRO: u64 = 1_000;
/// The header of the compressed encoding in bytes: a cookie and a length.
const COMPRESSED_HEADER: usize = 8;
/// The cookie of the compressed V2 encoding, as in the reference implementation.
const COMPRESSED_COOKIE: u32 = 0x1c84_9314;
/// The header of the plain encoding in bytes; its second word is the length of the counts.
const PLAIN_HEADER: usize = 40;
/// The longest plain encoding that is read, in bytes: more than three digits over a day ever need.
const MAX_PLAIN_BYTES: u64 = 1 << 20;

/// A distribution of durations.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Counts of 32 bits, to save cache: a run touches thousands of them at random. Counts saturate.
    counts: hdrhistogram::Histogram<u32>,
    sum_us: u64,
    max_us: u64,
}

impl Histogram {
    /// Returns an empty histogram with the precision of a run.
    pub(crate) fn of_run() -> Self {
        Self::new(RUN_DIGITS)
    }

    /// Returns an empty histogram with the precision of a time bucket, in about an eighth of the memory.
    pub(super) fn of_bucket() -> Self {
        Self::new(BUCKET_DIGITS)
    }

    fn new(digits: u8) -> Self {
        let counts = hdrhistogram::Histogram::new_with_bounds(1, MAX_US, digits);
        Self { counts: counts.expect("invariant: the bounds are constants"), sum_us: 0, max_us: 0 }
    }

    /// Counts one duration, rounded to the nearest microsecond.
    #[inline]
    pub(crate) fn record(&mut self, duration: Nanos) {
        self.record_n(duration, 1);
    }

    /// Counts the same duration `times` times.
    #[inline]
    pub(super) fn record_n(&mut self, duration: Nanos, times: u64) {
        let micros = duration.0.saturating_add(NANOS_PER_MICRO / 2) / NANOS_PER_MICRO;
        self.counts.saturating_record_n(micros.min(MAX_US), u32::try_from(times).unwrap_or(u32::MAX));
        self.sum_us = self.sum_us.saturating_add(micros.saturating_mul(times));
        if times > 0 {
            self.max_us = self.max_us.max(micros);
        }
    }

    /// Counts everything that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts).expect("invariant: every histogram covers a day");
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Returns the number of durations counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.len()
    }

    /// Returns `true` if nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns the duration in seconds that a share `quantile` of all durations does not exceed; `None` if nothing
    /// was counted.
    #[must_use]
    pub fn quantile_s(&self, quantile: f64) -> Option<f64> {
        (!self.is_empty()).then(|| seconds(self.counts.value_at_quantile(quantile).min(self.max_us)))
    }

    /// Removes every count and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.counts.reset();
        self.sum_us = 0;
        self.max_us = 0;
    }

    /// Returns the figures of the distribution, without the distribution itself.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let quantile = |share| self.quantile_s(share).unwrap_or(0.0);
        Quantiles {
            count: self.len(),
            mean: seconds(self.sum_us.checked_div(self.len()).unwrap_or(0)),
            p50: quantile(0.50),
            p90: quantile(0.90),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: seconds(self.max_us),
            hdr: String::new(),
        }
    }

    /// Returns the counts in the V2 compressed encoding of `HdrHistogram`, as base64; empty if nothing was counted.
    #[must_use]
    pub fn encode(&self) -> String {
        Encoder::new().encode(self)
    }

    /// Reads the counts that an [`Encoder`] wrote of a bucket that was not empty. The sum is lost (0), and the maximum is exact
    /// to the precision of the percentiles.
    pub(super) fn of_encoded_bucket(text: &str) -> Self {
        let counts = Self::decode(text).expect("invariant: an encoder writes what is decoded");
        Self { max_us: counts.max(), counts, sum_us: 0 }
    }

    /// Reads the counts that [`Histogram::encode`] wrote.
    fn decode(text: &str) -> Result<hdrhistogram::Histogram<u32>, HistogramError> {
        let invalid = |reason: &dyn std::fmt::Display| HistogramError::Encoding(reason.to_string());
        let bytes = BASE64.decode(text).map_err(|error| invalid(&error))?;
        let compressed = bytes.get(COMPRESSED_HEADER..).ok_or_else(|| invalid(&"too short"))?;
        let mut plain = Vec::new();
        let mut inflated = ZlibDecoder::new(compressed).take(MAX_PLAIN_BYTES);
        inflated.read_to_end(&mut plain).map_err(|error| invalid(&error))?;
        // The decoder allocates the length that the header states, so the statement is checked first.
        let stated = plain.get(4..8).and_then(|word| Some(u32::from_be_bytes(word.try_into().ok()?)));
        if stated.is_none_or(|length| length as usize + PLAIN_HEADER != plain.len()) {
            return Err(invalid(&"its length is wrong"));
        }
        let counts: hdrhistogram::Histogram<u32> =
            Deserializer::new().deserialize(&mut plain.as_slice()).map_err(|error| invalid(&error))?;
        let (low, high, digits) = (counts.low(), counts.high(), counts.sigfig());
        match (low, high, digits) {
            (1, MAX_US, BUCKET_DIGITS | RUN_DIGITS) => Ok(counts),
            _ => Err(HistogramError::Range { low, high, digits }),
        }
    }
}

/// Encodes histograms one after the other with the same buffers: a compressor takes 300 KiB, and allocating one for every
/// time bucket took 5 % of the time to simulate an hour.
pub(super) struct Encoder {
    serializer: V2Serializer,
    plain: Vec<u8>,
    compressor: Compress,
}

impl Encoder {
    /// Creates an encoder.
    pub(super) fn new() -> Self {
        let compressor = Compress::new(Compression::default(), true);
        Self { serializer: V2Serializer::new(), plain: Vec::new(), compressor }
    }

    /// Returns the counts in the V2 compressed encoding of `HdrHistogram`, as base64; empty if nothing was counted.
    ///
    /// The bytes depend on nothing but the counts: the compressor is portable Rust.
    pub(super) fn encode(&mut self, histogram: &Histogram) -> String {
        if histogram.is_empty() {
            return String::new();
        }
        self.plain.clear();
        self.serializer
            .serialize(&histogram.counts, &mut self.plain)
            .expect("invariant: counts of 32 bits are encodable, and a vector takes every byte");
        self.compressor.reset();
        // Deflate stores what it cannot compress, with a few bytes per block.
        let mut bytes = Vec::with_capacity(COMPRESSED_HEADER + self.plain.len() + self.plain.len() / 64 + 64);
        bytes.extend_from_slice(&COMPRESSED_COOKIE.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let status = self.compressor.compress_vec(&self.plain, &mut bytes, FlushCompress::Finish);
        assert!(
            matches!(status, Ok(Status::StreamEnd)),
            "invariant: the compressed bytes fit, found {status:?}"
        );
        let length =
            u32::try_from(bytes.len() - COMPRESSED_HEADER).expect("invariant: below the plain length");
        bytes[4..COMPRESSED_HEADER].copy_from_slice(&length.to_be_bytes());
        BASE64.encode(bytes)
    }
}

impl Clone for Encoder {
    /// Creates a new encoder: the buffers hold nothing between two encodings.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Quantiles {
    /// Returns the distribution behind the figures. Its sum is exact to `count` microseconds, its maximum to the microsecond.
    ///
    /// # Errors
    /// If the result carries no distribution, or one that cannot be read or does not have `count` durations.
    pub fn histogram(&self) -> Result<Histogram, HistogramError> {
        if self.count == 0 {
            return Ok(Histogram::of_run());
        }
        if self.hdr.is_empty() {
            return Err(HistogramError::Missing);
        }
        let counts = Histogram::decode(&self.hdr)?;
        if counts.len() != self.count {
            return Err(HistogramError::Count { found: counts.len(), expected: self.count });
        }
        let sum_us = micros(self.mean).saturating_mul(self.count);
        Ok(Histogram { counts, sum_us, max_us: micros(self.max) })
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn micros(seconds: f64) -> u64 {
    libm::round(seconds * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::V2DeflateSerializer;
    use proptest::prelude::*;

    fn histogram(mut empty: Histogram, micros: &[u64]) -> Histogram {
        for &value in micros {
            empty.record(Nanos(value * NANOS_PER_MICRO));
        }
        empty
    }

    /// The figures with the distribution, as a result carries them.
    fn carried(histogram: &Histogram) -> Quantiles {
        Quantiles { hdr: histogram.encode(), ..histogram.quantiles() }
    }

    fn durations() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![0u64..2_000, 0u64..100_000_000, 0u64..2 * MAX_US], 1..400)
    }

    proptest! {
        /// Law: every percentile is that of the sorted data, within the stated precision; mean and maximum are exact.
        #[test]
        fn percentiles_agree_with_sorted_data(mut micros in prop::collection::vec(0u64..100_000_000, 1..400)) {
            micros.sort_unstable();
            for (empty, precision) in [(Histogram::of_run(), 0.001), (Histogram::of_bucket(), 0.01)] {
                let histogram = histogram(empty, &micros);
                for quantile in [0.5, 0.9, 0.95, 0.99] {
                    let rank = (quantile * micros.len() as f64).ceil() as usize;
                    let exact = seconds(micros[rank.max(1) - 1]);
                    let found = histogram.quantile_s(quantile).unwrap();
                    prop_assert!((found - exact).abs() <= exact * precision + 1e-6, "{quantile}: {found} for {exact}");
                }
                let quantiles = histogram.quantiles();
                prop_assert_eq!(quantiles.count, micros.len() as u64);
                prop_assert_eq!(quantiles.max, seconds(*micros.last().unwrap()));
                prop_assert_eq!(quantiles.mean, seconds(micros.iter().sum::<u64>() / micros.len() as u64));
            }
        }

        /// Law: decoded histograms that are added have the percentiles of a histogram of all their values.
        #[test]
        fn decoded_histograms_add_up_to_their_union(first in durations(), second in durations()) {
            for empty in [Histogram::of_run, Histogram::of_bucket] {
                let mut sum = carried(&histogram(empty(), &first)).histogram().unwrap();
                sum.add(&carried(&histogram(empty(), &second)).histogram().unwrap());
                let union = histogram(empty(), &[first.as_slice(), &second].concat());
                let (added, whole) = (carried(&sum), carried(&union));
                prop_assert!((added.mean - whole.mean).abs() < 2e-6, "{} for {}", added.mean, whole.mean);
                prop_assert_eq!(Quantiles { mean: whole.mean, ..added }, whole);
            }
        }

        /// Law: encoding what was decoded gives the same bytes, and the same figures.
        #[test]
        fn the_encoding_survives_a_round_trip(values in durations()) {
            for empty in [Histogram::of_run(), Histogram::of_bucket()] {
                let written = carried(&histogram(empty, &values));
                prop_assert_eq!(carried(&written.histogram().unwrap()), written);
            }
        }

        /// Law: text that is not a histogram is an error, whatever it is.
        #[test]
        fn other_text_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let quantiles = Quantiles { count: 1, hdr: BASE64.encode(bytes), ..Quantiles::default() };
            prop_assert!(quantiles.histogram().is_err());
        }
    }

    #[test]
    fn the_bytes_are_the_same_on_every_machine() {
        let histogram = histogram(Histogram::of_run(), &[0, 1, 1, 250_000, 1_000_000, 90_000_000_000]);
        assert_eq!(
            histogram.encode(),
            "HISTFAAAAEB4nAE1AMr/HISTEwAAAA0AAAAAAAAAAwAAAAAAAAABAAAAFB3XYAA/8AAAAAAAAAIEvY4BAv0fAsmFAgKYvAez"
        );
    }

    #[test]
    fn a_duration_above_a_day_counts_as_a_day_in_the_percentiles() {
        let mut histogram = Histogram::of_run();
        histogram.record(Nanos::MAX);
        histogram.record_n(Nanos::MAX, 1);
        assert!((histogram.quantile_s(0.5).unwrap() / 86_400.0 - 1.0).abs() < 0.001);
        assert_eq!(histogram.quantiles().max, seconds(Nanos::MAX.0 / NANOS_PER_MICRO));
        histogram.clear();
        assert_eq!(histogram.quantiles(), Quantiles::default());
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles_and_no_encoding() {
        let empty = Histogram::of_run();
        assert_eq!(empty.quantile_s(0.5), None);
        assert_eq!(carried(&empty), Quantiles::default());
        assert!(Quantiles::default().histogram().unwrap().is_empty());
    }

    #[test]
    fn a_missing_or_foreign_distribution_is_an_error() {
        let with = |count, hdr: String| Quantiles { count, hdr, ..Quantiles::default() }.histogram();
        assert!(matches!(with(1, String::new()), Err(HistogramError::Missing)));
        assert!(matches!(
            with(2, histogram(Histogram::of_run(), &[5]).encode()),
            Err(HistogramError::Count { found: 1, expected: 2 })
        ));
        let mut coarse = hdrhistogram::Histogram::<u32>::new_with_bounds(1, 1_000, 1).unwrap();
        coarse.record(5).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&coarse, &mut bytes).unwrap();
        assert!(matches!(with(1, BASE64.encode(&bytes)), Err(HistogramError::Range { digits: 1, .. })));
        assert!(matches!(with(1, BASE64.encode(&bytes[..9])), Err(HistogramError::Encoding(_))));
        assert!(matches!(with(1, "no base64!".to_owned()), Err(HistogramError::Encoding(_))));
    }

    /// The reused compressor writes the bytes of the crate's own serializer.
    #[test]
    fn a_reused_encoder_writes_the_bytes_of_the_crate() {
        let mut encoder = Encoder::new();
        for values in [&[5_u64][..], &[1, 2, 3_000, 4_000_000], &[86_399_000_000; 3]] {
            let filled = histogram(Histogram::of_run(), values);
            let mut expected = Vec::new();
            V2DeflateSerializer::new().serialize(&filled.counts, &mut expected).unwrap();
            assert_eq!(encoder.encode(&filled), BASE64.encode(expected));
        }
    }
}
