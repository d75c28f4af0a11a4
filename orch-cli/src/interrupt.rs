//! Ctrl-C, once, twice, a third time.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Failure;

/// What a further Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first: pause after the step at work.
    Pause,
    /// The second: abort the step, leave the run paused.
    Abort,
    /// The third: leave now.
    Leave,
}

/// Counts the interrupts of this process. `SIGTERM` asks for the same as Ctrl-C.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    count: u32,
}

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            count: 0,
        })
    }

    /// How often it was pressed.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Step {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.count += 1;
        match self.count {
            1 => Step::Pause,
            2 => Step::Abort,
            _ => Step::Leave,
        }
    }
}
