//! A store that somebody wrote into with other means than ours: runs, or an error that says what is damaged.

use orch_fuzz::{Chance, Corpus};
use orch_workflow::{
    machine::Machine,
    store::{RunStore as _, SqliteStore, StoreError},
};
use rusqlite::{Connection, params, types::Value};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{
    hold,
    journal::{GROWN, PIECES, STORE, texts},
};

/// What can be damaged: a table, a column, and how a row is found.
const PLACES: [(&str, &str, &str); 7] = [
    ("records", "json", "(run, seq)"),
    ("records", "seq", "(run, seq)"),
    ("records", "at", "(run, seq)"),
    ("runs", "id", "key"),
    ("runs", "last_seq", "key"),
    ("runs", "finished_at", "key"),
    ("meta", "value", "name"),
];

/// A store, and a connection past it.
struct Damaged {
    directory: TempDir,
    past: Connection,
    whole: Vec<String>,
}

impl Damaged {
    fn new(dump: &str, runtime: &Runtime) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let past = Connection::open(directory.path().join("runs.db")).unwrap();
        past.execute_batch(dump).unwrap();
        runtime.block_on(SqliteStore::open(directory.path())).unwrap();
        past.pragma_update(None, "synchronous", "OFF").unwrap();
        past.pragma_update(None, "foreign_keys", false).unwrap();
        for table in ["meta", "runs", "records"] {
            past.execute_batch(&format!("CREATE TEMP TABLE whole_{table} AS SELECT * FROM {table}")).unwrap();
        }
        let mut select = past.prepare("SELECT id FROM runs").unwrap();
        let whole = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        drop(select);
        Self { directory, past, whole }
    }

    /// Everything is as it was again.
    fn mend(&self) {
        let table =
            |table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM temp.whole_{table};");
        let tables = ["records", "runs", "meta"].map(table).concat();
        self.past.execute_batch(&format!("BEGIN; {tables} COMMIT")).unwrap();
    }

    /// Writes this over a value; the run that it belonged to, if any.
    fn damage(&self, bytes: &[u8], chance: &mut Chance) -> Option<String> {
        let (table, column, key) = PLACES[chance.below(PLACES.len())];
        let rows: usize =
            self.past.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        let row = chance.below(rows);
        let numbers = [-1, 0, 1, 2, 7, i64::from(u32::MAX), i64::MAX, i64::MIN];
        let (value, written) = match chance.below(4) {
            // Also what is no UTF-8.
            0 | 1 => (Value::Blob(bytes.to_vec()), "CAST(?1 AS TEXT)"),
            2 => (Value::Blob(bytes.to_vec()), "?1"),
            _ => (Value::Integer(numbers[chance.below(numbers.len())]), "?1"),
        };
        let found = format!("SELECT {} FROM {table} LIMIT 1 OFFSET ?2", key.trim_matches(['(', ')']));
        let owner = match table {
            "meta" => None,
            "runs" => Some("SELECT id FROM runs LIMIT 1 OFFSET ?1"),
            _ => Some("SELECT id FROM runs WHERE key = (SELECT run FROM records LIMIT 1 OFFSET ?1)"),
        };
        let owner = owner.map(|owner| self.past.query_row(owner, [row], |row| row.get(0)).unwrap());
        let update = format!("UPDATE OR IGNORE {table} SET {column} = {written} WHERE {key} = ({found})");
        self.past.execute(&update, params![value, row]).unwrap();
        owner
    }

    /// Opens the store, lists its runs, and replays the one that this belonged to, under whatever name it has now. How many
    /// journals were whole.
    async fn read(&self, owner: Option<&str>) -> Result<usize, StoreError> {
        let store = SqliteStore::open(self.directory.path()).await?;
        let others = |run: &str| owner != Some(run) && self.whole.iter().any(|whole| whole == run);
        let entries = store.list().await?;
        let mut replayed = 0;
        for entry in entries.into_iter().filter(|entry| !others(entry.run.as_str())) {
            let records = store.load(&entry.run, 0).await?;
            replayed += usize::from(Machine::replay(&records).is_ok());
        }
        Ok(replayed)
    }
}

#[test]
fn a_damaged_store_has_runs_or_says_what_is_damaged() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let stores = [STORE, GROWN].map(|dump| Damaged::new(dump, &runtime));
    let corpus = Corpus::new(texts("SELECT run * 1000 + seq, json FROM records"), PIECES);
    let (mut replayed, mut refused, mut turn) = (0, 0, 0);
    hold("store", &corpus, |bytes| {
        turn += 1;
        let mut chance = Chance(turn);
        let store = &stores[chance.below(stores.len())];
        store.mend();
        let owner = store.damage(bytes, &mut chance);
        match runtime.block_on(store.read(owner.as_deref())) {
            Ok(whole) => replayed += whole,
            Err(StoreError::Corrupt { .. } | StoreError::TooNew { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    });
    assert!(replayed > 100 && refused > 100, "{replayed} replayed, {refused} refused");
}
