//! What every [`RunStore`] must do, as tests that anybody's store can run.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use orch_workflow::store::{MemoryStore, conformance};
//!
//! conformance::run_store_suite(async || MemoryStore::new()).await;
//! # }
//! ```
//!
//! A store that keeps runs beyond its process is opened several times, so that it can show that: give a [`StoreBench`]
//! to [`run_store_suite_on`].
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking, as every test does")]

mod races;
mod reopened;

use orch_config::policy::PolicyPatch;

use super::{LEASE_MS, Lease, Owner, RequestId, Retention, RunStore, StoreError, prune};
use crate::{
    attempt::{RunId, Timestamp},
    decision::{Answer, Decision, DecisionRequest, Rejected, Reply, Request},
    record::{Record, RecordBody, RunStatus},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Where a suite gets its stores from.
pub trait StoreBench {
    /// What is tried.
    type Store: RunStore;

    /// A store of its own, empty.
    fn fresh(&self) -> impl Future<Output = Self::Store>;

    /// Another handle on what this store keeps, as another process would open it. `None` where it is kept by the handle
    /// itself, and ends with it.
    fn reopen(&self, store: &Self::Store) -> impl Future<Output = Option<Self::Store>>;
}

/// Runs the suite on stores that end with their handles: see [`run_store_suite_on`].
///
/// # Panics
/// The store fails a test.
pub async fn run_store_suite<S: RunStore>(fresh: impl AsyncFn() -> S) {
    run_store_suite_on(&Passing(fresh)).await;
}

/// Runs every test of the suite on a fresh, empty store of its own. What is done from two handles at once is done from
/// one where there is no other, and what must outlive a handle is not asked of a store that does not.
///
/// # Panics
/// The store fails a test.
pub async fn run_store_suite_on(bench: &impl StoreBench) {
    one_handle_suite(async || bench.fresh().await).await;
    races::suite(bench).await;
    reopened::suite(bench).await;
}

/// Stores that nobody can open again.
struct Passing<F>(F);

impl<S: RunStore, F: AsyncFn() -> S> StoreBench for Passing<F> {
    type Store = S;

    async fn fresh(&self) -> S {
        (self.0)().await
    }

    async fn reopen(&self, _store: &S) -> Option<S> {
        None
    }
}

/// A record of every kind that there is, in the form of a journal: what a store has to give back as it was written.
#[must_use]
pub fn every_kind_of_record() -> Vec<Record> {
    include_str!("conformance/records.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn one_handle_suite<S: RunStore>(fresh: impl AsyncFn() -> S) {
    a_journal_is_read_as_it_was_written(&fresh().await).await;
    every_kind_of_record_comes_back_as_it_was_written(&fresh().await).await;
    a_run_is_created_once(&fresh().await).await;
    an_unknown_run_is_refused_by_name(&fresh().await).await;
    an_append_must_continue_the_journal(&fresh().await).await;
    a_refused_append_writes_nothing(&fresh().await).await;
    runs_are_listed_newest_first_with_their_end(&fresh().await).await;
    a_live_owner_keeps_its_run(&fresh().await).await;
    an_expired_lease_passes_on_and_fences_its_former_owner(&fresh().await).await;
    a_renewed_lease_does_not_expire(&fresh().await).await;
    a_dead_owner_is_replaced_at_once(&fresh().await).await;
    a_released_run_has_no_holder_and_takes_no_writes(&fresh().await).await;
    an_owner_takes_its_own_expired_lease_back(&fresh().await).await;
    requests_are_answered_once_and_together_with_their_records(&fresh().await).await;
    requests_and_replies_belong_to_their_run(&fresh().await).await;
    a_run_is_removed_whole_but_never_under_its_driver(&fresh().await).await;
    finished_runs_are_forgotten_by_their_age_and_their_number(&fresh().await).await;
}

async fn a_journal_is_read_as_it_was_written(store: &impl RunStore) {
    let run = run("a");
    let all = records(1..=5);
    let lease = store.create(&run, &all[..2], &abroad(), NOW).await.unwrap();
    store.append(&lease, &all[2..3], &[]).await.unwrap();
    store.append(&lease, &all[3..], &[]).await.unwrap();
    store.append(&lease, &[], &[]).await.unwrap();
    assert_eq!(store.load(&run, 0).await.unwrap(), all);
    assert_eq!(store.load(&run, 3).await.unwrap(), all[3..]);
    assert_eq!(store.load(&run, 5).await.unwrap(), []);
    assert_eq!(store.load(&run, 50).await.unwrap(), []);
}

async fn every_kind_of_record_comes_back_as_it_was_written(store: &impl RunStore) {
    let (created, appended) = (run("created"), run("appended"));
    let all = every_kind_of_record();
    store.create(&created, &all, &abroad(), NOW).await.unwrap();
    assert_eq!(store.load(&created, 0).await.unwrap(), all);

    let lease = store.create(&appended, &all[..1], &abroad(), NOW).await.unwrap();
    for record in &all[1..] {
        store.append(&lease, std::slice::from_ref(record), &[]).await.unwrap();
    }
    assert_eq!(store.load(&appended, 0).await.unwrap(), all);
}

async fn a_run_is_created_once(store: &impl RunStore) {
    let run = run("a");
    store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let again = store.create(&run, &records(1..=2), &abroad(), NOW).await.unwrap_err();
    assert_eq!((&again, again.code()), (&StoreError::Exists(run.clone()), "orch::run::exists"));
    assert_eq!(store.load(&run, 0).await.unwrap().len(), 1);
}

async fn an_unknown_run_is_refused_by_name(store: &impl RunStore) {
    let run = run("nobody");
    let unknown = || StoreError::UnknownRun(run.clone());
    let lease = Lease { run: run.clone(), epoch: 1 };
    assert_eq!(store.load(&run, 0).await.unwrap_err(), unknown());
    assert_eq!(store.acquire(&run, &abroad(), NOW).await.unwrap_err(), unknown());
    assert_eq!(store.append(&lease, &records(1..=1), &[]).await.unwrap_err(), unknown());
    assert_eq!(store.renew(&lease, NOW).await.unwrap_err(), unknown());
    assert_eq!(store.holder(&run, NOW).await.unwrap_err(), unknown());
    assert_eq!(store.post(&run, &pause("a"), NOW).await.unwrap_err(), unknown());
    assert_eq!(store.requests(&run).await.unwrap_err(), unknown());
    assert_eq!(store.reply_to(&run, RequestId(1)).await.unwrap_err(), unknown());
    store.release(&lease).await.unwrap();
    store.remove(&run, NOW).await.unwrap();
}

async fn an_append_must_continue_the_journal(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=2), &abroad(), NOW).await.unwrap();
    for (first, last) in [(1, 1), (2, 3), (4, 4), (9, 12)] {
        let refused = store.append(&lease, &records(first..=last), &[]).await.unwrap_err();
        assert_eq!(refused, StoreError::Conflict { run: run.clone(), expected: first - 1, found: 2 });
        assert_eq!(refused.code(), "orch::store::conflict");
    }
    let mut gap = records(3..=5);
    gap.remove(1);
    assert!(matches!(store.append(&lease, &gap, &[]).await, Err(StoreError::Conflict { .. })));
    store.append(&lease, &records(3..=3), &[]).await.unwrap();
    assert_eq!(store.load(&run, 0).await.unwrap(), records(1..=3));
}

