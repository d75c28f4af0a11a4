//! Playing one answer of the model into a message.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::tool::ToolEnd;
use super::{After, EMPTY_ANSWER_PACE, Turn, unknown_error};
use crate::simulator::host::wire::{CacheTokens, PartBody, Streamed, Tokens, UserInfo};
use crate::simulator::host::world::OpenText;
use crate::simulator::host::{permission, transcript};
use crate::simulator::script::{Body, Ending, Finish, ModelCall, Piece, Speech, Usage};

/// Why a model call gave no answer.
pub(super) enum Failure {
    /// The host tries again after `wait`, or after its own time, and ends with `error` when it has tried enough.
    Passing {
        error: Value,
        reason: String,
        wait: Option<Duration>,
    },
    Final(Value),
    /// The conversation is longer than the model's window: the host summarises it.
    Overflow(Value),
}

impl Turn {
    /// Calls the model for `user` and writes what it says into `message`.
    pub(super) async fn answer(&self, user: &UserInfo, message: &str) -> Result<After, Failure> {
        let (answer, ticket) = self.host.player.ask(self.call(user));
        for wait in &answer.before {
            wait.pass().await;
        }
        let after = match answer.body {
            Body::Speech(speech) => self.hear(speech, message).await,
            Body::Http { status, headers, body } => Err(http_failure(status, &headers, &body)),
            Body::Empty | Body::Html => Ok(self.hear_nothing(message).await),
            Body::Hang => std::future::pending().await,
        };
        ticket.answered();
        after
    }

    fn call(&self, user: &UserInfo) -> ModelCall {
        let agent = self.host.options.find_agent(&user.agent);
        self.host.with(|world| {
            let system = agent.map(|agent| agent.system(user.system.as_deref())).unwrap_or_default();
            let thread = world.thread(&self.session);
            let conversation = thread.map(|thread| thread.messages.as_slice()).unwrap_or_default();
            let mut call = ModelCall::new(transcript::messages(system, conversation));
            call.session = Some(self.session.clone());
            call.parent_session = thread.and_then(|thread| thread.session.parent_id.clone());
            call.agent = Some(user.agent.clone());
            call.model.clone_from(&user.model.model_id);
            let rules = world.rules(&self.session, agent.map(|agent| agent.rules()).unwrap_or_default());
            let offered = super::tool::NAMES.iter().filter(|tool| {
                **tool != "invalid" && !permission::withheld(&rules, super::tool::permission_of(tool))
            });
            call.tools = offered.map(|tool| (*tool).to_owned()).collect();
            call
        })
    }

    async fn hear(&self, speech: Speech, message: &str) -> Result<After, Failure> {
        let (finish, usage, ending) = (speech.finish(), speech.usage, speech.ending);
        let mut tools = Vec::new();
        let mut begun = false;
        for piece in speech.pieces {
            if let Piece::Wait(wait) = piece {
                wait.pass().await;
                continue;
            }
            if !std::mem::replace(&mut begun, true) {
                self.begin_step(message);
            }
            match piece {
                Piece::Text(text) => self.say(message, Streamed::Text, &text),
                Piece::Reasoning(text) => self.say(message, Streamed::Reasoning, &text),
                Piece::Tool(call) => tools.push(self.start_tool(message, call)),
                Piece::Wait(_) => {}
            }
        }
        match ending {
            Ending::Finished => {}
            Ending::Stalled => std::future::pending().await,
            Ending::Cut => {
                self.open().text = None;
                return Err(reset());
            }
            Ending::Overloaded => return Err(Failure::Final(unknown_error("Overloaded"))),
            Ending::Malformed => {
                let message = "JSON parsing failed: Text: {\"choices\": [{\"delta\".\nError message: JSON Parse error: \
                               Expected ':' before value in object property definition";
                return Err(Failure::Final(unknown_error(message)));
            }
        }
        if !begun {
            self.begin_step(message);
        }
        self.host.with(|world| self.close_text(world));
        let ends = join_all(tools.into_iter().map(|tool| self.run_tool(message, tool))).await;
        let error = (finish == Finish::ContentFilter).then(|| {
            let message = "The response was blocked by the provider's content filter";
            json!({ "name": "ContentFilterError", "data": { "message": message } })
        });
        self.end_step(message, wire_finish(finish), tokens(usage), error.as_ref());
        if let Some(error) = error {
            self.host.with(|world| world.session_error(&self.session, &error));
            return Ok(After::Stop);
        }
        if ends.contains(&ToolEnd::Refused) {
            return Ok(After::Stop);
        }
        Ok(After::Next)
    }

