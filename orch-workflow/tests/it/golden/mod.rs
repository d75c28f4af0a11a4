//! Promise: what an earlier version has written stays readable, means the same, and can be finished.
//!
//! `golden-store-v1.sql` is a store of format 1 as `sqlite3 .dump` would show it, `golden-views-v1.json` how its runs
//! looked to the version that wrote it. Both stay as they are: a test that fails here is a journal of somebody that can
//! no longer be read. What was added to the format since has golden stores of its own beside these, `v1-grown` and
//! `v1-cautioned`.

mod cautioned;
mod grown;
mod write;

use std::{path::Path, sync::Arc};

use orch_config::budget::Budget;
use orch_workflow::{
    attempt::{RunId, Timestamp},
    decision::{Answer, Decision, DecisionKind, DecisionRequest, GateReason, Request},
    driver::Engine,
    machine::Machine,
    record::{FORMAT_VERSION, Record, RecordBody, RunStatus},
    store::{RunStore, SqliteStore},
    testing::{ScriptedHost, Turn},
};
use serde_json::{Value, json};

use crate::machine::story::output;

struct Golden {
    store: &'static str,
    views: &'static str,
}

const FIRST: Golden = Golden {
    store: include_str!("../../fixtures/golden-store-v1.sql"),
    views: include_str!("../../fixtures/golden-views-v1.json"),
};
const GROWN: Golden = Golden {
    store: include_str!("../../fixtures/golden-store-v1-grown.sql"),
    views: include_str!("../../fixtures/golden-views-v1-grown.json"),
};
const CAUTIONED: Golden = Golden {
    store: include_str!("../../fixtures/golden-store-v1-cautioned.sql"),
    views: include_str!("../../fixtures/golden-views-v1-cautioned.json"),
};
const ALL: [Golden; 3] = [FIRST, GROWN, CAUTIONED];

async fn opened(golden: &Golden, directory: &Path) -> SqliteStore {
    let connection = rusqlite::Connection::open(directory.join("runs.db")).unwrap();
    connection.execute_batch(golden.store).unwrap();
    connection.close().unwrap();
    SqliteStore::open(directory).await.unwrap()
}

async fn journals(store: &SqliteStore) -> Vec<(RunId, Vec<Record>)> {
    let mut journals = Vec::new();
    for entry in store.list().await.unwrap() {
        journals.push((entry.run.clone(), store.load(&entry.run, 0).await.unwrap()));
    }
    journals.sort_by(|(one, _), (other, _)| one.cmp(other));
    journals
}

#[tokio::test]
async fn every_record_of_format_1_is_written_as_it_was_read() {
    // Every kind of record that a version knew is in its store.
    insta::assert_snapshot!(kinds_written_as_read(&FIRST).await, @"answered ask-answered ask-closed ask-opened attempt-started backed-off cancel-requested failing finished gate-opened gate-resolved group-ended in-doubt iteration-started pause-requested paused placed resumed run-started settled skipped stopping turn-started warned");
    insta::assert_snapshot!(kinds_written_as_read(&GROWN).await, @"attempt-started finished gate-opened gate-resolved group-ended iteration-started paused placed resumed reused run-started settled stopping used warned");
    insta::assert_snapshot!(kinds_written_as_read(&CAUTIONED).await, @"attempt-started placed run-started");
}

async fn kinds_written_as_read(golden: &Golden) -> String {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(golden, directory.path()).await;
    let connection = rusqlite::Connection::open(directory.path().join("runs.db")).unwrap();
    let (mut rows, mut kinds) = (0, std::collections::BTreeSet::new());
    for (run, journal) in journals(&store).await {
        for record in journal {
            let sql = "SELECT json FROM records JOIN runs ON key = run WHERE id = ?1 AND seq = ?2";
            let json: String =
                connection.query_row(sql, (run.as_str(), record.seq), |row| row.get(0)).unwrap();
            let golden: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_value(&record).unwrap(), golden, "{run}, record {}", record.seq);
            kinds.extend(golden["record"].as_str().map(str::to_owned));
            rows += 1;
        }
    }
    let all: i32 = connection.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, all);
    kinds.into_iter().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_runs_of_format_1_look_as_they_did() {
    for golden in ALL {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&golden, directory.path()).await;
        let views: Value = serde_json::from_str(golden.views).unwrap();
        let journals = journals(&store).await;
        assert_eq!(journals.len(), views.as_object().unwrap().len());
        for (run, journal) in journals {
            let view = Machine::replay(&journal).unwrap().view();
            let view = serde_json::to_value(view).unwrap();
            assert_contains(&view, &views[run.as_str()], run.as_str());
        }
    }
}

