//! Leases, in the row of their run.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    database::Fault,
    journal::{from_json, key, to_json},
};
use crate::{
    attempt::{RunId, Timestamp},
    store::{Holder, LEASE_MS, Lease, Owner, StoreError},
};

pub(super) fn take(
    tx: &Transaction<'_>,
    key: i64,
    run: &RunId,
    owner: &Owner,
    now: Timestamp,
) -> Result<Lease, Fault> {
    let owner = to_json(owner, "an owner")?;
    let epoch = tx
        .prepare_cached(
            "UPDATE runs SET epoch = epoch + 1, owner = ?1, since = ?2, expires = ?3 WHERE key = ?4 RETURNING epoch",
        )?
        .query_row(params![owner, now.0, now.plus_ms(LEASE_MS).0, key], |row| row.get(0))?;
    Ok(Lease { run: run.clone(), epoch })
}

/// The row number of the lease's run, if the lease is still good.
pub(super) fn check(tx: &Transaction<'_>, lease: &Lease) -> Result<i64, Fault> {
    let key = key(tx, &lease.run)?;
    let holds: bool = tx
        .prepare_cached("SELECT owner IS NOT NULL AND epoch = ?1 FROM runs WHERE key = ?2")?
        .query_row(params![lease.epoch, key], |row| row.get(0))?;
    if holds { Ok(key) } else { Err(StoreError::Fenced(lease.run.clone()).into()) }
}

pub(super) fn renew(tx: &Transaction<'_>, lease: &Lease, now: Timestamp) -> Result<(), Fault> {
    let key = check(tx, lease)?;
    tx.prepare_cached("UPDATE runs SET expires = ?1 WHERE key = ?2")?
        .execute(params![now.plus_ms(LEASE_MS).0, key])?;
    Ok(())
}

pub(super) fn release(tx: &Transaction<'_>, lease: &Lease) -> Result<(), Fault> {
    tx.prepare_cached(
        "UPDATE runs SET owner = NULL, since = NULL, expires = NULL WHERE id = ?1 AND epoch = ?2",
    )?
    .execute(params![lease.run.as_str(), lease.epoch])?;
    Ok(())
}

pub(super) fn holder(tx: &Transaction<'_>, run: &RunId, now: Timestamp) -> Result<Option<Holder>, Fault> {
    let found = tx
        .prepare_cached("SELECT owner, since, expires FROM runs WHERE id = ?1")?
        .query_row([run.as_str()], |row| {
            Ok((
                row.get::<_, Option<String>>(0)?,
                row.get::<_, Option<u64>>(1)?,
                row.get::<_, Option<u64>>(2)?,
            ))
        })
        .optional()?
        .ok_or_else(|| StoreError::UnknownRun(run.clone()))?;
    let (Some(owner), Some(since), Some(expires)) = found else {
        return Ok(None);
    };
    let owner: Owner = from_json(&owner, || format!("the owner of run {run}"))?;
    Ok(Some(Holder::noted(owner, Timestamp(since), Timestamp(expires), now)))
}
