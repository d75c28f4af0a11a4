//! Budgets: what a run and its steps may spend, before a dispatch and while work is under way.

use orch_config::policy::PolicyPatch;
use orch_config::{budget::Budget, policy::Intervene};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled, Usage, WarningCode},
    decision::{Bound, Decision, DecisionKind, GateReason, Rejected},
    machine::Input,
    plan::Plan,
    record::{RecordBody, RunStatus},
    view::StepStatus,
};

use super::story::{Story, auto, default_policy, failed, graph, plan, replace, run_started, step, workflow};

fn tokens(max: u64) -> Budget {
    Budget { max_tokens: Some(max), ..Budget::default() }
}

fn cost(max: f64) -> Budget {
    Budget { max_cost_usd: Some(max), ..Budget::default() }
}

fn active(max_ms: u64) -> Budget {
    Budget { max_active_ms: Some(max_ms), ..Budget::default() }
}

fn two_steps() -> Plan {
    plan(workflow([step("one"), step("two")]))
}

fn of_run(budget: Budget) -> Story {
    let mut plan = two_steps();
    plan.budget = budget;
    Story::of(run_started(plan, auto(Intervene::Never)))
}

fn of_step(budget: Budget) -> Story {
    let mut plan = two_steps();
    plan.steps[0].budget = budget;
    Story::of(run_started(plan, auto(Intervene::Never)))
}

fn used(input: u64) -> Usage {
    Usage { input, cost_usd: input as f64 / 1_000.0, ..Usage::default() }
}

fn costing(input: u64) -> Settled {
    Settled { usage: used(input), ..Settled::answer("done") }
}

impl Story {
    fn uses(&mut self, step: &str, input: u64) -> &mut Self {
        let dispatch = self.dispatch_of(step);
        self.tell(Input::Used { dispatch, usage: used(input) })
    }

    fn go_on_with(&mut self, budget: Budget) -> Result<(), Rejected> {
        let (policy, by) = (PolicyPatch::default(), "ann".to_owned());
        self.try_tell(Input::Decide { gate: None, decision: Decision::Continue, policy, budget, by })
    }

    fn remarks(&self, step: &str) -> Vec<String> {
        let attempts = self.step(step).attempts.into_iter();
        attempts
            .flat_map(|attempt| attempt.warnings)
            .filter(|warning| warning.code == WarningCode::BudgetLow)
            .map(|warning| warning.message)
            .collect()
    }
}

#[test]
fn a_run_without_a_budget_notes_nothing_of_what_is_used() {
    let mut story = Story::of(run_started(two_steps(), default_policy()));
    let seq = story.place().machine.seq();
    story.uses("one", 1_000_000);
    assert_eq!((story.machine.seq(), story.view().budgets), (seq, vec![]));
}

#[test]
fn four_fifths_of_a_budget_are_remarked_once_while_it_is_spent() {
    for mut story in [of_run(tokens(1_000)), of_run(cost(1.0)), of_step(tokens(1_000))] {
        story.place().uses("one", 799);
        assert_eq!(story.remarks("one"), Vec::<String>::new());
        story.uses("one", 800).uses("one", 900);
        assert_eq!(story.remarks("one").len(), 1);
        story.settle(costing(950));
        assert_eq!((story.remarks("one").len(), story.step("one").outcome), (1, Some(Outcome::Warning)));
        assert_eq!(story.status(), RunStatus::Running);
    }
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 800);
    assert_eq!(story.remarks("one"), ["four fifths of the run's budget of 1000 tokens are used"]);
}

#[test]
fn a_worker_that_reports_only_its_result_is_remarked_with_it() {
    let mut story = of_run(tokens(1_000));
    story.work(costing(850));
    assert_eq!(story.remarks("one").len(), 1);
}

#[test]
fn a_spent_budget_aborts_the_work_and_opens_a_gate_under_every_policy() {
    for mut story in [of_run(tokens(1_000)), of_run(cost(1.0)), of_step(tokens(1_000)), of_step(cost(1.0))] {
        story.place().wanted();
        story.uses("one", 1_000);
        assert_eq!(story.wanted(), ["abort one#1"]);
        story.abort_of("one");
        assert_eq!((story.status(), story.reason()), (RunStatus::Paused, GateReason::Budget));
        use DecisionKind::{Abort, Continue, Replace, Skip};
        assert_eq!(story.allowed(), [Continue, Skip, Replace, Abort]);
        let error = story.step("one").attempts[0].error.clone().unwrap();
        assert_eq!(error.code, ErrorCode::Aborted);
        assert_eq!(story.view().tokens.input, 1_000, "what was used is not forgotten with the turn");
    }
}

