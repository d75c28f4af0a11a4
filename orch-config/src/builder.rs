//! Workflows written in Rust: the same words as in the file, and the same plan.
//!
//! ```
//! use orch_config::builder::{Group, Step, Workflow};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), orch_config::builder::BuildError> {
//! let review = Step::new("review", "reviewer", "Review the change for: {task}")
//!     .output(json!({ "type": "object", "properties": { "approved": { "type": "boolean" } }, "required": ["approved"] }));
//! let workflow = Workflow::builder("careful")
//!     .step(Step::new("implement", "coder", "{task}").carry())
//!     .group(
//!         Group::new("until-approved", 3, "steps.review.output.approved")
//!             .step(review)
//!             .step(Step::new("fix", "coder", "{steps.review.text}").when("!steps.review.output.approved")),
//!     )
//!     .build()?;
//! assert_eq!(workflow.steps().count(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! What is built is put into a configuration with [`Config::insert_workflow`](crate::Config::insert_workflow), and
//! checked there as one from a file is.

use std::fmt;

use serde_json::Value;

use crate::{
    budget::Budget,
    code,
    expression::{Expression, ExpressionError},
    id::{InvalidId, ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::PolicyPatch,
    retry::Retry,
    skill::{InvalidSkillName, SkillName},
    workflow::{GateDefault, GroupDefinition, Limits, Node, StepDefinition, WorkflowDefinition},
};

/// Where a workflow in Rust begins.
#[derive(Debug)]
pub struct Workflow;

impl Workflow {
    /// A workflow without steps.
    pub fn builder(id: impl Into<String>) -> WorkflowBuilder {
        WorkflowBuilder {
            id: id.into(),
            name: None,
            description: None,
            ui: PolicyPatch::default(),
            limits: Limits::default(),
            gate: None,
            budget: Budget::default(),
            nodes: Vec::new(),
        }
    }
}

/// A workflow to be.
#[derive(Debug, Clone)]
#[must_use]
pub struct WorkflowBuilder {
    id: String,
    name: Option<String>,
    description: Option<String>,
    ui: PolicyPatch,
    limits: Limits,
    gate: Option<(u64, GateDefault)>,
    budget: Budget,
    nodes: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Step(Box<Step>),
    Group(Box<Group>),
}

impl WorkflowBuilder {
    /// The name people see. Default: the id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the workflow does.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// When a run stops to ask.
    pub fn policy(mut self, policy: PolicyPatch) -> Self {
        self.ui = policy;
        self
    }

    /// The caps. Those that apply to all workflows are not applied on top of them.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What a gate takes when nobody has answered it for so many milliseconds.
    pub fn gate_default(mut self, timeout_ms: u64, default: GateDefault) -> Self {
        self.gate = Some((timeout_ms, default));
        self
    }

    /// What a run may spend, over all its steps.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Adds a step. It waits for what was added before it, unless it says what it needs.
    pub fn step(mut self, step: Step) -> Self {
        self.nodes.push(Part::Step(Box::new(step)));
        self
    }

    /// Adds a group. It waits for what was added before it, unless it says what it needs.
    pub fn group(mut self, group: Group) -> Self {
        self.nodes.push(Part::Group(Box::new(group)));
        self
    }

    /// The workflow, with its defaults filled in.
    ///
    /// # Errors
    /// Every id and condition that cannot be one.
    pub fn build(self) -> Result<WorkflowDefinition, BuildError> {
        let mut problems = Problems::default();
        let nodes: Vec<Option<Node>> = self
            .nodes
            .into_iter()
            .map(|part| match part {
                Part::Step(step) => step.build(&self.limits, &mut problems).map(Node::from),
                Part::Group(group) => group.build(&self.limits, &mut problems).map(Node::from),
            })
            .collect();
        let id = problems.id(&self.id, WorkflowId::new);
        let (Some(id), true) = (id, problems.0.is_empty()) else {
            return Err(BuildError { problems: problems.0 });
        };
        let mut workflow = WorkflowDefinition::new(id, nodes.into_iter().flatten());
        if let Some(name) = self.name {
            workflow.name = name;
        }
        workflow.description = self.description;
        workflow.ui = self.ui;
        workflow.limits = self.limits;
        (workflow.gate_timeout_ms, workflow.gate_default) = self.gate.unzip();
        workflow.budget = self.budget;
        Ok(workflow)
    }
}

/// A group to be: steps that are repeated together until a condition holds.
#[derive(Debug, Clone)]
#[must_use]
pub struct Group {
    id: String,
    title: Option<String>,
    max: u32,
    until: String,
    needs: Option<Vec<String>>,
    when: Option<String>,
    steps: Vec<Step>,
}

impl Group {
    /// A group without steps, which runs at most `max` times and is done once `until` holds after a pass.
    pub fn new(id: impl Into<String>, max: u32, until: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: None,
            max,
            until: until.into(),
            needs: None,
            when: None,
            steps: Vec::new(),
        }
    }

    /// The title people see. Default: the id.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What must be over before it starts; empty for nothing.
    pub fn needs<I: Into<String>>(mut self, needs: impl IntoIterator<Item = I>) -> Self {
        self.needs = Some(needs.into_iter().map(Into::into).collect());
        self
    }

    /// The whole group is skipped unless this holds.
    pub fn when(mut self, when: impl Into<String>) -> Self {
        self.when = Some(when.into());
        self
    }

    /// Adds a step. It waits for the one before it in the group, unless it says what it needs.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn build(self, limits: &Limits, problems: &mut Problems) -> Option<GroupDefinition> {
        let place = format!("the group {:?}", self.id);
        let steps: Vec<_> = self.steps.into_iter().map(|step| step.build(limits, problems)).collect();
        let id = problems.id(&self.id, StepId::new);
        let until = problems.condition(&place, "until", self.until);
        let needs = self.needs.map(|needs| problems.ids(&needs));
        let when = self.when.and_then(|when| problems.condition(&place, "when", when));
        let mut group = GroupDefinition::new(id?, self.max, until?, steps.into_iter().flatten().collect());
        if let Some(title) = self.title {
            group.title = title;
        }
        (group.needs, group.when) = (needs, when);
        Some(group)
    }
}

