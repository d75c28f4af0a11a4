//! The line below the text that moves: what is at work, since when, and its latest sign of life.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use orch::{
    Event, EventBody,
    ux::text::plain,
    workflow::{event::StepProgress, port::Progress},
};

const TICK: Duration = Duration::from_millis(120);

/// A spinner on stderr while a step is at work; nothing otherwise.
#[derive(Default)]
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    written: usize,
}

impl Live {
    pub(crate) fn event(&mut self, event: &Event) {
        match &event.body {
            EventBody::StepStarted { title, .. } => self.begin(plain(title, 40)),
            EventBody::StepProgress { progress, .. } => {
                if let Some(message) = self.sign_of_life(progress)
                    && let Some(bar) = &self.bar
                {
                    bar.set_message(message);
                }
            }
            EventBody::StepSettled { .. } | EventBody::RunPaused | EventBody::RunFinished { .. } => {
                self.clear()
            }
            _ => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Prints above the line.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn begin(&mut self, title: String) {
        self.clear();
        self.written = 0;
        let bar = ProgressBar::new_spinner().with_prefix(title).with_message("starting");
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix}  {elapsed}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        self.bar = Some(bar);
    }

    fn sign_of_life(&mut self, progress: &StepProgress) -> Option<String> {
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