#[test]
fn the_gate_says_which_budget_is_spent() {
    let mut story = of_step(cost(0.25));
    story.place().uses("one", 300).abort_of("one");
    let gate = story.gate();
    insta::assert_json_snapshot!(serde_json::json!({ "message": gate.message, "budget": gate.budget }));
}

#[test]
fn an_answer_that_came_before_the_abort_is_kept() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 1_000).settle(costing(1_100));
    assert_eq!(story.step_status("one"), StepStatus::Done);
    assert_eq!((story.reason(), story.gated()), (GateReason::Budget, vec!["two".to_owned()]));
}

#[test]
fn nothing_is_dispatched_from_a_budget_that_is_spent() {
    let mut story = of_run(tokens(1_000));
    story.work(costing(1_200)).wanted();
    assert_eq!((story.status(), story.gated()), (RunStatus::Paused, vec!["two".to_owned()]));
    assert_eq!(story.wanted(), Vec::<String>::new());
    assert_eq!(story.step_status("two"), StepStatus::Gated);
    insta::assert_snapshot!(story.gate().message);
}

#[test]
fn a_run_that_spends_its_budget_on_the_last_answer_is_a_success() {
    let mut story = of_run(tokens(1_000));
    story.work(costing(500)).work(costing(500));
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn continue_is_refused_without_a_higher_budget_and_the_gate_stays_open() {
    for mut story in [of_run(tokens(1_000)), of_step(tokens(1_000))] {
        story.place().uses("one", 1_200).abort_of("one").wanted();
        let (gate, seq) = (story.gate(), story.machine.seq());
        for budget in [Budget::default(), tokens(1_200), cost(50.0)] {
            let refused = story.go_on_with(budget).unwrap_err();
            assert!(refused.to_string().starts_with("`continue` needs a higher budget: "), "{refused}");
            assert_eq!((story.gate(), story.machine.seq()), (gate.clone(), seq));
        }
        for unsound in [tokens(0), active(0), cost(f64::NAN), cost(f64::INFINITY), cost(-1.0)] {
            assert!(matches!(story.go_on_with(unsound), Err(Rejected::Invalid { .. })));
        }
        story.go_on_with(tokens(1_201)).unwrap();
        assert_eq!(story.wanted(), ["place one#2"]);
    }
}

#[test]
fn a_higher_budget_holds_for_the_rest_of_the_run_and_survives_the_owner() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 1_000).abort_of("one");
    story.go_on_with(tokens(2_000)).unwrap();
    story.crash().work(costing(500));
    assert_eq!(story.view().budgets[0].limit, 2_000.0);
    story.place().uses("two", 499);
    assert_eq!(story.status(), RunStatus::Running);
    story.uses("two", 500).abort_of("two");
    assert_eq!(story.reason(), GateReason::Budget);
    assert_eq!(story.gate().budget.unwrap().used, 2_000.0);
}

#[test]
fn a_higher_bound_is_remarked_anew() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 1_000).abort_of("one");
    story.go_on_with(tokens(2_000)).unwrap();
    story.place().uses("one", 600);
    assert_eq!(
        story.remarks("one").last().unwrap(),
        "four fifths of the run's budget of 2000 tokens are used"
    );
}

#[test]
fn skip_replace_and_abort_answer_the_gate_of_a_step_that_was_stopped() {
    let stopped = || {
        let mut story = of_step(tokens(1_000));
        story.place().uses("one", 1_000).abort_of("one").wanted();
        story
    };
    let mut story = stopped();
    story.decide(Decision::Skip);
    assert_eq!(
        (story.step_status("one"), story.wanted()),
        (StepStatus::Skipped, vec!["place two#1".to_owned()])
    );
    let mut story = stopped();
    story.decide(replace("by hand"));
    assert_eq!(
        (story.step_status("one"), story.wanted()),
        (StepStatus::Done, vec!["place two#1".to_owned()])
    );
    let mut story = stopped();
    story.decide(Decision::Abort);
    assert_eq!((story.status(), story.step_status("one")), (RunStatus::Error, StepStatus::Failed));
    assert!(matches!(stopped().try_decide(super::story::retry()), Err(Rejected::NotAllowed { .. })));
}

#[test]
fn skip_replace_and_abort_answer_the_gate_of_a_step_that_has_not_begun() {
    let held = || {
        let mut plan = two_steps();
        plan.steps.push(plan.steps[1].clone());
        plan.steps[2].id = orch_config::id::StepId::new("three").unwrap();
        plan.steps[2].needs = vec![plan.steps[1].id.clone()];
        plan.budget = tokens(1_000);
        let mut story = Story::of(run_started(plan, default_policy()));
        story.work(costing(1_000)).wanted();
        story
    };
    for (decision, status) in [(Decision::Skip, StepStatus::Skipped), (replace("by hand"), StepStatus::Done)]
    {
        let mut story = held();
        story.decide(decision);
        // The budget of the run is still spent.
        assert_eq!((story.step_status("two"), story.gated()), (status, vec!["three".to_owned()]));
    }
    let mut story = held();
    story.decide(Decision::Abort);
    assert_eq!((story.status(), story.step_status("two")), (RunStatus::Error, StepStatus::Pending));
    let mut story = held();
    story.go_on_with(tokens(5_000)).unwrap();
    assert_eq!(story.wanted(), ["place two#1"]);
}

