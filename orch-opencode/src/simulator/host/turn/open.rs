//! What is unfinished while a step runs, and how an abort finishes it.

use serde_json::json;

use super::Turn;
use crate::simulator::host::wire::{AssistantInfo, PartBody};
use crate::simulator::host::world::{OpenText, World};

#[derive(Debug, Default)]
pub(super) struct Open {
    /// The assistant message that is being written.
    pub(super) message: Option<String>,
    pub(super) text: Option<OpenText>,
    pub(super) tools: Vec<OpenTool>,
}

/// A tool call that has not ended.
#[derive(Debug, Clone)]
pub(super) struct OpenTool {
    pub(super) part: String,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) input: serde_json::Value,
    pub(super) start: u64,
    /// Whether somebody has to answer before it runs.
    pub(super) asking: bool,
    /// The session of a `task`.
    pub(super) child: Option<String>,
}

impl Turn {
    /// Ends an aborted turn as the host does: error and idle at once, then the loose ends, then idle again.
    /// Child sessions of running tasks are aborted first.
    pub(super) async fn wind_up(&self) {
        let tools = std::mem::take(&mut self.open().tools);
        for child in tools.iter().filter_map(|tool| tool.child.as_deref()) {
            Box::pin(super::abort(&self.host, child)).await;
        }
        let error = json!({ "name": "MessageAbortedError", "data": { "message": "Aborted" } });
        let message = self.open().message.clone();
        self.host.with(|world| {
            let (tasks, others): (Vec<_>, Vec<_>) = tools.into_iter().partition(|tool| tool.child.is_some());
            if let Some(message) = &message {
                tasks.iter().for_each(|tool| self.cancel_tool(world, message, tool));
            }
            world.session_error(&self.session, &error);
            world.idle(&self.session);
            self.close_text(world);
            if let Some(message) = &message {
                others.iter().for_each(|tool| self.cancel_tool(world, message, tool));
                self.complete(world, message, |info| info.error = Some(error.clone()));
            }
            world.idle(&self.session);
            self.release(world);
        });
    }

    fn cancel_tool(&self, world: &mut World, message: &str, tool: &OpenTool) {
        let time = json!({ "start": tool.start, "end": world.now });
        let state = if tool.child.is_some() {
            json!({ "status": "error", "input": tool.input, "error": "Task cancelled", "time": time })
        } else if tool.name == "bash" && !tool.asking {
            let output = "\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>";
            json!({
                "status": "completed", "input": tool.input, "output": output, "title": tool.input["command"],
                "metadata": { "output": "", "exit": null, "truncated": false }, "time": time,
            })
        } else {
            json!({
                "status": "error", "input": tool.input, "error": "Tool execution aborted",
                "metadata": { "interrupted": true }, "time": time,
            })
        };
        self.put_tool(world, message, &tool.part, &tool.name, &tool.call_id, state);
    }

    pub(super) fn put_tool(
        &self,
        world: &mut World,
        message: &str,
        part: &str,
        name: &str,
        call_id: &str,
        state: serde_json::Value,
    ) {
        let body = PartBody::Tool { tool: name.to_owned(), call_id: call_id.to_owned(), state };
        world.put_part(&self.session, message, Some(part.to_owned()), body);
    }

    /// Stores the text that is being streamed, if any.
    pub(super) fn close_text(&self, world: &mut World) {
        let (text, message) = {
            let mut open = self.open();
            (open.text.take(), open.message.clone())
        };
        if let (Some(mut text), Some(message)) = (text, message) {
            let now = world.now;
            world.put_streamed(&self.session, &message, &mut text, Some(now));
        }
    }

    /// Ends an assistant message.
    pub(super) fn complete(&self, world: &mut World, message: &str, change: impl FnOnce(&mut AssistantInfo)) {
        world.update_assistant(&self.session, message, |info, now| {
            change(info);
            info.time.completed = Some(now);
        });
        self.open().message = None;
    }
}
