use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::{params, types::Value};
use tempfile::TempDir;

use super::*;
use crate::record::{FORMAT_VERSION, RecordBody};

const NOW: Timestamp = Timestamp(1_000);

fn run() -> RunId {
    RunId::new("run_a").unwrap()
}

fn record(seq: u64) -> Record {
    Record { seq, at: NOW, body: RecordBody::PauseRequested { by: "x".repeat(2_000) } }
}

async fn store_with(records: u64) -> (TempDir, SqliteStore, Lease) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let records: Vec<_> = (1..=records).map(record).collect();
    let lease = store.create(&run(), &records, &Owner::current(), NOW).await.unwrap();
    (directory, store, lease)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn directory_and_files_are_for_their_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let lax = parent.path().join("lax");
    std::fs::create_dir(&lax).unwrap();
    std::fs::set_permissions(&lax, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(lax.join("runs.db"), "").unwrap();
    std::fs::set_permissions(lax.join("runs.db"), std::fs::Permissions::from_mode(0o666)).unwrap();
    for directory in [lax, parent.path().join("new/deep")] {
        let store = SqliteStore::open(&directory).await.unwrap();
        store.create(&run(), &[record(1)], &Owner::current(), NOW).await.unwrap();
        assert_eq!(mode(&directory), 0o700, "{directory:?}");
        let files: Vec<_> =
            std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 2, "the database and its log: {files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{file:?}");
        }
    }
}

#[tokio::test]
async fn every_commit_reaches_the_disk() {
    let (_directory, store, _) = store_with(1).await;
    let pragma = |name: &str| {
        let connection = store.database.connection();
        connection.pragma_query_value(None, name, |row| row.get::<_, Value>(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), Value::Text("wal".into()));
    assert_eq!(pragma("synchronous"), Value::Integer(2));
    assert_eq!(pragma("foreign_keys"), Value::Integer(1));
}

#[tokio::test]
async fn a_reopened_store_has_everything() {
    let (directory, store, lease) = store_with(2).await;
    store.append(&lease, &[record(3)], &[]).await.unwrap();
    drop(store);
    let reopened = SqliteStore::open(directory.path()).await.unwrap();
    assert_eq!(reopened.load(&run(), 0).await.unwrap(), [record(1), record(2), record(3)]);
    reopened.append(&lease, &[record(4)], &[]).await.unwrap();
}

#[tokio::test]
async fn an_append_of_any_size_is_one_commit() {
    let (_directory, store, lease) = store_with(1).await;
    let request = store.post(&run(), &Request::Pause { by: "x".into() }, NOW).await.unwrap();
    let records: Vec<_> = (2..=40).map(record).collect();
    let counter = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&counter);
    store
        .database
        .connection()
        .commit_hook(Some(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            false
        }))
        .unwrap();
    store.append(&lease, &records, &[(request, Reply::Accepted)]).await.unwrap();
    assert_eq!(counter.load(Ordering::SeqCst), 1);
    assert_eq!(store.load(&run(), 0).await.unwrap().len(), 40);
}

/// As when a command is given twice in the same second in a new project.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_store_can_be_opened_and_closed_by_many_at_once() {
    for _ in 0..25 {
        let directory = tempfile::tempdir().unwrap();
        let start = Arc::new(tokio::sync::Barrier::new(12));
        let mut openers = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (path, start) = (directory.path().join("store"), Arc::clone(&start));
            openers.spawn(async move {
                start.wait().await;
                SqliteStore::open(&path).await.map(drop)
            });
        }
        for opened in openers.join_all().await {
            assert_eq!(opened, Ok(()));
        }
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let (directory, store, _) = store_with(1).await;
    store.database.connection().execute("UPDATE meta SET value = ?1", [FORMAT_VERSION + 1]).unwrap();
    drop(store);
    let path = directory.path().join("runs.db");
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(directory.path()).await.unwrap_err();
    let too_new =
        StoreError::TooNew { path: path.clone(), found: FORMAT_VERSION + 1, supported: FORMAT_VERSION };
    assert_eq!((&refused, refused.code()), (&too_new, "orch::store::too-new"));
    let message = format!(
        "the store at {} has format {}, this version reads up to {FORMAT_VERSION}: use a newer orch",
        path.display(),
        FORMAT_VERSION + 1
    );
    assert_eq!(refused.to_string(), message);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // Not even a note beside it stays.
    let files: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["runs.db"]);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_corrupt_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs.db");
    std::fs::write(&path, "this is not a database, but long enough to look like a header of one.".repeat(20))
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(directory.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (title)").unwrap();
    let refused = SqliteStore::open(directory.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
}

#[tokio::test]
async fn damage_in_a_journal_is_told_with_its_place() {
    let damages = [
        ("UPDATE records SET json = '{' WHERE seq = 2", 2),
        ("UPDATE records SET json = x'ff' WHERE seq = 1", 1),
        ("UPDATE records SET json = replace(json, '\"seq\":3', '\"seq\":7') WHERE seq = 3", 3),
        ("DELETE FROM records WHERE seq = 2", 2),
        ("DELETE FROM records WHERE seq = 3", 3),
    ];
    for (damage, place) in damages {
        let (_directory, store, _) = store_with(3).await;
        store.database.connection().execute(damage, []).unwrap();
        match store.load(&run(), 0).await {
            Err(StoreError::Corrupt { place: found, .. }) => {
                assert_eq!(found, format!("run run_a, record {place}"), "{damage}");
            }
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_transient_and_loses_nothing() {
    let (_directory, store, lease) = store_with(1).await;
    let pages: i64 = {
        let connection = store.database.connection();
        let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        pages
    };
    let records: Vec<_> = (2..=50).map(record).collect();
    let failed = store.append(&lease, &records, &[]).await.unwrap_err();
    assert!(failed.is_transient(), "{failed:?}");
    assert_eq!(failed.code(), "orch::store::unavailable");
    assert_eq!(store.load(&run(), 0).await.unwrap().len(), 1);
    store.database.connection().pragma_update(None, "max_page_count", pages * 100).unwrap();
    store.append(&lease, &records, &[]).await.unwrap();
    assert_eq!(store.load(&run(), 0).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_read_only_store_can_be_read_and_says_that_it_cannot_be_written() {
    let (_directory, store, lease) = store_with(1).await;
    store.database.connection().pragma_update(None, "query_only", true).unwrap();
    let failed = store.append(&lease, &[record(2)], &[]).await.unwrap_err();
    assert!(
        matches!(failed, StoreError::Unavailable { action: "write", transient: false, .. }),
        "{failed:?}"
    );
    assert_eq!(store.load(&run(), 0).await.unwrap(), [record(1)]);
}

#[tokio::test]
async fn of_two_writers_at_the_same_place_one_conflicts() {
    let (directory, store, lease) = store_with(1).await;
    let other = SqliteStore::open(directory.path()).await.unwrap();
    let (records, replies) = ([record(2)], []);
    let (one, two) =
        tokio::join!(store.append(&lease, &records, &replies), other.append(&lease, &records, &replies));
    let conflicts =
        [&one, &two].into_iter().filter(|result| matches!(result, Err(StoreError::Conflict { .. })));
    assert_eq!((one.is_ok() || two.is_ok(), conflicts.count()), (true, 1), "{one:?} {two:?}");
    let kept: i64 = store
        .database
        .connection()
        .query_row("SELECT count(*) FROM records WHERE seq = ?1", params![2], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1);
}
