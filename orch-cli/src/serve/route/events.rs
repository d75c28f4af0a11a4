//! The stream of events: what was before, as far as it is asked for, then what comes.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    time::Duration,
};

use aide::OperationOutput;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Message, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use orch::{Event, RunId, Runs, workflow::status::Status};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::Desk;
use crate::serve::{
    actions::Actions,
    fault::Fault,
    feed::{Known, Place, Told, numbered},
    presence::Stay,
    request::{Query, run_id},
    service::Service,
};

/// How often a stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Where to begin; now unless given. Either the id of the last message that was received, or `RUN:SEQ` for the
    /// journaled events of a run from that number on; several with commas between. The header `Last-Event-ID` says the
    /// same.
    #[serde(default)]
    from: Option<String>,
    /// Only this run.
    #[serde(default)]
    run: Option<String>,
    /// Whether what a front end is to do where a person sits is told as well.
    #[serde(default)]
    actions: bool,
}

/// Where a stream begins.
enum From {
    Now,
    /// After this number of this service; `None` for that of another one.
    After(Option<u64>),
    /// At these events of these runs.
    Runs(Vec<(RunId, u64)>),
}

impl From {
    fn parse(text: Option<&str>, instance: &str) -> Result<Self, Fault> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::Now) };
        if text.starts_with("run_") {
            let runs = text.split(',').map(|place| {
                let (run, seq) = place.split_once(':').unwrap_or((place, "1"));
                let seq = seq.parse().map_err(|_| Fault::malformed(format!("{seq:?} numbers no event")))?;
                Ok((run_id(run)?, seq))
            });
            return Ok(Self::Runs(runs.collect::<Result<_, Fault>>()?));
        }
        let (of, number) = text.rsplit_once('-').unwrap_or((text, ""));
        let number: u64 = number
            .parse()
            .map_err(|_| Fault::malformed(format!("{text:?} is neither the id of a message nor RUN:SEQ")))?;
        Ok(Self::After((of == instance).then_some(number)))
    }
}

/// A stream of server-sent events.
pub(super) struct EventMessages(Response);

