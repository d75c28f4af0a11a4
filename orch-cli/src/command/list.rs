//! The commands that show what could be run: `plan`, `workflows`.

use orch::{
    config::budget::Budget,
    ux::text::{duration, plain, printable},
    workflow::plan::Plan,
};
use serde_json::json;

use super::{print, print_json};
use crate::{
    args::PlanArgs,
    exit::{Exit, Failure},
    project::Project,
};

pub(crate) fn plan(project: &Project, args: &PlanArgs, json: bool) -> Result<Exit, Failure> {
    let config = project.config(json)?;
    let plan = Plan::compile(&config, &args.workflow).map_err(orch::Error::from)?;
    if json {
        let worst = plan.worst_case();
        let mut shown = json!(plan);
        shown["mermaid"] = plan.mermaid().into();
        shown["worstCase"] = json!({
            "steps": worst.steps, "attempts": worst.attempts, "handoffs": worst.handoffs, "repairs": worst.repairs,
            "prompts": worst.prompts, "activeMs": worst.active_ms, "elapsedMs": worst.elapsed_ms,
        });
        print_json(&shown)?;
    } else if args.mermaid {
        print(&printable(&plan.mermaid()))?;
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
    text.push_str(&printable(&plan.tree()));
    let worst = plan.worst_case();
    let several =
        |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let mut kinds = vec![several(worst.attempts, "attempt", "attempts")];
    kinds.extend((worst.handoffs > 0).then(|| several(worst.handoffs, "hand-off", "hand-offs")));
    kinds.extend(
        (worst.repairs > 0).then(|| several(worst.repairs, "repair of an answer", "repairs of answers")),
    );
    let (active, elapsed) = (duration(worst.active_ms), duration(worst.elapsed_ms));
    let prompts = match kinds.len() {
        1 => kinds.concat(),
        _ => format!("{} prompts ({})", worst.prompts, kinds.join(", ")),
    };
    let elapsed = if elapsed == active { String::new() } else { format!(", {elapsed} by the clock") };
    let bounds = bounds(&plan.budget);
    text.push_str(&format!("worst case: {prompts}, {active} at work{elapsed}{bounds}\n"));
    text
}

/// What the whole run may spend.
fn bounds(budget: &Budget) -> String {
    let tokens = budget.max_tokens.map(|tokens| format!("{tokens} tokens"));
    let dollars = budget.max_cost_usd.map(|dollars| format!("{dollars} US dollars"));
    let bounds: Vec<_> = tokens.into_iter().chain(dollars).collect();
    if bounds.is_empty() { String::new() } else { format!(", within {}", bounds.join(" and ")) }
}
