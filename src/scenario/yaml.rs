//! YAML text to a tree in which every key and value has its place in the text.
//!
//! It uses the events of the YAML parser rather than serde, which stops at the first value that does not fit: a scenario's
//! problems are reported all at once. Duplicate keys, tags, merge keys and several documents are refused rather than
//! interpreted. Depth and size (aliases expanded) are bounded. Control characters are refused, since names go to terminals,
//! headers and the commands of CI systems.

use super::diagnostics::{Diagnostics, Place};
use serde_yaml::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span};
use std::collections::BTreeMap;

/// The maximum depth of nested collections; a scenario needs about eight levels.
const MAX_DEPTH: usize = 32;
/// The maximum number of values in a scenario. An alias counts as the value that it refers to.
const MAX_NODES: usize = 50_000;
/// The maximum number of bytes of the values' text in a scenario. An alias counts as the value that it refers to, keys
/// included.
const MAX_BYTES: usize = 4 << 20;
/// The maximum length of a key in characters; the longest names of models have about fifty.
const MAX_KEY: usize = 200;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins in the text.
    pub(super) place: Place,
    /// Its contents.
    pub(super) kind: NodeKind,
}

/// The contents of a value.
#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    /// Keys and values in the order written; no key twice.
    Map(Vec<NodeEntry>),
    /// Values in the order written.
    List(Vec<Node>),
    /// The content of a scalar that is not [`Self::Null`], without its quotes and with its escapes resolved.
    Text(String),
    /// Nothing, `null` or `~`, not in quotes.
    Null,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct NodeEntry {
    /// The key.
    pub(super) key: String,
    /// The place of the key.
    pub(super) place: Place,
    /// The value.
    pub(super) value: Node,
}

/// Reads one document, whose first line begins `columns` characters into its source. Returns `None` if it cannot be read or
/// is empty; then at least one problem has been reported.
pub(super) fn read(diagnostics: &Diagnostics, source: usize, text: &str, columns: usize) -> Option<Node> {
    let mut reader = Reader {
        diagnostics,
        source,
        columns,
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        open: Vec::new(),
        path: Vec::new(),
        nodes: 0,
        bytes: 0,
    };
    reader.document().ok()
}

/// Reading was aborted; the problem has been reported.
struct Aborted;

