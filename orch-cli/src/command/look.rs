//! The commands that only read: `runs`, `show`, `results`, `output`, `events`.

use std::{io::IsTerminal as _, time::Duration};

use orch::{
    RunView, Runs,
    config::id::StepId,
    ux::{
        command,
        text::{duration, plain, printable},
        view::{self, results},
    },
};
use serde_json::{Value, json};

use super::{decide::run_id, print, print_json, print_page};
use crate::{
    args::{EventsArgs, OutputArgs, RunIdArgs, RunsArgs, ShowArgs},
    exit::{Exit, Failure},
    project::Project,
};

/// How often `events --follow` looks for more: another process may be writing them.
const FOLLOW: Duration = Duration::from_millis(200);

pub(crate) async fn runs(project: &Project, args: &RunsArgs, json: bool) -> Result<Exit, Failure> {
    // One more, to know whether there are more.
    let mut runs = project.reader().await?.runs(Runs::Newest(args.limit.saturating_add(1))).await?;
    let more = runs.len() > args.limit;
    runs.truncate(args.limit);
    if json {
        let objects: Vec<Value> = runs
            .iter()
            .map(|(run, view)| match view {
                Ok(view) => without_text(view),
                Err(error) => {
                    json!({ "id": run, "error": { "code": error.code(), "message": error.to_string() } })
                }
            })
            .collect();
        print_json(&objects)?;
        return Ok(Exit::Success);
    }
    if runs.is_empty() && !more {
        print(&format!("no runs yet; start one with `{}`", command::RUN.form))?;
    }
    for (run, view) in &runs {
        match view {
            Ok(view) => print(&line(view))?,
            Err(error) => print(&format!("{run}  damaged      {error}"))?,
        }
    }
    if more {
        print(&format!("older ones: `orch runs --limit {}`", args.limit.saturating_mul(10).max(10)))?;
    }
    Ok(Exit::Success)
}

pub(crate) async fn show(project: &Project, args: &ShowArgs, json: bool) -> Result<Exit, Failure> {
    let (run, reader) = (run_id(&args.run)?, project.reader().await?);
    if let Some(at) = args.at {
        let (view, last) = reader.view_at(&run, at).await?;
        if json {
            print_json(&json!({ "run": view, "at": at, "last": last }))?;
        } else {
            print(&view::summary_then(&view, last))?;
        }
        return Ok(Exit::Success);
    }
    let view = reader.view(&run).await?;
    if json {
        print_json(&json!({ "run": view }))?;
    } else {
        print(&view::summary(&view))?;
    }
    Ok(Exit::Success)
}

pub(crate) async fn results(project: &Project, args: &RunIdArgs, json: bool) -> Result<Exit, Failure> {
    let results = results::results(&project.reader().await?.view(&run_id(&args.run)?).await?);
    if json {
        print_json(&results)?
    } else {
        print_page(&results.page())?
    }
    Ok(Exit::Success)
}

pub(crate) async fn output(project: &Project, args: &OutputArgs, json: bool) -> Result<Exit, Failure> {
    let view = project.reader().await?.view(&run_id(&args.run)?).await?;
    let step = match &args.step {
        None => None,
        Some(name) => {
            let known = view.steps.iter().find(|step| step.id.as_str() == name);
            let Some(step) = known else {
                let steps: Vec<&str> = view.steps.iter().map(|step| step.id.as_str()).collect();
                return Err(Failure::usage(
                    "orch::run::unknown-step",
                    format!("run {} has no step {name:?}", view.id),
                )
                .help(format!("its steps are {}", steps.join(", "))));
            };
            Some(step.id.clone())
        }
    };
    let Some(text) = view::output(&view, step.as_ref()) else {
        let what = step.map_or_else(|| format!("run {}", view.id), |step: StepId| format!("step {step}"));
        return Err(Failure::new(Exit::Error, "orch::run::no-output", format!("{what} has no result yet"))
            .help(format!("see how it stands with `{}`", command::SHOW.on(&view.id))));
    };
    if json {
        print_json(&json!({ "run": view.id, "step": step, "text": text }))?;
    } else if std::io::stdout().is_terminal() {
        print(&printable(text))?;
    } else {
        print(text)?;
    }
    Ok(Exit::Success)
}

pub(crate) async fn events(project: &Project, args: &EventsArgs) -> Result<Exit, Failure> {
    let orchestrator = project.reader().await?;
    let run = run_id(&args.run)?;
    let mut next = args.from;
    loop {
        for event in orchestrator.events(&run, next).await? {
            next = event.seq + 1;
            print_json(&event)?;
        }
        if !args.follow || orchestrator.view(&run).await?.status.is_terminal() {
            return Ok(Exit::Success);
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

fn line(run: &RunView) -> String {
    let status = if run.interrupted { "interrupted" } else { run.status.as_str() };
    let done = run.steps.iter().filter(|step| step.status.is_over()).count();
    let task = plain(&run.task, 60);
    format!(
        "{}  {status:<11}  {:<16}  {done}/{}  {:>9}  {task}",
        run.id,
        plain(run.workflow.as_str(), 16),
        run.steps.len(),
        duration(run.active_ms)
    )
}

fn without_text(run: &RunView) -> Value {
    let mut object = json!(run);
    if let Some(steps) = object.get_mut("steps").and_then(Value::as_array_mut) {
        for step in steps.iter_mut().filter_map(Value::as_object_mut) {
            step.remove("text");
        }
    }
    object
}
