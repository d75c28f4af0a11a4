//! The profiles and workflows that are always there. Their texts live in `prompts/`.

use serde_json::{Value, json};

use crate::{
    expression::Expression,
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    model::table::Table,
    profile::Profile,
    resolve::from_tools,
    workflow::{GroupDefinition, Node, StepDefinition, WorkflowDefinition},
};

macro_rules! prompt {
    ($name:literal) => {
        include_str!(concat!("../prompts/", $name, ".md"))
    };
}

/// A step's prompt: its own text, then the form of the hand-off.
macro_rules! step_prompt {
    ($name:literal) => {
        concat!(
            include_str!(concat!("../prompts/", $name, ".md")),
            include_str!("../prompts/snippets/handoff.md")
        )
    };
}

/// The prompt of the agent that delegates.
pub(crate) const ORCHESTRATOR: &str = prompt!("agents/orchestrator");

/// Prompt files and snippets that ship with the library, by the name that looks them up.
const PROMPT_FILES: &[(&str, &str)] = &[
    ("snippets/handoff.md", prompt!("snippets/handoff")),
    ("snippets/vision-protocol.md", prompt!("snippets/vision-protocol")),
    ("snippets/worker-output-contract.md", prompt!("snippets/worker-output-contract")),
    ("workers/architect.md", prompt!("workers/architect")),
    ("workers/coder.md", prompt!("workers/coder")),
    ("workers/docs.md", prompt!("workers/docs")),
    ("workers/explorer.md", prompt!("workers/explorer")),
    ("workers/memory.md", prompt!("workers/memory")),
    ("workers/reviewer.md", prompt!("workers/reviewer")),
    ("workers/vision.md", prompt!("workers/vision")),
];

/// The file that holds a built-in profile's prompt.
pub(crate) fn prompt_file(id: &str) -> String {
    format!("workers/{id}.md")
}

/// A prompt that ships with the library.
pub(crate) fn prompt_text(name: &str) -> Option<&'static str> {
    PROMPT_FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The tools that a built-in profile is refused.
pub(crate) fn tools(id: &str) -> Table<bool> {
    let refused: &[&str] = match id {
        "docs" | "architect" | "explorer" | "reviewer" => &["write", "edit"],
        _ => &[],
    };
    Table(refused.iter().map(|tool| ((*tool).to_owned(), false)).collect())
}

/// A built-in by its id, made only when it is asked for: most of what a large file names is not built in.
type Listed<T> = (&'static str, fn() -> T);

/// In the order they are listed.
const PROFILES: &[Listed<Profile>] = &[
    ("vision", vision),
    ("docs", docs),
    ("coder", coder),
    ("architect", architect),
    ("explorer", explorer),
    ("memory", memory),
    ("reviewer", reviewer),
];

/// In the order they are listed.
const WORKFLOWS: &[Listed<WorkflowDefinition>] =
    &[("build", build), (ROOCODE_BOOMERANG, roocode_boomerang), ("docs", docs_workflow)];

/// The id of the predecessor's own workflow, which `workflows.roocodeBoomerang` configures.
pub(crate) const ROOCODE_BOOMERANG: &str = "roocode-boomerang";

/// The built-in profiles, in the order they are listed.
pub(crate) fn profiles() -> impl Iterator<Item = Profile> {
    PROFILES.iter().map(|(_, make)| make())
}

/// The built-in workflows, in the order they are listed.
pub(crate) fn workflows() -> impl Iterator<Item = WorkflowDefinition> {
    WORKFLOWS.iter().map(|(_, make)| make())
}

/// The built-in workflow with this id.
pub(crate) fn workflow(id: &str) -> Option<WorkflowDefinition> {
    made(WORKFLOWS, id)
}

fn made<T>(listed: &[Listed<T>], id: &str) -> Option<T> {
    listed.iter().find(|(known, _)| *known == id).map(|(_, make)| make())
}

fn vision() -> Profile {
    Profile {
        model: Some("node:vision".to_owned()),
        supports_vision: true,
        ..worker(
            "vision",
            "Vision Analyst",
            "Analyze images, screenshots, diagrams, and visual content",
            "When you need to understand visual content like screenshots, architecture diagrams, UI mockups, error \
             screenshots, or any image-based information",
            prompt!("workers/vision"),
        )
    }
}

fn docs() -> Profile {
    Profile {
        model: Some("node:docs".to_owned()),
        supports_web: true,
        inject_repo_context: true,
        ..worker(
            "docs",
            "Documentation Librarian",
            "Research documentation, find examples, explain APIs and libraries",
            "When you need to look up official documentation, find code examples, understand library APIs, or \
             research best practices",
            prompt!("workers/docs"),
        )
    }
}

fn coder() -> Profile {
    worker(
        "coder",
        "Code Implementer",
        "Write, edit, and refactor code with full tool access",
        "When you need to actually write or modify code, create files, run commands, or implement features",
        prompt!("workers/coder"),
    )
}

fn architect() -> Profile {
    worker(
        "architect",
        "System Architect",
        "Design changes and systems, weigh alternatives, write plans that others carry out",
        "When a change needs a plan, a design decision or a second look at its structure before anybody writes code",
        prompt!("workers/architect"),
    )
}

fn explorer() -> Profile {
    Profile {
        model: Some("node:fast".to_owned()),
        temperature: Some(0.1),
        ..worker(
            "explorer",
            "Code Explorer",
            "Quickly search and navigate the codebase",
            "When you need to quickly find files, search for patterns, or locate specific code without deep analysis",
            prompt!("workers/explorer"),
        )
    }
}

fn memory() -> Profile {
    worker(
        "memory",
        "Memory Curator",
        "Keep the decisions, constraints and conventions of a project that will still matter later",
        "When something was decided or learned that later work must know",
        prompt!("workers/memory"),
    )
}

fn reviewer() -> Profile {
    Profile {
        kind: WorkerKind::Subagent,
        ..worker(
            "reviewer",
            "Code Reviewer",
            "Judge a change against its task: correctness, completeness, safety, tests",
            "When a change is done and somebody else should look at it before it is used",
            prompt!("workers/reviewer"),
        )
    }
}

fn build() -> WorkflowDefinition {
    let approved = "steps.review.output.verdict == 'approved'";
    let review = StepDefinition {
        output: Some(verdict()),
        ..subagent("review", "Review", "reviewer", step_prompt!("build/review"))
    };
    let fix = StepDefinition {
        when: Some(Expression::literal("steps.review.output.verdict != 'approved'")),
        ..carrying(subagent("fix", "Fix", "coder", step_prompt!("build/fix")))
    };
    let until_approved = GroupDefinition::new(
        StepId::literal("until-approved"),
        3,
        Expression::literal(approved),
        vec![review, fix],
    );
    WorkflowDefinition {
        name: "Build".to_owned(),
        description: Some(
            "Plan a change, implement it, then review it and fix what the review found until it is approved"
                .to_owned(),
        ),
        ..listed(
            "build",
            [
                Node::from(carrying(subagent("plan", "Plan", "architect", step_prompt!("build/plan")))),
                carrying(subagent("implement", "Implement", "coder", step_prompt!("build/implement"))).into(),
                GroupDefinition { title: "Until approved".to_owned(), ..until_approved }.into(),
            ],
        )
    }
}

/// What a review comes to.
fn verdict() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": {
            "verdict": {
                "enum": ["approved", "rejected"],
                "description": "approved: it can be used as it is; rejected: a blocker or major finding has to be fixed first"
            },
            "findings": {
                "type": "array",
                "description": "what is to be fixed, worst first; empty if there is nothing",
                "items": {
                    "type": "object",
                    "properties": {
                        "severity": { "enum": ["blocker", "major", "minor"] },
                        "place": text("path:line"),
                        "problem": text("what goes wrong, and when"),
                        "fix": text("the smallest fix")
                    },
                    "required": ["severity", "place", "problem", "fix"],
                    "additionalProperties": false
                }
            }
        },
        "required": ["verdict", "findings"],
        "additionalProperties": false
    })
}

