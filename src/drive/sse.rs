//! An incremental reader of server-sent events: bytes in, the payloads of `data:` lines out.
//!
//! It keeps the incomplete line, and whether the type of the current event is `error`. Comments, other fields and
//! keep-alive lines are skipped, as the specification requires (WHATWG HTML §9.2.6).

/// The most bytes of an incomplete line that are kept; a longer one is an error.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The reader of one stream.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    incomplete: Vec<u8>,
    /// `true` if the type of the current event is `error`.
    error: bool,
}

/// The payload of one `data:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    pub(crate) payload: &'a [u8],
    /// `true` if the type of its event is `error`.
    pub(crate) error: bool,
}

/// An incomplete line is longer than [`MAX_LINE_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl EventReader {
    /// Reads the next bytes and calls `on_data` with the payload of every `data:` line that they complete.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_data: impl FnMut(Data<'_>),
    ) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.incomplete.is_empty() {
                self.line(line).into_iter().for_each(&mut on_data);
            } else {
                let mut complete = std::mem::take(&mut self.incomplete);
                complete.extend_from_slice(line);
                self.line(&complete).into_iter().for_each(&mut on_data);
                // The allocation is kept for the next incomplete line.
                complete.clear();
                self.incomplete = complete;
            }
        }
        if self.incomplete.len() + bytes.len() > MAX_LINE_BYTES {
            return Err(TooLong);
        }
        self.incomplete.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads one line. A blank line ends an event; an event type applies to the data lines after it.
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

/// Returns the value of a field, without the one space that may follow the colon; `None` if the line is another field.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(pieces: &[&[u8]]) -> Vec<String> {
        let (mut reader, mut read) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader
                .feed(piece, |data| {
                    let mark = if data.error { "!" } else { "" };
                    read.push(format!("{mark}{}", String::from_utf8_lossy(data.payload)));
                })
                .expect("short lines");
        }
        read
    }

    const STREAM: &[u8] = b": hello\r\nevent: x\ndata: {\"a\":1}\n\n\n: keep-alive\nevent: error\r\ndata: {}\r\n\r\ndata:[DONE]\r\n\r\ndata: unfinished";

    #[test]
    fn data_is_read_and_everything_else_skipped() {
        assert_eq!(read_all(&[STREAM]), ["{\"a\":1}", "!{}", "[DONE]"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error() {
        let mut reader = EventReader::default();
        let piece = vec![b'x'; MAX_LINE_BYTES / 2];
        assert_eq!(reader.feed(&piece, |_| ()), Ok(()));
        assert_eq!(reader.feed(&piece, |_| ()), Ok(()));
        assert_eq!(reader.feed(b"x", |_| ()), Err(TooLong));
    }

    proptest! {
        #[test]
        fn the_split_of_the_bytes_does_not_matter(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &STREAM[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read_all(&pieces), read_all(&[STREAM]));
        }
    }
}
