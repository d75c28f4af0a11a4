//! The host's state: sessions, messages, asks. Every change goes through here and leaves its events in the
//! outbox. Nothing here waits, sends or looks at a clock.

use std::collections::BTreeMap;
use std::mem;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::ask::Asks;
use super::wire::{
    AssistantInfo, Event, Info, Message, ModelRef, Part, PartBody, Rule, Session, SessionTime, Span, Status,
    Streamed, Tokens, UserInfo, VERSION,
};
use crate::simulator::id::Mint;

/// All that the host knows. `now` is set by whoever enters.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) asks: Asks,
    mint: Mint,
    threads: BTreeMap<String, Thread>,
    outbox: Vec<Event>,
}

/// A session with everything in it.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) session: Session,
    pub(super) messages: Vec<Message>,
    pub(super) status: Status,
    /// How many events the host keeps of it: each change of the session, of a message, of a part.
    pub(super) events: usize,
    /// The turn that is running, if any.
    pub(super) turn: Option<TurnControl>,
    pub(super) todos: Value,
}

/// The handle on a running turn.
#[derive(Debug, Clone, Default)]
pub(super) struct TurnControl {
    pub(super) cancel: CancellationToken,
    pub(super) done: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct NewSession {
    pub(super) directory: String,
    pub(super) parent_id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) model: Option<Value>,
    pub(super) metadata: Option<Value>,
    pub(super) permission: Vec<Rule>,
}

/// A user message to be stored.
#[derive(Debug)]
pub(super) struct UserMessage {
    pub(super) id: Option<String>,
    pub(super) agent: String,
    pub(super) model: ModelRef,
    pub(super) system: Option<String>,
    /// Bodies with the ids that the client chose.
    pub(super) parts: Vec<(Option<String>, PartBody)>,
}

