//! Who gets to see what happens.

use std::sync::Arc;

use orch::{
    opencode::simulator::{Script, Simulator},
    prelude::*,
};

use crate::world::{Screen, builder, gate, orchestrator, request, rest, simulator, stepped};

/// A run that stops at a gate and is driven on to its end.
async fn play(orchestrator: Orchestrator) {
    let run = orchestrator.run(stepped()).await.unwrap();
    gate(&run).await;
    let driven = orchestrator.decide(run.id(), DecisionRequest::new(Decision::Continue, "me")).await.unwrap();
    rest(&driven.run.unwrap()).await;
    orchestrator.shutdown().await;
}

fn notices(host: &Simulator) -> Vec<String> {
    host.prompts().into_iter().filter(|prompt| prompt.no_reply).map(|prompt| prompt.text).collect()
}

#[tokio::test]
async fn the_hosts_own_interface_shows_toasts_and_notices() {
    let host = simulator(Script::new()).await;
    play(orchestrator(&host).await).await;
    let toasts: Vec<_> = host.tui_calls().into_iter().filter(|call| call.route == "show-toast").collect();
    let variants: Vec<_> = toasts.iter().map(|toast| toast.body["variant"].as_str().unwrap()).collect();
    assert_eq!(variants, ["info", "success"], "the gate, then the end: {toasts:#?}");
    let notices = notices(&host);
    assert!(notices.iter().any(|text| text.contains("started")), "{notices:#?}");
    assert_eq!(host.model_prompts().len(), 2, "no notice asks the model for anything");
}

#[tokio::test]
async fn a_silent_orchestrator_shows_nothing() {
    let host = simulator(Script::new()).await;
    play(builder(&host).silent().build().await.unwrap()).await;
    assert_eq!(host.tui_calls(), []);
    assert_eq!(notices(&host), [""; 0]);
}

#[tokio::test]
async fn a_front_end_of_ones_own_gets_what_the_host_would() {
    let host = simulator(Script::new()).await;
    let screen = Screen::default();
    play(builder(&host).frontend(Arc::new(screen.clone())).build().await.unwrap()).await;
    assert_eq!(host.tui_calls(), []);
    let kinds: Vec<_> =
        screen.shown().iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
    for kind in ["toast", "notice", "attention"] {
        assert!(kinds.iter().any(|shown| shown == kind), "{kind} is missing in {kinds:?}");
    }
}

#[tokio::test]
async fn a_front_end_that_fails_harms_no_run() {
    #[derive(Debug)]
    struct Broken;
    #[async_trait::async_trait]
    impl orch::ux::frontend::Frontend for Broken {
        async fn show(&self, _: &orch::ux::action::UxAction) -> Result<(), orch::ux::error::Error> {
            panic!("the screen is gone");
        }
    }
    let host = simulator(Script::new()).await;
    let orchestrator = builder(&host).frontend(Arc::new(Broken)).build().await.unwrap();
    let view = rest(&orchestrator.run(request()).await.unwrap()).await;
    assert_eq!(view.status, RunStatus::Success);
    orchestrator.shutdown().await;
}
