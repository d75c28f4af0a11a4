//! Looks at a host until a prompt has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::lineage::Lineage;
use super::meter::{Meter, add_descendants};
use super::turn::Settled;
use super::watch::{Activity, Hint, Patience, Snapshot, Tracker, Verdict};
use crate::error::{Disposition, HostError};
use crate::event::{EventStream, HostEvent, StreamItem};
use crate::host::OpenCode;
use crate::id::{MessageId, SessionId};
use crate::message::Usage;
use crate::session::SessionStatus;

/// Events come in bursts; one look serves them all.
const BURST: Duration = Duration::from_millis(15);

/// Who is only busy comes to a look by less than this too late. Who comes later did not run meanwhile: the process was
/// stopped, or its machine slept.
const LATE: Duration = Duration::from_secs(1);

/// A sign of life on the way to the end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Sign {
    /// An event of the session or of a descendant; lossy, for progress displays.
    Event(Arc<HostEvent>),
    /// What the prompt is doing, whenever that has changed.
    Activity(Activity),
    /// What the prompt has used so far, all of it, the sessions of its tasks included; whenever more is known.
    Used(Usage),
    /// The host cannot be reached at the moment.
    OutOfReach(Arc<HostError>),
}

/// Follows prompts of one session.
///
/// Start it *before* the prompt is sent: some failures are told by a single event and never again.
#[derive(Debug)]
pub struct Follower {
    host: Arc<dyn OpenCode>,
    session: SessionId,
    events: EventStream,
    patience: Patience,
    lineage: Lineage,
}

impl Follower {
    /// Subscribes to the events of the host on behalf of this session.
    pub async fn start(host: Arc<dyn OpenCode>, session: SessionId) -> Result<Self, HostError> {
        let events = host.events().await?.below(session.clone());
        let lineage = Lineage::of(session.clone());
        Ok(Self { host, session, events, patience: Patience::default(), lineage })
    }

    /// The same follower with other limits.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Waits until the prompt with this message id has ended, and reports signs of life on the way.
    ///
    /// Never returns while the turn may still go on. An endless loop is aborted. Cancel safe: dropping the future stops
    /// the watching, not the work.
    ///
    /// # Errors
    /// When the host refuses to answer, or cannot be reached for longer than [`Patience::unreachable`].
    pub async fn settle(
        &mut self,
        message: &MessageId,
        mut report: impl FnMut(Sign) + Send,
    ) -> Result<Settled, HostError> {
        let now = Instant::now();
        let mut tracker =
            Tracker::new(self.session.clone(), message.clone(), self.patience.clone(), now.into_std());
        let mut watch =
            Watch { hint: Hint::Read, look_at: now + self.patience.first_look, ..Watch::new(now) };
        let mut meter = Meter::of(self.session.clone(), message.clone());
        loop {
            let due = watch.look_at.max(Instant::now());
            tokio::select! {
                biased;
                item = self.events.next(), if watch.listening => {
                    leave_out(due, &mut tracker, &mut watch);
                    if let Some(StreamItem::Event(event)) = &item {
                        self.meter(event, &mut meter);
                    }
                    self.take(item, &mut tracker, &mut watch, &mut report);
                    meter.news().into_iter().for_each(|usage| report(Sign::Used(usage)));
                }
                () = tokio::time::sleep_until(watch.look_at) => {
                    leave_out(due, &mut tracker, &mut watch);
                    match self.look(message, &mut tracker, &mut watch, &mut meter).await {
                        Ok(Verdict::Settled(mut settled)) => {
                            add_descendants(&*self.host, &mut settled).await;
                            return Ok(settled);
                        }
                        Ok(Verdict::Pending(activity, again)) => {
                            watch.rest_until(Instant::now() + self.pause(again, &watch));
                            meter.news().into_iter().for_each(|usage| report(Sign::Used(usage)));
                            if watch.activity.as_ref() != Some(&activity) {
                                watch.activity = Some(activity.clone());
                                report(Sign::Activity(activity));
                            }
                        }
                        Ok(Verdict::Runaway(reason)) => {
                            tracing::warn!(session = %self.session, reason, "aborting an endless loop");
                            if let Err(error) = self.host.abort(&self.session).await {
                                self.bear(error, &mut watch, &mut report)?;
                            }
                            watch.look_soon(Hint::Look);
                        }
                        Ok(Verdict::LookClosely) => watch.look_soon(Hint::Look),
                        Err(error) => self.bear(error, &mut watch, &mut report)?,
                    }
                }
            }
        }
    }

