//! Every recorded scenario of a real host, and what the tracker must make of it, whatever it happens to see.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::replica::{self, Recording};
use crate::tracker::{Activity, Patience, Settled, Tracker, Verdict};

/// Scenario → verdict in one line.
pub(super) const SCENARIOS: &[(&str, &str)] = &[
    ("text 3 chunks", "finished: hello world foo"),
    ("tool bash", "finished: done"),
    ("tool read+glob parallel", "finished: ok"),
    ("invalid tool args", "finished: ok; bash failed"),
    ("malformed json args", "finished: ok; bash failed"),
    ("unknown tool", "finished: ok; nosuch failed"),
    ("todowrite", "finished: ok"),
    ("task tool", "finished: parent done"),
    ("permission once", "finished: after"),
    ("permission reject", "rejected: ; bash denied"),
    ("permission reject+msg", "finished: after; bash denied"),
    ("permission always", "finished: after"),
    ("after always: no ask", "finished: after"),
    ("permission deny", "finished: after deny; bash failed"),
    ("question reply", "finished: after q"),
    ("question reject", "rejected: ; question denied"),
    ("abort streaming", "aborted: aaa"),
    ("abort bash tool", "aborted: "),
    ("abort hang", "aborted: "),
    ("prompt after abort", "finished: fine"),
    ("abort parent with running task child", "aborted: ; task failed"),
    ("abort child of running task", "finished: parent done; task failed"),
];

/// Recorded without a single event: an abort while a permission is pending. Made up in `transcripts`.
const SILENT: &str = "abort permission pending";

pub(super) fn line(settled: &Settled) -> String {
    let kind = match settled {
        Settled::Finished(_) => "finished",
        Settled::Rejected(_) => "rejected",
        Settled::Failed { .. } => "failed",
        Settled::Aborted(_) => "aborted",
        Settled::Looped { .. } => "looped",
        Settled::NeverStarted { .. } => "never started",
        Settled::Interrupted(_) => "interrupted",
    };
    let Some(turn) = settled.turn() else { return kind.to_owned() };
    let mut line = format!("{kind}: {}", turn.text);
    for failure in &turn.tool_failures {
        line += &format!("; {} {}", failure.tool, if failure.denied { "denied" } else { "failed" });
    }
    line
}

/// Looks after each of the given numbers of events, at the time of the last one, and then until it is over.
fn watch(recording: &Recording, looks: &[usize]) -> (String, Vec<Activity>) {
    let begun = Instant::now();
    let mut tracker =
        Tracker::new(recording.session.clone(), recording.message.clone(), Patience::default(), begun);
    let mut activities = Vec::new();
    let mut now = begun;
    for &look in looks {
        now = begun + Duration::from_millis(recording.events[look - 1].0);
        let snapshot = recording.state_after(look).snapshot(&recording.session, &recording.message);
        match tracker.observe(now, &snapshot) {
            Verdict::Settled(settled) => return (line(&settled), activities),
            Verdict::Pending(activity, _) => activities.push(activity),
            other => panic!("{other:?}"),
        }
    }
    let last = recording.state_after(recording.events.len()).snapshot(&recording.session, &recording.message);
    for _ in 0..20 {
        match tracker.observe(now, &last) {
            Verdict::Settled(settled) => return (line(&settled), activities),
            Verdict::Pending(_, again) => now += again,
            other => panic!("{other:?}"),
        }
    }
    panic!("no verdict");
}

#[test]
fn every_scenario_of_the_recording_is_here() {
    let mut here: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).chain([SILENT]).collect();
    here.sort_unstable();
    assert_eq!(here, replica::SCENARIOS.keys().map(String::as_str).collect::<Vec<_>>());
    assert!(replica::SCENARIOS[SILENT].is_empty());
}

#[test]
fn every_scenario_gets_its_verdict_from_the_last_state_alone() {
    for (name, expected) in SCENARIOS {
        assert_eq!(watch(&Recording::read(name), &[]).0, *expected, "{name}");
    }
}

#[test]
fn every_scenario_gets_its_verdict_when_every_state_is_seen() {
    for (name, expected) in SCENARIOS {
        let recording = Recording::read(name);
        let looks: Vec<usize> = (1..=recording.events.len()).collect();
        assert_eq!(watch(&recording, &looks).0, *expected, "{name}");
    }
}

#[test]
fn an_open_permission_or_question_is_seen() {
    for (name, permissions, questions) in [
        ("permission once", 1, 0),
        ("permission reject", 1, 0),
        ("permission always", 1, 0),
        ("after always: no ask", 0, 0),
        ("question reply", 0, 1),
        ("question reject", 0, 1),
    ] {
        let recording = Recording::read(name);
        let looks: Vec<usize> = (1..=recording.events.len()).collect();
        let (_, activities) = watch(&recording, &looks);
        let asked = activities.iter().any(|activity| match activity {
            Activity::Asking { permissions: p, questions: q } => {
                (p.len(), q.len()) == (permissions, questions)
            }
            _ => false,
        });
        assert_eq!(asked, permissions + questions > 0, "{name}");
    }
}

proptest! {
    /// Fault: any subset of events is lost, and looks happen at any moments.
    #[test]
    fn the_verdict_does_not_depend_on_what_happens_to_be_seen(
        scenario in 0..SCENARIOS.len(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (name, expected) = SCENARIOS[scenario];
        let recording = Recording::read(name);
        let mut looks: Vec<usize> = picks.iter().map(|pick| pick.index(recording.events.len()) + 1).collect();
        looks.sort_unstable();
        prop_assert_eq!(watch(&recording, &looks).0, expected, "{}: {:?}", name, looks);
    }
}
