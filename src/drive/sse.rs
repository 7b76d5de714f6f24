//! Server-sent events, read as they come: bytes in, the payloads of `data:` lines out.
//!
//! A sans-IO reader: it keeps the unfinished line, and whether the event under way is called `error`. Comments,
//! other fields and keep-alive lines are passed over, as the specification asks of a client (WHATWG HTML §9.2.6).

/// The longest line that is kept; a longer one ends the stream as broken.
const LINE_MAX: usize = 1 << 20;

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    unfinished: Vec<u8>,
    error: bool,
}

/// The payload of one `data:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data<'a> {
    pub(super) payload: &'a [u8],
    /// Its event is called `error`.
    pub(super) error: bool,
}

/// A line longer than any that a provider sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes the next bytes and calls `on_data` with the payload of every `data:` line that they finish.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_data: impl FnMut(Data<'_>),
    ) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.unfinished.is_empty() {
                self.line(line).into_iter().for_each(&mut on_data);
            } else {
                let mut whole = std::mem::take(&mut self.unfinished);
                whole.extend_from_slice(line);
                self.line(&whole).into_iter().for_each(&mut on_data);
                // The room is kept for the next line that comes in pieces.
                whole.clear();
                self.unfinished = whole;
            }
        }
        if self.unfinished.len() + bytes.len() > LINE_MAX {
            return Err(TooLong);
        }
        self.unfinished.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes one line: a blank one ends an event, a name holds for the data that follow it.
    fn line<'a>(&mut self, line: &'a [u8]) -> Option<Data<'a>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.error = false;
        } else if let Some(name) = field(line, b"event") {
            self.error = name == b"error";
        }
        Some(Data { payload: field(line, b"data")?, error: self.error })
    }
}

/// The value of a field, without the one space that may follow the colon; `None` where the line is another's.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut events, mut seen) = (Events::default(), Vec::new());
        for piece in pieces {
            events
                .feed(piece, |data| {
                    let mark = if data.error { "!" } else { "" };
                    seen.push(format!("{mark}{}", String::from_utf8_lossy(data.payload)));
                })
                .expect("short lines");
        }
        seen
    }

    const STREAM: &[u8] = b": hello\r\nevent: x\ndata: {\"a\":1}\n\n\n: keep-alive\nevent: error\r\ndata: {}\r\n\r\ndata:[DONE]\r\n\r\ndata: unfinished";

    #[test]
    fn reads_data_and_passes_over_the_rest() {
        assert_eq!(read(&[STREAM]), ["{\"a\":1}", "!{}", "[DONE]"]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; LINE_MAX / 2];
        assert_eq!(events.feed(&piece, |_| ()), Ok(()));
        assert_eq!(events.feed(&piece, |_| ()), Ok(()));
        assert_eq!(events.feed(b"x", |_| ()), Err(TooLong));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &STREAM[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[STREAM]));
        }
    }
}
