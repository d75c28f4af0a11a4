//! What a step's prompt gets back, from success to every way of failing.

use std::{sync::Arc, time::Duration};

use orch_config::{
    Profile,
    kind::WorkerKind,
    permission::{PermissionAction, PermissionRule},
};
use orch_opencode::simulator::{
    Answer, Finish, Hold, Script, SimulatedAgent, Simulator, SimulatorOptions, ToolCall, Usage, When,
};
use orch_workers::{OpenCodeWorker, Worker, worker::Context};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled, WarningCode},
    port::{AskPolicy, AskReply, Dispatch, Probe, Progress, SendError, SessionChoice, Update},
};
use serde_json::json;

use crate::world::{self, codes, outcome, patience, start, wait_for};

fn worker(simulator: &Simulator, profile: Profile) -> OpenCodeWorker {
    OpenCodeWorker::agent(Arc::new(profile), world::host(simulator)).with_patience(patience())
}

fn agent() -> Profile {
    world::profile("w", WorkerKind::Agent)
}

fn dispatch(prompt: &str) -> Dispatch {
    world::dispatch(WorkerKind::Agent, prompt)
}

/// One prompt, to its end, on a host with this script.
async fn play(script: Script) -> Settled {
    let simulator = world::simulator(script).await;
    let worker = worker(&simulator, agent());
    let (_, task) = start(&worker, &dispatch("go")).await;
    outcome(task).await.1
}

fn bash() -> ToolCall {
    ToolCall::new("bash", json!({ "command": "echo hi", "description": "Say hi" }))
}

