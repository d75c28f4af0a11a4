//! A bounded decoder for server-sent events. Sans-IO: bytes in, frames out, in chunks of any size.
//!
//! It follows the WHATWG algorithm (all three line endings, byte order mark, comments, multi-line data) with one
//! addition: an event or a line that grows past the cap is thrown away and counted, and the decoder is in step again
//! at the next blank line. Memory is bounded by the cap, whatever the other side sends.

/// The largest event that is delivered.
pub(crate) const EVENT_CAP: usize = 8 * 1024 * 1024;

/// Decodes one connection's bytes.
#[derive(Debug)]
pub(crate) struct Decoder {
    cap: usize,
    /// The unfinished line.
    line: Vec<u8>,
    /// The data lines of the unfinished event, each followed by a line feed.
    data: Vec<u8>,
    /// The unfinished line is over the cap; its bytes are no longer kept.
    line_overflow: bool,
    /// The unfinished event is over the cap; it will not be delivered.
    event_overflow: bool,
    /// The last byte was a carriage return, so that a line feed now belongs to it.
    after_return: bool,
    /// Nothing but a byte order mark may come before this.
    started: bool,
    dropped: u64,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self::with_cap(EVENT_CAP)
    }

    pub(crate) fn with_cap(cap: usize) -> Self {
        Self {
            cap,
            line: Vec::new(),
            data: Vec::new(),
            line_overflow: false,
            event_overflow: false,
            after_return: false,
            started: false,
            dropped: 0,
        }
    }

    /// How many events were thrown away because they were too large.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the next bytes and hands the data of every event that they complete to `deliver`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut deliver: impl FnMut(&[u8])) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            self.take_line(&bytes[..end], &mut deliver);
            let returned = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if returned {
                match bytes.first() {
                    Some(b'\n') => bytes = &bytes[1..],
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
        }
        self.keep(bytes);
    }

    /// Remembers the beginning of a line whose end has not come yet.
    fn keep(&mut self, bytes: &[u8]) {
        if self.line_overflow {
            return;
        }
        if self.line.len() + bytes.len() > self.cap {
            self.line = Vec::new();
            self.line_overflow = true;
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    /// `tail` ends the unfinished line.
    fn take_line(&mut self, tail: &[u8], deliver: &mut impl FnMut(&[u8])) {
        if self.line.is_empty() && !self.line_overflow && tail.len() <= self.cap {
            return self.read_line(tail, deliver);
        }
        self.keep(tail);
        if std::mem::take(&mut self.line_overflow) {
            self.started = true;
            self.event_overflow = true;
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        self.read_line(&line, deliver);
        line.clear();
        self.line = line;
    }

    fn read_line(&mut self, line: &[u8], deliver: &mut impl FnMut(&[u8])) {
        let line = if std::mem::replace(&mut self.started, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            self.finish_event(deliver);
        } else if let Some(value) = data_of(line) {
            self.append(value);
        }
    }

    fn append(&mut self, value: &[u8]) {
        if self.event_overflow {
            return;
        }
        if self.data.len() + value.len() > self.cap {
            self.data = Vec::new();
            self.event_overflow = true;
        } else {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
    }

    fn finish_event(&mut self, deliver: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.event_overflow) {
            self.dropped += 1;
            self.data = Vec::new();
        } else if let Some((_, data)) = self.data.split_last() {
            deliver(data);
            self.data.clear();
        }
    }
}

/// The value of a `data` line. Other fields, and comments (an empty field name), mean nothing to us.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None if rest.is_empty() => Some(rest),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(cap: usize, chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let mut decoder = Decoder::with_cap(cap);
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk, |data| frames.push(String::from_utf8_lossy(data).into_owned()));
        }
        (frames, decoder.dropped())
    }

    fn whole(text: &str) -> Vec<String> {
        frames(EVENT_CAP, &[text.as_bytes()]).0
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["data: a", "data:b", "", "data:  c", "", ""].join(end);
            assert_eq!(whole(&text), ["a\nb", " c"], "{end:?}");
        }
    }

    #[test]
    fn comments_other_fields_and_a_byte_order_mark_are_not_data() {
        assert_eq!(whole("\u{feff}data: a\n\n"), ["a"]);
        assert_eq!(whole(": hello\nevent: x\nid: 7\nretry: 1\ndata: a\ndatabase: no\n\n"), ["a"]);
        assert_eq!(whole("data\n\ndata:\n\n\n\n"), ["", ""]);
        assert_eq!(whole("event: x\n\n"), Vec::<String>::new());
    }

    #[test]
    fn an_unfinished_event_is_not_delivered() {
        assert_eq!(whole("data: a\n"), Vec::<String>::new());
    }

    #[test]
    fn an_event_over_the_cap_is_dropped_and_the_next_one_delivered() {
        let text = format!("data: {}\n\ndata: b\n\n", "x".repeat(40));
        assert_eq!(frames(16, &[text.as_bytes()]), (vec!["b".to_owned()], 1));
        let lines = "data: 12345678\n".repeat(5) + "\ndata: b\n\n";
        assert_eq!(frames(16, &[lines.as_bytes()]), (vec!["b".to_owned()], 1));
    }

    /// A line counts with its field name, several lines with the line feeds between them.
    #[test]
    fn an_event_of_the_largest_size_is_delivered_and_one_byte_more_is_not() {
        let one_line = |bytes: usize| format!("data:{}\n\n", "x".repeat(bytes - "data:".len()));
        let two_lines = |bytes: usize| {
            let half = "x".repeat(EVENT_CAP / 2);
            format!("data:{half}\ndata:{}\n\n", "x".repeat(bytes - half.len() - 1))
        };
        for text in [one_line, two_lines] {
            let (delivered, dropped) = frames(EVENT_CAP, &[text(EVENT_CAP).as_bytes()]);
            assert_eq!((delivered.len(), dropped), (1, 0));
            let over = text(EVENT_CAP + 1) + "data: next\n\n";
            assert_eq!(frames(EVENT_CAP, &[over.as_bytes()]), (vec!["next".to_owned()], 1));
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut decoder = Decoder::with_cap(1024);
        for _ in 0..10_000 {
            decoder.feed(&[b'x'; 1000], |_| panic!("nothing is complete"));
            assert!(decoder.line.capacity() <= 4096);
        }
        let mut delivered = Vec::new();
        decoder.feed(b"\n\ndata: next\n\n", |data| delivered.push(data.to_vec()));
        assert_eq!(delivered, [b"next".to_vec()]);
        assert_eq!(decoder.dropped(), 1);
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"data".to_vec()),
            Just(b": c".to_vec()),
            Just("é\u{feff}".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            bytes in stream(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
            cap in 8_usize..64,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for cut in cuts {
                chunks.push(&bytes[start..cut]);
                start = cut;
            }
            chunks.push(&bytes[start..]);
            prop_assert_eq!(frames(cap, &chunks), frames(cap, &[&bytes]));
        }
    }
}
