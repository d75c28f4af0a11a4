//! What transcripts mean that no recording shows.

use std::time::{Duration, Instant};

use crate::event::HostEvent;
use crate::id::{MessageId, PartId, PermissionId, SessionId};
use crate::message::{
    Assistant, FailureKind, Finish, Message, ModelFailure, Part, Role, ToolCall, ToolState, User,
};
use crate::session::SessionStatus;
use crate::tracker::{Activity, Patience, Settled, Snapshot, Tracker, Verdict};

pub(super) fn session() -> SessionId {
    SessionId::parse("ses_1").unwrap()
}

pub(super) fn id(number: u32) -> MessageId {
    MessageId::parse(format!("msg_{number}")).unwrap()
}

fn text_part(text: &str, synthetic: bool) -> Part {
    Part::Text { id: PartId::parse("prt_1").unwrap(), text: text.into(), synthetic, ignored: false }
}

pub(super) fn asked(number: u32) -> Message {
    let mut message = Message::new(id(number), session(), 0, Role::User(User::default()));
    message.parts.push(text_part("please", false));
    message
}

/// What the host puts there itself after it has shortened the context.
fn go_on(number: u32) -> Message {
    let mut message = asked(number);
    message.parts = vec![text_part("continue", true)];
    message
}

pub(super) fn answer(number: u32, parent: u32, finish: Option<Finish>, text: &str) -> Message {
    let mut assistant = Assistant::new(id(parent));
    assistant.completed_ms = finish.is_some().then_some(1);
    assistant.finish = finish;
    let mut message = Message::new(id(number), session(), 0, Role::Assistant(assistant));
    message.parts.push(text_part(text, false));
    message
}

pub(super) fn failed(number: u32, parent: u32, failure: ModelFailure) -> Message {
    let mut message = answer(number, parent, Some(Finish::Stop), "part of it");
    if let Role::Assistant(assistant) = &mut message.role {
        assistant.finish = None;
        assistant.error = Some(failure);
    }
    message
}

fn summary(number: u32, parent: u32) -> Message {
    let mut message = answer(number, parent, Some(Finish::Stop), "summary");
    if let Role::Assistant(assistant) = &mut message.role {
        assistant.summary = true;
    }
    message
}

fn call(tool: &str, file: &str, error: Option<&str>) -> Part {
    let input = serde_json::Map::from_iter([("filePath".to_owned(), file.into())]);
    let state = match error {
        Some(message) => ToolState::Failed { input, message: message.into() },
        None => ToolState::Completed { input, output: String::new(), title: String::new() },
    };
    Part::Tool(ToolCall::new(PartId::parse("prt_2").unwrap(), "call", tool, state))
}

fn tracker(begun: Instant) -> Tracker {
    Tracker::new(session(), id(1), Patience::default(), begun)
}

fn seen(status: SessionStatus, messages: Vec<Message>) -> Snapshot {
    Snapshot { status: Some(status), messages, ..Snapshot::default() }
}

/// The verdict on an unchanging session at rest, and how long it took.
fn at_rest(messages: Vec<Message>) -> (Settled, Duration) {
    rest(tracker(Instant::now()), messages)
}

fn rest(mut tracker: Tracker, messages: Vec<Message>) -> (Settled, Duration) {
    let begun = Instant::now();
    let mut now = begun;
    let snapshot = seen(SessionStatus::Idle, messages);
    for _ in 0..200 {
        match tracker.observe(now, &snapshot) {
            Verdict::Settled(settled) => return (settled, now - begun),
            Verdict::Pending(_, again) => now += again,
            other => panic!("{other:?}"),
        }
    }
    panic!("no verdict");
}

