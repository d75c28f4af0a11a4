//! The lines below the text that move: a line for each step at work, and one for the run.

use std::{collections::HashSet, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use orch::{
    DecisionKind, Event, EventBody, GateId, Outcome,
    config::id::StepId,
    ux::{page::cut, text::plain},
    workflow::{
        event::StepProgress,
        port::Progress,
        status::{StatusBody, WorkerStatus},
    },
};

use super::lines::{server_of, titled};

const TICK: Duration = Duration::from_millis(120);
const STEP: &str = "  {spinner} {prefix}  {elapsed}  {wide_msg}";
const RUN: &str = "  {elapsed}  {wide_msg}";

/// Spinners on stderr while anything is at work; nothing otherwise.
#[derive(Default)]
pub(crate) struct Live {
    lines: MultiProgress,
    at_work: Vec<AtWork>,
    /// Servers that are being started, for whichever step.
    starting: Vec<(String, ProgressBar)>,
    run: Option<ProgressBar>,
    tally: Tally,
}

/// One step at work.
struct AtWork {
    step: StepId,
    line: ProgressBar,
    written: usize,
    /// What its prompt has taken so far.
    used: Cost,
}

/// What the run has done and taken, as far as its events say.
#[derive(Default)]
struct Tally {
    steps: Vec<StepId>,
    over: HashSet<StepId>,
    gates: Vec<(GateId, StepId)>,
    settled: Cost,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    tokens: u64,
    usd: f64,
}

impl Live {
    /// Takes in what happened before, without showing anything.
    pub(crate) fn catch_up(&mut self, event: &Event) {
        self.tally.observe(&event.body);
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.tally.observe(&event.body);
        match &event.body {
            EventBody::StepStarted { step, title, dispatch, .. } => {
                self.end(step);
                self.begin(step, &titled(title, dispatch));
            }
            EventBody::StepProgress { step, progress: StepProgress::Answered { .. }, .. }
            | EventBody::StepProgress { step, progress: StepProgress::InDoubt { .. }, .. }
            | EventBody::StepSettled { step, .. } => self.end(step),
            EventBody::StepProgress { step, progress, .. } => {
                if let Some(at_work) = self.at_work.iter_mut().find(|at_work| at_work.step == *step) {
                    at_work.show(progress);
                }
            }
            EventBody::RunPaused | EventBody::RunFinished { .. } => self.clear(),
            _ => {}
        }
        self.sum_up();
    }

    /// Shows what a server that is being started waits for.
    pub(crate) fn status(&mut self, status: &StatusBody) {
        let server = server_of(status);
        let known = self.starting.iter().position(|(known, _)| *known == server);
        match (known, status.status()) {
            (Some(at), WorkerStatus::Starting) => {
                self.starting[at].1.set_message(waits(status));
            }
            (None, WorkerStatus::Starting) => {
                let line = ProgressBar::new_spinner().with_prefix(server.clone()).with_message(waits(status));
                let line = self.lines.insert(self.at_work.len() + self.starting.len(), styled(line, STEP));
                line.enable_steady_tick(TICK);
                self.starting.push((server, line));
            }
            (Some(at), _) => {
                let (_, line) = self.starting.remove(at);
                line.finish_and_clear();
                self.lines.remove(&line);
            }
            (None, _) => {}
        }
    }

    /// Takes the lines away.
    pub(crate) fn clear(&mut self) {
        for (_, line) in self.starting.drain(..) {
            line.finish_and_clear();
        }
        for at_work in self.at_work.drain(..) {
            at_work.line.finish_and_clear();
        }
        self.sum_up();
    }

    /// Prints above the lines.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.lines.suspend(print)
    }

    fn begin(&mut self, step: &StepId, title: &str) {
        // The title leaves room for what the step does, on a narrow terminal too.
        let columns = usize::from(console::Term::stderr().size().1);
        let line =
            ProgressBar::new_spinner().with_prefix(cut(title, (columns / 2).max(8))).with_message("starting");
        let line = self.lines.insert(self.at_work.len(), styled(line, STEP));
        line.enable_steady_tick(TICK);
        self.at_work.push(AtWork { step: step.clone(), line, written: 0, used: Cost::default() });
    }

    fn end(&mut self, step: &StepId) {
        for at_work in self.at_work.extract_if(.., |at_work| at_work.step == *step) {
            at_work.line.finish_and_clear();
            self.lines.remove(&at_work.line);
        }
    }

    /// The line of the run, as long as anything is at work.
    fn sum_up(&mut self) {
        if self.at_work.is_empty() {
            if let Some(run) = self.run.take() {
                run.finish_and_clear();
                self.lines.remove(&run);
            }
            return;
        }
        let at_work: Vec<_> = self.at_work.iter().map(|at_work| &at_work.step).collect();
        let mut cost = self.tally.settled;
        for at_work in &self.at_work {
            cost.tokens += at_work.used.tokens;
            cost.usd += at_work.used.usd;
        }
        let text = self.tally.text(&at_work, cost);
        let run = self.run.get_or_insert_with(|| {
            let line = self.lines.add(styled(ProgressBar::new_spinner(), RUN));
            line.enable_steady_tick(TICK);
            line
        });
        run.set_message(text);
    }
}

