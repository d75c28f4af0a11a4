//! A conversation that has become too long: the host has it summarised and goes on from there.

use serde_json::{Value, json};

use super::{After, Turn};
use crate::simulator::host::transcript;
use crate::simulator::host::wire::{PartBody, Status, Streamed, Tokens, UserInfo};
use crate::simulator::host::world::UserMessage;
use crate::simulator::script::ModelCall;

const GO_ON: &str = "The previous request exceeded the provider's size limit due to large media attachments. The \
                     conversation was compacted and media files were removed from context.\n\nContinue if you have \
                     next steps, or stop and ask for clarification if you are unsure how to proceed.";

impl Turn {
    /// Leaves the overflowed message without an answer and asks for a summary, as a message of its own.
    pub(super) fn overflow(&self, user: &UserInfo, message: &str, error: &Value) -> After {
        self.host.with(|world| {
            world.session_error(&self.session, error);
            self.complete(world, message, |_| {});
            let body = PartBody::Compaction { auto: true, overflow: true };
            world.put_user_message(&self.session, host_message(user, body));
        });
        After::Next
    }

    pub(super) fn asks_for_summary(&self, user: &UserInfo) -> bool {
        self.host.with(|world| {
            let message = world.message(&self.session, &user.id);
            message.is_some_and(|message| {
                message.parts.iter().any(|part| matches!(part.body, PartBody::Compaction { .. }))
            })
        })
    }

    pub(super) async fn compact(&self, user: &UserInfo) -> After {
        let (message, call) = self.host.with(|world| {
            let message = world.start_assistant(&self.session, user, "compaction", Some(true));
            world.set_status(&self.session, Status::Busy);
            let system = "You are a context summarization agent. (simulated)".to_owned();
            let conversation = world.thread(&self.session).map(|thread| thread.messages.as_slice());
            let mut call = ModelCall::new(transcript::messages(system, conversation.unwrap_or_default()));
            call.session = Some(self.session.clone());
            (message, call)
        });
        self.open().message = Some(message.clone());
        let (answer, ticket) = self.host.player.ask(call);
        let summary = answer.all_text().await;
        ticket.answered();
        match summary {
            Some(summary) => self.go_on_from(user, &message, &summary),
            None => self.too_large(&message),
        }
    }

    fn go_on_from(&self, user: &UserInfo, message: &str, summary: &str) -> After {
        self.say(message, Streamed::Text, summary);
        self.host.with(|world| self.close_text(world));
        self.end_step(message, "stop", Tokens::default(), None);
        self.host.with(|world| {
            let body = PartBody::Text {
                text: GO_ON.to_owned(),
                synthetic: Some(true),
                ignored: None,
                metadata: Some(json!({ "compaction_continue": true })),
                time: None,
            };
            world.put_user_message(&self.session, host_message(user, body));
            world.emit(&self.session, "session.compacted", json!({}));
        });
        After::Next
    }

    fn too_large(&self, message: &str) -> After {
        let text = "Session too large to compact - context exceeds model limit even after stripping media";
        let error = json!({ "name": "ContextOverflowError", "data": { "message": text } });
        self.host.with(|world| {
            world.session_error(&self.session, &error);
            self.complete(world, message, |info| {
                info.finish = Some("error");
                info.error = Some(error.clone());
            });
            world.idle(&self.session);
            self.release(world);
        });
        After::Failed
    }
}

/// A user message that the host writes itself, in the name of `user`.
fn host_message(user: &UserInfo, body: PartBody) -> UserMessage {
    UserMessage {
        id: None,
        agent: user.agent.clone(),
        model: user.model.clone(),
        system: None,
        parts: vec![(None, body)],
    }
}