#[tokio::test]
async fn an_answer_comes_with_its_usage_and_the_signs_of_life_before_it() {
    let answer = Answer::speaking().reasoning("hm").say("All ").say("done.").usage(Usage::new(200, 20));
    let simulator =
        world::simulator(Script::new().otherwise([Answer::tool(bash().output("hi")), answer])).await;
    let worker = worker(&simulator, agent());
    let (_, task) = start(&worker, &dispatch("go")).await;
    let (updates, settled) = outcome(task).await;
    assert_eq!(settled.text, "All done.");
    assert_eq!(settled.outcome(), Outcome::Ok, "{settled:?}");
    assert_eq!((settled.usage.input, settled.usage.output), (300, 30), "both model calls count");
    let tools = |update: &Update| match update {
        Update::Progress(Progress::Tool { tool, state, .. }) => Some(format!("{tool} {state}")),
        _ => None,
    };
    let tools: Vec<_> = updates.iter().filter_map(tools).collect();
    assert!(tools.contains(&"bash completed".to_owned()), "{tools:?}");
    let text: String = updates
        .iter()
        .filter_map(|update| match update {
            Update::Progress(Progress::Text { delta }) => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "All done.");
}

#[tokio::test]
async fn what_is_used_is_told_while_the_turn_goes_on() {
    let hold = Hold::new();
    let calls = [Answer::tool(bash()).usage(Usage::new(700, 70)), Answer::text("done").held(&hold)];
    let simulator = world::simulator(Script::new().otherwise(calls)).await;
    let (_, mut task) = start(&worker(&simulator, agent()), &dispatch("go")).await;
    let used = |update: &Update| match update {
        Update::Used(usage) => Some((usage.input, usage.output)),
        _ => None,
    };
    assert_eq!(world::wait_for(&mut task, used).await, (700, 70));
    hold.release();
    let (updates, settled) = outcome(task).await;
    assert_eq!((settled.usage.input, settled.usage.output), (800, 80));
    assert!(updates.iter().filter_map(used).all(|used| used == (800, 80)), "{updates:?}");
}

#[tokio::test]
async fn what_the_profile_says_is_what_the_host_is_asked_for() {
    let options = SimulatorOptions::default();
    let simulator = Simulator::start(options).await.unwrap();
    let mut profile = agent();
    profile.name = "Reviewer".to_owned();
    profile.agent = Some("plan".to_owned());
    profile.model = Some("stub/stub".to_owned());
    profile.system_prompt = Some("Review with care.".to_owned());
    profile.permission = vec![PermissionRule::deny("webfetch")];
    let worker = worker(&simulator, profile);
    let (placement, task) = start(&worker, &dispatch("go")).await;
    outcome(task).await;

    let session = simulator.sessions().into_iter().find(|s| s.id == placement.session).unwrap();
    assert_eq!(session.title, "Worker: Reviewer");
    assert_eq!(session.parent, None);
    let rules = [
        json!({ "permission": "webfetch", "pattern": "*", "action": "deny" }),
        json!({ "permission": "bash", "pattern": "orch *", "action": "deny" }),
        json!({ "permission": "bash", "pattern": "*/orch run *", "action": "deny" }),
        json!({ "permission": "task_*", "pattern": "*", "action": "deny" }),
        json!({ "permission": "orch_*", "pattern": "*", "action": "deny" }),
    ];
    assert_eq!(session.record["permission"], json!(rules));
    let prompt = simulator.prompts().remove(0);
    assert_eq!(prompt.text, "go");
    assert_eq!(prompt.body["agent"], "plan");
    assert_eq!(prompt.body["model"], json!({ "providerID": "stub", "modelID": "stub" }));
    assert_eq!(prompt.body["system"], "Review with care.");
    assert_eq!(prompt.body["parts"][0]["id"].as_str().unwrap().get(..4), Some("prt_"));
    assert!(prompt.body.get("tools").is_none() && prompt.body.get("format").is_none());
}

#[tokio::test]
async fn the_hosts_default_agent_and_model_are_sent_explicitly() {
    let simulator = world::simulator(Script::new()).await;
    let (_, task) = start(&worker(&simulator, agent()), &dispatch("go")).await;
    outcome(task).await;
    let body = simulator.prompts().remove(0).body;
    assert_eq!(body["agent"], "build");
    assert_eq!(body["model"], json!({ "providerID": "stub", "modelID": "stub" }));
}

#[tokio::test]
async fn an_unknown_agent_or_model_is_refused_before_anything_is_created() {
    let simulator = world::simulator(Script::new()).await;
    let mut wrong_agent = agent();
    wrong_agent.agent = Some("biuld".to_owned());
    let mut wrong_model = agent();
    wrong_model.model = Some("stub/stab".to_owned());
    let table = [
        (
            wrong_agent,
            ErrorCode::SpawnFailed,
            "worker `w`: the host has no agent `biuld`: did you mean `build`?",
        ),
        (
            wrong_model,
            ErrorCode::Model,
            "worker `w`: provider `stub` has no model `stab`: did you mean `stub/stub`?",
        ),
    ];
    for (profile, code, message) in table {
        let worker = worker(&simulator, profile);
        let error = worker.place(&Context::default(), &dispatch("go")).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (code, message));
    }
    assert_eq!(simulator.sessions().len(), 0);
}

#[tokio::test]
async fn a_failed_tool_is_a_warning_unless_it_was_repeated_with_success() {
    let failing = || Answer::tool(bash().failing("no such command"));
    let failed = play(Script::new().otherwise([failing(), Answer::text("so be it")])).await;
    assert_eq!(codes(&failed), [WarningCode::ToolFailed]);
    assert_eq!(failed.warnings[0].message, "bash: no such command");
    let repaired = Script::new().otherwise([failing(), Answer::tool(bash()), Answer::text("now it works")]);
    assert_eq!(play(repaired).await.outcome(), Outcome::Ok);
}

#[tokio::test]
async fn a_declared_warning_is_a_warning() {
    let settled =
        play(Script::new().otherwise("## Summary\nDone.\n## Warnings\n- The tests are flaky.")).await;
    assert_eq!(codes(&settled), [WarningCode::Declared]);
    assert_eq!(settled.warnings[0].message, "- The tests are flaky.");
    let none = play(Script::new().otherwise("## Summary\nDone.\n## Warnings\nNone.")).await;
    assert_eq!(none.outcome(), Outcome::Ok);
}

