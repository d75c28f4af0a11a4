//! What a prompt in flight is about: the journal's part of it, and what only the driving process sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{attempt::Timestamp, port::Progress};

/// What a prompt in flight is about.
///
/// The journal knows little of it. The process that drives the run knows more, and fills it in where it makes the
/// view: `alive_at` is there in its views only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ActivityView {
    /// What.
    #[serde(flatten)]
    pub doing: Doing,
    /// Since when.
    pub since: Timestamp,
    /// The worker's latest sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alive_at: Option<Timestamp>,
}

/// What a prompt in flight may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "doing", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Doing {
    /// Its worker gets ready; nothing was sent.
    Placing,
    /// It was sent. Nothing more is known here.
    Working,
    /// It is found out on the host what became of it.
    Probing,
    /// It is being stopped on the host.
    Aborting,
    /// The model reasons or writes.
    Model,
    /// A tool runs.
    Tool {
        /// The tool's name.
        tool: String,
        /// What it does, where the host says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// The host repeats a failed model call.
    Retrying {
        /// Which try.
        attempt: u32,
        /// Why.
        message: String,
    },
    /// It waits for something that costs no active time, such as a rate limit.
    Waiting {
        /// For what.
        reason: String,
        /// Until when, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

impl ActivityView {
    /// This, since then, with no sign of life known.
    #[must_use]
    pub fn new(doing: Doing, since: Timestamp) -> Self {
        Self { doing, since, alive_at: None }
    }
}

impl Doing {
    /// What a sign of life says about the work; `None` when it says nothing new.
    #[must_use]
    pub fn told_by(progress: &Progress) -> Option<Self> {
        match progress {
            Progress::Tool { tool, state, title } if state == "running" || state == "pending" => {
                Some(Self::Tool { tool: tool.clone(), title: title.clone() })
            }
            Progress::Text { .. } | Progress::Reasoning | Progress::Tool { .. } => Some(Self::Model),
            Progress::Retrying { attempt, message } => {
                Some(Self::Retrying { attempt: *attempt, message: message.clone() })
            }
            _ => None,
        }
    }
}
