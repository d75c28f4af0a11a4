//! Brings what happens to where people look.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use orch_ux::{
    action::UxAction, delivery::Delivery, error::Error, frontend::Frontend, opencode::OpenCodeFrontend,
    policy::UxPolicy, reactor::Reactor,
};
use orch_workers::Connection;
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
    /// The way to them; `None` when there is nobody, or nobody yet because the host is not reached. Where the plugin is, it
    /// gives the hints by itself.
    pub(crate) fn frontend(
        &self,
        connection: Option<&Arc<Connection>>,
        has_plugin: bool,
    ) -> Option<Arc<dyn Frontend>> {
        match self {
            Self::Host => connection.map(|connection| {
                let frontend = OpenCodeFrontend::new(Arc::clone(connection.host()));
                Arc::new(if has_plugin { frontend.without_hints() } else { frontend }) as _
            }),
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
    place: Arc<Place>,
    /// The host that they look at, where it is one.
    host: Option<Weak<Connection>>,
}

/// Where things are shown: in front of whoever looks at a host, or at the one that was started in its place.
#[derive(Debug)]
struct Place(Mutex<Arc<dyn Frontend>>);

impl Place {
    /// A panic elsewhere leaves it as good as it was.
    fn now(&self) -> std::sync::MutexGuard<'_, Arc<dyn Frontend>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Frontend for Place {
    async fn show(&self, action: &UxAction) -> Result<(), Error> {
        let frontend = Arc::clone(&*self.now());
        frontend.show(action).await
    }
}

impl Show {
    pub(crate) fn start(
        mut events: EventStream,
        policy: UxPolicy,
        frontend: Arc<dyn Frontend>,
        connection: Option<&Arc<Connection>>,
    ) -> Self {
        let place = Arc::new(Place(Mutex::new(frontend)));
        let frontend = Arc::clone(&place);
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
        Self { task, past, stop, place, host: connection.map(Arc::downgrade) }
    }

    /// Goes on before those who look at this host, if the one before has ended.
    pub(crate) async fn turn_to(
        &mut self,
        connection: Option<&Arc<Connection>>,
        frontend: Arc<dyn Frontend>,
    ) {
        let (Some(before), Some(connection)) = (&self.host, connection) else { return };
        if match before.upgrade() {
            Some(before) => before.has_ended().await,
            None => true,
        } {
            *self.place.now() = frontend;
            self.host = Some(Arc::downgrade(connection));
        }
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
