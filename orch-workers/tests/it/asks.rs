//! A session that asks blocks until somebody answers: asks of the worker's own session and of those below it, of every
//! kind of worker, on a real OpenCode as it comes, without a rule of anybody.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orch_config::{id::ProfileId, kind::WorkerKind};
use orch_opencode::simulator::{Answer, Script, ToolCall, When};
use orch_workers::Pool;
use orch_workflow::{
    attempt::{ErrorCode, Settled, WarningCode},
    port::{Ask, AskKind, AskPolicy, AskReply, Dispatch, Placement, StepExecutor as _, Task, Update},
};
use serde_json::json;

use crate::{
    live::{GRACE, Real},
    world::{self, codes, outcome, profile},
};

/// Within this time of being put, an ask is told.
const SOON: Duration = Duration::from_secs(1);

/// A prompt whose turn asks for something.
struct Row {
    prompt: &'static str,
    /// How the ask begins.
    asks: &'static str,
    /// Whether a session below the worker's own asks.
    below: bool,
    /// The remark that a denial leaves.
    denied: WarningCode,
    /// What a denial ends the turn with; nothing, where the model goes on.
    ends: Option<ErrorCode>,
}

const OUTSIDE: Row = Row {
    prompt: "look outside",
    asks: "external_directory: /etc/*",
    below: false,
    denied: WarningCode::PermissionDenied,
    ends: None,
};

const ROWS: [Row; 4] = [
    OUTSIDE,
    // The host asks between two calls and not for one, so a denial, with a word or without, ends the turn.
    Row { prompt: "go in circles", asks: "doom_loop: bash", ends: Some(ErrorCode::Loop), ..OUTSIDE },
    Row { prompt: "delegate", below: true, ..OUTSIDE },
    Row { prompt: "wonder", asks: "Which?", denied: WarningCode::QuestionUnanswered, ..OUTSIDE },
];

fn script() -> Script {
    let outside = || Answer::tool(ToolCall::new("read", json!({ "filePath": "/etc/hostname" })));
    // The host counts equal calls within one message.
    let same = || ToolCall::new("bash", json!({ "command": "echo again", "description": "Again" }));
    let circles = Answer::speaking().call(same()).call(same()).call(same());
    let task = json!({ "description": "d", "prompt": "look outside, below", "subagent_type": "general" });
    let options = json!([{ "label": "A", "description": "a" }]);
    let question = json!({ "questions": [{ "question": "Which?", "header": "H", "options": options }] });
    Script::new()
        .on(When::prompt("look outside"), [outside(), Answer::text("went on")])
        .on(When::prompt("go in circles"), [circles, Answer::text("went on")])
        .on(When::prompt("delegate"), [Answer::tool(ToolCall::new("task", task)), Answer::text("went on")])
        .on(
            When::prompt("wonder"),
            [Answer::tool(ToolCall::new("question", question)), Answer::text("went on")],
        )
}

#[tokio::test]
async fn every_kind_of_worker_hands_on_every_ask_and_denies_it_where_nobody_can_be_asked() {
    let Some(real) = Real::start_with(script(), |_, _| ()).await else { return };
    let kinds = [("a", WorkerKind::Agent), ("s", WorkerKind::Subagent), ("o", WorkerKind::Server)];
    let pool = real.pool(kinds.map(|(id, kind)| profile(id, kind)));
    for (worker, kind) in kinds {
        for row in &ROWS {
            // The host offers no `task` to what is a child already (observed on 1.18.33).
            if row.below && kind == WorkerKind::Subagent {
                continue;
            }
            let what = format!("{kind}: {}", row.prompt);
            // A machine may have something else to do just then, but not each time.
            let mut ages = Vec::new();
            while ages.len() < 3 && ages.last().is_none_or(|age| *age >= SOON) {
                let dispatch = dispatch(worker, kind, row, AskPolicy::Wait, ages.len());
                ages.push(allowed(&pool, &dispatch, row, &what).await);
            }
            assert!(ages.last().is_some_and(|age| *age < SOON), "{what}: told after {ages:?}");
            denied(&pool, &dispatch(worker, kind, row, AskPolicy::Deny, 0), row, &what).await;
        }
    }
    assert!(pool.shutdown(GRACE).await.is_clean());
    real.end().await;
}

/// Told, answered by a person, over. The time from being put to being told.
async fn allowed(pool: &Pool, dispatch: &Dispatch, row: &Row, what: &str) -> Duration {
    let (placement, mut task) = start(pool, dispatch).await;
    let opened = |update: &Update| match update {
        Update::AskOpened(ask) => Some((ask.clone(), age(ask))),
        _ => None,
    };
    let (ask, age) = world::wait_for(&mut task, opened).await;
    assert_eq!(ask.summary, row.asks, "{what}");
    assert_eq!(ask.session != placement.session, row.below, "{what}");
    let reply = match ask.kind {
        AskKind::Permission => AskReply::Once,
        AskKind::Question => AskReply::Answers { answers: vec![vec!["A".to_owned()]] },
    };
    pool.answer(&placement.locator, &ask.id, &reply).await.unwrap();
    let (updates, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), codes(&settled)), ("went on", vec![]), "{what}: {settled:?}");
    assert!(!updates.iter().any(|update| matches!(update, Update::AskOpened(_))), "{what}: asked once more");
    age
}

/// Answered at once, and said.
async fn denied(pool: &Pool, dispatch: &Dispatch, row: &Row, what: &str) {
    let (_, task) = start(pool, dispatch).await;
    let (updates, settled) = outcome(task).await;
    assert!(!updates.iter().any(|update| matches!(update, Update::AskOpened(_))), "{what}: handed on");
    assert_eq!(codes(&settled).first(), Some(&row.denied), "{what}: {settled:?}");
    let Settled { text, error, .. } = settled;
    assert_eq!(error.as_ref().map(|error| error.code), row.ends, "{what}: {error:?}");
    assert_eq!(text == "went on", row.ends.is_none(), "{what}: {text}");
}

fn dispatch(worker: &str, kind: WorkerKind, row: &Row, asks: AskPolicy, again: usize) -> Dispatch {
    let mut dispatch = world::dispatch(kind, row.prompt);
    dispatch.worker = ProfileId::new(worker).unwrap();
    let run = format!("run {worker} {} {asks:?} {again}", row.prompt).replace(' ', "_");
    dispatch.id.run = run.parse().unwrap();
    dispatch.asks = asks;
    dispatch
}

async fn start(pool: &Pool, dispatch: &Dispatch) -> (Placement, Task) {
    let placement = pool.place(dispatch).await.unwrap();
    let task = pool.send(&placement.locator, dispatch).await.unwrap();
    (placement, task)
}

/// How long ago the host made the ask: its id begins with the lower 36 bits of the milliseconds, times 4096.
fn age(ask: &Ask) -> Duration {
    let made = u64::from_str_radix(&ask.id.0[4..13], 16).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    Duration::from_millis(now.wrapping_sub(made) & 0xf_ffff_ffff)
}
