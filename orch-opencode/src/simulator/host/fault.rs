use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with one HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpFault {
    /// This status with an error body; nothing is done.
    Status(u16),
    /// This status with an error body that says this; nothing is done.
    Saying(u16, String),
    /// Status 200 and a web page; nothing is done.
    Html,
    /// Status 200 and half a JSON document; nothing is done.
    Malformed,
    /// The request is taken and never answered; nothing is done.
    Hang,
    /// The connection is reset; nothing is done.
    Reset,
    /// The request takes effect, then the connection is reset before the answer: the case in doubt.
    ResetAfter,
    /// The request takes effect, then nothing comes back.
    HangAfter,
}

/// What goes wrong with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFault {
    /// Nothing: the event is delivered.
    Deliver,
    /// It is lost.
    Drop,
    /// It is delivered twice.
    Duplicate,
    /// It is delivered after this many later events.
    Delay(usize),
    /// It is lost, and the streams are cut instead.
    Cut,
}

/// Makes the simulated host misbehave while it runs. Clones steer the same host.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plans>>);

#[derive(Debug, Default)]
struct Plans {
    http: Vec<HttpPlan>,
    events: Vec<EventPlan>,
    sequence: VecDeque<EventFault>,
    silent: bool,
}

#[derive(Debug)]
struct HttpPlan {
    method: String,
    path: Vec<String>,
    fault: HttpFault,
    left: usize,
}

#[derive(Debug)]
struct EventPlan {
    kind: String,
    fault: EventFault,
    left: usize,
}

impl Faults {
    /// The next `times` requests for `route` go wrong. A route is a method and a path, such as
    /// `POST /session/*/prompt_async`; `*` stands for any method or any one segment. The oldest matching plan
    /// applies first.
    pub fn http(&self, route: &str, fault: HttpFault, times: usize) {
        let (method, path) = route.split_once(' ').unwrap_or(("*", route));
        let plan = HttpPlan { method: method.to_owned(), path: segments(path), fault, left: times };
        self.plans().http.push(plan);
    }

    /// The next `times` events of this type (such as `session.idle`) go wrong.
    pub fn event(&self, kind: &str, fault: EventFault, times: usize) {
        self.plans().events.push(EventPlan { kind: kind.to_owned(), fault, left: times });
    }

    /// What happens to the next events of any type, one by one. Comes after the plans made with
    /// [`Faults::event`]; heartbeats and greetings do not count.
    pub fn events(&self, sequence: impl IntoIterator<Item = EventFault>) {
        self.plans().sequence.extend(sequence);
    }

    /// Event streams stay open but nothing is sent any more, heartbeats neither. What happens meanwhile is lost
    /// to them.
    pub fn silence_events(&self) {
        self.plans().silent = true;
    }

    /// Event streams speak again.
    pub fn resume_events(&self) {
        self.plans().silent = false;
    }

    /// Forgets every planned fault.
    pub fn clear(&self) {
        *self.plans() = Plans::default();
    }

    pub(super) fn is_silent(&self) -> bool {
        self.plans().silent
    }

    pub(super) fn for_request(&self, method: &str, path: &str) -> Option<HttpFault> {
        let path = segments(path);
        let mut plans = self.plans();
        let plan = plans.http.iter_mut().find(|plan| plan.left > 0 && plan.matches(method, &path))?;
        plan.left -= 1;
        Some(plan.fault.clone())
    }

    pub(super) fn for_event(&self, kind: &str) -> EventFault {
        let mut plans = self.plans();
        if let Some(plan) = plans.events.iter_mut().find(|plan| plan.left > 0 && plan.kind == kind) {
            plan.left -= 1;
            return plan.fault;
        }
        plans.sequence.pop_front().unwrap_or(EventFault::Deliver)
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpPlan {
    fn matches(&self, method: &str, path: &[String]) -> bool {
        (self.method == "*" || self.method == method)
            && self.path.len() == path.len()
            && self.path.iter().zip(path).all(|(wanted, found)| wanted == "*" || wanted == found)
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}
