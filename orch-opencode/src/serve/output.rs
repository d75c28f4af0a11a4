//! What a server printed, within bounds: the beginning, where it says what is wrong, and the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const HEAD: usize = 16 * 1024;
const TAIL: usize = 48 * 1024;

/// The captured output of one process, both streams together.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<Captured>>);

#[derive(Debug, Default)]
struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Output {
    /// The text so far; what is not UTF-8 is replaced, what did not fit is counted.
    pub(super) fn text(&self) -> String {
        let captured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from_utf8_lossy(&captured.head).into_owned();
        if captured.dropped > 0 {
            text.push_str(&format!("\n[{} bytes left out]\n", captured.dropped));
        }
        let tail: Vec<u8> = captured.tail.iter().copied().collect();
        text.push_str(&String::from_utf8_lossy(&tail));
        text
    }

    fn push(&self, bytes: &[u8]) {
        let mut captured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD.saturating_sub(captured.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        captured.head.extend_from_slice(head);
        captured.tail.extend(rest);
        let excess = captured.tail.len().saturating_sub(TAIL);
        captured.tail.drain(..excess);
        captured.dropped += excess as u64;
    }

    /// Reads a stream to its end on a task of its own. `lines` wakes whoever waits for something to be printed. The
    /// task ends with the stream, or when it is aborted: a grandchild may hold the pipe open for ever.
    pub(super) fn capture(
        &self,
        mut stream: impl AsyncRead + Unpin + Send + 'static,
        printed: watch::Sender<()>,
    ) -> JoinHandle<()> {
        let output = self.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 8 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                output.push(&buffer[..count]);
                printed.send_replace(());
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_head_and_its_tail() {
        let output = Output::default();
        output.push(b"first\n");
        for _ in 0..1_000 {
            output.push(&[b'x'; 1_000]);
        }
        output.push(b"\nlast \xff");
        let text = output.text();
        assert!(text.starts_with("first\n") && text.ends_with("last \u{fffd}"));
        assert!(text.len() < HEAD + TAIL + 64, "{}", text.len());
        assert!(text.contains("bytes left out"));
    }
}
