//! From a configuration to a plan: every problem at once, no token spent.

use orch_config::{
    Profile, WorkflowDefinition,
    builder::{Group, Step, Workflow},
    expression::Expression,
    id::{ProfileId, StepId},
    kind::{ExecutionMode, WorkerKind},
    profile::Handoff,
    retry::Retry,
    workflow::GateDefault,
};
use orch_workflow::{
    decision::DecisionKind,
    machine::Machine,
    plan::{Plan, PlanError},
};

use proptest::prelude::*;
use serde_json::json;

use super::story::{config, graph, plan, repeat, step, workflow};

#[test]
fn a_plan_has_everything_resolved() {
    let mut definition = workflow([step("one"), step("two")]);
    definition.steps_mut().nth(1).unwrap().kind = Some(WorkerKind::Subagent);
    definition.gate_timeout_ms = Some(5);
    definition.gate_default = Some(GateDefault::Abort);
    let plan = plan(definition);
    assert_eq!(plan.gate_default, Some(DecisionKind::Abort));
    assert_eq!((plan.steps[0].kind, plan.steps[1].kind), (WorkerKind::Agent, WorkerKind::Subagent));
    assert_eq!(plan.steps[0].needs, []);
    assert_eq!(plan.steps[1].needs, [plan.steps[0].id.clone()]);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn every_problem_is_told_at_once() {
    let mut one = step("one");
    one.worker = ProfileId::new("codr").unwrap();
    one.prompt = "{steps.two.text} {steps.oen.text}".to_owned();
    let mut two = step("two");
    two.kind = Some(WorkerKind::Server);
    two.execution = Some(ExecutionMode::Foreground);
    let mut definition = workflow([one, two, step("two"), step("four")]);
    definition.limits.max_steps = 3;
    definition.gate_timeout_ms = Some(5);
    let error = Plan::compile(&config(definition), "boat").unwrap_err();
    let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(
        codes,
        [
            "orch::config::too-many-steps",
            "orch::config::duplicate-id",
            "orch::config::unknown-worker",
            "orch::config::foreground-server",
            "orch::config::unknown-step",
            "orch::config::unknown-step",
            "orch::plan::gate-default",
        ]
    );
    let text = error.to_string();
    insta::assert_snapshot!(text);
}

#[test]
fn an_unknown_an_empty_and_a_switched_off_workflow_are_refused() {
    let mut config = config(workflow([]));
    let code = |config: &orch_config::Config, id: &str| Plan::compile(config, id).unwrap_err();
    assert_eq!(code(&config, "baot").code(), "orch::plan::unknown-workflow");
    assert!(code(&config, "baot").to_string().contains("did you mean \"boat\"?"));
    assert_eq!(code(&config, "boat").code(), "orch::config::empty-workflow");
    config.workflows_enabled = false;
    assert_eq!(code(&config, "boat").code(), "orch::plan::disabled");
    // Whoever makes an error without a problem still has a code to go by.
    assert_eq!(PlanError { problems: Vec::new() }.code(), "orch::plan::invalid");
}

#[test]
fn a_foreground_step_that_cannot_be_kept_is_refused() {
    let mut one = step("one");
    one.execution = Some(ExecutionMode::Foreground);
    let mut config = config(workflow([one]));
    let mut profile = Profile::new(ProfileId::new("coder").unwrap()).with_kind(WorkerKind::Agent);
    profile.handoff = Handoff::Last;
    config.insert_profile(profile);
    assert_eq!(Plan::compile(&config, "boat").unwrap_err().code(), "orch::plan::handoff-last");
}

#[test]
fn digests_differ_exactly_when_plans_do() {
    let base = plan(workflow([step("one"), step("two")]));
    assert_eq!(base.digest(), plan(workflow([step("one"), step("two")])).digest());
    assert_eq!(base.digest().len(), 64);
    assert_eq!(base.difference(&base.clone()), None);
    let mut reordered = base.clone();
    reordered.steps.reverse();
    let mut renamed = base.clone();
    renamed.name = "ship".to_owned();
    let mut fewer = base.clone();
    fewer.steps.pop();
    let mut slower = base.clone();
    slower.steps[0].timeout_ms += 1;
    slower.steps[0].carry = true;
    let mut set_up_anew = base.clone();
    set_up_anew.steps.iter_mut().for_each(|step| step.profile = Some("another".to_owned()));
    for (other, words) in [
        (reordered, "the order of its steps"),
        (renamed, "its name"),
        (fewer, "step two is gone"),
        (slower, "step one has another carry and timeout"),
        (set_up_anew, "worker coder has another profile, and works by the present one whatever is decided"),
    ] {
        assert_ne!(base.digest(), other.digest());
        assert_eq!(base.difference(&other).as_deref(), Some(words));
    }
}

/// Journals of earlier versions do not say how their workers were set up: that is no reason to stop their runs.
#[test]
fn a_plan_that_says_nothing_of_profiles_is_not_taken_for_another() {
    let now = plan(workflow([step("one")]));
    let mut before = now.clone();
    before.steps[0].profile = None;
    assert_eq!((before.difference(&now), now.difference(&before)), (None, None));
    let json = serde_json::to_value(&before).unwrap();
    assert!(json["steps"][0].get("profile").is_none(), "its digest stays what it was");
}

#[test]
fn the_worst_case_is_steps_times_attempts() {
    let mut one = step("one");
    one.retry = Retry { max_attempts: 3, ..Retry::default() };
    one.timeout_ms = 1_000;
    let mut two = step("two");
    two.timeout_ms = 500;
    let worst = plan(workflow([one, two])).worst_case();
    assert_eq!((worst.steps, worst.attempts, worst.prompts, worst.active_ms), (2, 4, 4, 3_500));
    assert_eq!(worst.elapsed_ms, 3_500 + 1_000 + 2_000, "the waits between the attempts take time as well");
}

#[test]
fn the_worst_case_counts_repairs_and_hand_offs_as_prompts() {
    let mut plan = plan(workflow([step("one"), step("two")]));
    plan.steps[0].output = Some(json!({ "type": "object" }));
    plan.steps[0].retry.max_attempts = 2;
    plan.steps[1].execution = ExecutionMode::Foreground;
    plan.steps[1].handoff = Handoff::Summarize;
    let worst = repeat(plan, "loop", &[], &["one", "two"], 3, "false").worst_case();
    assert_eq!((worst.attempts, worst.handoffs, worst.repairs, worst.prompts), (9, 3, 6, 18));
}

/// Every step takes a second.
fn elapsed(steps: &[(&str, &[&str])], at_once: u32) -> u64 {
    let mut plan = graph(steps);
    plan.limits.max_parallel = at_once;
    plan.steps.iter_mut().for_each(|step| step.timeout_ms = 1_000);
    let worst = plan.worst_case();
    assert_eq!(worst.active_ms, 1_000 * u64::try_from(steps.len()).unwrap());
    worst.elapsed_ms
}

#[test]
fn the_longest_path_in_time_takes_parallel_steps_and_their_cap_into_account() {
    let diamond: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
    assert_eq!(elapsed(diamond, 2), 3_000);
    assert_eq!(elapsed(diamond, 1), 4_000, "one after the other");
    let wide: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])];
    assert_eq!(elapsed(wide, 4), 1_000);
    assert_eq!(elapsed(wide, 2), 2_500, "a bound: with other durations two places may stay unevenly taken");
    let written_last_needed_first: &[(&str, &[&str])] = &[("b", &["a"]), ("a", &[])];
    assert_eq!(elapsed(written_last_needed_first, 4), 2_000);
}

