//! What the benchmark measures. Not part of the interface.

use crate::{event::HostEvent, sse::Decoder, wire::parse_event};

/// The events in the bytes of one connection, which come in pieces.
pub fn events<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, mut deliver: impl FnMut(HostEvent)) {
    let mut decoder = Decoder::new();
    for piece in pieces {
        decoder.feed(piece, |data| {
            if let Some(event) = std::str::from_utf8(data).ok().and_then(event) {
                deliver(event);
            }
        });
    }
}

/// The event in one frame.
#[must_use]
pub fn event(frame: &str) -> Option<HostEvent> {
    parse_event(frame).ok()
}
