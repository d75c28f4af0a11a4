//! The event stream: complete, replayable, and harmless to runs.

use std::sync::Arc;

use orch::{opencode::simulator::Script, prelude::*};

use crate::{
    workers::Counter,
    world::{self, builder, config, gate, orchestrator, profile, rest, simulator, step, stepped, within},
};

#[tokio::test]
async fn what_is_replayed_is_what_was_live() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let mut stream = orchestrator.subscribe();
    let run = orchestrator.run(stepped()).await.unwrap();
    gate(&run).await;
    let driven = orchestrator.decide(run.id(), DecisionRequest::new(Decision::Continue, "me")).await.unwrap();
    rest(&driven.run.unwrap()).await;

    let mut live = Vec::new();
    while !matches!(live.last(), Some(Event { body: EventBody::RunFinished { .. }, .. })) {
        match within(stream.next()).await {
            Some(Received::Status(_)) => {}
            Some(Received::Event(event)) if event.live => {}
            Some(Received::Event(event)) => live.push(Event::clone(&event)),
            other => panic!("{other:?}"),
        }
    }
    let replayed = orchestrator.events(run.id(), 0).await.unwrap();
    assert_eq!(replayed, live);
    assert!(replayed.len() > 8, "{replayed:#?}");

    for from in [1, 4, live.last().unwrap().seq, u64::MAX] {
        let tail: Vec<_> = live.iter().filter(|event| event.seq >= from).cloned().collect();
        assert_eq!(orchestrator.events(run.id(), from).await.unwrap(), tail, "from {from}");
    }
}

/// Ten thousand signs of life, and one reader that takes none of them.
#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_and_slows_nobody() {
    let host = simulator(Script::new()).await;
    let mut config = config();
    config.insert_profile(profile("counter", orch::config::kind::WorkerKind::Agent));
    config.insert_workflow(world::workflow(vec![step("one", "counter", "10000")]));
    let orchestrator =
        builder(&host).config(config).worker(Arc::new(Counter::new("counter"))).build().await.unwrap();
    let mut slow = orchestrator.subscribe();
    let run = orchestrator.run(world::request()).await.unwrap();
    let view = rest(&run).await;
    assert_eq!((view.status, world::texts(&view)), (RunStatus::Success, vec!["counted to 10000"]));

    let Some(Received::Lagged(missed)) = slow.next().await else { panic!("nothing was missed") };
    assert!(missed > 1_000, "{missed}");
    // What it still gets is the end of the story, and the journal has the rest.
    let mut finished = false;
    while !finished {
        let Some(Received::Event(event)) = within(slow.next()).await else { panic!("a second gap") };
        finished = matches!(event.body, EventBody::RunFinished { .. });
    }
    let events = orchestrator.events(run.id(), 1).await.unwrap();
    assert!(matches!(events[0].body, EventBody::RunStarted { .. }));
}

#[tokio::test]
async fn a_stream_ends_with_its_orchestrator() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let mut stream = orchestrator.subscribe();
    orchestrator.host().await.unwrap();
    drop(orchestrator);
    assert_eq!(within(stream.next()).await, None);
}
