//! What a child knows of its parent when it begins, on the simulated host and on a real one.

use std::sync::Arc;

use orch_config::{Config, kind::WorkerKind, profile::Context};
use orch_opencode::{
    OpenCode, Prompt, PromptPart, SessionId,
    simulator::{Answer, HttpFault, ModelCall, Script, Simulator, Usage, When},
};
use orch_workers::{Pool, testing::ANSWER};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled},
    port::{Dispatch, Placement, SessionChoice, StepExecutor as _},
};
use serde_json::Value;

use crate::{
    live::{GRACE, Real},
    world::{self, outcome, patience, profile},
};

const SAID: &str = "the secret is cobalt";
const SUMMARY: &str = "Cobalt matters.";

fn script() -> Script {
    Script::new()
        .on(When::prompt("Summarise it"), Answer::text(SUMMARY).usage(Usage::new(1_000, 50)))
        .on(When::prompt(SAID), "noted")
        .otherwise(Answer::text(ANSWER).usage(Usage::new(100, 5)))
}

fn profiles() -> [orch_config::Profile; 3] {
    [("fresh", Context::Fresh), ("fork", Context::Fork), ("summary", Context::Summary)].map(
        |(id, context)| {
            let mut profile = profile(id, WorkerKind::Subagent);
            profile.context = context;
            profile
        },
    )
}

fn pool(simulator: &Simulator) -> Pool {
    let mut config = Config::builtin();
    for profile in profiles() {
        config.insert_profile(profile);
    }
    Pool::builder(Arc::new(config), world::host(simulator)).patience(patience()).build()
}

/// A parent in which something was said.
async fn parent(host: &dyn OpenCode) -> SessionId {
    let parent = SessionId::parse(world::parent(host).await).unwrap();
    let mut events = host.events().await.unwrap();
    host.prompt(&parent, Prompt::text(SAID).by(Some("build".to_owned()), None)).await.unwrap();
    while host.messages(&parent).await.unwrap().last().is_none_or(|last| last.text() != "noted")
        || host.statuses().await.unwrap().contains_key(&parent)
    {
        events.next().await.unwrap();
    }
    parent
}

fn dispatch(worker: &str, parent: &SessionId, prompt: &str) -> Dispatch {
    let mut dispatch = world::dispatch(WorkerKind::Subagent, prompt);
    dispatch.worker = worker.parse().unwrap();
    dispatch.parent_session = Some(parent.to_string());
    dispatch
}

async fn run(pool: &Pool, dispatch: &Dispatch) -> (Placement, Settled) {
    let placement = pool.place(dispatch).await.unwrap();
    let task = pool.send(&placement.locator, dispatch).await.unwrap();
    let (_, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), (ANSWER, Outcome::Ok), "{settled:?}");
    (placement, settled)
}

/// The conversation that the model was sent with this prompt.
fn seen(calls: &[ModelCall], prompt: &str) -> String {
    let call = calls.iter().find(|call| call.text.contains(prompt)).unwrap();
    Value::from(call.messages.clone()).to_string()
}

/// What holds on every host.
async fn each_knows_what_its_profile_says(
    pool: &Pool,
    host: &dyn OpenCode,
    calls: impl Fn() -> Vec<ModelCall>,
) {
    let parent = parent(host).await;
    let before = host.messages(&parent).await.unwrap();
    for (worker, knows_words, knows_summary) in
        [("fresh", false, false), ("fork", true, false), ("summary", false, true)]
    {
        let prompt = format!("go on as {worker}");
        let (placement, settled) = run(pool, &dispatch(worker, &parent, &prompt)).await;
        let seen = seen(&calls(), &prompt);
        assert_eq!(seen.contains(SAID), knows_words, "{worker}: {seen}");
        assert_eq!(seen.contains(SUMMARY), knows_summary, "{worker}: {seen}");
        // What the summary took is told with the step that wanted it.
        assert_eq!(settled.usage.input, if knows_summary { 1_100 } else { 100 }, "{worker}");

        let child = host.session(&SessionId::parse(placement.session).unwrap()).await.unwrap();
        assert_eq!(child.parent.as_ref(), Some(&parent), "{worker}");
        assert_eq!(child.title, format!("Worker: {worker}"));
        assert_eq!(child.metadata["orch"]["parent"], parent.as_str(), "{worker}");
        let began = (worker != "fresh").then_some(worker);
        assert_eq!(child.metadata["orch"].get("context").and_then(Value::as_str), began, "{worker}");
        let denied = child.permission.iter().map(|rule| rule.permission.as_str()).collect::<Vec<_>>();
        assert_eq!(denied, ["bash", "bash", "task_*", "orch_*"], "{worker}");

        // Later steps go on where it was left, and are told nothing twice.
        let mut later = dispatch(worker, &parent, "later");
        later.id.step = "later".parse().unwrap();
        assert_eq!(run(pool, &later).await.0.session, child.id.as_str(), "{worker}");
    }
    assert_eq!(host.messages(&parent).await.unwrap(), before, "the parent was only read");
    assert_eq!(host.children(&parent).await.unwrap().len(), 3, "no copy was left behind");
}

