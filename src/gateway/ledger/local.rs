//! The ledger of one gateway: in memory, and in a store if budgets are to survive a restart.
//!
//! The store is written by a thread of its own at most once a [`WRITE_INTERVAL`] and at the end, so no request waits for a disk.
//! What is reserved is written as used: if the process is killed, attempts under way count as having cost what was reserved.
//!
//! If the clock is set back while the gateway runs, the current day stays the latest one seen. If it was set back over a restart, the day
//! is that of the clock, because a clock that was once far ahead must not keep budgets from beginning again; what the store has of later
//! days is kept until those days are over, so no day's budget can be spent twice.

use super::store::{Row, Store, StoreError};
use super::{Balance, ChargedCaller, Cost, Hold, Ledger, Refusal, Scope, UtcDay};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use provider::calendar::UnixTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Returns the calendar time.
pub type TimeSource = dyn Fn() -> UnixTime + Send + Sync;

/// A ledger of one gateway.
pub struct LocalLedger {
    now: Box<TimeSource>,
    books: Arc<Mutex<Books>>,
    /// `None` while nothing is stored.
    writer: Mutex<Option<Writer>>,
}

/// What callers have used: on the current day; on earlier ones until they are written and all attempts reserved on them have ended; and
/// on later ones if the clock was set back before the store was opened.
#[derive(Debug)]
struct Books {
    /// The latest day seen: a clock that is set back does not open a closed day again.
    day: UtcDay,
    entries: BTreeMap<Key, Entry>,
    /// What has changed since it was written. Stays empty without a store.
    changed: BTreeSet<Key>,
    is_stored: bool,
}

type Key = (UtcDay, Arc<str>);

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    used: Cost,
    held: Cost,
}

/// The thread that writes. It ends when the sender is dropped.
#[derive(Debug)]
struct Writer {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for LocalLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.books)
    }
}

impl LocalLedger {
    /// Creates a ledger in memory. `now` returns the calendar time.
    #[must_use]
    pub fn new(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        let books =
            Books { day: UtcDay(0), entries: BTreeMap::new(), changed: BTreeSet::new(), is_stored: false };
        Self { now: Box::new(now), books: Arc::new(Mutex::new(books)), writer: Mutex::new(None) }
    }

    /// Continues with what a store holds of the current day and of later ones, and keeps it up to date from now on. Does nothing if the
    /// ledger has a store already.
    ///
    /// # Errors
    /// If the store cannot be opened: another gateway has it open, or it is no store, or the disk is full.
    pub fn keep_in(&self, path: &Path) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().expect("invariant: no thread panics while it holds the writer");
        if writer.is_some() {
            return Ok(());
        }
        let (mut books, _) = self.books();
        let (store, rows) = Store::open(path, books.day)?;
        for Row { caller, day, used } in rows {
            let entry = books.entries.entry((day, caller)).or_default();
            entry.used = entry.used.plus(used);
        }
        books.changed = books.entries.keys().cloned().collect();
        books.is_stored = true;
        drop(books);
        let (end, ended) = channel();
        let books = Arc::clone(&self.books);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_until_end(store, &books, &ended))
            .map_err(|error| StoreError::new(path, error.to_string()))?;
        *writer = Some(Writer { end: Some(end), thread: Some(thread) });
        Ok(())
    }

    /// Returns the books, brought to the current day, and the time.
    fn books(&self) -> (MutexGuard<'_, Books>, UnixTime) {
        let now = (self.now)();
        let mut books = locked(&self.books);
        let today = UtcDay::of(now);
        if today > books.day {
            books.day = today;
            let Books { entries, changed, .. } = &mut *books;
            entries.retain(|key, entry| key.0 >= today || entry.held != Cost::ZERO || changed.contains(key));
        }
        (books, now)
    }
}

