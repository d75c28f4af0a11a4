//! `ORCH_FAILPOINT=appended:settled:2`: the command kills itself with SIGKILL when it comes to that place for the
//! second time. Only with the feature `failpoints`; the places are listed in `docs/journal.md`.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::workflow::failpoint;

use crate::exit::Failure;

const VARIABLE: &str = "ORCH_FAILPOINT";

/// Arms the place that the environment names.
pub(crate) fn arm() -> Result<(), Failure> {
    let Some(text) = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()) else { return Ok(()) };
    let failpoint = text
        .parse()
        .map_err(|error| Failure::usage("orch::cli::failpoint", format!("{VARIABLE}: {error}")))?;
    failpoint::arm(failpoint, die);
    Ok(())
}

/// Nothing is unwound, flushed or told to anybody: this is what a power cut does.
fn die() {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    // The signal ends every thread; this one waits for it and does nothing meanwhile.
    loop {
        std::thread::park();
    }
}
