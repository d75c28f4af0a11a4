//! Whose session is whose, as far as the event stream has told.

use std::collections::HashMap;

use crate::event::HostEvent;
use crate::id::SessionId;
use crate::session::DEEPEST;

/// The parents of the sessions that were heard of on one connection: what happened before it is not known.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    parents: HashMap<SessionId, Option<SessionId>>,
}

/// Whom an event concerns.
#[derive(Debug, PartialEq)]
pub(super) enum Concern<'a> {
    /// It is about no session, or about one whose ancestors are not all known.
    Everybody,
    /// It is about the first of these sessions, which descends from the others.
    Line(Vec<&'a SessionId>),
}

impl Concern<'_> {
    /// Whether somebody has to hear of it who follows this session and what is below it.
    pub(super) fn is_for(&self, followed: &SessionId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Line(line) => line.contains(&followed),
        }
    }
}

impl Ancestry {
    /// Takes in what an event says of parents, then tells whom it concerns.
    pub(super) fn concern<'a>(&'a mut self, event: &'a HostEvent) -> Concern<'a> {
        if let HostEvent::SessionCreated(session) | HostEvent::SessionUpdated(session) = event {
            self.parents.insert(session.id.clone(), session.parent.clone());
        }
        let line = event.session().and_then(|session| self.line(session));
        line.map_or(Concern::Everybody, Concern::Line)
    }

    /// Forgets the session of an event that says that it is gone.
    pub(super) fn settle(&mut self, event: &HostEvent) {
        if let HostEvent::SessionDeleted(session) = event {
            self.parents.remove(&session.id);
        }
    }

    pub(super) fn clear(&mut self) {
        self.parents.clear();
    }

    /// The session with everything above it; nothing where that is not known.
    fn line<'a>(&'a self, session: &'a SessionId) -> Option<Vec<&'a SessionId>> {
        let mut line = vec![session];
        while line.len() <= DEEPEST {
            match self.parents.get(*line.last()?)? {
                Some(parent) => line.push(parent),
                None => return Some(line),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;

    fn id(name: &str) -> SessionId {
        SessionId::parse(format!("ses_{name}")).unwrap()
    }

    fn session(name: &str, parent: Option<&str>) -> Session {
        let mut session = Session::new(id(name), name, "/project");
        session.parent = parent.map(id);
        session
    }

    fn idle(name: &str) -> HostEvent {
        HostEvent::Idle { session: id(name) }
    }

    /// Who of the four hears of the event.
    fn heard(ancestry: &mut Ancestry, event: &HostEvent) -> Vec<&'static str> {
        let concern = ancestry.concern(event);
        ["root", "child", "grandchild", "other"]
            .into_iter()
            .filter(|name| concern.is_for(&id(name)))
            .collect()
    }

    #[test]
    fn an_event_concerns_its_session_and_all_above_it() {
        let mut ancestry = Ancestry::default();
        let everybody = ["root", "child", "grandchild", "other"];
        assert_eq!(heard(&mut ancestry, &idle("child")), everybody, "nothing is known of it yet");
        assert_eq!(heard(&mut ancestry, &HostEvent::SessionCreated(session("root", None))), ["root"]);
        let born = HostEvent::SessionCreated(session("child", Some("root")));
        assert_eq!(heard(&mut ancestry, &born), ["root", "child"]);
        let changed = HostEvent::SessionUpdated(session("grandchild", Some("child")));
        assert_eq!(heard(&mut ancestry, &changed), ["root", "child", "grandchild"]);
        assert_eq!(heard(&mut ancestry, &idle("child")), ["root", "child"]);
        assert_eq!(heard(&mut ancestry, &HostEvent::Connected), everybody);
    }

    #[test]
    fn what_is_below_an_unknown_session_concerns_everybody() {
        let mut ancestry = Ancestry::default();
        let everybody = ["root", "child", "grandchild", "other"];
        let born = HostEvent::SessionCreated(session("grandchild", Some("child")));
        assert_eq!(heard(&mut ancestry, &born), everybody);
        heard(&mut ancestry, &HostEvent::SessionUpdated(session("child", None)));
        assert_eq!(heard(&mut ancestry, &idle("grandchild")), ["child", "grandchild"]);
        // A fork that was adopted.
        heard(&mut ancestry, &HostEvent::SessionUpdated(session("root", None)));
        heard(&mut ancestry, &HostEvent::SessionUpdated(session("child", Some("root"))));
        assert_eq!(heard(&mut ancestry, &idle("grandchild")), ["root", "child", "grandchild"]);

        let gone = HostEvent::SessionDeleted(session("child", Some("root")));
        assert_eq!(heard(&mut ancestry, &gone), ["root", "child"]);
        ancestry.settle(&gone);
        assert_eq!(heard(&mut ancestry, &idle("grandchild")), everybody);
        ancestry.clear();
        assert_eq!(heard(&mut ancestry, &idle("root")), everybody);
    }

    #[test]
    fn a_ring_of_parents_concerns_everybody() {
        let mut ancestry = Ancestry::default();
        heard(&mut ancestry, &HostEvent::SessionUpdated(session("root", Some("child"))));
        let ring = HostEvent::SessionUpdated(session("child", Some("root")));
        assert_eq!(heard(&mut ancestry, &ring).len(), 4);
    }
}