impl World {
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        mem::take(&mut self.outbox)
    }

    pub(super) fn thread(&self, session: &str) -> Option<&Thread> {
        self.threads.get(session)
    }

    pub(super) fn thread_mut(&mut self, session: &str) -> Option<&mut Thread> {
        self.threads.get_mut(session)
    }

    /// All threads, newest session first: session ids descend.
    pub(super) fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.values()
    }

    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.mint.ascending(prefix, self.now)
    }

    // Sessions.

    pub(super) fn create_session(&mut self, new: NewSession) -> Session {
        let id = self.mint.descending("ses", self.now);
        let kind = if new.parent_id.is_some() { "Child session" } else { "New session" };
        let session = Session {
            slug: format!("simulated-{}", self.threads.len() + 1),
            project_id: "global",
            path: new.directory.trim_start_matches('/').to_owned(),
            directory: new.directory,
            parent_id: new.parent_id,
            summary: None,
            cost: 0.0,
            tokens: Tokens::default(),
            title: new.title.unwrap_or_else(|| format!("{kind} - {}", iso(self.now))),
            agent: new.agent,
            model: new.model,
            version: VERSION,
            metadata: new.metadata,
            time: SessionTime { created: self.now, updated: self.now, archived: None },
            permission: new.permission,
            id: id.clone(),
        };
        let info = json!(session);
        let thread = Thread {
            session: session.clone(),
            messages: Vec::new(),
            status: Status::Idle,
            events: 0,
            turn: None,
            todos: json!([]),
        };
        self.threads.insert(id.clone(), thread);
        self.emit(&id, "session.created", json!({ "info": info }));
        session
    }

    /// Changes a session and announces it.
    pub(super) fn update_session(
        &mut self,
        session: &str,
        change: impl FnOnce(&mut Session),
    ) -> Option<Session> {
        let now = self.now;
        let thread = self.threads.get_mut(session)?;
        change(&mut thread.session);
        thread.session.time.updated = now;
        let updated = thread.session.clone();
        self.emit(session, "session.updated", json!({ "info": updated }));
        Some(updated)
    }

    pub(super) fn children(&self, parent: &str) -> Vec<Session> {
        let of_parent = |thread: &&Thread| thread.session.parent_id.as_deref() == Some(parent);
        self.threads.values().filter(of_parent).map(|thread| thread.session.clone()).collect()
    }

    /// Deletes a session and, before it, its children. A running turn is not stopped: nor does the host.
    pub(super) fn delete_session(&mut self, session: &str) {
        for child in self.children(session) {
            self.delete_session(&child.id);
        }
        let Some(thread) = self.threads.get(session) else { return };
        let info = json!(thread.session);
        self.emit(session, "session.deleted", json!({ "info": info }));
        self.threads.remove(session);
    }

    /// Copies a transcript into a new *root* session, up to but not including `before`. An unknown bound copies
    /// everything.
    pub(super) fn fork_session(&mut self, session: &str, before: Option<&str>) -> Option<Session> {
        let source = self.threads.get(session)?;
        let (title, directory) = (source.session.title.clone(), source.session.directory.clone());
        let end = source.messages.iter().position(|message| Some(message.id()) == before);
        let messages = source.messages[..end.unwrap_or(source.messages.len())].to_vec();
        let title = Some(format!("{title} (fork #1)"));
        let fork = self.create_session(NewSession { directory, title, ..NewSession::default() });
        let mut renamed = BTreeMap::new();
        for mut message in messages {
            let id = self.id("msg");
            renamed.insert(message.id().to_owned(), id.clone());
            match &mut message.info {
                Info::User(user) => (user.id, user.session_id) = (id.clone(), fork.id.clone()),
                Info::Assistant(assistant) => {
                    (assistant.id, assistant.session_id) = (id.clone(), fork.id.clone());
                    if let Some(parent) = renamed.get(&assistant.parent_id) {
                        assistant.parent_id.clone_from(parent);
                    }
                }
            }
            let parts = mem::take(&mut message.parts);
            self.put_message(&fork.id, message);
            for part in parts {
                self.put_part(&fork.id, &id, None, part.body);
            }
        }
        Some(fork)
    }

    // Messages.

    /// Stores a user message, or, when its id is known, the parts that are new. Returns its id.
    pub(super) fn put_user_message(&mut self, session: &str, message: UserMessage) -> String {
        let id = message.id.unwrap_or_else(|| self.id("msg"));
        let model = json!({ "id": message.model.model_id, "providerID": message.model.provider_id, "variant": "default" });
        let agent = message.agent.clone();
        let unlike = |session: &Session| {
            session.agent.as_ref() != Some(&agent) || session.model.as_ref() != Some(&model)
        };
        if self.threads.get(session).is_some_and(|thread| unlike(&thread.session)) {
            self.update_session(session, |session| {
                session.agent = Some(agent);
                session.model = Some(model);
            });
        }
        let info = Info::User(UserInfo {
            id: id.clone(),
            session_id: session.to_owned(),
            time: Span { created: self.created(session, &id), completed: None },
            agent: message.agent,
            model: message.model,
            system: message.system,
        });
        self.put_message(session, Message { info, parts: Vec::new() });
        for (part, body) in message.parts {
            self.put_part(session, &id, part, body);
        }
        self.update_session(session, |_| {});
        id
    }

    /// When a message was first stored: a repeated prompt keeps its place in the transcript.
    fn created(&self, session: &str, message: &str) -> u64 {
        self.message(session, message).map_or(self.now, Message::created)
    }

    pub(super) fn message(&self, session: &str, message: &str) -> Option<&Message> {
        self.threads.get(session)?.messages.iter().find(|known| known.id() == message)
    }

    /// Starts the assistant message that answers `user`.
    pub(super) fn start_assistant(
        &mut self,
        session: &str,
        user: &UserInfo,
        agent: &str,
        summary: Option<bool>,
    ) -> String {
        let id = self.id("msg");
        let directory = self.threads.get(session).map(|thread| thread.session.directory.clone());
        let info = AssistantInfo {
            id: id.clone(),
            session_id: session.to_owned(),
            parent_id: user.id.clone(),
            mode: agent.to_owned(),
            agent: agent.to_owned(),
            path: json!({ "cwd": directory, "root": "/" }),
            summary,
            cost: 0.0,
            tokens: Tokens::default(),
            model_id: user.model.model_id.clone(),
            provider_id: user.model.provider_id.clone(),
            time: Span { created: self.now, completed: None },
            finish: None,
            error: None,
        };
        self.put_message(session, Message { info: Info::Assistant(Box::new(info)), parts: Vec::new() });
        id
    }

    /// Changes an assistant message and announces it.
    pub(super) fn update_assistant(
        &mut self,
        session: &str,
        message: &str,
        change: impl FnOnce(&mut AssistantInfo, u64),
    ) {
        let now = self.now;
        let Some(thread) = self.threads.get_mut(session) else { return };
        let Some(known) = thread.messages.iter_mut().find(|known| known.id() == message) else { return };
        let Info::Assistant(assistant) = &mut known.info else { return };
        change(assistant, now);
        let info = json!(known.info);
        self.emit(session, "message.updated", json!({ "info": info }));
    }

    fn put_message(&mut self, session: &str, message: Message) {
        let info = json!(message.info);
        let Some(thread) = self.threads.get_mut(session) else { return };
        match thread.messages.iter_mut().find(|known| known.id() == message.id()) {
            Some(known) => known.info = message.info,
            None => {
                // Created now, so it comes last: the host orders by time, not by the ids that clients choose.
                thread.messages.push(message);
            }
        }
        self.emit(session, "message.updated", json!({ "info": info }));
    }

    /// Stores a part, new or by its known id, and announces it. Returns the id.
    pub(super) fn put_part(
        &mut self,
        session: &str,
        message: &str,
        id: Option<String>,
        body: PartBody,
    ) -> String {
        let id = id.unwrap_or_else(|| self.id("prt"));
        let part =
            Part { id: id.clone(), session_id: session.to_owned(), message_id: message.to_owned(), body };
        let time = self.now;
        let stored = self.threads.get_mut(session).and_then(|thread| {
            thread.messages.iter_mut().find(|known| known.id() == message).map(|known| &mut known.parts)
        });
        let Some(parts) = stored else { return id };
        match parts.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = part.clone(),
            None => parts.push(part.clone()),
        }
        self.emit(session, "message.part.updated", json!({ "part": part, "time": time }));
        id
    }

    /// Announces a piece of a part's text. The part itself is stored when it is complete, as the host does.
    pub(super) fn delta(&mut self, session: &str, message: &str, part: &str, delta: &str) {
        let properties = json!({ "messageID": message, "partID": part, "field": "text", "delta": delta });
        self.emit(session, "message.part.delta", properties);
    }

    /// A part that is being streamed.
    pub(super) fn put_streamed(
        &mut self,
        session: &str,
        message: &str,
        open: &mut OpenText,
        end: Option<u64>,
    ) {
        let body = PartBody::streamed(open.kind, &open.text, open.start, end);
        open.id = Some(self.put_part(session, message, open.id.take(), body));
    }

    // Status and errors.

    pub(super) fn set_status(&mut self, session: &str, status: Status) {
        let Some(thread) = self.threads.get_mut(session) else { return };
        thread.status = status.clone();
        self.emit(session, "session.status", json!({ "status": status }));
    }

    /// At rest: the status and the older event of the same meaning.
    pub(super) fn idle(&mut self, session: &str) {
        if let Some(thread) = self.threads.get_mut(session) {
            thread.status = Status::Idle;
        }
        self.emit(session, "session.status", json!({ "status": Status::Idle }));
        self.emit(session, "session.idle", json!({}));
    }

    pub(super) fn session_error(&mut self, session: &str, error: &Value) {
        self.emit(session, "session.error", json!({ "error": error }));
    }

    /// Appends an event about a session; its id becomes the first property.
    pub(super) fn emit(&mut self, session: &str, kind: &'static str, rest: Value) {
        let mut properties = json!({ "sessionID": session });
        if let (Value::Object(all), Value::Object(rest)) = (&mut properties, rest) {
            all.extend(rest);
        }
        if let Some(thread) = self.threads.get_mut(session) {
            thread.events += usize::from(KEPT.contains(&kind));
        }
        let directory = self.threads.get(session).map(|thread| thread.session.directory.clone());
        self.emit_in(directory, kind, properties);
    }

    /// Appends an event that is not about a session.
    pub(super) fn emit_in(&mut self, directory: Option<String>, kind: &'static str, properties: Value) {
        let id = self.id("evt");
        self.outbox.push(Event { id, kind, properties, directory });
    }
}

