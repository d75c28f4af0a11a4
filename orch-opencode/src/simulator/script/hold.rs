use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How often a file-based hold looks for its file.
const FILE_POLL: Duration = Duration::from_millis(20);

/// A point where an answer waits until a test lets it go on, so that no test has to sleep.
///
/// Clones are the same hold. Once released a hold stays open: later answers pass at once.
///
/// ```
/// # use orch_opencode::simulator::{Answer, Hold, Script};
/// let hold = Hold::new();
/// let script = Script::new().otherwise(Answer::text("late").held(&hold));
/// // … start a host with the script and prompt it, then:
/// // hold.wait_arrived().await; the model has been asked, nothing has been answered yet
/// hold.release();
/// ```
#[derive(Clone)]
pub struct Hold {
    kind: Kind,
    arrivals: Arc<watch::Sender<usize>>,
}

#[derive(Clone)]
enum Kind {
    Memory(Arc<watch::Sender<bool>>),
    File(PathBuf),
}

impl Hold {
    /// A closed hold that [`Hold::release`] opens.
    #[expect(clippy::new_without_default, reason = "a default that blocks would surprise")]
    pub fn new() -> Self {
        Self::of(Kind::Memory(Arc::new(watch::Sender::new(false))))
    }

    /// A hold that opens once `path` exists: for a test that drives another process.
    pub fn until_file(path: impl Into<PathBuf>) -> Self {
        Self::of(Kind::File(path.into()))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, arrivals: Arc::new(watch::Sender::new(0)) }
    }

    /// The file that opens this hold, if it is file-based.
    pub fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::File(path) => Some(path),
        }
    }

    /// Opens the hold for good. A file-based hold is opened by its file only; then this does nothing.
    pub fn release(&self) {
        if let Kind::Memory(open) = &self.kind {
            open.send_replace(true);
        }
    }

    /// How many answers have reached this hold so far.
    pub fn arrivals(&self) -> usize {
        *self.arrivals.borrow()
    }

    /// Waits until an answer has reached this hold.
    pub async fn wait_arrived(&self) {
        self.wait_arrivals(1).await;
    }

    /// Waits until `count` answers have reached this hold.
    pub async fn wait_arrivals(&self, count: usize) {
        let mut arrivals = self.arrivals.subscribe();
        // The sender lives in `self`, so the wait can only end by the count.
        let _ = arrivals.wait_for(|seen| *seen >= count).await;
    }

    /// Waits, as an answer does, until the hold is open.
    pub(crate) async fn pass(&self) {
        self.arrivals.send_modify(|seen| *seen += 1);
        match &self.kind {
            Kind::Memory(open) => {
                let _ = open.subscribe().wait_for(|open| *open).await;
            }
            Kind::File(path) => {
                while !path.exists() {
                    tokio::time::sleep(FILE_POLL).await;
                }
            }
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Hold");
        match &self.kind {
            Kind::Memory(open) => debug.field("open", &*open.borrow()),
            Kind::File(path) => debug.field("file", path),
        };
        debug.field("arrivals", &self.arrivals()).finish()
    }
}
