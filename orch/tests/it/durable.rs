//! What outlives an orchestrator: runs in a durable store.

use std::path::Path;

use orch::{
    config::{
        Profile,
        kind::WorkerKind,
        permission::{PermissionAction, PermissionRule},
    },
    opencode::simulator::{Answer, CallEnd, Hold, Script, Simulator, When},
    prelude::*,
};

use crate::world::{
    self, WORKFLOW, config, gate, held, profile, request, rest, simulator, step, stepped, texts, within,
};

async fn orchestrator(simulator: &Simulator, state: &Path) -> Orchestrator {
    world::builder(simulator).store_at(state).build().await.unwrap()
}

/// As long as the former owner's lease is not given back, nobody else may take the run up.
async fn resume(orchestrator: &Orchestrator, run: &RunId) -> Run {
    within(async {
        loop {
            match orchestrator.resume(run).await {
                Err(error) if error.kind() == ErrorKind::Locked => tokio::task::yield_now().await,
                resumed => return resumed.unwrap(),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_step_in_flight_is_taken_up_where_it_is() {
    for answered_meanwhile in [false, true] {
        let (hold, state) = (Hold::new(), tempfile::tempdir().unwrap());
        let host = held(&hold).await;
        let first = orchestrator(&host, state.path()).await;
        let id = first.run(request()).await.unwrap().id().clone();
        within(hold.wait_arrived()).await;
        drop(first);
        if answered_meanwhile {
            hold.release();
            within(host.wait_model_log(|log| log.iter().any(|call| call.end == CallEnd::Answered))).await;
        }
        let second = orchestrator(&host, state.path()).await;
        let run = resume(&second, &id).await;
        hold.release();
        let view = rest(&run).await;
        assert_eq!(view.status, RunStatus::Success, "{view:#?}");
        assert_eq!(texts(&view), ["late", "ok"]);
        assert_eq!(host.model_prompts().len(), 2, "one prompt per step");
    }
}

#[tokio::test]
async fn a_gate_is_answered_by_another_orchestrator() {
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new()).await;
    let first = orchestrator(&host, state.path()).await;
    let run = first.run(stepped()).await.unwrap();
    let waiting = gate(&run).await;
    first.shutdown().await;

    let second = orchestrator(&host, state.path()).await;
    let decision = DecisionRequest::new(Decision::Continue, "me").at(waiting.id);
    let driven = second.decide(run.id(), decision).await.unwrap().run.unwrap();
    assert_eq!(rest(&driven).await.status, RunStatus::Success);
}

#[tokio::test]
async fn a_run_at_its_gate_can_be_ended_without_a_host() {
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new()).await;
    let first = orchestrator(&host, state.path()).await;
    let (aborted, cancelled) = (first.run(stepped()).await.unwrap(), first.run(stepped()).await.unwrap());
    gate(&aborted).await;
    gate(&cancelled).await;
    first.shutdown().await;
    host.refuse_connections().await;

    let second = orchestrator(&host, state.path()).await;
    let error =
        second.decide(aborted.id(), DecisionRequest::new(Decision::Continue, "me")).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Host, Disposition::Retry), "{error}");
    second.decide(aborted.id(), DecisionRequest::new(Decision::Abort, "me")).await.unwrap();
    second.cancel(cancelled.id(), "me").await.unwrap();
    within(async {
        for (run, status) in [(aborted, RunStatus::Error), (cancelled, RunStatus::Cancelled)] {
            let view = second.view(run.id()).await.unwrap();
            assert_eq!(view.status, status);
        }
    })
    .await;
}

#[tokio::test]
async fn a_workflow_that_was_changed_meanwhile_stops_at_a_gate() {
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new()).await;
    let first = orchestrator(&host, state.path()).await;
    let run = first.run(stepped()).await.unwrap();
    gate(&run).await;
    first.shutdown().await;

    let mut changed = config();
    changed.insert_workflow(world::workflow(vec![
        step("one", "agent", "do one of {task}"),
        step("two", "subagent", "do something else"),
    ]));
    let second = world::builder(&host).config(changed).store_at(state.path()).build().await.unwrap();
    let resumed = second.resume(run.id()).await.unwrap();
    let view = rest(&resumed).await;
    let reasons: Vec<_> = view.gate.iter().chain(&view.gates).map(|gate| gate.reason).collect();
    assert!(reasons.contains(&GateReason::DefinitionChanged), "{reasons:?}");
    assert_eq!(host.model_prompts().len(), 1);
}