fn roocode_boomerang() -> WorkflowDefinition {
    WorkflowDefinition {
        name: "RooCode Boomerang".to_owned(),
        description: Some("Plan, implement, review and fix, each on its own server".to_owned()),
        ..listed(
            ROOCODE_BOOMERANG,
            [
                carrying(step("plan", "Plan", "architect", step_prompt!("roocode-boomerang/plan"))),
                carrying(step(
                    "implement",
                    "Implement",
                    "coder",
                    step_prompt!("roocode-boomerang/implement"),
                )),
                carrying(step("review", "Review", "architect", step_prompt!("roocode-boomerang/review"))),
                carrying(step("fix", "Fix", "coder", step_prompt!("roocode-boomerang/fix"))),
            ],
        )
    }
}

fn docs_workflow() -> WorkflowDefinition {
    let docs = StepDefinition {
        execution: Some(ExecutionMode::Foreground),
        ..subagent("docs", "Docs", "docs", prompt!("docs/docs"))
    };
    WorkflowDefinition {
        name: "Docs".to_owned(),
        description: Some(
            "Build up documentation knowledge in a session of its own, then hand it over".to_owned(),
        ),
        ..listed("docs", [docs])
    }
}

fn worker(id: &'static str, name: &str, purpose: &str, when_to_use: &str, prompt: &str) -> Profile {
    Profile {
        name: name.to_owned(),
        purpose: purpose.to_owned(),
        when_to_use: when_to_use.to_owned(),
        model: Some("node".to_owned()),
        system_prompt: Some(prompt.to_owned()),
        permission: from_tools(tools(id)),
        ..Profile::new(ProfileId::literal(id))
    }
}

fn listed(id: &'static str, nodes: impl IntoIterator<Item = impl Into<Node>>) -> WorkflowDefinition {
    WorkflowDefinition::new(WorkflowId::literal(id), nodes)
}

fn step(id: &'static str, title: &str, worker: &'static str, prompt: &str) -> StepDefinition {
    StepDefinition {
        title: title.to_owned(),
        ..StepDefinition::new(StepId::literal(id), ProfileId::literal(worker), prompt)
    }
}

fn subagent(id: &'static str, title: &str, worker: &'static str, prompt: &str) -> StepDefinition {
    StepDefinition { kind: Some(WorkerKind::Subagent), ..step(id, title, worker, prompt) }
}

fn carrying(step: StepDefinition) -> StepDefinition {
    StepDefinition { carry: true, ..step }
}
