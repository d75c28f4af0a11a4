//! Event streams: every subscriber gets every event, unless a fault is planned.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::fault::{EventFault, Faults};
use super::wire::Event;

#[derive(Debug)]
pub(super) struct Bus {
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    subscribers: Vec<mpsc::UnboundedSender<Event>>,
    /// Events held back, each with the number of later events it still lets pass.
    delayed: Vec<(usize, Event)>,
}

impl Bus {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, state: Mutex::default() }
    }

    /// Everything published from now on. The stream ends when it is cut.
    pub(super) fn subscribe(&self) -> mpsc::UnboundedReceiver<Event> {
        let (events, stream) = mpsc::unbounded_channel();
        self.state().subscribers.push(events);
        stream
    }

    pub(super) fn subscribers(&self) -> usize {
        let mut state = self.state();
        state.subscribers.retain(|subscriber| !subscriber.is_closed());
        state.subscribers.len()
    }

    pub(super) fn publish(&self, event: Event) {
        if self.faults.is_silent() {
            return;
        }
        let fault = self.faults.for_event(event.kind);
        let mut state = self.state();
        let due = state.take_due();
        match fault {
            EventFault::Deliver | EventFault::Delay(0) => state.deliver(&event),
            EventFault::Drop => {}
            EventFault::Duplicate => {
                state.deliver(&event);
                state.deliver(&event);
            }
            EventFault::Delay(count) => state.delayed.push((count, event)),
            EventFault::Cut => return state.cut(),
        }
        for late in &due {
            state.deliver(late);
        }
    }

    /// Ends every stream that is open now.
    pub(super) fn cut(&self) {
        self.state().cut();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, event: &Event) {
        self.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }

    fn cut(&mut self) {
        self.subscribers.clear();
        self.delayed.clear();
    }

    /// The delayed events that have now let enough later ones pass.
    fn take_due(&mut self) -> Vec<Event> {
        for (left, _) in &mut self.delayed {
            *left -= 1;
        }
        self.delayed.extract_if(.., |(left, _)| *left == 0).map(|(_, event)| event).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &'static str) -> Event {
        Event { id: String::new(), kind, properties: json!({}), directory: None }
    }

    fn heard(faults: &[EventFault]) -> String {
        let handle = Faults::default();
        handle.events(faults.iter().copied());
        let bus = Bus::new(handle);
        let mut stream = bus.subscribe();
        for kind in ["a", "b", "c", "d"] {
            bus.publish(event(kind));
        }
        std::iter::from_fn(|| stream.try_recv().ok()).map(|event| event.kind).collect()
    }

    #[test]
    fn planned_faults_apply_one_by_one() {
        use EventFault::{Cut, Delay, Deliver, Drop, Duplicate};
        for (faults, expected) in [
            (&[][..], "abcd"),
            (&[Drop, Deliver, Drop], "bd"),
            (&[Deliver, Duplicate], "abbcd"),
            (&[Delay(1)], "bacd"),
            (&[Delay(2), Delay(2)], "cadb"),
            (&[Deliver, Cut], "a"),
        ] {
            assert_eq!(heard(faults), expected, "{faults:?}");
        }
    }

    #[test]
    fn a_plan_for_one_type_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.event("b", EventFault::Drop, 1);
        let bus = Bus::new(faults);
        let mut stream = bus.subscribe();
        for kind in ["a", "b", "b"] {
            bus.publish(event(kind));
        }
        let heard: String = std::iter::from_fn(|| stream.try_recv().ok()).map(|event| event.kind).collect();
        assert_eq!(heard, "ab");
    }
}
