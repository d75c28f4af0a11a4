//! Why a run stands where it stands: one row for each state that a run can be in.

use orch_ux::why::{State, WaitFor, why};
use orch_workflow::{attempt::Timestamp, view::RunView};
use serde_json::{Value, json};

use crate::support::assert_commands_exist;

const T0: u64 = 1_760_000_000_000;
/// Three minutes and two seconds after the run began.
const NOW: Timestamp = Timestamp(T0 + 182_000);

fn at(seconds: u64) -> u64 {
    T0 + seconds * 1_000
}

/// A run of the steps `implement` and `review`, with these changes.
fn run(changes: Value) -> RunView {
    let step = |id: &str| {
        json!({
            "id": id, "title": id, "status": "pending", "outcome": null, "iteration": 1, "worker": "coder",
            "kind": "agent", "session": null, "attempts": [], "text": null, "output": null,
        })
    };
    let mut view = json!({
        "id": "run_1", "workflow": "build", "status": "running", "task": "build a boat", "parent_session": null,
        "execution": "auto", "intervene": "on-error", "gate": null, "gates": [], "asks": [],
        "owner": { "pid": 42, "host": "box", "since": T0 }, "interrupted": false,
        "steps": [step("implement"), step("review")],
        "tokens": { "input": 0, "output": 0, "reasoning": 0 }, "cost_usd": 0.0, "active_ms": 95_000,
        "started_at": T0, "finished_at": null, "seq": 7, "last_at": at(120),
    });
    overlay(&mut view, changes);
    serde_json::from_value(view).unwrap()
}

/// Objects are merged, also into the entries of an array by their number; everything else is replaced.
fn overlay(value: &mut Value, over: Value) {
    let Value::Object(over) = over else {
        *value = over;
        return;
    };
    for (key, over) in over {
        match value {
            Value::Array(items) => overlay(&mut items[key.parse::<usize>().unwrap()], over),
            _ => overlay(&mut value[key], over),
        }
    }
}

fn attempt(number: u32) -> Value {
    json!({
        "dispatch": format!("run_1/implement/1/{number}/1"), "outcome": null, "started_at": at(60),
        "finished_at": null, "error": null, "warnings": [],
    })
}

fn failed(code: &str, message: &str) -> Value {
    let mut failed = attempt(1);
    overlay(
        &mut failed,
        json!({ "outcome": "error", "finished_at": at(100), "error": { "code": code, "message": message } }),
    );
    failed
}

/// `implement` at work, doing this.
fn working(doing: Value) -> Value {
    json!({ "steps": { "0": {
        "status": "running", "session": "ses_1", "attempts": [attempt(1)], "activity": doing,
    } } })
}

fn gate(id: &str, step: &str, reason: &str, allowed: &[&str]) -> Value {
    json!({
        "id": id, "step": step, "reason": reason, "allowed": allowed, "default": null, "opened_at": at(170),
        "message": format!("{step} failed: no key; `continue` tries it again"),
    })
}

const ALL: [&str; 5] = ["continue", "retry", "skip", "replace", "abort"];

/// At its gate, with these changes.
fn paused(gate: Value, changes: Value) -> Value {
    let mut view = json!({
        "status": "paused", "owner": null, "gate": gate,
        "steps": { "0": { "status": "gated", "outcome": "error", "attempts": [failed("auth", "no key")] } },
    });
    overlay(&mut view, changes);
    view
}

fn ask(id: &str, kind: &str, summary: &str, answered_by: Option<&str>) -> Value {
    let ask = json!({ "id": id, "kind": kind, "session": "ses_1", "summary": summary });
    let mut open = json!({ "ask": ask, "since": at(172) });
    if let Some(by) = answered_by {
        open["answered_by"] = json!(by);
    }
    open
}

/// `implement` waits for these.
fn asking(asks: Value) -> Value {
    let mut view = working(json!({ "doing": "working", "since": at(60), "alive_at": at(172) }));
    view["steps"]["0"]["asks"] = asks;
    view
}

