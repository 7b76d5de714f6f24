//! What was heard in a file of audio, as Groq's audio endpoints write it.
//!
//! Members as documented (2026-02), their order assumed. The words are filler, as many as people say in so long.

use super::{Content, chat, ids, json};
use crate::time::Nanos;

/// What is done with what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It is written down.
    Transcribe,
    /// It is written down in English.
    Translate,
}

/// How it is written (`response_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// `json`: an object with the text.
    #[default]
    Json,
    /// `verbose_json`: the same with the duration, and one segment for all.
    VerboseJson,
    /// `text`: the text alone.
    Text,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// What is done with it.
    pub task: Task,
    /// How it is written.
    pub written: Written,
    /// How long the audio lasts.
    pub duration: Nanos,
}

impl Transcript {
    /// The body of a reply, from the number of its call.
    pub(super) fn render(self, number: u64) -> (Content, String) {
        let words = u128::from(self.duration.0) * WORDS_PER_MINUTE / u128::from(Nanos::MINUTE.0);
        let mut text = String::new();
        chat::text(&mut text, u32::try_from(words).unwrap_or(u32::MAX).max(1), number);
        if self.written == Written::Text {
            return (Content::Text, text + "\n");
        }
        let mut out = String::with_capacity(2 * text.len() + 256);
        out.push('{');
        if self.written == Written::VerboseJson {
            self.details(&mut out, &text);
        }
        let id = ids::groq_request(number);
        json::put(&mut out, format_args!(r#""text":"{text}","x_groq":{{"id":"{id}"}}}}"#));
        (Content::Json, out)
    }

    fn details(self, out: &mut String, text: &str) {
        let task = match self.task {
            Task::Transcribe => "transcribe",
            Task::Translate => "translate",
        };
        json::put(out, format_args!(r#""task":"{task}","language":"English","duration":"#));
        json::seconds(out, self.duration);
        out.push_str(r#","segments":[{"id":0,"seek":0,"start":0,"end":"#);
        json::seconds(out, self.duration);
        json::put(
            out,
            format_args!(
                r#","text":"{text}","tokens":[],"temperature":0,"avg_logprob":-0.2,"compression_ratio":1.5,"no_speech_prob":0}}],"#
            ),
        );
    }
}

/// How fast people speak: a common figure for English read aloud.
const WORDS_PER_MINUTE: u128 = 150;
