//! What callers have used, in a file: a redb database, in which a transaction is whole or absent after a crash, and which one
//! process has open at a time.

use super::{Cost, UtcDay};
use crate::formatting::path_name;
use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, TableDefinition, TableError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// By day and caller: millionths of a millionth of a dollar, and tokens.
const USED: TableDefinition<'_, (u32, &str), (u64, u64)> = TableDefinition::new("used per caller and day");

/// The days of which the store keeps what was used, before the current one.
const KEPT_DAYS: u32 = 40;

/// The memory for pages of the database. All that it holds fits.
const CACHE_BYTES: usize = 1 << 20;

/// What a caller has used on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) caller: Arc<str>,
    pub(super) day: UtcDay,
    pub(super) used: Cost,
}

/// An open store.
pub(super) struct Store {
    path: PathBuf,
    open: Box<OpenDatabase>,
    /// `None` after a failure: the database is opened again.
    database: Option<Database>,
}

/// Opens the database, or creates it.
type OpenDatabase = dyn Fn() -> Result<Database, DatabaseError> + Send;

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a store cannot be opened or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    name: String,
    what: String,
}

impl StoreError {
    pub(super) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { name: path_name(path), what: what.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store {}: {}", self.name, self.what)
    }
}

impl std::error::Error for StoreError {}

impl Store {
    /// Opens or creates a store. Returns what was used on `day`, and on later days: the clock was set back since they were written.
    ///
    /// # Errors
    /// If it cannot be opened, read or created.
    pub(super) fn open(path: &Path, day: UtcDay) -> Result<(Self, Vec<Row>), StoreError> {
        let file = path.to_owned();
        let open = move || Builder::new().set_cache_size(CACHE_BYTES).create(&file);
        Self::open_with(path, open, day)
    }

    fn open_with(
        path: &Path,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + 'static,
        day: UtcDay,
    ) -> Result<(Self, Vec<Row>), StoreError> {
        let mut store = Self { path: path.to_owned(), open: Box::new(open), database: None };
        let rows = store.try_read(day).map_err(|what| StoreError::new(path, what))?;
        // A store that cannot be written is found now and not with the first request.
        store.write(&[], day)?;
        Ok((store, rows))
    }

    /// Writes rows in one transaction, and drops those of days that are no longer kept.
    ///
    /// # Errors
    /// If the disk is full or fails. Then nothing was written.
    pub(super) fn write(&mut self, rows: &[Row], today: UtcDay) -> Result<(), StoreError> {
        let written = self.try_write(rows, today);
        if written.is_err() {
            // After a failure of the disk a database accepts nothing until it is opened again.
            self.database = None;
        }
        written.map_err(|what| StoreError::new(&self.path, what))
    }

    fn try_read(&mut self, day: UtcDay) -> Result<Vec<Row>, String> {
        let transaction = self.database()?.begin_read().map_err(text)?;
        let table = match transaction.open_table(USED) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table.map_err(text)?,
        };
        let mut rows = Vec::new();
        for entry in table.range((day.0, "")..).map_err(text)? {
            let (key, value) = entry.map_err(text)?;
            let ((day, caller), (pico_usd, tokens)) = (key.value(), value.value());
            rows.push(Row { caller: caller.into(), day: UtcDay(day), used: Cost { pico_usd, tokens } });
        }
        Ok(rows)
    }

    fn try_write(&mut self, rows: &[Row], today: UtcDay) -> Result<(), String> {
        let transaction = self.database()?.begin_write().map_err(text)?;
        {
            let mut table = transaction.open_table(USED).map_err(text)?;
            for Row { caller, day, used } in rows {
                table.insert((day.0, &**caller), (used.pico_usd, used.tokens)).map_err(text)?;
            }
            let first_kept = today.0.saturating_sub(KEPT_DAYS);
            table.retain_in((0, "")..(first_kept, ""), |_, _| false).map_err(text)?;
        }
        transaction.commit().map_err(text)
    }

    fn database(&mut self) -> Result<&Database, String> {
        if self.database.is_none() {
            let opened = (self.open)().map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => "another gateway has it open".to_owned(),
                other => other.to_string(),
            })?;
            self.database = Some(opened);
        }
        Ok(self.database.as_ref().expect("invariant: it was opened"))
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A disk that can be full.
    #[derive(Clone, Debug)]
    struct Disk {
        bytes: Arc<InMemoryBackend>,
        is_full: Arc<AtomicBool>,
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.bytes.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.bytes.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.bytes.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.bytes.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.write(offset, data)
        }
    }

    #[test]
    fn a_full_disk_loses_nothing_that_was_written_before_and_is_tried_again() {
        let disk = Disk { bytes: Arc::default(), is_full: Arc::default() };
        let open = |disk: Disk| move || Builder::new().create_with_backend(disk.clone());
        let (path, day) = (Path::new("store"), UtcDay(20_000));
        let row = |tokens| Row { caller: "a".into(), day, used: Cost { pico_usd: 1, tokens } };
        let (mut store, rows) = Store::open_with(path, open(disk.clone()), day).expect("a new store");
        assert_eq!(rows, []);
        store.write(&[row(1)], day).expect("room");
        disk.is_full.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            let error = store.write(&[row(2)], day).expect_err("the disk is full");
            assert!(error.to_string().starts_with("the store store: "), "{error}");
        }
        disk.is_full.store(false, Ordering::Relaxed);
        assert_eq!(store.try_read(day), Ok(vec![row(1)]));
        store.write(&[row(2)], day).expect("room again");
        drop(store);
        let (_, rows) = Store::open_with(path, open(disk), day).expect("it was closed");
        assert_eq!(rows, [row(2)]);
    }
}
