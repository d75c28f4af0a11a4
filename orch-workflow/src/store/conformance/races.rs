//! Two that do the same at the same time, each with a handle of its own: one of them does it, the other is told.
#![expect(clippy::panic, reason = "a suite fails by panicking, as every test does")]

use super::{LEASE_MS, NOW, StoreBench, abroad, pause, records, run};
use crate::{
    attempt::RunId,
    record::{Record, RecordBody},
    store::{Owner, RunStore, StoreError},
};

/// One time might pass by luck.
const ROUNDS: u32 = 8;

pub(super) async fn suite(bench: &impl StoreBench) {
    let one = bench.fresh().await;
    let reopened = bench.reopen(&one).await;
    let other = reopened.as_ref().unwrap_or(&one);
    for round in 0..ROUNDS {
        of_two_that_create_a_run_one_does(&one, other, &run(&format!("created_{round}"))).await;
        of_two_that_take_a_run_up_one_does(&one, other, &run(&format!("taken_{round}"))).await;
        of_two_that_append_the_same_number_one_does(&one, other, &run(&format!("appended_{round}"))).await;
        requests_of_two_are_both_kept(&one, other, &run(&format!("asked_{round}"))).await;
    }
}

async fn of_two_that_create_a_run_one_does(one: &impl RunStore, other: &impl RunStore, run: &RunId) {
    let (short, long) = (records(1..=1), records(1..=2));
    let (mine, theirs) = (abroad(), elsewhere());
    let (first, second) =
        tokio::join!(one.create(run, &short, &mine, NOW), other.create(run, &long, &theirs, NOW));
    let kept = match (first, second) {
        (Ok(_), Err(StoreError::Exists(id))) if id == *run => short,
        (Err(StoreError::Exists(id)), Ok(_)) if id == *run => long,
        both => panic!("not one of two created the run: {both:?}"),
    };
    assert_eq!(one.load(run, 0).await.unwrap(), kept);
    assert_eq!(other.load(run, 0).await.unwrap(), kept);
}

async fn of_two_that_take_a_run_up_one_does(one: &impl RunStore, other: &impl RunStore, run: &RunId) {
    let lease = one.create(run, &records(1..=1), &abroad(), NOW).await.unwrap();
    one.release(&lease).await.unwrap();
    let then = NOW.plus_ms(LEASE_MS);
    let (mine, theirs) = (abroad(), elsewhere());
    let (first, second) = tokio::join!(one.acquire(run, &mine, then), other.acquire(run, &theirs, then));
    let (lease, winner) = match (first, second) {
        (Ok(lease), Err(StoreError::Locked { owner, .. })) if *owner == mine => (lease, mine),
        (Err(StoreError::Locked { owner, .. }), Ok(lease)) if *owner == theirs => (lease, theirs),
        both => panic!("not one of two took the run up: {both:?}"),
    };
    assert_eq!(one.holder(run, then).await.unwrap().unwrap().owner, winner);
    other.append(&lease, &records(2..=2), &[]).await.unwrap();
}

/// A lease fences former owners, not two writers of one owner: the numbers do.
async fn of_two_that_append_the_same_number_one_does(
    one: &impl RunStore,
    other: &impl RunStore,
    run: &RunId,
) {
    let lease = one.create(run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let by = |name: &str| [Record { seq: 2, at: NOW, body: RecordBody::PauseRequested { by: name.into() } }];
    let (mine, theirs) = (by("one"), by("other"));
    let (first, second) = tokio::join!(one.append(&lease, &mine, &[]), other.append(&lease, &theirs, &[]));
    let conflict = StoreError::Conflict { run: run.clone(), expected: 1, found: 2 };
    let kept = match (first, second) {
        (Ok(()), Err(refused)) if refused == conflict => mine,
        (Err(refused), Ok(())) if refused == conflict => theirs,
        both => panic!("not one of two appended the record: {both:?}"),
    };
    assert_eq!(one.load(run, 1).await.unwrap(), kept);
}

async fn requests_of_two_are_both_kept(one: &impl RunStore, other: &impl RunStore, run: &RunId) {
    one.create(run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let (ann, bob) = (pause("ann"), pause("bob"));
    let (first, second) = tokio::join!(one.post(run, &ann, NOW), other.post(run, &bob, NOW));
    let mut posted = vec![(first.unwrap(), ann), (second.unwrap(), bob)];
    posted.sort_by_key(|(id, _)| *id);
    assert_eq!(other.requests(run).await.unwrap(), posted, "each has a name of its own");
}

fn elsewhere() -> Owner {
    Owner::elsewhere(4343, "near.example")
}
