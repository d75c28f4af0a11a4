//! What format 1 has learned since its grown store: what is known about the workers of a run beforehand, and what becomes
//! of their sessions.

use orch_config::settings::SessionPolicy;
use orch_workflow::{
    record::RunStarted,
    status::{Caution, CautionCode},
};

use super::write::{place, story};
use crate::machine::story::{Story, default_policy, plan, run_started, step, workflow};

/// The process is gone, and nobody has looked since.
pub(super) fn stories() -> Vec<Story> {
    let warnings = vec![
        Caution::new(CautionCode::WithoutEffect, "worker coder: `temperature` has no effect on this host"),
        Caution::new(
            CautionCode::NotTrusted,
            "worker coder: its server leaves out what the project brings along",
        ),
    ];
    let plan = plan(workflow([step("one"), step("two")]));
    let sessions = SessionPolicy::Delete;
    let started = RunStarted { warnings, sessions, ..run_started(plan, default_policy()) };
    let mut story = story("cautioned", started);
    place(&mut story, "one");
    vec![story]
}
