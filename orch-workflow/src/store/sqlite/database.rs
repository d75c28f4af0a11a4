//! The connection: how it is opened, how blocking calls leave the async world, what SQLite's failures mean.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use orch_config::private::{self, NotYours};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::schema;
use crate::store::StoreError;

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long opening waits before it tries again, where SQLite itself does not wait.
const REOPEN: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct Database {
    connection: Arc<Mutex<Connection>>,
    path: Arc<Path>,
}

/// What can go wrong inside a transaction: SQLite failed, or what it holds forbids the call.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Database {
    pub(super) async fn open(directory: PathBuf) -> Result<Self, StoreError> {
        let path: Arc<Path> = directory.join("runs.db").into();
        let opened = Arc::clone(&path);
        let connection = blocking("open", &path, move || {
            prepare_files(&directory, &opened).map_err(|error| match NotYours::of(&error) {
                Some(refusal) => StoreError::NotYours(refusal.clone()),
                None => unavailable("open", &opened, &error),
            })?;
            connect(&opened).map_err(|fault| store_error("open", &opened, fault))
        })
        .await?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transact("read", TransactionBehavior::Deferred, act).await
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let act = move |tx: &Transaction<'_>| {
            let result = act(tx)?;
            failpoint!(before("commit"));
            Ok(result)
        };
        let result = self.transact("write", TransactionBehavior::Immediate, act).await?;
        failpoint!(after("commit"));
        Ok(result)
    }

    async fn transact<T: Send + 'static>(
        &self,
        action: &'static str,
        behavior: TransactionBehavior,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Self { connection, path } = self.clone();
        blocking(action, &self.path, move || {
            // A transaction rolls itself back when it is dropped, so a panic in one has spoilt nothing.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let attempt = || {
                let tx = connection.transaction_with_behavior(behavior)?;
                let result = act(&tx)?;
                tx.commit()?;
                Ok(result)
            };
            attempt().map_err(|fault| store_error(action, &path, fault))
        })
        .await
    }

    /// The bare connection, to break it on purpose.
    #[cfg(test)]
    pub(super) fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap()
    }
}

async fn blocking<T: Send + 'static>(
    action: &'static str,
    path: &Arc<Path>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(unavailable(action, path, &error)),
    }
}

/// Makes the directory and the database file with their final modes: SQLite gives its own further files the mode
/// of the database.
fn prepare_files(directory: &Path, path: &Path) -> io::Result<()> {
    private::directory(directory)?;
    private::open(path, OpenOptions::new().create(true).truncate(false).write(true))?;
    Ok(())
}

/// Opens the database however many others open it, create it or close it at the same moment: SQLite waits for a lock
/// as it is told to, but neither for the switch of a new file to its write-ahead log nor for the removal of that log
/// by whoever closes the file last.
fn connect(path: &Path) -> Result<Connection, Fault> {
    let patience = Instant::now() + BUSY;
    loop {
        match try_connect(path) {
            Err(Fault::Sql(error)) if is_busy(&error) && Instant::now() < patience => thread::sleep(REOPEN),
            opened => return opened,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn try_connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    schema::check(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Where `fsync` leaves data in the drive's cache, as on macOS, ask for more; elsewhere it changes nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    schema::create(&mut connection, path)?;
    Ok(connection)
}

/// A value is there, but not one that we have written: SQLite keeps any value in any column.
fn is_of_another_type(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    )
}

fn corrupt(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Corrupt { place: path.display().to_string(), reason: error.to_string() }
}

fn store_error(action: &'static str, path: &Path, fault: Fault) -> StoreError {
    let error = match fault {
        Fault::Store(error) => return error,
        Fault::Sql(error) => error,
    };
    match error.sqlite_error_code() {
        _ if is_of_another_type(&error) => corrupt(path, &error),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => corrupt(path, &error),
        code => StoreError::Unavailable {
            action,
            path: path.to_owned(),
            reason: error.to_string(),
            transient: matches!(
                code,
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::OutOfMemory
                )
            ),
        },
    }
}

fn unavailable(action: &'static str, path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable { action, path: path.to_owned(), reason: error.to_string(), transient: false }
}
