//! Runs and their records.

use rusqlite::{OptionalExtension, Transaction, params};

use super::database::Fault;
use crate::{
    attempt::{RunId, Timestamp},
    record::Record,
    store::{RunEntry, StoreError, finished_at},
};

/// Records, ready to be written.
pub(super) struct Rows {
    rows: Vec<(u64, Timestamp, String)>,
    finished_at: Option<Timestamp>,
}

impl Rows {
    pub(super) fn of(records: &[Record]) -> Result<Self, StoreError> {
        let rows = records
            .iter()
            .map(|record| Ok((record.seq, record.at, to_json(record, "a record")?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Self { rows, finished_at: finished_at(records) })
    }
}

/// The row number of a run.
pub(super) fn key(tx: &Transaction<'_>, run: &RunId) -> Result<i64, Fault> {
    tx.prepare_cached("SELECT key FROM runs WHERE id = ?1")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::UnknownRun(run.clone()).into())
}

pub(super) fn create(tx: &Transaction<'_>, run: &RunId, rows: &Rows) -> Result<i64, Fault> {
    let created = tx
        .prepare_cached("INSERT OR IGNORE INTO runs (id, last_seq) VALUES (?1, 0)")?
        .execute([run.as_str()])?;
    if created == 0 {
        return Err(StoreError::Exists(run.clone()).into());
    }
    let key = tx.last_insert_rowid();
    append(tx, key, run, rows)?;
    Ok(key)
}

pub(super) fn append(tx: &Transaction<'_>, key: i64, run: &RunId, rows: &Rows) -> Result<(), Fault> {
    let (Some((first, ..)), Some((last, ..))) = (rows.rows.first(), rows.rows.last()) else {
        return Ok(());
    };
    let advanced = tx
        .prepare_cached("UPDATE runs SET last_seq = ?1, finished_at = ?2 WHERE key = ?3 AND last_seq = ?4")?
        .execute(params![last, rows.finished_at.map(|at| at.0), key, first - 1])?;
    if advanced == 0 {
        let found = tx
            .prepare_cached("SELECT last_seq FROM runs WHERE key = ?1")?
            .query_row([key], |row| row.get(0))?;
        return Err(StoreError::Conflict { run: run.clone(), expected: first - 1, found }.into());
    }
    let mut insert = tx.prepare_cached("INSERT INTO records (run, seq, at, json) VALUES (?1, ?2, ?3, ?4)")?;
    for (seq, at, json) in &rows.rows {
        insert.execute(params![key, seq, at.0, json])?;
    }
    Ok(())
}

pub(super) fn load(tx: &Transaction<'_>, run: &RunId, after: u64) -> Result<Vec<Record>, Fault> {
    let key = key(tx, run)?;
    let mut select =
        tx.prepare_cached("SELECT seq, json FROM records WHERE run = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut rows = select.query(params![key, after])?;
    let mut records: Vec<Record> = Vec::new();
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        let expected = after + records.len() as u64 + 1;
        let corrupt =
            |reason: String| StoreError::Corrupt { place: format!("run {run}, record {expected}"), reason };
        if seq != expected {
            return Err(corrupt(format!("the journal goes on at {seq}")).into());
        }
        let json = row.get_ref(1)?.as_str().map_err(|error| corrupt(error.to_string()))?;
        let record: Record = serde_json::from_str(json).map_err(|error| corrupt(error.to_string()))?;
        if record.seq != seq {
            return Err(corrupt(format!("it says that it is record {}", record.seq)).into());
        }
        records.push(record);
    }
    let last: u64 =
        tx.prepare_cached("SELECT last_seq FROM runs WHERE key = ?1")?.query_row([key], |row| row.get(0))?;
    let end = after + records.len() as u64;
    if end < last {
        let place = format!("run {run}, record {}", end + 1);
        let reason = format!("it is missing, as are all up to {last}");
        return Err(StoreError::Corrupt { place, reason }.into());
    }
    Ok(records)
}

pub(super) fn list(tx: &Transaction<'_>) -> Result<Vec<RunEntry>, Fault> {
    let mut select = tx.prepare_cached("SELECT id, finished_at FROM runs ORDER BY id DESC")?;
    let mut rows = select.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let run = RunId::new(id).map_err(|error| StoreError::Corrupt {
            place: "the list of runs".to_owned(),
            reason: format!("{:?} is not a run id", error.0),
        })?;
        entries.push(RunEntry::new(run, row.get::<_, Option<u64>>(1)?.map(Timestamp)));
    }
    Ok(entries)
}

pub(super) fn remove(tx: &Transaction<'_>, run: &RunId) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run.as_str()])?;
    Ok(())
}

pub(super) fn to_json(value: &impl serde::Serialize, what: &str) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt { place: what.to_owned(), reason: error.to_string() })
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    json: &str,
    place: impl FnOnce() -> String,
) -> Result<T, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::Corrupt { place: place(), reason: error.to_string() })
}
