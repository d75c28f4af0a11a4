//! What runs while it is being killed: workflows, a model that answers by the book, people who decide.

use std::time::Duration;

use orch::opencode::simulator::{Answer, Hold, Script, ToolCall, Usage, When};
use serde_json::{Value, json};

use crate::world::warning;

pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) begins: Begins,
    pub(crate) intervene: &'static str,
    steps: fn() -> Value,
    script: fn(Script, &Telling) -> Script,
    /// What another process does meanwhile, and when.
    pub(crate) meddling: Option<(Cue, &'static [&'static str])>,
    /// How a gate is answered.
    pub(crate) decision: &'static [&'static str],
    pub(crate) ends: &'static str,
    prompts: &'static [&'static str],
    pub(crate) likeness: Likeness,
}

/// What has happened when a story begins to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Nothing.
    Afresh,
    /// A run has ended, from a step of which another one is forked.
    Forked(&'static str),
    /// The first process has died here, with the model at work, and the host has forgotten the session.
    Forgotten(&'static str),
}

/// What another process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cue {
    /// The model is held.
    Held,
    /// The worker asks something. Then `orch run` has a terminal: without one nobody is asked.
    Asked,
}

/// In what all tellings of a story are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same steps, the same results, in as many attempts.
    Everything,
    /// How it ends. How far each step came depends on which of two was faster.
    TheEnd,
}

/// One telling of a story: a task of its own, by which it is known in the model's log.
pub(crate) struct Telling {
    pub(crate) story: &'static Story,
    pub(crate) task: String,
    pub(crate) hold: Hold,
}

impl Story {
    /// Whether these are the prompts of the undisturbed story, in the order of the alphabet. What follows an ellipsis
    /// is the library's own.
    pub(crate) fn has_asked(&self, prompts: &[String]) -> bool {
        let fits = |(prompt, expected): (&String, &&str)| match expected.strip_suffix('…') {
            Some(beginning) => prompt.starts_with(beginning),
            None => prompt == expected,
        };
        prompts.len() == self.prompts.len() && prompts.iter().zip(self.prompts).all(fits)
    }
}

impl Telling {
    pub(crate) fn new(story: &'static Story, number: usize) -> Self {
        Self { story, task: format!("<{} {number}>", story.name), hold: Hold::new() }
    }

    fn step(&self, name: &str) -> When {
        When::prompt(format!("{name} {}", self.task))
    }
}

/// The configuration with all stories.
pub(crate) fn config() -> Value {
    let workflows: Vec<_> =
        STORIES.iter().map(|story| json!({ "id": story.name, "steps": (story.steps)() })).collect();
    json!({
        "profiles": [
            { "id": "w", "kind": "agent" },
            { "id": "v", "kind": "agent" },
            { "id": "careful", "kind": "agent", "agent": "careful" },
            { "id": "talker", "kind": "agent", "execution": "foreground" },
        ],
        "workflows": { "definitions": workflows },
    })
}

/// What a person configures, because a project that is not trusted may not: a profile that is permitted something.
/// The host has two agents that ask for it: `careful`, and `careful-below` for sessions below others.
pub(crate) fn own_config() -> Value {
    json!({ "profiles": [
        { "id": "lenient", "kind": "agent", "permission": { "bash": "allow" } },
    ] })
}

/// A model that knows all these tellings.
pub(crate) fn script<'a>(tellings: impl IntoIterator<Item = &'a Telling>) -> Script {
    tellings
        .into_iter()
        .fold(Script::new().otherwise("done"), |script, telling| (telling.story.script)(script, telling))
}

fn step(id: &str) -> Value {
    json!({ "id": id, "workerId": "w", "prompt": format!("{id} {{task}}") })
}

fn list() -> ToolCall {
    ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n")
}

/// A step that needs no other one, and does not wait for the session of another one either.
fn beside(mut step: Value) -> Value {
    step["needs"] = json!([]);
    step["workerId"] = json!("v");
    step
}

