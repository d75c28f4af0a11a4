//! What is checked before a run exists: everything that can be known without spending a token.

use orch_config::{id::StepId, kind::ExecutionMode};
use orch_workers::{Need, Pool};
use orch_workflow::{
    attachment::Attachment,
    plan::{Plan, PlanStep},
    status::Caution,
};

use crate::{
    error::{Error, ErrorKind},
    request::Parent,
};

/// # Errors
/// There is no task, or it is longer than the workflow takes.
pub(crate) fn task(plan: &Plan, task: &str) -> Result<(), Error> {
    if task.trim().is_empty() {
        let message = format!("run workflow {}: the task is missing", plan.workflow);
        return Err(Error::new(ErrorKind::Usage, "orch::run::no-task", message)
            .with_help("say in a sentence or more what is to be done"));
    }
    let (chars, most) = (task.chars().count(), plan.limits.max_task_chars);
    if u32::try_from(chars).is_ok_and(|chars| chars <= most) {
        return Ok(());
    }
    let message =
        format!("run workflow {}: the task has {chars} characters, {most} are allowed", plan.workflow);
    Err(Error::new(ErrorKind::Usage, "orch::run::task-too-long", message).with_help(
        "put the details into a file of the project and name it in the task, or raise maxTaskChars of the workflow",
    ))
}

/// The parent session that a run begins with.
///
/// # Errors
/// The host has no such session, or cannot be asked.
pub(crate) async fn parent(pool: &Pool, parent: Parent, plan: &Plan) -> Result<Option<String>, Error> {
    let talks = || plan.steps.iter().any(|step| step.execution == ExecutionMode::Foreground);
    match parent {
        Parent::Given(session) => {
            pool.check_parent(&session).await??;
            Ok(Some(session))
        }
        Parent::Automatic if talks() => Ok(pool.latest_parent(&plan.workflow, &plan.name).await?),
        Parent::Automatic | Parent::New => Ok(None),
    }
}

/// What people should know about the workers of the steps.
///
/// # Errors
/// Every worker of a step that cannot be had: the host has no such agent, model or skill, or there is no way to start
/// its server.
///
/// Steps that have their result already need nobody.
pub(crate) async fn workers(
    pool: &Pool,
    plan: &Plan,
    files: &[Attachment],
    reused: &[&StepId],
) -> Result<Vec<Caution>, Error> {
    let images = || files.iter().filter(|file| file.is_image()).map(|file| file.name.clone());
    let need = |step: &PlanStep| {
        let need =
            Need::new(step.worker.clone(), step.kind).with_skills(step.required_skills.iter().cloned());
        if plan.comes_first(step) { need.with_images(images()) } else { need }
    };
    let begin = || plan.steps.iter().filter(|step| !reused.contains(&&step.id)).map(need);
    match Error::every(pool.check(begin()).await?) {
        Some(error) => Err(error),
        None => Ok(pool.cautions(begin())),
    }
}
