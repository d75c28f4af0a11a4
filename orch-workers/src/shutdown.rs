//! What a shutdown left behind: nothing, or exactly this.

use orch_config::id::ProfileId;

/// How the processes of a worker, or of a whole pool, ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Servers that ended, in the order in which they did.
    pub ended: Vec<Ended>,
    /// What could not be ended, in words that name the process.
    pub problems: Vec<String>,
}

/// One server that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The profile it worked for.
    pub worker: ProfileId,
    /// Its process id.
    pub pid: u32,
    /// Whether it had to be killed after the grace.
    pub killed: bool,
}

impl Ended {
    /// A server of `worker` that ended.
    #[must_use]
    pub fn new(worker: ProfileId, pid: u32, killed: bool) -> Self {
        Self { worker, pid, killed }
    }
}

impl ShutdownReport {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds what another worker reports.
    pub fn merge(&mut self, other: Self) {
        self.ended.extend(other.ended);
        self.problems.extend(other.problems);
    }
}