/// A run of its own that nobody meddles with: it succeeds, and whoever is asked lets it go on.
const PLAIN: Story = Story {
    name: "plain",
    begins: Begins::Afresh,
    intervene: "never",
    steps: || json!([]),
    script: |script, _| script,
    meddling: None,
    decision: &["continue"],
    ends: "success",
    prompts: &[],
    likeness: Likeness::Everything,
};

pub(crate) const STORIES: &[Story] = &[
    Story {
        name: "carried",
        intervene: "on-warning",
        steps: || {
            let mut plan = step("plan");
            plan["carry"] = json!(true);
            let mut work = step("work");
            work["retry"] = json!({ "maxAttempts": 2, "backoffMs": 10 });
            let mut review = step("review");
            review["prompt"] = json!("review {task} of {carry}");
            json!([plan, work, review])
        },
        script: |script, telling| {
            // The host tries five times by itself, then gives the failure on.
            let failure = Answer::error(503, "overloaded").header("retry-after", "0");
            script
                .on(telling.step("plan"), "## Summary\nthe plan\n\n## Next\nwork")
                .on_first(1, telling.step("work"), failure)
                .on(telling.step("work"), "worked")
                .on(telling.step("review"), warning())
        },
        prompts: &[
            "plan TASK",
            "review TASK of ### plan\n```\n#### Summary\nthe plan\n\n#### Next\nwork\n```",
            "work TASK",
            "work TASK",
        ],
        ..PLAIN
    },
    Story {
        name: "gated",
        intervene: "always",
        steps: || json!([step("one"), step("two")]),
        script: |script, telling| script.on(telling.step("one"), "one").on(telling.step("two"), "two"),
        decision: &["replace", "--from-session"],
        prompts: &["one TASK", "two TASK"],
        ..PLAIN
    },
    Story {
        name: "talked",
        steps: || {
            let mut talk = step("talk");
            talk["workerId"] = json!("talker");
            json!([talk, step("after")])
        },
        script: |script, telling| script.on(telling.step("after"), "after"),
        prompts: &["The conversation about \"talk\" is over.…", "after TASK", "talk TASK"],
        ..PLAIN
    },
    Story {
        name: "stopped",
        intervene: "on-error",
        steps: || {
            let mut slow = step("slow");
            slow["timeoutMs"] = json!(1_000);
            json!([slow, step("after")])
        },
        script: |script, telling| {
            script
                .on_first(1, telling.step("slow"), Answer::hang())
                .on(telling.step("slow"), "at last")
                .on(telling.step("after"), "after")
        },
        prompts: &["after TASK", "slow TASK", "slow TASK"],
        ..PLAIN
    },
    Story {
        name: "refused",
        steps: || json!([step("one"), beside(step("two"))]),
        script: |script, telling| {
            let refusal = Answer::error(400, "the model said no").after(Duration::from_secs(1));
            script.on(telling.step("one"), refusal).on(telling.step("two"), Answer::hang())
        },
        ends: "error",
        prompts: &["one TASK", "two TASK"],
        likeness: Likeness::TheEnd,
        ..PLAIN
    },
    Story {
        name: "looped",
        steps: || {
            let mut check = step("check");
            check["output"] = json!({
                "type": "object", "properties": { "good": { "type": "boolean" } }, "required": ["good"],
            });
            let mut extra = step("extra");
            extra["when"] = json!("steps.left.text_chars > 1000");
            let until = "steps.check.output.good";
            json!([
                step("left"),
                beside(step("right")),
                { "id": "rounds", "needs": ["left", "right"], "repeat": { "max": 3, "until": until },
                  "steps": [step("mend"), check] },
                extra,
                step("last"),
            ])
        },
        script: |script, telling| {
            script
                .on(telling.step("left"), "left")
                .on(telling.step("right"), "right")
                .on(telling.step("mend"), "mended")
                .on_first(1, telling.step("check"), "not yet")
                .on(When::prompt("does not match the JSON Schema"), r#"{ "good": false }"#)
                .on(telling.step("check"), r#"{ "good": true }"#)
                .on(telling.step("last"), "last")
        },
        prompts: &[
            "Your answer does not match…",
            "check TASK…",
            "check TASK…",
            "last TASK",
            "left TASK",
            "mend TASK",
            "mend TASK",
            "right TASK",
        ],
        ..PLAIN
    },
    Story {
        name: "asked",
        steps: || {
            let mut careful = step("one");
            careful["workerId"] = json!("careful");
            json!([careful])
        },
        script: |script, telling| {
            script.on(telling.step("one"), [Answer::tool(list()), Answer::text("one file")])
        },
        meddling: Some((Cue::Asked, &["answer", "once"])),
        prompts: &["one TASK"],
        ..PLAIN
    },
    Story {
        name: "paused",
        intervene: "on-error",
        steps: || json!([step("one"), step("two")]),
        script: |script, telling| {
            script
                .on(telling.step("one"), Answer::text("one").held(&telling.hold))
                .on(telling.step("two"), "two")
        },
        meddling: Some((Cue::Held, &["pause"])),
        prompts: &["one TASK", "two TASK"],
        ..PLAIN
    },
    Story {
        name: "cancelled",
        intervene: "on-error",
        steps: || json!([step("one"), step("two")]),
        // It takes as long as it is let: an answer would race the abort.
        script: |script, telling| script.on(telling.step("one"), Answer::hang().held(&telling.hold)),
        meddling: Some((Cue::Held, &["abort"])),
        ends: "cancelled",
        prompts: &["one TASK"],
        ..PLAIN
    },
    Story {
        name: "slow",
        intervene: "on-error",
        steps: || json!([step("one")]),
        // Longer than the time after which a lease is renewed.
        script: |script, telling| {
            script.on(telling.step("one"), Answer::text("one").after(Duration::from_secs(6)))
        },
        prompts: &["one TASK"],
        ..PLAIN
    },
    Story {
        name: "forked",
        begins: Begins::Forked("two"),
        steps: || json!([step("one"), step("two")]),
        script: |script, telling| script.on(telling.step("one"), "one").on(telling.step("two"), "two"),
        prompts: &["one TASK", "two TASK", "two TASK"],
        ..PLAIN
    },
    Story {
        name: "spent",
        intervene: "on-error",
        steps: || {
            let mut costly = step("costly");
            costly["budget"] = json!({ "maxTokens": 1_000 });
            json!([costly, step("after")])
        },
        script: |script, telling| {
            // It is over its budget in the middle of its turn, which then takes as long as it is let.
            let list = Answer::tool(list()).usage(Usage::new(2_000, 10));
            script
                .on_first(1, telling.step("costly"), [list, Answer::hang()])
                .on(telling.step("costly"), "at last")
                .on(telling.step("after"), "after")
        },
        decision: &["continue", "--max-tokens", "1000000"],
        prompts: &["after TASK", "costly TASK", "costly TASK"],
        ..PLAIN
    },
    Story {
        name: "warned",
        steps: || {
            let mut lenient = step("one");
            lenient["workerId"] = json!("lenient");
            json!([lenient])
        },
        script: |script, telling| {
            // The host does not hold a child session against the rules of the worker's own, so they are asked for.
            let below = format!("look below {}", telling.task);
            let task = json!({ "description": "Look", "prompt": below, "subagent_type": "careful-below" });
            script
                .on(When::prompt(below).and_child(), [Answer::tool(list()), Answer::text("looked")])
                .on(telling.step("one"), [Answer::tool(ToolCall::new("task", task)), Answer::text("one")])
        },
        prompts: &["look below TASK", "one TASK"],
        ..PLAIN
    },
    Story {
        name: "doubted",
        begins: Begins::Forgotten("after:send"),
        steps: || json!([step("one")]),
        script: |script, telling| {
            let unread = Answer::text("nobody will read this").held(&telling.hold);
            script.on_first(1, telling.step("one"), unread).on(telling.step("one"), "one")
        },
        prompts: &["one TASK", "one TASK"],
        ..PLAIN
    },
];
