//! From a configuration to a plan, with every problem found at once and no token spent.

use std::fmt;

use orch_config::{
    Config, Diagnostic, GroupDefinition, Node, Severity, StepDefinition, WorkflowDefinition, id::StepId,
    kind::ExecutionMode, profile::Handoff, workflow::GateDefault,
};

use super::{Plan, PlanGroup, PlanLimits, PlanStep, setup};
use crate::decision::DecisionKind;

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
    /// A stable machine code: one of `orch_config::code`, or `orch::plan::…` for what only running needs.
    pub code: &'static str,
    /// Where in the configuration, as a JSON path.
    pub path: Option<String>,
    /// In words, with the way out.
    pub message: String,
}

impl Plan {
    /// Resolves a workflow against its profiles, and checks all of it.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn compile(config: &Config, workflow: &str) -> Result<Self, PlanError> {
        let Some(definition) = config.workflow(workflow) else {
            let hint = match config.suggest_workflow(workflow) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "`orch workflows` lists them".to_owned(),
            };
            let message = format!("no workflow {workflow:?}: {hint}");
            return Err(PlanError { problems: vec![problem("orch::plan::unknown-workflow", message)] });
        };
        Self::of_definition(config, definition)
    }

    /// Resolves a workflow that need not be among those of the configuration.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn of_definition(config: &Config, definition: &WorkflowDefinition) -> Result<Self, PlanError> {
        let problems = problems(config, definition);
        if !problems.is_empty() {
            return Err(PlanError { problems });
        }
        let mut plan = Self {
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
            budget: definition.budget,
            steps: Vec::new(),
            groups: Vec::new(),
        };
        let mut before: Option<&StepId> = None;
        for node in &definition.nodes {
            let needs = needs(node.needs(), before);
            match node {
                Node::Step(step) => plan.steps.extend(plan_step(config, step, needs, None)),
                Node::Group(group) => plan.add_group(config, group, needs),
                _ => {}
            }
            before = Some(node.id());
        }
        Ok(plan)
    }

    fn add_group(&mut self, config: &Config, group: &GroupDefinition, needs_before: Vec<StepId>) {
        self.groups.push(PlanGroup {
            id: group.id.clone(),
            title: group.title.clone(),
            needs: needs_before,
            when: group.when.clone(),
            max: group.max,
            until: group.until.clone(),
        });
        let mut before = None;
        for step in &group.steps {
            let needs = needs(step.needs.as_deref(), before);
            self.steps.extend(plan_step(config, step, needs, Some(&group.id)));
            before = Some(&step.id);
        }
    }
}

/// What a node waits for: what is written, else the node before it.
fn needs(written: Option<&[StepId]>, before: Option<&StepId>) -> Vec<StepId> {
    let Some(written) = written else { return before.cloned().into_iter().collect() };
    let mut needs: Vec<StepId> = Vec::with_capacity(written.len());
    for need in written {
        if !needs.contains(need) {
            needs.push(need.clone());
        }
    }
    needs
}

/// What the configuration's own checks find, and what matters only to somebody who wants to run it.
fn problems(config: &Config, definition: &WorkflowDefinition) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    if !config.workflows_enabled {
        let message = "workflows are switched off: set workflows.enabled";
        problems.push(problem("orch::plan::disabled", message));
    }
    let found = config.check_workflow(definition);
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    problems.extend(errors.map(PlanProblem::from));
    if definition.gate_timeout_ms.is_some() != definition.gate_default.is_some() {
        let message =
            format!("workflow {} needs both gateTimeoutMs and gateDefault, or neither", definition.id);
        problems.push(problem("orch::plan::gate-default", message));
    }
    for step in definition.steps() {
        let Some(profile) = config.profile(step.worker.as_str()) else { continue };
        let execution = step.execution.unwrap_or(profile.execution);
        if execution == ExecutionMode::Foreground && profile.handoff == Handoff::Last {
            let message = format!(
                "step {}: a foreground step cannot take the session's last answer by itself: use handoff \
                 `summarize`, or answer its gate with `replace --from-session`",
                step.id
            );
            problems.push(problem("orch::plan::handoff-last", message));
        }
    }
    problems
}

fn problem(code: &'static str, message: impl Into<String>) -> PlanProblem {
    PlanProblem { code, path: None, message: message.into() }
}

impl From<&Diagnostic> for PlanProblem {
    fn from(diagnostic: &Diagnostic) -> Self {
        let place = diagnostic.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        let help = diagnostic.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
        Self {
            code: diagnostic.code,
            path: diagnostic.path.clone(),
            message: format!("{place}{}{help}", diagnostic.message),
        }
    }
}

/// A step with its profile's settings. None without the profile, which the check has reported.
fn plan_step(
    config: &Config,
    step: &StepDefinition,
    needs: Vec<StepId>,
    group: Option<&StepId>,
) -> Option<PlanStep> {
    let profile = config.profile(step.worker.as_str())?;
    Some(PlanStep {
        id: step.id.clone(),
        title: step.title.clone(),
        worker: step.worker.clone(),
        profile: Some(setup::of(profile)),
        kind: step.kind.unwrap_or(profile.kind),
        execution: step.execution.unwrap_or(profile.execution),
        handoff: profile.handoff,
        prompt: step.prompt.clone(),
        required_skills: step.required_skills.clone(),
        carry: step.carry,
        needs,
        group: group.cloned(),
        when: step.when.clone(),
        output: step.output.clone(),
        budget: step.budget,
        timeout_ms: step.timeout_ms,
        idle_warning_ms: step.idle_warning_ms,
        retry: step.retry.clone(),
        ui: step.ui,
    })
}

fn decision(default: GateDefault) -> DecisionKind {
    match default {
        GateDefault::Continue => DecisionKind::Continue,
        GateDefault::Retry => DecisionKind::Retry,
        GateDefault::Skip => DecisionKind::Skip,
        GateDefault::Abort => DecisionKind::Abort,
    }
}
