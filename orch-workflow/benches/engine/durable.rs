//! The journal on disk, beside what SQLite alone takes for as many commits of the same size.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use orch_workflow::{
    attempt::{RunId, Timestamp},
    driver::{Engine, NewRun},
    machine::Machine,
    record::{Record, RunStatus},
    store::{Owner, RunStore, SqliteStore},
    testing::{FaultyStore, ScriptedHost, Turn},
};
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

use crate::{
    pure::micros,
    story::{drive, plan, started},
    table::Row,
};

const STEPS: usize = 50;
const ROUNDS: usize = 9;

pub(crate) fn rows() -> Vec<Row> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    vec![durable_step(&runtime), resume(&runtime)]
}

/// A run on the driver, with a host that answers at once; then as many bare commits of the records' bytes.
fn durable_step(runtime: &Runtime) -> Row {
    let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
    let (mut commits, mut bytes) = (0, 0);
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        let store = runtime.block_on(SqliteStore::open(directory.path())).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(store)));
        let host = (0..STEPS).fold(ScriptedHost::new(), |host, number| {
            host.with(&format!("s{number}"), Turn::answers("done").after(Duration::ZERO))
        });
        let (taken, run) = runtime.block_on(async {
            let engine = Engine::builder(Arc::clone(&store) as _, host.executor()).build();
            let began = Instant::now();
            let run = engine.start(NewRun::new(plan(STEPS, false), "the task", "project")).await.unwrap();
            let view = run.wait().await.unwrap();
            assert_eq!(view.status, RunStatus::Success);
            (began.elapsed(), run.id().clone())
        });
        let records = runtime.block_on(store.load(&run, 0)).unwrap();
        // The plan is written once, with the start: it is no part of a step.
        let texts: Vec<_> =
            records.iter().skip(1).map(|record| serde_json::to_string(record).unwrap()).collect();
        commits = usize::try_from(store.appends()).unwrap();
        bytes = texts.iter().map(String::len).sum::<usize>();
        ours = ours.min(taken);
        bare = bare.min(bare_commits(directory.path(), &texts, commits));
    }
    let details = format!(
        "{:.0} µs a step; {:.2} commits a step; {} B a commit, bare {:.0} µs",
        micros(ours) / STEPS as f64,
        commits as f64 / STEPS as f64,
        bytes / commits,
        micros(bare) / commits as f64
    );
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    Row::new("durable step, bare commits of its size = 1", ratio, "×").within(1.5).details(details)
}

/// The same rows in the same number of commits, by SQLite alone under the same settings.
fn bare_commits(directory: &Path, texts: &[String], commits: usize) -> Duration {
    let mut connection = Connection::open(directory.join("bare.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE records (run INTEGER, seq INTEGER, at INTEGER, json TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID;",
        )
        .unwrap();
    let began = Instant::now();
    let mut seq = 0;
    for texts in texts.chunks(texts.len().div_ceil(commits)) {
        let tx = connection.transaction().unwrap();
        for json in texts {
            seq += 1;
            tx.prepare_cached("INSERT INTO records VALUES (1, ?1, 0, ?2)")
                .unwrap()
                .execute((seq, json))
                .unwrap();
        }
        tx.commit().unwrap();
    }
    began.elapsed()
}

fn resume(runtime: &Runtime) -> Row {
    let directory = tempfile::tempdir().unwrap();
    let journal = long_journal();
    let run = RunId::new("run_long").unwrap();
    let store = runtime.block_on(SqliteStore::open(directory.path())).unwrap();
    runtime.block_on(store.create(&run, &journal, &Owner::current(), Timestamp(0))).unwrap();
    let connection = Connection::open(directory.path().join("runs.db")).unwrap();
    let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut statement = connection.prepare_cached("SELECT seq, json FROM records ORDER BY seq").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: Vec<(u64, String)> = rows.map(Result::unwrap).collect();
        bare = bare.min(began.elapsed());
        assert_eq!(rows.len(), journal.len());
        let began = Instant::now();
        let records = runtime.block_on(store.load(&run, 0)).unwrap();
        let machine = Machine::replay(&records).unwrap();
        ours = ours.min(began.elapsed());
        assert_eq!(machine.seq(), journal.len() as u64);
    }
    let (ours, bare) = (ours.as_secs_f64() * 1e3, bare.as_secs_f64() * 1e3);
    let details = format!("{:.1} × a bare select of the rows, which takes {bare:.1} ms", ours / bare);
    Row::new("resume of a run of 10,000 records", ours, "ms").within(50.0).details(details)
}

/// The longest run that a plan allows, and then some of its records again as an interrupted one would have them.
fn long_journal() -> Vec<Record> {
    let mut journal = Vec::new();
    let mut length = 1_000;
    while journal.len() < 10_000 {
        length += 1_000;
        journal = drive(started("long", plan(length, false)), "done");
    }
    journal.truncate(10_000);
    journal
}
