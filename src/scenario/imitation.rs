//! `client: {like: NAME}` takes the retries of a known program, or what quotalab recommends: the words of its file are merged into the client that is
//! written, whose own words take precedence.
//!
//! What each program does is measured at the server by `mock/clients/measure.py` or `mock/clients/imitations.py`, or read
//! in its documentation or code; the first lines of each file say which. The tables are in `mock/README.md`.

use super::diagnostics::Diagnostics;
use super::language;
use super::preset::merge;
use super::resolved::{Client, DEFAULT_CLIENT};
use super::spec;
use super::yaml::{self, Node, NodeKind};

/// A program whose retries are known, or the client that quotalab recommends.
#[derive(Clone, Copy, Debug)]
pub struct Imitation {
    /// Its name in `like:`.
    pub name: &'static str,
    /// The program, its version if it has one, and whether its behaviour was measured or is modelled on its code or
    /// documentation.
    pub program: &'static str,
    /// The YAML that is merged into `client:`.
    text: &'static str,
}

macro_rules! imitation {
    ($name:literal, $program:literal) => {
        Imitation {
            name: $name,
            program: $program,
            text: include_str!(concat!("imitations/", $name, ".yaml")),
        }
    };
}

/// Every program that a client can imitate.
pub const IMITATIONS: [Imitation; 10] = [
    imitation!(
        "article",
        "twenty lines of Python: the stated wait and up to half a second, else full jitter (measured)"
    ),
    imitation!("openai-python", "openai 3.54 for Python (measured)"),
    imitation!("openai-node", "openai 7.57 for Node (measured)"),
    imitation!("groq-python", "groq 1.7 for Python (measured)"),
    imitation!("groq-sdk", "groq-sdk 1.6 for Node (measured)"),
    imitation!("ai-sdk", "ai 7.0 for Node, Vercel's AI SDK (measured)"),
    imitation!("litellm", "litellm 1.106, a router with one deployment (measured)"),
    imitation!("portkey", "Portkey's gateway 1.15 with five retries (modelled on its code)"),
    imitation!("bifrost", "Bifrost 1.6 with three retries (modelled on its documentation)"),
    imitation!(
        "recommended",
        "what quotalab recommends: paced by the known limits, and ten attempts of at most half the deadline each (tests/worlds)"
    ),
];

/// Merges the words of a program into each client that names it in `like`.
pub(super) fn merge_imitations(diagnostics: &Diagnostics, root: &mut Node) {
    let NodeKind::Map(entries) = &mut root.kind else { return };
    for entry in entries {
        match (entry.key.as_str(), &mut entry.value.kind) {
            ("client", _) => merge_imitation(diagnostics, &mut entry.value),
            ("clients", NodeKind::Map(clients)) => {
                clients.iter_mut().for_each(|client| merge_imitation(diagnostics, &mut client.value));
            }
            _ => {}
        }
    }
}

/// Returns a client that imitates the program with this name, with the defaults of every word that the program does not set; `None` if
/// there is no such imitation.
pub(super) fn client(name: &str) -> Option<Client> {
    IMITATIONS.iter().find(|imitation| imitation.name == name)?;
    let (text, diagnostics) = (format!("like: {name}"), Diagnostics::default());
    let mut root = yaml::read(&diagnostics, diagnostics.add_source("a client", &text), &text, 0)?;
    merge_imitation(&diagnostics, &mut root);
    let fields = language::check(&language::CLIENT, &root, &diagnostics)?;
    let client = spec::client(DEFAULT_CLIENT, &fields, &diagnostics);
    assert!(diagnostics.problems().is_none(), "invariant: the imitation `{name}` is valid");
    Some(client)
}

/// If a client names a program in `like`, merges the words of that program into it.
fn merge_imitation(diagnostics: &Diagnostics, client: &mut Node) {
    let NodeKind::Map(words) = &client.kind else { return };
    let Some(like) = words.iter().find(|entry| entry.key == "like") else { return };
    // A value that is not one of the names is reported when the word is checked.
    let NodeKind::Text(name) = &like.value.kind else { return };
    let Some(imitation) = IMITATIONS.iter().find(|imitation| imitation.name == name) else { return };
    let source = diagnostics.add_source(&format!("client like {name}"), imitation.text);
    if let Some(base) = yaml::read(diagnostics, source, imitation.text, 0) {
        merge(base, client, &[Some("retry"), Some("backoff")]);
    }
}
