//! A plain chat request, read at a glance. Most are plain: a model, messages that have a role and a text, and numbers and
//! words beside them. Whatever is not plain, or not right, is nothing here: serde reads it, and says what is wrong.
//!
//! Where this reads anything, it reads what serde would have read.

use super::request::{Name, Raw, Role, Text};
use std::borrow::Cow;

/// Reads a request that is plain.
pub(super) fn read(body: &str) -> Option<Raw<'_>> {
    let mut glance = Glance { text: body, at: 0 };
    let mut raw = Raw::default();
    glance.object(|glance, name| match name {
        "model" => set(&mut raw.model, Name(Cow::Borrowed(glance.name()?))),
        "messages" => set(&mut raw.messages, glance.messages()?),
        "max_tokens" => set(&mut raw.max_tokens, glance.count()?),
        "max_completion_tokens" => set(&mut raw.max_completion_tokens, glance.count()?),
        "n" => set(&mut raw.n, glance.count()?),
        "stream" => set(&mut raw.stream, glance.truth()?),
        "service_tier" => set(&mut raw.service_tier, Name(Cow::Borrowed(glance.name()?))),
        "stream_options" | "tools" | "tool_choice" | "response_format" => None,
        _ => glance.pass(),
    })?;
    glance.peek().is_none().then_some(raw)
}

/// Sets a member that is not there yet.
fn set<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

/// How far a text has been read.
struct Glance<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Glance<'a> {
    /// An object with at least one member.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        loop {
            let name = self.name()?;
            self.eat(b':')?;
            member(self, name)?;
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    /// A list with at least one message.
    fn messages(&mut self) -> Option<Text> {
        let mut text = Text::default();
        self.eat(b'[')?;
        loop {
            let (mut role, mut chars) = (None, None);
            self.object(|glance, name| match name {
                "role" => set(&mut role, Role::of(glance.name()?)?),
                "content" => set(&mut chars, glance.chars()?),
                _ => glance.pass(),
            })?;
            text.add(role?, chars.unwrap_or(0));
            if self.eat(b',').is_none() {
                self.eat(b']')?;
                return Some(text);
            }
        }
    }

    /// A string without escapes.
    fn name(&mut self) -> Option<&'a str> {
        self.string().and_then(|(text, escapes)| (escapes == 0).then_some(text))
    }

    /// How many characters a string has.
    fn chars(&mut self) -> Option<u64> {
        self.string().map(|(text, escapes)| text.chars().count() as u64 - escapes)
    }

    /// A string as it stands there, and how many escapes are in it, which have two characters each.
    fn string(&mut self) -> Option<(&'a str, u64)> {
        self.eat(b'"')?;
        let (start, mut escapes) = (self.at, 0);
        loop {
            self.at += plain(self.rest());
            match *self.rest() {
                [b'"', ..] => break,
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
                _ => return None,
            }
            escapes += 1;
        }
        self.at += 1;
        Some((&self.text[start..self.at - 1], escapes))
    }

    fn count(&mut self) -> Option<u32> {
        self.peek()?;
        self.digits()?.parse().ok()
    }

    fn truth(&mut self) -> Option<bool> {
        let truth = self.peek()? == b't';
        self.word(if truth { "true" } else { "false" })?;
        Some(truth)
    }

    /// A value that nobody asks for.
    fn pass(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            sign => {
                self.at += usize::from(sign == b'-');
                self.digits()?;
                if self.rest().first() == Some(&b'.') {
                    self.at += 1;
                    self.run().map(|_| ())?;
                }
                Some(())
            }
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest().starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// A whole number, without a zero in front.
    fn digits(&mut self) -> Option<&'a str> {
        self.run().filter(|digits| *digits == "0" || !digits.starts_with('0'))
    }

    /// At least one digit.
    fn run(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        Some(&self.text[start..self.at]).filter(|digits| !digits.is_empty())
    }

    /// Passes this byte, and the blanks before it.
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.rest().first()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }
}

