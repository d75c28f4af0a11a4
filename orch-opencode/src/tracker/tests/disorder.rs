//! Events that are lost, doubled, late or cut off, over every recorded scenario and over long made-up turns, two sessions at
//! once. What a turn comes to is known from how it was made, so a verdict has an oracle that is not the tracker.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::replica::{Recording, Replica, ReplicaHost};
use super::scenarios::{SCENARIOS, line};
use super::transcripts::{answer, asked, failed, id};
use crate::event::{EventStream, HostEvent, StreamItem};
use crate::id::{MessageId, SessionId};
use crate::message::{FailureKind, Finish, Message, ModelFailure, Role};
use crate::session::SessionStatus;
use crate::tracker::{Follower, Sign};

/// What becomes of an event on its way to us. The host's state changes all the same.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Heard,
    Lost,
    Twice,
    /// Behind this many later ones.
    Late(usize),
    /// The stream breaks here and is mended with the next event.
    Cut,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Heard),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        1 => (1..12usize).prop_map(Fate::Late),
        1 => Just(Fate::Cut),
    ];
    proptest::collection::vec(fate, 1..40)
}

/// What a subscriber hears, position by position.
fn heard(events: &[(u64, HostEvent)], fates: &[Fate]) -> Vec<Vec<StreamItem>> {
    let mut heard = vec![Vec::new(); events.len()];
    for (position, (_, event)) in events.iter().enumerate() {
        let item = || StreamItem::Event(Arc::new(event.clone()));
        match fates[position % fates.len()] {
            Fate::Heard => heard[position].push(item()),
            Fate::Lost => {}
            Fate::Twice => heard[position].extend([item(), item()]),
            Fate::Late(by) => heard[(position + by).min(events.len() - 1)].push(item()),
            Fate::Cut => {
                heard[position].push(StreamItem::Lost("cut".into()));
                heard[(position + 1).min(events.len() - 1)].push(StreamItem::Connected);
            }
        }
    }
    heard
}

/// Plays events in their own time to a follower of each prompt; what each came to, and after how long.
async fn play(
    events: Vec<(u64, HostEvent)>,
    start: Replica,
    prompts: &[(SessionId, MessageId)],
    fates: &[Fate],
) -> Vec<(String, Duration)> {
    let host = ReplicaHost::new(start);
    let (mut senders, mut followers) = (Vec::new(), Vec::new());
    for (session, _) in prompts {
        let (sender, stream) = EventStream::channel(4096);
        senders.push(sender);
        followers.push(Follower::start(Arc::new(host.port(stream)), session.clone()).await.unwrap());
    }
    let (state, begun) = (Arc::clone(&host.state), Instant::now());
    let heard = heard(&events, fates);
    let player = tokio::spawn(async move {
        for ((at, event), items) in events.into_iter().zip(heard) {
            tokio::time::sleep_until(begun + Duration::from_millis(at)).await;
            state.lock().unwrap().apply(&event);
            for sender in &senders {
                for item in &items {
                    // A follower that knows its end listens no longer.
                    sender.try_send(item.clone()).unwrap_or_default();
                }
            }
        }
        senders
    });
    let settling = followers.into_iter().zip(prompts.to_vec()).map(|(mut follower, (_, message))| {
        tokio::spawn(async move {
            let settled = follower.settle(&message, |_: Sign| {}).await.unwrap();
            (line(&settled), begun.elapsed())
        })
    });
    let mut settled = Vec::new();
    for one in settling.collect::<Vec<_>>() {
        settled.push(one.await.unwrap());
    }
    drop(player.await.unwrap());
    settled
}

fn in_paused_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// What happens within a made-up turn.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The model calls a tool, and is called again.
    Tool,
    /// The provider fails once, and the host tries again.
    Retry,
    /// The session looks at rest for a moment, as between two calls.
    Blink,
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Stop,
    Length,
    Failure,
    /// `session.idle` comes before the last message is final.
    Abort,
    /// A message that came meanwhile is answered together with ours.
    Together,
}

/// A turn of a session, from our message on, and the verdict that it must get.
#[derive(Debug, Clone)]
struct Tale {
    steps: Vec<(Step, u64)>,
    end: End,
}

fn tales() -> impl Strategy<Value = Tale> {
    let step = prop_oneof![4 => Just(Step::Tool), 1 => Just(Step::Retry), 1 => Just(Step::Blink)];
    let end = prop_oneof![
        Just(End::Stop),
        Just(End::Length),
        Just(End::Failure),
        Just(End::Abort),
        Just(End::Together),
    ];
    // Pauses from nothing to several looks.
    (proptest::collection::vec((step, 1..25_000u64), 0..60), end).prop_map(|(steps, end)| Tale { steps, end })
}

