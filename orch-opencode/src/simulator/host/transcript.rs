//! A session's transcript as the model is shown it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::wire::{Info, Message, Part, PartBody};

/// Chat-completions messages: the system prompt, then the conversation since the last summary.
pub(super) fn messages(system: String, thread: &[Message]) -> Vec<Value> {
    let is_summary = |message: &Message| matches!(&message.info, Info::Assistant(info) if info.summary == Some(true) && info.finish.is_some());
    let start = thread.iter().rposition(is_summary).unwrap_or(0);
    let mut messages = vec![json!({ "role": "system", "content": system })];
    for message in &thread[start..] {
        match &message.info {
            Info::User(_) => {
                let texts = std::iter::once(message.text()).chain(message.parts.iter().filter_map(file));
                let text = texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
                if !text.is_empty() {
                    messages.push(json!({ "role": "user", "content": text }));
                }
            }
            Info::Assistant(_) => messages.extend(assistant(message)),
        }
    }
    messages
}

/// What a model that reads no images is told of an attached file, in the words of a real host.
fn file(part: &Part) -> Option<String> {
    let PartBody::File { mime, url, filename } = &part.body else { return None };
    let name = filename.as_deref().unwrap_or("file");
    if mime != "text/plain" {
        return Some(format!(
            "ERROR: Cannot read \"{name}\" (this model does not support image input). Inform the user."
        ));
    }
    let content = url.split_once(";base64,").and_then(|(_, content)| STANDARD.decode(content).ok());
    let content = String::from_utf8_lossy(&content.unwrap_or_default()).into_owned();
    let input = json!({ "filePath": name });
    Some(format!("Called the Read tool with the following input: {input}\n{content}"))
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