/// `starting: waiting until it listens`
fn waits(status: &StatusBody) -> String {
    match status.note() {
        Some(note) => format!("starting: {}", plain(note, 120)),
        None => "starting".to_owned(),
    }
}

fn styled(line: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}

impl AtWork {
    fn show(&mut self, progress: &StepProgress) {
        if let StepProgress::Used { tokens, cost_usd } = progress {
            self.used = Cost { tokens: tokens.input + tokens.output + tokens.reasoning, usd: *cost_usd };
        }
        if let Some(message) = self.message(progress) {
            self.line.set_message(message);
        }
    }

    fn message(&mut self, progress: &StepProgress) -> Option<String> {
        match progress {
            StepProgress::Placed { session, .. } => Some(format!("in {session}")),
            StepProgress::Waiting { reason, .. } => Some(plain(reason, 120)),
            StepProgress::Worker { progress } => match progress {
                Progress::Text { delta } => {
                    self.written += delta.chars().count();
                    Some(format!("writing, {} characters", self.written))
                }
                Progress::Reasoning => Some("thinking".to_owned()),
                Progress::Tool { tool, state, title } => {
                    let title = title.as_deref().map(|title| plain(title, 80)).unwrap_or_default();
                    Some(format!("{} {state} {title}", plain(tool, 40)))
                }
                Progress::Retrying { attempt, message } => {
                    Some(format!("the host tries again ({attempt}): {}", plain(message, 80)))
                }
                Progress::Note { message } => Some(plain(message, 120)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Tally {
    fn observe(&mut self, body: &EventBody) {
        match body {
            EventBody::RunStarted { steps, .. } => self.steps.clone_from(steps),
            EventBody::StepStarted { step, .. } => {
                self.over.remove(step);
            }
            EventBody::StepSettled { step, outcome, tokens, cost_usd, .. } => {
                if *outcome != Outcome::Error {
                    self.over.insert(step.clone());
                }
                let tokens = tokens.unwrap_or_default();
                self.settled.tokens += tokens.input + tokens.output + tokens.reasoning;
                self.settled.usd += cost_usd.unwrap_or_default();
            }
            EventBody::StepSkipped { step, .. } | EventBody::StepReused { step, .. } => {
                self.over.insert(step.clone());
            }
            EventBody::GroupIteration { steps, .. } => self.over.retain(|step| !steps.contains(step)),
            EventBody::GroupFinished { steps, .. } => self.over.extend(steps.iter().cloned()),
            EventBody::GateOpened { gate } => self.gates.push((gate.id.clone(), gate.step.clone())),
            EventBody::GateResolved {
                gate, decision: DecisionKind::Skip | DecisionKind::Replace, ..
            } => {
                let step = self.gates.iter().find(|(id, _)| id == gate).map(|(_, step)| step.clone());
                self.over.extend(step.filter(|step| self.steps.contains(step)));
            }
            _ => {}
        }
    }

    /// `1/4 steps, 8610 tokens, $0.0300, then review, fix`
    fn text(&self, at_work: &[&StepId], cost: Cost) -> String {
        let mut text = format!(
            "{}/{} steps, {} tokens, ${:.4}",
            self.over.len(),
            self.steps.len(),
            cost.tokens,
            cost.usd
        );
        let next = self.steps.iter().filter(|step| !self.over.contains(*step) && !at_work.contains(step));
        let next: Vec<_> = next.map(|step| plain(step.as_str(), 40)).collect();
        if !next.is_empty() {
            text.push_str(&format!(", then {}", next.join(", ")));
        }
        text
    }
}
