//! The ways a prompt can end, and what is left of the turn.

use crate::message::{Finish, Message, ModelFailure, Part, ToolCall, ToolState, Usage};

/// How a prompt ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Settled {
    /// The model gave its final answer.
    Finished(Turn),
    /// Somebody refused a permission or dismissed a question without a word, which ends a turn before its final answer.
    Rejected(Turn),
    /// The model failed for good.
    Failed {
        /// Why.
        failure: ModelFailure,
        /// What there is of the turn.
        turn: Turn,
    },
    /// Somebody stopped the turn.
    Aborted(Turn),
    /// The host called the model again and again without progress; the session was aborted.
    Looped {
        /// What was repeated.
        reason: String,
        /// What there is of the turn.
        turn: Turn,
    },
    /// The host accepted the prompt, and then nothing happened.
    NeverStarted {
        /// What the host said about the session since; `None` when that event was missed.
        reason: Option<ModelFailure>,
    },
    /// The turn began and will not go on: the host was restarted in between.
    Interrupted(Turn),
}

impl Settled {
    /// The turn, unless it never started.
    pub fn turn(&self) -> Option<&Turn> {
        match self {
            Self::Finished(turn)
            | Self::Rejected(turn)
            | Self::Aborted(turn)
            | Self::Interrupted(turn)
            | Self::Failed { turn, .. }
            | Self::Looped { turn, .. } => Some(turn),
            Self::NeverStarted { .. } => None,
        }
    }

    pub(super) fn turn_mut(&mut self) -> Option<&mut Turn> {
        match self {
            Self::Finished(turn)
            | Self::Rejected(turn)
            | Self::Aborted(turn)
            | Self::Interrupted(turn)
            | Self::Failed { turn, .. }
            | Self::Looped { turn, .. } => Some(turn),
            Self::NeverStarted { .. } => None,
        }
    }
}

/// The model's side of a turn.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Turn {
    /// The text of the last message: the answer when the turn finished, what there is of it otherwise.
    pub text: String,
    /// Every message of the model in this turn, oldest first.
    pub messages: Vec<Message>,
    /// Tokens and cost, with those of the sessions that the turn's tasks ran in.
    pub usage: Usage,
    /// Tool calls that failed and were not repeated with success.
    pub tool_failures: Vec<ToolFailure>,
    /// Why the model stopped.
    pub finish: Option<Finish>,
    /// Messages that somebody else added meanwhile were answered in one go with ours.
    pub answered_together: bool,
}

impl Turn {
    pub(super) fn new(messages: Vec<Message>, answered_together: bool) -> Self {
        let last = messages.last();
        let mut usage = Usage::default();
        for assistant in messages.iter().filter_map(Message::assistant) {
            usage += assistant.usage;
        }
        Self {
            text: last.map(Message::text).unwrap_or_default(),
            finish: last.and_then(Message::assistant).and_then(|assistant| assistant.finish.clone()),
            usage,
            tool_failures: tool_failures(&messages),
            messages,
            answered_together,
        }
    }
}

/// A tool call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolFailure {
    /// The tool that the model wanted.
    pub tool: String,
    /// Why it failed, as the model read it.
    pub message: String,
    /// It was refused: by a rule, or by whoever answered the request for permission.
    pub denied: bool,
}

/// The host runs this stand-in when the model calls a tool that is not there, or with arguments that are not JSON.
const INVALID: &str = "invalid";

/// Observed: "The user rejected permission to use this specific tool call", with or without feedback.
const REJECTED: &str = "rejected permission to use";

/// Observed: "The user has specified a rule which prevents you from using this specific tool call".
const FORBIDDEN: &str = "specified a rule which prevents you";

/// Observed: "The user dismissed this question".
const DISMISSED: &str = "dismissed this question";

/// A rejection with feedback lets the model go on; one without ends the turn.
const FEEDBACK: &str = "with the following feedback";

/// The call was refused in the way that ends a turn.
pub(super) fn ended_the_turn(call: &ToolCall) -> bool {
    let ToolState::Failed { message, .. } = &call.state else { return false };
    message.contains(DISMISSED) || (message.contains(REJECTED) && !message.contains(FEEDBACK))
}

fn tool_failures(messages: &[Message]) -> Vec<ToolFailure> {
    let calls: Vec<&ToolCall> = messages.iter().flat_map(Message::tools).collect();
    let mut failures = Vec::new();
    for (position, call) in calls.iter().enumerate() {
        let Some(failure) = failure(call) else { continue };
        let repeated = calls[position + 1..].iter().any(|later| repeats(call, &failure.tool, later));
        if !repeated {
            failures.push(failure);
        }
    }
    failures
}

fn failure(call: &ToolCall) -> Option<ToolFailure> {
    let failed = |tool: &str, message: &str| ToolFailure {
        tool: tool.to_owned(),
        message: message.to_owned(),
        denied: [REJECTED, FORBIDDEN, DISMISSED].iter().any(|words| message.contains(words)),
    };
    match &call.state {
        ToolState::Failed { message, .. } => Some(failed(&call.tool, message)),
        ToolState::Completed { input, output, .. } if call.tool == INVALID => {
            let wanted = input.get("tool").and_then(|tool| tool.as_str()).unwrap_or(INVALID);
            Some(failed(wanted, output))
        }
        _ => None,
    }
}

/// `later` did what `failed` could not: the same tool, and the same file where both name one.
fn repeats(failed: &ToolCall, wanted: &str, later: &ToolCall) -> bool {
    let ToolState::Completed { input, .. } = &later.state else { return false };
    let file = match &failed.state {
        ToolState::Failed { input, .. } => input.get("filePath"),
        _ => None,
    };
    later.tool == wanted && (file.is_none() || file == input.get("filePath"))
}

/// Nothing in it: no text, no tool call. A model that only ever answers so keeps the host calling it.
pub(super) fn is_empty(message: &Message) -> bool {
    !message.parts.iter().any(|part| match part {
        Part::Text { text, .. } => !text.trim().is_empty(),
        Part::Tool(_) => true,
        _ => false,
    })
}