#[test]
fn a_note_given_with_a_retry_is_not_lost_at_the_gate_of_the_budget() {
    let mut plan = two_steps();
    plan.budget = tokens(1_000);
    let mut story = Story::of(run_started(plan, default_policy()));
    story.work(Settled { usage: used(1_000), ..failed(ErrorCode::Model, "no") });
    story.decide(Decision::Retry { note: Some("carefully".to_owned()), session: None });
    assert_eq!(story.reason(), GateReason::Budget);
    story.go_on_with(tokens(5_000)).unwrap();
    assert!(story.prompt().ends_with("carefully"), "{}", story.prompt());
}

#[test]
fn an_automatic_retry_is_a_dispatch_like_any_other() {
    let mut plan = two_steps();
    plan.steps[0].retry.max_attempts = 3;
    plan.steps[0].budget = tokens(1_000);
    let mut story = Story::of(run_started(plan, auto(Intervene::Never)));
    let lost = Settled { usage: used(1_000), ..failed(ErrorCode::WorkerLost, "gone") };
    story.work(lost).wait(1_000);
    assert_eq!(story.reason(), GateReason::Budget);
    story.go_on_with(tokens(5_000)).unwrap();
    assert_eq!(story.wanted().last().unwrap(), "place one#2");
}

#[test]
fn a_hand_off_and_a_repair_are_dispatches_like_any_other() {
    let mut plan = two_steps();
    plan.steps[0].output = Some(serde_json::json!({ "enum": [1] }));
    plan.budget = tokens(1_000);
    let mut repair = Story::of(run_started(plan.clone(), default_policy()));
    repair.work(costing(1_000)).wanted();
    assert_eq!((repair.reason(), repair.dispatch().turn), (GateReason::Budget, 1));
    repair.go_on_with(tokens(2_000)).unwrap();
    assert_eq!(repair.wanted(), ["place one#1.2"]);
    repair.work(Settled::answer("1"));
    assert_eq!((repair.step_status("one"), repair.step("one").attempts.len()), (StepStatus::Done, 1));

    plan.steps[0].execution = orch_config::kind::ExecutionMode::Foreground;
    let mut talk = Story::of(run_started(plan, default_policy()));
    talk.work(costing(1_000)).decide(Decision::Continue).wanted();
    assert_eq!((talk.reason(), talk.dispatch().turn), (GateReason::Budget, 1));
    let mut skipped = Story::of(run_started(two_steps(), default_policy()));
    std::mem::swap(&mut skipped, &mut talk);
    skipped.decide(Decision::Skip);
    assert_eq!(skipped.step_status("one"), StepStatus::Skipped);
}

#[test]
fn what_a_turn_has_used_is_counted_once() {
    let mut plan = two_steps();
    plan.steps[0].output = Some(serde_json::json!({ "enum": [1] }));
    plan.budget = Budget { max_active_ms: Some(10_000), ..tokens(1_000) };
    let mut repair = Story::of(run_started(plan.clone(), default_policy()));
    repair.place().wait(3_000).uses("one", 600).wait(3_000).settle(costing(600)).wanted();
    assert_eq!((repair.status(), repair.dispatch().turn), (RunStatus::Running, 2));

    plan.steps[0].execution = orch_config::kind::ExecutionMode::Foreground;
    let mut talk = Story::of(run_started(plan, default_policy()));
    talk.place().wait(3_000).uses("one", 850).wait(3_000).settle(costing(850));
    let used: Vec<_> = talk.view().budgets.iter().map(|spent| spent.used).collect();
    assert_eq!(used, [850.0, 6_000.0]);
    talk.decide(Decision::Continue);
    assert_eq!((talk.status(), talk.dispatch().turn), (RunStatus::Running, 2));
}

