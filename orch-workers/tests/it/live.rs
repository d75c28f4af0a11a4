//! The same workers on a real OpenCode with the scripted model. Needs `ORCH_TEST_OPENCODE`, the path of its binary;
//! without it these tests say that they are skipped, or fail if `ORCH_TEST_LIVE=1` asks for them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{
    Config, Profile,
    id::ProfileId,
    kind::WorkerKind,
    permission::{PermissionAction, PermissionRule},
    trust::Trust,
};
use orch_opencode::{
    HttpOpenCode, NewSession, OpenCode, Prompt, SessionId,
    serve::{Environment, Serve, Server, Versions},
    simulator::{Answer, CallKind, Hold, ModelCall, Script, ScriptedModel, ToolCall, When},
};
use orch_workers::{
    OpenCodeWorker, Pool, PoolBuilder, Worker,
    testing::{ANSWER, Bench, HELD, worker_suite},
};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, WarningCode},
    port::{Dispatch, Placement, Probe, StepExecutor as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{self, codes, outcome, profile};

pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// More than the suite's checks hold, for both kinds.
const HELD_PROMPTS: usize = 32;

/// A real host with a project, and the model that it talks to.
pub(crate) struct Real {
    pub(crate) model: ScriptedModel,
    /// One for each prompt that says so, in the order in which they come.
    holds: Vec<Hold>,
    server: Option<Server>,
    pub(crate) host: HttpOpenCode,
    binary: String,
    pub(crate) home: TempDir,
    /// What the user's OpenCode is configured with.
    settings: Value,
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn binary() -> Option<String> {
    if let Ok(path) = std::env::var("ORCH_TEST_OPENCODE") {
        return Some(path);
    }
    let wanted = std::env::var("ORCH_TEST_LIVE").is_ok_and(|value| value == "1");
    assert!(!wanted, "ORCH_TEST_LIVE=1 needs ORCH_TEST_OPENCODE, the path of an opencode binary");
    println!("skipped: set ORCH_TEST_OPENCODE to the path of an opencode binary");
    None
}

impl Real {
    async fn start() -> Option<Self> {
        binary()?;
        let holds: Vec<_> = (0..HELD_PROMPTS).map(|_| Hold::new()).collect();
        let bash = ToolCall::new("bash", json!({ "command": "echo hi", "description": "Say hi" }));
        let question = json!({ "questions": [{ "question": "Which?", "header": "H", "options": [
            { "label": "A", "description": "a" },
        ] }] });
        let held = |script: Script, hold: &Hold| {
            script.on_first(1, When::prompt(HELD), Answer::text(ANSWER).held(hold))
        };
        let script = holds.iter().fold(Script::new(), held);
        let script = script
            .on(When::prompt("use bash"), [Answer::tool(bash), Answer::text("went on")])
            .on(
                When::prompt("ask me"),
                [Answer::tool(ToolCall::new("question", question)), Answer::text("went on")],
            )
            .otherwise(ANSWER);
        let mut real = Self::start_with(script, |_, _| ()).await?;
        real.holds = holds;
        Some(real)
    }

    /// A host whose user has this in their home and their configuration before it is started.
    pub(crate) async fn start_with(script: Script, furnish: impl FnOnce(&Path, &mut Value)) -> Option<Self> {
        Self::start_behind(script, |_| Vec::new(), furnish).await
    }

    /// The same with further variables in the host's environment, made of the model's address.
    pub(crate) async fn start_behind(
        script: Script,
        further: impl FnOnce(&str) -> Vec<(&'static str, String)>,
        furnish: impl FnOnce(&Path, &mut Value),
    ) -> Option<Self> {
        let binary = binary()?;
        let model = ScriptedModel::start(script).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("project");
        std::fs::create_dir(&project).unwrap();
        seed_plugin_package(&home.path().join("config/opencode"));
        let mut settings = model.opencode_config();
        furnish(home.path(), &mut settings);
        let further = further(&model.url()).into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment = Environment::inherit(environment(&settings, &home).into_iter().chain(further));
        let serve =
            Serve::new([&binary], &project, environment).data_dir(home.path().join("host")).trusted(true);
        static VERSIONS: LazyLock<Versions> = LazyLock::new(Versions::default);
        let serve = serve.versions(VERSIONS.clone());
        let server = serve.startup_timeout(Duration::from_secs(90)).start().await.unwrap();
        let host = server.client();
        Some(Self { model, holds: Vec::new(), server: Some(server), host, binary, home, settings })
    }

    pub(crate) fn pool(&self, profiles: impl IntoIterator<Item = Profile>) -> Pool {
        self.builder(profiles).build()
    }

    pub(crate) fn builder(&self, profiles: impl IntoIterator<Item = Profile>) -> PoolBuilder {
        let mut config = Config::builtin();
        config.startup_timeout_ms = 90_000;
        config.trust = Trust::Trusted;
        for profile in profiles {
            config.insert_profile(profile);
        }
        Pool::builder(Arc::new(config), Arc::new(self.host.clone()))
            .server_command([&self.binary])
            .state_dir(self.home.path().join("state"))
            .environment(environment(&self.settings, &self.home))
            .guarded_host(true)
            .create_parent(true)
    }

    fn prompts(&self) -> usize {
        self.model.prompts().len()
    }

    async fn wait_prompts(&self, times: usize) {
        let is_prompt = |call: &&ModelCall| call.kind == CallKind::Prompt;
        self.model.wait_log(|log| log.iter().filter(is_prompt).count() >= times).await;
    }

    /// A prompt in a session that is nobody's worker; returns when the model was asked.
    pub(crate) async fn person_asks(&self, text: &str) {
        let session = self.host.create_session(NewSession::default()).await.unwrap().id;
        self.host.prompt(&session, Prompt::text(text)).await.unwrap();
        let asked = |call: &ModelCall| call.kind == CallKind::Prompt && call.text.contains(text);
        self.model.wait_log(|log| log.iter().any(asked)).await;
    }

    pub(crate) async fn end(mut self) {
        self.holds.iter().for_each(Hold::release);
        if let Some(server) = self.server.take() {
            server.stop(GRACE).await;
        }
    }
}

/// As a user's configuration directory looks once OpenCode has been used: without it the first request of every server
/// waits for an installation over the network.
pub(crate) fn seed_plugin_package(config: &Path) {
    const PACKAGE: &str = "@opencode-ai/plugin";
    const VERSION: &str = "1.18.33";
    let modules = config.join("node_modules").join(PACKAGE);
    std::fs::create_dir_all(&modules).unwrap();
    let wanted = json!({ "dependencies": { PACKAGE: VERSION } });
    let packages = json!({ "": wanted, format!("node_modules/{PACKAGE}"): { "version": VERSION } });
    let lock = json!({ "name": "opencode", "lockfileVersion": 3, "requires": true, "packages": packages });
    let own = json!({ "name": PACKAGE, "version": VERSION, "type": "module" });
    std::fs::write(modules.join("package.json"), own.to_string()).unwrap();
    std::fs::write(config.join("package.json"), wanted.to_string()).unwrap();
    std::fs::write(config.join("package-lock.json"), lock.to_string()).unwrap();
}

fn environment(settings: &Value, home: &TempDir) -> Vec<(String, String)> {
    let mut variables = vec![
        ("PATH".to_owned(), std::env::var("PATH").unwrap()),
        ("HOME".to_owned(), home.path().display().to_string()),
        ("OPENCODE_CONFIG_CONTENT".to_owned(), settings.to_string()),
        ("OPENCODE_DISABLE_MODELS_FETCH".to_owned(), "1".to_owned()),
    ];
    for name in ["DATA", "CONFIG", "STATE", "CACHE"] {
        let path = home.path().join(name.to_lowercase());
        variables.push((format!("XDG_{name}_HOME"), path.display().to_string()));
    }
    variables
}

pub(crate) fn dispatch(worker: &str, kind: WorkerKind, prompt: &str) -> Dispatch {
    let mut dispatch = world::dispatch(kind, prompt);
    dispatch.worker = ProfileId::new(worker).unwrap();
    dispatch
}

pub(crate) async fn run(pool: &Pool, dispatch: &Dispatch) -> Placement {
    let placement = pool.place(dispatch).await.unwrap();
    let task = pool.send(&placement.locator, dispatch).await.unwrap();
    let (_, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), (ANSWER, Outcome::Ok), "{settled:?}");
    placement
}

fn is_alive(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn one_worker_of_each_kind_does_its_step() {
    let Some(real) = Real::start().await else { return };
    let pool = real.pool([
        profile("a", WorkerKind::Agent),
        profile("s", WorkerKind::Subagent),
        profile("o", WorkerKind::Server),
    ]);
    let agent = run(&pool, &dispatch("a", WorkerKind::Agent, "go")).await;
    let child = run(&pool, &dispatch("s", WorkerKind::Subagent, "go")).await;
    let own = run(&pool, &dispatch("o", WorkerKind::Server, "go")).await;

    let parent = SessionId::parse(child.parent_session.unwrap()).unwrap();
    let children = real.host.children(&parent).await.unwrap();
    assert_eq!(children.iter().map(|child| child.id.as_str()).collect::<Vec<_>>(), [child.session.as_str()]);
    let id = SessionId::parse(agent.session).unwrap();
    let session = real.host.session(&id).await.unwrap();
    assert_eq!((session.title.as_str(), session.parent), ("Worker: a", None));
    let own = SessionId::parse(own.session).unwrap();
    assert!(real.host.session(&own).await.is_err(), "a server worker's session is on its own server");
    assert_eq!(real.prompts(), 3);

    let report = pool.shutdown(GRACE).await;
    assert!(report.is_clean(), "{report:?}");
    let pids: Vec<_> = report.ended.iter().map(|ended| ended.pid).collect();
    assert_eq!(pids.len(), 1);
    assert!(!is_alive(pids[0]));
    assert!(real.host.health().await.is_ok(), "the given host is not ours to end");
    real.end().await;
}

#[tokio::test]
async fn after_a_crash_the_answer_of_a_server_worker_is_found_on_its_data_directory() {
    let Some(real) = Real::start().await else { return };
    let profiles = || [profile("o", WorkerKind::Server)];
    let (done, held) = (dispatch("o", WorkerKind::Server, "go"), dispatch("o", WorkerKind::Server, HELD));
    let pool = real.pool(profiles());
    let finished = run(&pool, &done).await;
    let interrupted = pool.place(&held).await.unwrap();
    let never = pool.place(&held).await.unwrap();
    let _task = pool.send(&interrupted.locator, &held).await.unwrap();
    real.wait_prompts(2).await;
    drop(pool);

    let pool = real.pool(profiles());
    let probe = pool.probe(&finished.locator, &done).await;
    assert!(matches!(&probe, Probe::Finished(settled) if settled.text == ANSWER), "{probe:?}");
    let probe = pool.probe(&interrupted.locator, &held).await;
    assert!(matches!(probe, Probe::Interrupted), "{probe:?}");
    let probe = pool.probe(&never.locator, &held).await;
    assert!(matches!(probe, Probe::NeverArrived), "{probe:?}");
    assert_eq!(pool.latest_answer(&finished.locator).await.unwrap().text, ANSWER);
    assert_eq!(real.prompts(), 2, "a probe asks no model");
    assert!(pool.shutdown(GRACE).await.is_clean());
    real.end().await;
}

#[tokio::test]
async fn what_a_rule_does_not_allow_is_denied_with_a_word_and_the_turn_goes_on() {
    let Some(real) = Real::start().await else { return };
    let mut careful = profile("a", WorkerKind::Agent);
    careful.permission = vec![PermissionRule::new("bash", "*", PermissionAction::Ask)];
    let pool = real.pool([careful]);
    for (prompt, code) in
        [("use bash", WarningCode::PermissionDenied), ("ask me", WarningCode::QuestionUnanswered)]
    {
        let dispatch = dispatch("a", WorkerKind::Agent, prompt);
        let placement = pool.place(&dispatch).await.unwrap();
        let task = pool.send(&placement.locator, &dispatch).await.unwrap();
        let (_, settled) = outcome(task).await;
        assert_eq!((settled.text.as_str(), codes(&settled)), ("went on", vec![code]), "{settled:?}");
    }
    real.end().await;
}

#[tokio::test]
async fn a_model_that_the_host_does_not_have_is_refused_before_anything_is_asked() {
    let Some(real) = Real::start().await else { return };
    let mut wrong = profile("a", WorkerKind::Agent);
    wrong.model = Some("stub/stab".to_owned());
    let pool = real.pool([wrong]);
    let error = pool.place(&dispatch("a", WorkerKind::Agent, "go")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Model);
    assert_eq!(error.message, "worker `a`: provider `stub` has no model `stab`: did you mean `stub/stub`?");
    assert_eq!(real.prompts(), 0);
    real.end().await;
}

/// One bench after the other on the same real host. Each check holds at most one prompt.
struct LiveBench {
    real: Arc<Real>,
    kind: WorkerKind,
    run: String,
    parent: String,
    worker: Arc<dyn Worker>,
    before: usize,
    /// What owns the server of a worker that has one: as in a process that dies, it goes before the next one comes.
    owner: Mutex<Option<Pool>>,
}

impl LiveBench {
    async fn new(real: Arc<Real>, kind: WorkerKind) -> Self {
        let parent = world::parent(&real.host).await;
        let ((worker, owner), before) = (real.worker(kind), real.prompts());
        let (run, owner) = (format!("run_{before}_{}", &parent[parent.len() - 8..]), Mutex::new(owner));
        Self { run, real, kind, parent, worker, before, owner }
    }
}

impl Real {
    fn worker(&self, kind: WorkerKind) -> (Arc<dyn Worker>, Option<Pool>) {
        let worker = profile("w", kind);
        let host = Arc::new(self.host.clone());
        match kind {
            WorkerKind::Agent => (Arc::new(OpenCodeWorker::agent(Arc::new(worker), host)), None),
            WorkerKind::Subagent => (Arc::new(OpenCodeWorker::subagent(Arc::new(worker), host)), None),
            WorkerKind::Server => {
                let (id, pool) = (worker.id.clone(), self.pool([worker]));
                (pool.worker(&id, kind).unwrap(), Some(pool))
            }
        }
    }
}

#[async_trait]
impl Bench for LiveBench {
    fn worker(&self) -> Arc<dyn Worker> {
        Arc::clone(&self.worker)
    }

    async fn reborn(&self) -> Arc<dyn Worker> {
        drop(self.owner.lock().unwrap().take());
        let (worker, owner) = self.real.worker(self.kind);
        *self.owner.lock().unwrap() = owner;
        worker
    }

    fn outlives_its_process(&self) -> bool {
        self.kind != WorkerKind::Server
    }

    fn dispatch(&self, attempt: u32, prompt: &str) -> Dispatch {
        let mut dispatch = world::dispatch(self.kind, prompt);
        dispatch.id.attempt = attempt;
        dispatch.id.run = self.run.parse().unwrap();
        dispatch.parent_session = Some(self.parent.clone());
        dispatch
    }

    async fn times_asked(&self) -> usize {
        self.real.prompts() - self.before
    }

    async fn wait_asked(&self, times: usize) {
        self.real.wait_prompts(self.before + times).await;
    }

    fn release(&self) {
        self.real.holds.iter().filter(|hold| hold.arrivals() > 0).for_each(Hold::release);
    }
}

async fn keep_every_promise(kinds: &[WorkerKind]) {
    let Some(real) = Real::start().await else { return };
    let real = Arc::new(real);
    for kind in kinds {
        let bench = async || Box::new(LiveBench::new(Arc::clone(&real), *kind).await) as Box<dyn Bench>;
        worker_suite(bench).await.unwrap_or_else(|findings| panic!("{kind}: {findings}"));
    }
    let Some(real) = Arc::into_inner(real) else { panic!("a bench outlived its suite") };
    real.end().await;
}

#[tokio::test]
async fn in_process_workers_keep_every_promise_on_a_real_host() {
    keep_every_promise(&[WorkerKind::Agent, WorkerKind::Subagent]).await;
}

#[tokio::test]
async fn a_server_worker_keeps_every_promise_on_a_real_host() {
    keep_every_promise(&[WorkerKind::Server]).await;
}
