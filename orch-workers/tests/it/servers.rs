//! Servers of a worker's own, with a program that stands in for OpenCode: this test binary, run again.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use orch_config::{
    Config, Profile, Trust,
    id::ProfileId,
    kind::WorkerKind,
    permission::{PermissionAction, PermissionRule},
};
use orch_opencode::simulator::{Answer, Hold, Script, Simulator, SimulatorOptions, When};
use orch_workers::{
    Pool, PoolBuilder,
    testing::{ANSWER, HELD},
    worker::{Context, WorkerEvent, WorkerStatus},
};
use orch_workflow::{
    attempt::{ErrorCode, Outcome},
    port::{Dispatch, Probe, StepExecutor as _, Update},
    status::CautionCode,
};
use tempfile::TempDir;

use crate::world::{self, outcome, patience, profile, wait_for};

/// Set for the stand-in only.
const STAND_IN: &str = "STAND_IN_FOR_OPENCODE";

/// Not a test by itself: the stand-in's `main`. It is a simulated host that holds prompts that say so until a file is there,
/// and keeps a child in a process group of its own, as a tool would. It listens once as many are started as another file
/// says.
#[tokio::test]
async fn stand_in() {
    let Ok(directory) = std::env::var(STAND_IN) else { return };
    let directory = PathBuf::from(directory);
    let held = Answer::text(ANSWER).held(&Hold::until_file(directory.join("release")));
    let script = Script::new().on(When::prompt(HELD), held).otherwise(ANSWER);
    let options = SimulatorOptions::new(script)
        .password(std::env::var("OPENCODE_SERVER_PASSWORD").unwrap())
        .directory(std::env::current_dir().unwrap().to_string_lossy());
    let simulator = Simulator::start(options).await.unwrap();
    let tool = tokio::process::Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
    let log = |name: &str, line: String| {
        let file = fs::OpenOptions::new().create(true).append(true).open(directory.join(name));
        file.unwrap().write_all(line.as_bytes()).unwrap();
    };
    log("data", format!("{}\n", std::env::var("XDG_DATA_HOME").unwrap()));
    log("pids", format!("{} {}\n", std::process::id(), tool.id().unwrap()));
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let together = read("together").parse().unwrap_or(1);
    while read("pids").lines().count() < together {
        tokio::task::yield_now().await;
    }
    println!("opencode server listening on {}", simulator.url());
    simulator.wait_model_log(|_| false).await;
}

/// A project, a state directory and the stand-in's own files.
pub(crate) struct Yard {
    root: TempDir,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["project", "stand-in"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let yard = Self { root };
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 1.18.33; exit 0; fi\n{STAND_IN}={} exec {} --exact \
             servers::stand_in --nocapture\n",
            yard.path("stand-in").display(),
            std::env::current_exe().unwrap().display(),
        );
        yard.program("opencode", &script);
        yard
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A pool with two server workers; its given host has nothing to do with them.
    fn builder(&self, simulator: &Simulator) -> PoolBuilder {
        self.builder_with(simulator, profile("w", WorkerKind::Server))
    }

    pub(crate) fn builder_with(&self, simulator: &Simulator, worker: Profile) -> PoolBuilder {
        let mut config = Config::builtin();
        config.insert_profile(profile("v", WorkerKind::Server));
        config.insert_profile(worker);
        self.builder_of(simulator, config)
    }

    fn builder_of(&self, simulator: &Simulator, config: Config) -> PoolBuilder {
        let directory = self.path("project");
        let host = orch_opencode::HttpOpenCode::builder(simulator.url(), directory.to_string_lossy());
        Pool::builder(Arc::new(config), Arc::new(host.build().unwrap()))
            .server_command([self.path("opencode")])
            .state_dir(self.path("state"))
            .environment(self.environment())
            .patience(patience())
    }

    pub(crate) fn environment(&self) -> [(String, String); 2] {
        let path = ("PATH".to_owned(), std::env::var("PATH").unwrap());
        let home = ("HOME".to_owned(), self.path("home").to_string_lossy().into_owned());
        [path, home]
    }

