//! The worker itself, the same for every kind: sessions, turns, and what is asked of the host.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Profile, SkillName, id::ProfileId, kind::WorkerKind};
use orch_opencode::{
    HostError, HostErrorKind, Message, MessageId, NewSession, OpenCode, PartId, Session, SessionId,
    tracker::{self, Patience, Probed},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, Usage},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, SessionChoice, Task},
};
use tokio::time::{sleep, timeout};

use super::{
    Backend, Hosting,
    flight::{Flight, Orders},
    slots::{Scope, Slots},
    turns::{Entry, Turns},
};
use crate::{
    asks,
    error::{Error, ErrorKind},
    locator::Whereabouts,
    permission,
    pool::Need,
    preflight::{self, Offer, Selection, SharedOffer},
    shutdown::ShutdownReport,
    verdict,
    worker::{Capabilities, Context, Worker, WorkerEvent, WorkerStatus},
};

/// How many prompts may wait for their turn in one worker.
const QUEUE: usize = 64;
/// How long an abort may take until it is confirmed.
const ABORT_LIMIT: Duration = Duration::from_secs(10);
/// How many updates of one prompt may be in flight; progress beyond is dropped.
const UPDATES: usize = 64;

/// A worker that is a session on an OpenCode host: the given one, or a server of its own.
#[derive(Debug, Clone)]
pub struct OpenCodeWorker {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) profile: Arc<Profile>,
    pub(super) backend: Box<dyn Backend>,
    pub(super) turns: Arc<Turns>,
    pub(super) patience: Patience,
    pub(super) slots: tokio::sync::Mutex<Slots>,
    selection: Mutex<Option<Selection>>,
    /// What the given host offers, once somebody has asked it.
    offer: SharedOffer,
    /// What was used before the prompt that a session was made for.
    advances: Mutex<HashMap<MessageId, Usage>>,
    /// Our plugin runs in the host.
    guarded: bool,
    busy: AtomicUsize,
    /// Whether anything was told of it.
    introduced: AtomicBool,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCodeWorker")
            .field("profile", &self.profile.id)
            .field("backend", &self.backend)
            .field("busy", &self.busy.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl OpenCodeWorker {
    pub(super) fn with_backend(profile: Arc<Profile>, backend: Box<dyn Backend>) -> Self {
        let limit = usize::try_from(profile.max_concurrency).unwrap_or(usize::MAX);
        let inner = Inner {
            profile,
            backend,
            turns: Arc::new(Turns::new(QUEUE)),
            patience: Patience::default(),
            slots: tokio::sync::Mutex::new(Slots::new(limit)),
            selection: Mutex::default(),
            offer: SharedOffer::default(),
            advances: Mutex::default(),
            guarded: false,
            busy: AtomicUsize::new(0),
            introduced: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The same worker, not yet in use, with other limits for waiting on the host.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.patience = patience;
        }
        self
    }

    /// The same worker, not yet in use, on a host whose offer others look at as well.
    pub(crate) fn with_offer(mut self, offer: SharedOffer) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.offer = offer;
        }
        self
    }

    /// The same worker, not yet in use, on a host in which our plugin runs: one that was
    /// [started by us](orch_opencode::serve::Serve). It applies the profile's temperature there.
    #[must_use]
    pub fn on_guarded_host(mut self, guarded: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.guarded = guarded;
        }
        self
    }

    async fn look(
        &self,
        cx: &Context,
        locator: &Locator,
        dispatch: &Dispatch,
    ) -> Result<Probe, AttemptError> {
        let at = Whereabouts::open(locator)?;
        let hosting = self.inner.backend.host(cx, Some(&at.home)).await?;
        let host = Arc::clone(&hosting.host);
        let failure = |error: HostError| verdict::host_failure(&error);
        let probed = tracker::probe(&*host, &at.session, &at.message, &self.inner.patience).await;
        Ok(match probed.map_err(failure)? {
            Probed::Finished(settled) => Probe::Finished(Box::new(verdict::conclude(&at.session, *settled))),
            Probed::Running => {
                let selection = self.inner.select(&*host).await?;
                let orders = Orders::new(&self.inner.profile, selection, dispatch);
                let (updates, task) = Task::channel(UPDATES);
                // Whoever follows it already has the turn.
                let turn = match self.inner.turns.enter(&at.session) {
                    Entry::Now(turn) => Some(turn),
                    Entry::Later(_) | Entry::Full => None,
                };
                let flight = Flight::new(Arc::clone(&self.inner), cx.clone(), hosting, at, orders, updates);
                flight.resume(turn).await.map_err(failure)?;
                Probe::Running(task)
            }
            Probed::Interrupted => Probe::Interrupted,
            Probed::NeverArrived => Probe::NeverArrived,
            _ => Probe::Unknown(format!("session {} is gone from {}", at.session, host.origin())),
        })
    }
}

