//! Follows one run to its end or to a gate that nobody here answers.

use orch::{EventBody, EventStream, Orchestrator, Received, Run, RunStatus, RunView};

use crate::{
    ask::{self, Choice},
    exit::{Exit, Failure},
    interrupt::{Interrupts, Step},
    report::Report,
};

/// Who answers a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtGate {
    /// The person at the terminal.
    Ask,
    /// Nobody: the command ends and says how to go on.
    Exit,
}

/// Shows a run until it rests, asks at its gates where somebody can answer, and ends with the run's exit code.
pub(crate) async fn follow(
    orchestrator: &Orchestrator,
    mut run: Run,
    mut events: EventStream,
    report: &mut Report,
    at_gate: AtGate,
) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::new()?;
    loop {
        let view = match watch(orchestrator, &run, &mut events, report, &mut interrupts, at_gate).await? {
            Watched::Rest(view) => view,
            Watched::Left => return Ok(Exit::Interrupted),
        };
        let interrupted = interrupts.count() > 0;
        if view.status != RunStatus::Paused || interrupted || at_gate == AtGate::Exit {
            report.rest(&view)?;
            if view.status == RunStatus::Paused {
                report.say(&ask::how_to_go_on(&view))?;
            }
            return Ok(if interrupted && !view.status.is_terminal() {
                Exit::Interrupted
            } else {
                exit_of(&view)
            });
        }
        let choice = tokio::select! {
            choice = ask::gate(&view, report) => choice?,
            _ = interrupts.next() => Choice::Leave,
        };
        match choice {
            Choice::Leave => {
                report.rest(&view)?;
                report.say(&ask::how_to_go_on(&view))?;
                return Ok(if interrupts.count() > 0 { Exit::Interrupted } else { Exit::Paused });
            }
            Choice::Decide(request) => match orchestrator.decide(run.id(), request).await {
                Ok(requested) => match requested.run {
                    Some(next) => run = next,
                    None => {
                        report.say("  another process has taken the run up and drives it on")?;
                        return Ok(Exit::Success);
                    }
                },
                Err(error) => report.say(&format!("  {error}"))?,
            },
        }
    }
}

enum Watched {
    Rest(Box<RunView>),
    Left,
}

async fn watch(
    orchestrator: &Orchestrator,
    run: &Run,
    events: &mut EventStream,
    report: &mut Report,
    interrupts: &mut Interrupts,
    at_gate: AtGate,
) -> Result<Watched, Failure> {
    let rest = run.wait();
    tokio::pin!(rest);
    let mut listening = true;
    loop {
        tokio::select! {
            biased;
            received = events.next(), if listening => match received {
                Some(Received::Event(event)) if event.run == *run.id() => {
                    report.event(&event)?;
                    if let EventBody::AskOpened { ask, .. } = &event.body
                        && at_gate == AtGate::Ask
                    {
                        ask::permission(orchestrator, run.id(), ask, report).await?;
                    }
                }
                Some(_) => {}
                None => listening = false,
            },
            view = &mut rest => {
                let view = view?;
                return Ok(Watched::Rest(Box::new(view)));
            }
            step = interrupts.next() => match step {
                Step::Pause => {
                    report.say("\n  pausing after this step; ctrl-c again to abort the step")?;
                    orchestrator.pause(run.id(), &by()).await?;
                }
                Step::Abort => {
                    report.say("\n  aborting the step; ctrl-c again to leave at once")?;
                    orchestrator.interrupt(run.id(), &by()).await?;
                }
                Step::Leave => return Ok(Watched::Left),
            },
        }
    }
}

/// The exit code that a run's status stands for.
pub(crate) fn exit_of(view: &RunView) -> Exit {
    match view.status {
        RunStatus::Success => Exit::Success,
        RunStatus::Paused => Exit::Paused,
        RunStatus::Error | RunStatus::Cancelled => Exit::Error,
        RunStatus::Running => Exit::Interrupted,
    }
}

/// Who this is, for journals: the user at this terminal.
pub(crate) fn by() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "cli".to_owned())
}
