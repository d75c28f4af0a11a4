//! How the golden store was made. Not to be repeated for the same format: that would prove nothing.

use std::{collections::BTreeMap, path::Path};

use orch_config::policy::{Execution, Intervene};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, RunId, Settled, Timestamp, Usage, Warning, WarningCode},
    decision::Decision,
    machine::Input,
    port::{Ask, AskId, AskReply, Locator, Placement},
    record::RunStarted,
    store::{Owner, RunStore, SqliteStore},
    view::RunView,
};
use serde_json::json;

use crate::machine::story::{
    Story, auto, default_policy, failed, output, plan, policy, repeat, replace, retry, run_started, step,
    warned, when, workflow,
};

#[tokio::test]
#[ignore = "writes the fixtures of a new format anew"]
async fn write_the_golden_store() {
    write("v1", stories()).await;
}

#[tokio::test]
#[ignore = "writes the fixtures of a grown format anew"]
async fn write_the_golden_store_of_what_was_added() {
    write("v1-grown", super::grown::stories()).await;
}

#[tokio::test]
#[ignore = "writes the fixtures of a format anew that says more of workers"]
async fn write_the_golden_store_of_cautions() {
    write("v1-cautioned", super::cautioned::stories()).await;
}

async fn write(name: &str, stories: Vec<Story>) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let mut views: BTreeMap<String, RunView> = BTreeMap::new();
    for story in stories {
        let run = story.machine.run();
        let lease = store.create(run, &story.journal, &Owner::current(), Timestamp(1_000)).await.unwrap();
        store.release(&lease).await.unwrap();
        views.insert(run.to_string(), story.view());
    }
    drop(store);
    let dump = dump(&directory.path().join("runs.db"));
    std::fs::write(fixtures.join(format!("golden-store-{name}.sql")), dump).unwrap();
    let views = serde_json::to_string_pretty(&views).unwrap();
    std::fs::write(fixtures.join(format!("golden-views-{name}.json")), views + "\n").unwrap();
}

/// The tables and their rows, as SQL.
fn dump(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut lines =
        texts("SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'");
    for table in texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
        let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let row = quoted.join(" || ', ' || ");
        let insert = format!("INSERT INTO {table} ({}) VALUES (", columns.join(", "));
        lines.extend(texts(&format!("SELECT '{insert}' || {row} || ');' FROM {table}")));
    }
    lines.join("\n") + "\n"
}

fn stories() -> Vec<Story> {
    vec![
        finished(),
        paused_at_a_failure(),
        in_doubt(),
        retried(),
        replaced(),
        interrupted(),
        waiting_for_an_answer(),
        backing_off(),
        timed_out(),
        cancelled(),
        aborted(),
        failed_beside_another(),
        in_the_foreground(),
        repeated(),
        repaired(),
        definition_changed(),
    ]
}

pub(super) fn story(name: &str, started: RunStarted) -> Story {
    Story::of(RunStarted { run: RunId::new(format!("run_{name}")).unwrap(), ..started })
}

/// Steps one after the other, under the default policy.
fn sequence(name: &str, steps: &[&str]) -> Story {
    story(name, run_started(plan(workflow(steps.iter().map(|id| step(id)))), default_policy()))
}

/// `place` answers with what the scripted host would look at.
pub(super) fn place(story: &mut Story, step: &str) {
    let dispatch = story.dispatch_of(step);
    let locator = format!("{step}/{}/{}/{}", dispatch.iteration, dispatch.attempt, dispatch.turn);
    story.now = story.now.plus_ms(100);
    story.tell(Input::Placed {
        dispatch,
        result: Ok(Placement {
            locator: Locator(json!({ "prompt": locator })),
            session: format!("ses_{step}"),
            parent_session: Some("ses_parent".to_owned()),
        }),
    });
}

pub(super) fn work(story: &mut Story, step: &str, result: Settled) {
    place(story, step);
    story.now = story.now.plus_ms(5_000);
    story.settle_of(step, result);
}

fn finished() -> Story {
    let steps = ["one", "two"].map(|id| {
        let mut step = step(id);
        step.carry = true;
        step.prompt = "{task}\n{carry}".to_owned();
        step
    });
    let mut story = story("finished", run_started(plan(workflow(steps)), default_policy()));
    let mut answer = Settled::answer("## Summary\nthe keel is laid\n## Risks\nrain");
    answer.usage = Usage { input: 1_200, output: 340, reasoning: 55, cost_usd: 0.0125 };
    work(&mut story, "one", answer);
    let dispatch = story.dispatch_of("two");
    place(&mut story, "two");
    let warning = Warning::new(WarningCode::PermissionAuto, "a rule permitted bash");
    story.tell(Input::Warned { dispatch, warning: warning.clone() });
    story.settle_of("two", Settled::answer("it floats").with_warning(warning));
    story
}

fn paused_at_a_failure() -> Story {
    let mut story = sequence("paused", &["one", "two"]);
    let error = AttemptError::new(ErrorCode::Model, "the provider is overloaded").with_status(529);
    work(&mut story, "one", Settled::failed(error));
    story
}

fn in_doubt() -> Story {
    let mut story = sequence("in-doubt", &["one", "two"]);
    place(&mut story, "one");
    story.crash();
    let dispatch = story.dispatch_of("one");
    story.tell(Input::Unknown { dispatch, reason: "the session is gone".to_owned() });
    story
}

fn retried() -> Story {
    let mut story = sequence("retried", &["one", "two"]);
    work(&mut story, "one", failed(ErrorCode::ContextOverflow, "too long"));
    story.decide(Decision::Retry { note: Some("be brief".to_owned()), session: None });
    work(&mut story, "one", Settled::answer("done"));
    work(&mut story, "two", warned("done, but"));
    story
}

