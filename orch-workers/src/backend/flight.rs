//! One prompt on its way: its turn, its signs of life, its asks, its end.

use std::{mem, pin::pin, sync::Arc, time::Duration};

use orch_config::Profile;
use orch_opencode::{
    Disposition, HostError, HostErrorKind, OpenCode, PermissionRule, Prompt, PromptPart, SessionId,
    tracker::{Activity, Follower, Probed, Sign, probe},
};
use orch_workflow::{
    attachment::Attachment,
    attempt::{AttemptError, ErrorCode, Settled, Timestamp, Usage, Warning, WarningCode},
    port::{AskPolicy, Dispatch, Progress, SendError, Update, Updates},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Hosting,
    inquiry::Inquiry,
    repository,
    session::{Inner, Occupied},
    turns::{Boarding, Queued, Turn},
};
use crate::{
    locator::Whereabouts, permission, preflight::Selection, progress::Progresses, verdict, worker::Context,
};

/// A host does not take every abort to heart: one that comes before the turn has begun does nothing.
const ABORT_AGAIN: Duration = Duration::from_secs(1);
/// An ask whose answer did not get through is answered again after this long.
const ANSWER_AGAIN: Duration = Duration::from_secs(1);
/// Places in the channel that progress leaves to what must arrive.
const RESERVED: usize = 16;

/// What to say, and what to do about asks.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    selection: Selection,
    system: Option<String>,
    text: String,
    files: Vec<Attachment>,
    pub(super) asks: AskPolicy,
    pub(super) rules: Vec<PermissionRule>,
}

impl Orders {
    pub(super) fn new(profile: &Profile, selection: Selection, dispatch: &Dispatch) -> Self {
        Self {
            selection,
            system: profile.system_prompt.clone(),
            text: dispatch.prompt.to_string(),
            files: dispatch.attachments.clone(),
            asks: dispatch.asks,
            rules: permission::session_rules(&permission::rules(profile)),
        }
    }

    /// With what the profile wants the worker to know of its repository.
    pub(super) async fn oriented(mut self, profile: &Profile, at: &Whereabouts) -> Self {
        if profile.inject_repo_context {
            let repository = repository::describe(at.directory.clone()).await;
            let parts: Vec<_> = self.system.take().into_iter().chain(repository).collect();
            self.system = (!parts.is_empty()).then(|| parts.join("\n\n"));
        }
        self
    }

    /// The same ids every time, so that a host which has seen it already does not work twice.
    fn prompt(&self, at: &Whereabouts) -> Prompt {
        let text = self.text.clone();
        let mut parts =
            vec![PromptPart::Text { id: at.part.clone(), text, synthetic: false, ignored: false }];
        parts.extend(self.files.iter().zip(&at.files).map(|(file, id)| PromptPart::File {
            id: id.clone(),
            mime: file.mime.clone(),
            url: file.url(),
            filename: Some(file.name.clone()),
        }));
        let selection = self.selection.clone();
        let mut prompt = Prompt::new(at.message.clone(), parts)
            .by(Some(selection.agent.name), Some(selection.model.model));
        prompt.system = self.system.clone();
        prompt
    }
}

/// A prompt on its way. Ends with exactly one [`Update::Settled`], whatever happens.
pub(super) struct Flight {
    worker: Arc<Inner>,
    cx: Context,
    host: Arc<dyn OpenCode>,
    /// Cancelled when the host is gone and another one has to be asked.
    gone: CancellationToken,
    at: Whereabouts,
    orders: Orders,
    updates: Updates,
    boarding: Boarding,
    _occupied: Occupied,
    /// Remarks that arose on the way.
    warnings: Vec<Warning>,
    /// Why it was stopped by us, if it was.
    cause: Option<AttemptError>,
    /// What was used before it, to make its session.
    advance: Usage,
    waiting: bool,
    was_out_of_reach: bool,
}