#[test]
fn time_at_work_runs_out_by_itself_and_waiting_costs_none() {
    let mut story = of_run(active(10_000));
    story.place().wanted();
    let dispatch = story.dispatch();
    story.wait(7_000).tell(Input::Waiting { dispatch: dispatch.clone(), waiting: true }).wait(3_600_000);
    story.tell(Input::Waiting { dispatch, waiting: false }).wait(999);
    assert_eq!(story.remarks("one"), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.remarks("one"), ["four fifths of the run's budget of 10 s at work are used"]);
    story.wait(1_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1"]);
    story.abort_of("one");
    let spent = story.gate().budget.unwrap();
    assert_eq!((spent.bound, spent.limit, spent.used), (Bound::ActiveMs, 10_000.0, 10_000.0));
}

#[test]
fn steps_side_by_side_spend_from_one_budget_and_are_all_stopped() {
    let mut plan = graph(&[("one", &[]), ("two", &[])]);
    plan.budget = Budget { max_active_ms: Some(10_000), ..tokens(1_000) };
    let side_by_side = || {
        let mut story = Story::of(run_started(plan.clone(), default_policy()));
        story.place_of("one").place_of("two").wanted();
        story
    };
    let mut story = side_by_side();
    story.uses("one", 600).uses("two", 399);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.uses("two", 400);
    assert_eq!(story.wanted(), ["abort one#1", "abort two#1"]);
    story.abort_of("one").abort_of("two");
    assert_eq!(story.gated(), ["one", "two"]);
    // The first answer raises the budget; the second needs no more.
    story.go_on_with(tokens(2_000)).unwrap();
    story.go_on_with(Budget::default()).unwrap();
    assert_eq!(story.wanted(), ["place one#2", "place two#2"]);

    let mut story = side_by_side();
    story.wait(4_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1", "abort two#1"]);
}

#[test]
fn a_step_that_spends_its_own_budget_leaves_the_others_at_work() {
    let mut plan = graph(&[("one", &[]), ("two", &[])]);
    plan.steps[0].budget = tokens(1_000);
    let mut story = Story::of(run_started(plan, default_policy()));
    story.place_of("one").place_of("two").wanted();
    story.uses("two", 5_000).uses("one", 1_000);
    assert_eq!(story.wanted(), ["abort one#1"]);
    story.abort_of("one").settle_of("two", costing(5_000));
    assert_eq!((story.gated(), story.step_status("two")), (vec!["one".to_owned()], StepStatus::Done));
}

#[test]
fn a_run_may_be_started_with_bounds_of_its_own() {
    let mut plan = two_steps();
    plan.budget = Budget { max_tokens: Some(1_000), max_cost_usd: Some(9.0), max_active_ms: None };
    let mut started = run_started(plan, default_policy());
    started.budget = tokens(100);
    let mut story = Story::of(started.clone());
    let limits: Vec<_> = story.view().budgets.iter().map(|spent| spent.limit).collect();
    assert_eq!(limits, [100.0, 9.0]);
    story.place().uses("one", 100).abort_of("one");
    assert_eq!(story.reason(), GateReason::Budget);
    started.budget = tokens(0);
    assert!(orch_workflow::machine::Machine::begin(story.now, started).is_err());
}

#[test]
fn what_was_used_before_a_crash_counts_as_far_as_anything_followed_from_it() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 850).crash();
    assert_eq!(story.view().tokens.input, 850);
    story.settle(Settled::answer("a host that does not say what it cost"));
    assert_eq!(story.view().tokens.input, 850);
}

#[test]
fn an_abort_for_a_budget_survives_the_owner() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 1_000).crash();
    assert_eq!(story.wanted(), ["abort one#1"]);
    story.abort_of("one");
    assert_eq!((story.reason(), story.gate().budget.unwrap().used), (GateReason::Budget, 1_000.0));
}

#[test]
fn nobody_continues_by_default_what_needs_a_higher_budget() {
    for (default, continues) in [(DecisionKind::Continue, false), (DecisionKind::Skip, true)] {
        let mut plan = two_steps();
        plan.budget = tokens(1_000);
        plan.gate_timeout_ms = Some(60_000);
        plan.gate_default = Some(default);
        let mut story = Story::of(run_started(plan, default_policy()));
        story.place().uses("one", 1_000).abort_of("one");
        assert_eq!(story.gate().default.is_some(), continues);
        story.wait(60_000);
        assert_eq!(story.step_status("one") == StepStatus::Skipped, continues);
    }
}

#[test]
fn a_cancel_outweighs_the_budget() {
    let mut story = of_run(tokens(1_000));
    story.place().uses("one", 1_000).tell(Input::Cancel { by: "ann".to_owned() }).abort_of("one");
    assert_eq!(story.status(), RunStatus::Cancelled);
}

#[test]
fn what_is_used_is_journaled_only_where_something_follows_from_it() {
    let mut story = of_run(tokens(1_000));
    story.place();
    for input in [100, 200, 300, 790, 800, 850, 999] {
        story.uses("one", input);
    }
    let notes = story.journal.iter().filter(|record| matches!(record.body, RecordBody::Used { .. }));
    assert_eq!(notes.count(), 1);
}
