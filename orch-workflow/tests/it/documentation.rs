//! `docs/journal.md` says everything that there is, and nothing else.

use std::sync::Arc;

use orch_config::Config;
use orch_workflow::{
    driver::{Engine, NewRun},
    plan::Plan,
    record::Record,
    store::{Owner, SqliteStore},
    testing::ScriptedHost,
};
use serde_json::json;

const JOURNAL: &str = include_str!("../../../docs/journal.md");

/// The first cells of the table whose head begins with `first`, without their backticks.
fn rows(first: &str) -> Vec<String> {
    let table = JOURNAL.lines().skip_while(|line| !line.starts_with(&format!("| {first} |"))).skip(2);
    let cells = table.map_while(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

/// The journal's reader names every kind of record when it is given one that does not exist.
#[test]
fn every_record_has_its_row() {
    let refusal = serde_json::from_value::<Record>(json!({ "record": "?" })).unwrap_err().to_string();
    let known: Vec<_> = refusal.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    let mut documented = rows("record");
    let mut sorted = known.clone();
    documented.sort();
    sorted.sort();
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(documented, sorted);
}

#[cfg(feature = "failpoints")]
#[test]
fn every_failpoint_has_its_row() {
    use orch_workflow::failpoint::{ACTIONS, RECORDS, points};
    assert_eq!(rows("action"), ACTIONS);
    for moment in ["appending", "appended", "published", "before", "after"] {
        assert!(JOURNAL.contains(&format!("`{moment}:")), "{moment}");
    }
    assert_eq!(points().count(), 3 * RECORDS.len() + 2 * ACTIONS.len());
}

/// What the page says to type into `sqlite3` works on a journal.
#[tokio::test]
async fn every_query_works() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let plan = Plan::compile(&Config::builtin(), "build").unwrap();
    let engine = Engine::new(Arc::new(store.clone()), ScriptedHost::new().executor(), Owner::current());
    let run = engine.start(NewRun::new(plan, "a task", "/project")).await.unwrap();
    run.wait().await.unwrap();
    let database = rusqlite::Connection::open(store.path()).unwrap();
    let queries: Vec<_> = JOURNAL.split("sqlite3 -readonly runs.db \"").skip(1).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        let query = query.split('"').next().unwrap().replace("\\$", "$").replace("run_…", run.id().as_str());
        let mut statement = database.prepare(&query).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let row = rows.next().unwrap().unwrap_or_else(|| panic!("nothing found: {query}"));
        for column in 0..columns.min(3) {
            assert_ne!(row.get_ref(column).unwrap(), rusqlite::types::ValueRef::Null, "{query}");
        }
    }
}

/// Pages whose tables link every promise to the tests that prove it, and how many proofs there are at least.
#[test]
fn every_test_that_proves_a_promise_exists() {
    for (page, least) in [("reliability.md", 70), ("security.md", 40), ("tui.md", 25)] {
        let proofs = proofs(page);
        assert!(proofs > least, "{page}: {proofs}");
    }
}

fn proofs(page: &str) -> usize {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs").join(page)).unwrap();
    // Tables whose last column is the proof.
    let tables =
        page.split("\n\n").filter(|part| part.lines().next().is_some_and(|head| head.ends_with("| proof |")));
    let promises: Vec<_> = tables.flat_map(|table| table.lines().skip(2)).collect();
    assert!(promises.len() > 20, "{promises:#?}");
    let mut proofs = 0;
    for promise in promises {
        let links: Vec<_> =
            promise.split("[`").skip(1).map(|link| link.split_once("`](../").unwrap()).collect();
        assert!(!links.is_empty(), "nothing proves {promise}");
        for (name, rest) in links {
            let file = rest.split(')').next().unwrap();
            let source =
                std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            // A test without a harness is its file.
            let is_the_file = file.ends_with(&format!("/{name}.rs"));
            assert!(is_the_file || is_a_test(&source, name), "{file} has no test {name}");
            proofs += 1;
        }
    }
    proofs
}

fn is_a_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    before.lines().rev().take(6).any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
}
