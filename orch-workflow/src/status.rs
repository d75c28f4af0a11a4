//! What workers, and the host that they share, do just now: told while it happens, and part of no journal.

use orch_config::{id::ProfileId, kind::WorkerKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attempt::{RunId, Timestamp};

/// A change of a worker or of the host, in the public stream. It is in no journal and never replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Status {
    /// The number of the last event of its run before it; 0 where it belongs to none.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Always true.
    pub live: bool,
    /// What.
    #[serde(flatten)]
    pub body: StatusBody,
}

impl Status {
    /// What happens at this time, after that event.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, body: StatusBody) -> Self {
        Self { seq, at, live: true, body }
    }
}

/// What a [`Status`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum StatusBody {
    /// A worker.
    #[serde(rename = "worker.status")]
    Worker(WorkerEvent),
    /// The host that workers without a server of their own share.
    #[serde(rename = "host.status")]
    Host(HostChange),
}

impl StatusBody {
    /// The run that it happens for, where that is known.
    #[must_use]
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Worker(event) => event.run.as_ref(),
            Self::Host(_) => None,
        }
    }

    /// The same for no run in particular.
    #[must_use]
    pub fn of_no_run(mut self) -> Self {
        if let Self::Worker(event) = &mut self {
            event.run = None;
        }
        self
    }

    /// What it does now.
    #[must_use]
    pub fn status(&self) -> WorkerStatus {
        match self {
            Self::Worker(event) => event.status,
            Self::Host(event) => event.status,
        }
    }

    /// The same in words, where there is more to say.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Worker(event) => event.note.as_deref(),
            Self::Host(event) => event.note.as_deref(),
        }
    }

    /// What people should know about it.
    #[must_use]
    pub fn warning(&self) -> Option<&Caution> {
        match self {
            Self::Worker(event) => event.warning.as_ref(),
            Self::Host(event) => event.warning.as_ref(),
        }
    }
}

/// What a worker does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WorkerStatus {
    /// It is being started.
    Starting,
    /// It has nothing to do.
    Ready,
    /// It works on at least one prompt.
    Busy,
    /// It was stopped on purpose.
    Stopped,
    /// It cannot work.
    Failed,
}

/// A worker changed its status, or says what it is waiting for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct WorkerEvent {
    /// The profile.
    pub worker: ProfileId,
    /// What it runs as.
    pub kind: WorkerKind,
    /// The run that it happens for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What it does now.
    pub status: WorkerStatus,
    /// In words, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What people should know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Caution>,
}

impl WorkerEvent {
    /// A change of status with nothing more to say.
    #[must_use]
    pub fn new(worker: ProfileId, kind: WorkerKind, status: WorkerStatus) -> Self {
        Self { worker, kind, run: None, status, note: None, warning: None }
    }
}

/// The host changed its status, or says what it is waiting for. Only one that was started here is heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct HostChange {
    /// What it does now; never `busy`.
    pub status: WorkerStatus,
    /// In words, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What people should know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Caution>,
}

impl HostChange {
    /// A change of status with nothing more to say.
    #[must_use]
    pub fn new(status: WorkerStatus) -> Self {
        Self { status, note: None, warning: None }
    }
}

/// What may be said beside a status, of a worker and of the host alike.
macro_rules! with_words {
    ($($event:ty),+) => {$(
        impl $event {
            /// The same event with words.
            #[must_use]
            pub fn with_note(mut self, note: impl Into<String>) -> Self {
                self.note = Some(note.into());
                self
            }

            /// The same event with something that people should know.
            #[must_use]
            pub fn with_warning(mut self, warning: Option<Caution>) -> Self {
                self.warning = warning;
                self
            }
        }
    )+};
}

with_words!(WorkerEvent, HostChange);

/// What people should know about a worker before it works; it keeps nobody from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Caution {
    /// Its class.
    pub code: CautionCode,
    /// What it is, in one sentence.
    pub message: String,
}

impl Caution {
    /// A caution with its sentence.
    pub fn new(code: CautionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The class of a [`Caution`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CautionCode {
    /// The profile has settings that do nothing for a worker of this kind, or on this host.
    WithoutEffect,
    /// A server that is started here leaves out what the project brings along, because nobody has said that they trust it.
    NotTrusted,
}
