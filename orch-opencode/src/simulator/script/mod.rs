//! What the scripted model says: data that the model server and the simulated host share.

mod answer;
mod call;
mod hold;
mod inline;
mod player;
mod when;

pub use answer::{Answer, Finish, ToolCall, Usage};
pub use call::{CallEnd, CallKind, ModelCall};
pub use hold::Hold;
pub use when::When;

pub(super) use answer::{Body, Ending, Piece, Speech, Wait};
pub(super) use player::{Player, Ticket};

/// Which prompt gets which answers. The first rule that matches answers; without one the default does.
///
/// A rule holds a list of answers: successive calls of the model for one prompt (tool results come back, or
/// the host retries) get successive answers, and the last one repeats. A list that ends in a tool call is
/// followed by the text `done`, so that no script runs for ever by accident.
///
/// ```
/// use orch_opencode::simulator::{Answer, Script, ToolCall, When};
/// use serde_json::json;
///
/// let script = Script::new()
///     .on(When::prompt("list the files"), [
///         Answer::tool(ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n")),
///         Answer::text("There is one file, a.txt."),
///     ])
///     .on(When::prompt("flaky"), [Answer::error(503, "overloaded"), Answer::text("fine now")])
///     .otherwise("ok");
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    rules: Vec<Rule>,
    otherwise: Reply,
    title: Answer,
    summary: Answer,
    reads_prompts: bool,
}

#[derive(Debug, Clone)]
struct Rule {
    when: When,
    reply: Reply,
    times: Option<usize>,
}

/// The answers to the successive calls for one prompt.
#[derive(Debug, Clone)]
pub struct Reply(Vec<Answer>);

impl Script {
    /// Answers `ok` to everything.
    #[expect(clippy::new_without_default, reason = "an empty script still says ok: not nothing")]
    pub fn new() -> Self {
        Self {
            rules: Vec::new(),
            otherwise: Reply::from("ok"),
            title: Answer::text("A scripted session"),
            summary: Answer::text("A scripted summary."),
            reads_prompts: false,
        }
    }

    /// Adds a rule.
    pub fn on(self, when: When, reply: impl Into<Reply>) -> Self {
        self.rule(when, reply.into(), None)
    }

    /// Adds a rule that answers the first `times` prompts it matches and then steps aside.
    pub fn on_first(self, times: usize, when: When, reply: impl Into<Reply>) -> Self {
        self.rule(when, reply.into(), Some(times))
    }

    /// Replaces the default answer.
    pub fn otherwise(mut self, reply: impl Into<Reply>) -> Self {
        self.otherwise = reply.into();
        self
    }

    /// Replaces the answer to requests for a session title.
    pub fn title(mut self, answer: impl Into<Answer>) -> Self {
        self.title = answer.into();
        self
    }

    /// Replaces the answer to requests to summarise a conversation that has become too long.
    pub fn summary(mut self, answer: impl Into<Answer>) -> Self {
        self.summary = answer.into();
        self
    }

    /// Also obeys prompts that carry their own answers, before any rule:
    /// `SCRIPT: [{ "text": "hello", "n": 3, "delay": 0.2 }]`. For someone who drives a host from another process.
    ///
    /// Every object is the answer to one call: `text` in `n` chunks, `delay` seconds apart; `reasoning`; `tool` with
    /// `args` (or `args_raw`), a simulated `output` and the seconds it `takes`; several `tools`; `status` for an HTTP error; `hang`.
    pub fn reading_prompts(mut self) -> Self {
        self.reads_prompts = true;
        self
    }

    fn rule(mut self, when: When, reply: Reply, times: Option<usize>) -> Self {
        self.rules.push(Rule { when, reply, times });
        self
    }
}

impl Reply {
    /// The answer to the `attempt`-th call (from 1) for a prompt.
    fn answer(&self, attempt: usize) -> Answer {
        if let Some(answer) = self.0.get(attempt - 1) {
            return answer.clone();
        }
        match self.0.last() {
            Some(last) if !last.calls_tools() => last.clone(),
            _ => Answer::text("done"),
        }
    }
}

impl<T: Into<Answer>> From<T> for Reply {
    fn from(answer: T) -> Self {
        Self(vec![answer.into()])
    }
}

impl From<Vec<Answer>> for Reply {
    fn from(answers: Vec<Answer>) -> Self {
        Self(answers)
    }
}

impl<const N: usize> From<[Answer; N]> for Reply {
    fn from(answers: [Answer; N]) -> Self {
        Self(answers.into())
    }
}
