//! What the engine stores for us: enough to find a prompt again from any process.

use std::path::PathBuf;

use orch_config::kind::WorkerKind;
use orch_opencode::{MessageId, PartId, SessionId};
use orch_workflow::port::Locator;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Where one prompt goes. Fields may be added, never renamed: journals keep them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) kind: WorkerKind,
    pub(crate) home: Home,
    /// The project directory, as the host reported it.
    pub(crate) directory: String,
    pub(crate) session: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<SessionId>,
    pub(crate) message: MessageId,
    /// The prompt's text part; without a client id the host would double the text of a repeated prompt.
    pub(crate) part: PartId,
    /// The prompt's files, in order, for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<PartId>,
}

/// Which host holds the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Home {
    /// A host that somebody else runs. Its address is for people: a restarted host may have another port, and the
    /// session is what identifies the work.
    Given { origin: String },
    /// A server of our own on this data directory; its port and password change with every start.
    Own { data: PathBuf },
}

impl Whereabouts {
    pub(crate) fn seal(&self) -> Result<Locator, Error> {
        serde_json::to_value(self).map(Locator).map_err(|error| {
            Error::new(ErrorKind::Locator, format!("a locator could not be written: {error}"))
                .with_source(error)
        })
    }

    pub(crate) fn open(locator: &Locator) -> Result<Self, Error> {
        Self::deserialize(&locator.0).map_err(|error| {
            Error::new(ErrorKind::Locator, format!("the journaled locator is not one of ours: {error}"))
                .with_source(error)
        })
    }
}