/// How many bytes there are before one that means something inside a string, or may not be there.
fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return 8 * index + found.trailing_zeros() as usize / 8;
        }
    }
    let before = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    8 * words.len() + before.unwrap_or(rest.len())
}

/// Of eight bytes those that are quotes, backslashes or controls, each marked in its highest bit. A byte is below another
/// where it borrows when that is taken from it; so bytes above the first that is marked may be marked by mistake.
const fn special(bytes: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::MAX / 0xff * byte as u64
    }
    const fn below(bytes: u64, bound: u8) -> u64 {
        bytes.wrapping_sub(each(bound)) & !bytes & each(0x80)
    }
    below(bytes ^ each(b'"'), 1) | below(bytes ^ each(b'\\'), 1) | below(bytes, b' ')
}

#[cfg(test)]
mod tests {
    use super::super::request::{self, Chat};
    use super::*;
    use crate::wire::Endpoint;
    use proptest::prelude::*;

    const BODIES: [&str; 3] = [
        r#"{"model":"llama","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say \"é\"\n\\ and / so on"}],"temperature":0.5,"max_tokens":1024}"#,
        "{ \"messages\" : [ {\"content\": \"x\", \"name\": \"n\", \"role\": \"user\"},\n\t{\"role\": \"tool\"} ] ,\r\n\"stream\": true, \"n\": 1, \"user\": null, \"seed\": -20.75, \"model\": \"m\" } ",
        r#"{"model":"m","max_completion_tokens":7,"service_tier":"flex","stream":false,"messages":[{"role":"user","content":""}],"logprobs":false,"top_p":0}"#,
    ];

    /// What serde makes of the same, where this makes anything of it; asserts that it is the same.
    fn checked(body: &str) -> bool {
        let Some(raw) = read(body) else { return false };
        let bytes = body.as_bytes();
        let other = request::read(bytes).and_then(|raw| Chat::of(raw, bytes, Endpoint::Completions));
        assert_eq!(Chat::of(raw, bytes, Endpoint::Completions), other, "{body}");
        true
    }

    #[test]
    fn plain_requests_are_read() {
        for body in BODIES {
            assert!(checked(body), "{body}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_serde() {
        for (what, instead) in [
            (r#""model":"#, r#""model":"twice","model":"#),
            (r#""llama""#, r#""l\u006cama""#),
            (r#""llama""#, r#""l\\ama""#),
            (r#""llama""#, "null"),
            ("1024", "1024.0"),
            ("1024", "01024"),
            ("1024", "-1"),
            ("1024", "4294967296"),
            ("0.5", "5e-1"),
            ("0.5", ".5"),
            ("0.5", "5."),
            ("0.5", "- 5"),
            ("0.5", "{}"),
            ("0.5", r#"0.5,"tools":[]"#),
            ("0.5", "0.5,"),
            (r#""Be brief.""#, "[]"),
            (r#""Be brief.""#, r#"null,"content":"x""#),
            ("brief", "br\nief"),
            (r#""system","#, r#""nobody","#),
            (r#""role":"system","#, ""),
            ("1024}", "1024}}"),
            ("1024}", "1024"),
        ] {
            let body = BODIES[0].replacen(what, instead, 1);
            assert_ne!(body, BODIES[0], "{what} is not there");
            assert!(!checked(&body), "{body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn whatever_is_read_is_what_serde_reads(
            body in prop::sample::select(&BODIES[..]),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, r#"[ "\\{}\[\],:0-9.a-enrtué-]{0,2}"#), 1..4),
        ) {
            let mut chars: Vec<char> = body.chars().collect();
            for (place, gone, instead) in edits {
                let place = place.index(chars.len());
                let end = chars.len().min(place + gone);
                chars.splice(place..end, instead.chars());
            }
            checked(&chars.into_iter().collect::<String>());
        }
    }
}
