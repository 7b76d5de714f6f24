//! The tokens of images, audio and documents in a prompt, by the rules that each provider publishes. `mock/README.md` lists them.

use super::audio::audio_duration;
use crate::config::Dialect;
use crate::time::Nanos;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A part of a prompt that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// An image.
    Image {
        /// Width and height in pixels; `None` if they are not in the request (a URL, a file id) or cannot be read.
        size: Option<(u32, u32)>,
        /// `true` if the request asks for less detail (`detail: low`, OpenAI).
        low_detail: bool,
    },
    /// Audio of this length.
    Audio(Nanos),
    /// A document of this many pages.
    Document(u32),
}

impl Media {
    /// Returns an image, given its URL. Only the pixels of a `data:` URL are known.
    pub(super) fn image_url(url: &str, low_detail: bool) -> Self {
        Self::Image { size: data_of_url(url).and_then(|data| image_size(&decode(data))), low_detail }
    }

    /// Returns the medium of this type (`image/png`), given its bytes in base64. A video counts as audio; anything else that is
    /// not an image is a document.
    pub(super) fn base64(media_type: &str, data: &str) -> Self {
        let bytes = decode(data);
        if media_type.starts_with("audio/") || media_type.starts_with("video/") {
            Self::Audio(audio_duration(&bytes, bytes.len() as u64))
        } else if media_type.starts_with("image/") {
            Self::Image { size: image_size(&bytes), low_detail: false }
        } else {
            Self::Document(pages(&bytes))
        }
    }

    /// Returns the document in a `data:` URL, or one whose bytes are not in the request.
    pub(super) fn document_url(url: &str) -> Self {
        Self::Document(data_of_url(url).map_or(1, |data| pages(&decode(data))))
    }

    /// Returns the tokens of the medium for a model.
    pub(super) fn tokens(self, dialect: Dialect, model: &str) -> u64 {
        match self {
            Self::Image { size, low_detail } => {
                image_tokens(dialect, model, size.unwrap_or(UNKNOWN_SIZE), low_detail)
            }
            Self::Audio(duration) => {
                let tokens = u128::from(duration.0) * audio_tokens_per_ten_seconds(dialect);
                u64::try_from(tokens.div_ceil(10 * u128::from(Nanos::SECOND.0))).unwrap_or(u64::MAX)
            }
            Self::Document(pages) => u64::from(pages) * page_tokens(dialect),
        }
    }
}

/// Returns the tokens of an image.
fn image_tokens(dialect: Dialect, model: &str, size: (u32, u32), low_detail: bool) -> u64 {
    match dialect {
        Dialect::OpenAi | Dialect::Azure => openai_tokens(model, size, low_detail),
        Dialect::Anthropic => anthropic_tokens(size),
        Dialect::Gemini => gemini_tokens(size),
        Dialect::Mistral => mistral_tokens(model, size),
        Dialect::Together => together_tokens(size),
        // Reported and documented for its models of 2025.
        Dialect::Groq => 2_048,
        // These publish no rule; OpenAI's is assumed.
        Dialect::Cerebras | Dialect::DeepInfra | Dialect::Fireworks => openai_tokens("", size, low_detail),
    }
}

/// OpenAI (documented, 2025): newer small models count patches of 32 pixels, at most 1,536, times a factor of the model. Others
/// count tiles of 512 pixels, after the image has been reduced to 2,048 pixels and then its shorter side to 768, and a base;
/// with less detail, the base alone.
fn openai_tokens(model: &str, size: (u32, u32), low_detail: bool) -> u64 {
    if let Some((_, thousandths)) = OPENAI_PATCHES.iter().find(|(name, _)| model.contains(name)) {
        return (patches(size) * thousandths).div_ceil(1_000);
    }
    let (base, tile) = OPENAI_TILES
        .iter()
        .find(|(name, ..)| model.contains(name))
        .map_or((85, 170), |(_, base, tile)| (*base, *tile));
    if low_detail {
        return base;
    }
    let (width, height) = shrink_longer(size, 2_048);
    let (width, height) = shrink_shorter((width, height), 768);
    base + tile * u64::from(width.div_ceil(512)) * u64::from(height.div_ceil(512))
}

/// Returns the patches of 32 pixels: 1,536 if there are more, since the image is then reduced to about that many.
fn patches((width, height): (u32, u32)) -> u64 {
    let count = |side: u32| u64::from(side.div_ceil(32));
    (count(width) * count(height)).min(1_536)
}

/// Anthropic (documented, 2025): width × height ÷ 750, after the longer side is reduced to 1,568 pixels, and at most 1,600.
fn anthropic_tokens(size: (u32, u32)) -> u64 {
    let (width, height) = shrink_longer(size, 1_568);
    (u64::from(width) * u64::from(height)).div_ceil(750).min(1_600)
}

