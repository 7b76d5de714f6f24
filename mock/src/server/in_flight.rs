//! An admitted call under way. However its connection ends, the call is settled exactly once: when it has
//! been served, or, where its client goes away first, when the seat is dropped.

use super::Mock;
use super::mock::Generation;
use crate::call::Call;
use crate::decision::Service;
use std::sync::Arc;

/// Settles one admitted call.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    mock: Arc<Mock>,
    era: Generation,
    call: Call,
    tag: Option<u64>,
    service: Service,
    open: bool,
}

impl InFlightGuard {
    /// A seat for a call that has just been admitted.
    pub(super) const fn new(
        mock: Arc<Mock>,
        era: Generation,
        call: Call,
        tag: Option<u64>,
        service: Service,
    ) -> Self {
        Self { mock, era, call, tag, service, open: true }
    }

    pub(super) fn mock(&self) -> &Mock {
        &self.mock
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// The call has been served; does nothing a second time.
    pub(super) fn depart(&mut self) {
        if std::mem::take(&mut self.open) {
            self.mock.depart(self.era, self.call, self.tag, &self.service);
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.open {
            self.mock.cancel(self.era, self.call, self.tag, &self.service);
        }
    }
}