fn replaced() -> Story {
    let mut story = sequence("replaced", &["one", "two", "three"]);
    work(&mut story, "one", failed(ErrorCode::Length, "cut off"));
    let text = "by hand".to_owned();
    story.decide(Decision::Replace { text, output: Some(json!({ "ok": true })) });
    work(&mut story, "two", failed(ErrorCode::Auth, "no key"));
    story.decide(Decision::Skip);
    work(&mut story, "three", Settled::answer("done"));
    story
}

/// The process is gone, and nobody has looked since.
fn interrupted() -> Story {
    let mut story = sequence("interrupted", &["one", "two"]);
    work(&mut story, "one", Settled::answer("done"));
    place(&mut story, "two");
    story
}

fn waiting_for_an_answer() -> Story {
    let mut story = sequence("asking", &["one"]);
    place(&mut story, "one");
    let dispatch = story.dispatch_of("one");
    for number in ["a", "b"] {
        let ask = Ask::question(
            AskId(number.to_owned()),
            "ses_one",
            "which colour?",
            vec![vec!["red".to_owned(), "blue".to_owned()]],
        );
        story.tell(Input::AskOpened { dispatch: dispatch.clone(), ask });
    }
    let reply = AskReply::Answers { answers: vec![vec!["red".to_owned()]] };
    story.tell(Input::Answer { ask: AskId("a".to_owned()), reply, by: "ann".to_owned() });
    story.tell(Input::AskClosed { dispatch, ask: AskId("a".to_owned()), by: "the host".to_owned() });
    story
}

fn backing_off() -> Story {
    let mut one = step("one");
    one.retry.max_attempts = 3;
    let mut story = story("backing-off", run_started(plan(workflow([one])), default_policy()));
    work(&mut story, "one", failed(ErrorCode::Unreachable, "connection refused"));
    story
}

fn timed_out() -> Story {
    let mut one = step("one");
    one.timeout_ms = 10_000;
    let mut story = story("timed-out", run_started(plan(workflow([one])), default_policy()));
    place(&mut story, "one");
    story.wait(10_000).abort_of("one");
    story
}

fn cancelled() -> Story {
    let mut story = sequence("cancelled", &["one", "two"]);
    place(&mut story, "one");
    story.tell(Input::Cancel { by: "ann".to_owned() });
    let dispatch = story.dispatch_of("one");
    let error = AttemptError::new(ErrorCode::Unreachable, "no answer");
    story.tell(Input::AbortEnded { dispatch, result: Err(error) });
    story
}

fn aborted() -> Story {
    let mut story = sequence("aborted", &["one", "two"]);
    story.tell(Input::Pause { by: "ann".to_owned() });
    work(&mut story, "one", Settled::answer("done"));
    story.decide(Decision::Abort);
    story
}

fn failed_beside_another() -> Story {
    let plan = crate::machine::story::graph(&[("one", &[]), ("two", &[])]);
    let mut story = story("failed", run_started(plan, auto(Intervene::Never)));
    place(&mut story, "one");
    place(&mut story, "two");
    story.settle_of("one", failed(ErrorCode::ContentFilter, "withheld")).abort_of("two");
    story
}

fn in_the_foreground() -> Story {
    let mut one = step("one");
    one.execution = Some(orch_config::kind::ExecutionMode::Foreground);
    let plan = plan(workflow([one, step("two")]));
    let mut story = story("foreground", run_started(plan, policy(Execution::Step, Intervene::Always)));
    work(&mut story, "one", Settled::answer("let us talk"));
    story.decide(Decision::Continue);
    work(&mut story, "one", Settled::answer("## Summary\nwe have talked"));
    place(&mut story, "two");
    story.tell(Input::Interrupt { by: "ann".to_owned() }).abort_of("two");
    story
}

fn repeated() -> Story {
    let plan = plan(workflow(["plan", "review", "fix", "ship", "sing"].map(step)));
    let plan = repeat(plan, "rounds", &["plan"], &["review", "fix"], 2, "steps.review.output.ok");
    let mut plan = when(plan, "sing", "steps.review.output.ok");
    plan.steps[1].needs.clear();
    plan.steps[3].needs = vec![orch_config::id::StepId::new("rounds").unwrap()];
    let mut story = story("repeated", run_started(plan, default_policy()));
    work(&mut story, "plan", Settled::answer("the plan"));
    for _ in 0..2 {
        work(&mut story, "review", output("no", json!({ "ok": false })));
        work(&mut story, "fix", Settled::answer("fixed"));
    }
    // Its passes are used up.
    story.decide(retry());
    work(&mut story, "review", output("no", json!({ "ok": false })));
    work(&mut story, "fix", Settled::answer("fixed"));
    work(&mut story, "review", output("no", json!({ "ok": false })));
    work(&mut story, "fix", Settled::answer("fixed"));
    story.decide(Decision::Continue);
    work(&mut story, "ship", Settled::answer("shipped"));
    story
}

fn repaired() -> Story {
    let mut plan = plan(workflow([step("one")]));
    plan.steps[0].output =
        Some(json!({ "type": "object", "required": ["ok"], "properties": { "ok": { "type": "boolean" } } }));
    let mut story = story("repaired", run_started(plan, default_policy()));
    work(&mut story, "one", Settled::answer("it is fine"));
    work(&mut story, "one", Settled::answer("```json\n{ \"ok\": true }\n```"));
    story
}

fn definition_changed() -> Story {
    let mut story = sequence("changed", &["one", "two"]);
    work(&mut story, "one", failed(ErrorCode::Model, "no"));
    story.reopen();
    story.tell(Input::DefinitionChanged { message: "step two has another prompt".to_owned() });
    story.tell(Input::TakenUp).decide_at("one", replace("by hand"));
    story
}