#[tokio::test]
async fn a_failing_model_is_a_typed_error_in_its_own_words() {
    let table = [
        (Answer::error(400, "bad request"), ErrorCode::Model, Some(400)),
        (Answer::error(401, "wrong key"), ErrorCode::Auth, Some(401)),
        (Answer::text("cut").finish(Finish::Length), ErrorCode::Length, None),
        (Answer::text("cut").finish(Finish::ContentFilter), ErrorCode::ContentFilter, None),
    ];
    for (answer, code, status) in table {
        let settled = play(Script::new().otherwise(answer)).await;
        let error = settled.error.clone().unwrap_or_else(|| panic!("expected {code:?}, got {settled:?}"));
        assert_eq!(error.code, code, "{settled:?}");
        if let Some(status) = status {
            assert_eq!(error.status, Some(status));
            assert!(!error.message.is_empty());
        }
    }
}

#[tokio::test]
async fn a_conversation_that_cannot_be_shortened_is_a_context_overflow() {
    let overflow = Answer::context_overflow;
    let settled = play(Script::new().summary(overflow()).otherwise(overflow())).await;
    assert_eq!(settled.error.unwrap().code, ErrorCode::ContextOverflow);
}

#[tokio::test]
async fn an_endless_loop_is_stopped() {
    let settled = play(Script::new().otherwise(Answer::empty())).await;
    assert_eq!(settled.error.unwrap().code, ErrorCode::Loop);
}

#[tokio::test]
async fn corner_11_a_short_rate_limit_is_waited_for_with_the_clock_stopped() {
    let limited = Answer::rate_limited(Some(Duration::from_secs(1)));
    let simulator = world::simulator(Script::new().otherwise([limited, Answer::text("fine now")])).await;
    let (_, task) = start(&worker(&simulator, agent()), &dispatch("go")).await;
    let (updates, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), ("fine now", Outcome::Ok));
    let waiting = updates.iter().find(|update| matches!(update, Update::Waiting { until: Some(_), .. }));
    assert!(waiting.is_some(), "{updates:?}");
}

#[tokio::test]
async fn corner_11_a_long_rate_limit_is_reported_with_its_reset_and_the_turn_is_stopped() {
    let limited = Answer::rate_limited(Some(Duration::from_secs(600)));
    let simulator = world::simulator(Script::new().otherwise(limited)).await;
    let (placement, task) = start(&worker(&simulator, agent()), &dispatch("go")).await;
    let (_, settled) = outcome(task).await;
    let error = settled.error.unwrap();
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert!(error.reset_at.is_some());
    let session = simulator.sessions().into_iter().find(|s| s.id == placement.session).unwrap();
    assert_eq!(session.status, orch_opencode::simulator::SimulatedStatus::Idle);
}

/// A host whose agent asks before it runs a command.
async fn asking(script: Script) -> Simulator {
    let careful = SimulatedAgent::new("careful", orch_opencode::simulator::AgentMode::Primary).ask("bash");
    Simulator::start(SimulatorOptions::new(script).agent(careful)).await.unwrap()
}

fn careful() -> Profile {
    let mut profile = agent();
    profile.agent = Some("careful".to_owned());
    profile
}

fn asks_bash() -> Script {
    Script::new().otherwise([Answer::tool(bash().output("hi")), Answer::text("went on")])
}

#[tokio::test]
async fn with_nobody_to_ask_a_permission_is_denied_and_the_turn_goes_on() {
    let simulator = asking(asks_bash()).await;
    let (_, task) = start(&worker(&simulator, careful()), &dispatch("go")).await;
    let (updates, settled) = outcome(task).await;
    assert_eq!(settled.text, "went on");
    assert_eq!(codes(&settled), [WarningCode::PermissionDenied]);
    assert_eq!(settled.warnings[0].message, "`bash: echo hi` was denied, because nobody could be asked");
    assert!(updates.iter().any(|update| matches!(update, Update::Warned(_))));
    assert!(!updates.iter().any(|update| matches!(update, Update::AskOpened(_))));
}

