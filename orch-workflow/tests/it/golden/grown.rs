//! What format 1 has learned since its first golden store: budgets, forks and files that go with a run.

use orch_config::{budget::Budget, id::StepId};
use orch_workflow::{
    attachment::Attachment,
    attempt::{RunId, Settled, Usage},
    decision::Decision,
    history::{Fork, fork},
    machine::{Input, Machine},
    record::RunStarted,
};
use serde_json::json;

use super::write::{place, story, work};
use crate::machine::story::{
    Story, default_policy, graph, output, plan, repeat, run_started, step, workflow,
};

pub(super) fn stories() -> Vec<Story> {
    vec![
        over_budget(),
        higher_budget(),
        low_budget_of_a_step(),
        forked(),
        forked_under_another_plan(),
        attached(),
    ]
}

fn used(input: u64) -> Usage {
    Usage { input, output: 30, reasoning: 7, cost_usd: 0.0125 }
}

fn uses(story: &mut Story, step: &str, input: u64) {
    let dispatch = story.dispatch_of(step);
    story.now = story.now.plus_ms(1_000);
    story.tell(Input::Used { dispatch, usage: used(input) });
}

fn costing(input: u64) -> Settled {
    Settled { usage: used(input), ..Settled::answer("done") }
}

fn bounded(name: &str) -> Story {
    let mut plan = plan(workflow([step("one"), step("two")]));
    plan.budget = Budget { max_tokens: Some(1_000), max_cost_usd: Some(2.5), max_active_ms: Some(3_600_000) };
    story(name, run_started(plan, default_policy()))
}

/// The work was stopped at the bound, and the run waits at its gate.
fn over_budget() -> Story {
    let mut story = bounded("over-budget");
    work(&mut story, "one", costing(700));
    place(&mut story, "two");
    uses(&mut story, "two", 150);
    uses(&mut story, "two", 400);
    story.abort_of("two");
    story
}

/// Somebody allows more; the process is gone while that is spent.
fn higher_budget() -> Story {
    let mut story = bounded("higher-budget");
    work(&mut story, "one", costing(1_200));
    let budget = Budget { max_tokens: Some(5_000), ..Budget::default() };
    let (decision, by) = (Decision::Continue, "ann".to_owned());
    story.tell(Input::Decide { gate: None, decision, policy: Default::default(), budget, by });
    place(&mut story, "two");
    uses(&mut story, "two", 3_000);
    story
}

fn low_budget_of_a_step() -> Story {
    let mut plan = plan(workflow([step("one"), step("two")]));
    plan.steps[0].budget.max_tokens = Some(1_000);
    let started = RunStarted {
        budget: Budget { max_cost_usd: Some(0.5), ..Budget::default() },
        ..run_started(plan, default_policy())
    };
    let mut story = story("low-budget", started);
    place(&mut story, "one");
    uses(&mut story, "one", 850);
    story.settle_of("one", costing(900));
    work(&mut story, "two", costing(10));
    story
}

/// A run with a group, and a step aside.
fn original() -> Story {
    let mut plan = graph(&[
        ("plan", &[]),
        ("code", &["plan"]),
        ("review", &["code"]),
        ("docs", &["plan"]),
        ("ship", &["docs"]),
    ]);
    plan.steps[0].carry = true;
    plan.steps[1].needs.clear();
    plan.steps[4].needs.push(StepId::new("rounds").unwrap());
    let plan = repeat(plan, "rounds", &["plan"], &["code", "review"], 2, "steps.review.output.ok");
    let mut story = story("original", run_started(plan, default_policy()));
    work(&mut story, "plan", costing(300));
    for ok in [false, true] {
        work(&mut story, "code", Settled::answer("## Summary\ncoded"));
        work(&mut story, "review", output("seen", json!({ "ok": ok })));
    }
    work(&mut story, "docs", Settled::answer("written"));
    work(&mut story, "ship", Settled::answer("shipped"));
    story
}

fn begun_anew(name: &str, wish: Fork) -> Story {
    let forked = fork(&original().journal, wish).unwrap();
    let mut story = Story::begun(
        Machine::begin_forked(
            orch_workflow::attempt::Timestamp(1_000),
            forked.named(RunId::new(format!("run_{name}")).unwrap()),
        )
        .unwrap(),
    );
    story.tell(Input::TakenUp);
    story
}

fn forked() -> Story {
    let mut story = begun_anew("forked", Fork::new(StepId::new("ship").unwrap()));
    place(&mut story, "ship");
    story
}

fn forked_under_another_plan() -> Story {
    let mut wish = Fork::new(StepId::new("rounds").unwrap());
    let RunStarted { mut plan, .. } = match &original().journal[0].body {
        orch_workflow::record::RecordBody::RunStarted(started) => RunStarted::clone(started),
        other => panic!("the run does not start: {other:?}"),
    };
    plan.steps[1].prompt = "code it well: {task}".to_owned();
    wish.plan = Some(plan);
    wish.budget.max_tokens = Some(100_000);
    let mut story = begun_anew("forked-edited", wish);
    work(&mut story, "code", costing(400));
    story
}

/// The process is gone, and nobody has looked since.
fn attached() -> Story {
    let plan = plan(workflow([step("one"), step("two")]));
    let pixel = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    let files = [("notes.txt", &b"a boat needs a keel\n"[..]), ("keel.png", &pixel[..])];
    let attachments = files.map(|(name, content)| Attachment::new(name, content).unwrap()).into();
    let mut story = story("attached", RunStarted { attachments, ..run_started(plan, default_policy()) });
    place(&mut story, "one");
    story
}
