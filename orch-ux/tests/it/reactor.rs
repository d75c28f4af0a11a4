//! What people see of whole runs, as text.

use std::fmt::Write as _;

use orch_config::settings::UiSettings;
use orch_ux::{
    action::{Level, UxAction},
    policy::UxPolicy,
    reactor::Reactor,
};
use orch_workflow::event::Event;

use crate::support::{EVENTS, assert_commands_exist, events};

fn everything() -> UxPolicy {
    UxPolicy::default().with_prompt_hints(true)
}

fn all_actions(events: &[Event], policy: UxPolicy) -> Vec<UxAction> {
    let mut reactor = Reactor::new(policy);
    events.iter().flat_map(|event| reactor.react(event)).collect()
}

/// Every event that led to something, with what it led to.
fn story(events: &[Event]) -> String {
    let mut reactor = Reactor::new(everything());
    let mut story = String::new();
    for event in events {
        let actions = reactor.react(event);
        if !actions.is_empty() {
            let kind = serde_json::to_value(event).unwrap()["type"].clone();
            writeln!(story, "#{} {}", event.seq, kind.as_str().unwrap()).unwrap();
        }
        for action in &actions {
            story.push_str(&told(action));
        }
    }
    story
}

fn told(action: &UxAction) -> String {
    match action {
        UxAction::Toast(toast) => {
            format!(
                "  toast {:?} {} ms [{}] {}\n",
                toast.level, toast.duration_ms, toast.title, toast.message
            )
        }
        UxAction::Notice(notice) => {
            let text = notice.text.replace('\n', "\n    | ");
            format!("  notice to {}\n    | {text}\n", notice.session)
        }
        UxAction::PromptHint { text } => format!("  hint {text:?}\n"),
        UxAction::Attention { message, call, .. } => format!("  attention {call:?}: {message}\n"),
        UxAction::SelectSession { session } => format!("  view to {session}\n"),
        other => panic!("never told yet: {other:?}"),
    }
}

fn texts(action: &UxAction) -> Vec<&str> {
    match action {
        UxAction::Toast(toast) => vec![&toast.title, &toast.message],
        UxAction::Notice(notice) => vec![&notice.text],
        UxAction::PromptHint { text } => vec![text],
        UxAction::Attention { message, .. } => vec![message],
        UxAction::SelectSession { session } => vec![session],
        other => panic!("never told yet: {other:?}"),
    }
}

#[test]
fn a_run_that_succeeds() {
    insta::assert_snapshot!(story(&events("success")));
}

#[test]
fn a_run_with_gates_that_are_answered() {
    insta::assert_snapshot!(story(&events("gate")));
}

#[test]
fn a_stepwise_run_that_ends_in_doubt() {
    insta::assert_snapshot!(story(&events("stepwise")));
}

#[test]
fn a_run_that_fails_without_a_gate() {
    insta::assert_snapshot!(story(&events("failing")));
}

#[test]
fn a_run_that_asks_and_is_cancelled() {
    insta::assert_snapshot!(story(&events("asks")));
}

#[test]
fn a_run_full_of_hostile_words() {
    insta::assert_snapshot!(story(&events("hostile")));
}

#[test]
fn a_failure_that_repeats_is_told_once_and_nothing_is_noticed_where_nobody_would_read_it() {
    insta::assert_snapshot!(story(&events("retries")));
}

#[test]
fn a_run_with_parallel_steps_and_a_group_that_is_repeated() {
    insta::assert_snapshot!(story(&events("repeat")));
}

#[test]
fn a_talk_moves_the_view_there_and_back_and_its_hand_off_reaches_the_parent() {
    insta::assert_snapshot!(story(&events("talk")));
}