    /// The data directory of every stand-in so far.
    pub(crate) fn data(&self) -> Vec<PathBuf> {
        let log = fs::read_to_string(self.path("stand-in/data")).unwrap_or_default();
        log.lines().map(PathBuf::from).collect()
    }

    /// The processes of every stand-in so far: server and tool.
    pub(crate) fn pids(&self) -> Vec<(u32, u32)> {
        let log = fs::read_to_string(self.path("stand-in/pids")).unwrap_or_default();
        let pids = log.lines().map(|line| line.split_once(' ').unwrap());
        pids.map(|(server, tool)| (server.parse().unwrap(), tool.parse().unwrap())).collect()
    }

    pub(crate) fn kill_the_server(&self) {
        kill(self.pids()[0].0);
    }

    /// The tool of a server that somebody killed is nobody's child any more.
    pub(crate) fn has_orphans(&self) -> bool {
        self.pids().into_iter().any(|(server, tool)| !alive(server) && alive(tool))
    }

    pub(crate) fn release(&self) {
        fs::write(self.path("stand-in/release"), "").unwrap();
    }

    pub(crate) fn anything_alive(&self) -> bool {
        self.pids().into_iter().any(|(server, tool)| alive(server) || alive(tool))
    }
}

/// A zombie has ended.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

pub(crate) fn kill(pid: u32) {
    signal("-9", pid);
}

/// The process is there, its connections are open, and it answers nothing.
fn hang(pid: u32) {
    signal("-STOP", pid);
}

fn signal(name: &str, pid: u32) {
    let status = std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn dispatch(prompt: &str) -> Dispatch {
    world::dispatch(WorkerKind::Server, prompt)
}

async fn elsewhere() -> Simulator {
    world::simulator(Script::new()).await
}

#[tokio::test]
async fn a_server_worker_starts_when_needed_and_leaves_nothing_behind() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let pool = yard.builder(&simulator).build();
    assert!(yard.pids().is_empty(), "nothing is started before it is needed");
    let dispatch = dispatch("go");
    let placement = pool.place(&dispatch).await.unwrap();
    let task = pool.send(&placement.locator, &dispatch).await.unwrap();
    let (_, settled) = outcome(task).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), (ANSWER, Outcome::Ok), "{settled:?}");
    assert_eq!(simulator.sessions().len(), 0, "the given host has no part in it");
    assert_eq!(yard.pids().len(), 1);
    assert!(yard.anything_alive());

    let report = pool.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.ended.len(), 1);
    assert_eq!(report.ended[0].pid, yard.pids()[0].0);
    assert!(!yard.anything_alive(), "the tool in its own process group is gone too");
}

#[tokio::test]
async fn every_change_of_a_worker_on_a_server_is_told() {
    use WorkerStatus::{Busy, Ready, Starting, Stopped};

    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let heard: Arc<Mutex<Vec<WorkerEvent>>> = Arc::default();
    let told = Arc::clone(&heard);
    let pool = yard.builder(&simulator).on_worker(move |event| told.lock().unwrap().push(event)).build();
    let dispatch = dispatch("go");
    let placement = pool.place(&dispatch).await.unwrap();
    outcome(pool.send(&placement.locator, &dispatch).await.unwrap()).await;
    pool.shutdown(Duration::from_secs(5)).await;

    let heard = heard.lock().unwrap();
    let mut changes: Vec<_> = heard.iter().map(|event| event.status).collect();
    changes.dedup();
    assert_eq!(changes, [Starting, Ready, Busy, Ready, Stopped]);
    let notes: Vec<_> = heard.iter().filter_map(|event| event.note.as_deref()).collect();
    assert_eq!(
        notes,
        [
            "waiting until it listens",
            "waiting for its first answer, which may take minutes while plugins are installed"
        ]
    );
    for event in &*heard {
        let of_run = (event.status != Stopped).then_some(&dispatch.id.run);
        assert_eq!(
            (event.worker.as_str(), event.kind, event.run.as_ref()),
            ("w", WorkerKind::Server, of_run)
        );
    }
}

