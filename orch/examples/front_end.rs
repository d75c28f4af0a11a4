//! A front end of one's own: it prints what happens in a run as it happens, answers gates, and denies what workers ask.
//!
//! Everything a front end needs is in the event stream. A reader that was too slow is told so, and catches up from the
//! journal; a front end that was started again does the same.

#![expect(clippy::print_stdout, reason = "a front end prints")]

use std::sync::Arc;

use orch::{
    opencode::simulator::{DEMO_TASK, Simulator, SimulatorOptions, demo_script},
    prelude::*,
    workflow::{
        event::StepProgress,
        port::{AskReply, Progress},
    },
};

/// Who answers, for the journal.
const ME: &str = "front-end";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opencode = Simulator::start(SimulatorOptions::new(demo_script())).await?;
    let orchestrator = Orchestrator::builder(opencode.directory())
        .host(Host::server(opencode.url()))
        .silent() // this program shows what happens: no toasts in the host's own interface
        .build()
        .await?;

    // First the subscription, then the run: nothing is missed.
    let events = orchestrator.subscribe();
    let run = orchestrator.run(RunRequest::new("build", DEMO_TASK).intervene(Intervene::OnWarning)).await?;
    let status = follow(&orchestrator, run.id(), events).await?;
    orchestrator.shutdown().await;
    if status == Some(RunStatus::Success) { Ok(()) } else { Err("the run did not succeed".into()) }
}

/// Shows a run until it ends, and answers whatever waits for a person.
async fn follow(
    orchestrator: &Orchestrator,
    run: &RunId,
    mut events: EventStream,
) -> Result<Option<RunStatus>, Error> {
    let mut seen = 0;
    while let Some(received) = events.next().await {
        let news = match received {
            Received::Event(event) => vec![Arc::unwrap_or_clone(event)],
            Received::Status(status) => {
                println!("  {}", status.body.note().unwrap_or("a worker does something else now"));
                continue;
            }
            _ => orchestrator.events(run, seen + 1).await?, // too slow: the journal has what was missed
        };
        for event in &news {
            if event.run != *run || (!event.live && event.seq <= seen) {
                continue; // another run's, or known from the journal already
            }
            seen = seen.max(event.seq);
            show(event);
            if let EventBody::RunFinished { status, .. } = &event.body {
                return Ok(Some(*status));
            }
            if let Err(error) = react(orchestrator, event).await {
                // Somebody else may have been faster; what cannot be mended ends the program.
                println!("  ({error})");
                if error.disposition() == Disposition::Terminal && error.kind() != ErrorKind::Refused {
                    return Err(error);
                }
            }
        }
    }
    Ok(None)
}

async fn react(orchestrator: &Orchestrator, event: &Event) -> Result<(), Error> {
    match &event.body {
        EventBody::GateOpened { gate } => {
            let decision = DecisionRequest::new(choose(gate), ME).at(gate.id.clone());
            orchestrator.decide(&event.run, decision).await?;
        }
        EventBody::AskOpened { ask, .. } => {
            let reply = AskReply::Reject { message: Some("nobody is there to answer".to_owned()) };
            orchestrator.answer(&event.run, &ask.id, reply, ME).await?;
        }
        _ => {}
    }
    Ok(())
}

/// A remark is no reason to stop; a failure is.
fn choose(gate: &Gate) -> Decision {
    match gate.reason {
        GateReason::InterveneOnWarning if gate.allows(DecisionKind::Continue) => Decision::Continue,
        _ => Decision::Abort,
    }
}

fn show(event: &Event) {
    match &event.body {
        EventBody::RunStarted { workflow, task, .. } => println!("{workflow}: {task}"),
        EventBody::StepStarted { title, worker, .. } => println!("▸ {title} ({worker})"),
        EventBody::StepProgress {
            progress: StepProgress::Worker { progress: Progress::Text { delta } },
            ..
        } => println!("  … {} more characters", delta.chars().count()),
        EventBody::StepSettled { step, outcome, active_ms, .. } => {
            println!("● {step}: {outcome:?} after {active_ms} ms");
        }
        EventBody::GateOpened { gate } => println!("? {}: {}", gate.reason.as_str(), gate.message),
        EventBody::GateResolved { decision, by, .. } => println!("! {} by {by}", decision.as_str()),
        EventBody::AskOpened { ask, .. } => println!("? {}", ask.summary),
        EventBody::RunFinished { status, .. } => println!("{}", status.as_str()),
        _ => {}
    }
}
