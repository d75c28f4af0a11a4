//! The follower on a host that loses events, goes away, asks, or loops for ever. Time is paused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::replica::{Recording, Replica, ReplicaHost};
use super::transcripts::{answer, asked, id, session};
use crate::error::{Disposition, HostError, HostErrorKind};
use crate::event::{EventStream, HostEvent, StreamItem};
use crate::host::MockOpenCode;
use crate::message::Finish;
use crate::session::SessionStatus;
use crate::tracker::{Activity, Follower, Settled, Sign};

/// Plays a recording in its own time and lets through only the events that `heard` names.
async fn play(recording: Recording, heard: Vec<bool>) -> (Settled, Vec<Sign>, Vec<String>, Duration) {
    let host = ReplicaHost::new(recording.state_after(1));
    let (sender, stream) = EventStream::channel(1024);
    let port = Arc::new(host.port(stream));
    let state = Arc::clone(&host.state);
    let mut follower = Follower::start(port, recording.session.clone()).await.unwrap();
    let message = recording.message.clone();
    let begun = Instant::now();
    let player = tokio::spawn(async move {
        for (position, (at, event)) in recording.events.into_iter().enumerate() {
            tokio::time::sleep_until(begun + Duration::from_millis(at)).await;
            state.lock().unwrap().apply(&event);
            if heard[position % heard.len()] {
                sender.send(StreamItem::Event(Arc::new(event))).await.unwrap_or_default();
            }
        }
        sender
    });
    let mut signs = Vec::new();
    let settled = follower.settle(&message, |sign| signs.push(sign)).await.unwrap();
    let took = begun.elapsed();
    drop(player.await.unwrap());
    (settled, signs, host.calls(), took)
}

