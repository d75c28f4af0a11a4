//! Traces for people.

use orch_opencode::Usage;
use orch_workflow::view::Tokens;

use super::{AttemptTrace, MessageTrace, RunTrace, SessionTrace, Speaker, ToolTrace};
use crate::{
    command,
    page::Page,
    text::{counted, duration, word},
};

/// So many lines of a message are shown, unless all are wanted.
const LINES: usize = 6;

/// How much of the messages is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// The first lines of each.
    #[default]
    Excerpt,
    /// All of it, with the inputs and outputs of tools.
    Whole,
}

impl RunTrace {
    /// The same for people: what it took, its attempts, what happened when, and the sessions.
    #[must_use]
    pub fn page(&self, extent: Extent) -> Page {
        let mut page = Page::new();
        page.heading(1, &format!("{} of {}, {}", self.run, self.workflow, self.status.as_str()));
        let ended = self.finished_at.map(|end| duration(end.ms_since(self.started_at)));
        page.facts([
            ("task", self.task.clone()),
            ("parent", self.parent_session.clone().unwrap_or_default()),
            (
                "took",
                ended
                    .map_or_else(String::new, |time| format!("{time}, {} at work", duration(self.active_ms))),
            ),
            ("spent", spent(self.tokens, self.cost_usd)),
        ]);
        page.heading(2, "Attempts");
        let head = ["after", "step", "worker", "outcome", "at work", "tokens", "cost", "session"];
        page.table(&head, self.attempts.iter().map(|attempt| self.attempt(attempt)));
        if self.attempts.is_empty() {
            page.line("none yet");
        }
        page.heading(2, "What happened");
        let moment = |moment: &super::Moment| {
            let step = moment.step.as_ref().map(ToString::to_string).unwrap_or_default();
            vec![clock(moment.after_ms), moment.seq.to_string(), step, moment.what.clone()]
        };
        page.table(&["after", "event", "step", "what"], self.moments.iter().map(moment));
        for session in &self.sessions {
            session.write(&mut page, 2, extent);
        }
        if !self.missing.is_empty() {
            page.heading(2, "Sessions that were not looked up");
            page.items(self.missing.iter().map(|missing| format!("{}: {}", missing.session, missing.reason)));
        }
        page
    }

    fn attempt(&self, attempt: &AttemptTrace) -> Vec<String> {
        let mut name = attempt.step.to_string();
        if attempt.dispatch.iteration > 1 || attempt.dispatch.attempt > 1 {
            name.push_str(&format!(" {}/{}", attempt.dispatch.iteration, attempt.dispatch.attempt));
        }
        let tokens =
            attempt.tokens.map(|tokens| (tokens.input + tokens.output + tokens.reasoning).to_string());
        vec![
            clock(attempt.started_at.ms_since(self.started_at)),
            name,
            format!("{} ({})", attempt.worker, attempt.kind),
            attempt.outcome.map_or_else(|| "at work".to_owned(), |outcome| word(&outcome)),
            attempt.active_ms.map(duration).unwrap_or_default(),
            tokens.unwrap_or_default(),
            attempt.cost_usd.map(|cost| format!("${cost:.4}")).unwrap_or_default(),
            attempt.session.clone().unwrap_or_default(),
        ]
    }
}

impl SessionTrace {
    /// The same for people: its messages in order, then its children.
    #[must_use]
    pub fn page(&self, extent: Extent) -> Page {
        let mut page = Page::new();
        self.write(&mut page, 1, extent);
        page
    }