impl Tale {
    fn tell(&self, session: &SessionId) -> (Vec<(u64, HostEvent)>, &'static str) {
        let mut events = Vec::new();
        let mut at = 10;
        let message = |mut message: Message| {
            message.session = session.clone();
            HostEvent::MessageUpdated(message)
        };
        let status = |status| HostEvent::Status { session: session.clone(), status };
        // Ids of equal length, so that their order is that of their numbers.
        let mut number = 100;
        events.push((0, message(asked(number))));
        events.push((at, status(SessionStatus::Busy)));
        for (step, pause) in &self.steps {
            at += pause;
            match step {
                Step::Tool => {
                    number += 1;
                    events.push((at, message(answer(number, 100, None, "looking"))));
                    let done = answer(number, 100, Some(Finish::ToolCalls), "looking");
                    events.push((at + 5, message(done)));
                }
                Step::Retry => {
                    let retry = SessionStatus::Retry { attempt: 1, message: "busy".into(), next_ms: 0 };
                    events.push((at, status(retry)));
                    events.push((at + 5, status(SessionStatus::Busy)));
                }
                Step::Blink => {
                    events.push((at, status(SessionStatus::Idle)));
                    events.push((at + 5, status(SessionStatus::Busy)));
                }
            }
            at += 10;
        }
        at += 100;
        number += 1;
        let (last, verdict) = match self.end {
            End::Stop => (answer(number, 100, Some(Finish::Stop), "the end"), "finished: the end"),
            End::Length => (answer(number, 100, Some(Finish::Length), "the e"), "failed: the e"),
            End::Failure => {
                (failed(number, 100, ModelFailure::new(FailureKind::Api, "no")), "failed: part of it")
            }
            End::Abort => (
                failed(number, 100, ModelFailure::new(FailureKind::Aborted, "Aborted")),
                "aborted: part of it",
            ),
            End::Together => {
                events.push((at, message(asked(number))));
                number += 1;
                (answer(number, number - 1, Some(Finish::Stop), "to both"), "finished: to both")
            }
        };
        let mut begun = last.clone();
        if let Role::Assistant(assistant) = &mut begun.role {
            (assistant.finish, assistant.error, assistant.completed_ms) = (None, None, None);
        }
        events.push((at + 5, message(begun)));
        let rest = [
            (at + 200, status(SessionStatus::Idle)),
            (at + 201, HostEvent::Idle { session: session.clone() }),
        ];
        let complete = (at + if matches!(self.end, End::Abort) { 250 } else { 150 }, message(last));
        events.push(complete);
        events.extend(rest);
        events.sort_by_key(|(at, _)| *at);
        (events, verdict)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Fault: events are lost, doubled, late, or cut off, in any recorded scenario.
    #[test]
    fn no_disorder_of_the_events_changes_a_recorded_verdict(scenario in 0..SCENARIOS.len(), fates in fates()) {
        let (name, expected) = SCENARIOS[scenario];
        let Recording { session, message, events } = Recording::read(name);
        let start = Recording::read(name).state_after(1);
        let settled = in_paused_time(play(events, start, &[(session, message)], &fates));
        prop_assert_eq!(&settled[0].0, expected, "{}", name);
    }

    /// The same for long turns, of two sessions at once: neither waits for, or takes, what is the other's.
    #[test]
    fn long_turns_of_two_sessions_are_told_apart_in_any_disorder(one in tales(), other in tales(), fates in fates()) {
        let sessions = ["ses_1", "ses_2"].map(|name| SessionId::parse(name).unwrap());
        let (mut events, first) = one.tell(&sessions[0]);
        let (others, second) = other.tell(&sessions[1]);
        // Messages have ids of their own.
        let others = others.into_iter().map(|(at, event)| (at, renumbered(event)));
        let others: Vec<_> = others.collect();
        let ends = [&events, &others].map(|events| events.last().map_or(0, |(at, _)| *at));
        events.extend(others);
        events.sort_by_key(|(at, _)| *at);
        let start = {
            let mut start = Replica::default();
            events.iter().filter(|(at, _)| *at == 0).for_each(|(_, event)| start.apply(event));
            start
        };
        let prompts = [(sessions[0].clone(), id(100)), (sessions[1].clone(), MessageId::parse("msg_x100").unwrap())];
        let settled = in_paused_time(play(events, start, &prompts, &fates));
        prop_assert_eq!([&*settled[0].0, &*settled[1].0], [first, second]);
        for ((_, took), end) in settled.iter().zip(ends) {
            let longest = Duration::from_millis(end) + Duration::from_secs(15);
            prop_assert!(*took <= longest, "{:?} for a turn of {} ms", took, end);
        }
    }
}

/// `msg_100` → `msg_x100`.
fn renumbered(event: HostEvent) -> HostEvent {
    let other = |id: &MessageId| MessageId::parse(id.as_str().replace("msg_", "msg_x")).unwrap();
    match event {
        HostEvent::MessageUpdated(mut message) => {
            message.id = other(&message.id);
            if let Role::Assistant(assistant) = &mut message.role {
                assistant.parent = other(&assistant.parent);
            }
            HostEvent::MessageUpdated(message)
        }
        event => event,
    }
}