struct Reader<'t> {
    diagnostics: &'t Diagnostics,
    /// The number of the source in `diagnostics`.
    source: usize,
    /// The characters of the source before the first line of the document.
    columns: usize,
    parser: Parser<'t, serde_yaml::granit_parser::StrInput<'t>>,
    /// The value of each anchor, by the number that the parser gives the anchor.
    anchors: BTreeMap<usize, Node>,
    /// Where the collections around the current value begin, the outermost first.
    open: Vec<Place>,
    /// The keys and indices that lead to the current value.
    path: Vec<String>,
    /// The values read so far; see [`MAX_NODES`].
    nodes: usize,
    /// The bytes of their text; see [`MAX_BYTES`].
    bytes: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Aborted> {
        let mut document = None;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) if document.is_some() => {
                    return self.abort(
                        place,
                        "a second document begins here",
                        "write one scenario per file, without `---`",
                    );
                }
                Event::DocumentStart(..) => document = self.root()?,
                _ => return self.abort(place, "unexpected content after the scenario", "remove it"),
            }
        }
        match document {
            Some(Node { kind: NodeKind::Null, .. }) | None => {
                let column = 1 + self.columns;
                let start = Place { source: self.source, line: 1, column, width: 1 };
                match self.columns {
                    0 => self.abort(start, "the file is empty", EMPTY_HELP),
                    // The document is the value of an option, and follows its path in the source.
                    _ => self.abort(start, "the value is empty", "write a value, or leave the option out"),
                }
            }
            Some(node) => Ok(node),
        }
    }

    fn root(&mut self) -> Result<Option<Node>, Aborted> {
        match self.next()? {
            Some((Event::DocumentEnd | Event::StreamEnd, _)) | None => Ok(None),
            Some((event, place)) => self.node(event, place).map(Some),
        }
    }

    /// Returns the next event that is not a comment; `None` at the end.
    fn next(&mut self) -> Result<Option<(Event<'t>, Place)>, Aborted> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok(Some((event, self.place(span)))),
                Some(Err(error)) => return self.malformed(&error),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, place: Place) -> Result<Node, Aborted> {
        self.count(place, 1, 0)?;
        let (kind, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place, 0, text.len())?;
                if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
                    self.report(place, "control characters are not supported", "remove them");
                }
                let empty = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let kind = if empty { NodeKind::Null } else { NodeKind::Text(text.into_owned()) };
                (kind, anchor, tag)
            }
            Event::MappingStart(_, anchor, tag) => (self.nested(place, Self::map)?, anchor, tag),
            Event::SequenceStart(_, anchor, tag) => (self.nested(place, Self::list)?, anchor, tag),
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => return self.abort(place, "a value was expected here", "write one, or remove the key"),
        };
        if tag.is_some() {
            self.report(place, "tags (`!…`) are not supported", "remove it");
        }
        let node = Node { place, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Reads a collection that begins at `place` with `read`, unless it is nested too deeply.
    fn nested(
        &mut self,
        place: Place,
        read: fn(&mut Self) -> Result<NodeKind, Aborted>,
    ) -> Result<NodeKind, Aborted> {
        if self.open.len() == MAX_DEPTH {
            let what = format!("this is nested deeper than {MAX_DEPTH} levels");
            return self.abort(place, what, "flatten it: a scenario needs about eight");
        }
        self.open.push(place);
        let kind = read(self)?;
        self.open.pop();
        Ok(kind)
    }

    fn map(&mut self) -> Result<NodeKind, Aborted> {
        let mut entries: Vec<NodeEntry> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        while let Some((event, place)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return self.abort(place, "a key must be a single value", "write `key: value`"),
            };
            if key.contains(char::is_control) {
                self.report(place, "this key contains control characters", "remove them");
            }
            if key.chars().nth(MAX_KEY).is_some() {
                let what = format!("this key is longer than {MAX_KEY} characters");
                return self.abort(place, what, "choose a shorter name; check the colons before it");
            }
            let Some((event, value_place)) = self.next()? else { break };
            self.path.push(key.clone());
            let value = self.node(event, value_place)?;
            if key == "<<" {
                let help = "write the words out, or use an alias for the whole value";
                self.report(place, "merge keys (`<<`) are not supported", help);
            } else if is_part_of_number(&key, &value) {
                self.report(place, format!("a comma ends the entry before `{key}`"), NUMBER_WITHOUT_COMMAS);
            } else if let Some(first) = seen.insert(key.clone(), place.line) {
                let what = format!("`{key}` is given twice: already on line {first}");
                self.report(place, what, "keep one of the two");
            } else {
                entries.push(NodeEntry { key, place, value });
            }
            self.path.pop();
        }
        Ok(NodeKind::Map(entries))
    }

    fn list(&mut self) -> Result<NodeKind, Aborted> {
        let mut items = Vec::new();
        while let Some((event, place)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            self.path.push(items.len().to_string());
            items.push(self.node(event, place)?);
            self.path.pop();
        }
        Ok(NodeKind::List(items))
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Node, Aborted> {
        let Some(node) = self.anchors.get(&anchor) else {
            return self.abort(place, "recursive alias", "write the value out");
        };
        // The size is known before the copy is made: an alias of a long text is refused, not expanded.
        let (nodes, bytes) = size(node);
        self.count(place, nodes, bytes)?;
        Ok(self.anchors[&anchor].clone())
    }

    /// Counts values and the bytes of their text; aborts beyond [`MAX_NODES`] or [`MAX_BYTES`].
    fn count(&mut self, place: Place, nodes: usize, bytes: usize) -> Result<(), Aborted> {
        self.nodes += nodes;
        self.bytes += bytes;
        let what = match () {
            () if self.nodes > MAX_NODES => {
                format!("the scenario has more than {MAX_NODES} values, aliases expanded")
            }
            () if self.bytes > MAX_BYTES => {
                format!("the scenario has more than {} MiB of text, aliases expanded", MAX_BYTES >> 20)
            }
            () => return Ok(()),
        };
        self.abort(place, what, "keep long tables in a trace file (`arrivals: {trace: FILE}`)")
    }

    fn place(&self, span: Span) -> Place {
        let width = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            1
        };
        Place { width: width.max(1), ..self.place_of(span.start) }
    }

    /// Returns the place of a single character.
    fn place_of(&self, mark: Marker) -> Place {
        let before = if mark.line() == 1 { self.columns } else { 0 };
        Place { source: self.source, line: mark.line(), column: mark.col() + 1 + before, width: 1 }
    }

    /// Reports a problem and aborts.
    fn abort<T>(&self, place: Place, what: impl Into<String>, help: impl Into<String>) -> Result<T, Aborted> {
        self.report(place, what, help);
        Err(Aborted)
    }

    fn report(&self, place: Place, what: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.report(place, &self.path.join("."), what, help);
    }

    /// Reports an error of the YAML parser and aborts. The place is that of the opening bracket if one is not closed.
    fn malformed<T>(&self, error: &ScanError) -> Result<T, Aborted> {
        let place = self.place_of(*error.marker());
        let opening = self.open.last().copied().unwrap_or(place);
        match error.kind() {
            ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => {
                self.abort(place, "a tab is used for indentation", "indent with spaces")
            }
            ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => self.abort(
                opening,
                "this `[` is not closed, or a `,` is missing inside",
                "close it with `]`; separate what is inside with `,`",
            ),
            ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofImplicitFlowMapping
            | ErrorKind::ExpectedFlowMappingSeparator => self.abort(
                opening,
                "this `{` is not closed, or a `,` is missing inside",
                "close it with `}`; separate what is inside with `,`",
            ),
            ErrorKind::UnclosedFlowCollection { open } => self.abort(
                place,
                format!("this `{open}` is not closed"),
                "close it where its last value ends",
            ),
            ErrorKind::UnknownAnchor => self.abort(place, "unknown alias", "define it before with `&name`"),
            kind => self.abort(
                place,
                format!("invalid YAML: {kind}"),
                "check the indentation, the colons and the quotes around here",
            ),
        }
    }
}

