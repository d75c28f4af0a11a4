//! A validated, immutable definition: what a run was started with, whole, and its digest.

mod compile;
mod difference;
mod draw;
mod setup;
mod worst;

use orch_config::{
    SkillName,
    budget::Budget,
    expression::Expression,
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::{Policy, PolicyPatch},
    profile::Handoff,
    retry::Retry,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::{
    compile::{PlanError, PlanProblem},
    worst::WorstCase,
};
use crate::{decision::DecisionKind, template};

/// A workflow, resolved against its profiles: nothing in it has to be looked up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its name, for people.
    pub name: String,
    /// The policy of the configuration and the workflow; a run may override it.
    pub policy: Policy,
    /// The caps on the run's texts.
    pub limits: PlanLimits,
    /// After how long an unanswered gate takes `gate_default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_timeout_ms: Option<u64>,
    /// What it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_default: Option<DecisionKind>,
    /// The bounds of the whole run.
    #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// The steps, in the order they were written; those of a group stand together.
    pub steps: Vec<PlanStep>,
    /// The groups, in the order of their first steps. Steps and groups share one space of ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PlanGroup>,
}

impl Plan {
    /// The SHA-256 of its canonical JSON, in hex. Equal plans have equal digests, whoever computed them.
    #[must_use]
    pub fn digest(&self) -> String {
        serde_json::to_value(self).map(digest).unwrap_or_default()
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlanStep> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// The group with this id.
    #[must_use]
    pub fn group(&self, id: &StepId) -> Option<&PlanGroup> {
        self.groups.iter().find(|group| group.id == *id)
    }

    /// Whether a step needs no other, neither itself nor through its group.
    #[must_use]
    pub fn comes_first(&self, step: &PlanStep) -> bool {
        let group = step.group.as_ref().and_then(|id| self.groups.iter().find(|group| group.id == *id));
        step.needs.is_empty() && group.is_none_or(|group| group.needs.is_empty())
    }

    /// The most that a run can do before somebody decides that something is to be done again.
    #[must_use]
    pub fn worst_case(&self) -> WorstCase {
        worst::case(self)
    }

    /// What is probably misspelt in the prompts, one sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let misses = |step: &PlanStep| {
            let remark = |miss: template::NearMiss| {
                let template::NearMiss { found, meant } = miss;
                format!("step {}: {found} stays as it is in the prompt; did you mean {meant}?", step.id)
            };
            template::near_misses(&step.prompt).into_iter().map(remark).collect::<Vec<_>>()
        };
        self.steps.iter().flat_map(misses).collect()
    }

    /// The plan as a tree of text: one line for each step and group, without the plan's name.
    #[must_use]
    pub fn tree(&self) -> String {
        draw::tree(self)
    }

    /// The order of the steps on one line: `plan → code + docs → review`. Steps joined by plus signs are worked on side
    /// by side.
    #[must_use]
    pub fn line(&self) -> String {
        draw::line(self)
    }

    /// The plan as a Mermaid flowchart.
    #[must_use]
    pub fn mermaid(&self) -> String {
        draw::mermaid(self)
    }

    /// What is different in `other`, in words; `None` when they mean the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        difference::between(self, other)
    }
}

/// The SHA-256 of a value's canonical JSON, in hex.
fn digest(value: Value) -> String {
    let hash = Sha256::digest(sorted(value).to_string().as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same value with the keys of every object in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The caps on a run's texts, in Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanLimits {
    /// Longest task.
    pub max_task_chars: u32,
    /// Longest carry.
    pub max_carry_chars: u32,
    /// How many steps may be at work at once.
    #[serde(default = "default_parallel")]
    pub max_parallel: u32,
}

/// Journals of plans without parallel steps do not say it.
fn default_parallel() -> u32 {
    orch_config::workflow::Limits::default().max_parallel
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanStep {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// The worker profile.
    pub worker: ProfileId,
    /// The digest of what the worker's profile says beside what stands here. Earlier versions did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What the worker runs as, overrides applied.
    pub kind: WorkerKind,
    /// Whether a person takes part, overrides applied.
    pub execution: ExecutionMode,
    /// What becomes the result of a foreground step.
    #[serde(default)]
    pub handoff: Handoff,
    /// The prompt's template.
    pub prompt: String,
    /// Skills that it needs, beside those of the worker's profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_skills: Vec<SkillName>,
    /// Whether its hand-off is carried to later steps.
    pub carry: bool,
    /// The steps and groups that must be over before it starts; within a group, steps of that group.
    pub needs: Vec<StepId>,
    /// The group it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<StepId>,
    /// It is left out when this is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// A JSON Schema of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its own bounds.
    #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// Its active time, at most.
    pub timeout_ms: u64,
    /// The silence after which it is remarked as idle.
    pub idle_warning_ms: u64,
    /// Automatic repetition.
    pub retry: Retry,
    /// Its own policy, over the workflow's.
    #[serde(default)]
    pub ui: PolicyPatch,
}

impl PlanStep {
    /// Whether a worker that a person has talked to is asked for something at the end. A structured answer always
    /// is: nothing in the talk has the form of one.
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.handoff != Handoff::None || self.output.is_some()
    }
}

/// Steps that are repeated together until a condition holds. Groups do not nest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanGroup {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// The steps and groups that must be over before it starts.
    pub needs: Vec<StepId>,
    /// It is left out when this is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Passes, at most.
    pub max: u32,
    /// Looked at after each whole pass: the group is done once it is true.
    pub until: Expression,
}

/// What a foreground worker is asked once the person has finished with it: the answer to the question, else a summary.
#[must_use]
pub fn handoff_prompt(title: &str, question: Option<&str>) -> String {
    let over = format!("The conversation about \"{title}\" is over.");
    match question {
        Some(question) => {
            format!("{over} Answer this question for the parent, who has seen none of it: {question}")
        }
        None => format!(
            "{over} Summarise its outcome for the parent, who has seen none of it. Use the headings Summary, \
             Actions, Artifacts, Risks and Next, and leave out those with nothing to say."
        ),
    }
}
