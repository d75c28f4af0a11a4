//! The past of a run, why it stands where it stands, and runs that go on from it.

use orch::{
    Definition, ForkRequest,
    config::id::StepId,
    opencode::simulator::{Answer, Hold, Script, When},
    prelude::*,
    ux::why::{State, WaitFor},
    workflow::view::StepStatus,
};

use crate::world::{
    builder, config, gate, held, orchestrator, request, rest, simulator, step, stepped, texts, within,
    workflow,
};

fn from(step: &str) -> ForkRequest {
    ForkRequest::new(StepId::new(step).unwrap())
}

/// In every moment of a run that fails, is tried again and succeeds there is something to say.
#[tokio::test]
async fn every_moment_of_a_run_has_a_view() {
    let simulator = simulator(
        Script::new().on_first(1, When::prompt("do one"), Answer::error(400, "no")).otherwise("fine"),
    )
    .await;
    let orchestrator = orchestrator(&simulator).await;
    let run = orchestrator.run(request()).await.unwrap();
    let open = gate(&run).await;
    let retry = DecisionRequest::new(Decision::Retry { note: None, session: None }, "me").at(open.id.clone());
    let run = orchestrator.decide(run.id(), retry).await.unwrap().run.unwrap();
    let now = rest(&run).await;
    assert_eq!(now.status, RunStatus::Success);
    for event in orchestrator.events(run.id(), 1).await.unwrap() {
        let (then, last) = orchestrator.view_at(run.id(), event.seq).await.unwrap();
        assert_eq!((then.seq, last), (event.seq, now.seq));
        if let EventBody::GateOpened { gate } = event.body {
            assert_eq!(then.gate, Some(gate));
        }
    }
    let (then, last) = orchestrator.view_at(run.id(), now.seq).await.unwrap();
    assert_eq!((then, last), (now.clone(), now.seq));
    let error = orchestrator.view_at(run.id(), now.seq + 1).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Usage, "orch::run::unknown-record"));
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn why_follows_a_run_from_work_over_its_gate_to_its_end() {
    let hold = Hold::new();
    let simulator = held(&hold).await;
    let orchestrator = orchestrator(&simulator).await;
    let run = orchestrator.run(stepped()).await.unwrap();
    within(hold.wait_arrived()).await;
    let why = orchestrator.why(run.id()).await.unwrap();
    assert_eq!(why.state, State::AtWork);
    assert!(matches!(why.waits[0].what, WaitFor::Answer | WaitFor::Model), "{why:?}");
    assert!(why.text.contains("latest sign of life"), "it is driven here: {}", why.text);
    hold.release();
    gate(&run).await;
    let why = orchestrator.why(run.id()).await.unwrap();
    assert_eq!(why.state, State::Paused);
    assert!(
        matches!(&why.waits[0].what, WaitFor::Decision { reason, .. } if reason == "execution=step"),
        "{why:?}"
    );
    orchestrator.cancel(run.id(), "me").await.unwrap();
    let why = orchestrator.why(run.id()).await.unwrap();
    assert_eq!((why.state, why.waits.len()), (State::Finished, 0));
    assert!(why.text.contains("cancelled by me"), "{}", why.text);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_fork_keeps_what_comes_before_and_sends_only_the_rest() {
    let simulator = simulator(Script::new().on(When::prompt("do one"), "first").otherwise("second")).await;
    let orchestrator = orchestrator(&simulator).await;
    let run = orchestrator.run(request()).await.unwrap();
    let before = rest(&run).await;
    let sent = simulator.prompts().iter().filter(|prompt| !prompt.no_reply).count();
    assert_eq!(sent, 2);

    let fork = orchestrator.fork(run.id(), from("two")).await.unwrap();
    let view = rest(&fork).await;
    assert_eq!((view.status, texts(&view)), (RunStatus::Success, vec!["first", "second"]));
    assert_eq!((view.steps[0].status, view.steps[0].attempts.len()), (StepStatus::Done, 0));
    assert_eq!(view.steps[0].session, before.steps[0].session, "where it was made");
    assert_ne!(view.parent_session, before.parent_session, "a run of its own, with a parent of its own");
    let prompts = simulator.prompts();
    let after: Vec<_> = prompts
        .iter()
        .filter(|prompt| !prompt.no_reply)
        .skip(sent)
        .map(|prompt| prompt.text.as_str())
        .collect();
    assert_eq!(after, ["do two of the task"]);
    assert_eq!(orchestrator.view(run.id()).await.unwrap(), before);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_fork_follows_the_current_definition_or_the_journaled_one() {
    let simulator = simulator(Script::new().otherwise("fine")).await;
    let dir = tempfile::tempdir().unwrap();
    let first = builder(&simulator).store_at(dir.path()).build().await.unwrap();
    let run = first.run(request()).await.unwrap();
    rest(&run).await;
    let id = run.id().clone();
    drop(run);
    first.shutdown().await;

    let mut edited = config();
    edited.insert_workflow(workflow(vec![
        step("one", "agent", "do one of {task}"),
        step("two", "subagent", "do two better: {task}"),
    ]));
    let second = builder(&simulator).config(edited).store_at(dir.path()).build().await.unwrap();
    for (definition, prompt) in
        [(Definition::Current, "do two better: the task"), (Definition::Journaled, "do two of the task")]
    {
        let fork = second.fork(&id, from("two").definition(definition)).await.unwrap();
        assert_eq!(rest(&fork).await.status, RunStatus::Success);
        let prompts = simulator.prompts();
        let last = prompts.iter().rev().find(|prompt| !prompt.no_reply).unwrap();
        assert_eq!(last.text, prompt, "{definition:?}");
    }
    second.shutdown().await;
}

#[tokio::test]
async fn a_fork_that_makes_no_sense_creates_no_run_and_names_the_way_out() {
    let hold = Hold::new();
    let simulator = held(&hold).await;
    let orchestrator = orchestrator(&simulator).await;
    let run = orchestrator.run(request()).await.unwrap();
    within(hold.wait_arrived()).await;
    let driven = orchestrator.fork(run.id(), from("one")).await.unwrap_err();
    assert_eq!((driven.kind(), driven.code()), (ErrorKind::Locked, "orch::run::locked"));
    hold.release();
    rest(&run).await;

    let unknown = orchestrator.fork(run.id(), from("three")).await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.code()), (ErrorKind::Usage, "orch::run::unknown-step"));
    let parent = orchestrator.fork(run.id(), from("two").parent("ses_nobody")).await.unwrap_err();
    assert_eq!(parent.kind(), ErrorKind::Usage);
    assert_eq!(orchestrator.runs(Runs::All).await.unwrap().len(), 1);
    orchestrator.shutdown().await;
}