/// The rows: what happens to the talk, and where the view is moved from then on.
#[test]
fn the_view_comes_back_however_a_talk_ends_and_stays_where_something_is_to_be_repaired() {
    let views = |events: &[Event]| -> Vec<String> {
        let session = |action: &UxAction| match action {
            UxAction::SelectSession { session } => Some(session.clone()),
            _ => None,
        };
        all_actions(events, UxPolicy::silent()).iter().filter_map(session).collect()
    };
    let talk = events("talk");
    let (before, after) = (&talk[..6], &talk[11..]);
    let resolved = |decision: &str| {
        let mut event = serde_json::to_value(&talk[6]).unwrap();
        event["decision"] = decision.into();
        serde_json::from_value::<Event>(event).unwrap()
    };
    let told = |tail: &[Event]| views(&[before, tail].concat());
    let there_and_back = ["ses_study", "ses_parent"];
    assert_eq!(views(before), ["ses_study"], "while they talk");
    assert_eq!(told(&[resolved("replace")]), there_and_back);
    assert_eq!(told(&[resolved("abort")]), there_and_back);
    assert_eq!(told(&[resolved("continue")]), ["ses_study"], "the hand-off may follow");
    assert_eq!(told(&[&[resolved("continue")], &after[..1]].concat()), there_and_back, "without a hand-off");
    assert_eq!(told(&after[after.len() - 1..]), there_and_back, "the run ends");
    let mut failed = serde_json::to_value(&talk[10]).unwrap();
    (failed["outcome"], failed["error"]) =
        ("error".into(), serde_json::json!({ "code": "aborted", "message": "m" }));
    let failed: Event = serde_json::from_value(failed).unwrap();
    assert_eq!(views(&[&talk[..10], &[failed]].concat()), ["ses_study"], "it is to be repaired there");
}

#[test]
fn a_hand_off_is_told_whatever_the_policy_and_never_without_bound() {
    let mut talk = events("talk");
    let notices = |events: &[Event]| -> Vec<String> {
        let actions = all_actions(events, UxPolicy::silent());
        actions
            .iter()
            .filter(|action| matches!(action, UxAction::Notice(_)))
            .map(|action| texts(action).concat())
            .collect()
    };
    assert_eq!(notices(&talk).len(), 1);
    let mut long = serde_json::to_value(&talk[10]).unwrap();
    long["text"] = "é".repeat(30_000).into();
    talk[10] = serde_json::from_value(long).unwrap();
    let [told] = &notices(&talk)[..] else { panic!("one hand-off") };
    assert_eq!(told.matches('é').count(), 20_000);
    assert!(
        told.ends_with("Read the whole: `orch output run_7talk study`."),
        "{}",
        &told[told.len() - 100..]
    );
}

#[test]
fn every_command_in_every_text_is_in_the_registry() {
    let mut count = 0;
    for name in EVENTS {
        for action in all_actions(&events(name), everything()) {
            count += texts(&action).into_iter().map(assert_commands_exist).sum::<usize>();
        }
    }
    assert!(count > 50, "the check found only {count} commands");
}

#[test]
fn no_text_steers_a_terminal_or_hides_anything() {
    let actions = all_actions(&events("hostile"), everything());
    assert!(actions.len() > 5);
    for text in actions.iter().flat_map(texts) {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() < 600), "{text}");
    }
    let one_line =
        |action: &UxAction| matches!(action, UxAction::Notice(_)) || !texts(action).concat().contains('\n');
    assert!(actions.iter().all(one_line));
}

#[test]
fn notices_are_few_one_for_the_start_each_gate_and_the_end() {
    for (name, expected) in
        [("success", 2), ("gate", 4), ("stepwise", 4), ("failing", 2), ("retries", 0), ("talk", 4)]
    {
        let actions = all_actions(&events(name), everything());
        let notices = actions.iter().filter(|action| matches!(action, UxAction::Notice(_))).count();
        assert_eq!(notices, expected, "{name}");
    }
}

#[test]
fn each_policy_switch_silences_its_own_kind_and_no_other() {
    let kinds = |policy| {
        let actions = all_actions(&events("gate"), policy);
        let has = |kind: fn(&UxAction) -> bool| actions.iter().any(kind);
        [
            has(|action| matches!(action, UxAction::Toast(_))),
            has(|action| matches!(action, UxAction::Attention { .. })),
            has(|action| matches!(action, UxAction::Notice(_))),
            has(|action| matches!(action, UxAction::PromptHint { .. })),
        ]
    };
    assert_eq!(kinds(UxPolicy::default()), [true, true, true, false], "hints are off unless asked for");
    assert_eq!(kinds(everything()), [true, true, true, true]);
    assert_eq!(kinds(everything().with_toasts(false)), [false, true, true, true]);
    assert_eq!(kinds(everything().with_attention(false)), [true, false, true, true]);
    assert_eq!(kinds(everything().with_notices(false)), [true, true, false, true]);
    assert_eq!(kinds(UxPolicy::silent()), [false; 4]);
}