impl OpenCodeWorker {
    /// The host that holds its sessions; one of its own is started.
    pub(crate) async fn host(&self, cx: &Context) -> Result<Arc<dyn OpenCode>, AttemptError> {
        Ok(self.inner.backend.host(cx, None).await?.host)
    }

    /// What keeps this worker from being used with these skills and images, on the host that it would use; that one is started and
    /// made ready if it is its own.
    pub(crate) async fn examine(&self, cx: &Context, need: &Need) -> Vec<Error> {
        let inner = &self.inner;
        let examined = async {
            let not_ready = |error: AttemptError| Error::new(ErrorKind::Spawn, error.message);
            let host = inner.backend.host(cx, None).await.map_err(not_ready)?.host;
            let unanswered = |error: HostError| {
                let message = format!("worker `{}`: {error}", inner.profile.id);
                Error::new(ErrorKind::Spawn, message).with_source(error)
            };
            let offer = Offer::ask(&*host).await.map_err(unanswered)?;
            let selection = offer.select(&inner.profile)?;
            offer.shows(&inner.profile, &selection, &need.images)?;
            let required = preflight::required(&inner.profile, &need.skills);
            if required.is_empty() {
                return Ok(Vec::new());
            }
            let skills = host.skills().await.map_err(unanswered)?;
            Ok(preflight::skill_problems(&required, &inner.profile, &selection.agent, &skills))
        };
        examined.await.unwrap_or_else(|problem: Error| vec![problem])
    }
}

#[async_trait]
impl Worker for OpenCodeWorker {
    fn id(&self) -> &ProfileId {
        &self.inner.profile.id
    }

    fn kind(&self) -> WorkerKind {
        self.inner.backend.kind()
    }

    fn capabilities(&self) -> Capabilities {
        let concurrency = usize::try_from(self.inner.profile.max_concurrency).unwrap_or(usize::MAX);
        let all = Capabilities::minimal().with_asks().with_concurrency(concurrency);
        match self.kind() {
            WorkerKind::Server => all,
            WorkerKind::Agent | WorkerKind::Subagent => all.with_foreground(),
        }
    }

    async fn ready(&self, cx: &Context) -> Result<(), AttemptError> {
        let host = self.inner.backend.host(cx, None).await?.host;
        let selection = self.inner.select(&*host).await?;
        self.inner.check_skills(&*host, &selection, &[]).await?;
        self.inner.report(cx, self.inner.status());
        Ok(())
    }