impl IntoResponse for EventMessages {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for EventMessages {
    type Inner = ();
}

pub(super) async fn events(
    State(service): Desk,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<EventMessages, Fault> {
    let only = query.run.as_deref().map(run_id).transpose()?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let from = From::parse(query.from.as_deref().or(last), &service.instance)?;
    let actions = query.actions.then(|| Actions::new(&service));
    let listener = Listener::new(&service, from, only, actions).await?;
    let beat = KeepAlive::new().interval(HEARTBEAT).text("here");
    Ok(EventMessages(Sse::new(listener.stream()).keep_alive(beat).into_response()))
}

/// One who listens.
struct Listener {
    instance: String,
    only: Option<RunId>,
    actions: Option<Actions>,
    before: VecDeque<Message>,
    events: broadcast::Receiver<Told>,
    leaving: watch::Receiver<bool>,
    said_bye: bool,
    _stay: Stay,
}

impl Listener {
    async fn new(
        service: &Service,
        from: From,
        only: Option<RunId>,
        actions: Option<Actions>,
    ) -> Result<Self, Fault> {
        let runs: &[(RunId, u64)] = if let From::Runs(runs) = &from { runs } else { &[] };
        let open = match &actions {
            // A damaged one has no events.
            Some(_) => {
                let runs = service.runs(Runs::Open).await?.into_iter();
                runs.filter_map(|(run, view)| view.is_ok().then_some(run)).collect()
            }
            None => Vec::new(),
        };
        for run in runs.iter().map(|(run, _)| run).chain(&open) {
            service.feed.look_at(&service.drivers.home().await, run).await?;
        }
        let mut joined = service.feed.join(runs.iter().map(|(run, _)| run).chain(&open));
        let known_of_open = joined.known.split_off(runs.len());
        let mut listener = Self {
            instance: service.instance.clone(),
            only,
            actions,
            before: VecDeque::new(),
            events: joined.events,
            leaving: service.leaving.clone(),
            said_bye: false,
            _stay: service.presence.enter(),
        };
        listener.recall(service, open.iter().zip(known_of_open)).await?;
        let first = match &from {
            From::After(Some(number)) => *number,
            _ => joined.last,
        };
        let hello = json!({ "instance": service.instance, "version": env!("CARGO_PKG_VERSION") });
        listener.say("hello", Some(first), &hello);
        match from {
            From::Now => {}
            From::After(None) => {
                listener.say("gap", Some(joined.last), &json!({ "reason": "other-service" }))
            }
            From::After(Some(number)) => match service.feed.since(number) {
                // What was told since this listener joined comes by itself.
                Some(places) => {
                    let places = places.into_iter().filter(|(number, _)| *number <= joined.last);
                    listener.replay(service, places.collect()).await?;
                }
                None => listener.say("gap", Some(joined.last), &json!({ "reason": "forgotten" })),
            },
            From::Runs(runs) => {
                for ((run, seq), known) in runs.into_iter().zip(joined.known) {
                    let events = service.reader(&run).await.events(&run, seq).await?;
                    let told = numbered(events).filter(|(nth, event)| known.has(event.seq, *nth));
                    told.for_each(|(_, event)| listener.tell(None, &event));
                }
            }
        }
        Ok(listener)
    }

    /// Lets the actions know what the open runs have been through, as far as it was told before this listener joined.
    async fn recall(
        &mut self,
        service: &Service,
        open: impl Iterator<Item = (&RunId, Known)>,
    ) -> Result<(), Fault> {
        let Some(actions) = &mut self.actions else { return Ok(()) };
        for (run, known) in open {
            let events = service.reader(run).await.events(run, 0).await?;
            let told = numbered(events).filter(|(nth, event)| known.has(event.seq, *nth));
            told.for_each(|(_, event)| actions.observe(&event));
        }
        Ok(())
    }

    /// What was told before, from the journal.
    async fn replay(&mut self, service: &Service, places: Vec<(u64, Place)>) -> Result<(), Fault> {
        let mut journals: HashMap<RunId, HashMap<(u64, usize), Event>> = HashMap::new();
        for (number, place) in places {
            let journal = match journals.get_mut(&place.run) {
                Some(journal) => journal,
                None => {
                    let events = service.reader(&place.run).await.events(&place.run, place.seq).await?;
                    let events = numbered(events).map(|(nth, event)| ((event.seq, nth), event)).collect();
                    journals.entry(place.run.clone()).or_insert(events)
                }
            };
            if let Some(event) = journal.remove(&(place.seq, place.nth)) {
                self.tell(Some(number), &event);
            }
        }
        Ok(())
    }

    fn tell(&mut self, number: Option<u64>, event: &Event) {
        if self.only.as_ref().is_some_and(|only| *only != event.run) {
            return;
        }
        self.say("event", number, event);
        for action in self.actions.as_mut().map(|actions| actions.of(event)).unwrap_or_default() {
            self.say("action", None, &action);
        }
    }

    /// What happens for no run in particular concerns those who listen to all of them.
    fn tell_status(&mut self, status: &Status) {
        if self.only.as_ref().is_none_or(|only| Some(only) == status.body.run()) {
            self.say("event", None, status);
        }
    }

    fn say(&mut self, kind: &str, number: Option<u64>, data: &impl serde::Serialize) {
        let mut message = Message::default().event(kind);
        if let Some(number) = number {
            message = message.id(format!("{}-{number}", self.instance));
        }
        match message.json_data(data) {
            Ok(message) => self.before.push_back(message),
            Err(error) => tracing::warn!(%error, "an event cannot be written as JSON"),
        }
    }

    fn stream(self) -> impl Stream<Item = Result<Message, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            loop {
                if let Some(message) = listener.before.pop_front() {
                    return Some((Ok(message), listener));
                }
                if listener.said_bye {
                    return None;
                }
                tokio::select! {
                    biased;
                    () = left(&mut listener.leaving) => {
                        listener.said_bye = true;
                        listener.say("bye", None, &json!({}));
                    }
                    told = listener.events.recv() => match told {
                        Ok(Told::Event(number, event)) => listener.tell(number, &event),
                        Ok(Told::Status(status)) => listener.tell_status(&status),
                        Err(RecvError::Lagged(missed)) => {
                            listener.say("gap", None, &json!({ "reason": "slow", "missed": missed }));
                        }
                        Err(RecvError::Closed) => return None,
                    },
                }
            }
        })
    }
}

/// Returns when the service is about to end.
async fn left(leaving: &mut watch::Receiver<bool>) {
    // That nobody is there to say so is an end, too.
    drop(leaving.wait_for(|leaving| *leaving).await);
}
