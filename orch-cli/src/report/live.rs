//! The line below the text that moves: what is at work, since when, and the latest sign of life.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use orch::{
    Event, EventBody,
    config::id::StepId,
    ux::text::plain,
    workflow::{event::StepProgress, port::Progress},
};

use super::lines::titled;

const TICK: Duration = Duration::from_millis(120);
/// The longest list of what is at work.
const PREFIX_CHARS: usize = 60;

/// A spinner on stderr while anything is at work; nothing otherwise.
#[derive(Default)]
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    at_work: Vec<AtWork>,
}

/// One step at work.
struct AtWork {
    step: StepId,
    title: String,
    since: Instant,
    written: usize,
}

impl Live {
    pub(crate) fn event(&mut self, event: &Event) {
        match &event.body {
            EventBody::StepStarted { step, title, dispatch, .. } => {
                self.end(step);
                let title = titled(title, dispatch);
                self.at_work.push(AtWork { step: step.clone(), title, since: Instant::now(), written: 0 });
                self.show("starting");
            }
            EventBody::StepProgress { step, progress: StepProgress::Answered { .. }, .. }
            | EventBody::StepProgress { step, progress: StepProgress::InDoubt { .. }, .. }
            | EventBody::StepSettled { step, .. } => {
                self.end(step);
                self.show("");
            }
            EventBody::StepProgress { step, progress, .. } => {
                if let Some(message) = self.sign_of_life(step, progress)
                    && let Some(bar) = &self.bar
                {
                    bar.set_message(message);
                }
            }
            EventBody::RunPaused | EventBody::RunFinished { .. } => self.clear(),
            _ => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        self.at_work.clear();
        self.take_bar();
    }

    /// Prints above the line.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn end(&mut self, step: &StepId) {
        self.at_work.retain(|at_work| at_work.step != *step);
    }

    /// One line for all that is at work; its clock is that of the step that is at it longest.
    fn show(&mut self, message: &'static str) {
        self.take_bar();
        let Some(oldest) = self.at_work.first() else { return };
        let elapsed = oldest.since.elapsed();
        let titles: Vec<_> = self.at_work.iter().map(|at_work| at_work.title.as_str()).collect();
        let prefix = plain(&titles.join(", "), PREFIX_CHARS);
        let bar = ProgressBar::new_spinner().with_prefix(prefix).with_message(message).with_elapsed(elapsed);
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix}  {elapsed}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        self.bar = Some(bar);
    }

    fn take_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// What a step last did, with its title where it is not alone.
    fn sign_of_life(&mut self, step: &StepId, progress: &StepProgress) -> Option<String> {
        let alone = self.at_work.len() == 1;
        let at_work = self.at_work.iter_mut().find(|at_work| at_work.step == *step)?;
        let message = at_work.message(progress)?;
        Some(if alone { message } else { format!("{}: {message}", at_work.title) })
    }
}

impl AtWork {
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
