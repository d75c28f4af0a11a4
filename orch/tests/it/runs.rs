//! Starting, steering and ending runs.

use orch::{
    config::kind::WorkerKind,
    opencode::simulator::{Hold, Script, When},
    prelude::*,
    workflow::status::CautionCode,
};

use crate::world::{
    builder, config, gate, held, orchestrator, profile, request, rest, simulator, stepped, texts, within,
};

#[tokio::test]
async fn a_run_goes_to_its_end() {
    let host = simulator(Script::new().on(When::prompt("do one"), "1").on(When::prompt("do two"), "2")).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    let view = rest(&run).await;
    assert_eq!(view.status, RunStatus::Success);
    assert_eq!(texts(&view), ["1", "2"]);
    assert_eq!(view, orchestrator.view(run.id()).await.unwrap());
    let runs = orchestrator.runs(Runs::All).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((&runs[0].0, runs[0].1.as_ref().unwrap()), (run.id(), &view));
    let prompts: Vec<_> = host.model_prompts().into_iter().map(|call| call.text).collect();
    assert!(
        prompts[0].contains("do one of the task") && prompts[1].contains("do two of the task"),
        "{prompts:?}"
    );
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn an_orchestrator_makes_the_parent_that_a_subagent_needs() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let view = rest(&orchestrator.run(request()).await.unwrap()).await;
    let parent = view.parent_session.unwrap();
    let session = view.steps[1].session.clone().unwrap();
    let child = host.sessions().into_iter().find(|known| known.id == session).unwrap();
    assert_eq!(child.parent, Some(parent));
}

#[tokio::test]
async fn a_gate_is_answered_and_the_run_driven_on() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(stepped()).await.unwrap();
    let first = gate(&run).await;
    assert_eq!((first.reason, first.step.as_str()), (GateReason::ExecutionStep, "one"));
    assert_eq!(host.model_prompts().len(), 1, "nothing is dispatched while a gate waits");

    let decision = DecisionRequest::new(Decision::Continue, "me").at(first.id);
    let driven = orchestrator.decide(run.id(), decision.clone()).await.unwrap().run.unwrap();
    assert_eq!(rest(&driven).await.status, RunStatus::Success);

    let late = orchestrator.decide(run.id(), decision).await.unwrap_err();
    assert_eq!((late.kind(), late.code()), (ErrorKind::Refused, "orch::run::gate-already-resolved"));
}

#[tokio::test]
async fn a_pause_lets_the_step_at_work_finish() {
    let hold = Hold::new();
    let host = held(&hold).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    within(hold.wait_arrived()).await;
    orchestrator.pause(run.id(), "me").await.unwrap();
    hold.release();
    let gate = gate(&run).await;
    assert_eq!(gate.reason, GateReason::User);
    assert_eq!(texts(&run.view()), ["late", "-"]);
    assert_eq!(host.model_prompts().len(), 1);
}

#[tokio::test]
async fn an_interrupt_stops_the_step_and_leaves_a_gate() {
    let hold = Hold::new();
    let host = held(&hold).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    within(hold.wait_arrived()).await;
    orchestrator.interrupt(run.id(), "me").await.unwrap();
    assert_eq!(gate(&run).await.reason, GateReason::Aborted);
    assert!(host.requests().iter().any(|request| request.path.ends_with("/abort")));
}

#[tokio::test]
async fn a_cancelled_run_has_nothing_left_at_work() {
    let hold = Hold::new();
    let host = held(&hold).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    within(hold.wait_arrived()).await;
    orchestrator.cancel(run.id(), "me").await.unwrap();
    assert_eq!(rest(&run).await.status, RunStatus::Cancelled);
    let at_work = |session: &orch::opencode::simulator::SimulatedSession| {
        session.status != orch::opencode::simulator::SimulatedStatus::Idle
    };
    assert!(!host.sessions().iter().any(at_work));
}

#[tokio::test]
async fn two_runs_share_a_host() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let (one, other) = tokio::join!(orchestrator.run(request()), orchestrator.run(request()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.id(), other.id());
    for run in [one, other] {
        assert_eq!(rest(&run).await.status, RunStatus::Success);
    }
    assert_eq!(host.model_prompts().len(), 4);
}

#[tokio::test]
async fn after_a_shutdown_every_clone_is_shut_down() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    orchestrator.clone().shutdown().await;
    let error = orchestrator.run(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShutDown, "{error}");
    assert!(orchestrator.runs(Runs::All).await.unwrap().is_empty());
}

#[tokio::test]
async fn finished_runs_are_kept_as_long_as_the_configuration_says() {
    let simulator = simulator(Script::new().otherwise("Done.")).await;
    let mut config = config();
    config.store.retention.max_runs = Some(1);
    let orchestrator = builder(&simulator).config(config).build().await.unwrap();
    for _ in 0..3 {
        let run = orchestrator.run(request()).await.unwrap();
        rest(&run).await;
    }
    assert_eq!(
        orchestrator.runs(Runs::All).await.unwrap().len(),
        2,
        "the newest finished one and the one that began"
    );
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn workers_that_are_listed_are_started_eagerly() {
    let simulator = simulator(Script::new().otherwise("Done.")).await;
    let mut broken = profile("broken", WorkerKind::Agent);
    broken.agent = Some("nobody".to_owned());
    let mut config = config();
    config.insert_profile(broken);
    config.spawn = vec!["coder".parse().unwrap(), "broken".parse().unwrap()];
    config.insert_profile(profile("coder", WorkerKind::Agent));
    let orchestrator = builder(&simulator).config(config.clone()).build().await.unwrap();
    let failed = orchestrator.warm_up().await.unwrap();
    assert_eq!(failed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["broken"]);
    orchestrator.shutdown().await;

    config.auto_spawn = false;
    let orchestrator = builder(&simulator).config(config).build().await.unwrap();
    assert!(orchestrator.warm_up().await.unwrap().is_empty());
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_temperature_without_effect_is_said() {
    let host = simulator(Script::new()).await;
    let mut config = config();
    let mut warm = profile("agent", WorkerKind::Agent);
    warm.temperature = Some(0.5);
    config.insert_profile(warm);
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    let run = orchestrator.run(request()).await.unwrap();
    let view = rest(&run).await;
    let [warning] = &view.warnings[..] else { panic!("{:?}", view.warnings) };
    assert_eq!(warning.code, CautionCode::WithoutEffect);
    let message = "worker `agent`: without effect: `temperature` (it needs a host that orch starts";
    assert!(warning.message.starts_with(message), "{}", warning.message);
    let events = orchestrator.events(run.id(), 0).await.unwrap();
    let EventBody::RunStarted { warnings, .. } = &events[0].body else { panic!("{events:?}") };
    assert_eq!(*warnings, view.warnings);

    // A fork is warned about the workers that it begins with, not about those of its past.
    let forked = orchestrator.fork(run.id(), ForkRequest::new("two".parse().unwrap())).await.unwrap();
    assert_eq!(rest(&forked).await.warnings, []);
}
