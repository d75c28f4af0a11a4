//! `orch ask` and `orch open`: talking to a worker, and its session on the screen.

use std::io::Write as _;

use orch::{Shown, ux::text::printable};
use serde_json::json;

use super::{print, print_json};
use crate::{
    args::{AskArgs, OpenArgs},
    exit::{Exit, Failure},
    heard::Heard,
    project::Project,
    report::Report,
};

pub(crate) async fn ask(project: &Project, args: AskArgs, json: bool) -> Result<Exit, Failure> {
    let orchestrator = project.orchestrator(project.config(json)?, &args.host).await?;
    let mut heard = Heard::of(&orchestrator);
    let worker = orchestrator.worker(&args.worker).await?;
    let question = args.question.join(" ");
    let answer = heard.during(&mut Report::Aside, orchestrator.ask(&args.worker, &question)).await?;
    orchestrator.shutdown().await;
    let answer = answer?;
    if json {
        print_json(&json!({
            "worker": worker.worker,
            "session": worker.session,
            "text": answer.text,
            "warnings": answer.warnings,
        }))?;
        return Ok(Exit::Success);
    }
    for warning in &answer.warnings {
        writeln!(std::io::stderr().lock(), "warning: {}", printable(&warning.message))?;
    }
    print(&printable(&answer.text))?;
    Ok(Exit::Success)
}

pub(crate) async fn open(project: &Project, args: OpenArgs, json: bool) -> Result<Exit, Failure> {
    let orchestrator = project.orchestrator(project.config(json)?, &args.host).await?;
    let what = if args.back { Shown::Parent } else { Shown::Worker };
    let shown = orchestrator.open(&args.worker, what).await;
    orchestrator.shutdown().await;
    let shown = shown?;
    if json {
        print_json(&json!({ "session": shown }))?;
    } else {
        print(&format!("shows {shown}"))?;
    }
    Ok(Exit::Success)
}