#[test]
fn the_longest_path_goes_through_all_passes_of_a_group() {
    let steps: &[(&str, &[&str])] =
        &[("a", &[]), ("one", &[]), ("two", &["one"]), ("aside", &["a"]), ("end", &["aside"])];
    let mut plan = graph(steps);
    plan.steps.iter_mut().for_each(|step| step.timeout_ms = 1_000);
    plan.steps[4].needs.push(StepId::new("loop").unwrap());
    let mut plan = repeat(plan, "loop", &["a"], &["one", "two"], 3, "false");
    assert_eq!(plan.worst_case().elapsed_ms, 1_000 + 3 * 2_000 + 1_000);
    plan.budget.max_active_ms = Some(5_000);
    let worst = plan.worst_case();
    assert_eq!((worst.active_ms, worst.elapsed_ms), (5_000, 5_000), "the run's budget ends both");
}

#[test]
fn the_order_of_the_steps_is_told_on_one_line() {
    assert_eq!(plan(workflow(["one", "two"].map(step))).line(), "one → two");
    let diamond = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
    assert_eq!(diamond.line(), "a → b + c → d");
    let uneven = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b"]), ("e", &[])]);
    assert_eq!(uneven.line(), "a → b + c; d after b; e at the start");
    let plan = graph(&[("a", &[]), ("one", &[]), ("two", &["one"]), ("b", &["a"])]);
    assert_eq!(
        repeat(plan, "loop", &["a"], &["one", "two"], 3, "false").line(),
        "a → loop (one → two, up to 3 times) + b"
    );
}

