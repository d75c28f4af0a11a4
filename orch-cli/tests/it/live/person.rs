//! A person in a session of the host, beside the command.

use crate::poll;
use orch::opencode::{
    HttpOpenCode, Message, MessageId, OpenCode as _, PartId, Prompt, PromptPart, SessionId,
};

/// Sends a message, as the interface does when a person presses the key.
pub(super) async fn say(host: &HttpOpenCode, session: &SessionId, text: &str) {
    let part =
        PromptPart::Text { id: PartId::mint(), text: text.to_owned(), synthetic: false, ignored: false };
    host.prompt(session, Prompt::new(MessageId::mint(), vec![part])).await.unwrap();
}

/// Waits until that message has its answer and the host rests.
pub(super) async fn answered(host: &HttpOpenCode, session: &SessionId, text: &str) {
    let is_answer =
        |message: &Message| message.assistant().is_some_and(|answer| answer.completed_ms.is_some());
    poll::until_so(async || {
        let messages = host.messages(session).await.unwrap();
        let asked = messages.iter().rposition(|message| message.text().contains(text));
        let has_answer = asked.is_some_and(|at| messages[at..].iter().any(is_answer));
        has_answer && host.statuses().await.unwrap().is_empty()
    })
    .await;
}