#[tokio::test]
async fn a_server_in_a_project_that_is_not_trusted_says_what_it_leaves_out() {
    for (trust, said) in [(Trust::Untrusted, 1), (Trust::Trusted, 0)] {
        let (yard, simulator) = (Yard::new(), elsewhere().await);
        let mut config = Config::builtin();
        config.trust = trust;
        config.insert_profile(profile("w", WorkerKind::Server));
        let heard: Arc<Mutex<Vec<WorkerEvent>>> = Arc::default();
        let told = Arc::clone(&heard);
        let observer = move |event| told.lock().unwrap().push(event);
        let pool = yard.builder_of(&simulator, config).on_worker(observer).build();
        assert!(pool.warm_up([ProfileId::new("w").unwrap()]).await.is_empty());
        pool.shutdown(Duration::from_secs(5)).await;

        let heard = heard.lock().unwrap();
        let warnings: Vec<_> = heard.iter().filter_map(|event| event.warning.as_ref()).collect();
        assert_eq!(warnings.len(), said, "{trust:?}: {heard:?}");
        assert!(warnings.iter().all(|warning| warning.code == CautionCode::NotTrusted), "{warnings:?}");
    }
}

#[tokio::test]
async fn dropping_the_pool_kills_what_runs_even_while_it_works() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let pool = yard.builder(&simulator).build();
    let dispatch = dispatch(HELD);
    let placement = pool.place(&dispatch).await.unwrap();
    let _task = pool.send(&placement.locator, &dispatch).await.unwrap();
    drop(pool);
    assert!(!yard.anything_alive());
}

#[tokio::test]
async fn servers_start_side_by_side_each_on_data_of_its_own() {
    const WORKERS: [&str; 4] = ["v", "w", "x", "y"];
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let mut config = Config::builtin();
    for id in WORKERS {
        config.insert_profile(profile(id, WorkerKind::Server));
    }
    let pool = yard.builder_of(&simulator, config).build();
    // None listens before all others run.
    fs::write(yard.path("stand-in/together"), WORKERS.len().to_string()).unwrap();
    let ids = WORKERS.map(|id| ProfileId::new(id).unwrap());
    assert!(pool.warm_up(ids).await.is_empty());
    let mut homes: Vec<_> = fs::read_dir(yard.path("state/servers"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "records")
        .map(|name| name.split_once('-').unwrap().0.to_owned())
        .collect();
    homes.sort();
    assert_eq!(homes, WORKERS);
    // Another program in the same project at the same time.
    let second = yard.builder(&simulator).build();
    second.place(&dispatch("go")).await.unwrap();
    assert_eq!(fs::read_dir(yard.path("state/servers")).unwrap().count(), 6, "w, w-2, v, x, y, records");
    for pool in [pool, second] {
        assert!(pool.shutdown(Duration::from_secs(5)).await.is_clean());
    }
    assert!(!yard.anything_alive());
}

#[tokio::test]
async fn a_server_that_dies_under_a_step_is_started_again_and_the_step_is_lost_not_repeated() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let pool = yard.builder(&simulator).build();
    let dispatch = dispatch(HELD);
    let placement = pool.place(&dispatch).await.unwrap();
    let mut task = pool.send(&placement.locator, &dispatch).await.unwrap();
    kill(yard.pids()[0].0);
    let restarted = |update: &Update| match update {
        Update::Warned(warning) => Some(warning.message.clone()),
        _ => None,
    };
    assert_eq!(wait_for(&mut task, restarted).await, "the worker's server was started again");
    assert!(!alive(yard.pids()[0].1), "the tool of the dead server does not work on beside the new one");
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.error.unwrap().code, ErrorCode::WorkerLost);
    assert_eq!(yard.pids().len(), 2);
    pool.shutdown(Duration::from_secs(5)).await;
    assert!(!yard.anything_alive());
}

