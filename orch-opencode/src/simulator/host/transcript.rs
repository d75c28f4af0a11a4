//! A session's transcript as the model is shown it.

use serde_json::{Value, json};

use super::wire::{Info, Message, PartBody};

/// Chat-completions messages: the system prompt, then the conversation since the last summary.
pub(super) fn messages(system: String, thread: &[Message]) -> Vec<Value> {
    let is_summary = |message: &Message| matches!(&message.info, Info::Assistant(info) if info.summary == Some(true) && info.finish.is_some());
    let start = thread.iter().rposition(is_summary).unwrap_or(0);
    let mut messages = vec![json!({ "role": "system", "content": system })];
    for message in &thread[start..] {
        match &message.info {
            Info::User(_) => {
                let text = message.text();
                if !text.is_empty() {
                    messages.push(json!({ "role": "user", "content": text }));
                }
            }
            Info::Assistant(_) => messages.extend(assistant(message)),
        }
    }
    messages
}

fn assistant(message: &Message) -> Vec<Value> {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for part in &message.parts {
        let PartBody::Tool { tool, call_id, state } = &part.body else { continue };
        let function = json!({ "name": tool, "arguments": state["input"].to_string() });
        calls.push(json!({ "id": call_id, "type": "function", "function": function }));
        let result = state["output"].as_str().or(state["error"].as_str()).unwrap_or_default();
        results.push(json!({ "role": "tool", "tool_call_id": call_id, "content": result }));
    }
    let text = message.text();
    if text.is_empty() && calls.is_empty() {
        return Vec::new();
    }
    let mut spoken = json!({ "role": "assistant", "content": text });
    if !calls.is_empty() {
        spoken["tool_calls"] = json!(calls);
    }
    std::iter::once(spoken).chain(results).collect()
}
