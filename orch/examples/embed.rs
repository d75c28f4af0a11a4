//! The smallest embedding: run a workflow, go on at its gates, see how it ends.
//!
//! It works on a simulated OpenCode, so that it needs no key and no network. For a real one only the host changes:
//! `Host::launch(["opencode"])` starts one, `Host::server("http://127.0.0.1:4096")` uses one that runs.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use orch::{
    opencode::simulator::{DEMO_TASK, Simulator, SimulatorOptions, demo_script},
    prelude::*,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opencode = Simulator::start(SimulatorOptions::new(demo_script())).await?;

    let orchestrator =
        Orchestrator::builder(opencode.directory()).host(Host::server(opencode.url())).build().await?;

    let request = RunRequest::new("build", DEMO_TASK).intervene(Intervene::OnWarning);
    let mut run = orchestrator.run(request).await?;
    while let Some(gate) = run.wait().await?.gate {
        println!("gate after {}: {}", gate.step, gate.message);
        let decision = DecisionRequest::new(Decision::Continue, "example").at(gate.id);
        run = orchestrator.decide(run.id(), decision).await?.run.ok_or("another process drives the run")?;
    }

    let view = run.view();
    println!("{}: {}, {} tokens", view.id, view.status.as_str(), view.tokens.input + view.tokens.output);
    orchestrator.shutdown().await;
    if view.status == RunStatus::Success { Ok(()) } else { Err("the run did not succeed".into()) }
}