/// The events that the host keeps and numbers.
const KEPT: [&str; 4] = ["session.created", "session.updated", "message.updated", "message.part.updated"];

/// Text that the model is streaming.
#[derive(Debug)]
pub(super) struct OpenText {
    pub(super) kind: Streamed,
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) start: u64,
}

/// `2026-11-22T22:34:27.214Z`, from milliseconds since 1970; the civil-from-days algorithm.
fn iso(ms: u64) -> String {
    let (seconds, millis) = (ms / 1000, ms % 1000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_host_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_795_386_867_214), "2026-11-22T22:34:27.214Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn a_fork_is_a_root_with_a_copy_whose_answers_name_the_copied_prompts() {
        let mut world = World { now: 1_000, ..World::default() };
        let parent = world.create_session(NewSession { directory: "/p".into(), ..NewSession::default() });
        let child = world.create_session(NewSession {
            directory: "/p".into(),
            parent_id: Some(parent.id),
            ..NewSession::default()
        });
        let user = UserMessage {
            id: None,
            agent: "build".into(),
            model: ModelRef { provider_id: "stub".into(), model_id: "stub".into() },
            system: None,
            parts: vec![(None, PartBody::text("hi"))],
        };
        world.put_user_message(&child.id, user);
        let Info::User(info) = world.thread(&child.id).unwrap().messages[0].info.clone() else { panic!() };
        world.start_assistant(&child.id, &info, "build", None);

        let fork = world.fork_session(&child.id, None).unwrap();

        assert_eq!(fork.parent_id, None);
        let copy = &world.thread(&fork.id).unwrap().messages;
        let Info::Assistant(answer) = &copy[1].info else { panic!() };
        assert_eq!(answer.parent_id, copy[0].id());
        assert_ne!(copy[0].id(), info.id);
        assert_eq!(copy[0].text(), "hi");
    }
}