fn over(mut view: Value, changes: Value) -> Value {
    overlay(&mut view, changes);
    view
}

/// The name of the row, the run, its state, and what it waits for, in order.
fn rows() -> Vec<(&'static str, Value, State, &'static [&'static str])> {
    let elsewhere = json!({ "owner": { "pid": 7, "host": "other", "since": T0, "expires_at": at(191) } });
    let gated = || paused(gate("g9", "implement", "intervene=on-error", &ALL), json!({}));
    let ended = |changes| over(json!({ "owner": null, "finished_at": at(122) }), changes);
    vec![
        ("about to begin", json!({ "steps": { "0": { "status": "ready" } } }), State::AtWork, &["turn"]),
        ("placing", working(json!({ "doing": "placing", "since": at(181) })), State::AtWork, &["worker"]),
        (
            "working, as another process sees it",
            working(json!({ "doing": "working", "since": at(60) })),
            State::AtWork,
            &["answer"],
        ),
        (
            "silent for long, as another process sees it",
            over(
                working(json!({ "doing": "working", "since": at(60) })),
                json!({ "steps": { "0": { "attempts": { "0": { "warnings": [
                    { "code": "idle", "message": "no sign of life for 60000 ms" },
                ] } } } } }),
            ),
            State::AtWork,
            &["answer"],
        ),
        (
            "the model at work",
            working(json!({ "doing": "model", "since": at(100), "alive_at": at(181) })),
            State::AtWork,
            &["model"],
        ),
        (
            "a tool at work, silent for a while",
            working(
                json!({ "doing": "tool", "tool": "bash", "title": "make", "since": at(90), "alive_at": at(92) }),
            ),
            State::AtWork,
            &["tool"],
        ),
        (
            "a second attempt",
            over(
                working(json!({ "doing": "model", "since": at(100), "alive_at": at(181) })),
                json!({ "steps": { "0": { "attempts": [failed("model", "overloaded"), attempt(2)] } } }),
            ),
            State::AtWork,
            &["model"],
        ),
        (
            "the host retries",
            working(json!({ "doing": "retrying", "attempt": 3, "message": "overloaded", "since": at(180) })),
            State::AtWork,
            &["host-retry"],
        ),
        (
            "rate limited within the attempt",
            working(
                json!({ "doing": "waiting", "reason": "429: slow down", "until": at(202), "since": at(172) }),
            ),
            State::AtWork,
            &["limit"],
        ),
        ("probing", working(json!({ "doing": "probing", "since": at(181) })), State::AtWork, &["probe"]),
        (
            "two steps at work",
            over(
                working(json!({ "doing": "model", "since": at(100), "alive_at": at(181) })),
                json!({ "steps": { "1": {
                    "status": "running", "session": "ses_2",
                    "attempts": [over(attempt(1), json!({ "dispatch": "run_1/review/1/1/1" }))],
                    "activity": { "doing": "tool", "tool": "read", "since": at(181), "alive_at": at(181) },
                } } }),
            ),
            State::AtWork,
            &["model", "tool"],
        ),
        (
            "driven on another machine",
            over(working(json!({ "doing": "working", "since": at(60) })), elsewhere),
            State::AtWork,
            &["answer"],
        ),
        (
            "a permission",
            asking(json!([ask("per_1", "permission", "bash: rm -rf target", None)])),
            State::AtWork,
            &["permission"],
        ),
        (
            "a question, and a permission that was answered",
            asking(json!([
                ask("que_1", "question", "Which database?", None),
                ask("per_1", "permission", "bash: ls", Some("ada")),
            ])),
            State::AtWork,
            &["question", "permission"],
        ),
        (
            "rate limited until later",
            json!({ "steps": { "0": {
                "status": "backoff", "until": at(482), "attempts": [failed("rate_limited", "429: come back later")],
            } } }),
            State::AtWork,
            &["limit"],
        ),
        (
            "backoff",
            json!({ "steps": { "0": {
                "status": "backoff", "until": at(184), "attempts": [failed("unreachable", "connection refused")],
            } } }),
            State::AtWork,
            &["backoff"],
        ),
        (
            "pausing",
            over(
                working(json!({ "doing": "model", "since": at(100), "alive_at": at(181) })),
                json!({ "pausing": true }),
            ),
            State::Pausing,
            &["model"],
        ),
        (
            "a step is stopped",
            over(
                working(json!({ "doing": "aborting", "since": at(180) })),
                json!({ "steps": { "0": {
                    "stopping": { "reason": "not done after 1800000 ms of active time", "since": at(180) },
                } } }),
            ),
            State::AtWork,
            &["stop"],
        ),
        (
            "cancelled, and something is still at work",
            over(
                working(json!({ "doing": "aborting", "since": at(180) })),
                json!({ "ending": { "status": "cancelled", "reason": "cancelled by ada", "since": at(180) } }),
            ),
            State::Ending,
            &["stop"],
        ),
        ("a gate", gated(), State::Paused, &["decision"]),
        (
            "a gate that answers itself",
            over(gated(), json!({ "gate": { "default": "abort", "expires_at": at(230) } })),
            State::Paused,
            &["decision"],
        ),
        (
            "several gates",
            over(
                gated(),
                json!({ "gates": [gate("g11", "review", "in-doubt", &["retry", "replace", "skip", "abort"])] }),
            ),
            State::Paused,
            &["decision", "decision"],
        ),
        (
            "in doubt",
            paused(
                gate("g9", "implement", "in-doubt", &["retry", "replace", "skip", "abort"]),
                json!({
                    "gate": { "message": "nobody can know whether Implement was carried out in session ses_1" },
                    "steps": { "0": { "status": "in-doubt" } },
                }),
            ),
            State::Paused,
            &["decision"],
        ),
        (
            "the definition has changed",
            paused(
                gate("g9", "implement", "definition-changed", &["continue", "abort"]),
                json!({
                    "gate": { "message": "the workflow's definition has changed: step review is new" },
                    "steps": { "0": { "status": "ready", "outcome": null, "attempts": [] } },
                }),
            ),
            State::Paused,
            &["decision"],
        ),
        (
            "a spent budget",
            paused(
                gate("g9", "implement", "budget", &["continue", "skip", "replace", "abort"]),
                json!({ "gate": { "message": "implement has used 1000 of 1000 tokens" } }),
            ),
            State::Paused,
            &["decision"],
        ),
        (
            "a group whose passes are used up",
            over(
                paused(
                    gate("g9", "polish", "loop-exhausted", &["continue", "retry", "abort"]),
                    json!({ "gate": { "message": "polish has made 2 passes and its condition does not hold" } }),
                ),
                json!({
                    "groups": [{ "id": "polish", "title": "Polish", "status": "gated", "iteration": 2, "max": 2 }],
                    "steps": { "0": { "status": "done", "outcome": "ok" }, "1": { "status": "done", "outcome": "ok" } },
                }),
            ),
            State::Paused,
            &["decision"],
        ),
        (
            "a gate while another step is at work",
            over(
                gated(),
                json!({
                    "status": "running", "owner": { "pid": 42, "host": "box", "since": T0 },
                    "steps": { "1": {
                        "status": "running", "session": "ses_2",
                        "attempts": [over(attempt(1), json!({ "dispatch": "run_1/review/1/1/1" }))],
                        "activity": { "doing": "working", "since": at(60) },
                    } },
                }),
            ),
            State::GateWithWork,
            &["decision", "answer"],
        ),
        (
            "interrupted at work",
            over(
                working(json!({ "doing": "working", "since": at(60) })),
                json!({ "owner": null, "interrupted": true }),
            ),
            State::Interrupted,
            &["driver"],
        ),
        (
            "interrupted between steps",
            json!({ "owner": null, "interrupted": true, "steps": { "0": { "status": "ready" } } }),
            State::Interrupted,
            &["driver"],
        ),
        (
            "success",
            ended(
                json!({ "status": "success", "steps": { "1": { "status": "done", "outcome": "ok", "text": "fine" } } }),
            ),
            State::Finished,
            &[],
        ),
        (
            "error",
            ended(json!({
                "status": "error", "error": { "code": "auth", "message": "no key" },
                "steps": { "0": { "status": "failed", "outcome": "error", "attempts": [failed("auth", "no key")] } },
            })),
            State::Finished,
            &[],
        ),
        (
            "cancelled",
            ended(json!({
                "status": "cancelled", "error": { "code": "aborted", "message": "cancelled by ada" },
                "notes": ["session ses_1 may still run: it did not answer"],
            })),
            State::Finished,
            &[],
        ),
    ]
}

#[test]
fn every_state_of_a_run_is_explained() {
    let mut texts = String::new();
    for (name, changes, state, waits) in rows() {
        let why = why(&run(changes), NOW);
        assert_eq!(why.state, state, "{name}");
        let json = serde_json::to_value(&why).unwrap();
        let found: Vec<_> = json["waits"].as_array().unwrap().iter().map(|wait| &wait["for"]).collect();
        assert_eq!(found, waits.iter().collect::<Vec<_>>(), "{name}");
        texts.push_str(&format!("{name}:\n  {}\n\n", why.text));
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn every_command_in_an_explanation_is_in_the_registry() {
    let named: usize = rows().into_iter().map(|row| assert_commands_exist(&why(&run(row.1), NOW).text)).sum();
    assert!(named > 40, "the check found only {named} commands");
}

/// Whoever can move it is named in the data, too: only what has ended, or moves by itself alone, has nobody.
#[test]
fn every_wait_says_who_can_move_it_or_that_it_moves_by_itself() {
    for (name, changes, ..) in rows() {
        for wait in why(&run(changes), NOW).waits {
            let stopping = matches!(wait.what, WaitFor::Stop { .. });
            let answered = matches!(
                &wait.what,
                WaitFor::Permission { answered_by: Some(_), .. }
                    | WaitFor::Question { answered_by: Some(_), .. }
            );
            assert_eq!(wait.movers.is_empty(), stopping || answered, "{name}: {wait:?}");
            assert!(wait.since <= NOW, "{name}: {wait:?}");
        }
    }
}

#[test]
fn a_gate_whose_time_is_over_says_that_no_decision_comes_before_its_default() {
    let gate = gate("g9", "implement", "intervene=on-error", &["continue", "abort"]);
    let expired = paused(gate, json!({ "gate": { "default": "abort", "expires_at": at(190) } }));
    let text = why(&run(expired), Timestamp(at(190))).text;
    let end = "Its time is over, though: whoever takes the run up finds abort taken, before any decision.";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn the_data_has_the_fields_that_programs_rely_on() {
    let gated = paused(
        gate("g9", "implement", "intervene=on-error", &["continue", "abort"]),
        json!({
            "gate": { "default": "abort", "expires_at": at(230) },
        }),
    );
    insta::assert_json_snapshot!(why(&run(gated), NOW));
}

#[test]
fn no_explanation_steers_a_terminal_or_hides_anything() {
    const HOSTILE: &str = "\u{1b}[2J\u{7}\u{202e}\r\nhello";
    let hostile = [
        paused(gate(HOSTILE, "implement", "in-doubt", &ALL), json!({ "gate": { "message": HOSTILE } })),
        asking(json!([
            ask(HOSTILE, "question", HOSTILE, Some(HOSTILE)),
            ask(HOSTILE, "permission", HOSTILE, None)
        ])),
        working(json!({ "doing": "tool", "tool": HOSTILE, "since": at(90) })),
        working(json!({ "doing": "waiting", "reason": HOSTILE, "since": at(90) })),
        json!({ "status": "error", "error": { "code": "model", "message": HOSTILE }, "notes": [HOSTILE] }),
        json!({ "owner": { "pid": 1, "host": HOSTILE, "since": T0 } }),
    ];
    for changes in hostile {
        let text = why(&run(changes), NOW).text;
        assert!(text.contains("hello"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r', '\n']), "{text:?}");
    }
}
