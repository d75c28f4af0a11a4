//! From the bytes of an event stream to typed events, as a multiple of what `sse-stream` and `serde_json` take for the
//! same events.
//!
//! Budget: at least 1.0, that is: never slower. The bytes are those of a real host, recorded, over and over. Both are
//! measured in turn within one run, because absolute times say nothing on a shared machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream as _, stream};
use orch_opencode::measure;
use serde_json::Value;
use sse_stream::SseStream;

const ROUNDS: usize = 60;
const BUDGET: f64 = 1.0;
const SIZE: usize = 2_000_000;

fn main() {
    let (bytes, expected) = recorded();
    // What a socket gives at once, and what a single packet holds.
    for piece in [16 * 1024, 1_400] {
        let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(time(|| assert_eq!(decode(&pieces), expected)));
            theirs.push(time(|| assert_eq!(decode_with_sse_stream(&pieces), expected)));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let speed = theirs.as_secs_f64() / ours.as_secs_f64();
        let verdict = if speed >= BUDGET { "within" } else { "BELOW" };
        println!(
            "{expected} events, {} kB in pieces of {piece} B: {ours:?}; sse-stream and serde_json: {theirs:?}; \
             {speed:.2} times as fast, {verdict} {BUDGET}",
            bytes.len() / 1000
        );
    }
}

fn decode(pieces: &[Bytes]) -> usize {
    let mut count = 0;
    measure::events(pieces.iter().map(AsRef::as_ref), |event| {
        black_box(event);
        count += 1;
    });
    count
}

/// The frames by `sse-stream`, the same types by `serde_json`. Nothing has to be waited for.
fn decode_with_sse_stream(pieces: &[Bytes]) -> usize {
    let pieces = stream::iter(pieces.iter().cloned().map(Ok::<_, Infallible>));
    let mut frames = pin!(SseStream::from_bytes_stream(pieces));
    let mut count = 0;
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = frames.as_mut().poll_next(&mut context) {
        if let Some(event) = frame.unwrap().data.as_deref().and_then(measure::event) {
            black_box(event);
            count += 1;
        }
    }
    count
}

/// The recorded events as a host sends them, and how many there are.
fn recorded() -> (Vec<u8>, usize) {
    let text = include_str!("../tests/fixtures/opencode-1.18.33/events_by_scenario.json");
    let scenarios: BTreeMap<String, Vec<Value>> = serde_json::from_str(text).unwrap();
    let once: Vec<String> = scenarios
        .values()
        .flatten()
        .map(|event| {
            format!("data: {}\n\n", serde_json::json!({ "directory": "/project", "payload": event }))
        })
        .collect();
    let mut bytes = Vec::new();
    let mut count = 0;
    while bytes.len() < SIZE {
        once.iter().for_each(|event| bytes.extend_from_slice(event.as_bytes()));
        count += once.len();
    }
    (bytes, count)
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
