//! `orch demo`: the main job, on hosts that need nothing.

use std::{path::Path, sync::Arc};

use orch::{
    Decision, DecisionRequest, Host, Orchestrator, RunRequest, RunStatus,
    config::{Config, Trust, policy::Intervene},
    opencode::{
        HttpOpenCode, OpenCode,
        simulator::{DEMO_TASK, ScriptedModel, Simulator, SimulatorOptions, demo_script},
    },
};

use crate::{
    args::DemoArgs,
    exit::{Exit, Failure},
    follow::{AtGate, follow},
    heard::Heard,
    report::Report,
};

const WORKFLOW: &str = "build";

pub(crate) async fn demo(args: &DemoArgs, json: bool) -> Result<Exit, Failure> {
    let scratch = tempfile::Builder::new().prefix("orch-demo-").tempdir()?;
    let project = scratch.path().join("project");
    std::fs::create_dir(&project)?;
    let mut report = Report::new(json);
    let ended = match &args.opencode {
        None => on_simulator(&project, &mut report).await,
        Some(program) => on_opencode(scratch.path(), &project, program.as_deref(), &mut report).await,
    };
    scratch.close()?;
    ended
}

/// The host and the model are simulated, in this process.
async fn on_simulator(project: &Path, report: &mut Report) -> Result<Exit, Failure> {
    report.say("A simulated OpenCode and a scripted model: no key, no network, no set-up.\n")?;
    let directory = project.to_string_lossy().into_owned();
    let simulator = Simulator::start(SimulatorOptions::new(demo_script()).directory(&directory)).await?;
    let client = HttpOpenCode::builder(simulator.url(), &directory).build().map_err(orch::Error::from)?;
    let client: Arc<dyn OpenCode> = Arc::new(client);
    let orchestrator =
        Orchestrator::builder(project).config(Config::builtin()).host(Host::client(client)).build().await?;
    let ended = play(&orchestrator, report).await;
    orchestrator.shutdown().await;
    simulator.shutdown();
    ended
}

/// The host is the real one, started for the demo with everything of its own; only the model is scripted.
async fn on_opencode(
    scratch: &Path,
    project: &Path,
    program: Option<&Path>,
    report: &mut Report,
) -> Result<Exit, Failure> {
    report
        .say("A real OpenCode with a scripted model: no key, no network, nothing of yours is touched.\n")?;
    let program = match program {
        Some(program) => program.as_os_str().to_owned(),
        None => {
            std::env::var_os("ORCH_OPENCODE").filter(|path| !path.is_empty()).unwrap_or("opencode".into())
        }
    };
    let model = ScriptedModel::start(demo_script()).await?;
    let home = scratch.join("home");
    std::fs::create_dir(&home)?;
    let own = [
        ("HOME", home.clone().into_os_string()),
        ("XDG_CONFIG_HOME", home.join("config").into_os_string()),
        ("XDG_DATA_HOME", home.join("data").into_os_string()),
        ("XDG_STATE_HOME", home.join("state").into_os_string()),
        ("XDG_CACHE_HOME", home.join("cache").into_os_string()),
        ("OPENCODE_CONFIG_CONTENT", model.opencode_config().to_string().into()),
    ];
    let inherited =
        std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LANG" || name == "TMPDIR");
    let environment = inherited.chain(own.map(|(name, value)| (name.into(), value)));
    let mut config = Config::builtin();
    // The project is the demo's own, and has nothing that could be left out.
    config.trust = Trust::Trusted;
    let orchestrator = Orchestrator::builder(project)
        .config(config)
        .host(Host::launch([program]))
        .state_at(scratch.join("state"))
        .environment(environment)
        .build()
        .await?;
    let ended = play(&orchestrator, report).await;
    orchestrator.shutdown().await;
    model.shutdown();
    ended
}

/// Runs the workflow and answers its gates, saying why.
async fn play(orchestrator: &Orchestrator, report: &mut Report) -> Result<Exit, Failure> {
    let mut events = Heard::of(orchestrator);
    let request = RunRequest::new(WORKFLOW, DEMO_TASK).intervene(Intervene::OnWarning).unattended();
    let run = events.during(report, orchestrator.run(request)).await??;
    let id = run.id().clone();
    let mut ended = follow(orchestrator, run, events, report, AtGate::Exit).await?;
    while ended == Exit::Paused {
        let view = orchestrator.view(&id).await?;
        let Some(gate) = view.gate.filter(|_| view.status == RunStatus::Paused) else { break };
        report.say(
            "\nThe demo answers for you: continue, because the remark is what the next step is there to fix.\n",
        )?;
        let events = Heard::of(orchestrator);
        let decision = DecisionRequest::new(Decision::Continue, "demo").at(gate.id);
        ended = match orchestrator.decide(&id, decision).await?.run {
            Some(run) => follow(orchestrator, run, events, report, AtGate::Exit).await?,
            None => return Ok(Exit::Error),
        };
    }
    Ok(ended)
}