/// The plan in a journal is the one that its digest names. Another digest would open a `definition-changed` gate in
/// every run that was paused before an update.
#[tokio::test]
async fn the_plans_of_format_1_have_the_digests_that_they_had() {
    for golden in ALL {
        let directory = tempfile::tempdir().unwrap();
        for (run, journal) in journals(&opened(&golden, directory.path()).await).await {
            let RecordBody::RunStarted(started) = &journal[0].body else { panic!("{run} does not start") };
            assert_eq!(started.format, FORMAT_VERSION);
            assert_eq!(started.digest, started.plan.digest(), "{run}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_unfinished_runs_of_format_1_can_be_finished() {
    insta::assert_snapshot!(finished(&FIRST).await, @r"
    run_asking: running → success
    run_backing-off: running → success
    run_changed: paused → success
    run_foreground: paused → success
    run_in-doubt: paused → success
    run_interrupted: running → success
    run_paused: paused → success
    run_timed-out: paused → success
    ");
    insta::assert_snapshot!(finished(&GROWN).await, @r"
    run_attached: running → success
    run_forked: running → success
    run_forked-edited: running → success
    run_higher-budget: running → success
    run_over-budget: paused → success
    ");
    insta::assert_snapshot!(finished(&CAUTIONED).await, @"run_cautioned: running → success");
}

async fn finished(golden: &Golden) -> String {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(golden, directory.path()).await);
    // Repeated steps are satisfied at once.
    let host = ScriptedHost::new().with("review", Turn::settles(output("fine", json!({ "ok": true }))));
    let engine =
        Engine::builder(store.clone(), host.executor()).wall_clock(|| Timestamp(1_800_000_000_000)).build();
    let mut finished = Vec::new();
    for (run, journal) in journals(&store).await {
        let before = Machine::replay(&journal).unwrap().status();
        if before.is_terminal() {
            continue;
        }
        let mut view = engine.resume(&run).await.unwrap().wait().await.unwrap();
        for _ in 0..10 {
            let Some(gate) = view.gate.clone() else { break };
            let in_doubt = !gate.allows(DecisionKind::Continue);
            let decision =
                if in_doubt { Decision::Retry { note: None, session: None } } else { Decision::Continue };
            let over_budget = gate.reason == GateReason::Budget;
            let request = Request::Decide(DecisionRequest {
                gate: Some(gate.id),
                answer: Answer::Decision(decision),
                policy: Default::default(),
                budget: Budget { max_tokens: over_budget.then_some(1_000_000), ..Budget::default() },
                by: "ann".to_owned(),
            });
            let decided = engine.request(&run, request).await.unwrap();
            view = decided.run.unwrap().wait().await.unwrap();
        }
        assert_eq!(view.status, RunStatus::Success, "{run}");
        finished.push(format!("{run}: {} → {}", before.as_str(), view.status.as_str()));
    }
    finished.join("\n")
}

/// Whatever is in `golden` is in `found` as well. What a later version adds is not looked at.
fn assert_contains(found: &Value, golden: &Value, place: &str) {
    match (found, golden) {
        (Value::Object(found), Value::Object(golden)) => {
            for (key, value) in golden {
                let missing = Value::Null;
                assert_contains(found.get(key).unwrap_or(&missing), value, &format!("{place}.{key}"));
            }
        }
        (Value::Array(found), Value::Array(golden)) => {
            assert_eq!(found.len(), golden.len(), "{place}");
            for (index, (found, golden)) in found.iter().zip(golden).enumerate() {
                assert_contains(found, golden, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(found, golden, "{place}"),
    }
}