/// A step to be: a prompt for one worker.
#[derive(Debug, Clone)]
#[must_use]
pub struct Step {
    id: String,
    worker: String,
    title: Option<String>,
    prompt: String,
    needs: Option<Vec<String>>,
    when: Option<String>,
    output: Option<Value>,
    budget: Budget,
    carry: bool,
    timeout_ms: Option<u64>,
    idle_warning_ms: Option<u64>,
    required_skills: Vec<String>,
    ui: PolicyPatch,
    kind: Option<WorkerKind>,
    execution: Option<ExecutionMode>,
    retry: Retry,
}

impl Step {
    /// A step that sends `prompt` to the worker with the profile `worker`.
    pub fn new(id: impl Into<String>, worker: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            worker: worker.into(),
            title: None,
            prompt: prompt.into(),
            needs: None,
            when: None,
            output: None,
            budget: Budget::default(),
            carry: false,
            timeout_ms: None,
            idle_warning_ms: None,
            required_skills: Vec::new(),
            ui: PolicyPatch::default(),
            kind: None,
            execution: None,
            retry: Retry::default(),
        }
    }

    /// The title people see. Default: the id.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What must be over before it starts; empty for nothing.
    pub fn needs<I: Into<String>>(mut self, needs: impl IntoIterator<Item = I>) -> Self {
        self.needs = Some(needs.into_iter().map(Into::into).collect());
        self
    }

    /// The step is skipped unless this holds.
    pub fn when(mut self, when: impl Into<String>) -> Self {
        self.when = Some(when.into());
        self
    }

    /// A JSON Schema of its answer.
    pub fn output(mut self, schema: Value) -> Self {
        self.output = Some(schema);
        self
    }

    /// What it may spend.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Its hand-off is carried to later steps.
    pub fn carry(mut self) -> Self {
        self.carry = true;
        self
    }

    /// Active time it may take, in milliseconds; never above that of the limits.
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }

    /// The silence after which it is remarked as idle, in milliseconds.
    pub fn idle_warning_ms(mut self, idle_warning_ms: u64) -> Self {
        self.idle_warning_ms = Some(idle_warning_ms);
        self
    }

    /// Skills that must be there before it starts.
    pub fn required_skills<I: Into<String>>(mut self, skills: impl IntoIterator<Item = I>) -> Self {
        self.required_skills = skills.into_iter().map(Into::into).collect();
        self
    }

    /// When a run stops to ask because of this step.
    pub fn policy(mut self, policy: PolicyPatch) -> Self {
        self.ui = policy;
        self
    }

    /// What the worker runs as, instead of its profile's kind.
    pub fn kind(mut self, kind: WorkerKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Whether a person takes part, instead of what the profile says.
    pub fn execution(mut self, execution: ExecutionMode) -> Self {
        self.execution = Some(execution);
        self
    }

    /// Automatic repetition.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    fn build(self, limits: &Limits, problems: &mut Problems) -> Option<StepDefinition> {
        let place = format!("the step {:?}", self.id);
        let id = problems.id(&self.id, StepId::new);
        let worker = problems.id(&self.worker, ProfileId::new);
        let needs = self.needs.map(|needs| problems.ids(&needs));
        let when = self.when.and_then(|when| problems.condition(&place, "when", when));
        let skills = self.required_skills.into_iter().filter_map(|skill| problems.skill(skill)).collect();
        let mut step = StepDefinition::new(id?, worker?, self.prompt);
        if let Some(title) = self.title {
            step.title = title;
        }
        let cap = limits.per_step_timeout_ms;
        step.timeout_ms = self.timeout_ms.map_or(cap, |timeout_ms| timeout_ms.min(cap));
        step.idle_warning_ms = self.idle_warning_ms.unwrap_or(limits.idle_warning_ms);
        (step.needs, step.when, step.output, step.budget) = (needs, when, self.output, self.budget);
        (step.carry, step.required_skills, step.ui) = (self.carry, skills, self.ui);
        (step.kind, step.execution, step.retry) = (self.kind, self.execution, self.retry);
        Some(step)
    }
}