impl Flight {
    pub(super) fn new(
        worker: Arc<Inner>,
        cx: Context,
        hosting: Hosting,
        at: Whereabouts,
        orders: Orders,
        updates: Updates,
    ) -> Self {
        let boarding = worker.turns.board(at.message.clone());
        let _occupied = worker.occupy(&cx);
        let advance = worker.advance(&at.message);
        Self {
            worker,
            cx,
            host: hosting.host,
            gone: hosting.gone,
            at,
            orders,
            updates,
            boarding,
            _occupied,
            warnings: Vec::new(),
            cause: None,
            advance,
            waiting: false,
            was_out_of_reach: false,
        }
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.at.session
    }

    /// Sends the prompt and follows it on a task of its own.
    pub(super) async fn depart(self, turn: Turn) -> Result<(), SendError> {
        let follower = self.launch().await?;
        tokio::spawn(self.follow(follower, Some(turn)));
        Ok(())
    }

    /// Waits for its turn on a task of its own; the clock of the step stands still meanwhile.
    pub(super) fn depart_later(mut self, queued: Queued) {
        tokio::spawn(async move {
            let session = &self.at.session;
            let reason = format!("earlier prompts in session {session}");
            self.tell(Update::Waiting { reason, until: None }).await;
            let turn = tokio::select! {
                turn = queued.wait() => turn,
                () = self.boarding.controls.stop.cancelled() => None,
                () = self.cx.stopped() => None,
            };
            let Some(turn) = turn else {
                let error = AttemptError::new(ErrorCode::Aborted, "withdrawn before it was sent");
                return self.settle(Settled::failed(error)).await;
            };
            self.tell(Update::Resumed).await;
            if let Err(error) = self.find_host().await {
                return self.settle(Settled::failed(error)).await;
            }
            match self.launch().await {
                Ok(follower) => self.follow(follower, Some(turn)).await,
                Err(SendError::Refused(error)) => self.settle(Settled::failed(error)).await,
                Err(SendError::InDoubt(error)) => self.clear_up(error, Some(turn)).await,
            }
        });
    }

    /// Follows a prompt that was sent earlier, maybe by another process.
    pub(super) async fn resume(self, turn: Option<Turn>) -> Result<(), HostError> {
        let follower = Follower::start(Arc::clone(&self.host), self.at.session.clone()).await?;
        tokio::spawn(self.follow(follower, turn));
        Ok(())
    }

    /// Subscribes first: some failures are told by a single event and never again.
    async fn launch(&self) -> Result<Follower, SendError> {
        let follower = Follower::start(Arc::clone(&self.host), self.at.session.clone())
            .await
            .map_err(|error| SendError::Refused(verdict::host_failure(&error)))?;
        match self.host.prompt(&self.at.session, self.orders.prompt(&self.at)).await {
            Ok(()) => Ok(follower),
            Err(error) if error.disposition() == Disposition::InDoubt => {
                Err(SendError::InDoubt(verdict::host_failure(&error)))
            }
            Err(error) => Err(SendError::Refused(verdict::host_failure(&error))),
        }
    }

    /// Nobody knows whether a queued prompt arrived, and nobody waits for `send` any more: look.
    async fn clear_up(self, error: AttemptError, turn: Option<Turn>) {
        let probed = probe(&*self.host, &self.at.session, &self.at.message, &self.worker.patience).await;
        match probed {
            Ok(Probed::Finished(settled)) => {
                let settled = self.conclude(*settled);
                self.settle(settled).await;
            }
            Ok(Probed::Running) => {
                let started = Follower::start(Arc::clone(&self.host), self.at.session.clone()).await;
                match started {
                    Ok(follower) => self.follow(follower, turn).await,
                    Err(error) => self.settle(Settled::failed(verdict::host_failure(&error))).await,
                }
            }
            _ => self.settle(Settled::failed(error)).await,
        }
    }