/// Gemini since 2.0 (documented, 2025): 258 if both sides are at most 384 pixels, otherwise 258 for each tile. A tile's side is two
/// thirds of the shorter side, between 256 and 768 pixels.
fn gemini_tokens((width, height): (u32, u32)) -> u64 {
    if width.max(height) <= 384 {
        return 258;
    }
    let side = (width.min(height) / 3 * 2).clamp(256, 768);
    258_u64.saturating_mul(u64::from(width.div_ceil(side)) * u64::from(height.div_ceil(side)))
}

/// Mistral (its library `mistral-common`, 2025): a token per patch, and one per row. Patches have 28 pixels after the longer side is
/// reduced to 1,540; for Pixtral 16 after 1,024.
fn mistral_tokens(model: &str, size: (u32, u32)) -> u64 {
    let (max_side, patch) = if model.contains("pixtral") { (1_024, 16) } else { (1_540, 28) };
    let (width, height) = shrink_longer(size, max_side);
    (u64::from(width.div_ceil(patch)) + 1) * u64::from(height.div_ceil(patch))
}

/// Together (documented, 2024): 1,601 for each of up to four tiles of 560 pixels.
fn together_tokens((width, height): (u32, u32)) -> u64 {
    let tiles = |side: u32| u64::from((side / 560).clamp(1, 2));
    1_601 * tiles(width) * tiles(height)
}

/// Returns the tokens of ten seconds of audio: Gemini 32 per second, OpenAI one per 100 ms of user audio, Mistral's Voxtral
/// 12.5 per second (all documented, 2025). Others publish no number; OpenAI's is assumed.
const fn audio_tokens_per_ten_seconds(dialect: Dialect) -> u128 {
    match dialect {
        Dialect::Gemini => 320,
        Dialect::Mistral => 125,
        _ => 100,
    }
}

/// Returns the tokens of one page of a document: Gemini 258, Anthropic 1,500 to 3,000 with its image (both documented, 2025). Others
/// publish no number; Anthropic's lower one is assumed.
const fn page_tokens(dialect: Dialect) -> u64 {
    match dialect {
        Dialect::Gemini => 258,
        _ => 1_500,
    }
}

/// Reduces an image until its longer side has at most `max_side` pixels.
fn shrink_longer((width, height): (u32, u32), max_side: u32) -> (u32, u32) {
    scale((width, height), width.max(height), max_side)
}

/// Reduces an image until its shorter side has at most `max_side` pixels.
fn shrink_shorter((width, height): (u32, u32), max_side: u32) -> (u32, u32) {
    scale((width, height), width.min(height), max_side)
}

/// Reduces an image in proportion so that its `side`, one of the two, has at most `max_side` pixels.
fn scale((width, height): (u32, u32), side: u32, max_side: u32) -> (u32, u32) {
    if side <= max_side {
        return (width.max(1), height.max(1));
    }
    let scaled = |pixels: u32| {
        let pixels = u64::from(pixels) * u64::from(max_side) / u64::from(side);
        u32::try_from(pixels).unwrap_or(u32::MAX).max(1)
    };
    (scaled(width), scaled(height))
}

/// Returns the base64 of a `data:` URL; `None` for any other URL.
fn data_of_url(url: &str) -> Option<&str> {
    Some(url.strip_prefix("data:")?.split_once(',')?.1)
}

/// Decodes base64, with or without padding; what follows an invalid character is left out.
fn decode(data: &str) -> Vec<u8> {
    let valid = data.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let length = valid.count();
    // A single character after a group of four does not encode a whole byte.
    let whole = if length % 4 == 1 { length - 1 } else { length };
    BASE64.decode(&data[..whole]).unwrap_or_default()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the width and height that the header of an image states.
fn image_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = imagesize::blob_size(bytes).ok()?;
    Some((u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?))
}

/// Returns the pages of a PDF: its objects of the type `Page`, at least one. Those in compressed objects are not found.
fn pages(bytes: &[u8]) -> u32 {
    let is_page = |window: &&[u8]| {
        let rest = window[b"/Type".len()..].trim_ascii_start();
        rest.starts_with(b"/Page") && !rest.starts_with(b"/Pages")
    };
    let starts = bytes.windows(b"/Type  /Pages".len()).filter(|window| window.starts_with(b"/Type"));
    u32::try_from(starts.filter(is_page).count()).unwrap_or(u32::MAX).max(1)
}

/// The pixels of an image whose size is not known: 1,024 × 1,024 (assumed).
const UNKNOWN_SIZE: (u32, u32) = (1_024, 1_024);

/// Parts of the names of OpenAI's models that count patches, with their factors in thousandths. The first that a name
/// contains applies.
const OPENAI_PATCHES: [(&str, u64); 5] = [
    ("gpt-4.1-mini", 1_620),
    ("gpt-5-mini", 1_620),
    ("gpt-4.1-nano", 2_460),
    ("gpt-5-nano", 2_460),
    ("o4-mini", 1_720),
];

