//! The public suite on both stores, retention, and what only real processes can show.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use orch_workflow::{
    attempt::{RunId, Timestamp},
    record::{Record, RecordBody, RunStatus},
    store::{MemoryStore, Owner, Retention, RunStore, SqliteStore, StoreError, conformance, prune},
};

use serde_json::json;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::run_store_suite(async || MemoryStore::new()).await;
}

#[tokio::test]
async fn the_sqlite_store_conforms() {
    conformance::run_store_suite_on(&Directories(tempfile::tempdir().unwrap())).await;
}

/// A directory for each store.
struct Directories(tempfile::TempDir);

impl conformance::StoreBench for Directories {
    type Store = SqliteStore;

    async fn fresh(&self) -> SqliteStore {
        let directory = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        SqliteStore::open(directory).await.unwrap()
    }

    async fn reopen(&self, store: &SqliteStore) -> Option<SqliteStore> {
        Some(SqliteStore::open(store.path().parent().unwrap()).await.unwrap())
    }
}

/// A kind of record that is new is tried from its first day on.
#[test]
fn the_suite_has_every_kind_of_record() {
    let tried: BTreeSet<_> = conformance::every_kind_of_record()
        .into_iter()
        .map(|record| serde_json::to_value(record).unwrap()["record"].as_str().unwrap().to_owned())
        .collect();
    // ``unknown variant `nothing`, expected one of `run-started`, …``
    let refusal = serde_json::from_value::<Record>(json!({ "record": "nothing" })).unwrap_err().to_string();
    let known: BTreeSet<_> = refusal.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert_eq!(tried, known);
}

/// Promise: finished runs are pruned by age and count, others never.
#[tokio::test]
async fn only_finished_runs_are_pruned_oldest_first() {
    let table = [
        (Retention::default(), vec![]),
        (Retention { max_age_ms: Some(100), max_runs: None }, vec!["run_a", "run_b"]),
        (Retention { max_age_ms: None, max_runs: Some(2) }, vec!["run_b", "run_a"]),
        (Retention { max_age_ms: Some(0), max_runs: Some(0) }, vec!["run_d", "run_c", "run_a", "run_b"]),
    ];
    for (retention, expected) in table {
        let store = MemoryStore::new();
        for (name, ended) in
            [("a", Some(10)), ("b", Some(9)), ("c", Some(200)), ("d", Some(201)), ("paused", None)]
        {
            let run = RunId::new(format!("run_{name}")).unwrap();
            let body = match ended {
                Some(_) => RecordBody::Finished { status: RunStatus::Success, error: None, notes: vec![] },
                None => RecordBody::Paused,
            };
            let record = Record { seq: 1, at: NOW.plus_ms(ended.unwrap_or(0)), body };
            let lease = store.create(&run, &[record], &Owner::current(), NOW).await.unwrap();
            store.release(&lease).await.unwrap();
        }
        let mut removed = prune(&store, retention, NOW.plus_ms(250)).await.unwrap();
        let mut expected: Vec<_> = expected.into_iter().map(|run| RunId::new(run).unwrap()).collect();
        removed.sort();
        expected.sort();
        assert_eq!(removed, expected, "{retention:?}");
        assert_eq!(store.list().await.unwrap().len(), 5 - removed.len());
    }
}

const HOLD: &str = "ORCH_TEST_HOLD_LEASE_IN";

/// Not a test of its own: run by the next one in a process that it kills.
#[tokio::test]
async fn hold_a_lease_until_killed() {
    let Ok(directory) = std::env::var(HOLD) else { return };
    let store = SqliteStore::open(directory).await.unwrap();
    store.create(&held(), &[record(1)], &Owner::current(), NOW).await.unwrap();
    println!("\nholding");
    std::future::pending::<()>().await;
}

/// Fault: `kill -9` of the owner. Its run is taken over at once, its writes are fenced.
#[tokio::test]
async fn the_lease_of_a_killed_process_is_taken_over_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::hold_a_lease_until_killed", "--nocapture"])
        .env(HOLD, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let holding = output.lines().map_while(Result::ok).any(|line| line == "holding");
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let locked = store.acquire(&held(), &Owner::current(), NOW.plus_ms(1)).await;
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(holding);
    match locked {
        Err(StoreError::Locked { owner, since, .. }) => assert_eq!((owner.pid, since), (pid, NOW)),
        other => panic!("a live process drives the run: {other:?}"),
    }
    assert!(!store.holder(&held(), NOW.plus_ms(2)).await.unwrap().unwrap().alive);
    let lease = store.acquire(&held(), &Owner::current(), NOW.plus_ms(2)).await.unwrap();
    assert_eq!(store.load(&held(), 0).await.unwrap(), [record(1)]);
    store.append(&lease, &[record(2)], &[]).await.unwrap();
}

fn held() -> RunId {
    RunId::new("run_held").unwrap()
}

fn record(seq: u64) -> Record {
    Record { seq, at: NOW, body: RecordBody::Paused }
}