async fn a_refused_append_writes_nothing(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let request = store.post(&run, &pause("somebody"), NOW).await.unwrap();
    let stale = Lease { epoch: lease.epoch + 1, ..lease.clone() };
    let replies = [(request, Reply::Accepted)];
    assert!(matches!(
        store.append(&lease, &records(5..=5), &replies).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(store.append(&stale, &records(2..=2), &replies).await, Err(StoreError::Fenced(run.clone())));
    assert_eq!(store.load(&run, 0).await.unwrap(), records(1..=1));
    assert_eq!(store.reply_to(&run, request).await.unwrap(), None);
}

async fn runs_are_listed_newest_first_with_their_end(store: &impl RunStore) {
    assert_eq!(store.list().await.unwrap(), []);
    for name in ["b", "c", "a"] {
        store.create(&run(name), &records(1..=1), &abroad(), NOW).await.unwrap();
    }
    let lease = store.acquire(&run("b"), &abroad(), NOW.plus_ms(LEASE_MS)).await.unwrap();
    store.append(&lease, &[end(2, NOW.plus_ms(7))], &[]).await.unwrap();
    let listed: Vec<_> =
        store.list().await.unwrap().into_iter().map(|entry| (entry.run, entry.finished_at)).collect();
    assert_eq!(listed, [(run("c"), None), (run("b"), Some(NOW.plus_ms(7))), (run("a"), None)]);
}

async fn a_live_owner_keeps_its_run(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let holder = store.holder(&run, NOW.plus_ms(1)).await.unwrap().unwrap();
    assert_eq!((&holder.owner, holder.since, holder.alive), (&abroad(), NOW, true));
    // As well for another engine of the very same process.
    for owner in [Owner::current(), abroad()] {
        let refused = store.acquire(&run, &owner, NOW.plus_ms(LEASE_MS - 1)).await.unwrap_err();
        assert_eq!(
            refused,
            StoreError::Locked { run: run.clone(), owner: Box::new(abroad()), since: NOW },
            "{owner:?}"
        );
    }
    store.append(&lease, &records(2..=2), &[]).await.unwrap();
}

async fn an_expired_lease_passes_on_and_fences_its_former_owner(store: &impl RunStore) {
    let run = run("a");
    let then = NOW.plus_ms(LEASE_MS);
    let old = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    assert!(!store.holder(&run, then).await.unwrap().unwrap().alive);
    let new = store.acquire(&run, &Owner::current(), then).await.unwrap();
    assert!(new.epoch > old.epoch);
    assert_eq!(store.append(&old, &records(2..=2), &[]).await, Err(StoreError::Fenced(run.clone())));
    assert_eq!(store.renew(&old, then).await, Err(StoreError::Fenced(run.clone())));
    store.release(&old).await.unwrap();
    assert_eq!(store.holder(&run, then).await.unwrap().unwrap().owner, Owner::current());
    store.append(&new, &records(2..=2), &[]).await.unwrap();
}

async fn a_renewed_lease_does_not_expire(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    store.renew(&lease, NOW.plus_ms(LEASE_MS - 1)).await.unwrap();
    let holder = store.holder(&run, NOW.plus_ms(2 * LEASE_MS - 2)).await.unwrap().unwrap();
    assert!(holder.alive);
    assert_eq!(holder.since, NOW);
}

async fn a_dead_owner_is_replaced_at_once(store: &impl RunStore) {
    let run = run("a");
    let dead = Owner { pid: u32::MAX - 1, ..Owner::current() };
    let old = store.create(&run, &records(1..=1), &dead, NOW).await.unwrap();
    assert!(!store.holder(&run, NOW).await.unwrap().unwrap().alive);
    store.acquire(&run, &abroad(), NOW).await.unwrap();
    assert_eq!(store.append(&old, &records(2..=2), &[]).await, Err(StoreError::Fenced(run.clone())));
}

async fn a_released_run_has_no_holder_and_takes_no_writes(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    store.release(&lease).await.unwrap();
    store.release(&lease).await.unwrap();
    assert_eq!(store.holder(&run, NOW).await.unwrap(), None);
    assert_eq!(store.append(&lease, &records(2..=2), &[]).await, Err(StoreError::Fenced(run.clone())));
    assert_eq!(store.renew(&lease, NOW).await, Err(StoreError::Fenced(run.clone())));
    let next = store.acquire(&run, &Owner::current(), NOW).await.unwrap();
    assert!(next.epoch > lease.epoch);
}

async fn an_owner_takes_its_own_expired_lease_back(store: &impl RunStore) {
    let (run, owner) = (run("a"), Owner::current());
    store.create(&run, &records(1..=1), &owner, NOW).await.unwrap();
    let then = NOW.plus_ms(LEASE_MS);
    assert!(store.holder(&run, then).await.unwrap().unwrap().alive, "the process is there");
    assert!(matches!(store.acquire(&run, &abroad(), then).await, Err(StoreError::Locked { .. })));
    store.acquire(&run, &owner, then).await.unwrap();
}

async fn requests_are_answered_once_and_together_with_their_records(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    let posted = [pause("ann"), decide(), Request::Cancel { by: "cid".into() }];
    let mut ids = Vec::new();
    for request in &posted {
        ids.push(store.post(&run, request, NOW).await.unwrap());
    }
    let open = store.requests(&run).await.unwrap();
    assert_eq!(open, ids.iter().copied().zip(posted.iter().cloned()).collect::<Vec<_>>());
    assert_eq!(store.reply_to(&run, ids[0]).await.unwrap(), None);

    let refused = Reply::Refused(Rejected::Ended { status: "success".into() });
    store
        .append(&lease, &records(2..=2), &[(ids[0], Reply::Accepted), (ids[1], refused.clone())])
        .await
        .unwrap();
    store.append(&lease, &[], &[(ids[0], Reply::FinishedFirst)]).await.unwrap();
    assert_eq!(store.reply_to(&run, ids[0]).await.unwrap(), Some(Reply::Accepted), "the first reply counts");
    assert_eq!(store.reply_to(&run, ids[1]).await.unwrap(), Some(refused));
    assert_eq!(store.requests(&run).await.unwrap(), [(ids[2], posted[2].clone())]);
    assert_eq!(store.load(&run, 0).await.unwrap(), records(1..=2));
}

async fn requests_and_replies_belong_to_their_run(store: &impl RunStore) {
    let (one, other) = (run("one"), run("other"));
    let lease = store.create(&one, &records(1..=1), &abroad(), NOW).await.unwrap();
    store.create(&other, &records(1..=1), &abroad(), NOW).await.unwrap();
    let mine = store.post(&one, &pause("ann"), NOW).await.unwrap();
    store.append(&lease, &[], &[(mine, Reply::Accepted)]).await.unwrap();
    assert_eq!(store.requests(&other).await.unwrap(), []);
    assert_eq!(store.reply_to(&other, mine).await.unwrap(), None);
}

async fn a_run_is_removed_whole_but_never_under_its_driver(store: &impl RunStore) {
    let run = run("a");
    let lease = store.create(&run, &records(1..=3), &abroad(), NOW).await.unwrap();
    let request = store.post(&run, &pause("ann"), NOW).await.unwrap();
    assert!(matches!(store.remove(&run, NOW).await, Err(StoreError::Locked { .. })));
    store.release(&lease).await.unwrap();
    store.remove(&run, NOW).await.unwrap();
    assert_eq!(store.list().await.unwrap(), []);
    assert_eq!(store.load(&run, 0).await, Err(StoreError::UnknownRun(run.clone())));
    store.create(&run, &records(1..=1), &abroad(), NOW).await.unwrap();
    assert_eq!(store.load(&run, 0).await.unwrap().len(), 1);
    assert_eq!(store.requests(&run).await.unwrap(), []);
    assert_eq!(store.reply_to(&run, request).await.unwrap(), None);
}

/// Runs that ended one after the other, one that goes on, and one that its driver has not let go of.
async fn finished_runs_are_forgotten_by_their_age_and_their_number(store: &impl RunStore) {
    for (name, ended_ms) in [("first", 10), ("second", 20), ("third", 30), ("held", 5)] {
        let journal = [&records(1..=1)[..], &[end(2, NOW.plus_ms(ended_ms))]].concat();
        let lease = store.create(&run(name), &journal, &abroad(), NOW).await.unwrap();
        if name != "held" {
            store.release(&lease).await.unwrap();
        }
    }
    let open = store.create(&run("open"), &records(1..=1), &abroad(), NOW).await.unwrap();
    store.release(&open).await.unwrap();
    let now = NOW.plus_ms(100);
    let prune = async |max_age_ms, max_runs| {
        let removed = prune(store, Retention { max_age_ms, max_runs }, now).await.unwrap();
        removed.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(prune(None, None).await, [""; 0]);
    assert_eq!(prune(Some(90), None).await, [""; 0], "just as old as may be");
    assert_eq!(prune(Some(89), None).await, ["run_first"]);
    assert_eq!(prune(None, Some(1)).await, ["run_second"]);
    assert_eq!(prune(Some(0), Some(0)).await, ["run_third"]);
    let mut left: Vec<_> = store.list().await.unwrap().into_iter().map(|entry| entry.run).collect();
    left.sort();
    assert_eq!(left, [run("held"), run("open")]);
    assert_eq!(store.load(&run("first"), 0).await.unwrap_err(), StoreError::UnknownRun(run("first")));
}

fn end(seq: u64, at: Timestamp) -> Record {
    Record { seq, at, body: RecordBody::Finished { status: RunStatus::Success, error: None, notes: vec![] } }
}

fn run(name: &str) -> RunId {
    RunId::new(format!("run_{name}")).unwrap()
}

/// An owner of which nothing can be seen from here: its lease lasts until it expires.
fn abroad() -> Owner {
    Owner::elsewhere(4242, "far.example")
}

fn records(numbers: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    numbers
        .map(|seq| Record {
            seq,
            at: NOW.plus_ms(seq),
            body: RecordBody::PauseRequested { by: format!("number {seq}, \"quoted\"\u{2028}\0 é 🦀") },
        })
        .collect()
}

fn pause(by: &str) -> Request {
    Request::Pause { by: by.into() }
}

fn decide() -> Request {
    Request::Decide(DecisionRequest {
        gate: None,
        answer: Answer::Decision(Decision::Retry { note: Some("again".into()), session: None }),
        policy: PolicyPatch::default(),
        budget: Default::default(),
        by: "bob".into(),
    })
}
