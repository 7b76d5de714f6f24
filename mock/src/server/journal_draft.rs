//! What the journal is told of a request.

/// What is known of a request before it is decided on.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalDraft {
    pub(super) number: u64,
    pub(super) account: Option<u16>,
    pub(super) model: Option<u16>,
    pub(super) stream: bool,
    pub(super) fingerprint: u64,
}

impl JournalDraft {
    /// As little as is known of the request of an account before its body is read.
    pub(super) const fn new(number: u64, account: Option<u16>) -> Self {
        Self { number, account, model: None, stream: false, fingerprint: 0 }
    }
}
