//! Signs of life for people. Lossy by nature; nothing depends on them.

use std::collections::HashSet;

use orch_opencode::{HostEvent, Part, PartId, SessionId, ToolState, serve};
use orch_workflow::port::Progress;

/// What a server that is being started waits for.
pub(crate) fn waits_for(progress: serve::Progress) -> &'static str {
    match progress {
        serve::Progress::FirstRequest => {
            "waiting for its first answer, which may take minutes while plugins are installed"
        }
        _ => "waiting until it listens",
    }
}

/// Translates the events of one turn.
#[derive(Debug)]
pub(crate) struct Progresses {
    session: SessionId,
    /// A text that grows does not say whether it is an answer or a thought; its first appearance did.
    thoughts: HashSet<PartId>,
}

impl Progresses {
    pub(crate) fn new(session: SessionId) -> Self {
        Self { session, thoughts: HashSet::new() }
    }

    /// What an event of the session, or of one below it, shows.
    pub(crate) fn of(&mut self, event: &HostEvent) -> Option<Progress> {
        match event {
            HostEvent::PartDelta { session, part, delta, .. } if *session == self.session => {
                Some(match self.thoughts.contains(part) {
                    true => Progress::Reasoning,
                    false => Progress::Text { delta: delta.clone() },
                })
            }
            HostEvent::PartUpdated { part: Part::Reasoning { id, .. }, .. } => {
                self.thoughts.insert(id.clone()).then_some(Progress::Reasoning)
            }
            HostEvent::PartUpdated { part: Part::Tool(call), .. } => {
                let (state, title) = match &call.state {
                    ToolState::Pending => ("pending", None),
                    ToolState::Running { .. } => ("running", None),
                    ToolState::Completed { title, .. } => ("completed", Some(title.clone())),
                    ToolState::Failed { .. } => ("error", None),
                    _ => return None,
                };
                let title = title.filter(|title| !title.is_empty());
                Some(Progress::Tool { tool: call.tool.clone(), state: state.to_owned(), title })
            }
            _ => None,
        }
    }
}