/// `healthCheckInterval`: a server that hangs is told from one that takes its time, ended and started again.
#[tokio::test]
async fn a_server_that_answers_no_health_check_is_ended_and_started_again() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let mut config = Config::builtin();
    config.insert_profile(profile("w", WorkerKind::Server));
    config.health_check_interval_ms = 100;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let observer = move |event: WorkerEvent| {
        if event.status == WorkerStatus::Failed {
            tell.send(event.note.unwrap_or_default()).unwrap_or_default();
        }
    };
    let pool = yard.builder_of(&simulator, config).on_worker(observer).build();
    let dispatch = dispatch(HELD);
    let placement = pool.place(&dispatch).await.unwrap();
    let mut task = pool.send(&placement.locator, &dispatch).await.unwrap();
    let (server, tool) = yard.pids()[0];
    hang(server);
    let restarted = |update: &Update| match update {
        Update::Warned(warning) => Some(warning.message.clone()),
        _ => None,
    };
    assert_eq!(wait_for(&mut task, restarted).await, "the worker's server was started again");
    let note = told.recv().await.unwrap();
    assert!(note.starts_with("its server at http://127.0.0.1:"), "{note}");
    assert!(note.ends_with(" answered none of 3 health checks and was ended"), "{note}");
    assert!(!alive(server) && !alive(tool), "the one that hung is gone, and what it had started");
    let (_, settled) = outcome(task).await;
    assert_eq!(settled.error.unwrap().code, ErrorCode::WorkerLost);
    assert!(pool.shutdown(Duration::from_secs(5)).await.is_clean());
    assert!(!yard.anything_alive());
}

/// A machine that sleeps, or a debugger: what comes back before it counts as dead goes on.
#[tokio::test]
async fn a_server_that_is_suspended_for_a_moment_goes_on_with_its_step() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let mut config = Config::builtin();
    config.insert_profile(profile("w", WorkerKind::Server));
    config.health_check_interval_ms = 1_000;
    let pool = yard.builder_of(&simulator, config).build();
    let dispatch = dispatch(HELD);
    let placement = pool.place(&dispatch).await.unwrap();
    let mut task = pool.send(&placement.locator, &dispatch).await.unwrap();
    let (server, _) = yard.pids()[0];
    hang(server);
    let asked = tokio::time::timeout(Duration::from_millis(500), pool.probe(&placement.locator, &dispatch));
    assert!(asked.await.is_err(), "it answers nothing meanwhile");
    signal("-CONT", server);
    yard.release();
    let settled = |update: &Update| match update {
        Update::Settled(settled) => Some(settled.clone()),
        _ => None,
    };
    let settled = wait_for(&mut task, settled).await;
    assert_eq!((settled.text.as_str(), settled.outcome()), (ANSWER, Outcome::Ok), "{settled:?}");
    assert!(task.next().await.is_none(), "it settles once");
    assert_eq!(yard.pids().len(), 1, "it was not started again");
    assert!(pool.shutdown(Duration::from_secs(5)).await.is_clean());
}