#[test]
fn a_policy_that_changes_holds_from_the_next_event_on() {
    let events = events("gate");
    let (before, after) = events.split_at(events.len() / 2);
    let mut reactor = Reactor::new(everything());
    let calls = |actions: Vec<UxAction>| {
        actions.iter().filter(|action| matches!(action, UxAction::Attention { .. })).count()
    };
    assert!(calls(before.iter().flat_map(|event| reactor.react(event)).collect()) > 0);
    reactor.set_policy(everything().with_attention(false));
    let actions: Vec<_> = after.iter().flat_map(|event| reactor.react(event)).collect();
    assert!(!actions.is_empty());
    assert_eq!(calls(actions), 0);
}

#[test]
fn the_policy_is_what_the_configuration_says() {
    let mut ui = UiSettings::default();
    assert_eq!(UxPolicy::from(&ui), UxPolicy::default());
    ui.toasts = false;
    assert_eq!(UxPolicy::from(&ui), UxPolicy::default().with_toasts(false));
    ui = UiSettings::default();
    ui.wakeup_injection = false;
    assert_eq!(UxPolicy::from(&ui), UxPolicy::default().with_notices(false));
    ui = UiSettings::default();
    ui.prompt_hints = true;
    assert_eq!(UxPolicy::from(&ui), UxPolicy::default().with_prompt_hints(true));
    ui = UiSettings::default();
    ui.attention = false;
    assert_eq!(UxPolicy::from(&ui), UxPolicy::default().with_attention(false));
}

#[test]
fn a_replay_announces_nothing_twice() {
    for name in EVENTS {
        let events = events(name);
        let mut reactor = Reactor::new(everything());
        assert!(events.iter().flat_map(|event| reactor.react(event)).count() > 0);
        assert_eq!(events.iter().flat_map(|event| reactor.react(event)).count(), 0, "{name}");
    }
}

#[test]
fn a_stream_that_stutters_tells_the_same_story() {
    for name in EVENTS {
        let stuttering: Vec<_> = events(name).into_iter().flat_map(|event| [event.clone(), event]).collect();
        assert_eq!(story(&stuttering), story(&events(name)), "{name}");
    }
}

#[test]
fn history_is_known_and_not_announced() {
    let events = events("gate");
    let gate = events.iter().position(|event| event.seq == 9).unwrap();
    let mut reactor = Reactor::new(everything());
    for event in &events[..=gate] {
        reactor.observe(event);
    }
    let rest: Vec<_> = events[gate + 1..].iter().flat_map(|event| reactor.react(event)).collect();
    let whole = all_actions(&events, everything());
    let notices = |actions: &[UxAction]| -> Vec<UxAction> {
        actions.iter().filter(|action| matches!(action, UxAction::Notice(_))).cloned().collect()
    };
    assert_eq!(notices(&rest), notices(&whole)[notices(&whole).len() - notices(&rest).len()..]);
    assert!(!notices(&rest).iter().any(|action| texts(action)[0].contains("started:")));
}

#[test]
fn a_stream_that_was_joined_late_still_tells_what_it_knows() {
    let events = events("gate");
    let late: Vec<_> = events.iter().filter(|event| event.seq > 7).cloned().collect();
    let actions = all_actions(&late, everything());
    let toast = actions.iter().find_map(|action| match action {
        UxAction::Toast(toast) if toast.level == Level::Error => Some(toast.clone()),
        _ => None,
    });
    assert_eq!(toast.unwrap().title, "run_1gate: step review failed");
    assert!(!actions.iter().any(|action| texts(action).concat().contains("started:")));
}

#[test]
fn runs_do_not_mix() {
    let (one, other) = (events("success"), events("gate"));
    let mut reactor = Reactor::new(everything());
    let mut both = Vec::new();
    for index in 0..one.len().max(other.len()) {
        both.extend(
            one.get(index).into_iter().chain(other.get(index)).flat_map(|event| reactor.react(event)),
        );
    }
    let notices = |actions: Vec<UxAction>| -> Vec<UxAction> {
        actions.into_iter().filter(|action| matches!(action, UxAction::Notice(_))).collect()
    };
    let of_one = |notice: &UxAction| matches!(notice, UxAction::Notice(notice) if notice.run.as_str() == "run_0success");
    let (mixed_one, mixed_other): (Vec<_>, Vec<_>) = notices(both).into_iter().partition(of_one);
    assert_eq!(mixed_one, notices(all_actions(&one, everything())));
    assert_eq!(mixed_other, notices(all_actions(&other, everything())));
}
