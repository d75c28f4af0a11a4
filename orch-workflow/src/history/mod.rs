//! The past of a run: how it stood then, and other runs that begin there.

mod fork;
mod reach;

pub use self::fork::{Fork, ForkError, ForkedRun, fork};
use crate::{
    attempt::RunId,
    machine::{Machine, ReplayError},
    record::Record,
    view::RunView,
};

/// Why there is no such moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The journal does not reach so far, or does not begin so early.
    #[error("run {run} has no record {seq}: its journal has the records 1 to {last}")]
    NoRecord {
        /// The run.
        run: RunId,
        /// The number that was asked for.
        seq: u64,
        /// The last there is.
        last: u64,
    },
    /// The records are not the journal of one run.
    #[error(transparent)]
    Journal(#[from] ReplayError),
}

/// The run as it stood after record `seq`, which is the [`seq`](crate::event::Event::seq) of the record's event.
///
/// `records` is the whole journal. Who drove the run at that moment is not in it.
///
/// # Errors
/// There is no such record, or these are not the records of one run.
pub fn view_at(records: &[Record], seq: u64) -> Result<RunView, HistoryError> {
    let now = Machine::replay(records)?;
    let end = usize::try_from(seq).ok().filter(|end| (1..=records.len()).contains(end));
    let Some(end) = end else {
        return Err(HistoryError::NoRecord { run: now.run().clone(), seq, last: now.seq() });
    };
    Ok(Machine::replay(&records[..end])?.view())
}
