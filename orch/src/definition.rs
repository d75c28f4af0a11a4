//! What has become of a workflow's definition while its run waited.

use orch_config::Config;
use orch_ux::view::task::is_single;
use orch_workflow::plan::Plan;

/// What is different in the configuration, in words; `None` where it means the same. A task for one worker stands in no
/// configuration.
pub(crate) fn change(config: &Config, journaled: &Plan) -> Option<String> {
    let workflow = &journaled.workflow;
    if is_single(workflow) {
        return None;
    }
    if config.workflow(workflow.as_str()).is_none() {
        return Some(format!("there is no workflow {workflow} any more"));
    }
    match Plan::compile(config, workflow.as_str()) {
        Ok(present) => journaled.difference(&present),
        Err(error) => {
            let problems: Vec<_> = error.problems.into_iter().map(|problem| problem.message).collect();
            Some(format!("it cannot run as it is now ({})", problems.join("; ")))
        }
    }
}
