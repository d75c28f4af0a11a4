//! The event subscription of one host: one connection, any number of subscribers, mended for as long as anybody listens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::ancestry::Ancestry;
use super::reply::content_type;
use super::transport::{Call, Transport};
use crate::backoff::Backoff;
use crate::error::{HostError, HostErrorKind};
use crate::event::{EventStream, Followed, HostEvent, StreamItem};
use crate::sse::Decoder;
use crate::wire::parse_event;

/// Items that a subscriber may be behind before it loses some.
const BEHIND: usize = 1024;

/// Observed: the host greets a subscriber up to some ten milliseconds before it really sends it events, so that what
/// happens right after the greeting is lost. Waiting costs this once for each connection.
const ATTACH: Duration = Duration::from_millis(150);

/// How long a connection is kept that nobody listens to: the next step of a run begins right after the one before.
const LINGER: Duration = Duration::from_secs(5);

/// Shares one connection among subscribers. The connection is opened by the first and closed some time after the last.
pub(crate) struct Hub {
    transport: Arc<Transport>,
    silence: Duration,
    subscribers: Arc<Mutex<Subscribers>>,
    /// Held while a connection is being opened for a subscriber, so that two do not open one each.
    opening: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Subscribers {
    connected: bool,
    list: Vec<Subscriber>,
    ancestry: Ancestry,
    /// Since when nobody listens.
    deserted: Option<Instant>,
}

struct Subscriber {
    items: mpsc::Sender<StreamItem>,
    followed: Followed,
    behind: bool,
}

impl Hub {
    pub(super) fn new(transport: Arc<Transport>, silence: Duration) -> Self {
        Self { transport, silence, subscribers: Arc::default(), opening: tokio::sync::Mutex::new(None) }
    }

    /// A new subscription on a live connection.
    pub(super) async fn subscribe(&self) -> Result<EventStream, HostError> {
        let mut keeper = self.opening.lock().await;
        if let Some(stream) = self.join_live() {
            return Ok(stream);
        }
        // Nobody is connected: try it here, so that the caller learns at once why it fails.
        let connection = Connection::open(&self.transport, self.silence).await?;
        if let Some(old) = keeper.take() {
            old.abort();
        }
        let stream = {
            let mut subscribers = lock(&self.subscribers);
            subscribers.connect();
            subscribers.add()
        };
        let task = keep(Arc::clone(&self.transport), self.silence, Arc::clone(&self.subscribers), connection);
        *keeper = Some(tokio::spawn(task));
        Ok(stream)
    }

