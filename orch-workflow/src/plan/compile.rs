//! From a configuration to a plan, with every problem found at once and no token spent.

use std::{collections::HashSet, fmt};

use orch_config::{
    Config, StepDefinition, WorkflowDefinition,
    budget::Budget,
    id::StepId,
    kind::{ExecutionMode, WorkerKind},
    profile::Handoff,
    workflow::GateDefault,
};

use super::{Plan, PlanLimits, PlanStep};
use crate::{
    decision::DecisionKind,
    template::{Placeholder, placeholders},
};

/// A workflow cannot run as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// Everything that is wrong, in the order of the definition; never empty.
    pub problems: Vec<PlanProblem>,
}

impl PlanError {
    /// The stable machine code of the first problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.problems.first().map_or("orch::plan::invalid", |problem| problem.code)
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "\n" }, problem.message)?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanProblem {
    /// A stable machine code.
    pub code: &'static str,
    /// The step it is about, if it is about one.
    pub step: Option<StepId>,
    /// In words, with the way out.
    pub message: String,
}

impl Plan {
    /// Resolves a workflow against its profiles, and checks all of it.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn compile(config: &Config, workflow: &str) -> Result<Self, PlanError> {
        let mut problems = Problems::default();
        if !config.workflows_enabled {
            problems.add("orch::plan::disabled", None, "workflows are switched off: set workflows.enabled");
        }
        let Some(definition) = config.workflow(workflow) else {
            let hint = match config.suggest_workflow(workflow) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "`orch workflows` lists them".to_owned(),
            };
            problems.add("orch::plan::unknown-workflow", None, format!("no workflow {workflow:?}: {hint}"));
            return Err(PlanError { problems: problems.found });
        };
        check_workflow(definition, &mut problems);
        let mut steps: Vec<PlanStep> = Vec::with_capacity(definition.steps.len());
        for step in &definition.steps {
            check_references(step, &definition.steps, &steps, &mut problems);
            // The written order is the order of work: each step needs the one before it.
            let needs = steps.last().map(|before| before.id.clone()).into_iter().collect();
            steps.extend(compile_step(config, step, needs, &mut problems));
        }
        let plan = Self {
            workflow: definition.id.clone(),
            name: definition.name.clone(),
            policy: definition.ui.apply(config.policy),
            limits: PlanLimits {
                max_task_chars: definition.limits.max_task_chars,
                max_carry_chars: definition.limits.max_carry_chars,
                max_parallel: definition.limits.max_parallel,
            },
            gate_timeout_ms: definition.gate_timeout_ms,
            gate_default: definition.gate_default.map(decision),
            budget: Budget::default(),
            steps,
            groups: Vec::new(),
        };
        if problems.found.is_empty() { Ok(plan) } else { Err(PlanError { problems: problems.found }) }
    }
}

#[derive(Default)]
struct Problems {
    found: Vec<PlanProblem>,
}

impl Problems {
    fn add(&mut self, code: &'static str, step: Option<&StepId>, message: impl Into<String>) {
        let message = message.into();
        let message = step.map_or_else(|| message.clone(), |step| format!("step {step}: {message}"));
        self.found.push(PlanProblem { code, step: step.cloned(), message });
    }
}

fn check_workflow(workflow: &WorkflowDefinition, problems: &mut Problems) {
    let WorkflowDefinition { id, steps, limits, .. } = workflow;
    if steps.is_empty() {
        problems.add("orch::plan::no-steps", None, format!("workflow {id} has no steps"));
    }
    if steps.len() > usize::try_from(limits.max_steps).unwrap_or(usize::MAX) {
        let message = format!(
            "workflow {id} has {} steps, {} are allowed: raise maxSteps",
            steps.len(),
            limits.max_steps
        );
        problems.add("orch::plan::too-many-steps", None, message);
    }
    if workflow.gate_timeout_ms.is_some() != workflow.gate_default.is_some() {
        let message = format!("workflow {id} needs both gateTimeoutMs and gateDefault, or neither");
        problems.add("orch::plan::gate-default", None, message);
    }
    let mut seen = HashSet::new();
    for step in steps {
        if !seen.insert(&step.id) {
            problems.add("orch::plan::duplicate-step", Some(&step.id), "there is another step with this id");
        }
    }
}

fn compile_step(
    config: &Config,
    step: &StepDefinition,
    needs: Vec<StepId>,
    problems: &mut Problems,
) -> Option<PlanStep> {
    let Some(profile) = config.profile(step.worker.as_str()) else {
        let hint = match config.suggest_profile(step.worker.as_str()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "`orch profiles` lists them".to_owned(),
        };
        let message = format!("no worker profile {:?}: {hint}", step.worker.as_str());
        problems.add("orch::plan::unknown-worker", Some(&step.id), message);
        return None;
    };
    let kind = step.kind.unwrap_or(profile.kind);
    let execution = step.execution.unwrap_or(profile.execution);
    if execution == ExecutionMode::Foreground && kind == WorkerKind::Server {
        let message = "a server worker cannot run in the foreground: nobody's view can show another server's session; \
                       use kind `subagent` or `agent`";
        problems.add("orch::plan::foreground-server", Some(&step.id), message);
    }
    if execution == ExecutionMode::Foreground && profile.handoff == Handoff::Last {
        let message = "a foreground step cannot take the session's last answer by itself: use handoff `summarize`, \
                       or answer its gate with `replace --from-session`";
        problems.add("orch::plan::handoff-last", Some(&step.id), message);
    }
    Some(PlanStep {
        id: step.id.clone(),
        title: step.title.clone(),
        worker: step.worker.clone(),
        kind,
        execution,
        handoff: profile.handoff,
        prompt: step.prompt.clone(),
        required_skills: step.required_skills.clone(),
        carry: step.carry,
        needs,
        group: None,
        when: None,
        output: None,
        budget: Budget::default(),
        timeout_ms: step.timeout_ms,
        idle_warning_ms: step.idle_warning_ms,
        retry: step.retry.clone(),
        ui: step.ui,
    })
}

fn check_references(
    step: &StepDefinition,
    all: &[StepDefinition],
    before: &[PlanStep],
    problems: &mut Problems,
) {
    for placeholder in placeholders(&step.prompt) {
        let (Placeholder::StepText { step: named } | Placeholder::StepOutput { step: named, .. }) =
            placeholder
        else {
            continue;
        };
        if before.iter().any(|step| step.id.as_str() == named) {
            continue;
        }
        let exists = all.iter().any(|step| step.id.as_str() == named);
        let ids = all.iter().map(|step| step.id.as_str());
        let (code, message) = if exists {
            let message = format!("its prompt refers to step {named:?}, which does not come before it");
            ("orch::plan::later-step", message)
        } else {
            let hint = orch_config::suggest(named, ids)
                .map_or_else(String::new, |near| format!(": did you mean {near:?}?"));
            (
                "orch::plan::unknown-step",
                format!("its prompt refers to step {named:?}, which is not there{hint}"),
            )
        };
        problems.add(code, Some(&step.id), message);
    }
}

fn decision(default: GateDefault) -> DecisionKind {
    match default {
        GateDefault::Continue => DecisionKind::Continue,
        GateDefault::Retry => DecisionKind::Retry,
        GateDefault::Skip => DecisionKind::Skip,
        GateDefault::Abort => DecisionKind::Abort,
    }
}