    fn take(
        &mut self,
        item: Option<StreamItem>,
        tracker: &mut Tracker,
        watch: &mut Watch,
        report: &mut (impl FnMut(Sign) + Send),
    ) {
        match item {
            Some(StreamItem::Event(event)) => {
                if let HostEvent::SessionCreated(session) = &*event {
                    self.lineage.born(&session.id, session.parent.as_ref());
                }
                let hint = tracker.hint(&event);
                if hint > Hint::Ignore {
                    watch.look_soon(hint);
                }
                if event.session().is_some_and(|session| self.lineage.knows(session)) {
                    report(Sign::Event(event));
                }
            }
            Some(StreamItem::Connected) => {
                watch.connected = true;
                // The first one only says that the subscription stands.
                if std::mem::replace(&mut watch.greeted, true) {
                    watch.look_soon(Hint::Look);
                }
            }
            Some(StreamItem::Lost(reason)) => {
                tracing::debug!(session = %self.session, %reason, "events were lost");
                watch.connected = false;
                watch.greeted = true;
                watch.look_soon(Hint::Look);
            }
            None => {
                watch.connected = false;
                watch.listening = false;
            }
        }
    }

    /// Takes note of what an event says about tokens and cost.
    fn meter(&self, event: &HostEvent, meter: &mut Meter) {
        match event {
            HostEvent::MessageUpdated(message) if self.lineage.knows(&message.session) => meter.read(message),
            HostEvent::SessionUpdated(session) if self.lineage.knows(&session.id) => {
                meter.read_session(&session.id, session.usage);
            }
            _ => {}
        }
    }

    /// Reads what is needed and no more: most turns end with one look at the transcript.
    async fn look(
        &mut self,
        message: &MessageId,
        tracker: &mut Tracker,
        watch: &mut Watch,
        meter: &mut Meter,
    ) -> Result<Verdict, HostError> {
        let hint = std::mem::replace(&mut watch.hint, Hint::Look);
        let mut snapshot = match hint {
            Hint::Look => look_around(&*self.host, &self.session, &mut self.lineage).await?,
            Hint::Read | Hint::Ignore => Snapshot::default(),
        };
        snapshot.messages = self.host.messages_from(&self.session, message).await?;
        watch.out_of_reach = None;
        snapshot.messages.iter().for_each(|message| meter.read(message));
        if hint == Hint::Look {
            meter.look_below(&*self.host, &snapshot.messages).await;
        }
        Ok(tracker.observe(Instant::now().into_std(), &snapshot))
    }

    /// How long to wait for events before the next look.
    fn pause(&self, again: Duration, watch: &Watch) -> Duration {
        if watch.connected { again } else { again.min(self.patience.blind_look) }
    }

    /// Goes on in spite of an error, if the host may come back and has not been away for too long.
    fn bear(
        &self,
        error: HostError,
        watch: &mut Watch,
        report: &mut (impl FnMut(Sign) + Send),
    ) -> Result<(), HostError> {
        let now = Instant::now();
        let since = *watch.out_of_reach.get_or_insert(now);
        if error.disposition() != Disposition::Retry || now - since >= self.patience.unreachable {
            return Err(error);
        }
        watch.hint = Hint::Look;
        watch.rest_until(now + self.patience.blind_look);
        watch.activity = None;
        report(Sign::OutOfReach(Arc::new(error)));
        Ok(())
    }
}

/// Time in which nobody looked, although a look was due, uses up nobody's patience: the host, too, may have stood still.
fn leave_out(due: Instant, tracker: &mut Tracker, watch: &mut Watch) {
    let late = Instant::now().saturating_duration_since(due);
    if late >= LATE {
        tracker.leave_out(late);
        watch.out_of_reach = watch.out_of_reach.map(|since| since + late);
    }
}

/// Status and asks of a session. The transcript is to be read afterwards, see [`Snapshot`].
pub(super) async fn look_around(
    host: &dyn OpenCode,
    session: &SessionId,
    lineage: &mut Lineage,
) -> Result<Snapshot, HostError> {
    let status = host.statuses().await?.remove(session).unwrap_or(SessionStatus::Idle);
    let mut snapshot = Snapshot { status: Some(status), ..Snapshot::default() };
    for ask in host.permissions().await? {
        if lineage.covers(host, &ask.session).await? {
            snapshot.permissions.push(ask);
        }
    }
    for ask in host.questions().await? {
        if lineage.covers(host, &ask.session).await? {
            snapshot.questions.push(ask);
        }
    }
    Ok(snapshot)
}

/// When to look next, and how closely.
#[derive(Debug)]
struct Watch {
    look_at: Instant,
    hint: Hint,
    activity: Option<Activity>,
    connected: bool,
    greeted: bool,
    listening: bool,
    out_of_reach: Option<Instant>,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self {
            look_at: now,
            hint: Hint::Look,
            activity: None,
            connected: true,
            greeted: false,
            listening: true,
            out_of_reach: None,
        }
    }

    fn look_soon(&mut self, hint: Hint) {
        let soon = Instant::now() + BURST;
        // A look that nothing but time asked for is as close as its occasion.
        self.hint = if self.look_at > soon { hint } else { self.hint.max(hint) };
        self.look_at = self.look_at.min(soon);
    }

    fn rest_until(&mut self, instant: Instant) {
        self.look_at = instant;
    }
}