#[tokio::test]
async fn a_person_is_asked_and_answers() {
    let simulator = asking(asks_bash()).await;
    let worker = worker(&simulator, careful());
    let mut dispatch = dispatch("go");
    dispatch.asks = AskPolicy::Wait;
    let (placement, mut task) = start(&worker, &dispatch).await;
    let ask = wait_for(&mut task, |update| match update {
        Update::AskOpened(ask) => Some(ask.clone()),
        _ => None,
    })
    .await;
    assert_eq!(ask.summary, "bash: echo hi");
    assert_eq!(ask.session, placement.session);
    let cx = Context::default();
    let wrong = AskReply::Answers { answers: vec![] };
    assert!(worker.answer(&cx, &placement.locator, &ask.id, &wrong).await.is_err());
    worker.answer(&cx, &placement.locator, &ask.id, &AskReply::Once).await.unwrap();
    let (updates, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), ("went on", Outcome::Ok), "{settled:?}");
    assert!(updates.iter().any(|update| matches!(update, Update::AskClosed { id, .. } if *id == ask.id)));
    let late = worker.answer(&cx, &placement.locator, &ask.id, &AskReply::Once).await.unwrap_err();
    assert_eq!(late.message, format!("`{}` is no longer open: it was answered or went away", ask.id));
}

#[tokio::test]
async fn a_person_who_refuses_without_a_word_ends_the_turn() {
    let simulator = asking(asks_bash()).await;
    let worker = worker(&simulator, careful());
    let mut dispatch = dispatch("go");
    dispatch.asks = AskPolicy::Wait;
    let (placement, mut task) = start(&worker, &dispatch).await;
    let ask = wait_for(&mut task, |update| match update {
        Update::AskOpened(ask) => Some(ask.id.clone()),
        _ => None,
    })
    .await;
    let no = AskReply::Reject { message: None };
    worker.answer(&Context::default(), &placement.locator, &ask, &no).await.unwrap();
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.error.unwrap().code, ErrorCode::Aborted);
}

#[tokio::test]
async fn a_rule_of_the_profile_answers_for_sessions_below_the_workers_own() {
    let child = [Answer::tool(bash().output("hi")), Answer::text("from below")];
    let task_call = ToolCall::new(
        "task",
        json!({ "description": "sub", "prompt": "below", "subagent_type": "careful-sub" }),
    );
    let script = Script::new()
        .on(When::prompt("below").and_child(), child.to_vec())
        .otherwise([Answer::tool(task_call), Answer::text("went on")]);
    let careful =
        SimulatedAgent::new("careful-sub", orch_opencode::simulator::AgentMode::Subagent).ask("bash");
    let simulator = Simulator::start(SimulatorOptions::new(script).agent(careful)).await.unwrap();
    let mut profile = agent();
    profile.permission = vec![PermissionRule::new("bash", "echo *", PermissionAction::Allow)];
    let (_, task) = start(&worker(&simulator, profile), &dispatch("go")).await;
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.text, "went on");
    assert_eq!(codes(&settled), [WarningCode::PermissionAuto], "{settled:?}");
    assert_eq!(settled.warnings[0].message, "a rule permitted `bash: echo hi`");
}

fn asks_question() -> Script {
    let question = json!({ "questions": [{ "question": "Which?", "header": "H", "options": [
        { "label": "A", "description": "a" }, { "label": "B", "description": "b" },
    ] }] });
    Script::new().otherwise([Answer::tool(ToolCall::new("question", question)), Answer::text("went on")])
}

