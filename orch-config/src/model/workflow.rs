//! Workflows as the file has them.

use serde_json::json;

use super::{
    layer::{Word, layer},
    list::ById,
    marker::{Ignored, Misplaced, Retired},
    node::{Condition, JsonSchemaObject, Node},
    number::{Count, Dollars, Millis, Passes, Real, Tokens},
};
use crate::{
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::{Execution, Intervene},
    retry::RetryClass,
    skill::SkillName,
    workflow::GateDefault,
};

layer! {
    /// Everything about workflows.
    #[derive(Default)]
    struct Workflows {
        /// Whether workflows may run at all.
        enabled: bool = true,
        /// The policy of every run, unless the workflow, the step or the run says otherwise.
        ui: PolicyPart,
        /// Workflows of your own, and changes to built-in ones. Those of several files are merged by id.
        definitions: ById<Definition> = [],
        /// Caps on every workflow; they can only lower those of `security.workflows`.
        limits: LimitsPart,
        /// After how long an unanswered gate takes `gateDefault`, in milliseconds. Default: never.
        #[schemars(example = 3_600_000)]
        gate_timeout_ms: Millis,
        /// What an unanswered gate takes after `gateTimeoutMs`.
        gate_default: Word<GateDefault>,
        /// The built-in workflow `roocode-boomerang`: plan, implement, review, fix.
        roocode_boomerang: Boomerang,
        /// Not supported by this version: workflows are started by people and programs only.
        triggers: Ignored<Triggers>,
        /// Set `model` of the profiles `architect` and `coder`.
        boomerang: Retired,
        /// What a run may spend. A workflow can only lower it.
        budget: BudgetPart,
    }
}

layer! {
    /// When a run stops to ask.
    #[derive(Default)]
    #[schemars(rename = "Policy")]
    struct PolicyPart {
        /// `step`: stop after every step; `auto`: go on by itself.
        execution: Word<Execution> = "auto",
        /// When a person is asked: `never`, `on-warning` (a warning or an error), `on-error`, `always`.
        intervene: Word<Intervene> = "on-error",
    }
}

layer! {
    /// Caps. Each one can only lower the cap above it.
    #[derive(Default)]
    #[schemars(rename = "Limits")]
    struct LimitsPart {
        /// Steps of a workflow.
        max_steps: Count = 1_000,
        /// Characters of the task.
        max_task_chars: Count = 12_000,
        /// Characters of the carry.
        max_carry_chars: Count = 24_000,
        /// Active time of a step, in milliseconds.
        per_step_timeout_ms: Millis = 1_800_000,
        /// The silence after which a step is remarked as idle, in milliseconds.
        idle_warning_ms: Millis = 300_000,
        /// Steps that may be at work at once.
        max_parallel: Count = 4,
    }
}

layer! {
    /// A workflow, or changes to the built-in one with this id.
    #[schemars(rename = "Workflow")]
    struct Definition {
        [required] {
            /// The workflow's id.
            id: WorkflowId,
        }
        /// The name people see. Default: the id.
        #[schemars(example = &"Release notes")]
        name: String,
        /// What the workflow does.
        #[schemars(example = &"Collect what changed, then write it down")]
        description: String,
        /// The policy of this workflow.
        ui: PolicyPart,
        /// Caps on this workflow.
        limits: LimitsPart,
        /// After how long an unanswered gate takes `gateDefault`, in milliseconds. Default: that of `workflows`.
        #[schemars(example = 3_600_000)]
        gate_timeout_ms: Millis,
        /// What an unanswered gate takes after `gateTimeoutMs`.
        gate_default: Word<GateDefault>,
        /// The steps and groups of steps. Each one waits for the one before it unless it says `needs`. Required unless
        /// the workflow is built in; they replace its steps.
        #[schemars(example = json!([{ "id": "write", "workerId": "coder", "prompt": "Write release notes: {task}" }]))]
        steps: Vec<Node>,
        /// What a run of this workflow may spend, over all its steps.
        budget: BudgetPart,
    }
}

