//! What a request has reserved of a shared quota until it is settled.

use super::link::Link;
use super::pool::{Pool, Units};
use provider::Usage;
use provider::config::TokenCounting;
use provider::meter::Charge;
use std::sync::Arc;

/// A reservation for one request. It is settled once: with what the request used, or, when it is dropped, with nothing if the
/// request was not sent and in full if it was, because the provider may have served it.
#[derive(Debug)]
pub(in crate::gateway) struct Lease {
    link: Arc<Link>,
    pool: Arc<Pool>,
    origin: Origin,
    reserved: Units,
    counting: TokenCounting,
    /// The further requests of a grant that was asked for with the lease; zero once the answer has come.
    asked_grant: u32,
    is_sent: bool,
    is_settled: bool,
}

/// Who gave a lease.
#[derive(Debug)]
enum Origin {
    /// Redis, or a grant of it, under this id.
    Redis(String),
    /// This replica, because Redis is gone.
    Alone,
}

impl Lease {
    /// Creates a lease that is asked for under this id, with a grant for `asked_grant` further requests.
    pub(super) fn asked(
        owners: (&Arc<Link>, &Arc<Pool>),
        id: String,
        reserved: Units,
        counting: TokenCounting,
        asked_grant: u32,
    ) -> Self {
        Self::new(owners, Origin::Redis(id), reserved, counting, asked_grant)
    }

    /// Creates a lease that this replica gives itself.
    pub(super) fn alone(owners: (&Arc<Link>, &Arc<Pool>), reserved: Units, counting: TokenCounting) -> Self {
        Self::new(owners, Origin::Alone, reserved, counting, 0)
    }

    fn new(
        (link, pool): (&Arc<Link>, &Arc<Pool>),
        origin: Origin,
        reserved: Units,
        counting: TokenCounting,
        asked_grant: u32,
    ) -> Self {
        let (link, pool) = (Arc::clone(link), Arc::clone(pool));
        Self { link, pool, origin, reserved, counting, asked_grant, is_sent: false, is_settled: false }
    }

    /// Records that the answer to the call that asked for it has come. `is_given`: the lease was given.
    pub(super) fn record_answer(&mut self, is_given: bool) {
        self.is_settled = !is_given;
        if std::mem::take(&mut self.asked_grant) > 0 {
            self.pool.end_asking_for_grant();
        }
    }

    /// Records that the request is sent now.
    pub(in crate::gateway) fn set_sent(&mut self) {
        self.is_sent = true;
    }

    /// Replaces what was reserved by what was used; `None`: the request was not charged.
    pub(in crate::gateway) fn settle(mut self, used: Option<Usage>) {
        let used = used.map_or(Charge::ZERO, |used| Charge::new(self.counting.counted(used)));
        let limits = self.pool.limits();
        let mut units = Units::default();
        for limit in limits.iter() {
            let used = used.units_on(limit.axis);
            units[limit.axis as usize] = i64::try_from(used).unwrap_or(i64::MAX);
        }
        self.settle_to(&units);
    }

    fn settle_to(&mut self, used: &Units) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let now = self.link.now();
        match &self.origin {
            Origin::Redis(id) => {
                let call = self.pool.settlement(now, (self.link.replica(), id), &self.reserved, used);
                call.into_iter().for_each(|call| self.link.enqueue(call));
            }
            Origin::Alone => self.pool.settle_alone(now, &self.reserved, used),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The answer to the call may be lost, or come later: the grant was given or not.
        let asked_grant = std::mem::take(&mut self.asked_grant);
        if asked_grant > 0
            && let Origin::Redis(id) = &self.origin
        {
            self.pool.end_asking_for_grant();
            let (link, lost) = (&self.link, (id.as_str(), asked_grant));
            let call = self.pool.unanswered_grant(link.now(), link.replica(), lost, &self.reserved);
            call.into_iter().for_each(|call| link.enqueue(call));
        }
        let used = if self.is_sent { self.reserved } else { Units::default() };
        self.settle_to(&used);
    }
}
