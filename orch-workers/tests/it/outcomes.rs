//! Every typed warning and every typed error is raised, by the cheapest honest means: seen on a run of the engine whose
//! work is done by real workers on the simulated host, or by a host that follows a script where only time and crashes
//! are needed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::{
    Config, Profile, StepDefinition, WorkflowDefinition,
    budget::Budget,
    id::{ProfileId, StepId, WorkflowId},
    kind::WorkerKind,
    permission::{PermissionAction, PermissionRule},
    policy::Execution,
};
use orch_opencode::{
    HostError, HostErrorKind, MessageId, MockOpenCode, PartId, Prompt, PromptPart, SessionId,
    simulator::{
        AgentMode, Answer, Finish, Hold, Script, SimulatedAgent, Simulator, SimulatorOptions, ToolCall,
        Usage, When,
    },
};
use orch_workers::{Pool, PoolBuilder, testing::HELD};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, WarningCode},
    decision::{Decision, DecisionRequest, Request},
    driver::{Engine, NewRun, Run},
    plan::Plan,
    port::{AskId, AskPolicy, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
    store::MemoryStore,
    testing::{Fault, ScriptedHost, Turn},
    view::{AttemptView, RunView},
};
use serde_json::json;
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::{servers::Yard, world};

const LONGEST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_warning_is_raised() {
    let mut rows = JoinSet::new();
    for code in WarningCode::ALL {
        rows.spawn(async move { (code, timeout(LONGEST, raise_warning(code)).await.unwrap()) });
    }
    while let Some(row) = rows.join_next().await {
        let (code, view) = row.unwrap();
        let raised: Vec<_> = attempts(&view).flat_map(|attempt| &attempt.warnings).collect();
        let found = raised.iter().any(|warning| warning.code == code && !warning.message.is_empty());
        assert!(found, "{code:?}: {raised:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_raised() {
    let mut rows = JoinSet::new();
    for code in ErrorCode::ALL {
        rows.spawn(async move { (code, timeout(LONGEST, raise_error(code)).await.unwrap()) });
    }
    while let Some(row) = rows.join_next().await {
        let (code, view) = row.unwrap();
        let raised: Vec<_> = attempts(&view).filter_map(|attempt| attempt.error.as_ref()).collect();
        let found = raised.iter().any(|error| error.code == code && !error.message.is_empty());
        assert!(found, "{code:?}: {raised:?}");
    }
}

fn attempts(view: &RunView) -> impl Iterator<Item = &AttemptView> {
    view.steps.iter().flat_map(|step| &step.attempts)
}

async fn raise_warning(code: WarningCode) -> RunView {
    match code {
        WarningCode::ToolFailed => {
            play([Answer::tool(bash().failing("no such command")), Answer::text("so be it")]).await
        }
        WarningCode::PermissionDenied => play_on(careful(asks_bash()).await, worker().by("careful")).await,
        WarningCode::PermissionAuto => {
            let sub = json!({ "description": "sub", "prompt": "below", "subagent_type": "careful-sub" });
            let script = Script::new()
                .on(When::prompt("below").and_child(), asks_bash())
                .otherwise([Answer::tool(ToolCall::new("task", sub)), Answer::text("went on")]);
            let options = SimulatorOptions::new(script)
                .agent(SimulatedAgent::new("careful-sub", AgentMode::Subagent).ask("bash"));
            let mut profile = worker();
            profile.permission = vec![PermissionRule::new("bash", "echo *", PermissionAction::Allow)];
            play_on(Simulator::start(options).await.unwrap(), profile).await
        }
        WarningCode::QuestionUnanswered => {
            let question = json!({ "questions": [{ "question": "Which?", "header": "H", "options": [
                { "label": "A", "description": "a" }, { "label": "B", "description": "b" },
            ] }] });
            play([Answer::tool(ToolCall::new("question", question)), Answer::text("went on")]).await
        }
        WarningCode::Idle => {
            let mut plan = plan();
            plan.steps[0].idle_warning_ms = 50;
            let slow = Turn::answers("at last").after(Duration::from_millis(300));
            run(ScriptedHost::new().with("one", slow).executor(), plan).await
        }
        WarningCode::OutputRepaired => {
            let script = Script::new().on(When::nth(1), "the third").on(When::nth(2), "2");
            structured(script).await
        }
        WarningCode::CarryTrimmed => {
            let mut plan = plan_of(&["one", "two"]);
            plan.limits.max_carry_chars = 100;
            (plan.steps[0].carry, plan.steps[1].prompt) = (true, "{carry}".to_owned());
            let long = Turn::answers(format!("## Summary\n{}", "word ".repeat(200)));
            run(ScriptedHost::new().with("one", long).executor(), plan).await
        }
        WarningCode::OutputTruncated => play([Answer::text("x".repeat((1 << 20) + 1))]).await,
        WarningCode::Retried => {
            let mut plan = plan();
            (plan.steps[0].retry.max_attempts, plan.steps[0].retry.backoff_ms) = (2, 10);
            let away = AttemptError::new(ErrorCode::Unreachable, "nobody answers there");
            let failing = Turn::answers("never asked").but(Fault::PlaceFails(away));
            run(ScriptedHost::new().with("one", failing).executor(), plan).await
        }
        WarningCode::Reconciled => {
            let lost = Turn::answers("found").after(Duration::from_millis(100)).but(Fault::TaskEnds);
            run(ScriptedHost::new().with("one", lost).executor(), plan()).await
        }
        WarningCode::WorkerRestarted => killed_server().await,
        WarningCode::AnsweredTogether => interrupted_by_a_person().await,
        WarningCode::BudgetLow => {
            let mut plan = plan();
            plan.budget = Budget { max_tokens: Some(1_000), ..Budget::default() };
            let simulator =
                world::simulator(Script::new().otherwise(Answer::text("dear").usage(Usage::new(800, 50))))
                    .await;
            run(executor(&simulator, worker()), plan).await
        }
        WarningCode::Declared => play([Answer::text("Done.\n## Warnings\n- The tests are flaky.")]).await,
        other => panic!("nobody raises {other:?}"),
    }
}

async fn raise_error(code: ErrorCode) -> RunView {
    match code {
        ErrorCode::Timeout => {
            let mut plan = plan();
            plan.steps[0].timeout_ms = 50;
            run(ScriptedHost::new().with("one", Turn::hangs()).executor(), plan).await
        }
        ErrorCode::Aborted => {
            let hold = Hold::new();
            let simulator =
                world::simulator(Script::new().otherwise(Answer::text("never").held(&hold))).await;
            let run = begin(executor(&simulator, worker()), plan()).await;
            hold.wait_arrived().await;
            world::host(&simulator).abort(&only_session(&simulator)).await.unwrap();
            run.wait().await.unwrap()
        }
        ErrorCode::Model => play([Answer::error(400, "bad request")]).await,
        ErrorCode::RateLimited => {
            // Left to itself, the step would wait for the ten minutes.
            let mut plan = plan();
            plan.steps[0].retry.on.clear();
            let limited = Answer::rate_limited(Some(Duration::from_secs(600)));
            let simulator = world::simulator(Script::new().otherwise(limited)).await;
            run(executor(&simulator, worker()), plan).await
        }
        ErrorCode::Auth => play([Answer::error(401, "wrong key")]).await,
        ErrorCode::ContextOverflow => {
            let overflow = Answer::context_overflow;
            let simulator = world::simulator(Script::new().summary(overflow()).otherwise(overflow())).await;
            play_on(simulator, worker()).await
        }
        ErrorCode::ContentFilter => play([Answer::text("cut").finish(Finish::ContentFilter)]).await,
        ErrorCode::Length => play([Answer::text("cut").finish(Finish::Length)]).await,
        ErrorCode::OutputInvalid => structured(Script::new().otherwise("the third")).await,
        ErrorCode::Loop => {
            play_on(world::simulator(Script::new().otherwise(Answer::empty())).await, worker()).await
        }
        ErrorCode::Unreachable => {
            let simulator = world::simulator(Script::new()).await;
            simulator.refuse_connections().await;
            play_on(simulator, worker()).await
        }
        ErrorCode::Tls => {
            let mut host = MockOpenCode::new();
            host.expect_directory().return_const("/project".to_owned());
            host.expect_origin().return_const("https://127.0.0.1:1".to_owned());
            let refused = || {
                HostError::new(HostErrorKind::TlsUnsupported, "connect", "https://127.0.0.1:1", "no TLS here")
            };
            host.expect_agents().returning(move || Err(refused()));
            host.expect_catalog().returning(move || Err(refused()));
            let pool = Pool::builder(config(worker()), Arc::new(host)).patience(world::patience()).build();
            run(Arc::new(pool), plan()).await
        }
        ErrorCode::WorkerLost => {
            let hold = Hold::new();
            let simulator =
                world::simulator(Script::new().otherwise(Answer::text("never").held(&hold))).await;
            let run = begin(executor(&simulator, worker()), plan()).await;
            hold.wait_arrived().await;
            world::host(&simulator).delete_session(&only_session(&simulator)).await.unwrap();
            run.wait().await.unwrap()
        }
        ErrorCode::SpawnFailed => {
            let simulator = world::simulator(Script::new()).await;
            let state = tempfile::tempdir().unwrap();
            let pool = builder(&simulator, worker().with_kind(WorkerKind::Server))
                .server_command([state.path().join("no-such-program")])
                .state_dir(state.path().join("state"));
            let mut plan = plan();
            plan.steps[0].kind = WorkerKind::Server;
            run(Arc::new(pool.build()), plan).await
        }
        ErrorCode::Template => {
            let mut plan = plan();
            plan.steps[0].prompt = "{steps.one.output.verdict}".to_owned();
            run(ScriptedHost::new().executor(), plan).await
        }
        ErrorCode::Internal => {
            let panicking = Turn::answers("never asked").but(Fault::PlacePanics);
            run(ScriptedHost::new().with("one", panicking).executor(), plan()).await
        }
        other => panic!("nobody raises {other:?}"),
    }
}

/// The server of a server worker is killed under its step.
async fn killed_server() -> RunView {
    let (yard, simulator) = (Yard::new(), world::simulator(Script::new()).await);
    let pool = yard.builder_with(&simulator, worker().with_kind(WorkerKind::Server)).build();
    let watched = Arc::new(Watched { pool, sent: Notify::new() });
    let mut plan = plan();
    (plan.steps[0].kind, plan.steps[0].prompt) = (WorkerKind::Server, HELD.to_owned());
    let run = begin(Arc::clone(&watched) as Arc<dyn StepExecutor>, plan).await;
    watched.sent.notified().await;
    yard.kill_the_server();
    let view = run.wait().await.unwrap();
    assert!(!yard.has_orphans());
    watched.pool.shutdown(Duration::from_secs(5)).await;
    view
}

/// A pool that says when a prompt has been accepted.
#[derive(Debug)]
struct Watched {
    pool: Pool,
    sent: Notify,
}

#[async_trait]
impl StepExecutor for Watched {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        self.pool.place(dispatch).await
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let sent = self.pool.send(locator, dispatch).await;
        self.sent.notify_one();
        sent
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        self.pool.probe(locator, dispatch).await
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        self.pool.abort(locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        self.pool.latest_answer(locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        self.pool.answer(locator, ask, reply).await
    }
}

/// A person has begun to talk to the worker when its next step comes, and says one thing more.
async fn interrupted_by_a_person() -> RunView {
    let hold = Hold::new();
    let script = Script::new()
        .on(When::prompt("a word"), Answer::text("listening").held(&hold))
        .on(When::prompt("and that"), "both of it");
    let simulator = world::simulator(script).await;
    let engine = engine(executor(&simulator, worker()));
    let mut new = NewRun::new(plan_of(&["one", "two"]), "the task", "/project");
    new.policy.execution = Some(Execution::Step);
    let run = engine.start(new).await.unwrap();
    run.wait().await.unwrap();
    let (host, session) = (world::host(&simulator), only_session(&simulator));
    let say = |text: &str| {
        let part =
            PromptPart::Text { id: PartId::mint(), text: text.to_owned(), synthetic: false, ignored: false };
        host.prompt(&session, Prompt::new(MessageId::mint(), vec![part]))
    };
    say("a word").await.unwrap();
    hold.wait_arrived().await;
    let go_on = Request::Decide(DecisionRequest::new(Decision::Continue, "ann"));
    let run = engine.request(run.id(), go_on).await.unwrap().run.unwrap();
    let sent = |requests: &[orch_opencode::simulator::SeenRequest]| {
        requests.iter().filter(|request| request.path.ends_with("/prompt_async")).count() == 3
    };
    simulator.wait_requests(sent).await;
    say("and that").await.unwrap();
    hold.release();
    run.wait().await.unwrap()
}

async fn play<const N: usize>(answers: [Answer; N]) -> RunView {
    play_on(world::simulator(Script::new().otherwise(answers)).await, worker()).await
}

async fn play_on(simulator: Simulator, profile: Profile) -> RunView {
    run(executor(&simulator, profile), plan()).await
}

/// A step that must answer with 1 or 2.
async fn structured(script: Script) -> RunView {
    let mut plan = plan();
    plan.steps[0].output = Some(json!({ "enum": [1, 2] }));
    let simulator = world::simulator(script).await;
    run(executor(&simulator, worker()), plan).await
}

async fn run(executor: Arc<dyn StepExecutor>, plan: Plan) -> RunView {
    begin(executor, plan).await.wait().await.unwrap()
}

async fn begin(executor: Arc<dyn StepExecutor>, plan: Plan) -> Run {
    let mut new = NewRun::new(plan, "the task", "/project");
    new.asks = AskPolicy::Deny;
    engine(executor).start(new).await.unwrap()
}

fn engine(executor: Arc<dyn StepExecutor>) -> Engine {
    Engine::builder(Arc::new(MemoryStore::new()), executor).build()
}

fn plan() -> Plan {
    plan_of(&["one"])
}

pub(crate) fn plan_of(steps: &[&str]) -> Plan {
    let step = |id: &&str| {
        StepDefinition::new(StepId::new(*id).unwrap(), ProfileId::new("w").unwrap(), format!("do {id}"))
    };
    let id = WorkflowId::new("outcomes").unwrap();
    let mut config = Config::builtin();
    config.insert_profile(worker());
    config.insert_workflow(WorkflowDefinition::new(id, steps.iter().map(step).collect::<Vec<_>>()));
    Plan::compile(&config, "outcomes").unwrap()
}

fn worker() -> Profile {
    world::profile("w", WorkerKind::Agent)
}

trait By {
    fn by(self, agent: &str) -> Self;
}

impl By for Profile {
    fn by(mut self, agent: &str) -> Self {
        self.agent = Some(agent.to_owned());
        self
    }
}

fn config(profile: Profile) -> Arc<Config> {
    let mut config = Config::builtin();
    config.insert_profile(profile);
    Arc::new(config)
}

fn builder(simulator: &Simulator, profile: Profile) -> PoolBuilder {
    Pool::builder(config(profile), world::host(simulator)).patience(world::patience())
}

fn executor(simulator: &Simulator, profile: Profile) -> Arc<dyn StepExecutor> {
    Arc::new(builder(simulator, profile).build())
}

async fn careful(answers: Vec<Answer>) -> Simulator {
    let agent = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    Simulator::start(SimulatorOptions::new(Script::new().otherwise(answers)).agent(agent)).await.unwrap()
}

fn bash() -> ToolCall {
    ToolCall::new("bash", json!({ "command": "echo hi", "description": "Say hi" }))
}

fn asks_bash() -> Vec<Answer> {
    vec![Answer::tool(bash().output("hi")), Answer::text("went on")]
}

fn only_session(simulator: &Simulator) -> SessionId {
    SessionId::parse(&simulator.sessions()[0].id).unwrap()
}
