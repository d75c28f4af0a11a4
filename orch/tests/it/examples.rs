//! The five workflows of `docs/workflows.md`: each is loaded, drawn, written in Rust with the same plan, and run.

use std::collections::HashSet;

use orch::{
    config::{
        Trust,
        budget::Budget,
        kind::{ExecutionMode, WorkerKind},
        parse,
        retry::Retry,
        workflow::{GateDefault, Limits},
    },
    opencode::simulator::{Answer, Hold, Script, Simulator, When},
    prelude::*,
    workflow::{plan::Plan, view::StepStatus},
};
use serde_json::{Value, json};

use crate::world::{rest, simulator, within};

/// The complete example of the page that defines a workflow.
fn example(id: &str) -> Config {
    let page = include_str!("../../../docs/workflows.md");
    let mut blocks = page.split("```jsonc\n").skip(1).map(|block| block.split("```").next().unwrap());
    let named = format!("\"id\": \"{id}\"");
    let block = blocks.find(|block| block.contains(&named)).unwrap();
    let loaded = parse(block.as_bytes(), None, Trust::Untrusted).unwrap();
    assert_eq!(loaded.warnings.to_string(), "");
    loaded.config
}

/// Both ways of writing it give the same plan; this is it.
fn same_plan(id: &str, built: orch::config::WorkflowDefinition) -> Plan {
    let from_file = Plan::compile(&example(id), id).unwrap();
    let mut config = Config::builtin();
    config.insert_workflow(built);
    let from_rust = Plan::compile(&config, id).unwrap();
    assert_eq!(from_rust, from_file);
    assert_eq!(from_rust.digest(), from_file.digest());
    from_file
}

/// A step by a child of the parent session.
fn child(id: &str, worker: &str, prompt: &str) -> Step {
    Step::new(id, worker, prompt).kind(WorkerKind::Subagent)
}

/// Runs an example against scripted answers, answers `gates` gates with `continue`, and gives the end.
async fn run(id: &str, script: Script, gates: usize) -> RunView {
    let host = simulator(script).await;
    let orchestrator = orchestrator(id, &host).await;
    let mut run = orchestrator.run(RunRequest::new(id, "the parser loses the last line")).await.unwrap();
    for _ in 0..gates {
        let gate = crate::world::gate(&run).await;
        let decision = DecisionRequest::new(Decision::Continue, "me").at(gate.id);
        run = orchestrator.decide(run.id(), decision).await.unwrap().run.unwrap();
    }
    let view = rest(&run).await;
    orchestrator.shutdown().await;
    view
}

/// An orchestrator with the configuration of an example.
async fn orchestrator(id: &str, host: &Simulator) -> Orchestrator {
    let builder = Orchestrator::builder(host.directory()).config(example(id));
    builder.host(Host::server(host.url())).build().await.unwrap()
}

fn statuses(view: &RunView) -> Vec<(&str, StepStatus)> {
    view.steps.iter().map(|step| (step.id.as_str(), step.status)).collect()
}

fn block(value: &Value) -> String {
    format!("## Summary\nIt was looked at.\n\n```json\n{value}\n```")
}

#[test]
fn the_build_loop_is_the_same_in_rust() {
    let verdict = json!({
        "type": "object",
        "properties": {
            "verdict": { "enum": ["approved", "changes-requested"] },
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "place": { "type": "string" }, "problem": { "type": "string" } },
                    "required": ["place", "problem"]
                }
            }
        },
        "required": ["verdict", "findings"],
        "additionalProperties": false
    });
    let review = "Review the change in the working tree against its task. Run the tests.\n\n{task}";
    let built = Workflow::builder("feature")
        .name("A feature")
        .description("Plan, implement, then review and fix until it is approved")
        .step(
            child(
                "plan",
                "architect",
                "Plan this change. Read the code, change nothing, and name the files.\n\n{task}",
            )
            .carry(),
        )
        .step(
            child(
                "implement",
                "coder",
                "Carry out the plan, with tests. The task:\n{task}\n\nThe plan:\n{carry}",
            )
            .carry(),
        )
        .group(
            Group::new("until-approved", 3, "steps.review.output.verdict == 'approved'")
                .step(child("review", "reviewer", review).output(verdict))
                .step(
                    child(
                        "fix",
                        "coder",
                        "Fix these findings, and nothing else:\n{steps.review.output.findings}",
                    )
                    .when("steps.review.output.verdict != 'approved'")
                    .carry(),
                ),
        )
        .build()
        .unwrap();
    let plan = same_plan("feature", built);
    let worst = plan.worst_case();
    assert_eq!((worst.steps, worst.attempts, worst.prompts), (4, 8, 11));
    insta::assert_snapshot!("build_loop", format!("{}\n{}", plan.tree(), plan.mermaid()));
}

