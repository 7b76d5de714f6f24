//! Transcripts of audio files, as Groq's audio endpoints send them; the mock sends the same in every dialect, without Groq's
//! `x_groq` in others.
//!
//! The members are documented (2026-02); their order is assumed. The text is filler with the number of words of ordinary
//! speech.

use super::chat::MAX_FILLER_TOKENS;
use super::json::{self, Seconds};
use super::{MediaType, filler};
use crate::time::Nanos;
use serde::Serialize;

/// The task of an audio endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Transcribe in the language of the audio.
    Transcribe,
    /// Translate to English.
    Translate,
}

/// The format of a transcript (`response_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranscriptFormat {
    /// `json`: an object with the text.
    #[default]
    Json,
    /// `verbose_json`: also the duration, and one segment for the whole text.
    VerboseJson,
    /// `text`: the text alone.
    Text,
}

/// The transcript of an audio file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The task.
    pub task: Task,
    /// The format of the body.
    pub format: TranscriptFormat,
    /// The duration of the audio.
    pub duration: Nanos,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    details: Option<Details<'a>>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_groq: Option<RequestId>,
}

#[derive(Serialize)]
struct RequestId {
    id: String,
}

#[derive(Serialize)]
struct Details<'a> {
    task: Task,
    language: &'static str,
    duration: Seconds,
    segments: [Segment<'a>; 1],
}

#[derive(Serialize)]
struct Segment<'a> {
    id: u32,
    seek: u32,
    start: u32,
    end: Seconds,
    text: &'a str,
    tokens: [u32; 0],
    temperature: u32,
    avg_logprob: f64,
    compression_ratio: f64,
    no_speech_prob: u32,
}

impl Transcript {
    /// Renders the body of a reply to the request with this number. `groq_id` is the id in `x_groq`, which only Groq sends.
    pub(super) fn render(self, number: u64, groq_id: Option<String>) -> (MediaType, String) {
        let words = u128::from(self.duration.0) * WORDS_PER_MINUTE / u128::from(Nanos::MINUTE.0);
        let words = u32::try_from(words).unwrap_or(u32::MAX).clamp(1, MAX_FILLER_TOKENS);
        let text = filler::text(number, words);
        if self.format == TranscriptFormat::Text {
            return (MediaType::Text, text + "\n");
        }
        let details = (self.format == TranscriptFormat::VerboseJson).then(|| self.details(&text));
        let x_groq = groq_id.map(|id| RequestId { id });
        (MediaType::Json, json::text(&Body { details, text: &text, x_groq }))
    }

    fn details(self, text: &str) -> Details<'_> {
        let duration = Seconds(self.duration);
        let segment = Segment {
            id: 0,
            seek: 0,
            start: 0,
            end: duration,
            text,
            tokens: [],
            temperature: 0,
            avg_logprob: -0.2,
            compression_ratio: 1.5,
            no_speech_prob: 0,
        };
        Details { task: self.task, language: "English", duration, segments: [segment] }
    }
}

/// A common speed of English speech (assumed).
const WORDS_PER_MINUTE: u128 = 150;