#[test]
fn an_answer_is_ours_at_once_even_while_the_session_is_at_work_for_others() {
    let messages = vec![asked(1), answer(2, 1, Some(Finish::Stop), "yes"), asked(3), answer(4, 3, None, "")];
    match tracker(Instant::now()).observe(Instant::now(), &seen(SessionStatus::Busy, messages)) {
        Verdict::Settled(Settled::Finished(turn)) => {
            assert_eq!((&*turn.text, turn.answered_together), ("yes", false))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_to_another_message_is_not_ours() {
    let messages = vec![asked(1), answer(2, 7, Some(Finish::Stop), "late answer to an older one")];
    let verdict = tracker(Instant::now()).observe(Instant::now(), &seen(SessionStatus::Busy, messages));
    assert!(matches!(verdict, Verdict::Pending(Activity::Busy, _)), "{verdict:?}");
}

#[test]
fn messages_of_a_queue_are_answered_together() {
    let (settled, _) = at_rest(vec![asked(1), asked(2), answer(3, 2, Some(Finish::Stop), "to both")]);
    match settled {
        Settled::Finished(turn) => assert_eq!((&*turn.text, turn.answered_together), ("to both", true)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_comes_between_two_model_calls_takes_over_the_turn() {
    let messages = vec![
        asked(1),
        answer(2, 1, Some(Finish::ToolCalls), "looking"),
        asked(3),
        answer(4, 3, Some(Finish::Stop), "to both"),
    ];
    match at_rest(messages).0 {
        Settled::Finished(turn) => assert_eq!((&*turn.text, turn.answered_together), ("to both", true)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn shortening_the_context_in_between_is_not_somebody_elses_message() {
    let messages = vec![
        asked(1),
        answer(2, 1, Some(Finish::ToolCalls), "looking"),
        go_on(3),
        summary(4, 3),
        go_on(5),
        answer(6, 5, Some(Finish::Stop), "done"),
    ];
    match at_rest(messages).0 {
        Settled::Finished(turn) => assert_eq!((&*turn.text, turn.answered_together), ("done", false)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stop_with_tool_calls_waits_for_the_session_to_rest() {
    let mut message = answer(2, 1, Some(Finish::Stop), "done");
    message.parts.push(call("read", "a", None));
    let messages = vec![asked(1), message];
    let busy = seen(SessionStatus::Busy, messages.clone());
    let verdict = tracker(Instant::now()).observe(Instant::now(), &busy);
    assert!(matches!(verdict, Verdict::Pending(Activity::Busy, _)), "{verdict:?}");
    assert!(matches!(at_rest(messages).0, Settled::Finished(_)));
}

#[test]
fn a_model_failure_keeps_status_and_message() {
    let failure = ModelFailure::new(FailureKind::Api, "no such model").with_status(404);
    match at_rest(vec![asked(1), failed(2, 1, failure.clone())]).0 {
        Settled::Failed { failure: got, turn } => assert_eq!((got, &*turn.text), (failure, "part of it")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_that_was_cut_or_withheld_is_a_failure() {
    for (finish, kind) in
        [(Finish::Length, FailureKind::Length), (Finish::ContentFilter, FailureKind::ContentFilter)]
    {
        match at_rest(vec![asked(1), answer(2, 1, Some(finish), "half")]).0 {
            Settled::Failed { failure, turn } => assert_eq!((failure.kind, &*turn.text), (kind, "half")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_turn_that_nobody_continues_was_interrupted_but_not_at_once() {
    for messages in [
        vec![asked(1), answer(2, 1, None, "half")],
        vec![asked(1), answer(2, 1, Some(Finish::ToolCalls), "looking")],
    ] {
        let (settled, waited) = at_rest(messages);
        assert!(matches!(settled, Settled::Interrupted(_)), "{settled:?}");
        assert_eq!(waited, Patience::default().linger);
    }
}

#[test]
fn an_unanswered_prompt_may_still_start_for_a_long_time() {
    for messages in [vec![], vec![asked(1)]] {
        let (settled, waited) = at_rest(messages);
        assert_eq!(settled, Settled::NeverStarted { reason: None });
        assert!(waited > Patience::default().cold_start - Duration::from_secs(1), "{waited:?}");
    }
}

#[test]
fn the_hosts_first_complaint_says_why_a_prompt_never_started() {
    let begun = Instant::now();
    let mut tracker = tracker(begun);
    for message in ["Agent not found: \"nosuch\"", "UnknownError: at chunk.js"] {
        let failure = ModelFailure::new(FailureKind::Other("UnknownError".into()), message);
        tracker.hint(&HostEvent::Error { session: Some(session()), failure });
    }
    let (settled, waited) = rest(tracker, vec![]);
    match settled {
        Settled::NeverStarted { reason: Some(reason) } => {
            assert_eq!(reason.message, "Agent not found: \"nosuch\"")
        }
        other => panic!("{other:?}"),
    }
    assert!(waited < Duration::from_secs(1));
}

#[test]
fn a_turn_that_broke_off_with_a_complaint_failed_for_that_reason() {
    for kind in [FailureKind::ContextOverflow, FailureKind::Aborted] {
        let mut tracker = tracker(Instant::now());
        let failure = ModelFailure::new(kind.clone(), "why");
        tracker.hint(&HostEvent::Error { session: Some(session()), failure });
        match rest(tracker, vec![asked(1), answer(2, 1, None, "half")]).0 {
            Settled::Failed { failure, turn } => {
                assert_eq!((failure.kind, turn.text.as_str()), (FailureKind::ContextOverflow, "half"));
            }
            Settled::Aborted(_) => assert_eq!(kind, FailureKind::Aborted),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_complaint_of_another_session_is_not_ours() {
    let mut tracker = tracker(Instant::now());
    let failure = ModelFailure::new(FailureKind::Api, "not ours");
    tracker.hint(&HostEvent::Error { session: SessionId::parse("ses_2").ok(), failure });
    assert_eq!(rest(tracker, vec![asked(1)]).0, Settled::NeverStarted { reason: None });
}

#[test]
fn a_prompt_that_waited_behind_an_aborted_one_was_aborted_too() {
    let mut tracker = tracker(Instant::now());
    let failure = ModelFailure::new(FailureKind::Aborted, "Aborted");
    tracker.hint(&HostEvent::Error { session: Some(session()), failure });
    assert!(matches!(rest(tracker, vec![asked(1)]).0, Settled::Aborted(_)));
}

/// After an abort the permission stays listed although nobody waits for it any more.
#[test]
fn a_permission_that_is_still_listed_after_an_abort_keeps_nobody_waiting() {
    let failure = ModelFailure::new(FailureKind::Aborted, "Aborted");
    let mut snapshot = seen(SessionStatus::Idle, vec![asked(1), failed(2, 1, failure)]);
    let permission = PermissionId::parse("per_1").unwrap();
    snapshot.permissions.push(crate::ask::PermissionAsk::new(permission, session(), "bash", vec![]));
    let (mut tracker, now) = (tracker(Instant::now()), Instant::now());
    assert!(matches!(tracker.observe(now, &snapshot), Verdict::Pending(..)));
    let verdict = tracker.observe(now + Duration::from_secs(1), &snapshot);
    assert!(matches!(verdict, Verdict::Settled(Settled::Aborted(_))), "{verdict:?}");
}

#[test]
fn waiting_for_the_provider_is_told_with_the_next_try() {
    let status = SessionStatus::Retry { attempt: 2, message: "stub error 500".into(), next_ms: 7 };
    let verdict = tracker(Instant::now()).observe(Instant::now(), &seen(status, vec![asked(1)]));
    let expected = Activity::Retrying { attempt: 2, message: "stub error 500".into(), next_ms: 7 };
    assert!(matches!(verdict, Verdict::Pending(activity, _) if activity == expected));
}

#[test]
fn a_model_that_says_nothing_again_and_again_is_an_endless_loop() {
    let mut messages = vec![asked(1)];
    messages.extend((2..=17).map(|number| answer(number, 1, Some(Finish::Unknown), "")));
    let mut tracker = tracker(Instant::now());
    let now = Instant::now();
    let verdict = tracker.observe(now, &seen(SessionStatus::Busy, messages.clone()));
    assert_eq!(verdict, Verdict::Runaway("the model answered 16 times in a row with nothing".into()));
    let (settled, _) = rest(tracker, messages);
    assert!(matches!(settled, Settled::Looped { .. }), "{settled:?}");
}

#[test]
fn many_messages_with_work_in_them_are_no_loop() {
    let mut messages = vec![asked(1)];
    messages.extend((2..=500).map(|number| answer(number, 1, Some(Finish::ToolCalls), "step")));
    let verdict = tracker(Instant::now()).observe(Instant::now(), &seen(SessionStatus::Busy, messages));
    assert!(matches!(verdict, Verdict::Pending(Activity::Busy, _)), "{verdict:?}");
}

#[test]
fn a_turn_without_any_end_in_sight_is_an_endless_loop() {
    let mut messages = vec![asked(1)];
    messages.extend((2..=2_003).map(|number| answer(number, 1, Some(Finish::ToolCalls), "step")));
    let verdict = tracker(Instant::now()).observe(Instant::now(), &seen(SessionStatus::Busy, messages));
    assert_eq!(verdict, Verdict::Runaway("more than 2000 messages in one turn".into()));
}

#[test]
fn a_model_that_writes_without_end_is_stopped_by_what_is_heard_or_read() {
    let patience = Patience { output: 100, ..Patience::default() };
    let endless = Verdict::Runaway("more than 100 bytes of output in one turn".into());
    let now = Instant::now();
    let tracker = || Tracker::new(session(), id(1), patience.clone(), now);

    // Not stored before it is complete: only the events tell.
    let silent = seen(SessionStatus::Busy, vec![asked(1), answer(2, 1, None, "")]);
    let mut listening = tracker();
    let (message, part) = (id(2), PartId::parse("prt_1").unwrap());
    let delta = HostEvent::PartDelta { session: session(), message, part, delta: "x".repeat(60) };
    listening.hint(&delta);
    assert!(matches!(listening.observe(now, &silent), Verdict::Pending(..)));
    listening.hint(&delta);
    assert_eq!(listening.observe(now, &silent), endless);

    let long = seen(SessionStatus::Busy, vec![asked(1), answer(2, 1, None, &"x".repeat(101))]);
    assert_eq!(tracker().observe(now, &long), endless);
}

#[test]
fn a_provider_that_fails_again_and_again_is_given_up_in_its_own_words() {
    let status = SessionStatus::Retry { attempt: 21, message: "overloaded".into(), next_ms: 7 };
    let verdict = tracker(Instant::now()).observe(Instant::now(), &seen(status, vec![asked(1)]));
    assert_eq!(verdict, Verdict::Runaway("the provider failed 21 times, with: overloaded".into()));
}

#[test]
fn a_tool_failure_counts_unless_the_same_thing_succeeded_later() {
    let failures = |parts: Vec<Part>| {
        let mut step = answer(2, 1, Some(Finish::ToolCalls), "");
        step.parts = parts;
        match at_rest(vec![asked(1), step, answer(3, 1, Some(Finish::Stop), "done")]).0 {
            Settled::Finished(turn) => turn.tool_failures.len(),
            other => panic!("{other:?}"),
        }
    };
    let error = Some("oldString not found");
    assert_eq!(failures(vec![call("edit", "a", error)]), 1);
    assert_eq!(failures(vec![call("edit", "a", error), call("edit", "a", None)]), 0);
    assert_eq!(failures(vec![call("edit", "a", error), call("edit", "b", None)]), 1);
    assert_eq!(failures(vec![call("edit", "a", error), call("read", "a", None)]), 1);
    assert_eq!(failures(vec![call("edit", "a", None), call("edit", "a", error)]), 1);
}

#[test]
fn the_transcript_alone_is_enough_only_for_a_final_answer() {
    let look = |messages| Snapshot { messages, ..Snapshot::default() };
    let now = Instant::now();
    let open = look(vec![asked(1), answer(2, 1, None, "")]);
    assert_eq!(tracker(now).observe(now, &open), Verdict::LookClosely);
    let done = look(vec![asked(1), answer(2, 1, Some(Finish::Stop), "yes")]);
    assert!(matches!(tracker(now).observe(now, &done), Verdict::Settled(Settled::Finished(_))));
}
