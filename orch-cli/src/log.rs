//! What the library traces: on stderr for whoever asks with `ORCH_LOG`, and in a file below the state directory.
//!
//! The file is opened when the project is known; what was traced before that goes to stderr only. It has warnings and what
//! leads to them; with `ui.debug` everything. Only orch's own crates are in it.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::OnceLock,
};

use orch::config::private;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, dynamic_filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The name of the file in the state directory. The one before it has `.1` at its end.
pub(crate) const FILE_NAME: &str = "orch.log";

/// A file that is larger than this is put aside before it is opened.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

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
    let stderr = stderr.map(|filter| fmt::layer().with_writer(io::stderr).with_filter(filter));
    let wanted = dynamic_filter_fn(|metadata, _| {
        metadata.target().starts_with("orch") && LOG.get().is_some_and(|log| *metadata.level() <= log.level)
    });
    let file = fmt::layer().with_ansi(false).with_writer(|| Writer).with_filter(wanted);
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
struct Writer;

impl io::Write for Writer {
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