impl Books {
    fn balance(&self, caller: &Arc<str>, now: UnixTime) -> Balance {
        let Entry { used, held } =
            self.entries.get(&(self.day, Arc::clone(caller))).copied().unwrap_or_default();
        let day_ends_in = self.day.end().since(now);
        Balance { day: self.day, used, held, elsewhere: Cost::ZERO, day_ends_in }
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Entry)) {
        if self.is_stored {
            self.changed.insert(key.clone());
        }
        change(self.entries.entry(key).or_default());
    }

    /// Takes what is to be written. What is reserved counts as used.
    fn take_changed(&mut self) -> Vec<Row> {
        let row = |(day, caller): Key| {
            let Entry { used, held } = self.entries[&(day, Arc::clone(&caller))];
            Row { caller, day, used: used.plus(held) }
        };
        let rows = std::mem::take(&mut self.changed).into_iter().map(row).collect();
        let day = self.day;
        self.entries.retain(|key, entry| key.0 >= day || entry.held != Cost::ZERO);
        rows
    }

    /// Puts back what could not be written.
    fn put_back(&mut self, rows: Vec<Row>) {
        for Row { caller, day, used } in rows {
            let key = (day, caller);
            // A closed day may have been dropped in between.
            self.entries.entry(key.clone()).or_insert(Entry { used, held: Cost::ZERO });
            self.changed.insert(key);
        }
    }
}

impl Ledger for LocalLedger {
    fn reserve<'l>(&'l self, caller: &'l ChargedCaller, most: Cost) -> BoxFuture<'l, Result<Hold, Refusal>> {
        let (mut books, now) = self.books();
        let balance = books.balance(&caller.name, now);
        if !most.fits(balance.left(caller.budget)) {
            return ready(Err(Refusal { balance })).boxed();
        }
        let day = books.day;
        books.change((day, Arc::clone(&caller.name)), |entry| entry.held = entry.held.plus(most));
        ready(Ok(Hold { caller: Arc::clone(&caller.name), day, most, lease: None })).boxed()
    }

    fn settle(&self, hold: Hold, used: Cost) {
        let Hold { caller, day, most, .. } = hold;
        let (mut books, _) = self.books();
        let key = (day, caller);
        books.change(key.clone(), |entry| {
            debug_assert!(most.fits(entry.held), "invariant: what is settled was reserved");
            *entry = Entry { used: entry.used.plus(used), held: entry.held.minus(most) };
        });
        // A closed day is needed until it has been written, and while attempts of it are under way.
        if day < books.day && !books.is_stored && books.entries[&key].held == Cost::ZERO {
            books.entries.remove(&key);
        }
    }

    fn balance(&self, caller: &ChargedCaller) -> Balance {
        let (books, now) = self.books();
        books.balance(&caller.name, now)
    }

    fn scope(&self) -> Scope {
        Scope::Own
    }
}

impl Drop for LocalLedger {
    /// Writes what is not written yet.
    fn drop(&mut self) {
        let Ok(Some(writer)) = self.writer.get_mut().map(Option::as_mut) else { return };
        drop(writer.end.take());
        if let Some(thread) = writer.thread.take() {
            // If the thread has panicked, what it has not written is lost.
            let _ = thread.join();
        }
    }
}

fn locked(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("invariant: no thread panics while it holds the books")
}

/// Writes what changes until the ledger is dropped. What cannot be written, because the disk is full, is tried again; no request
/// waits for it.
fn write_until_end(mut store: Store, books: &Mutex<Books>, end: &Receiver<()>) {
    let mut has_failed = false;
    loop {
        let is_over = !matches!(end.recv_timeout(WRITE_INTERVAL), Err(RecvTimeoutError::Timeout));
        let (rows, day) = {
            let mut books = locked(books);
            (books.take_changed(), books.day)
        };
        if !rows.is_empty() {
            match store.write(&rows, day) {
                Ok(()) if has_failed => {
                    has_failed = false;
                    tracing::info!("the usage of callers is stored again");
                }
                Ok(()) => {}
                Err(error) => {
                    locked(books).put_back(rows);
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(%error, "the usage of callers cannot be stored; retrying every second");
                    }
                }
            }
        }
        if is_over {
            return;
        }
    }
}