/// `basePort`, a profile's `port` and `temperature`, and that there is nothing to undo where nothing may change: a taken
/// port is skipped, and the program is told the rest.
#[tokio::test]
async fn the_settings_for_servers_reach_the_program() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let called = yard.path("called");
    let script = fs::read_to_string(yard.path("opencode")).unwrap();
    let log = format!(
        "echo \"$* mine=$MINE guard=$ORCH_WORKER db=$OPENCODE_DB temperature=$ORCH_TEMPERATURE \
         settings=$OPENCODE_CONFIG_CONTENT\" >> {}\n",
        called.display()
    );
    yard.program("opencode", &script.replace("exit 0; fi\n", &format!("exit 0; fi\n{log}")));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = taken.local_addr().unwrap().port();

    let mut config = Config::builtin();
    config.base_port = base;
    config.insert_profile(profile("plain", WorkerKind::Server));
    let mut warm = profile("warm", WorkerKind::Server);
    (warm.temperature, warm.port) = (Some(0.25), Some(base));
    // What a configuration of this kind is refused for does nothing either where nobody has checked it.
    for (name, value) in [("MINE", "yes"), ("ORCH_WORKER", ""), ("OPENCODE_DB", "/theirs")] {
        warm.env.0.insert(name.to_owned(), value.to_owned());
    }
    config.insert_profile(warm);
    let mut reader = profile("reader", WorkerKind::Server);
    reader.permission =
        ["edit", "bash", "task"].map(|tool| PermissionRule::new(tool, "*", PermissionAction::Deny)).into();
    config.insert_profile(reader);
    let pool = yard.builder_of(&simulator, config).build();
    for worker in ["plain", "warm", "reader"] {
        let worker = pool.worker(&ProfileId::new(worker).unwrap(), WorkerKind::Server).unwrap();
        worker.ready(&Context::default()).await.unwrap();
    }
    pool.shutdown(Duration::from_secs(5)).await;

    let called = fs::read_to_string(called).unwrap();
    let calls: Vec<_> = called.lines().collect();
    let port = |call: &str| -> u16 {
        call.split_once("--port")
            .unwrap()
            .1
            .trim_start_matches(['=', ' '])
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let said: Vec<_> = calls.iter().map(|call| call.split_once("mine=").unwrap().1).collect();
    assert_eq!(
        said,
        [
            r#" guard=1 db= temperature= settings={"autoupdate":false}"#,
            r#"yes guard=1 db= temperature=0.25 settings={"autoupdate":false}"#,
            r#" guard=1 db= temperature= settings={"autoupdate":false,"snapshot":false}"#,
        ]
    );
    for call in calls {
        assert!((base + 1..base.saturating_add(64)).contains(&port(call)), "{base}: {call}");
    }
}

#[tokio::test]
async fn a_server_that_keeps_dying_is_given_up() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let mut restless = profile("w", WorkerKind::Server);
    restless.restart.max_restarts = 0;
    let pool = yard.builder_with(&simulator, restless).build();
    let worker = pool.worker(&ProfileId::new("w").unwrap(), WorkerKind::Server).unwrap();
    let cx = Context::default();
    let placement = worker.place(&cx, &dispatch(HELD)).await.unwrap();
    let task = worker.send(&cx, &placement.locator, &dispatch(HELD)).await.unwrap();
    kill(yard.pids()[0].0);
    let error = outcome(task).await.1.error.unwrap();
    assert_eq!(error.code, ErrorCode::WorkerLost);
    assert!(error.message.contains("was started 1 times within"), "{error}");
    assert!(!yard.anything_alive());
}

#[tokio::test]
async fn a_program_that_is_missing_or_broken_is_named() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    yard.program("broken", "#!/bin/sh\necho kaputt >&2\nexit 3\n");
    let table = [
        ("nowhere", ErrorCode::SpawnFailed, "there is no such program"),
        ("broken", ErrorCode::SpawnFailed, "kaputt"),
    ];
    for (program, code, words) in table {
        let pool = yard.builder(&simulator).server_command([yard.path(program)]).build();
        let error = pool.place(&dispatch("go")).await.unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.starts_with("worker `w`: ") && error.message.contains(words), "{error}");
        let status: Vec<_> = pool.workers().into_iter().map(|event| event.status).collect();
        assert_eq!(status, [WorkerStatus::Failed]);
    }
}

#[tokio::test]
async fn a_prompt_on_a_server_can_be_probed_aborted_and_sent_again() {
    let (yard, simulator) = (Yard::new(), elsewhere().await);
    let pool = yard.builder(&simulator).build();
    let dispatch = dispatch(HELD);
    let placement = pool.place(&dispatch).await.unwrap();
    assert!(matches!(pool.probe(&placement.locator, &dispatch).await, Probe::NeverArrived));
    let task = pool.send(&placement.locator, &dispatch).await.unwrap();
    assert!(matches!(pool.probe(&placement.locator, &dispatch).await, Probe::Running(_)));
    pool.abort(&placement.locator).await.unwrap();
    assert_eq!(outcome(task).await.1.error.unwrap().code, ErrorCode::Aborted);
    yard.release();
    let task = pool.send(&placement.locator, &dispatch).await.unwrap();
    assert_eq!(outcome(task).await.1.text, ANSWER);
    pool.shutdown(Duration::from_secs(5)).await;
}