    async fn follow(mut self, follower: Follower, turn: Option<Turn>) {
        let settled = match self.watch(follower).await {
            Ok(settled) => self.conclude(settled),
            Err(Lost::Server) => self.revive().await,
            Err(Lost::Host(error)) if error.kind() == HostErrorKind::NotFound => {
                Settled::failed(verdict::host_failure(&error))
            }
            // The turn may go on where nobody sees it: there is no result to give, and whoever waits for one asks
            // again with `probe`.
            Err(Lost::Host(error)) => {
                tracing::warn!(%error, session = %self.at.session, "lost sight of a turn");
                return self.worker.release(&self.at.message).await;
            }
            Err(Lost::Pool) => return self.worker.release(&self.at.message).await,
        };
        drop(turn);
        self.settle(settled).await;
    }

    /// Waits for the end of the turn, answers what it asks, passes on its signs of life.
    async fn watch(&mut self, follower: Follower) -> Result<orch_opencode::tracker::Settled, Lost> {
        let (signs, mut seen) = mpsc::unbounded_channel();
        let mut follower = follower.with_patience(self.worker.patience.clone());
        let message = self.at.message.clone();
        let mut settling = pin!(follower.settle(&message, move |sign| {
            // Nobody listens any more only when the flight is over.
            let _ = signs.send(sign);
        }));
        let (gone, stopped) = (self.gone.clone(), self.cx.stop_token());
        let stop = self.boarding.controls.stop.clone();
        let mut abort_at: Option<Instant> = None;
        let mut progresses = Progresses::new(self.at.session.clone());
        let mut inquiry = Inquiry::default();
        let mut again: Option<(Instant, Activity)> = None;
        loop {
            let is_stopping = abort_at.is_some();
            tokio::select! {
                biased;
                Some(sign) = seen.recv() => match sign {
                    Sign::Event(event) => if let Some(progress) = progresses.of(&event) { self.mention(progress) },
                    Sign::Activity(activity) => {
                        self.heed(&activity, &mut inquiry, &mut abort_at).await;
                        // Told only once, so it has to be remembered until every ask has its answer.
                        again = inquiry.owes_answers.then(|| (Instant::now() + ANSWER_AGAIN, activity));
                    }
                    Sign::Used(used) => {
                        let mut usage = verdict::usage(used);
                        usage += self.advance;
                        self.tell(Update::Used(usage)).await;
                    }
                    Sign::OutOfReach(error) => {
                        self.was_out_of_reach = true;
                        self.mention(Progress::Note { message: error.to_string() });
                    }
                    _ => {}
                },
                settled = &mut settling => {
                    inquiry.close(&self.updates).await;
                    return settled.map_err(Lost::Host);
                }
                () = gone.cancelled() => return Err(Lost::Server),
                () = stopped.cancelled() => return Err(Lost::Pool),
                () = stop.cancelled(), if !is_stopping => {
                    self.cause.get_or_insert_with(|| AttemptError::new(ErrorCode::Aborted, "aborted on request"));
                    abort_at = Some(Instant::now());
                }
                () = at(again.as_ref().map(|(at, _)| *at)), if again.is_some() => {
                    if let Some((_, activity)) = again.take() {
                        self.heed(&activity, &mut inquiry, &mut abort_at).await;
                        again = inquiry.owes_answers.then(|| (Instant::now() + ANSWER_AGAIN, activity));
                    }
                }
                () = at(abort_at), if is_stopping => {
                    if let Err(error) = self.host.abort(&self.at.session).await {
                        self.mention(Progress::Note { message: error.to_string() });
                    }
                    abort_at = Some(Instant::now() + ABORT_AGAIN);
                }
            }
        }
    }

