//! The results of all steps of a run: what `orch results` shows.

use orch_config::id::StepId;
use orch_workflow::{
    attempt::{Outcome, RunId},
    record::RunStatus,
    view::{RunView, StepView},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    step_lines,
    summary::{answer, standing},
};
use crate::{command, page::Page, step_line::StepLine, text::plain};

const TASK_CHARS: usize = 200;

/// The results of a run, in the order of its plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Results {
    /// The run.
    pub run: RunId,
    /// The workflow.
    pub workflow: String,
    /// The task.
    pub task: String,
    /// Where the run stands.
    pub status: RunStatus,
    /// One for each step, those without a result included.
    pub results: Vec<StepResult>,
    #[serde(skip)]
    standing: String,
}

/// What a step has given.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct StepResult {
    /// The step.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// How its latest attempt ended.
    pub outcome: Option<Outcome>,
    /// Its answer, whole and untouched; `None` where there is none.
    pub text: Option<String>,
    /// Its structured answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The worker's session.
    pub session: Option<String>,
    /// Where it stands, in the words of every other view.
    pub standing: StepLine,
}

/// The results of a run as it stands.
#[must_use]
pub fn results(run: &RunView) -> Results {
    let result = |(step, standing): (&StepView, StepLine)| StepResult {
        step: step.id.clone(),
        title: step.title.clone(),
        outcome: step.outcome,
        text: answer(step).map(str::to_owned),
        output: step.output.clone(),
        session: step.session.clone(),
        standing,
    };
    Results {
        run: run.id.clone(),
        workflow: run.workflow.to_string(),
        task: run.task.clone(),
        status: run.status,
        results: run.steps.iter().zip(step_lines(run)).map(result).collect(),
        standing: standing(run),
    }
}

impl Results {
    /// The same for people: each answer under a heading of its own.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        page.heading(1, &format!("{} of {}, {}", self.run, self.workflow, self.standing));
        page.line(&plain(&self.task, TASK_CHARS));
        for result in &self.results {
            page.heading(1, &result.standing.name());
            page.line(&result.standing.facts().join(", "));
            page.body(result.text.as_deref().unwrap_or_default());
            if let Some(output) = &result.output {
                page.facts([("output", output.to_string())]);
            }
        }
        if self.results.iter().all(|result| result.text.is_none()) {
            page.line(&format!(
                "No step has a result yet; see how the run stands: {}",
                command::SHOW.on(&self.run)
            ));
        }
        page
    }
}
