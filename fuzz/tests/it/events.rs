//! The event stream of a host: whatever comes, in pieces of any size, it is read the same way.

use orch_fuzz::{Chance, Corpus};
use orch_opencode::measure;
use serde_json::Value;

use super::hold;

const PIECES: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "data:",
    "data: ",
    ":",
    "event: x\n",
    "id: 1\n",
    "retry: 5\n",
    "\u{feff}",
    "\0",
    "{",
    "}",
    "\"",
    "null",
    "payload",
    "properties",
    "译",
];

#[test]
fn a_damaged_stream_is_read_the_same_way_in_any_pieces() {
    let recorded: Value = serde_json::from_str(include_str!(
        "../../../orch-opencode/tests/fixtures/opencode-1.18.33/events_by_scenario.json"
    ))
    .unwrap();
    // A few events of each kind of conversation are enough to damage.
    let streams = recorded.as_object().unwrap().values().map(|events| {
        let frames = events.as_array().unwrap().iter().take(6);
        frames
            .map(|event| format!("data: {}\n\n", serde_json::json!({ "payload": event })))
            .collect::<String>()
    });
    let corpus = Corpus::new(streams.collect::<Vec<_>>(), PIECES);
    let mut read_any = 0;
    hold("events", &corpus, |bytes| {
        let read = |pieces: Vec<&[u8]>| {
            let mut events = Vec::new();
            measure::events(pieces, |event| events.push(format!("{event:?}")));
            events
        };
        let whole = read(vec![bytes]);
        let cut = Chance(bytes.len() as u64).below(bytes.len() + 1);
        let (first, second) = bytes.split_at(cut);
        assert_eq!(read(vec![first, second]), whole);
        assert_eq!(read(bytes.chunks(7).collect()), whole);
        read_any += whole.len();
    });
    assert!(read_any > 1_000, "{read_any}");
}