#[tokio::test]
async fn a_question_that_nobody_can_answer_is_answered_so_and_the_turn_goes_on() {
    let settled = play(asks_question()).await;
    assert_eq!(settled.text, "went on");
    assert_eq!(codes(&settled), [WarningCode::QuestionUnanswered]);
    assert_eq!(settled.warnings[0].message, "nobody could answer: Which?");
}

#[tokio::test]
async fn a_question_is_put_with_its_choices_and_answered() {
    let simulator = world::simulator(asks_question()).await;
    let worker = worker(&simulator, agent());
    let mut dispatch = dispatch("go");
    dispatch.asks = AskPolicy::Wait;
    let (placement, mut task) = start(&worker, &dispatch).await;
    let ask = wait_for(&mut task, |update| match update {
        Update::AskOpened(ask) => Some(ask.clone()),
        _ => None,
    })
    .await;
    assert_eq!((ask.summary.as_str(), ask.options), ("Which?", vec![vec!["A".into(), "B".into()]]));
    let answers = AskReply::Answers { answers: vec![vec!["B".to_owned()]] };
    worker.answer(&Context::default(), &placement.locator, &ask.id, &answers).await.unwrap();
    assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
}

#[tokio::test]
async fn an_aborted_wait_for_a_person_closes_the_ask() {
    let simulator = asking(asks_bash()).await;
    let worker = worker(&simulator, careful());
    let mut dispatch = dispatch("go");
    dispatch.asks = AskPolicy::Wait;
    let (placement, mut task) = start(&worker, &dispatch).await;
    let opened = |update: &Update| matches!(update, Update::AskOpened(_)).then_some(());
    wait_for(&mut task, opened).await;
    worker.abort(&Context::default(), &placement.locator).await.unwrap();
    let (updates, settled) = outcome(task).await;
    assert!(updates.iter().any(|update| matches!(update, Update::AskClosed { .. })), "{updates:?}");
    assert_eq!(settled.error.unwrap().code, ErrorCode::Aborted);
}

#[tokio::test]
async fn corner_04_a_prompt_to_a_busy_session_queues_without_costing_time_and_can_be_withdrawn() {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("first"), Answer::text("one").held(&hold));
    let simulator = world::simulator(script).await;
    let worker = worker(&simulator, agent());
    let (first_place, first) = start(&worker, &dispatch("first")).await;
    hold.wait_arrived().await;
    let (second_place, mut second) = start(&worker, &dispatch("second")).await;
    assert_eq!(first_place.session, second_place.session);
    let waits = |update: &Update| matches!(update, Update::Waiting { .. }).then_some(());
    wait_for(&mut second, waits).await;
    let (_, third) = start(&worker, &dispatch("third")).await;
    worker.abort(&Context::default(), &second_place.locator).await.unwrap();
    let (_, withdrawn) = outcome(second).await;
    assert_eq!(withdrawn.error.unwrap().code, ErrorCode::Aborted);
    hold.release();
    assert_eq!(outcome(first).await.1.text, "one");
    let (updates, settled) = outcome(third).await;
    assert_eq!(settled.text, "ok");
    assert!(updates.contains(&Update::Resumed));
    let seen: Vec<_> = simulator.prompts().into_iter().map(|prompt| prompt.text).collect();
    assert_eq!(seen, ["first", "third"], "the withdrawn prompt was never sent");
}

#[tokio::test]
async fn corner_04_the_queue_of_a_worker_has_an_end_and_what_is_refused_was_never_sent() {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("first"), Answer::text("one").held(&hold));
    let simulator = world::simulator(script).await;
    let worker = worker(&simulator, agent());
    let (_, first) = start(&worker, &dispatch("first")).await;
    hold.wait_arrived().await;
    let mut queued = Vec::new();
    for _ in 0..64 {
        queued.push(start(&worker, &dispatch("next")).await.1);
    }
    let cx = Context::default();
    let dispatch = dispatch("one too many");
    let placement = worker.place(&cx, &dispatch).await.unwrap();
    let error = worker.send(&cx, &placement.locator, &dispatch).await.unwrap_err();
    let SendError::Refused(error) = error else { panic!("{error}") };
    assert_eq!(error.message, "worker `w` has 64 prompts waiting already");
    hold.release();
    for task in std::iter::once(first).chain(queued) {
        assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
    }
    // There is room again.
    let task = worker.send(&cx, &placement.locator, &dispatch).await.unwrap();
    assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
    assert_eq!(simulator.prompts().len(), 66, "each once");
}