    async fn heed(&mut self, activity: &Activity, inquiry: &mut Inquiry, abort_at: &mut Option<Instant>) {
        let (permissions, questions) = match activity {
            Activity::Asking { permissions, questions } => (permissions.as_slice(), questions.as_slice()),
            _ => (&[][..], &[][..]),
        };
        let warnings = inquiry.take(&*self.host, &self.orders, &self.updates, permissions, questions).await;
        for warning in warnings {
            self.warn(warning).await;
        }
        let Activity::Retrying { attempt, message, next_ms } = activity else {
            return self.resumed().await;
        };
        self.mention(Progress::Retrying { attempt: *attempt, message: message.clone() });
        if !verdict::is_rate_limit(message) {
            return self.resumed().await;
        }
        let until = Timestamp(*next_ms);
        let wait = Duration::from_millis(until.ms_since(verdict::now()));
        if wait > verdict::LONGEST_WAIT {
            let error = AttemptError::new(ErrorCode::RateLimited, message.clone())
                .with_status(429)
                .with_reset_at(until);
            self.cause.get_or_insert(error);
            abort_at.get_or_insert_with(Instant::now);
        } else {
            self.waiting = true;
            self.tell(Update::Waiting { reason: message.clone(), until: Some(until) }).await;
        }
    }

    async fn resumed(&mut self) {
        if mem::take(&mut self.waiting) {
            self.tell(Update::Resumed).await;
        }
    }

    /// The host that has the session now; a server of ours may be another one than before.
    async fn find_host(&mut self) -> Result<(), AttemptError> {
        let hosting = self.worker.backend.host(&self.cx, Some(&self.at.home)).await?;
        (self.host, self.gone) = (hosting.host, hosting.gone);
        Ok(())
    }

    /// The worker's own server is gone. Another one on the same data knows what became of the turn.
    async fn revive(&mut self) -> Settled {
        self.mention(Progress::Note { message: "the worker's server ended; starting it again".to_owned() });
        let lost = |why: String| {
            let message = format!("the worker's server ended while it worked: {why}");
            Settled::failed(AttemptError::new(ErrorCode::WorkerLost, message))
        };
        if let Err(error) = self.find_host().await {
            return lost(format!("it could not be started again: {error}"));
        }
        self.warn(Warning::new(WarningCode::WorkerRestarted, "the worker's server was started again")).await;
        match probe(&*self.host, &self.at.session, &self.at.message, &self.worker.patience).await {
            Ok(Probed::Finished(settled)) => {
                self.was_out_of_reach = true;
                self.conclude(*settled)
            }
            Ok(_) => lost("the answer was not complete".to_owned()),
            Err(error) => lost(error.to_string()),
        }
    }

    fn conclude(&self, settled: orch_opencode::tracker::Settled) -> Settled {
        let mut concluded = verdict::conclude(&self.at.session, settled);
        if matches!(concluded.error.as_ref().map(|error| error.code), Some(ErrorCode::Model)) {
            self.worker.forget_selection();
        }
        if let (Some(cause), Some(error)) = (&self.cause, &mut concluded.error) {
            *error = cause.clone();
        }
        concluded
    }

    async fn settle(self, mut settled: Settled) {
        settled.usage += self.advance;
        if self.was_out_of_reach && settled.error.is_none() {
            let message = "the result was read after the host had been out of reach";
            settled.warnings.push(Warning::new(WarningCode::Reconciled, message));
        }
        verdict::add_remarks(&mut settled, self.warnings);
        self.worker.release(&self.at.message).await;
        // An abort waits for the end of the flight, and the result for whoever asked for the abort.
        drop(self.boarding);
        // Nobody waits for the result any more: it stays in the session.
        let _ = self.updates.send(Update::Settled(Box::new(settled))).await;
    }

    async fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning.clone());
        self.tell(Update::Warned(warning)).await;
    }

    async fn tell(&self, update: Update) {
        // A dropped task does not stop the work.
        let _ = self.updates.send(update).await;
    }

    /// Lossy on purpose: whoever does not read must still get what counts.
    fn mention(&self, progress: Progress) {
        self.updates.mention(progress, RESERVED);
    }
}

/// Why a turn can no longer be watched.
enum Lost {
    /// The host cannot be asked, for longer than patience lasts.
    Host(HostError),
    /// The server of our own that had the turn is gone.
    Server,
    /// Nobody waits any more.
    Pool,
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