    /// An answer without content: the host takes it as unfinished and calls again.
    async fn hear_nothing(&self, message: &str) -> After {
        self.begin_step(message);
        self.end_step(message, "unknown", Tokens::default(), None);
        tokio::time::sleep(EMPTY_ANSWER_PACE).await;
        After::Next
    }

    fn begin_step(&self, message: &str) {
        self.host.with(|world| world.put_part(&self.session, message, None, PartBody::StepStart {}));
    }

    pub(super) fn say(&self, message: &str, kind: Streamed, chunk: &str) {
        self.host.with(|world| {
            if self.open().text.as_ref().is_some_and(|open| open.kind != kind) {
                self.close_text(world);
            }
            let mut text = self.open().text.take();
            let mut open = text.take().unwrap_or_else(|| {
                let mut open = OpenText { kind, id: None, text: String::new(), start: world.now };
                world.put_streamed(&self.session, message, &mut open, None);
                open
            });
            open.text.push_str(chunk);
            if let Some(part) = &open.id {
                world.delta(&self.session, message, part, chunk);
            }
            self.open().text = Some(open);
        });
    }

    pub(super) fn end_step(
        &self,
        message: &str,
        finish: &'static str,
        tokens: Tokens,
        error: Option<&Value>,
    ) {
        self.host.with(|world| {
            let body = PartBody::StepFinish { reason: finish, tokens, cost: 0.0 };
            world.put_part(&self.session, message, None, body);
            world.update_assistant(&self.session, message, |info, _| {
                info.finish = Some(finish);
                info.tokens = tokens;
                info.error = error.cloned();
            });
            self.complete(world, message, |_| {});
            if let Some(thread) = world.thread_mut(&self.session) {
                let sum = &mut thread.session.tokens;
                sum.input += tokens.input;
                sum.output += tokens.output;
                sum.reasoning += tokens.reasoning;
                sum.cache.read += tokens.cache.read;
            }
        });
    }
}

fn wire_finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content-filter",
        Finish::ToolCalls => "tool-calls",
    }
}

fn tokens(usage: Usage) -> Tokens {
    let total = usage.input + usage.cached + usage.output + usage.reasoning;
    Tokens {
        total: Some(total),
        input: usage.input,
        output: usage.output,
        reasoning: usage.reasoning,
        cache: CacheTokens { read: usage.cached, write: 0 },
    }
}

fn reset() -> Failure {
    let reason = "Connection reset by server".to_owned();
    let data = json!({ "message": reason, "isRetryable": true, "metadata": { "code": "ECONNRESET" } });
    Failure::Passing { error: json!({ "name": "APIError", "data": data }), reason, wait: None }
}

fn http_failure(status: u16, headers: &[(String, String)], body: &str) -> Failure {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let message = document["error"]["message"].as_str().unwrap_or(body).to_owned();
    if document["error"]["code"] == "context_length_exceeded" {
        let data = json!({ "message": message, "responseBody": body });
        return Failure::Overflow(json!({ "name": "ContextOverflowError", "data": data }));
    }
    let retryable = matches!(status, 408 | 409 | 429) || status >= 500;
    let all: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), json!(value))).collect();
    let wait = all.get("retry-after").and_then(Value::as_str).and_then(|wait| wait.parse().ok());
    let error = json!({ "name": "APIError", "data": {
        "message": message,
        "statusCode": status,
        "isRetryable": retryable,
        "responseHeaders": all,
        "responseBody": body,
        "metadata": { "url": "http://simulated/v1/chat/completions" },
    } });
    if retryable {
        Failure::Passing { error, reason: message, wait: wait.map(Duration::from_secs) }
    } else {
        Failure::Final(error)
    }
}
