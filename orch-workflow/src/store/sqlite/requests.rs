//! Requests of other processes, and the replies to them.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    database::Fault,
    journal::{from_json, key, to_json},
};
use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    store::RequestId,
};

pub(super) fn post(
    tx: &Transaction<'_>,
    run: &RunId,
    request: &Request,
    now: Timestamp,
) -> Result<RequestId, Fault> {
    let key = key(tx, run)?;
    let json = to_json(request, "a request")?;
    tx.prepare_cached("INSERT INTO requests (run, at, json) VALUES (?1, ?2, ?3)")?
        .execute(params![key, now.0, json])?;
    Ok(RequestId(tx.last_insert_rowid().unsigned_abs()))
}

pub(super) fn open(tx: &Transaction<'_>, run: &RunId) -> Result<Vec<(RequestId, Request)>, Fault> {
    let key = key(tx, run)?;
    let mut select =
        tx.prepare_cached("SELECT id, json FROM requests WHERE run = ?1 AND reply IS NULL ORDER BY id")?;
    let mut rows = select.query([key])?;
    let mut requests = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, json): (u64, String) = (row.get(0)?, row.get(1)?);
        requests.push((RequestId(id), from_json(&json, || format!("run {run}, request {id}"))?));
    }
    Ok(requests)
}

pub(super) fn reply(tx: &Transaction<'_>, run: i64, replies: &[(RequestId, Reply)]) -> Result<(), Fault> {
    for (id, reply) in replies {
        let json = to_json(reply, "a reply")?;
        tx.prepare_cached("UPDATE requests SET reply = ?1 WHERE run = ?2 AND id = ?3 AND reply IS NULL")?
            .execute(params![json, run, id.0])?;
    }
    Ok(())
}

pub(super) fn reply_to(
    tx: &Transaction<'_>,
    run: &RunId,
    request: RequestId,
) -> Result<Option<Reply>, Fault> {
    let key = key(tx, run)?;
    let json = tx
        .prepare_cached("SELECT reply FROM requests WHERE run = ?1 AND id = ?2")?
        .query_row(params![key, request.0], |row| row.get::<_, Option<String>>(0))
        .optional()?
        .flatten();
    match json {
        Some(json) => Ok(Some(from_json(&json, || format!("run {run}, reply {}", request.0))?)),
        None => Ok(None),
    }
}
