use std::time::Duration;

use serde_json::Value;

use super::Hold;

/// What the model does when it is called once: say something, call tools, or fail in a chosen way.
///
/// Built by chaining; saying something (`say`, `reasoning`, `tool`) after a failure constructor turns the
/// answer into speech, so the last word counts.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Waits before the first byte, headers included.
    pub(crate) before: Vec<Wait>,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Wait {
    For(Duration),
    Hold(Hold),
}

impl Wait {
    pub(crate) async fn pass(&self) {
        match self {
            Self::For(time) => tokio::time::sleep(*time).await,
            Self::Hold(hold) => hold.pass().await,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Speech(Speech),
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The request is taken, nothing ever comes back.
    Hang,
    /// Status 200, no byte of body.
    Empty,
    /// Status 200 with a web page, as a captive portal or a wrong base URL would.
    Html,
}

/// A streamed completion.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speech {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) usage: Usage,
    pub(crate) finish: Option<Finish>,
    pub(crate) ending: Ending,
}

impl Speech {
    /// The finish reason: the one chosen, else the one that fits what was said.
    pub(crate) fn finish(&self) -> Finish {
        let tools = self.pieces.iter().any(|piece| matches!(piece, Piece::Tool(_)));
        self.finish.unwrap_or(if tools { Finish::ToolCalls } else { Finish::Stop })
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Reasoning(String),
    /// One chunk of the answer's text.
    Text(String),
    Tool(ToolCall),
    Wait(Wait),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Finish reason, usage, `[DONE]`.
    #[default]
    Finished,
    /// The stream stays open and silent.
    Stalled,
    /// The connection is dropped in the middle.
    Cut,
    /// The last event is not JSON.
    Malformed,
    /// The last event is the provider's own error: it has too much to do.
    Overloaded,
}

/// Why the model stopped, in the words of the chat-completions protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// `stop`: said all it wanted to say.
    Stop,
    /// `length`: hit its output limit.
    Length,
    /// `content_filter`: the provider withheld the rest.
    ContentFilter,
    /// `tool_calls`: waits for tool results.
    ToolCalls,
}

impl Finish {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// Token counts that the model reports for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens that were not read from a cache.
    pub input: u64,
    /// Completion tokens, reasoning not included.
    pub output: u64,
    /// Reasoning tokens.
    pub reasoning: u64,
    /// Prompt tokens read from a cache.
    pub cached: u64,
}

impl Usage {
    /// `input` prompt tokens and `output` completion tokens.
    pub fn new(input: u64, output: u64) -> Self {
        Self { input, output, reasoning: 0, cached: 0 }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new(100, 10)
    }
}

/// One tool call of the model and, for the simulated host, what the tool then does.
///
/// A real host runs its real tool and ignores the simulated result.
#[derive(Debug, Clone)]
pub struct ToolCall {
    pub(crate) name: String,
    /// The argument text as it goes over the wire; malformed on purpose for [`ToolCall::raw`].
    pub(crate) arguments: String,
    pub(crate) result: Result<String, String>,
    pub(crate) takes: Vec<Wait>,
}

impl ToolCall {
    /// A call of `name` with JSON `arguments`. The simulated tool answers with an empty output.
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self::raw(name, arguments.to_string())
    }

    /// A call whose argument text is sent as it is, valid JSON or not.
    pub fn raw(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: arguments.into(), result: Ok(String::new()), takes: Vec::new() }
    }

    /// What the simulated tool outputs.
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.result = Ok(output.into());
        self
    }

    /// The simulated tool ends in this error.
    pub fn failing(mut self, error: impl Into<String>) -> Self {
        self.result = Err(error.into());
        self
    }

    /// How long the simulated tool runs.
    pub fn taking(mut self, time: Duration) -> Self {
        self.takes.push(Wait::For(time));
        self
    }

    /// The simulated tool runs until the hold is released.
    pub fn held(mut self, hold: &Hold) -> Self {
        self.takes.push(Wait::Hold(hold.clone()));
        self
    }
}

impl Answer {
    /// Says `text` in one chunk and stops.
    pub fn text(text: impl Into<String>) -> Self {
        Self::speaking().say(text)
    }

    /// Says `text` in `count` chunks, `every` apart.
    pub fn streamed(text: &str, count: usize, every: Duration) -> Self {
        Self::speaking().say_slowly(text, count, every)
    }

    /// Calls one tool.
    pub fn tool(call: ToolCall) -> Self {
        Self::speaking().call(call)
    }

    /// Answers with an HTTP status instead of a completion.
    pub fn http(status: u16, body: impl Into<String>) -> Self {
        Self::of(Body::Http { status, headers: Vec::new(), body: body.into() })
    }

    /// An HTTP error in the shape that OpenAI-compatible providers use.
    pub fn error(status: u16, message: &str) -> Self {
        let body = serde_json::json!({ "error": { "message": message, "type": "error", "code": status } });
        Self::http(status, body.to_string()).header("content-type", "application/json")
    }

    /// Status 429, with `Retry-After` when a wait is given.
    pub fn rate_limited(retry_after: Option<Duration>) -> Self {
        let limited = Self::error(429, "rate limit reached");
        match retry_after {
            Some(wait) => limited.header("retry-after", wait.as_secs_f64().ceil().to_string()),
            None => limited,
        }
    }