/// What a run was started with is what somebody agreed to: whatever of it is edited while the run waits, nothing goes on
/// before it was said.
#[tokio::test]
async fn whatever_is_edited_while_a_run_is_paused_stops_it_at_a_gate_that_says_what() {
    type Edit = fn(&mut Config);
    const PROFILE: &str = "worker subagent has another profile";
    let table: [(Edit, &str); 12] = [
        (|config| worker(config).model = Some("simulated/other".to_owned()), PROFILE),
        (|config| worker(config).agent = Some("plan".to_owned()), PROFILE),
        (|config| worker(config).system_prompt = Some("be brief".to_owned()), PROFILE),
        (
            |config| {
                let allow = PermissionRule::new("bash", "*", PermissionAction::Allow);
                worker(config).permission.push(allow);
            },
            PROFILE,
        ),
        // What `tools` comes to.
        (|config| worker(config).permission.push(PermissionRule::deny("webfetch")), PROFILE),
        (|config| worker(config).temperature = Some(0.5), PROFILE),
        (|config| worker(config).inject_repo_context = true, PROFILE),
        (|config| worker(config).kind = WorkerKind::Agent, "step two has another kind"),
        (|config| config.policy.intervene = Intervene::Never, "its policy"),
        (
            |config| {
                config.insert_workflow(world::workflow(vec![step("one", "agent", "do one of {task}")]));
            },
            "step two is gone",
        ),
        (|config| drop(config.workflows.shift_remove(WORKFLOW)), "there is no workflow two any more"),
        (|config| drop(config.profiles.shift_remove("subagent")), "it cannot run as it is now"),
    ];
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new()).await;
    let first = orchestrator(&host, state.path()).await;
    for (number, (edit, says)) in table.into_iter().enumerate() {
        let run = first.run(stepped()).await.unwrap();
        gate(&run).await;
        let mut edited = config();
        edit(&mut edited);
        let second = world::builder(&host).config(edited).store_at(state.path()).build().await.unwrap();
        let view = rest(&second.resume(run.id()).await.unwrap()).await;
        let changed = view.gates.iter().find(|gate| gate.reason == GateReason::DefinitionChanged);
        let message = changed.map(|gate| gate.message.as_str()).unwrap_or_default();
        assert!(message.contains(says), "row {number}: {message:?} does not say {says:?}");
        assert_eq!(host.model_prompts().len(), number + 1, "row {number}: nothing goes on");
    }
}

/// A new password is no other definition, and neither is what only people read.
#[tokio::test]
async fn what_changes_nothing_of_the_work_opens_no_gate() {
    type Edit = fn(&mut Config);
    let table: [Edit; 4] = [
        |_| {},
        |config| worker(config).purpose = "to help".to_owned(),
        |config| drop(worker(config).env.0.insert("TOKEN".to_owned(), "another".to_owned())),
        |config| drop(config.insert_profile(profile("unused", WorkerKind::Agent))),
    ];
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new()).await;
    let with_a_password = || {
        let mut config = config();
        worker(&mut config).env.0.insert("TOKEN".to_owned(), "secret".to_owned());
        config
    };
    let builder = |config| world::builder(&host).config(config).store_at(state.path());
    let first = builder(with_a_password()).build().await.unwrap();
    for edit in table {
        let run = first.run(stepped()).await.unwrap();
        let open = gate(&run).await;
        let mut edited = with_a_password();
        edit(&mut edited);
        let second = builder(edited).build().await.unwrap();
        let view = rest(&second.resume(run.id()).await.unwrap()).await;
        assert_eq!((view.gate, view.gates), (Some(open), vec![]));
    }
}

/// The worker of the second step.
fn worker(config: &mut Config) -> &mut Profile {
    config.profiles.get_mut("subagent").unwrap()
}

#[tokio::test]
async fn the_configuration_moves_the_store_of_a_state_root_and_no_other() {
    let (root, moved, explicit) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = simulator(Script::new()).await;
    let builder = || {
        let mut config = config();
        config.store.path = Some(moved.path().to_owned());
        world::builder(&host).config(config)
    };
    let has_store = |directory: &Path| std::fs::read_dir(directory).unwrap().next().is_some();

    builder().store_at(explicit.path()).build().await.unwrap();
    assert!(has_store(explicit.path()) && !has_store(moved.path()));
    builder().state_root(root.path()).build().await.unwrap();
    assert!(has_store(moved.path()));
    assert!(!root.path().join("projects").exists());
}

#[tokio::test]
async fn what_was_seen_before_gives_what_follows_its_context() {
    let state = tempfile::tempdir().unwrap();
    let host = simulator(Script::new().on(When::prompt("do one"), Answer::text("1"))).await;
    let mut config = config();
    config.insert_profile(profile("agent", WorkerKind::Subagent));
    let builder = || world::builder(&host).config(config.clone()).store_at(state.path());
    let first = builder().silent().build().await.unwrap();
    let run = first.run(stepped()).await.unwrap();
    gate(&run).await;
    first.shutdown().await;

    let screen = world::Screen::default();
    let second = builder().frontend(std::sync::Arc::new(screen.clone())).build().await.unwrap();
    second.decide(run.id(), DecisionRequest::new(Decision::Abort, "me")).await.unwrap();
    rest(&second.resume(run.id()).await.unwrap()).await;
    second.shutdown().await;
    let shown = screen.shown();
    assert!(shown.iter().any(|line| line.starts_with("notice: ")), "the parent session is known: {shown:?}");
    assert!(!shown.iter().any(|line| line.contains("started")), "the start is old news: {shown:?}");
}
