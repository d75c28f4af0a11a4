//! Brings what happens to where people look.

use std::{sync::Arc, time::Duration};

use orch_opencode::OpenCode;
use orch_ux::{
    delivery::Delivery, frontend::Frontend, opencode::OpenCodeFrontend, policy::UxPolicy, reactor::Reactor,
};
use orch_workflow::{
    driver::{EventStream, Received},
    event::Event,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// How long the last toast may take.
const FINISH: Duration = Duration::from_secs(2);

/// Who sees toasts, notices and hints.
#[derive(Debug, Clone)]
pub(crate) enum Audience {
    /// Whoever sits at the host's terminal interface.
    Host,
    /// A frontend of the embedder's own.
    Custom(Arc<dyn Frontend>),
    /// Nobody.
    Nobody,
}

impl Audience {
    /// The way to them; `None` when there is nobody, or nobody yet because the host is not reached.
    pub(crate) fn frontend(&self, host: Option<&Arc<dyn OpenCode>>) -> Option<Arc<dyn Frontend>> {
        match self {
            Self::Host => host.map(|host| Arc::new(OpenCodeFrontend::new(Arc::clone(host))) as _),
            Self::Custom(frontend) => Some(Arc::clone(frontend)),
            Self::Nobody => None,
        }
    }
}

/// A task that turns events into what people see. It can neither slow nor fail a run.
#[derive(Debug)]
pub(crate) struct Show {
    task: JoinHandle<()>,
    past: mpsc::Sender<Vec<Event>>,
    stop: oneshot::Sender<()>,
}

impl Show {
    pub(crate) fn start(mut events: EventStream, policy: UxPolicy, frontend: Arc<dyn Frontend>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (past, mut recalled) = mpsc::channel::<Vec<Event>>(1);
        let task = tokio::spawn(async move {
            let delivery = Delivery::start(frontend);
            let mut reactor = Reactor::new(policy);
            loop {
                let received = tokio::select! {
                    biased;
                    Some(past) = recalled.recv() => {
                        past.iter().for_each(|event| reactor.observe(event));
                        continue;
                    }
                    received = events.next() => received,
                    _ = &mut stopped => None,
                };
                match received {
                    Some(Received::Event(event)) => {
                        reactor.react(&event).into_iter().for_each(|action| delivery.offer(action));
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            delivery.finish(FINISH).await;
        });
        Self { task, past, stop }
    }

    /// Makes known what happened before, so that what follows can be told in its context.
    pub(crate) async fn recall(&self, past: Vec<Event>) {
        // The task may have ended by itself.
        let _ = self.past.send(past).await;
    }

    /// Shows what has happened so far, within a bound, and ends.
    pub(crate) async fn finish(self) {
        // The task may have ended by itself.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "what happened could not be shown to the end");
        }
    }
}