fn text(settled: &Settled) -> &str {
    match settled {
        Settled::Finished(turn) => &turn.text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_ends_well_costs_one_look() {
    let (settled, _, calls, _) = play(Recording::read("text 3 chunks"), vec![true]).await;
    assert_eq!(text(&settled), "hello world foo");
    assert_eq!(calls, ["messages"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_followed_without_hearing_a_single_event() {
    let (settled, _, _, took) = play(Recording::read("tool bash"), vec![false]).await;
    assert_eq!(text(&settled), "done");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_ask_is_told_within_a_second_with_its_details() {
    let (settled, signs, _, _) = play(Recording::read("permission once"), vec![true]).await;
    assert_eq!(text(&settled), "after");
    let asked = signs.iter().any(|sign| match sign {
        Sign::Activity(Activity::Asking { permissions, .. }) => permissions[0].patterns == ["echo permitted"],
        _ => false,
    });
    assert!(asked, "{signs:?}");
}

/// The usage of the session that a task ran in belongs to the turn.
#[tokio::test(start_paused = true)]
async fn the_usage_of_task_sessions_is_added() {
    let (settled, _, calls, _) = play(Recording::read("task tool"), vec![true]).await;
    let turn = settled.turn().unwrap();
    let own: u64 =
        turn.messages.iter().filter_map(|message| message.assistant()).map(|a| a.usage.input).sum();
    assert!(calls.contains(&"session".to_owned()) && calls.contains(&"children".to_owned()), "{calls:?}");
    assert!(turn.usage.input >= own && own > 0, "{:?}", turn.usage);
}

fn used(signs: &[Sign]) -> Vec<u64> {
    let input = |sign: &Sign| match sign {
        Sign::Used(usage) => Some(usage.input),
        _ => None,
    };
    signs.iter().filter_map(input).collect()
}

/// Four calls of the model at 100 tokens each: two by the parent, two by the session that its task ran in.
#[tokio::test(start_paused = true)]
async fn what_is_used_is_told_as_it_grows_the_sessions_of_tasks_included() {
    let (settled, signs, ..) = play(Recording::read("task tool"), vec![true]).await;
    assert_eq!(used(&signs), [100, 200, 300, 400]);
    assert_eq!(settled.turn().unwrap().usage.input, 400);
}

#[tokio::test(start_paused = true)]
async fn what_is_used_is_seen_without_events_too_only_later() {
    let (settled, signs, ..) = play(Recording::read("task tool"), vec![false]).await;
    let used = used(&signs);
    assert!(used.is_sorted() && used.iter().all(|input| *input <= 400), "{used:?}");
    assert_eq!(settled.turn().unwrap().usage.input, 400);
}

/// A turn that broke off was paid for as far as it went.
#[tokio::test(start_paused = true)]
async fn what_an_aborted_turn_used_is_not_forgotten() {
    let (settled, signs, ..) =
        play(Recording::read("abort parent with running task child"), vec![true]).await;
    assert_eq!(used(&signs).last().copied().unwrap_or_default(), settled.turn().unwrap().usage.input);
}

fn replica(events: &[HostEvent]) -> Replica {
    let mut replica = Replica::default();
    events.iter().for_each(|event| replica.apply(event));
    replica
}

fn status(status: SessionStatus) -> HostEvent {
    HostEvent::Status { session: session(), status }
}

#[tokio::test(start_paused = true)]
async fn an_endless_loop_is_aborted_and_named() {
    let mut events = vec![HostEvent::MessageUpdated(asked(1)), status(SessionStatus::Busy)];
    events.extend(
        (2..40).map(|number| HostEvent::MessageUpdated(answer(number, 1, Some(Finish::Unknown), ""))),
    );
    let host = ReplicaHost::new(replica(&events));
    let (_sender, stream) = EventStream::channel(8);
    let port = host.port(stream);
    let state = Arc::clone(&host.state);
    let aborted = tokio::spawn({
        let calls = Arc::clone(&host.calls);
        async move {
            while !calls.lock().unwrap().contains(&"abort".to_owned()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            state.lock().unwrap().apply(&status(SessionStatus::Idle));
        }
    });
    let mut follower = Follower::start(Arc::new(port), session()).await.unwrap();
    let settled = follower.settle(&id(1), |_| {}).await.unwrap();
    assert!(
        matches!(&settled, Settled::Looped { reason, .. } if reason.contains("with nothing")),
        "{settled:?}"
    );
    aborted.await.unwrap();
}

/// A host whose transcript call fails with these errors, one after the other, and then shows an answer.
fn flaky(errors: Vec<HostError>) -> MockOpenCode {
    let done = [
        HostEvent::MessageUpdated(asked(1)),
        HostEvent::MessageUpdated(answer(2, 1, Some(Finish::Stop), "yes")),
    ];
    let transcript = replica(&done).transcript(&session(), &id(1));
    let errors = Mutex::new(errors.into_iter());
    let mut port = MockOpenCode::new();
    port.expect_events().returning(|| {
        let (sender, stream) = EventStream::channel(8);
        sender.try_send(StreamItem::Connected).unwrap();
        Ok(stream)
    });
    port.expect_statuses().returning(|| Ok([(session(), SessionStatus::Busy)].into()));
    port.expect_permissions().returning(|| Ok(vec![]));
    port.expect_questions().returning(|| Ok(vec![]));
    port.expect_messages_from().returning(move |_, _| match errors.lock().unwrap().next() {
        Some(error) => Err(error),
        None => Ok(transcript.clone()),
    });
    port
}

fn away() -> HostError {
    HostError::new(HostErrorKind::Unreachable, "read", "http://host", "nobody answers there")
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_for_a_while_is_waited_for() {
    let mut follower =
        Follower::start(Arc::new(flaky(vec![away(), away(), away()])), session()).await.unwrap();
    let mut away = 0;
    let settled =
        follower.settle(&id(1), |sign| away += u32::from(matches!(sign, Sign::OutOfReach(_)))).await;
    assert_eq!(text(&settled.unwrap()), "yes");
    assert_eq!(away, 3);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stays_away_is_given_up() {
    let errors = (0..1000).map(|_| away()).collect();
    let mut follower = Follower::start(Arc::new(flaky(errors)), session()).await.unwrap();
    let begun = Instant::now();
    let error = follower.settle(&id(1), |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::Unreachable);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(59) && took < Duration::from_secs(65), "{took:?}");
}

/// Fault: the machine slept for an hour, with the host on it.
#[tokio::test(start_paused = true)]
async fn the_time_in_which_the_process_stood_still_uses_up_no_patience() {
    let away_for_20_s = (0..20).map(|_| away()).collect();
    let mut follower = Follower::start(Arc::new(flaky(away_for_20_s)), session()).await.unwrap();
    let ours = id(1);
    let (settled, ()) = tokio::join!(follower.settle(&ours, |_| {}), sleep_for_an_hour());
    assert_eq!(text(&settled.unwrap()), "yes", "the host was away for 20 s only");

    let host = ReplicaHost::new(replica(&[HostEvent::MessageUpdated(asked(1)), status(SessionStatus::Idle)]));
    let (sender, stream) = EventStream::channel(8);
    let mut follower = Follower::start(Arc::new(host.port(stream)), session()).await.unwrap();
    let begins_late = async {
        sleep_for_an_hour().await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        for event in [
            HostEvent::MessageUpdated(answer(2, 1, Some(Finish::Stop), "yes")),
            HostEvent::Idle { session: session() },
        ] {
            host.state.lock().unwrap().apply(&event);
            sender.send(StreamItem::Event(Arc::new(event))).await.unwrap();
        }
    };
    let (settled, ()) = tokio::join!(follower.settle(&ours, |_| {}), begins_late);
    assert_eq!(text(&settled.unwrap()), "yes", "the host had a minute to begin, and took half of it");
}

async fn sleep_for_an_hour() {
    tokio::time::sleep(Duration::from_secs(5)).await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_is_not_asked_again() {
    let refused = HostError::new(HostErrorKind::Unauthorized, "authorize", "http://host", "refused");
    assert_eq!(refused.disposition(), Disposition::Terminal);
    let mut follower = Follower::start(Arc::new(flaky(vec![refused])), session()).await.unwrap();
    assert_eq!(follower.settle(&id(1), |_| {}).await.unwrap_err().kind(), HostErrorKind::Unauthorized);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Fault: any subset of events is lost, in any scenario.
    #[test]
    fn lost_events_change_nothing(
        scenario in prop::sample::select(vec![
            ("tool bash", "Finished"), ("permission reject", "Rejected"), ("abort streaming", "Aborted"),
            ("abort parent with running task child", "Aborted"), ("question reply", "Finished"),
        ]),
        heard in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (settled, ..) = runtime.block_on(play(Recording::read(scenario.0), heard));
        prop_assert!(format!("{settled:?}").starts_with(scenario.1), "{:?}: {:?}", scenario, settled);
    }
}
