//! What ends a turn that would never end by itself, on a real OpenCode whose model hangs, stalls, loops, cuts, floods, or
//! answers with a web page or with nothing.

use std::{sync::Arc, time::Duration};

use orch_config::kind::WorkerKind;
use orch_opencode::{
    OpenCode as _,
    simulator::{Answer, Script, ToolCall, When},
    tracker::Patience,
};
use orch_workflow::{
    attempt::{ErrorCode, WarningCode},
    driver::{Engine, NewRun},
    port::AskPolicy,
    store::MemoryStore,
};
use serde_json::json;
use tokio::time::timeout;

use crate::{live::Real, outcomes::plan_of, world::profile};

/// Far more than any row needs, far less than a hang.
const LONGEST: Duration = Duration::from_secs(60);

fn short_of_patience() -> Patience {
    let mut patience = Patience::default();
    patience.messages = 20;
    patience.retries = 1;
    patience.output = 200_000;
    patience
}

/// How the model misbehaves → the typed error, and a word of its message.
fn rows() -> Vec<(&'static str, Vec<Answer>, ErrorCode, &'static str)> {
    let steps = (1..5_000).map(|n| {
        let command = json!({ "command": format!("echo {n}"), "description": "Say it" });
        Answer::tool(ToolCall::new("bash", command))
    });
    let words = "a word and another one ".repeat(40_000);
    vec![
        ("hangs", vec![Answer::hang()], ErrorCode::Timeout, "6000 ms"),
        ("stalls", vec![Answer::speaking().say("half of").then_stall()], ErrorCode::Timeout, "6000 ms"),
        ("nothing", vec![Answer::empty()], ErrorCode::Loop, "with nothing"),
        ("page", vec![Answer::html()], ErrorCode::Loop, "with nothing"),
        ("loops", steps.collect(), ErrorCode::Loop, "more than 20 messages in one turn"),
        (
            "cuts",
            vec![Answer::speaking().say("half").then_cut()],
            ErrorCode::Loop,
            "the provider failed 2 times",
        ),
        ("fails", vec![Answer::error(503, "overloaded")], ErrorCode::Loop, "overloaded"),
        (
            "floods",
            vec![Answer::speaking().say_slowly(&words, 400, Duration::from_millis(10)).then_stall()],
            ErrorCode::Loop,
            "more than 200000 bytes of output",
        ),
    ]
}

#[tokio::test]
async fn a_turn_that_would_never_end_is_ended_with_a_typed_error_and_nothing_goes_on() {
    let script = rows()
        .into_iter()
        .fold(Script::new(), |script, (word, answers, ..)| script.on(When::prompt(word), answers));
    let Some(real) = Real::start_with(script, |_, _| ()).await else { return };
    let pool =
        Arc::new(real.builder([profile("w", WorkerKind::Agent)]).patience(short_of_patience()).build());
    let engine = Engine::builder(Arc::new(MemoryStore::new()), pool.clone()).build();
    let mut different = Vec::new();
    for (word, _, code, says) in rows() {
        let mut plan = plan_of(&["one"]);
        plan.steps[0].prompt = format!("it {word}");
        (plan.steps[0].timeout_ms, plan.steps[0].idle_warning_ms) = (6_000, 2_000);
        if code == ErrorCode::Loop {
            plan.steps[0].timeout_ms = 50_000;
        }
        let mut new = NewRun::new(plan, "the task", "/project");
        new.asks = AskPolicy::Deny;
        let run = engine.start(new).await.unwrap();
        let view = timeout(LONGEST, run.wait()).await.unwrap_or_else(|_| panic!("{word}: it hangs")).unwrap();

        let attempt = view.steps[0].attempts.last().unwrap();
        let error = attempt.error.as_ref();
        let silent = attempt.warnings.iter().any(|warning| warning.code == WarningCode::Idle);
        let right = error.is_some_and(|error| error.code == code && error.message.contains(says));
        if !right || (code == ErrorCode::Timeout && !silent) {
            different.push(format!("{word}: {error:?}, {:?}", attempt.warnings));
        }
        // The abort was confirmed before the attempt settled: nothing is at work any more.
        assert!(real.host.statuses().await.unwrap().is_empty(), "{word}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    pool.shutdown(Duration::from_secs(5)).await;
    real.end().await;
}
