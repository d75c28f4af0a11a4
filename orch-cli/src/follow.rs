//! Follows one run to its end or to a gate that nobody here answers.

use orch::{Event, EventBody, Orchestrator, Received, Run, RunStatus, RunView};

use crate::{
    ask::{self, Choice, Pending, Stdin},
    exit::{Exit, Failure},
    heard::Heard,
    interrupt::{Interrupts, Step},
    person::by,
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
    events: Heard,
    report: &mut Report,
    at_gate: AtGate,
) -> Result<Exit, Failure> {
    let mut terminal = Terminal {
        orchestrator,
        events,
        report,
        at_gate,
        interrupts: Interrupts::new()?,
        stdin: Stdin::default(),
        pending: Pending::default(),
    };
    loop {
        let Some(view) = terminal.watch(&run).await? else { return Ok(Exit::Interrupted) };
        let interrupted = terminal.interrupts.count() > 0;
        if view.status != RunStatus::Paused || interrupted || at_gate == AtGate::Exit {
            terminal.leave(&view)?;
            let left_open = interrupted && !view.status.is_terminal();
            return Ok(if left_open { Exit::Interrupted } else { exit_of(&view) });
        }
        match terminal.choose(&view).await? {
            Choice::Leave => {
                terminal.leave(&view)?;
                let interrupted = terminal.interrupts.count() > 0;
                return Ok(if interrupted { Exit::Interrupted } else { Exit::Paused });
            }
            Choice::Decide(request) => match orchestrator.decide(run.id(), request).await {
                Ok(requested) => match requested.run {
                    Some(next) => run = next,
                    None => {
                        terminal.report.say("  another process has taken the run up and drives it on")?;
                        return Ok(Exit::Success);
                    }
                },
                Err(error) => {
                    terminal.report.say(&format!("  {error}"))?;
                    // Its time was over while the person thought: its default goes on here.
                    let is_over = view.gate.as_ref().is_some_and(|gate| gate.is_over(orchestrator.now()));
                    if let Some(driven) = orchestrator.driven(run.id()).filter(|_| is_over) {
                        run = driven;
                        continue;
                    }
                    let now = orchestrator.view(run.id()).await?;
                    // Where another process was faster there is nothing left to ask here.
                    if now.gate != view.gate {
                        if now.status == RunStatus::Running && now.owner.is_some() {
                            terminal.report.say("  another process drives the run on")?;
                            return Ok(Exit::Locked);
                        }
                        terminal.leave(&now)?;
                        return Ok(exit_of(&now));
                    }
                }
            },
        }
    }
}

/// A person, or a program, in front of one run.
struct Terminal<'a> {
    orchestrator: &'a Orchestrator,
    events: Heard,
    report: &'a mut Report,
    at_gate: AtGate,
    interrupts: Interrupts,
    stdin: Stdin,
    pending: Pending,
}

impl Terminal<'_> {
    /// Shows what happens until the run rests; `None` when the person leaves before.
    async fn watch(&mut self, run: &Run) -> Result<Option<RunView>, Failure> {
        let rest = run.wait();
        tokio::pin!(rest);
        let (mut listening, mut reading, mut resting) = (true, true, false);
        loop {
            tokio::select! {
                biased;
                received = self.events.next(), if listening => match received {
                    Some(Received::Event(event)) if event.run == *run.id() => {
                        resting = matches!(event.body, EventBody::RunPaused | EventBody::RunFinished { .. });
                        self.event(&event)?;
                    }
                    // The last word is the run's.
                    Some(Received::Status(status)) if !resting => self.report.status(&status)?,
                    Some(_) => {}
                    None => listening = false,
                },
                view = &mut rest => return Ok(Some(view?)),
                step = self.interrupts.next() => match step {
                    Step::Pause => self.pause(run).await?,
                    Step::Abort => self.abort(run).await?,
                    Step::Leave => return Ok(None),
                },
                line = self.stdin.line(), if reading && !self.pending.is_empty() => match line? {
                    Some(line) => self.answer(run, &line).await?,
                    None => reading = false,
                },
            }
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.report.event(event)?;
        match &event.body {
            EventBody::AskOpened { ask, .. } if self.at_gate == AtGate::Ask => {
                self.pending.open(ask.clone());
                self.menu()
            }
            EventBody::AskResolved { ask, .. } => {
                self.pending.close(ask);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn menu(&mut self) -> Result<(), Failure> {
        if let Some(menu) = self.pending.menu() {
            self.report.say(&menu)?;
        }
        Ok(())
    }

    async fn answer(&mut self, run: &Run, line: &str) -> Result<(), Failure> {
        if let Some((ask, reply)) = self.pending.take(line) {
            match self.orchestrator.answer(run.id(), &ask, reply, &by()).await {
                Ok(_) => self.pending.close(&ask),
                Err(error) => self.report.say(&format!("  {error}"))?,
            }
        }
        self.menu()
    }

    async fn choose(&mut self, view: &RunView) -> Result<Choice, Failure> {
        tokio::select! {
            choice = ask::gate(view, &mut self.stdin, self.report) => choice,
            _ = self.interrupts.next() => Ok(Choice::Leave),
        }
    }

    async fn pause(&mut self, run: &Run) -> Result<(), Failure> {
        self.report.say("\n  pausing after this step; ctrl-c again to abort the step")?;
        self.told(self.orchestrator.pause(run.id(), &by()).await.err())
    }

    async fn abort(&mut self, run: &Run) -> Result<(), Failure> {
        self.report.say("\n  aborting the step; ctrl-c again to leave at once")?;
        self.told(self.orchestrator.interrupt(run.id(), &by()).await.err())
    }

    /// A request that comes too late is no reason to stop watching.
    fn told(&mut self, error: Option<orch::Error>) -> Result<(), Failure> {
        if let Some(error) = error {
            self.report.say(&format!("  {error}"))?;
        }
        Ok(())
    }

    fn leave(&mut self, view: &RunView) -> Result<(), Failure> {
        self.report.rest(view)?;
        if view.status == RunStatus::Paused {
            self.report.say(&ask::how_to_go_on(view))?;
        }
        Ok(())
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
