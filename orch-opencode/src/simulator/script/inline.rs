//! Answers written into the prompt itself, for someone who drives a host from outside and has no handle on the
//! script: `SCRIPT: [{ "text": "hello", "n": 3, "delay": 0.2 }]`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Deserializer, Value};

use super::{Answer, Reply, ToolCall};

const MARK: &str = "SCRIPT: ";

/// One answer. Times are in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    text: Option<String>,
    /// The number of chunks, and the time between them.
    n: usize,
    delay: f64,
    reasoning: Option<String>,
    tool: Option<String>,
    args: Value,
    args_raw: Option<String>,
    output: String,
    /// How long the simulated tool runs.
    takes: f64,
    tools: Vec<Tool>,
    /// Present: never answers.
    hang: Option<f64>,
    /// An HTTP status instead of an answer.
    status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    tool: String,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    output: String,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            text: None,
            n: 1,
            delay: 0.0,
            reasoning: None,
            tool: None,
            args: Value::Object(serde_json::Map::new()),
            args_raw: None,
            output: String::new(),
            takes: 0.0,
            tools: Vec::new(),
            hang: None,
            status: None,
        }
    }
}

/// The reply that a prompt carries, if it carries a valid one. What follows the list is ignored.
pub(super) fn read(prompt: &str) -> Option<Reply> {
    let (_, list) = prompt.split_once(MARK)?;
    let steps = Deserializer::from_str(list).into_iter::<Vec<Step>>().next()?.ok()?;
    let answers: Vec<_> = steps.into_iter().map(Step::into_answer).collect();
    (!answers.is_empty()).then(|| Reply::from(answers))
}

impl Step {
    fn into_answer(self) -> Answer {
        if let Some(status) = self.status {
            return Answer::error(status, self.text.as_deref().unwrap_or("scripted error"));
        }
        if self.hang.is_some() {
            return Answer::hang();
        }
        let mut answer = Answer::speaking();
        if let Some(reasoning) = self.reasoning {
            answer = answer.reasoning(reasoning);
        }
        if let Some(text) = self.text {
            answer = answer.say_slowly(&text, self.n, seconds(self.delay));
        }
        if let Some(tool) = self.tool {
            let arguments = self.args_raw.unwrap_or_else(|| self.args.to_string());
            answer =
                answer.call(ToolCall::raw(tool, arguments).output(self.output).taking(seconds(self.takes)));
        }
        for tool in self.tools {
            answer = answer.call(ToolCall::new(tool.tool, tool.args).output(tool.output));
        }
        answer
    }
}

fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or_default()
}