/// Parts of the names of OpenAI's models that count tiles, with the tokens of the base and of a tile. Other models
/// count as `gpt-4o`.
const OPENAI_TILES: [(&str, u64, u64); 4] =
    [("gpt-4o-mini", 2_833, 5_667), ("gpt-5", 70, 140), ("o1", 75, 150), ("o3", 75, 150)];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(dialect: Dialect, model: &str, width: u32, height: u32) -> u64 {
        Media::Image { size: Some((width, height)), low_detail: false }.tokens(dialect, model)
    }

    /// The examples of the providers' own pages.
    #[test]
    fn images_count_as_in_the_published_examples() {
        for (dialect, model, width, height, tokens) in [
            (Dialect::OpenAi, "gpt-4o", 1_024, 1_024, 765),
            (Dialect::OpenAi, "gpt-4o", 2_048, 4_096, 1_105),
            (Dialect::Azure, "gpt-4o", 1_024, 1_024, 765),
            (Dialect::OpenAi, "gpt-4.1-mini", 1_024, 1_024, 1_659),
            (Dialect::OpenAi, "gpt-4o-mini", 1_024, 1_024, 25_501),
            (Dialect::OpenAi, "gpt-5", 512, 512, 210),
            (Dialect::Anthropic, "claude", 200, 200, 54),
            (Dialect::Anthropic, "claude", 1_000, 1_000, 1_334),
            (Dialect::Anthropic, "claude", 1_092, 1_092, 1_590),
            (Dialect::Gemini, "gemini", 384, 384, 258),
            (Dialect::Gemini, "gemini", 960, 540, 6 * 258),
            (Dialect::Mistral, "pixtral-12b", 1_024, 1_024, 64 * 65),
            (Dialect::Mistral, "mistral-small", 1_540, 1_540, 55 * 56),
            (Dialect::Together, "llama", 500, 500, 1_601),
            (Dialect::Together, "llama", 2_000, 2_000, 6_404),
            (Dialect::Groq, "llama-4-scout", 10, 10, 2_048),
        ] {
            assert_eq!(image(dialect, model, width, height), tokens, "{dialect:?} {model} {width}×{height}");
        }
        let low = Media::Image { size: Some((4_096, 4_096)), low_detail: true };
        assert_eq!(low.tokens(Dialect::OpenAi, "gpt-4o"), 85);
    }

    #[test]
    fn the_size_of_an_image_is_in_its_header() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 4, 0, 0, 0, 4, 0, 8, 2, 0, 0, 0]);
        png.resize(200_000, 0);
        let data = BASE64.encode(&png);
        let url = format!("data:image/png;base64,{data}");
        let expected = Media::Image { size: Some((1_024, 1_024)), low_detail: false };
        assert_eq!(Media::image_url(&url, false), expected);
        assert_eq!(Media::base64("image/png", &data), expected);
        let unknown = Media::Image { size: None, low_detail: false };
        assert_eq!(Media::image_url("https://example.com/a.png", false), unknown);
        assert_eq!(unknown.tokens(Dialect::OpenAi, "gpt-4o"), 765);
    }

    #[test]
    fn audio_counts_by_its_length_and_documents_by_their_pages() {
        let ten_seconds = Media::Audio(Nanos::from_secs(10));
        for (dialect, tokens) in [(Dialect::OpenAi, 100), (Dialect::Gemini, 320), (Dialect::Mistral, 125)] {
            assert_eq!(ten_seconds.tokens(dialect, ""), tokens, "{dialect:?}");
        }
        let pdf = b"%PDF-1.7 <</Type/Pages/Kids[]>> <</Type /Page /X>> <</Type/Page/Parent 1 0 R>> trailer";
        assert_eq!(Media::base64("application/pdf", &BASE64.encode(pdf)), Media::Document(2));
        assert_eq!(Media::Document(2).tokens(Dialect::Gemini, ""), 516);
        assert_eq!(Media::document_url("https://example.com/a.pdf"), Media::Document(1));
    }

    proptest! {
        #[test]
        fn arbitrary_media_do_not_panic(data in any::<String>(), bytes: Vec<u8>, width: u32, height: u32) {
            let encoded = BASE64.encode(&bytes);
            for media_type in ["image/png", "audio/wav", "application/pdf", ""] {
                for data in [&data, &encoded] {
                    let media = Media::base64(media_type, data);
                    Dialect::ALL.into_iter().for_each(|dialect| assert!(media.tokens(dialect, "m") < u64::MAX));
                }
            }
            for dialect in Dialect::ALL {
                prop_assert!(image(dialect, "gpt-4o", width, height) > 0);
            }
        }
    }
}
