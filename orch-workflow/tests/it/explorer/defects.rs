//! The explorer finds what is broken on purpose.

use orch_workflow::testing::{
    Explorer,
    explorer::{Defect, FindingKind},
};

use crate::machine::story::{plan, step, workflow};

fn two_steps() -> Explorer {
    Explorer::new(plan(workflow([step("one"), step("two")])))
}

#[test]
fn a_sound_world_has_no_findings() {
    let explored = two_steps().with_crashes(2).explore();
    assert_eq!(explored.findings, []);
    assert!(explored.points > 100, "{explored}");
}

#[test]
fn a_store_that_loses_a_commit_doubles_prompts() {
    let explored = two_steps().with_defect(Defect::StoreLosesACommit).explore();
    assert!(explored.doubled > 0, "{explored}");
}

#[test]
fn a_host_that_forgets_arrivals_doubles_prompts() {
    let explored = two_steps().with_defect(Defect::HostForgetsArrivals).explore();
    assert!(explored.doubled > 0, "{explored}");
}

#[test]
fn a_host_that_forgets_answers_ends_otherwise() {
    let explored = two_steps().with_defect(Defect::HostForgetsAnswers).explore();
    assert!(explored.findings.iter().any(|finding| finding.kind == FindingKind::Outcome), "{explored}");
}
