//! How a locator finds its worker again: every journaled locator names the worker that made it.

use orch_config::{id::ProfileId, kind::WorkerKind};
use orch_workflow::port::{Locator, Placement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind};

/// A worker's locator with its address. Fields may be added, never renamed: journals keep them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(super) worker: ProfileId,
    pub(super) kind: WorkerKind,
    at: Value,
}

impl Envelope {
    /// The worker's placement with its locator in an envelope.
    pub(super) fn seal(
        worker: ProfileId,
        kind: WorkerKind,
        placement: Placement,
    ) -> Result<Placement, Error> {
        let envelope = Self { worker, kind, at: placement.locator.0 };
        let locator = serde_json::to_value(envelope).map(Locator).map_err(|error| {
            Error::new(ErrorKind::Locator, format!("a locator could not be written: {error}"))
                .with_source(error)
        })?;
        Ok(Placement { locator, ..placement })
    }

    pub(crate) fn open(locator: &Locator) -> Result<(Self, Locator), Error> {
        let envelope = Self::deserialize(&locator.0).map_err(|error| {
            Error::new(ErrorKind::Locator, format!("the journaled locator does not name its worker: {error}"))
                .with_source(error)
        })?;
        let inner = Locator(envelope.at.clone());
        Ok((envelope, inner))
    }
}

/// Where the sessions are of a host that was launched: the name of its data directory, beside the worker's address.
const DATA: &str = "data";

/// The same locator on this data of a launched host.
pub(crate) fn on_data(mut locator: Locator, data: &str) -> Locator {
    if let Some(envelope) = locator.0.as_object_mut() {
        envelope.insert(DATA.to_owned(), data.into());
    }
    locator
}

/// On which data of a launched host it is.
pub(crate) fn data_of(locator: &Locator) -> Option<&str> {
    locator.0.get(DATA)?.as_str()
}