#[tokio::test]
async fn the_build_loop_runs_until_it_is_approved() {
    let rejected = json!({ "verdict": "changes-requested", "findings": [{ "place": "a.rs:1", "problem": "off by one" }] });
    let approved = json!({ "verdict": "approved", "findings": [] });
    let script = Script::new()
        .on_first(1, When::prompt("Review the change"), block(&rejected))
        .on(When::prompt("Review the change"), block(&approved))
        .on(When::prompt("Fix these findings").and_prompt("off by one"), "fixed");
    let view = run("feature", script, 0).await;
    assert_eq!(view.status, RunStatus::Success);
    let expected = [
        ("plan", StepStatus::Done),
        ("implement", StepStatus::Done),
        ("review", StepStatus::Done),
        // The second pass had nothing to fix.
        ("fix", StepStatus::Skipped),
    ];
    assert_eq!(statuses(&view), expected);
}

fn blockers() -> Value {
    json!({
        "type": "object",
        "properties": { "blockers": { "type": "integer", "minimum": 0 } },
        "required": ["blockers"]
    })
}

#[test]
fn the_parallel_reviewers_are_the_same_in_rust() {
    let review = |id: &str, what: &str| {
        Step::new(id, "reviewer", format!("Review this change for {what} only: {{task}}"))
            .needs([""; 0])
            .output(blockers())
    };
    let mut limits = Limits::default();
    limits.max_parallel = 3;
    let built = Workflow::builder("reviews")
        .name("Three reviews")
        .description("Review a change for correctness, security and clarity at once")
        .limits(limits)
        .budget(Budget { max_cost_usd: Some(5.0), ..Budget::default() })
        .step(review("correctness", "correctness"))
        .step(review("security", "security"))
        .step(
            review("clarity", "clarity and names")
                .budget(Budget { max_tokens: Some(200_000), ..Budget::default() })
                .retry(Retry { max_attempts: 2, ..Retry::default() }),
        )
        .step(
            child(
                "merge",
                "architect",
                "Put these reviews into one list, worst first, without repetition.\n\nCorrectness:\n\
                 {steps.correctness.text}\n\nSecurity:\n{steps.security.text}\n\nClarity:\n{steps.clarity.text}",
            )
            .needs(["correctness", "security", "clarity"])
            .when(
                "steps.correctness.output.blockers + steps.security.output.blockers + \
                 steps.clarity.output.blockers > 0",
            ),
        )
        .build()
        .unwrap();
    let plan = same_plan("reviews", built);
    insta::assert_snapshot!("parallel_reviewers", format!("{}\n{}", plan.tree(), plan.mermaid()));
}