#[tokio::test]
async fn corner_04_a_prompt_that_was_refused_takes_no_place_in_its_session() {
    let hold = Hold::new();
    let simulator = world::simulator(Script::new().otherwise(Answer::text("ok").held(&hold))).await;
    let mut profile = agent();
    profile.max_concurrency = 2;
    let worker = worker(&simulator, profile);
    let mut tasks = Vec::new();
    for _ in 0..2 + 64 {
        tasks.push(start(&worker, &dispatch("go")).await.1);
    }
    let cx = Context::default();
    let refused = worker.place(&cx, &dispatch("one too many")).await.unwrap();
    let sent = worker.send(&cx, &refused.locator, &dispatch("one too many")).await;
    assert!(matches!(sent, Err(SendError::Refused(_))), "{sent:?}");
    hold.release();
    for task in tasks {
        assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
    }
    // Both are free again, so the first of them is taken: the one that the refused prompt was for.
    assert_eq!(worker.place(&cx, &dispatch("next")).await.unwrap().session, refused.session);
}

#[tokio::test]
async fn corner_04_several_sessions_work_at_once_where_the_profile_allows_it() {
    let hold = Hold::new();
    let simulator = world::simulator(Script::new().otherwise(Answer::text("ok").held(&hold))).await;
    let mut profile = agent();
    profile.max_concurrency = 2;
    let worker = worker(&simulator, profile);
    let (one, first) = start(&worker, &dispatch("one")).await;
    let (two, second) = start(&worker, &dispatch("two")).await;
    let (three, third) = start(&worker, &dispatch("three")).await;
    hold.wait_arrivals(2).await;
    assert_ne!(one.session, two.session);
    assert!(three.session == one.session || three.session == two.session);
    hold.release();
    for task in [first, second, third] {
        assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
    }
    assert_eq!(simulator.sessions().len(), 2);
}

#[tokio::test]
async fn corner_04_sessions_are_reused_until_a_fresh_one_is_wanted() {
    let simulator = world::simulator(Script::new()).await;
    let worker = worker(&simulator, agent());
    let place = async |choice: SessionChoice, run: &str| {
        let mut dispatch = dispatch("go");
        dispatch.session = choice;
        dispatch.id.run = run.parse().unwrap();
        let (placement, task) = start(&worker, &dispatch).await;
        outcome(task).await;
        placement.session
    };
    let first = place(SessionChoice::Same, "run_1").await;
    assert_eq!(place(SessionChoice::Same, "run_1").await, first);
    let fresh = place(SessionChoice::Fresh, "run_1").await;
    assert_ne!(fresh, first);
    assert_eq!(place(SessionChoice::Same, "run_1").await, fresh, "the newest is the current one");
    assert_ne!(place(SessionChoice::Same, "run_2").await, fresh, "a run without a parent has its own");
}

#[tokio::test]
async fn another_process_finds_the_runs_session_again_and_a_deleted_one_is_replaced() {
    let simulator = world::simulator(Script::new()).await;
    let (first, task) = start(&worker(&simulator, agent()), &dispatch("go")).await;
    outcome(task).await;
    let reborn = worker(&simulator, agent());
    let (again, task) = start(&reborn, &dispatch("go on")).await;
    outcome(task).await;
    assert_eq!(again.session, first.session);
    let session = orch_opencode::SessionId::parse(first.session.as_str()).unwrap();
    world::host(&simulator).delete_session(&session).await.unwrap();
    let (replaced, task) = start(&reborn, &dispatch("once more")).await;
    assert_ne!(replaced.session, first.session);
    assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
}

