//! The tables, and which version of them a file holds.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::database::Fault;
use crate::{record::FORMAT_VERSION, store::StoreError};

/// `runs` holds the lease, one row a run. `records` is the journal; `requests` what other processes have posted.
const TABLES: &str = "
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (
    key         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    last_seq    INTEGER NOT NULL,
    finished_at INTEGER,
    epoch       INTEGER NOT NULL DEFAULT 0,
    owner       TEXT,
    since       INTEGER,
    expires     INTEGER
);
CREATE TABLE records (
    run  INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE requests (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    at    INTEGER NOT NULL,
    json  TEXT NOT NULL,
    reply TEXT
);
CREATE INDEX requests_of_run ON requests (run);
";

/// Refuses a file of a newer version, or of another program, before anything is written to it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), Fault> {
    match found(connection, path)? {
        Some(found) if found > FORMAT_VERSION => {
            Err(StoreError::TooNew { path: path.to_owned(), found, supported: FORMAT_VERSION }.into())
        }
        _ => Ok(()),
    }
}

/// Makes the tables, if nobody else has done so.
pub(super) fn create(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    if found(connection, path)?.is_some() {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if found(&tx, path)?.is_none() {
        tx.execute_batch(TABLES)?;
        tx.execute("INSERT INTO meta (name, value) VALUES ('format', ?1)", [FORMAT_VERSION])?;
    }
    tx.commit()?;
    Ok(())
}

/// The version of the tables; `None` for an empty file.
fn found(connection: &Connection, path: &Path) -> Result<Option<u32>, Fault> {
    let tables: u32 =
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let foreign = || StoreError::Corrupt {
        place: path.display().to_string(),
        reason: "the file holds something else than runs".to_owned(),
    };
    let has_meta: bool = connection.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'",
        [],
        |row| row.get(0),
    )?;
    if !has_meta {
        return Err(foreign().into());
    }
    let format = connection
        .query_row("SELECT value FROM meta WHERE name = 'format'", [], |row| row.get(0))
        .optional()?;
    format.map(Some).ok_or_else(|| foreign().into())
}
