//! Writes the journal of a mock: the context of a request becomes an entry.

use super::Mock;
use super::context::{JournalDraft, RequestContext};
use super::origin::Origin;
use crate::journal::{self, End, Entry, EntryId, Journal, MAX_BODY_BYTES, Sender};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Mock {
    /// Reads the journal; `None` if there is none.
    pub(super) fn journal<T>(&self, read: impl FnOnce(&Journal) -> T) -> Option<T> {
        self.control.as_ref().map(|control| read(&control.journal()))
    }

    /// Returns `true` if the journal keeps bodies.
    pub(super) fn keeps_bodies(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.keeps_bodies.load(Ordering::Relaxed))
    }

    /// Sets whether the journal keeps the bodies of further requests.
    pub(super) fn keep_bodies(&self, keep: bool) {
        if let Some(control) = &self.control {
            control.keeps_bodies.store(keep, Ordering::Relaxed);
        }
    }

    /// Returns the fingerprint of the content of an account's request; zero if there is no journal to store it.
    pub(super) fn fingerprint(&self, account: Option<u16>, content: &[u8]) -> u64 {
        if self.has_journal() { journal::fingerprint(account, content) } else { 0 }
    }

    /// Adds an entry to the journal, if there is one.
    pub(super) fn add_to_journal(
        &self,
        context: &RequestContext<'_>,
        draft: JournalDraft,
    ) -> Option<EntryId> {
        let RequestContext {
            request_number, account, model, wants_stream, fingerprint, is_body_read, ..
        } = *context;
        let Origin { arrived_at, retry, request_bytes, key, .. } = context.origin;
        let origin = &context.origin;
        let body = origin.body.as_ref().filter(|_| self.keeps_bodies());
        let body = body.map(|body| Arc::from(&body[..body.len().min(MAX_BODY_BYTES)]));
        let mut journal = self.control.as_ref()?.journal();
        let user_agent = origin
            .user_agent
            .as_ref()
            .map(|value| journal.share_text(&String::from_utf8_lossy(value.as_bytes())));
        let method_and_path = origin.method_and_uri.as_ref();
        let method_and_path = method_and_path
            .map(|(method, uri)| (journal.share_text(method.as_str()), journal.share_text(uri.path())));
        let JournalDraft { at, outcome, status, wait, end, reserved_tokens } = draft;
        let entry = Entry {
            request_number,
            arrived_at,
            at,
            end,
            sender: Sender { account, key, user_agent },
            connection: origin.connection.clone(),
            method_and_path,
            model,
            wants_stream,
            fingerprint,
            is_body_read,
            retry,
            request_bytes,
            outcome,
            status,
            wait,
            reserved_tokens,
            charged_tokens: (end != End::InProgress).then_some(0),
            body,
        };
        if end != End::InProgress {
            self.log_access(&entry);
        }
        Some(journal.add(entry))
    }

    /// Records the end of a request and the tokens that it was charged, if it is in the journal.
    pub(super) fn end_in_journal(&self, entry: Option<EntryId>, end: End, charged_tokens: u64) {
        if let (Some(entry), Some(control)) = (entry, &self.control) {
            let mut journal = control.journal();
            if let Some(entry) = journal.end(entry, end, charged_tokens) {
                self.log_access(entry);
            }
        }
    }
}
