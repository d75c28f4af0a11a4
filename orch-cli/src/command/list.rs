//! The commands that show what could be run: `plan`, `workflows`.

use orch::{
    config::kind::ExecutionMode,
    ux::text::{duration, plain},
    workflow::plan::Plan,
};
use serde_json::json;

use super::{print, print_json};
use crate::{
    args::WorkflowArgs,
    exit::{Exit, Failure},
    project::Project,
};

pub(crate) fn plan(project: &Project, args: &WorkflowArgs, json: bool) -> Result<Exit, Failure> {
    let config = project.config(json)?;
    let plan = Plan::compile(&config, &args.workflow).map_err(orch::Error::from)?;
    if json {
        print_json(&plan)?;
    } else {
        print(&outline(&plan))?;
    }
    Ok(Exit::Success)
}

pub(crate) fn workflows(project: &Project, json: bool) -> Result<Exit, Failure> {
    let config = project.config(json)?;
    if json {
        let objects: Vec<_> = config
            .workflows
            .values()
            .map(|workflow| {
                let steps: Vec<_> = workflow.steps().map(|step| step.id.as_str()).collect();
                json!({
                    "id": workflow.id, "name": workflow.name, "description": workflow.description, "steps": steps,
                })
            })
            .collect();
        print_json(&objects)?;
        return Ok(Exit::Success);
    }
    let width = config.workflows.keys().map(|id| id.as_str().chars().count()).max().unwrap_or(0);
    for workflow in config.workflows.values() {
        let steps: Vec<_> = workflow.steps().map(|step| step.id.as_str()).collect();
        print(&format!("{:<width$}  {}", workflow.id.as_str(), steps.join(" → ")))?;
        if let Some(description) = &workflow.description {
            print(&format!("{:<width$}  {}", "", plain(description, 100)))?;
        }
    }
    Ok(Exit::Success)
}

fn outline(plan: &Plan) -> String {
    let mut text = format!("{}  {}\n", plan.workflow, plain(&plan.name, 80));
    text.push_str(&format!("execution {}, intervene {}\n", plan.policy.execution, plan.policy.intervene));
    for (index, step) in plan.steps.iter().enumerate() {
        let mode = match step.execution {
            ExecutionMode::Foreground => ", foreground",
            ExecutionMode::Background => "",
        };
        let carry = if step.carry { ", carries its hand-off on" } else { "" };
        text.push_str(&format!(
            "  {}. {}  {} as {}{mode}, at most {}{carry}\n",
            index + 1,
            plain(&step.title, 60),
            step.worker,
            step.kind,
            duration(step.timeout_ms)
        ));
    }
    let worst = plan.worst_case();
    text.push_str(&format!(
        "worst case: {} attempts, {} at work\n",
        worst.attempts,
        duration(worst.active_ms)
    ));
    text
}