    async fn place(&self, cx: &Context, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let inner = &self.inner;
        let scope = Scope::from_dispatch(dispatch)?;
        inner.backend.admit(&scope)?;
        let Hosting { host, home, .. } = inner.backend.host(cx, None).await?;
        let selection = inner.select(&*host).await?;
        inner.check_skills(&*host, &selection, &dispatch.required_skills).await?;
        let (session, message) = match &dispatch.continues {
            Some(session) => inner.same_session(&*host, &scope, session).await?,
            None => inner.session(&host, &scope, dispatch.session).await?,
        };
        let at = Whereabouts {
            kind: inner.backend.kind(),
            home,
            directory: host.directory().to_owned(),
            session,
            parent: scope.parent.filter(|_| inner.backend.kind() == WorkerKind::Subagent),
            message,
            part: PartId::mint(),
            files: dispatch.attachments.iter().map(|_| PartId::mint()).collect(),
        };
        let locator = at.seal()?;
        let parent_session = at.parent.map(String::from);
        Ok(Placement { locator, session: at.session.into(), parent_session })
    }

    async fn send(&self, cx: &Context, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let at = Whereabouts::open(locator).map_err(|error| SendError::Refused(error.into()))?;
        let message = at.message.clone();
        let sent = self.inner.send(cx, at, dispatch).await;
        if sent.is_err() {
            // It takes no place in its session any more.
            self.inner.release(&message).await;
        }
        sent
    }

    async fn probe(&self, cx: &Context, locator: &Locator, dispatch: &Dispatch) -> Probe {
        let found = self.look(cx, locator, dispatch).await;
        found.unwrap_or_else(|error| Probe::Unknown(error.to_string()))
    }

    async fn abort(&self, cx: &Context, locator: &Locator) -> Result<(), AttemptError> {
        let at = Whereabouts::open(locator)?;
        if let Some(controls) = self.inner.turns.controls(&at.message) {
            controls.stop.cancel();
            let ended = timeout(ABORT_LIMIT, controls.ended.cancelled()).await;
            return ended.map_err(|_| unconfirmed(&at));
        }
        let host = self.inner.backend.host(cx, Some(&at.home)).await?.host;
        halt(&*host, &at, &self.inner.patience).await
    }

    async fn latest_answer(&self, cx: &Context, locator: &Locator) -> Result<Settled, AttemptError> {
        let at = Whereabouts::open(locator)?;
        let host = self.inner.backend.host(cx, Some(&at.home)).await?.host;
        latest(&*host, &at.session).await
    }

    async fn answer(
        &self,
        cx: &Context,
        locator: &Locator,
        ask: &AskId,
        reply: &AskReply,
    ) -> Result<(), AttemptError> {
        let at = Whereabouts::open(locator)?;
        let host = self.inner.backend.host(cx, Some(&at.home)).await?.host;
        asks::answer(&*host, ask, reply).await
    }

    async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.inner.backend.shutdown(grace).await
    }
}

impl Inner {
    async fn send(
        self: &Arc<Self>,
        cx: &Context,
        at: Whereabouts,
        dispatch: &Dispatch,
    ) -> Result<Task, SendError> {
        let hosting = self.backend.host(cx, Some(&at.home)).await.map_err(SendError::Refused)?;
        let selection = self.select(&*hosting.host).await.map_err(SendError::Refused)?;
        let orders = Orders::new(&self.profile, selection, dispatch).oriented(&self.profile, &at).await;
        let (updates, task) = Task::channel(UPDATES);
        let flight = Flight::new(Arc::clone(self), cx.clone(), hosting, at, orders, updates);
        match self.turns.enter(flight.session()) {
            Entry::Now(turn) => flight.depart(turn).await?,
            Entry::Later(queued) => flight.depart_later(queued),
            Entry::Full => {
                let message = format!("worker `{}` has {QUEUE} prompts waiting already", self.profile.id);
                return Err(SendError::Refused(Error::new(ErrorKind::QueueFull, message).into()));
            }
        }
        Ok(task)
    }

