//! What a person, or a program, sees while a run goes on.

mod diagnostics;
mod lines;
mod live;
mod paint;

use std::io::{IsTerminal as _, Write as _};

use orch::{Event, RunView, ux::text::plain, workflow::status::Status};

pub(crate) use self::{diagnostics::diagnostics, lines::Lines, live::Live, paint::Paint};

/// Shows events as they happen. Exactly one thing is written to stdout: JSON lines, or text lines.
pub(crate) enum Report {
    /// One JSON event a line.
    Json,
    /// Lines for people, with a live line below them on a terminal.
    Text { lines: Lines, live: Option<Box<Live>> },
    /// Nothing but what people should know of servers that start, on stderr: stdout is for something else.
    Aside,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        let live = std::io::stderr().is_terminal().then(Box::default);
        Self::Text { lines: Lines::new(Paint::stdout()), live }
    }

    /// Takes in what happened before, without showing it: later lines name steps and sessions from it.
    pub(crate) fn catch_up(&mut self, events: &[Event]) {
        if let Self::Text { lines, live } = self {
            for event in events {
                let _ = lines.event(event);
                if let Some(live) = live {
                    live.catch_up(event);
                }
            }
        }
    }

    pub(crate) fn event(&mut self, event: &Event) -> std::io::Result<()> {
        match self {
            Self::Aside => Ok(()),
            Self::Json => {
                let line = serde_json::to_string(event)?;
                writeln!(std::io::stdout().lock(), "{line}")
            }
            Self::Text { lines, live } => {
                if let Some(live) = live {
                    live.event(event);
                }
                match lines.event(event) {
                    Some(text) => Self::write(live.as_deref(), &text),
                    None => Ok(()),
                }
            }
        }
    }

    /// What a worker, or the host, does now.
    pub(crate) fn status(&mut self, status: &Status) -> std::io::Result<()> {
        match self {
            Self::Aside => match status.body.warning() {
                Some(warning) => {
                    let server = lines::server_of(&status.body);
                    writeln!(std::io::stderr().lock(), "warning: {server}: {}", plain(&warning.message, 400))
                }
                None => Ok(()),
            },
            Self::Json => {
                let line = serde_json::to_string(status)?;
                writeln!(std::io::stdout().lock(), "{line}")
            }
            Self::Text { lines, live } => {
                if let Some(live) = live {
                    live.status(&status.body);
                }
                match lines.status(&status.body) {
                    Some(text) => Self::write(live.as_deref(), &text),
                    None => Ok(()),
                }
            }
        }
    }

    /// The same before there is a run to follow. Of that only what people should know stays, and on stderr: whether there will
    /// be anything on stdout is not known yet.
    pub(crate) fn before(&mut self, status: &Status) -> std::io::Result<()> {
        let Self::Text { lines, live } = self else { return self.status(status) };
        if let Some(live) = live {
            live.status(&status.body);
        }
        let Some(caution) = lines.caution_of(&status.body) else { return Ok(()) };
        let print = || writeln!(std::io::stderr().lock(), "warning: {}", plain(&caution, 400));
        match live {
            Some(live) => live.suspend(print),
            None => print(),
        }
    }

    /// Nothing is waited for any more before a run is followed.
    pub(crate) fn settle(&mut self) {
        if let Self::Text { live: Some(live), .. } = self {
            live.clear();
        }
    }

    /// Says something that is no event: a hint, a question's preamble. Nothing under `--json`.
    pub(crate) fn say(&mut self, text: &str) -> std::io::Result<()> {
        match self {
            Self::Json | Self::Aside => Ok(()),
            Self::Text { live, .. } => Self::write(live.as_deref(), text),
        }
    }

    /// The last words on a run: how it stands, what it cost, how to go on.
    pub(crate) fn rest(&mut self, view: &RunView) -> std::io::Result<()> {
        let text = match self {
            Self::Json | Self::Aside => return Ok(()),
            Self::Text { lines, live } => {
                if let Some(live) = live {
                    live.clear();
                }
                lines.rest(view)
            }
        };
        self.say(&text)
    }

    fn write(live: Option<&Live>, text: &str) -> std::io::Result<()> {
        let print = || writeln!(std::io::stdout().lock(), "{text}");
        match live {
            Some(live) => live.suspend(print),
            None => print(),
        }
    }
}
