//! What the benchmark compares with. Not part of the interface.

use crate::model::Root;

/// The typed file, and nothing done with it. True if it can be read at all.
#[must_use]
pub fn bare(bytes: &[u8]) -> Option<impl Sized + use<>> {
    serde_json::from_slice::<Root>(bytes).ok()
}