layer! {
    /// One step: a prompt for one worker.
    struct Step {
        [required] {
            /// The step's id, unique within the workflow.
            id: StepId,
            /// The profile of the worker.
            worker_id: ProfileId,
            /// The prompt. `{task}`, `{carry}`, `{steps.<id>.text}` and `{steps.<id>.output.<path>}` are replaced;
            /// `\{task}` is the literal text.
            prompt: String,
        }
        /// The title people see. Default: the id.
        #[schemars(example = &"Write the notes")]
        title: String,
        /// The steps and groups that must be over before this step starts; `[]` for none. Within a group: steps of
        /// the group. Steps that do not need each other are at work at once. Default: the one written before it.
        #[schemars(extend("examples" = [["plan"], []]))]
        needs: Vec<StepId>,
        /// The step is skipped unless this holds: CEL over `task`, `iteration` and `steps.<id>.status`, `.warnings`,
        /// `.output`, `.text_chars`, `.attempts`.
        #[schemars(extend("examples" = ["steps.review.output.verdict != 'approved'", "'retried' in steps[\"first-try\"].warnings"]))]
        when: Condition,
        /// A JSON Schema of the step's answer. The worker is told to answer with matching JSON, the answer is checked,
        /// and conditions and prompts can refer to it. References stay within the schema.
        #[schemars(extend("examples" = [{ "type": "object", "properties": { "verdict": { "enum": ["approved", "changes-requested"] } }, "required": ["verdict"] }]))]
        output: JsonSchemaObject,
        /// What this step may spend, over all its attempts and repetitions.
        budget: BudgetPart,
        /// Whether this step's hand-off is carried to later steps.
        carry: bool = false,
        /// Active time, in milliseconds. Default and upper bound: the limit `perStepTimeoutMs`.
        #[schemars(example = 600_000)]
        timeout_ms: Millis,
        /// The silence after which the step is remarked as idle, in milliseconds.
        idle_warning_ms: Millis = 300_000,
        /// Skills that the step's worker needs, beside those of its profile. Looked up before a run begins.
        required_skills: Vec<SkillName> = [],
        /// The policy of this step.
        ui: PolicyPart,
        /// What the worker runs as in this step, instead of the profile's `kind`.
        kind: Word<WorkerKind>,
        /// Whether a person takes part in this step, instead of the profile's `execution`.
        execution: Word<ExecutionMode>,
        /// Automatic repetition after a failure.
        retry: RetryPart,
        /// Set `model` of the step's profile.
        model: Retired,
        /// Only a group is repeated: put the step into the `steps` of one. Groups do not nest.
        repeat: Misplaced,
        /// Only a group has steps, and groups do not nest: a group is `{ "id", "repeat", "steps" }` in the list of the workflow.
        steps: Misplaced,
    }
}

layer! {
    /// Steps that are repeated together until a condition holds. Groups do not nest.
    struct Group {
        [required] {
            /// The group's id. Groups and steps share one space of ids.
            id: StepId,
            /// How often the steps are repeated.
            repeat: RepeatPart,
            /// The steps. Each one waits for the one before it in the group unless it says `needs`.
            steps: Vec<Step>,
        }
        /// The title people see. Default: the id.
        #[schemars(example = &"Review until it is right")]
        title: String,
        /// The steps and groups that must be over before this group starts; `[]` for none. Default: the one written
        /// before it.
        #[schemars(example = json!(["implement"]))]
        needs: Vec<StepId>,
        /// The whole group is skipped unless this holds: see `when` of a step.
        #[schemars(example = &"steps.plan.status == 'done'")]
        when: Condition,
    }
}

layer! {
    /// A loop around the steps of a group.
    #[schemars(rename = "Repeat")]
    struct RepeatPart {
        [required] {
            /// How often the steps run, at most. When the last pass has not made `until` true, a person is asked.
            max: Passes,
            /// Looked at after each pass over all the steps: the group is done once this holds. CEL, as in `when`.
            #[schemars(extend("examples" = ["steps.review.output.verdict == 'approved'", "iteration >= 2"]))]
            until: Condition,
        }
    }
}