#[test]
fn two_people_steps_side_by_side_take_the_time_of_both() {
    let mut plan = graph(&[("one", &[]), ("two", &[])]);
    for step in &mut plan.steps {
        step.timeout_ms = 1_000;
        step.execution = ExecutionMode::Foreground;
    }
    assert_eq!(plan.worst_case().elapsed_ms, 2_000);
}

#[test]
fn corner_12_limits_have_room_for_real_work() {
    let definition = workflow([step("one")]);
    assert_eq!(definition.limits.max_steps, 1_000);
    let plan = plan(definition);
    assert_eq!((plan.steps[0].timeout_ms, plan.steps[0].idle_warning_ms), (30 * 60_000, 5 * 60_000));
    assert_eq!(plan.limits.max_parallel, 4);
}

#[test]
fn near_misses_are_remarked_and_other_braces_are_not() {
    let mut one = step("one");
    one.prompt = "{taks} { task } {\"json\": {\"task\": 1}} {step.one.text} {Carry} \\{tsak}".to_owned();
    let remarks = plan(workflow([one])).remarks();
    let found: Vec<_> = remarks.iter().map(|remark| remark.split(' ').nth(2).unwrap()).collect();
    assert_eq!(found, ["{taks}", "{", "{step.one.text}", "{Carry}"], "{remarks:?}");
}

#[test]
fn a_task_that_is_too_long_is_refused_before_anything_begins() {
    let mut definition = workflow([step("one")]);
    definition.limits.max_task_chars = 5;
    let mut started = super::story::run_started(plan(definition), Default::default());
    started.task = "abcdé".to_owned();
    assert!(Machine::begin(Default::default(), started.clone()).is_ok(), "characters, not bytes");
    started.task.push('f');
    let refused = Machine::begin(Default::default(), started).unwrap_err();
    assert_eq!(refused.to_string(), "the task has 6 characters, workflow boat takes 5");
}

/// A list to be: for each node its needs among the nodes before it, and how many steps it has if it is a group.
type Drawn = Vec<(Option<Vec<prop::sample::Index>>, Option<usize>)>;

