//! What a host that sends without end costs, in bytes that are ever allocated, given back or not.
//!
//! In a binary of its own, because it counts everything that its process allocates; and one test after the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::System,
    io::{Read as _, Write as _},
    iter,
    net::TcpListener,
    sync::{Mutex, PoisonError},
    thread,
};

use orch_opencode::{HostErrorKind, HttpOpenCode, OpenCode as _, measure};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());

const EVENT_CAP: usize = 8 << 20;
const REPLY_CAP: usize = 16 << 20;
/// What is sent without end comes in pieces that are there already.
static PIECE: [u8; 1 << 16] = [b'1'; 1 << 16];

/// This many bytes, most of them the same.
fn text<'t>(start: &'t [u8], bytes: usize, end: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
    let middle = bytes - start.len() - end.len();
    let whole = iter::repeat_n(&PIECE[..], middle / PIECE.len());
    iter::once(start).chain(whole).chain([&PIECE[..middle % PIECE.len()], end])
}

#[test]
fn an_event_costs_a_small_multiple_of_the_cap_however_large_it_is() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    // Of one line, the name of its field included.
    let costs = |line: usize| {
        let start = br#"data: {"type":"x","properties":{"y":""#;
        let mut events = 0;
        let region = Region::new(ALLOCATOR);
        measure::events(text(start, line + "\n\n".len(), b"\"}}\n\n"), |_| events += 1);
        (events, region.change().bytes_allocated)
    };
    let (events, largest) = costs(EVENT_CAP);
    assert!(events == 1 && largest < 4 * EVENT_CAP, "{events} events, {largest} bytes");
    for past in [EVENT_CAP + 1, 8 * EVENT_CAP] {
        let (events, cost) = costs(past);
        assert!(events == 0 && cost <= largest, "{past}: {events} events, {cost} bytes");
    }
}

/// A host that answers one request with so many bytes, which it does not announce.
fn host(bytes: usize) -> HttpOpenCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        let _ = connection.read(&mut asked).unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
        // It is hung up on when it has said too much.
        let _ = iter::once(&head[..])
            .chain(text(br#"{"healthy":true,"version":"1"#, bytes, b"\"}"))
            .try_for_each(|piece| connection.write_all(piece));
    });
    HttpOpenCode::builder(url, "/project").build().unwrap()
}

#[test]
fn a_reply_costs_a_small_multiple_of_the_cap_however_large_it_is() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let costs = |bytes: usize| {
        let host = host(bytes);
        let region = Region::new(ALLOCATOR);
        let answered = runtime.block_on(host.health());
        (answered, region.change().bytes_allocated)
    };
    let (answered, largest) = costs(REPLY_CAP);
    assert!(answered.unwrap().version.len() > REPLY_CAP / 2);
    assert!(largest < 6 * REPLY_CAP, "{largest} bytes");
    for past in [REPLY_CAP + 1, 8 * REPLY_CAP] {
        let (refused, cost) = costs(past);
        assert_eq!(refused.unwrap_err().kind(), HostErrorKind::TooLarge);
        assert!(cost <= largest, "{past}: {cost} bytes, {largest} at the cap");
    }
}