#[tokio::test]
async fn the_parallel_reviewers_are_at_work_at_once_each_in_a_session_of_its_own() {
    let found = block(&json!({ "blockers": 0 }));
    let holds = [Hold::new(), Hold::new(), Hold::new()];
    let prompts = ["for correctness only", "for security only", "for clarity and names only"];
    let script = prompts.iter().zip(&holds).fold(Script::new(), |script, (prompt, hold)| {
        script.on(When::prompt(*prompt), Answer::text(found.as_str()).held(hold))
    });
    let host = simulator(script).await;
    let orchestrator = orchestrator("reviews", &host).await;
    let run = orchestrator.run(RunRequest::new("reviews", "the parser loses the last line")).await.unwrap();
    // None of them is answered before all of them were asked.
    for hold in &holds {
        within(hold.wait_arrived()).await;
    }
    let view = run.view();
    let at_work = view.steps.iter().filter(|step| step.status == StepStatus::Running);
    let sessions: HashSet<_> = at_work.filter_map(|step| step.session.clone()).collect();
    assert_eq!(sessions.len(), 3, "{view:#?}");
    holds.iter().for_each(Hold::release);
    assert_eq!(rest(&run).await.status, RunStatus::Success);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn the_parallel_reviewers_are_put_together_only_when_they_found_something() {
    let found = |blockers: u32| block(&json!({ "blockers": blockers }));
    let quiet = || Script::new().on(When::prompt("Review this change for"), found(0));
    let view = run("reviews", quiet(), 0).await;
    assert_eq!(view.status, RunStatus::Success);
    assert_eq!(statuses(&view)[3], ("merge", StepStatus::Skipped));

    let loud = Script::new().on(When::prompt("for security only"), found(2));
    let loud = loud.on(When::prompt("Review this change for"), found(0));
    let view = run("reviews", loud.on(When::prompt("Put these reviews"), "one list"), 0).await;
    assert_eq!((view.status, statuses(&view)[3]), (RunStatus::Success, ("merge", StepStatus::Done)));
    assert_eq!(view.steps[3].text.as_deref(), Some("one list"));
}

#[test]
fn the_docs_cultivation_is_the_same_in_rust() {
    let study = "We want to understand this together: {task}\n\nFind the documentation, answer with what you know and \
                 where it is written, and ask what is still open.";
    let write = "Write a page in docs/ for somebody who has this question: {task}\n\nUse only what was found out:\n{carry}";
    let built = Workflow::builder("learn")
        .name("Learn and write down")
        .description("Work out how something is done together with the docs worker, then write it down")
        .step(
            child("study", "docs", study).title("How it works").execution(ExecutionMode::Foreground).carry(),
        )
        .step(child("write", "coder", write))
        .build()
        .unwrap();
    let plan = same_plan("learn", built);
    insta::assert_snapshot!("docs_cultivation", format!("{}\n{}", plan.tree(), plan.mermaid()));
}

#[tokio::test]
async fn the_docs_cultivation_hands_over_what_was_found_out() {
    let script = Script::new()
        .on(When::prompt("We want to understand"), "What version do you use?")
        .on(When::prompt("is over. Summarise"), "## Summary\nThe last line needs a newline.")
        .on(When::prompt("Write a page").and_prompt("The last line needs a newline"), "written");
    // The conversation is over once the person says so.
    let view = run("learn", script, 1).await;
    assert_eq!((view.status, view.steps[1].text.as_deref()), (RunStatus::Success, Some("written")));
}

#[test]
fn the_bug_hunt_is_the_same_in_rust() {
    let flag = |flag: &str, text: &str| {
        json!({
            "type": "object",
            "properties": { flag: { "type": "boolean" }, text: { "type": "string" } },
            "required": [flag, text]
        })
    };
    let attempt = "Find the cause and fix it. This shows the bug:\n{steps.reproduce.output.command}\n\nThe report:\n{task}";
    let verify = "Find out whether the bug is gone and nothing else broke. This used to show it:\n\
                  {steps.reproduce.output.command}\n\nWhat was done:\n{steps.attempt.text}";
    let test =
        "Write a test that fails without the fix and passes with it.\n\n{steps.verify.output.evidence}";
    let built = Workflow::builder("bug-hunt")
        .name("Bug hunt")
        .description("Reproduce a bug, then look for its cause in at most four passes")
        .policy(PolicyPatch { intervene: Some(Intervene::OnWarning), ..PolicyPatch::default() })
        .step(
            child(
                "reproduce",
                "coder",
                "Make this bug happen, as small as possible. Do not fix it.\n\n{task}",
            )
            .output(flag("reproduced", "command")),
        )
        .group(
            Group::new("hunt", 4, "steps.verify.output.fixed")
                .when("steps.reproduce.output.reproduced")
                .step(child("attempt", "coder", attempt))
                .step(child("verify", "reviewer", verify).output(flag("fixed", "evidence"))),
        )
        .step(
            child("regression-test", "coder", test)
                .needs(["hunt"])
                .when("steps.verify.status == 'done' && steps.verify.output.fixed"),
        )
        .build()
        .unwrap();
    let plan = same_plan("bug-hunt", built);
    assert_eq!(plan.worst_case().attempts, 1 + 4 + 4 + 1);
    insta::assert_snapshot!("bug_hunt", format!("{}\n{}", plan.tree(), plan.mermaid()));
}

fn hunt(verdicts: &[bool]) -> Script {
    let reproduced = json!({ "reproduced": true, "command": "make test" });
    let mut script = Script::new().on(When::prompt("Make this bug happen"), block(&reproduced));
    for fixed in verdicts {
        let verdict = block(&json!({ "fixed": fixed, "evidence": "it says so" }));
        script = script.on_first(1, When::prompt("Find out whether the bug is gone"), verdict);
    }
    script.on(When::prompt("Write a test"), "a test")
}

#[tokio::test]
async fn the_bug_hunt_ends_when_the_bug_is_gone_and_asks_after_four_passes() {
    let view = run("bug-hunt", hunt(&[false, false, true]), 0).await;
    assert_eq!((view.status, view.steps[3].text.as_deref()), (RunStatus::Success, Some("a test")));

    // A person accepts it as it is: there is nothing to write a test for.
    let view = run("bug-hunt", hunt(&[false; 4]), 1).await;
    assert_eq!(
        (view.status, statuses(&view)[3]),
        (RunStatus::Success, ("regression-test", StepStatus::Skipped))
    );

    // What cannot be shown is not hunted.
    let nothing = block(&json!({ "reproduced": false, "command": "" }));
    let view = run("bug-hunt", Script::new().on(When::prompt("Make this bug happen"), nothing), 0).await;
    assert_eq!(view.status, RunStatus::Success);
    assert!(statuses(&view)[1..].iter().all(|(_, status)| *status == StepStatus::Skipped), "{view:?}");
}

#[test]
fn the_release_check_list_is_the_same_in_rust() {
    let green =
        json!({ "type": "object", "properties": { "green": { "type": "boolean" } }, "required": ["green"] });
    let changelog = json!({
        "type": "object",
        "properties": {
            "green": { "type": "boolean" },
            "missing": { "type": "array", "items": { "type": "string" } }
        },
        "required": ["green", "missing"]
    });
    let tests = "Run all tests of the project and report. Change nothing. Release: {task}";
    let log = "Does the changelog name every change since the last release? Change nothing. Release: {task}";
    let sign_off = "Say in five lines what this release contains and what speaks against it: {task}\n\nTests: \
                    {steps.tests.output}\nMissing in the changelog: {steps.changelog.output.missing}";
    let prepare = "Set the version and date of the release, build it, and do not publish it: {task}";
    let built = Workflow::builder("release")
        .name("Release")
        .description("Check what a release needs, ask a person, prepare it")
        .gate_default(86_400_000, GateDefault::Abort)
        .step(child("tests", "coder", tests).needs([""; 0]).output(green))
        .step(child("changelog", "docs", log).needs([""; 0]).output(changelog))
        .step(
            child("sign-off", "architect", sign_off)
                .needs(["tests", "changelog"])
                .policy(PolicyPatch { intervene: Some(Intervene::Always), ..PolicyPatch::default() }),
        )
        .step(
            child("prepare", "coder", prepare)
                .when("steps.tests.output.green && steps.changelog.output.green"),
        )
        .build()
        .unwrap();
    let plan = same_plan("release", built);
    insta::assert_snapshot!("release_check_list", format!("{}\n{}", plan.tree(), plan.mermaid()));
}

#[tokio::test]
async fn the_release_check_list_asks_before_it_prepares_anything() {
    let checked = |missing: &[&str]| {
        Script::new()
            .on(When::prompt("Run all tests"), block(&json!({ "green": true })))
            .on(
                When::prompt("Does the changelog"),
                block(&json!({ "green": missing.is_empty(), "missing": missing })),
            )
            .on(When::prompt("Say in five lines"), "it is fine")
            .on(When::prompt("Set the version"), "prepared")
    };
    let view = run("release", checked(&[]), 1).await;
    assert_eq!((view.status, view.steps[3].text.as_deref()), (RunStatus::Success, Some("prepared")));
    // There is nothing left that a person could let go on.
    let view = run("release", checked(&["the fix of the parser"]), 0).await;
    assert_eq!((view.status, statuses(&view)[3]), (RunStatus::Success, ("prepare", StepStatus::Skipped)));
}

/// Everything that cannot be built is told at once.
#[test]
fn a_workflow_in_rust_that_cannot_be_one_says_why() {
    let error = Workflow::builder("a/b")
        .step(Step::new("", "coder", "{task}").when("steps."))
        .group(Group::new("g", 2, "true &&").step(Step::new("s", "coder", "p").needs(["\u{7}"])))
        .build()
        .unwrap_err();
    insta::assert_snapshot!("cannot_be_built", error);
}