#[tokio::test]
async fn a_child_knows_of_its_parent_what_its_profile_says() {
    let simulator = world::simulator(script()).await;
    let (pool, host) = (pool(&simulator), world::host(&simulator));
    each_knows_what_its_profile_says(&pool, &*host, || simulator.model_prompts()).await;
    assert_eq!(simulator.sessions().len(), 4, "the parent and its children");
}

#[tokio::test]
async fn a_child_knows_of_its_parent_what_its_profile_says_on_a_real_host() {
    let Some(real) = Real::start_with(script(), |_, _| ()).await else { return };
    let pool = real.pool(profiles());
    each_knows_what_its_profile_says(&pool, &real.host, || real.model.prompts()).await;
    assert!(pool.shutdown(GRACE).await.is_clean());
    real.end().await;
}

#[tokio::test]
async fn where_a_copy_cannot_be_made_a_child_a_child_is_told_the_transcript() {
    let simulator = world::simulator(script()).await;
    simulator.faults().http("POST /sync/replay", HttpFault::Status(500), 1);
    let (pool, host) = (pool(&simulator), world::host(&simulator));
    let parent = parent(&*host).await;
    let (placement, _) = run(&pool, &dispatch("fork", &parent, "go on")).await;
    let seen = seen(&simulator.model_prompts(), "go on");
    assert!(seen.contains(SAID) && seen.contains("A record of the conversation"), "{seen}");
    let id = SessionId::parse(placement.session).unwrap();
    let child = host.session(&id).await.unwrap();
    assert_eq!((child.parent, &child.metadata["orch"]["context"]), (Some(parent), &"record".into()));
    // Its people are not shown what they know already.
    let told = host.messages(&id).await.unwrap();
    assert!(matches!(told[0].parts[0], orch_opencode::Part::Text { synthetic: true, .. }), "{told:?}");
    assert_eq!(simulator.sessions().len(), 2, "the copy was thrown away");
}

#[tokio::test]
async fn a_parent_without_a_word_has_nothing_to_tell() {
    let simulator = world::simulator(script()).await;
    let (pool, host) = (pool(&simulator), world::host(&simulator));
    let parent = SessionId::parse(world::parent(&*host).await).unwrap();
    for worker in ["fork", "summary"] {
        run(&pool, &dispatch(worker, &parent, "go on")).await;
    }
    assert_eq!(simulator.model_prompts().len(), 2, "nobody was asked for a summary of nothing");
    assert_eq!(simulator.sessions().len(), 3);
}

#[tokio::test]
async fn a_fresh_session_knows_what_the_parent_says_by_then() {
    let simulator = world::simulator(script()).await;
    let (pool, host) = (pool(&simulator), world::host(&simulator));
    let parent = parent(&*host).await;
    run(&pool, &dispatch("fork", &parent, "first")).await;
    let mut note = Prompt::new(orch_opencode::MessageId::mint(), vec![PromptPart::text("now it is indigo")]);
    note.no_reply = true;
    host.prompt(&parent, note).await.unwrap();
    let mut again = dispatch("fork", &parent, "second");
    again.session = SessionChoice::Fresh;
    run(&pool, &again).await;
    let seen = seen(&simulator.model_prompts(), "second");
    assert!(seen.contains("indigo") && !seen.contains("first"), "{seen}");
}

#[tokio::test]
async fn a_summary_that_fails_fails_the_step_before_anything_is_made() {
    let script = Script::new()
        .on(When::prompt("Summarise it"), Answer::error(400, "too long for me"))
        .otherwise("noted");
    let simulator = world::simulator(script).await;
    let (pool, host) = (pool(&simulator), world::host(&simulator));
    let parent = parent(&*host).await;
    let error = pool.place(&dispatch("summary", &parent, "go on")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Model);
    assert_eq!(error.message, "its parent could not be summarised: too long for me");
    assert_eq!(simulator.sessions().len(), 1, "the copy was thrown away");
}