/// The store is written at most this often.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provider::Nanos;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A ledger whose clock shows the returned number of hours since 1970.
    fn ledger() -> (LocalLedger, Arc<AtomicU64>) {
        let hours = Arc::new(AtomicU64::new(24 * 20_000));
        let shown = Arc::clone(&hours);
        let now = move || UnixTime::EPOCH + Nanos(Nanos::HOUR.0 * shown.load(Ordering::Relaxed));
        (LocalLedger::new(now), hours)
    }

    fn caller(name: &str, pico_usd: u64, tokens: u64) -> ChargedCaller {
        ChargedCaller { name: name.into(), budget: Cost { pico_usd, tokens } }
    }

    fn reserve(ledger: &LocalLedger, caller: &ChargedCaller, most: Cost) -> Result<Hold, Refusal> {
        ledger.reserve(caller, most).now_or_never().expect("a local ledger answers at once")
    }

    fn cost(pico_usd: u64, tokens: u64) -> Cost {
        Cost { pico_usd, tokens }
    }

    proptest! {
        /// Attempts of two callers over several days: what is used and reserved never exceeds a budget by more than what attempts
        /// have cost beyond their reservation, a refusal changes nothing, and all that was settled is accounted for once.
        #[test]
        fn budgets_are_never_exceeded_and_nothing_is_lost(
            moves in prop::collection::vec((0u8..8, 0usize..2, 0u64..60, 0u64..60, 0u64..3), 1..200),
        ) {
            let (ledger, hours) = ledger();
            let callers = [caller("a", 100, u64::MAX), caller("b", u64::MAX, 150)];
            let mut open: Vec<(usize, Hold)> = Vec::new();
            let mut used: BTreeMap<(UtcDay, usize), Cost> = BTreeMap::new();
            let mut beyond: BTreeMap<(UtcDay, usize), Cost> = BTreeMap::new();
            for (kind, number, usd, tokens, more) in moves {
                let caller = &callers[number];
                let before = ledger.balance(caller);
                match kind {
                    0..=3 => match reserve(&ledger, caller, cost(usd, tokens)) {
                        Ok(hold) => {
                            prop_assert!(cost(usd, tokens).fits(before.left(caller.budget)));
                            open.push((number, hold));
                        }
                        Err(Refusal { balance }) => {
                            prop_assert!(!cost(usd, tokens).fits(before.left(caller.budget)));
                            prop_assert_eq!((balance, ledger.balance(caller)), (before, before));
                        }
                    },
                    4..=6 if !open.is_empty() => {
                        let (number, hold) = open.swap_remove(usize::try_from(usd).expect("small") % open.len());
                        let (key, most) = ((hold.day, number), hold.most);
                        // Up to the reservation, and rarely more: the estimate of the prompt was too small.
                        let was = cost(most.pico_usd.min(usd) + more / 2, most.tokens.min(tokens) + more / 2);
                        ledger.settle(hold, was);
                        let sum = used.entry(key).or_default();
                        *sum = sum.plus(was);
                        let sum = beyond.entry(key).or_default();
                        *sum = sum.plus(was.minus(most));
                    }
                    _ => drop(hours.fetch_add(more * 9, Ordering::Relaxed)),
                }
                for (number, caller) in callers.iter().enumerate() {
                    let balance = ledger.balance(caller);
                    let key = (balance.day, number);
                    let held = open.iter().filter(|(owner, hold)| *owner == number && hold.day == balance.day);
                    let held = held.fold(Cost::ZERO, |sum, (_, hold)| sum.plus(hold.most));
                    let of_day = used.get(&key).copied().unwrap_or_default();
                    prop_assert_eq!((balance.used, balance.held), (of_day, held));
                    let excess = balance.used.plus(balance.held).minus(caller.budget);
                    prop_assert!(excess.fits(beyond.get(&key).copied().unwrap_or_default()), "{excess:?}");
                }
            }
            let books = ledger.books().0;
            let days: BTreeSet<UtcDay> = open.iter().map(|(_, hold)| hold.day).chain([books.day]).collect();
            prop_assert!(books.entries.keys().all(|(day, _)| days.contains(day)), "closed days are forgotten");
        }
    }

    #[test]
    fn an_attempt_over_midnight_is_charged_to_the_day_of_its_reservation() {
        let (ledger, hours) = ledger();
        let caller = caller("a", u64::MAX, 10);
        let first = reserve(&ledger, &caller, cost(0, 10)).expect("it fits");
        hours.fetch_add(23, Ordering::Relaxed);
        let refusal = reserve(&ledger, &caller, cost(0, 1)).expect_err("all is reserved");
        assert_eq!(refusal.balance.day_ends_in, Nanos::HOUR);
        hours.fetch_add(1, Ordering::Relaxed);
        let second = reserve(&ledger, &caller, cost(0, 10)).expect("a new day");
        ledger.settle(first, cost(0, 7));
        assert_eq!(ledger.balance(&caller).used, Cost::ZERO);
        // A clock that is set back opens no closed day.
        hours.fetch_sub(24, Ordering::Relaxed);
        assert!(reserve(&ledger, &caller, cost(0, 1)).is_err());
        ledger.settle(second, cost(0, 3));
        assert_eq!(ledger.balance(&caller).used, cost(0, 3));
    }

    #[test]
    fn what_is_used_survives_a_restart_and_what_is_under_way_counts_as_reserved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let caller = caller("a", u64::MAX, 1_000);
        let start = || {
            let (ledger, hours) = ledger();
            ledger.keep_in(&path).map(|()| (ledger, hours))
        };
        let (first, _) = start().expect("a new store");
        let hold = reserve(&first, &caller, cost(5, 40)).expect("it fits");
        first.settle(hold, cost(4, 30));
        let under_way = reserve(&first, &caller, cost(7, 100)).expect("it fits");
        let error = start().expect_err("another ledger has it open");
        assert!(error.to_string().contains("another gateway has it open"), "{error}");
        drop(first);
        let (second, hours) = start().expect("it was closed");
        assert_eq!(second.balance(&caller).used, cost(11, 130));
        hours.fetch_add(24 * 41, Ordering::Relaxed);
        second.settle(reserve(&second, &caller, cost(0, 1)).expect("it fits"), cost(0, 1));
        drop((second, under_way));
        let (third, _) = start().expect("it was closed");
        assert_eq!(third.balance(&caller).used, Cost::ZERO, "days older than forty days are dropped");
    }

    #[test]
    fn a_clock_that_is_set_back_over_a_restart_gives_no_budget_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let caller = caller("a", u64::MAX, 1_000);
        let start = |hours_later: u64| {
            let (ledger, hours) = ledger();
            hours.fetch_add(hours_later, Ordering::Relaxed);
            ledger.keep_in(&folder.path().join("store")).expect("no other ledger has it open");
            (ledger, hours)
        };
        let spend = |ledger: &LocalLedger, tokens| {
            let hold = reserve(ledger, &caller, cost(0, tokens)).expect("it fits");
            ledger.settle(hold, cost(0, tokens));
        };
        let (first, hours) = start(23);
        spend(&first, 300);
        hours.fetch_add(1, Ordering::Relaxed);
        spend(&first, 900);
        drop(first);
        // The clock shows the day before again.
        let (second, _) = start(23);
        assert_eq!(second.balance(&caller).used, cost(0, 300));
        spend(&second, 1);
        drop(second);
        let (third, hours) = start(23);
        assert_eq!(third.balance(&caller).used, cost(0, 301));
        hours.fetch_add(1, Ordering::Relaxed);
        assert_eq!(third.balance(&caller).used, cost(0, 900), "the day was spent before");
        assert!(reserve(&third, &caller, cost(0, 101)).is_err());
        hours.fetch_add(24, Ordering::Relaxed);
        assert_eq!(third.balance(&caller).used, Cost::ZERO);
    }

    #[test]
    fn a_file_that_is_no_store_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        std::fs::write(&path, "name: a scenario\n".repeat(100)).expect("a file");
        let error = ledger().0.keep_in(&path).expect_err("it is no store");
        assert!(error.to_string().contains("store"), "{error}");
        assert!(ledger().0.keep_in(folder.path()).is_err(), "a folder");
        assert_eq!(std::fs::read(&path).expect("a file").len(), 1_700, "it is left as it was");
    }
}