fn drawn() -> impl Strategy<Value = Drawn> {
    let needs = prop::option::of(prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    prop::collection::vec((needs, prop::option::weighted(0.3, 1..4_usize)), 1..12)
}

fn definition(drawn: &Drawn) -> WorkflowDefinition {
    let id = |node: usize| format!("n{node}");
    let mut workflow = Workflow::builder("boat");
    for (node, (needs, members)) in drawn.iter().enumerate() {
        let before = needs.as_ref().map(|needs| {
            let needs = needs.iter().filter(|_| node > 0);
            needs.map(|need| id(need.index(node))).collect::<Vec<_>>()
        });
        let step = |id: String| Step::new(id, "coder", "{task}");
        workflow = match members {
            None => {
                let step = step(id(node));
                workflow.step(match before {
                    Some(before) => step.needs(before),
                    None => step,
                })
            }
            Some(members) => {
                let group = Group::new(id(node), 2, "iteration == 2");
                let group = match before {
                    Some(before) => group.needs(before),
                    None => group,
                };
                let inside = (0..*members).map(|member| step(format!("n{node}-{member}")));
                workflow.group(inside.fold(group, Group::step))
            }
        };
    }
    workflow.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was written, a plan that compiles can be worked off: what a node waits for is there, in its own list,
    /// and before it; the steps of a group stand together; and every node is drawn once.
    #[test]
    fn what_compiles_can_be_worked_off(drawn in drawn()) {
        let plan = plan(definition(&drawn));
        prop_assert_eq!(plan.steps.len(), drawn.iter().map(|(_, members)| members.unwrap_or(1)).sum::<usize>());
        // The plan's own list, in the order in which it was written.
        let mut seen: Vec<(Option<StepId>, StepId)> = Vec::new();
        let mut open: Option<StepId> = None;
        for step in &plan.steps {
            if let Some(group) = step.group.as_ref().filter(|group| open.as_ref() != Some(*group)) {
                let known = seen.iter().any(|(_, id)| id == group);
                prop_assert!(!known, "the steps of {group} stand together");
                let needs = &plan.group(group).unwrap().needs;
                prop_assert!(needs.iter().all(|need| seen.contains(&(None, need.clone()))), "{group}");
                seen.push((None, group.clone()));
            }
            open.clone_from(&step.group);
            let before = |need: &StepId| seen.contains(&(step.group.clone(), need.clone()));
            prop_assert!(step.needs.iter().all(before), "{}", step.id);
            seen.push((step.group.clone(), step.id.clone()));
        }
        prop_assert_eq!(seen.len(), plan.steps.len() + plan.groups.len());
        for (_, id) in &seen {
            let lines = plan.tree().lines().filter(|line| {
                line.trim_start_matches(['│', '├', '╰', '─', ' ']).split(' ').next() == Some(id.as_str())
            }).count();
            prop_assert_eq!(lines, 1, "{} in\n{}", id, plan.tree());
        }
        let again: Plan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
        prop_assert_eq!(again.digest(), plan.digest());
        prop_assert_eq!(again.difference(&plan), None);
    }
}

#[test]
fn what_has_changed_in_a_graph_is_said() {
    let base = plan(definition(&vec![(None, None), (None, Some(2)), (None, None)]));
    let change = |change: fn(&mut Plan)| {
        let mut changed = base.clone();
        change(&mut changed);
        assert_ne!(base.digest(), changed.digest());
        base.difference(&changed).unwrap()
    };
    type Edit = fn(&mut Plan);
    let table: [(Edit, &str); 8] = [
        (|plan| plan.budget.max_tokens = Some(5), "its budget"),
        (|plan| plan.groups[0].max = 3, "group n1 has another number of passes"),
        (
            |plan| plan.groups[0].until = Expression::parse("iteration > 1").unwrap(),
            "group n1 has another end",
        ),
        (|plan| plan.groups[0].needs.clear(), "group n1 has another list of needs"),
        (|plan| plan.steps[3].needs.clear(), "step n2 has another list of needs"),
        (
            |plan| plan.steps[1].when = Expression::parse("iteration > 1").ok(),
            "step n1-0 has another condition",
        ),
        (|plan| plan.steps[1].output = Some(serde_json::json!({})), "step n1-0 has another output schema"),
        (
            |plan| {
                plan.steps.drain(1..3);
                plan.groups.clear();
                plan.steps[1].needs = vec![plan.steps[0].id.clone()];
            },
            "group n1 is gone, step n1-0 is gone, step n1-1 is gone",
        ),
    ];
    for (edit, words) in table {
        assert_eq!(change(edit), words);
    }
}