const EMPTY_HELP: &str = "a scenario has at least `providers`, `routes` and `workload`; begin with \
`name: my first`";

/// Returns the number of values in a value, itself included, and the bytes of their text and keys.
fn size(node: &Node) -> (usize, usize) {
    let add = |sum: (usize, usize), (nodes, bytes): (usize, usize)| (sum.0 + nodes, sum.1 + bytes);
    match &node.kind {
        NodeKind::Map(entries) => {
            let entry = |entry: &NodeEntry| add(size(&entry.value), (0, entry.key.len()));
            entries.iter().map(entry).fold((1, 0), add)
        }
        NodeKind::List(items) => items.iter().map(size).fold((1, 0), add),
        NodeKind::Text(text) => (1, text.len()),
        NodeKind::Null => (1, 0),
    }
}

/// The remedy for a number that is written with commas.
const NUMBER_WITHOUT_COMMAS: &str = "write a number without commas: `14400`, `14_400` or `14.4k`";

/// Returns `true` if an entry is the end of a number with commas, such as `400` in `{rpd: 14,400}`. No word of the language
/// consists of three digits, and a name has a value.
fn is_part_of_number(key: &str, value: &Node) -> bool {
    key.len() == 3 && key.bytes().all(|byte| byte.is_ascii_digit()) && matches!(value.kind, NodeKind::Null)
}