    /// Status 400 with the words by which a host recognises that the prompt is longer than the model's window.
    pub fn context_overflow() -> Self {
        let body = serde_json::json!({ "error": {
            "message": "This model's maximum context length is 100000 tokens. However, your messages resulted in 123456 tokens.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        } });
        Self::http(400, body.to_string()).header("content-type", "application/json")
    }

    /// Never answers; the connection stays open.
    pub fn hang() -> Self {
        Self::of(Body::Hang)
    }

    /// Status 200 and nothing else.
    pub fn empty() -> Self {
        Self::of(Body::Empty)
    }

    /// Status 200 and a web page.
    pub fn html() -> Self {
        Self::of(Body::Html)
    }

    /// A stream whose only event is not JSON.
    pub fn malformed() -> Self {
        Self::speaking().then_malformed()
    }

    /// Speech with nothing said yet: the start of a chain.
    pub fn speaking() -> Self {
        Self::of(Body::Speech(Speech::default()))
    }

    fn of(body: Body) -> Self {
        Self { before: Vec::new(), body }
    }

    /// Adds a header to an HTTP answer; without effect on speech.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Body::Http { headers, .. } = &mut self.body {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Waits before the first byte, as a model that is thinking does.
    pub fn after(mut self, time: Duration) -> Self {
        self.before.push(Wait::For(time));
        self
    }

    /// Waits before the first byte until the hold is released.
    pub fn held(mut self, hold: &Hold) -> Self {
        self.before.push(Wait::Hold(hold.clone()));
        self
    }

    /// Adds one chunk of text.
    pub fn say(self, text: impl Into<String>) -> Self {
        self.piece(Piece::Text(text.into()))
    }

    /// Adds text in `count` chunks (at least one) of about equal length, with `every` between them.
    pub fn say_slowly(mut self, text: &str, count: usize, every: Duration) -> Self {
        for (index, chunk) in chunks(text, count).into_iter().enumerate() {
            if index > 0 {
                self = self.pause(every);
            }
            self = self.say(chunk);
        }
        self
    }

    /// Adds reasoning.
    pub fn reasoning(self, text: impl Into<String>) -> Self {
        self.piece(Piece::Reasoning(text.into()))
    }

    /// Adds a tool call; several are one parallel batch.
    pub fn call(self, call: ToolCall) -> Self {
        self.piece(Piece::Tool(call))
    }

    /// Waits at this point of the stream.
    pub fn pause(self, time: Duration) -> Self {
        self.piece(Piece::Wait(Wait::For(time)))
    }

    /// Waits at this point of the stream until the hold is released.
    pub fn then_hold(self, hold: &Hold) -> Self {
        self.piece(Piece::Wait(Wait::Hold(hold.clone())))
    }

    /// After what was said the stream stays open and silent.
    pub fn then_stall(self) -> Self {
        self.ending(Ending::Stalled)
    }

    /// After what was said the connection is dropped.
    pub fn then_cut(self) -> Self {
        self.ending(Ending::Cut)
    }

    /// After what was said comes an event that is not JSON.
    pub fn then_malformed(self) -> Self {
        self.ending(Ending::Malformed)
    }

    /// After what was said the provider breaks off, because it has too much to do: an error in the stream, which has no
    /// status.
    pub fn then_overloaded(self) -> Self {
        self.ending(Ending::Overloaded)
    }

    /// The finish reason; without it `tool_calls` after a tool call, else `stop`.
    pub fn finish(self, finish: Finish) -> Self {
        self.with_speech(|speech| speech.finish = Some(finish))
    }

    /// The token counts reported at the end.
    pub fn usage(self, usage: Usage) -> Self {
        self.with_speech(|speech| speech.usage = usage)
    }

    fn ending(self, ending: Ending) -> Self {
        self.with_speech(|speech| speech.ending = ending)
    }

    fn piece(self, piece: Piece) -> Self {
        self.with_speech(|speech| speech.pieces.push(piece))
    }

    fn with_speech(mut self, change: impl FnOnce(&mut Speech)) -> Self {
        let mut speech = match self.body {
            Body::Speech(speech) => speech,
            _ => Speech::default(),
        };
        change(&mut speech);
        self.body = Body::Speech(speech);
        self
    }

    /// Whether a host that receives this answer will call the model again with tool results.
    pub(crate) fn calls_tools(&self) -> bool {
        matches!(&self.body, Body::Speech(speech) if speech.finish() == Finish::ToolCalls)
    }
}

impl Answer {
    /// Plays the answer to somebody who only wants the whole text; `None` when it fails.
    pub(crate) async fn all_text(self) -> Option<String> {
        for wait in &self.before {
            wait.pass().await;
        }
        let speech = match self.body {
            Body::Speech(speech) => speech,
            Body::Hang => std::future::pending().await,
            Body::Http { .. } | Body::Empty | Body::Html => return None,
        };
        let mut all = String::new();
        for piece in speech.pieces {
            match piece {
                Piece::Text(text) => all.push_str(&text),
                Piece::Wait(wait) => wait.pass().await,
                Piece::Reasoning(_) | Piece::Tool(_) => {}
            }
        }
        match speech.ending {
            Ending::Finished => Some(all),
            Ending::Stalled => std::future::pending().await,
            Ending::Cut | Ending::Malformed | Ending::Overloaded => None,
        }
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Splits by characters into at most `count` parts of about equal length.
fn chunks(text: &str, count: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(count.max(1)).max(1);
    characters.chunks(size).map(|chunk| chunk.iter().collect()).collect()
}