    fn write(&self, page: &mut Page, level: u8, extent: Extent) {
        page.heading(level, &format!("Session {}: {}", self.session, self.title));
        let calls: usize = self.messages.iter().map(|message| message.tools.len()).sum();
        let children =
            self.children.iter().map(|child| child.session.as_str()).collect::<Vec<_>>().join(", ");
        page.facts([
            ("parent", self.parent.clone().unwrap_or_default()),
            ("children", children),
            ("in", self.directory.clone()),
            (
                "holds",
                format!("{}, {}", counted(self.messages.len(), "message"), counted(calls, "tool call")),
            ),
            ("spent", used(self.usage)),
            (
                "with children",
                if self.children.is_empty() { String::new() } else { used(self.whole_usage()) },
            ),
        ]);
        let first = self.messages.first().map_or(self.created_at, |message| message.at);
        for message in &self.messages {
            message.write(page, first, extent);
        }
        for child in &self.children {
            child.write(page, level.saturating_add(1), extent);
        }
    }
}

impl MessageTrace {
    fn write(&self, page: &mut Page, first: u64, extent: Extent) {
        let mut about = vec![match self.from {
            Speaker::User if self.synthetic => "program, for the model only".to_owned(),
            Speaker::User => "user".to_owned(),
            Speaker::Assistant => "assistant".to_owned(),
        }];
        about.extend(self.agent.clone());
        about.extend(self.model.clone());
        about.extend(self.ms.map(duration));
        about.extend(self.usage.filter(|usage| *usage != Usage::default()).map(used));
        if self.reasoning_chars > 0 {
            about.push(format!("{} characters thought", self.reasoning_chars));
        }
        about.extend(
            self.finish.as_ref().filter(|finish| *finish != "stop").map(|finish| format!("finish {finish}")),
        );
        page.line(&format!("+{}  {}", clock(self.at.saturating_sub(first)), about.join(", ")));
        page.quote(&shown(&self.text, extent));
        let files = self.files.iter().map(|file| format!("file {file}"));
        let tools = self.tools.iter().map(ToolTrace::line);
        let error = self.error.iter().map(|error| format!("failed: {error}"));
        page.items(files.chain(tools).chain(error));
        if extent == Extent::Whole {
            for tool in &self.tools {
                page.quote(&tool.input);
                page.quote(&tool.output);
            }
        }
    }
}

impl ToolTrace {
    /// `bash completed in 1.2 s: List files`
    fn line(&self) -> String {
        let time = self.ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
        let about = if self.title.is_empty() { &self.input } else { &self.title };
        let failure = if self.state == "error" { self.output.as_str() } else { "" };
        let mut line = format!("{} {}{time}", self.tool, self.state);
        for text in [about.as_str(), failure].into_iter().filter(|text| !text.is_empty()) {
            line.push_str(&format!(": {}", crate::text::plain(text, 200)));
        }
        if let Some(session) = &self.session {
            line.push_str(&format!(" ({})", command::tracing(session)));
        }
        line
    }
}

/// Time since a beginning: `0:07.3`, `12:05.0`, `1:02:03.4`.
fn clock(ms: u64) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes}:{:02}.{tenths}", seconds % 60),
        _ => format!("{hours}:{:02}:{:02}.{tenths}", minutes % 60, seconds % 60),
    }
}

fn spent(tokens: Tokens, cost_usd: f64) -> String {
    let Tokens { input, output, reasoning } = tokens;
    format!("{input} tokens read, {output} written, {reasoning} reasoned, ${cost_usd:.4}")
}

fn used(usage: Usage) -> String {
    let mut text = format!("{} tokens read", usage.input);
    if usage.cache_read > 0 {
        text.push_str(&format!(" ({} more from the cache)", usage.cache_read));
    }
    text.push_str(&format!(", {} written", usage.output));
    if usage.reasoning > 0 {
        text.push_str(&format!(", {} reasoned", usage.reasoning));
    }
    text + &format!(", ${:.4}", usage.cost_usd)
}

fn shown(text: &str, extent: Extent) -> String {
    let lines = text.trim_end().lines().count();
    if extent == Extent::Whole || lines <= LINES + 1 {
        return text.to_owned();
    }
    let first: Vec<_> = text.lines().take(LINES).collect();
    format!("{}\n… {} more", first.join("\n"), counted(lines - LINES, "line"))
}