#[tokio::test]
async fn a_host_that_is_down_is_unreachable_and_one_that_comes_back_still_has_the_answer() {
    let hold = Hold::new();
    let simulator = world::simulator(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let mut patient = patience();
    patient.unreachable = Duration::from_secs(10);
    let worker = OpenCodeWorker::agent(Arc::new(agent()), world::host(&simulator)).with_patience(patient);
    let (_, mut task) = start(&worker, &dispatch("go")).await;
    hold.wait_arrived().await;
    simulator.refuse_connections().await;
    let out_of_reach =
        |update: &Update| matches!(update, Update::Progress(Progress::Note { .. })).then_some(());
    wait_for(&mut task, out_of_reach).await;
    hold.release();
    simulator.accept_connections().await;
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.text, "late");
    assert_eq!(codes(&settled), [WarningCode::Reconciled]);

    simulator.refuse_connections().await;
    let error = worker.place(&Context::default(), &dispatch("go")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable);
}

#[tokio::test]
async fn a_host_that_stays_away_leaves_the_turn_in_doubt() {
    let hold = Hold::new();
    let simulator = world::simulator(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let worker = worker(&simulator, agent());
    let (placement, mut task) = start(&worker, &dispatch("go")).await;
    hold.wait_arrived().await;
    simulator.refuse_connections().await;
    let unsettled = async {
        while let Some(update) = task.next().await {
            assert!(
                !matches!(update, Update::Settled(_)),
                "the turn goes on where nobody sees it: {update:?}"
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(20), unsettled).await.unwrap();
    let probe = worker.probe(&Context::default(), &placement.locator, &dispatch("go")).await;
    assert!(matches!(probe, Probe::Unknown(_)), "{probe:?}");
    hold.release();
    simulator.accept_connections().await;
    let probe = worker.probe(&Context::default(), &placement.locator, &dispatch("go")).await;
    let settled = match probe {
        Probe::Finished(settled) => *settled,
        Probe::Running(task) => outcome(task).await.1,
        probe => panic!("{probe:?}"),
    };
    assert_eq!(settled.text, "late");
}

#[tokio::test]
async fn a_prompt_whose_reply_is_lost_is_in_doubt_and_the_probe_knows() {
    use orch_opencode::simulator::HttpFault;
    for (fault, arrived) in [(HttpFault::ResetAfter, true), (HttpFault::Reset, false)] {
        let simulator = world::simulator(Script::new()).await;
        let worker = worker(&simulator, agent());
        let (cx, dispatch) = (Context::default(), dispatch("go"));
        let placement = worker.place(&cx, &dispatch).await.unwrap();
        simulator.faults().http("POST /session/*/prompt_async", fault.clone(), 1);
        let sent = worker.send(&cx, &placement.locator, &dispatch).await;
        assert!(matches!(sent, Err(SendError::InDoubt(_))), "{fault:?}: {sent:?}");
        let probe = worker.probe(&cx, &placement.locator, &dispatch).await;
        let knows = match probe {
            Probe::NeverArrived => !arrived,
            Probe::Running(_) | Probe::Finished(_) => arrived,
            _ => false,
        };
        assert!(knows, "{fault:?}: {probe:?}");
        let task = worker.send(&cx, &placement.locator, &dispatch).await.unwrap();
        assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
        assert_eq!(simulator.model_prompts().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_garbled_answer_to_a_permission_is_given_again() {
    use orch_opencode::simulator::HttpFault;
    let simulator = asking(asks_bash()).await;
    simulator.faults().http("POST /permission/*/reply", HttpFault::Status(502), 1);
    let (_, task) = start(&worker(&simulator, careful()), &dispatch("go")).await;
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.text, "went on");
    assert_eq!(codes(&settled), [WarningCode::PermissionDenied]);
}
