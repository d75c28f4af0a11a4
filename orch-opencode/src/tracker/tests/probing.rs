//! What a probe says after a restart.

use std::time::Duration;

use tokio::time::Instant;

use super::replica::{Recording, Replica, ReplicaHost};
use super::transcripts::{answer, asked, id, session};
use crate::event::{EventStream, HostEvent};
use crate::message::Finish;
use crate::session::{Session, SessionStatus};
use crate::tracker::{Patience, Probed, Settled, probe};

fn host(events: Vec<HostEvent>) -> ReplicaHost {
    let mut replica = Replica::default();
    replica.apply(&HostEvent::SessionCreated(Session::new(session(), "T", "/project")));
    events.iter().for_each(|event| replica.apply(event));
    ReplicaHost::new(replica)
}

async fn probed(host: &ReplicaHost) -> Probed {
    let (_sender, stream) = EventStream::channel(1);
    probe(&host.port(stream), &session(), &id(1), &Patience::default()).await.unwrap()
}

fn busy() -> HostEvent {
    HostEvent::Status { session: session(), status: SessionStatus::Busy }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_adopted_at_once() {
    let done = answer(2, 1, Some(Finish::Stop), "yes");
    let host = host(vec![HostEvent::MessageUpdated(asked(1)), HostEvent::MessageUpdated(done)]);
    let begun = Instant::now();
    match probed(&host).await {
        Probed::Finished(settled) => assert!(matches!(*settled, Settled::Finished(_))),
        other => panic!("{other:?}"),
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_turn_at_work_is_running() {
    let host = host(vec![HostEvent::MessageUpdated(asked(1)), busy()]);
    assert_eq!(probed(&host).await, Probed::Running);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_message_of_a_session_at_rest_was_interrupted() {
    for half in [None, Some(HostEvent::MessageUpdated(answer(2, 1, None, "half")))] {
        let host = host([HostEvent::MessageUpdated(asked(1))].into_iter().chain(half).collect());
        let begun = Instant::now();
        assert_eq!(probed(&host).await, Probed::Interrupted);
        assert!(begun.elapsed() >= Patience::default().linger, "one look proves nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_there_never_arrived_even_if_the_session_is_at_work() {
    for events in [vec![], vec![HostEvent::MessageUpdated(asked(7)), busy()]] {
        assert_eq!(probed(&host(events)).await, Probed::NeverArrived);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_is_gone_nothing_is_known() {
    assert_eq!(probed(&ReplicaHost::new(Replica::default())).await, Probed::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_abort_is_found_again() {
    let recording = Recording::read("abort streaming");
    let host = ReplicaHost::new(recording.state_after(recording.events.len()));
    let (_sender, stream) = EventStream::channel(1);
    let probed =
        probe(&host.port(stream), &recording.session, &recording.message, &Patience::default()).await;
    match probed.unwrap() {
        Probed::Finished(settled) => assert!(matches!(*settled, Settled::Aborted(_))),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_sessions_of_tasks_have_used_is_found_too() {
    let recording = Recording::read("task tool");
    let host = ReplicaHost::new(recording.state_after(recording.events.len()));
    let (_sender, stream) = EventStream::channel(1);
    let port = host.port(stream);
    match probe(&port, &recording.session, &recording.message, &Patience::default()).await.unwrap() {
        Probed::Finished(settled) => assert_eq!(settled.turn().unwrap().usage.input, 400),
        other => panic!("{other:?}"),
    }
}