    fn join_live(&self) -> Option<EventStream> {
        let mut subscribers = lock(&self.subscribers);
        subscribers.connected.then(|| subscribers.add())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = self.opening.get_mut().take() {
            task.abort();
        }
        // Ends every stream: their senders are gone.
        lock(&self.subscribers).list.clear();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscribers = lock(&self.subscribers);
        formatter
            .debug_struct("Hub")
            .field("connected", &subscribers.connected)
            .field("subscribers", &subscribers.list.len())
            .finish()
    }
}

fn lock(subscribers: &Mutex<Subscribers>) -> std::sync::MutexGuard<'_, Subscribers> {
    subscribers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscribers {
    fn add(&mut self) -> EventStream {
        let (items, followed, stream) = EventStream::routed(BEHIND);
        let mut subscriber = Subscriber { items, followed, behind: false };
        subscriber.send(&StreamItem::Connected);
        self.list.push(subscriber);
        stream
    }

    /// A connection stands. Whose sessions were made before it is not known.
    fn connect(&mut self) {
        self.connected = true;
        self.ancestry.clear();
        self.publish(&StreamItem::Connected);
    }

    /// Tells everybody.
    fn publish(&mut self, item: &StreamItem) {
        self.list.retain_mut(|subscriber| subscriber.send(item));
    }

    /// Tells those whom the event may concern.
    fn pass_on(&mut self, event: HostEvent) {
        let event = Arc::new(event);
        let item = StreamItem::Event(Arc::clone(&event));
        let concern = self.ancestry.concern(&event);
        self.list.retain_mut(|subscriber| {
            let concerned = subscriber.followed.get().is_none_or(|followed| concern.is_for(followed));
            if concerned { subscriber.send(&item) } else { !subscriber.items.is_closed() }
        });
        self.ancestry.settle(&event);
    }

    /// Forgets subscribers that are gone; `false` when nobody is left, and nobody can join any more.
    fn anybody(&mut self, patience: Duration) -> bool {
        self.list.retain(|subscriber| !subscriber.items.is_closed());
        if !self.list.is_empty() {
            self.deserted = None;
            return true;
        }
        let deserted = *self.deserted.get_or_insert_with(Instant::now);
        let kept = deserted.elapsed() < patience;
        self.connected &= kept;
        kept
    }
}

impl Subscriber {
    /// Never waits: a subscriber that does not keep up loses items and is told so. `false` when it is gone.
    fn send(&mut self, item: &StreamItem) -> bool {
        if self.behind {
            match self.items.try_send(StreamItem::Lost("the subscriber did not keep up".into())) {
                Ok(()) => self.behind = false,
                Err(TrySendError::Full(_)) => return true,
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.items.try_send(item.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.behind = true;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

/// Reads the connection, and opens a new one whenever it ends, until nobody listens any more.
async fn keep(
    transport: Arc<Transport>,
    silence: Duration,
    subscribers: Arc<Mutex<Subscribers>>,
    mut connection: Connection,
) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let end = loop {
            match connection
                .read(|event| {
                    backoff.reset();
                    lock(&subscribers).pass_on(event);
                })
                .await
            {
                Ok(()) if !lock(&subscribers).anybody(LINGER) => return,
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        {
            let mut subscribers = lock(&subscribers);
            subscribers.connected = false;
            subscribers.publish(&StreamItem::Lost(end.into()));
        }
        connection = loop {
            tokio::time::sleep(backoff.wait()).await;
            if !lock(&subscribers).anybody(Duration::ZERO) {
                return;
            }
            match Connection::open(&transport, silence).await {
                Ok(connection) => break connection,
                Err(error) => tracing::debug!(%error, "the event stream is still down"),
            }
        };
        let mut subscribers = lock(&subscribers);
        subscribers.connect();
    }
}

/// One open event stream.
struct Connection {
    response: Response,
    decoder: Decoder,
    silence: Duration,
    dropped: u64,
}

impl Connection {
    /// Opens the stream and waits until the subscription is live.
    async fn open(transport: &Transport, silence: Duration) -> Result<Self, HostError> {
        let call = Call::get("subscribe to the events", &["global", "event"]);
        let opening = async {
            let response = transport.open(&call, "text/event-stream").await?;
            let status = response.status();
            if status != StatusCode::OK {
                let headers = response.headers().clone();
                let body = response.bytes().await.unwrap_or_default();
                return Err(transport.refusal(&call, status, &headers, &body));
            }
            let kind = content_type(response.headers()).unwrap_or("no content type").to_owned();
            if !kind.starts_with("text/event-stream") {
                let detail = format!("the answer is {kind}, not an event stream; this is not OpenCode");
                return Err(transport.error(HostErrorKind::Protocol, &call, detail));
            }
            let mut connection = Self { response, decoder: Decoder::new(), silence, dropped: 0 };
            let mut greeted = false;
            while !greeted {
                connection
                    .read(|_| greeted = true)
                    .await
                    .map_err(|end| transport.error(HostErrorKind::Unreachable, &call, end))?;
            }
            tokio::time::sleep(ATTACH).await;
            Ok(connection)
        };
        let late = || transport.error(HostErrorKind::Timeout, &call, "the stream does not begin");
        tokio::time::timeout(transport.request_timeout(), opening).await.unwrap_or_else(|_| Err(late()))
    }

    /// Reads the next bytes and delivers the events that they complete. An error is the reason why the stream ended.
    async fn read(&mut self, mut deliver: impl FnMut(HostEvent)) -> Result<(), String> {
        let chunk = match tokio::time::timeout(self.silence, self.response.chunk()).await {
            Err(_) => return Err(format!("no sign of life for {} s", self.silence.as_secs_f32())),
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Err("the host closed the stream".to_owned()),
            Ok(Err(error)) => return Err(format!("the stream broke: {}", error.without_url())),
        };
        self.decoder.feed(&chunk, |data| match std::str::from_utf8(data).map(parse_event) {
            Ok(Ok(event)) => deliver(event),
            Ok(Err(error)) => tracing::debug!(%error, "a frame of the event stream is not JSON"),
            Err(error) => tracing::debug!(%error, "a frame of the event stream is not UTF-8"),
        });
        if self.decoder.dropped() > self.dropped {
            self.dropped = self.decoder.dropped();
            return Err("an event was too large".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::session::Session;

    #[tokio::test]
    async fn who_follows_a_session_is_not_woken_for_others() {
        let mut subscribers = Subscribers::default();
        subscribers.connect();
        let id = |name: &str| SessionId::parse(format!("ses_{name}")).unwrap();
        let (mut one, mut all) = (subscribers.add().below(id("one")), subscribers.add());
        for name in ["one", "other"] {
            subscribers.pass_on(HostEvent::SessionCreated(Session::new(id(name), name, "/project")));
            subscribers.pass_on(HostEvent::Idle { session: id(name) });
        }
        subscribers.connect();
        subscribers.pass_on(HostEvent::Idle { session: id("other") });
        drop(subscribers);
        let told = async |stream: &mut EventStream| {
            let mut told = Vec::new();
            while let Some(item) = stream.next().await {
                told.push(match item {
                    StreamItem::Event(event) => event.session().map_or("", |id| &id.as_str()[4..]).to_owned(),
                    _ => "-".to_owned(),
                });
            }
            told.join(" ")
        };
        assert_eq!(told(&mut all).await, "- one one other other - other");
        assert_eq!(
            told(&mut one).await,
            "- one one - other",
            "after a new connection nobody knows whose it is"
        );
    }

    /// The next step of a run subscribes right after the one before has ended.
    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_a_while_for_its_next_subscriber() {
        let mut subscribers = Subscribers { connected: true, ..Subscribers::default() };
        drop(subscribers.add());
        assert!(subscribers.anybody(LINGER));
        tokio::time::advance(LINGER - Duration::from_millis(1)).await;
        assert!(subscribers.anybody(LINGER) && subscribers.connected);

        let stream = subscribers.add();
        tokio::time::advance(LINGER).await;
        assert!(subscribers.anybody(LINGER));
        drop(stream);
        assert!(subscribers.anybody(LINGER), "the wait begins anew");
        tokio::time::advance(LINGER).await;
        assert!(
            !subscribers.anybody(LINGER) && !subscribers.connected,
            "nobody joins what is about to be closed"
        );
    }
}