    /// The agent and model, looked up once; forgotten when a prompt fails because of them.
    async fn select(&self, host: &dyn OpenCode) -> Result<Selection, AttemptError> {
        if let Some(selection) = self.selection().clone() {
            return Ok(selection);
        }
        let known = self.offer.known();
        let offer = match known {
            Some(offer) => offer,
            None => self.offer.ask(host).await.map_err(|error| verdict::host_failure(&error))?,
        };
        let selection = offer.select(&self.profile)?;
        *self.selection() = Some(selection.clone());
        Ok(selection)
    }

    /// Looked up each time: a skill may be gone since.
    async fn check_skills(
        &self,
        host: &dyn OpenCode,
        selection: &Selection,
        of_step: &[SkillName],
    ) -> Result<(), AttemptError> {
        let required = preflight::required(&self.profile, of_step);
        if required.is_empty() {
            return Ok(());
        }
        let skills = host.skills().await.map_err(|error| verdict::host_failure(&error))?;
        let problems = preflight::skill_problems(&required, &self.profile, &selection.agent, &skills);
        problems.into_iter().next().map_or(Ok(()), |problem| Err(problem.into()))
    }

    pub(super) fn forget_selection(&self) {
        *self.selection() = None;
        self.offer.forget();
    }

    fn selection(&self) -> MutexGuard<'_, Option<Selection>> {
        lock(&self.selection)
    }

    /// The session for one more prompt, made when there is none; one at a time, so that two prompts of a new scope do
    /// not make two. The prompt's id comes after those of all messages that are there: the host takes it for answered
    /// otherwise.
    async fn session(
        &self,
        host: &Arc<dyn OpenCode>,
        scope: &Scope,
        choice: SessionChoice,
    ) -> Result<(SessionId, MessageId), AttemptError> {
        let mut slots = self.slots.lock().await;
        match choice {
            SessionChoice::Fresh => slots.retire(scope),
            SessionChoice::Same => {
                if !slots.knows(scope) {
                    for session in self.earlier(&**host, scope).await? {
                        slots.add(scope.clone(), session.id);
                    }
                }
                while let Some(session) = slots.pick(scope) {
                    match host.session(&session).await {
                        Ok(_) => {
                            let message = MessageId::mint();
                            slots.claim(scope, &session, message.clone());
                            return Ok((session, message));
                        }
                        Err(error) if error.kind() == HostErrorKind::NotFound => slots.forget(&session),
                        Err(error) => return Err(verdict::host_failure(&error)),
                    }
                }
            }
        }
        let opened = self.backend.open(host, scope, self.blueprint(scope), &self.patience).await?;
        let (session, message) = (opened.session.id, MessageId::mint());
        slots.add(scope.clone(), session.clone());
        slots.claim(scope, &session, message.clone());
        lock(&self.advances).insert(message.clone(), verdict::usage(opened.usage));
        Ok((session, message))
    }

    /// The session of an earlier prompt of the same attempt.
    async fn same_session(
        &self,
        host: &dyn OpenCode,
        scope: &Scope,
        session: &str,
    ) -> Result<(SessionId, MessageId), AttemptError> {
        let session = SessionId::parse(session)
            .map_err(|error| AttemptError::new(ErrorCode::Internal, error.to_string()))?;
        host.session(&session).await.map_err(|error| verdict::host_failure(&error))?;
        let message = MessageId::mint();
        let mut slots = self.slots.lock().await;
        slots.take(scope, &session, message.clone());
        Ok((session, message))
    }

    /// What was used to make the session of this prompt, told once and by the process that made it.
    pub(super) fn advance(&self, message: &MessageId) -> Usage {
        lock(&self.advances).remove(message).unwrap_or_default()
    }

    fn title(&self) -> String {
        format!("Worker: {}", self.profile.name)
    }

    fn blueprint(&self, scope: &Scope) -> NewSession {
        let selection = self.selection().clone();
        let kind = self.backend.kind().to_string();
        NewSession {
            parent: None,
            title: Some(self.title()),
            agent: selection.as_ref().map(|selection| selection.agent.name.clone()),
            model: selection.map(|selection| selection.model.model),
            permission: permission::session_rules(&permission::rules(&self.profile)),
            metadata: scope.tag(&self.profile, &kind),
        }
    }

    /// What an earlier process left for this scope, newest first, as many as may work at once.
    async fn earlier(&self, host: &dyn OpenCode, scope: &Scope) -> Result<Vec<Session>, AttemptError> {
        let found = self.backend.earlier(host, scope, &self.title()).await;
        let mut found = found.map_err(|error| verdict::host_failure(&error))?;
        let kind = self.backend.kind().to_string();
        found.retain(|session| scope.made(&session.metadata, self.profile.id.as_str(), &kind));
        found.truncate(usize::try_from(self.profile.max_concurrency).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// A prompt is at work from now until the value is dropped.
    pub(super) fn occupy(self: &Arc<Self>, cx: &Context) -> Occupied {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.report(cx, WorkerStatus::Busy);
        Occupied { worker: Arc::clone(self), cx: cx.clone() }
    }

    fn status(&self) -> WorkerStatus {
        match self.busy.load(Ordering::Relaxed) {
            0 => WorkerStatus::Ready,
            _ => WorkerStatus::Busy,
        }
    }

    /// The first time with what of the profile has no effect.
    fn report(&self, cx: &Context, status: WorkerStatus) {
        let kind = self.backend.kind();
        let first = !self.introduced.swap(true, Ordering::Relaxed);
        let caution = first.then(|| preflight::without_effect(&self.profile, kind, self.guarded)).flatten();
        cx.report(WorkerEvent::new(self.profile.id.clone(), kind, status).with_warning(caution));
    }

    pub(super) async fn release(&self, message: &MessageId) {
        self.slots.lock().await.release(message);
    }
}

/// What is kept under locks stays consistent even if a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops a turn that this process does not follow, and waits until it rests.
async fn halt(host: &dyn OpenCode, at: &Whereabouts, patience: &Patience) -> Result<(), AttemptError> {
    let halted = async {
        loop {
            match tracker::probe(host, &at.session, &at.message, patience).await {
                Ok(Probed::Running) => host.abort(&at.session).await?,
                Ok(_) => return Ok(()),
                Err(error) => return Err(error),
            }
            sleep(patience.settle).await;
        }
    };
    match timeout(ABORT_LIMIT, halted).await {
        Ok(halted) => halted.map_err(|error| verdict::host_failure(&error)),
        Err(_) => Err(unconfirmed(at)),
    }
}

fn unconfirmed(at: &Whereabouts) -> AttemptError {
    let message = format!(
        "session {} did not come to rest within {ABORT_LIMIT:?} of its abort and may still be at work",
        at.session
    );
    AttemptError::new(ErrorCode::Unreachable, message)
}

/// The newest finished answer of a session, whoever asked for it.
async fn latest(host: &dyn OpenCode, session: &SessionId) -> Result<Settled, AttemptError> {
    let messages = host.messages(session).await.map_err(|error| verdict::host_failure(&error))?;
    let is_answer = |message: &&Message| {
        message.assistant().is_some_and(|answer| {
            let is_final = answer.finish.as_ref().is_some_and(|finish| !finish.continues());
            is_final && answer.completed_ms.is_some() && answer.error.is_none() && !answer.summary
        })
    };
    let Some(message) = messages.iter().rev().find(is_answer) else {
        let message = format!("session {session} holds no finished answer");
        return Err(AttemptError::new(ErrorCode::WorkerLost, message));
    };
    let mut settled = Settled::answer(message.text());
    settled.usage = message.assistant().map(|answer| verdict::usage(answer.usage)).unwrap_or_default();
    Ok(settled)
}

/// A prompt at work.
pub(super) struct Occupied {
    worker: Arc<Inner>,
    cx: Context,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        if self.worker.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.worker.report(&self.cx, WorkerStatus::Ready);
        }
    }
}
