//! A journal that somebody wrote into, and requests that somebody left: told, never followed into a panic.

use std::collections::BTreeMap;

use orch_fuzz::Corpus;
use orch_workflow::{
    attempt::Timestamp,
    decision::{Decision, DecisionRequest, GateId, Request},
    event::Projector,
    machine::{Input, Machine},
    port::{AskId, AskReply},
    record::Record,
};

use super::hold;

pub(crate) const STORE: &str = include_str!("../../../orch-workflow/tests/fixtures/golden-store-v1.sql");
pub(crate) const GROWN: &str =
    include_str!("../../../orch-workflow/tests/fixtures/golden-store-v1-grown.sql");
pub(crate) const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\n",
    "null",
    "true",
    "0",
    "-1",
    "18446744073709551615",
    "1e308",
    "\"seq\"",
    "\"at\"",
    "\"record\"",
    "\"attempt-started\"",
    "\"settled\"",
    "\"gate-opened\"",
    "\"gate-resolved\"",
    "\"run-started\"",
    "\"dispatch\"",
    "\"step\"",
    "\"iteration\"",
    "\"attempt\"",
    "\"turn\"",
    "\"one\"",
    "\"gone\"",
    "译",
];

/// The second column of a query, one text for each value of the first.
pub(crate) fn texts(query: &str) -> Vec<Vec<u8>> {
    let mut found = BTreeMap::<(usize, u64), Vec<u8>>::new();
    for (which, store) in [STORE, GROWN].into_iter().enumerate() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch(store).unwrap();
        let mut select = database.prepare(query).unwrap();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = found.entry((which, row.get(0).unwrap())).or_default();
            text.extend_from_slice(row.get_ref(1).unwrap().as_str().unwrap().as_bytes());
            text.push(b'\n');
        }
    }
    found.into_values().collect()
}

#[test]
fn a_damaged_journal_is_a_run_or_an_error() {
    let corpus = Corpus::new(texts("SELECT run, json FROM records ORDER BY run, seq"), PIECES);
    assert!(corpus.texts().len() > 10, "{}", corpus.texts().len());
    let mut replayed = 0;
    hold("journal", &corpus, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let records: Vec<Record> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut projector = Projector::default();
        for record in &records {
            projector.project(record).for_each(drop);
        }
        let Ok(mut machine) = Machine::replay(&records) else { return };
        let view = machine.view();
        assert!(serde_json::to_string(&view).is_ok());
        let now = records.last().map_or(Timestamp(0), |record| record.at);
        if let Ok(batch) = machine.handle(now, Input::TakenUp) {
            machine.commit(batch);
        }
        let _ = machine.next_deadline();
        replayed += 1;
    });
    assert!(replayed > 100, "{replayed}");
}

#[test]
fn a_damaged_request_is_a_request_or_an_error() {
    let decide =
        |decision| Request::Decide(DecisionRequest::new(decision, "ann").at(GateId("g5".to_owned())));
    let by = || "ann".to_owned();
    let requests = [
        Request::Pause { by: by() },
        Request::Cancel { by: by() },
        Request::Interrupt { by: by() },
        decide(Decision::Continue),
        decide(Decision::Skip),
        decide(Decision::Abort),
        Request::Answer { ask: AskId("per_1".to_owned()), reply: AskReply::Once, by: by() },
        Request::Answer {
            ask: AskId("que_1".to_owned()),
            reply: AskReply::Answers { answers: vec![vec![by()]] },
            by: by(),
        },
    ];
    let corpus = Corpus::new(requests.iter().map(|request| serde_json::to_vec(request).unwrap()), PIECES);
    let mut read = 0;
    hold("request", &corpus, |bytes| {
        let Ok(request) = serde_json::from_slice::<Request>(bytes) else { return };
        let again = serde_json::to_vec(&request).unwrap();
        assert_eq!(serde_json::from_slice::<Request>(&again).unwrap(), request);
        read += 1;
    });
    assert!(read > 10, "{read}");
}
