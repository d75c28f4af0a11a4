//! What the library traces: on stderr for whoever asks with `ORCH_LOG`, and in a file below the state directory.
//!
//! The file is opened when the project is known; what was traced before that goes to stderr only. It has warnings and what
//! leads to them; with `ui.debug` everything. Only orch's own crates are in it.
//!
//! Hosts and models write into both: what they say stays on the line of its event and is bounded.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::OnceLock,
};

use orch::{config::private, ux::text::plain};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    field::RecordFields,
    filter::{LevelFilter, dynamic_filter_fn},
    fmt::{
        self, FormatFields,
        format::{DefaultFields, Writer},
    },
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The name of the file in the state directory. The one before it has `.1` at its end.
pub(crate) const FILE_NAME: &str = "orch.log";

/// A file that is larger than this is put aside before it is opened.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Longest text of one event, and of one span around it, in characters.
const MAX_CHARS: usize = 8 * 1024;

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    file: File,
    level: LevelFilter,
}

/// How much the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Warnings, and the facts that explain them.
    Usual,
    /// Everything that the library traces.
    Everything,
}

/// Starts to listen. `ORCH_LOG=orch=debug` shows what the library traces on stderr; nothing by default.
pub(crate) fn listen() {
    let stderr = EnvFilter::try_from_env("ORCH_LOG").ok();
    let stderr =
        stderr.map(|filter| fmt::layer().fmt_fields(Plain).with_writer(io::stderr).with_filter(filter));
    let wanted = dynamic_filter_fn(|metadata, _| {
        metadata.target().starts_with("orch") && LOG.get().is_some_and(|log| *metadata.level() <= log.level)
    });
    let file = fmt::layer().fmt_fields(Plain).with_ansi(false).with_writer(|| Appender).with_filter(wanted);
    tracing_subscriber::registry().with(stderr).with(file).init();
}

/// Opens the file, readable by its owner only. Without it everything else goes on.
pub(crate) fn open(state: &Path, detail: Detail) -> io::Result<()> {
    private::directory(state)?;
    let path = state.join(FILE_NAME);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
        fs::rename(&path, state.join(format!("{FILE_NAME}.1")))?;
    }
    let file = private::open(&path, fs::OpenOptions::new().append(true).create(true))?;
    let level = match detail {
        Detail::Usual => LevelFilter::INFO,
        Detail::Everything => LevelFilter::TRACE,
    };
    // A second project in one process would share the first one's file; the command only ever has one.
    drop(LOG.set(Log { file, level }));
    Ok(())
}

/// Each event is one write to a file in append mode, so processes do not tear each other's lines.
struct Appender;

impl io::Write for Appender {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match LOG.get() {
            Some(log) => (&log.file).write(line),
            None => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fields as they are usually written, but on one line, without anything that could forge or hide another.
struct Plain;

impl<'writer> FormatFields<'writer> for Plain {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> std::fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&plain(&text, MAX_CHARS))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An event with this text, without what stands before its fields.
    fn written(text: &str) -> String {
        let lines = Arc::new(Lines::default());
        let layer = fmt::layer().without_time().with_level(false).with_target(false).with_ansi(false);
        let layer = layer.fmt_fields(Plain).with_writer(Arc::clone(&lines));
        let listener = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(listener, || tracing::warn!("{text}"));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[derive(Default)]
    struct Lines(Mutex<Vec<u8>>);

    impl io::Write for &Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_a_bounded_length() {
        let long = |count: usize| "x".repeat(count);
        assert_eq!(written("two\r\nlines\u{202e}"), "two lines\n");
        assert_eq!(written(&long(MAX_CHARS)), long(MAX_CHARS) + "\n");
        assert_eq!(written(&long(MAX_CHARS + 1)), long(MAX_CHARS - 1) + "…\n");
    }
}
