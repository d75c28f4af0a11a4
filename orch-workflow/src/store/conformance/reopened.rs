//! What must outlive the handle that wrote it: everything, from the moment in which the write returned.

use super::{LEASE_MS, NOW, StoreBench, abroad, decide, every_kind_of_record, pause, records, run};
use crate::{
    decision::Reply,
    store::{Owner, RunStore, StoreError},
};

pub(super) async fn suite(bench: &impl StoreBench) {
    a_journal_is_there_when_the_append_returns(bench).await;
    a_lease_is_kept_and_still_fences(bench).await;
    requests_and_replies_are_kept(bench).await;
    what_was_removed_stays_away(bench).await;
}

async fn a_journal_is_there_when_the_append_returns(bench: &impl StoreBench) {
    let store = bench.fresh().await;
    let Some(other) = bench.reopen(&store).await else { return };
    let (run, all) = (run("a"), every_kind_of_record());
    let lease = store.create(&run, &all[..3], &abroad(), NOW).await.unwrap();
    assert_eq!(other.load(&run, 0).await.unwrap(), all[..3]);
    store.append(&lease, &all[3..], &[]).await.unwrap();
    assert_eq!(other.load(&run, 0).await.unwrap(), all);
    let reopened = bench.reopen(&other).await.unwrap();
    drop((store, other));
    assert_eq!(reopened.load(&run, 0).await.unwrap(), all);
    let listed = reopened.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].run, listed[0].finished_at), (&run, all.last().map(|end| end.at)));
}

async fn a_lease_is_kept_and_still_fences(bench: &impl StoreBench) {
    let store = bench.fresh().await;
    let Some(other) = bench.reopen(&store).await else { return };
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    store.renew(&lease, NOW.plus_ms(5)).await.unwrap();
    drop(store);
    let holder = other.holder(&run, NOW.plus_ms(LEASE_MS)).await.unwrap().unwrap();
    assert_eq!((&holder.owner, holder.since, holder.alive), (&abroad(), NOW, true), "it was renewed");
    let refused = other.acquire(&run, &Owner::current(), NOW.plus_ms(LEASE_MS)).await;
    assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
    other.append(&lease, &records(2..=2), &[]).await.unwrap();

    let then = NOW.plus_ms(2 * LEASE_MS);
    let next = other.acquire(&run, &Owner::current(), then).await.unwrap();
    let reopened = bench.reopen(&other).await.unwrap();
    drop(other);
    assert!(next.epoch > lease.epoch);
    assert_eq!(reopened.append(&lease, &records(3..=3), &[]).await, Err(StoreError::Fenced(run.clone())));
    reopened.append(&next, &records(3..=3), &[]).await.unwrap();
    reopened.release(&next).await.unwrap();
    assert_eq!(reopened.holder(&run, then).await.unwrap(), None);
}

async fn requests_and_replies_are_kept(bench: &impl StoreBench) {
    let store = bench.fresh().await;
    let Some(other) = bench.reopen(&store).await else { return };
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let answered = store.post(&run, &pause("ann"), NOW).await.unwrap();
    let open = store.post(&run, &decide(), NOW).await.unwrap();
    store.append(&lease, &records(2..=2), &[(answered, Reply::FinishedFirst)]).await.unwrap();
    drop(store);
    assert_eq!(other.reply_to(&run, answered).await.unwrap(), Some(Reply::FinishedFirst));
    assert_eq!(other.reply_to(&run, open).await.unwrap(), None);
    assert_eq!(other.requests(&run).await.unwrap(), [(open, decide())]);
    let next = other.post(&run, &pause("bob"), NOW).await.unwrap();
    assert!(next > open && open > answered, "names are not given twice");
}

async fn what_was_removed_stays_away(bench: &impl StoreBench) {
    let store = bench.fresh().await;
    let Some(other) = bench.reopen(&store).await else { return };
    let run = run("a");
    let lease = store.create(&run, &records(1..=2), &abroad(), NOW).await.unwrap();
    store.release(&lease).await.unwrap();
    store.remove(&run, NOW).await.unwrap();
    drop(store);
    assert_eq!(other.load(&run, 0).await, Err(StoreError::UnknownRun(run)));
    assert_eq!(other.list().await.unwrap(), []);
}