layer! {
    /// Bounds of what may be spent. At 80 % a warning is raised; at the bound the work is stopped and a person is asked.
    #[derive(Default)]
    #[schemars(rename = "Budget")]
    struct BudgetPart {
        /// Tokens of all kinds, child sessions included. Default: no bound.
        #[schemars(example = 2_000_000)]
        max_tokens: Tokens,
        /// US dollars, as the host reports them. Default: no bound.
        #[schemars(extend("examples" = [2.5]))]
        max_cost_usd: Dollars,
        /// Time at work, in milliseconds; waiting for people and for rate limits does not count. Default: no bound.
        #[schemars(example = 7_200_000)]
        max_active_ms: Millis,
    }
}

layer! {
    /// Automatic repetition after a failure that may pass.
    #[derive(Default)]
    #[schemars(rename = "Retry")]
    struct RetryPart {
        /// Attempts in all; 1 means no repetition.
        max_attempts: Count = 1,
        /// The wait before the second attempt, in milliseconds.
        backoff_ms: Millis = 1_000,
        /// Each further wait is this many times the one before.
        factor: Real<1, 100> = 2,
        /// The longest wait, in milliseconds.
        max_backoff_ms: Millis = 60_000,
        /// Which failures are repeated.
        on: Vec<Word<RetryClass>> = ["transient", "rate_limited"],
    }
}

layer! {
    /// The built-in workflow `roocode-boomerang`.
    #[derive(Default)]
    struct Boomerang {
        /// Whether the workflow is there.
        enabled: bool = true,
        /// Replaces the steps. What a step leaves out comes from the built-in step with its id.
        #[schemars(example = json!([{ "id": "plan", "title": "Think" }, { "id": "implement" }]))]
        steps: Vec<BoomerangStep>,
        /// Steps of the workflow.
        max_steps: Count = 1_000,
        /// Characters of the task.
        max_task_chars: Count = 12_000,
        /// Characters of the carry.
        max_carry_chars: Count = 24_000,
        /// Active time of a step, in milliseconds.
        per_step_timeout_ms: Millis = 1_800_000,
    }
}

layer! {
    /// A step of `roocode-boomerang`.
    struct BoomerangStep {
        [required] {
            /// The step's id; `plan`, `implement`, `review` and `fix` are built in.
            id: StepId,
        }
        /// The title people see. Default: the built-in step's, else the id.
        #[schemars(example = &"Plan")]
        title: String,
        /// The profile of the worker. Default: the built-in step's, else `coder`.
        #[schemars(example = &"architect")]
        worker_id: ProfileId,
        /// The prompt. Default: the built-in step's, else the task.
        #[schemars(example = &"Plan: {task}")]
        prompt: String,
        /// Whether this step's hand-off is carried to later steps.
        carry: bool = true,
        /// Active time, in milliseconds. Default and upper bound: the limit `perStepTimeoutMs`.
        #[schemars(example = 600_000)]
        timeout_ms: Millis,
        /// Skills that the step's worker needs, beside those of its profile. Looked up before a run begins.
        required_skills: Vec<SkillName> = [],
        /// Set `model` of the step's profile.
        model: Retired,
    }
}

layer! {
    /// Workflows that started by themselves.
    #[derive(Default)]
    struct Triggers {
        /// When an image is attached.
        vision_on_image: VisionTrigger,
        /// When a turn ends.
        memory_on_turn_end: MemoryTrigger,
    }
}

layer! {
    /// A trigger.
    #[derive(Default)]
    struct VisionTrigger {
        /// Whether it is armed.
        enabled: bool = true,
        /// The workflow it starts.
        workflow_id: String = "vision",
        /// Whether it may start a worker.
        auto_spawn: bool = true,
        /// Whether the turn waits for it.
        blocking: bool = false,
    }
}

layer! {
    /// A trigger.
    #[derive(Default)]
    struct MemoryTrigger {
        /// Whether it is armed.
        enabled: bool = true,
        /// The workflow it starts.
        workflow_id: String = "memory",
        /// Whether it may start a worker.
        auto_spawn: bool = true,
        /// Whether the turn waits for it.
        blocking: bool = false,
    }
}