/// A workflow in Rust that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct BuildError {
    /// Everything that is wrong, in the order it was written; never empty.
    pub problems: Vec<BuildProblem>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "\n" }, problem.message)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildProblem {
    /// The stable machine code, as for a file.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

#[derive(Default)]
struct Problems(Vec<BuildProblem>);

impl Problems {
    fn id<T>(&mut self, text: &str, new: impl FnOnce(String) -> Result<T, InvalidId>) -> Option<T> {
        match new(text.to_owned()) {
            Ok(id) => Some(id),
            Err(error) => {
                self.0.push(BuildProblem { code: code::INVALID_ID, message: error.to_string() });
                None
            }
        }
    }

    fn ids(&mut self, texts: &[String]) -> Vec<StepId> {
        texts.iter().filter_map(|text| self.id(text, StepId::new)).collect()
    }

    fn skill(&mut self, text: String) -> Option<SkillName> {
        let name = SkillName::new(text);
        let problem =
            |error: &InvalidSkillName| BuildProblem { code: code::INVALID_ID, message: error.to_string() };
        self.0.extend(name.as_ref().err().map(problem));
        name.ok()
    }

    fn condition(&mut self, place: &str, key: &str, text: String) -> Option<Expression> {
        match Expression::parse(text) {
            Ok(expression) => Some(expression),
            Err(ExpressionError { code, message, .. }) => {
                self.0.push(BuildProblem { code, message: format!("`{key}` of {place}: {message}") });
                None
            }
        }
    }
}
