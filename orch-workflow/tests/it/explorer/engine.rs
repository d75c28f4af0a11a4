//! The explorer of an executor passes one that keeps its word, and finds those that do not.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::{budget::Budget, policy::Intervene};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, Warning, WarningCode},
    plan::Plan,
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
    testing::{EngineExplorer, Fault, ScriptedExecutor, ScriptedHost, Turn, explorer::FindingKind},
};

use crate::machine::story::{auto, graph};

fn two_steps() -> Plan {
    graph(&[("one", &[]), ("two", &["one"])])
}

/// Failures, remarks and lost connections, in steps that wait for each other and steps that do not.
fn eventful() -> ScriptedHost {
    let no_process = || AttemptError::new(ErrorCode::SpawnFailed, "no process");
    let remark = Warning::new(WarningCode::ToolFailed, "`make` failed");
    ScriptedHost::new()
        .with("one", Turn::answers("the plan").after(Duration::from_secs(30)))
        .with("two", Turn::fails(AttemptError::new(ErrorCode::Model, "the model refused")))
        .with("two", Turn::settles(Settled::answer("done").with_warning(remark)))
        .with("three", Turn::answers("sent").but(Fault::SendInDoubt { arrived: true }))
        .with("four", Turn::answers("never sent").but(Fault::PlaceFails(no_process())))
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_keeps_its_word_has_no_findings() {
    let steps: &[(&str, &[&str])] =
        &[("one", &[]), ("two", &["one"]), ("three", &["one"]), ("four", &["two", "three"])];
    for intervene in [Intervene::OnError, Intervene::OnWarning, Intervene::Always] {
        let explored = EngineExplorer::new(graph(steps), eventful, ScriptedHost::executor)
            .with_policy(auto(intervene))
            .with_arrivals(ScriptedHost::arrived)
            .explore()
            .await;
        println!("{intervene:?}: {explored}");
        assert_eq!(explored.findings, []);
        assert_eq!((explored.lost, explored.doubled), (0, 0));
        assert!(explored.points > 50 && explored.ends == explored.points, "{explored}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_is_spent_is_raised_by_the_person() {
    let mut plan = two_steps();
    plan.budget = Budget { max_tokens: Some(100), ..Budget::default() };
    let costly = || {
        let mut answer = Settled::answer("dear");
        answer.usage.output = 150;
        ScriptedHost::new().with("one", Turn::settles(answer))
    };
    let explored = EngineExplorer::new(plan, costly, ScriptedHost::executor).explore().await;
    assert_eq!(explored.findings, []);
    assert!(explored.points > 20 && explored.ends == explored.points, "{explored}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_cannot_tell_leaves_the_end_to_a_person_and_breaks_no_law() {
    let host = || ScriptedHost::new().with("one", Turn::answers("done").but(Fault::ProbeUnknown(u32::MAX)));
    let explored = EngineExplorer::new(two_steps(), host, ScriptedHost::executor).explore().await;
    assert_eq!(explored.findings, []);
    assert!(explored.blind > 0 && explored.ends > 0, "{explored}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_denies_what_has_arrived_doubles_prompts() {
    let denies = |host: &ScriptedHost| Liar::of(host, |_| Probe::NeverArrived);
    let explored = EngineExplorer::new(two_steps(), ScriptedHost::new, denies).explore().await;
    assert!(explored.doubled > 0, "{explored}");
    let finding = explored.findings.iter().find(|finding| finding.kind == FindingKind::Doubled).unwrap();
    assert!(finding.message.contains("was accepted 2 times"), "{finding}");
    assert!(finding.crashes.starts_with("crash "), "{finding}");
}

/// Where the connection breaks while a prompt is sent, only the world itself can tell that it has arrived.
#[tokio::test(start_paused = true)]
async fn a_prompt_that_arrives_twice_is_seen_by_the_worlds_own_count() {
    let breaks =
        || ScriptedHost::new().with("one", Turn::answers("done").but(Fault::SendInDoubt { arrived: true }));
    let denies = |host: &ScriptedHost| Liar::of(host, |_| Probe::NeverArrived);
    let explorer = EngineExplorer::new(two_steps(), breaks, denies).with_arrivals(ScriptedHost::arrived);
    let explored = explorer.explore().await;
    assert!(explored.doubled > 0, "{explored}");
    let twice = |message: &str| message.contains("has arrived 2 times");
    assert!(explored.findings.iter().any(|finding| twice(&finding.message)), "{explored}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_forgets_answers_ends_otherwise() {
    let forgets = |host: &ScriptedHost| {
        Liar::of(host, |found| match found {
            Probe::Finished(_) => Probe::Interrupted,
            other => other,
        })
    };
    let explored = EngineExplorer::new(two_steps(), ScriptedHost::new, forgets).explore().await;
    assert!(explored.findings.iter().any(|finding| finding.kind == FindingKind::Outcome), "{explored}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_is_stuck() {
    let hangs = || ScriptedHost::new().with("one", Turn::hangs());
    let explorer = EngineExplorer::new(two_steps(), hangs, ScriptedHost::executor);
    let explored = explorer.with_patience(Duration::from_secs(60)).explore().await;
    let [finding] = &explored.findings[..] else { panic!("{explored}") };
    assert_eq!((finding.kind, explored.points), (FindingKind::Stuck, 0), "{explored}");
}

/// An executor that says something else than it has found.
#[derive(Debug)]
struct Liar {
    honest: Arc<ScriptedExecutor>,
    lie: fn(Probe) -> Probe,
}

impl Liar {
    fn of(host: &ScriptedHost, lie: fn(Probe) -> Probe) -> Arc<Self> {
        Arc::new(Self { honest: host.executor(), lie })
    }
}

#[async_trait]
impl StepExecutor for Liar {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        self.honest.place(dispatch).await
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        self.honest.send(locator, dispatch).await
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        (self.lie)(self.honest.probe(locator, dispatch).await)
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        self.honest.abort(locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        self.honest.latest_answer(locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        self.honest.answer(locator, ask, reply).await
    }
}
