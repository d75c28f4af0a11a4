//! A host's state, rebuilt from the events that a real one sent, and the port on top of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;

use crate::ask::{PermissionAsk, QuestionAsk};
use crate::error::{HostError, HostErrorKind};
use crate::event::{EventStream, HostEvent};
use crate::host::MockOpenCode;
use crate::id::{MessageId, SessionId};
use crate::message::{Message, Part, Role};
use crate::session::{Session, SessionStatus};
use crate::tracker::Snapshot;
use crate::wire::parse_event;

/// Scenario → its events in order, as a real host sent them.
pub(super) static SCENARIOS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/fixtures/opencode-1.18.33/events_by_scenario.json"))
        .unwrap()
});

/// One recorded scenario.
pub(super) struct Recording {
    pub(super) session: SessionId,
    pub(super) message: MessageId,
    /// Events with their time in milliseconds since the first one.
    pub(super) events: Vec<(u64, HostEvent)>,
}

impl Recording {
    /// Reads a scenario of `events_by_scenario.json`.
    pub(super) fn read(name: &str) -> Self {
        let raw = &SCENARIOS[name];
        let clock =
            |event: &Value| u64::from_str_radix(&event["id"].as_str().unwrap()[4..16], 16).unwrap() >> 12;
        let start = raw.iter().map(clock).min().unwrap();
        let events: Vec<_> = raw
            .iter()
            .map(|event| (clock(event) - start, parse_event(&event.to_string()).unwrap()))
            .collect();
        let (session, message) = events
            .iter()
            .find_map(|(_, event)| match event {
                HostEvent::MessageUpdated(Message { id, session, role: Role::User(_), .. }) => {
                    Some((session.clone(), id.clone()))
                }
                _ => None,
            })
            .unwrap();
        Self { session, message, events }
    }

    /// The state after the first `count` events. Our message and its text are there from the start: they are stored
    /// before the prompt is acknowledged.
    pub(super) fn state_after(&self, count: usize) -> Replica {
        let mut replica = Replica::default();
        for (_, event) in &self.events[..count] {
            replica.apply(event);
        }
        replica
    }
}

/// What a host would show.
#[derive(Debug, Clone, Default)]
pub(super) struct Replica {
    messages: BTreeMap<MessageId, Message>,
    statuses: HashMap<SessionId, SessionStatus>,
    permissions: Vec<PermissionAsk>,
    questions: Vec<QuestionAsk>,
    sessions: HashMap<SessionId, Session>,
}

impl Replica {
    pub(super) fn apply(&mut self, event: &HostEvent) {
        match event {
            HostEvent::SessionCreated(session) | HostEvent::SessionUpdated(session) => {
                self.sessions.insert(session.id.clone(), session.clone());
            }
            HostEvent::MessageUpdated(message) => {
                // Events of a real host carry no parts here; made-up ones do.
                let mut message = message.clone();
                if let Some(old) = self.messages.remove(&message.id)
                    && message.parts.is_empty()
                {
                    message.parts = old.parts;
                }
                self.messages.insert(message.id.clone(), message);
            }
            HostEvent::PartUpdated { message, part, .. } => self.put(message, part),
            HostEvent::Status { session, status } => {
                self.statuses.insert(session.clone(), status.clone());
            }
            HostEvent::PermissionAsked(ask) => self.permissions.push(ask.clone()),
            HostEvent::PermissionReplied { permission, .. } => {
                self.permissions.retain(|ask| ask.id != *permission);
            }
            HostEvent::QuestionAsked(ask) => self.questions.push(ask.clone()),
            HostEvent::QuestionReplied { question, .. } | HostEvent::QuestionRejected { question, .. } => {
                self.questions.retain(|ask| ask.id != *question);
            }
            _ => {}
        }
    }

    fn put(&mut self, message: &MessageId, part: &Part) {
        let Some(message) = self.messages.get_mut(message) else { return };
        match message.parts.iter_mut().find(|old| old.id() == part.id()) {
            Some(old) => *old = part.clone(),
            None => message.parts.push(part.clone()),
        }
    }

    pub(super) fn transcript(&self, session: &SessionId, first: &MessageId) -> Vec<Message> {
        let mine: Vec<_> =
            self.messages.values().filter(|message| message.session == *session).cloned().collect();
        match mine.iter().position(|message| message.id == *first) {
            Some(start) => mine[start..].to_vec(),
            None => mine,
        }
    }

    pub(super) fn snapshot(&self, session: &SessionId, first: &MessageId) -> Snapshot {
        Snapshot {
            status: Some(self.statuses.get(session).cloned().unwrap_or(SessionStatus::Idle)),
            permissions: self.permissions.clone(),
            questions: self.questions.clone(),
            messages: self.transcript(session, first),
        }
    }
}

/// A host that shows a replica, and the calls that it received.
pub(super) struct ReplicaHost {
    pub(super) state: Arc<Mutex<Replica>>,
    pub(super) calls: Arc<Mutex<Vec<String>>>,
}

impl ReplicaHost {
    pub(super) fn new(state: Replica) -> Self {
        Self { state: Arc::new(Mutex::new(state)), calls: Arc::default() }
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The port. `events` is what its one subscriber will hear.
    pub(super) fn port(&self, events: EventStream) -> MockOpenCode {
        let mut port = MockOpenCode::new();
        let events = Mutex::new(Some(events));
        port.expect_events().returning(move || Ok(events.lock().unwrap().take().unwrap()));
        let see = |name: &'static str| {
            let (state, calls) = (Arc::clone(&self.state), Arc::clone(&self.calls));
            move || {
                calls.lock().unwrap().push(name.to_owned());
                state.lock().unwrap().clone()
            }
        };
        let (a, b, c) = (see("statuses"), see("permissions"), see("questions"));
        port.expect_statuses().returning(move || {
            let busy = a().statuses.into_iter().filter(|(_, status)| *status != SessionStatus::Idle);
            Ok(busy.collect())
        });
        port.expect_permissions().returning(move || Ok(b().permissions));
        port.expect_questions().returning(move || Ok(c().questions));
        let (d, e, f, g) = (see("messages"), see("session"), see("children"), see("abort"));
        port.expect_messages_from().returning(move |session, first| Ok(d().transcript(session, first)));
        port.expect_session().returning(move |session| {
            let gone = || HostError::new(HostErrorKind::NotFound, "look up", "", "not there");
            e().sessions.remove(session).ok_or_else(gone)
        });
        port.expect_children().returning(move |session| {
            let all = f().sessions.into_values();
            Ok(all.filter(|child| child.parent.as_ref() == Some(session)).collect())
        });
        port.expect_abort().returning(move |_| {
            g();
            Ok(())
        });
        port
    }
}
