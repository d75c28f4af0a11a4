//! What is heard of the runs here before somebody follows one.

use std::{collections::VecDeque, io};

use futures_util::FutureExt as _;
use orch::{EventStream, Orchestrator, Received};

use crate::report::Report;

/// Says what people should know of servers that start, as long as this command stays: stdout is for something else.
pub(crate) fn aside(orchestrator: &Orchestrator) {
    let mut events = orchestrator.subscribe();
    tokio::spawn(async move {
        while let Some(received) = events.next().await {
            if let Received::Status(status) = received
                && Report::Aside.status(&status).is_err()
            {
                return;
            }
        }
    });
}

/// The stream of events, with what came before anybody followed it.
pub(crate) struct Heard {
    events: EventStream,
    early: VecDeque<Received>,
}

impl Heard {
    /// Listens from now on.
    pub(crate) fn of(orchestrator: &Orchestrator) -> Self {
        Self { events: orchestrator.subscribe(), early: VecDeque::new() }
    }

    /// Shows what is being waited for until `work` is done. What happens in a run meanwhile is kept for its follower.
    pub(crate) async fn during<T>(
        &mut self,
        report: &mut Report,
        work: impl Future<Output = T>,
    ) -> io::Result<T> {
        tokio::pin!(work);
        let mut listening = true;
        let done = loop {
            tokio::select! {
                biased;
                received = self.events.next(), if listening => match received {
                    Some(received) => self.hear(report, received)?,
                    None => listening = false,
                },
                done = &mut work => break done,
            }
        };
        // What it said last is said before it is taken for done.
        while let Some(Some(received)) = self.events.next().now_or_never() {
            self.hear(report, received)?;
        }
        report.settle();
        Ok(done)
    }

    /// In the order in which it happened: what comes after the first event of a run waits for its follower, too.
    fn hear(&mut self, report: &mut Report, received: Received) -> io::Result<()> {
        match received {
            Received::Status(status) if self.early.is_empty() => report.before(&status),
            received => {
                self.early.push_back(received);
                Ok(())
            }
        }
    }

    /// The next of what was kept, then of what comes. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Received> {
        match self.early.pop_front() {
            Some(received) => Some(received),
            None => self.events.next().await,
        }
    }
}
