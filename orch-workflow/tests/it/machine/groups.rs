//! Steps that are repeated together until a condition holds, and what conditions leave out.

use orch_config::{
    policy::{Execution, Intervene},
    retry::Retry,
};
use orch_workflow::{
    attempt::{ErrorCode, Settled, Timestamp},
    decision::{Decision, DecisionKind, GateReason},
    event::{EventBody, Projector},
    machine::{Input, Machine},
    plan::Plan,
    port::SessionChoice,
    record::{GroupEnd, RecordBody, RunStatus},
    view::{GroupView, StepStatus},
};
use serde_json::json;

use super::story::{
    Story, auto, default_policy, failed, graph, output, policy, repeat, replace, retry, run_started, warned,
    when,
};

/// `plan`, then `review` and `fix` until the review approves, at most twice, then `end`.
fn build() -> Plan {
    let plan = graph(&[("plan", &[]), ("review", &[]), ("fix", &["review"]), ("end", &["loop"])]);
    let plan = repeat(plan, "loop", &["plan"], &["review", "fix"], 2, "steps.review.output.approved");
    when(plan, "fix", "!steps.review.output.approved")
}

fn verdict(approved: bool) -> Settled {
    output(if approved { "fine" } else { "not yet" }, json!({ "approved": approved }))
}

fn answer(text: &str) -> Settled {
    Settled::answer(text)
}

fn run(plan: Plan) -> Story {
    Story::of(run_started(plan, default_policy()))
}

/// `review` of the first pass is due.
fn in_loop() -> Story {
    let mut story = run(build());
    story.work(answer("the plan")).wanted();
    story
}

/// Two passes were made, and the review approved of neither.
fn exhausted() -> Story {
    let mut story = in_loop();
    for _ in 0..2 {
        story.work_of("review", verdict(false)).work_of("fix", answer("better"));
    }
    story.wanted();
    story
}

fn group(story: &Story) -> GroupView {
    story.view().groups[0].clone()
}

fn passes(story: &Story) -> (StepStatus, u32, u32) {
    let GroupView { status, iteration, max, .. } = group(story);
    (status, iteration, max)
}

#[test]
fn corner_02_until_is_looked_at_after_each_whole_pass_and_passes_count_from_one() {
    let mut story = run(build());
    assert_eq!(passes(&story), (StepStatus::Pending, 0, 2));
    story.work(answer("the plan"));
    assert_eq!(passes(&story), (StepStatus::Running, 1, 2));
    assert_eq!(story.dispatch_of("review").to_string(), "run_1/review/1/1/1");
    assert_eq!(story.step_status("end"), StepStatus::Pending, "a group is one node");
    story.work_of("review", verdict(false));
    assert_eq!(passes(&story).1, 1, "the body is not over");
    story.work_of("fix", answer("better"));
    assert_eq!(passes(&story), (StepStatus::Running, 2, 2));
    assert_eq!(story.dispatch_of("review").to_string(), "run_1/review/2/1/1");
    story.work_of("review", verdict(true));
    assert_eq!(story.step_status("fix"), StepStatus::Skipped);
    assert_eq!(passes(&story), (StepStatus::Done, 2, 2));
    assert_eq!(story.dispatch().to_string(), "run_1/end/1/1/1");
    story.work_of("end", answer("done"));
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn corner_02_a_step_means_its_newest_pass_and_the_earlier_ones_stay_to_be_seen() {
    let mut story = in_loop();
    story.work_of("review", verdict(false)).work_of("fix", answer("better"));
    let review = story.step("review");
    assert_eq!((review.iteration, review.status), (2, StepStatus::Running));
    assert_eq!((review.text, review.output, review.outcome), (None, None, None));
    let fix = story.step("fix");
    assert_eq!((fix.iteration, fix.status, fix.text), (2, StepStatus::Pending, None));
    assert_eq!(fix.group.as_ref().unwrap().as_str(), "loop");
    story.work_of("review", verdict(true));
    let review = story.step("review");
    assert_eq!(review.text.as_deref(), Some("fine"));
    let passes: Vec<_> = review.attempts.iter().map(|attempt| attempt.dispatch.iteration).collect();
    assert_eq!(passes, [1, 2]);
}

#[test]
fn corner_02_used_up_passes_open_a_gate_whatever_the_policy() {
    for intervene in [Intervene::Never, Intervene::OnError, Intervene::Always] {
        let mut plan = build();
        plan.policy.intervene = intervene;
        let mut story = Story::of(run_started(plan, Default::default()));
        let settle = |story: &mut Story, step: &str, result| {
            story.work_of(step, result);
            if intervene == Intervene::Always {
                story.decide(Decision::Continue);
            }
        };
        settle(&mut story, "plan", answer("the plan"));
        for _ in 0..2 {
            settle(&mut story, "review", verdict(false));
            settle(&mut story, "fix", answer("better"));
        }
        let gate = story.gate();
        assert_eq!((gate.step.as_str(), gate.reason), ("loop", GateReason::LoopExhausted), "{intervene:?}");
        assert_eq!(gate.allowed, [DecisionKind::Continue, DecisionKind::Retry, DecisionKind::Abort]);
        assert_eq!(passes(&story), (StepStatus::Gated, 2, 2));
        assert_eq!(story.status(), RunStatus::Paused);
        insta::allow_duplicates! {
            insta::assert_snapshot!(gate.message, @"loop has made 2 passes and its condition (steps.review.output.approved) does not hold; `continue` accepts the result as it is, `retry` allows 2 more");
        }
    }
}

#[test]
fn corner_02_continue_accepts_the_last_pass_as_it_is() {
    let mut story = exhausted();
    story.decide(Decision::Continue);
    assert_eq!(passes(&story), (StepStatus::Done, 2, 2));
    assert_eq!(story.wanted(), ["place end#1"]);
    assert_eq!(story.step("review").text.as_deref(), Some("not yet"));
}

#[test]
fn corner_02_retry_allows_as_many_passes_again() {
    let mut story = exhausted();
    let note = Some("look at the tests".to_owned());
    story.decide(Decision::Retry { note, session: Some(SessionChoice::Fresh) });
    assert_eq!(passes(&story), (StepStatus::Running, 3, 4));
    assert_eq!(story.prompt(), "review: build a boat\n\nlook at the tests");
    story.work_of("review", verdict(false));
    assert_eq!(story.prompt(), "fix: build a boat", "the note is for those who begin");
    let RecordBody::AttemptStarted { session: SessionChoice::Fresh, .. } = story.journal.last().unwrap().body
    else {
        panic!("{:?}", story.journal.last())
    };
    story.work_of("fix", answer("better"));
    assert_eq!(story.prompt(), "review: build a boat");
    story.work_of("review", verdict(false)).work_of("fix", answer("better"));
    assert_eq!(story.reason(), GateReason::LoopExhausted);
    assert_eq!(passes(&story), (StepStatus::Gated, 4, 4));
}

#[test]
fn corner_02_abort_at_the_end_of_the_passes_ends_the_run() {
    let mut story = exhausted();
    story.decide(Decision::Abort);
    assert_eq!(story.status(), RunStatus::Error);
    assert_eq!(passes(&story).0, StepStatus::Failed);
}

#[test]
fn corner_02_passes_that_are_still_due_are_work_left() {
    let stepwise = |until: &str| {
        let plan = repeat(graph(&[("one", &[])]), "loop", &[], &["one"], 2, until);
        Story::of(run_started(plan, policy(Execution::Step, Intervene::Never)))
    };
    let mut again = stepwise("steps.one.text_chars > 9");
    again.work(answer("short"));
    assert_eq!((again.reason(), again.gate().step.as_str()), (GateReason::ExecutionStep, "one"));
    again.decide(Decision::Continue).work(answer("short"));
    assert_eq!(again.reason(), GateReason::LoopExhausted, "one gate, not two, where nothing else is left");
    let mut enough = stepwise("steps.one.text_chars > 9");
    enough.work(answer("long enough for all"));
    assert_eq!(enough.status(), RunStatus::Success);
}

#[test]
fn conditions_that_leave_the_rest_out_leave_no_work() {
    let mut story = Story::of(run_started(
        when(graph(&[("one", &[]), ("two", &["one"])]), "two", "steps.one.output.more"),
        policy(Execution::Step, Intervene::Never),
    ));
    story.work(output("done", json!({ "more": false })));
    assert_eq!(story.status(), RunStatus::Success);
    assert_eq!(story.step_status("two"), StepStatus::Skipped);
}

#[test]
fn a_new_pass_counts_its_tries_from_the_beginning() {
    let mut plan = build();
    plan.steps[1].retry = Retry { max_attempts: 2, ..Retry::default() };
    let mut story = run(plan);
    story.work(answer("the plan"));
    let lost = || failed(ErrorCode::WorkerLost, "lost");
    story
        .work_of("review", lost())
        .wait(1_000)
        .work_of("review", verdict(false))
        .work_of("fix", answer("better"));
    assert_eq!(story.dispatch_of("review").to_string(), "run_1/review/2/1/1");
    story.work_of("review", lost());
    assert_eq!(story.step_status("review"), StepStatus::Backoff, "one of two tries");
    story.wait(1_000).work_of("review", lost());
    assert_eq!(story.reason(), GateReason::InterveneOnError);
}

#[test]
fn corner_07_a_new_pass_replaces_the_carry_of_the_one_before() {
    let mut plan = build();
    for step in &mut plan.steps {
        step.carry = true;
        step.prompt = "{carry}".to_owned();
    }
    let mut story = run(plan);
    let carried = |names: &[(&str, &str)]| {
        let blocks: Vec<_> =
            names.iter().map(|(id, text)| format!("### {id}\n```\n#### Summary\n{text}\n```")).collect();
        blocks.join("\n\n")
    };
    story.work(answer("the plan"));
    assert_eq!(story.prompt(), carried(&[("plan", "the plan")]), "through the group's own needs");
    story.work_of("review", verdict(false)).work_of("fix", answer("first"));
    story.work_of("review", verdict(false));
    assert_eq!(story.prompt(), carried(&[("plan", "the plan"), ("review", "not yet")]));
    story.work_of("fix", answer("second")).decide(Decision::Continue);
    let all = [("plan", "the plan"), ("review", "not yet"), ("fix", "second")];
    assert_eq!(story.prompt(), carried(&all), "into the group that is needed");
}

#[test]
fn corner_07_a_step_that_is_left_out_in_a_new_pass_has_no_carry_any_more() {
    let mut plan = build();
    plan.steps.iter_mut().for_each(|step| step.carry = true);
    plan.steps[3].prompt = "{carry}".to_owned();
    let mut story = run(plan);
    story.work(answer("the plan")).work_of("review", verdict(false)).work_of("fix", answer("first"));
    story.work_of("review", verdict(true));
    assert_eq!(
        story.prompt(),
        "### plan\n```\n#### Summary\nthe plan\n```\n\n### review\n```\n#### Summary\nfine\n```"
    );
}

#[test]
fn gates_and_decisions_work_within_a_group() {
    let mut story = in_loop();
    story.work_of("review", failed(ErrorCode::Model, "no"));
    assert_eq!(story.gate().step.as_str(), "review");
    story.decide(retry());
    assert_eq!(story.dispatch().to_string(), "run_1/review/1/2/1");
    story.work_of("review", failed(ErrorCode::Model, "no"));
    let mut skipped = Story { journal: story.journal.clone(), ..in_loop() };
    // Nobody's verdict is no verdict: the condition of the next step cannot be answered.
    skipped.reopen().decide(Decision::Skip);
    assert_eq!((skipped.gate().step.as_str(), skipped.reason()), ("fix", GateReason::InterveneOnError));
    story.decide(Decision::Replace { text: "fine".to_owned(), output: Some(json!({ "approved": true })) });
    assert_eq!(passes(&story), (StepStatus::Done, 1, 2));
}

#[test]
fn corner_08_what_a_condition_leaves_out_has_no_text_and_its_dependents_run() {
    let plan = graph(&[("one", &[]), ("two", &["one"]), ("three", &["two"])]);
    let mut plan = when(plan, "two", "steps.one.warnings.size() > 0");
    plan.steps[1].carry = true;
    plan.steps[2].prompt = "<{steps.two.text}><{steps.two.output}><{carry}>".to_owned();
    let mut story = run(plan.clone());
    story.work(answer("all well"));
    let two = story.step("two");
    assert_eq!((two.status, two.outcome, two.text, two.output), (StepStatus::Skipped, None, None, None));
    assert_eq!(story.prompt(), "<><null><>");
    let mut story = run(plan);
    story.work(warned("not well"));
    assert_eq!(story.dispatch().step.as_str(), "two");
}

#[test]
fn corner_08_a_condition_that_cannot_be_answered_is_the_steps_error_with_its_usual_gate() {
    let plan = when(graph(&[("one", &[]), ("two", &["one"])]), "two", "steps.one.output.approved");
    let mut story = run(plan.clone());
    story.work(answer("no output"));
    let two = story.step("two");
    assert_eq!(two.attempts[0].error.as_ref().unwrap().code, ErrorCode::Template);
    assert_eq!(story.reason(), GateReason::InterveneOnError);
    let allowed = [
        DecisionKind::Continue,
        DecisionKind::Retry,
        DecisionKind::Skip,
        DecisionKind::Replace,
        DecisionKind::Abort,
    ];
    assert_eq!(story.allowed(), allowed);
    story.wanted();
    story.decide(retry());
    assert_eq!(story.wanted(), Vec::<String>::new(), "never sent on a condition that was not answered");
    assert_eq!(story.step("two").attempts.len(), 2);
    story.decide(replace("by hand"));
    assert_eq!(story.status(), RunStatus::Success);

    let mut story = Story::of(run_started(plan, auto(Intervene::Never)));
    story.work(answer("no output"));
    assert_eq!(story.status(), RunStatus::Error);
}

#[test]
fn corner_08_a_group_that_is_not_wanted_is_left_out_with_all_its_steps() {
    let mut plan = when(build(), "loop", "steps.plan.output.risky");
    plan.steps[3].prompt = "<{steps.fix.text}>".to_owned();
    let mut story = run(plan);
    story.work(output("easy", json!({ "risky": false })));
    assert_eq!(passes(&story), (StepStatus::Skipped, 0, 2));
    assert_eq!(story.step_status("review"), StepStatus::Skipped);
    assert_eq!(story.prompt(), "<>");
}

#[test]
fn the_condition_of_a_group_that_cannot_be_answered_is_looked_at_again_or_the_group_left_out() {
    let plan = when(build(), "loop", "steps.plan.output.risky");
    let mut story = run(plan);
    story.work(answer("no output"));
    assert_eq!((story.gate().step.as_str(), story.reason()), ("loop", GateReason::InterveneOnError));
    let allowed = [DecisionKind::Continue, DecisionKind::Retry, DecisionKind::Skip, DecisionKind::Abort];
    assert_eq!(story.allowed(), allowed);
    let message = story.gate().message;
    assert!(message.contains("its condition when (steps.plan.output.risky) cannot be answered"), "{message}");
    story.decide(Decision::Continue);
    assert_eq!(story.gate().step.as_str(), "loop", "it still cannot");
    story.decide(Decision::Skip);
    assert_eq!(passes(&story).0, StepStatus::Skipped);
    assert_eq!(story.dispatch().step.as_str(), "end");
}

#[test]
fn an_until_that_cannot_be_answered_asks_whether_the_pass_will_do() {
    let plan =
        repeat(graph(&[("one", &[]), ("end", &["loop"])]), "loop", &[], &["one"], 2, "steps.one.output.ok");
    let mut story = run(plan.clone());
    story.work(answer("no output"));
    assert_eq!((story.gate().step.as_str(), story.reason()), ("loop", GateReason::InterveneOnError));
    assert_eq!(story.allowed(), [DecisionKind::Continue, DecisionKind::Retry, DecisionKind::Abort]);
    story.wanted();
    story.decide(retry());
    assert_eq!(story.dispatch().to_string(), "run_1/one/2/1/1", "another pass, whatever the condition");
    story.work_of("one", answer("no output again")).decide(Decision::Continue);
    assert_eq!(passes(&story), (StepStatus::Done, 2, 3));
    assert_eq!(story.dispatch().step.as_str(), "end");

    let mut story = Story::of(run_started(plan, auto(Intervene::Never)));
    story.work(answer("no output"));
    assert_eq!(story.status(), RunStatus::Error);
    let RecordBody::Finished { error: Some(error), .. } = &story.journal.last().unwrap().body else {
        panic!("{:?}", story.journal.last())
    };
    assert_eq!(error.code, ErrorCode::Template);
}

#[test]
fn a_crash_between_and_within_passes_changes_nothing() {
    let mut story = in_loop();
    story.place_of("review").settle_of("review", verdict(false)).crash();
    assert_eq!(story.wanted(), ["place fix#1"]);
    story.work_of("fix", answer("better")).crash();
    assert_eq!(story.dispatch_of("review").iteration, 2);
    story.work_of("review", verdict(false)).work_of("fix", answer("better"));
    let (view, gate) = (story.view(), story.gate());
    story.crash();
    assert_eq!((story.view(), story.gate()), (view, gate));
    story.decide(retry()).crash();
    assert_eq!(passes(&story), (StepStatus::Running, 3, 4));
}

#[test]
fn the_steps_of_a_pass_run_at_once_where_they_can() {
    let plan = graph(&[("left", &[]), ("right", &[]), ("both", &["left", "right"]), ("aside", &[])]);
    let plan = repeat(plan, "loop", &[], &["left", "right", "both"], 2, "iteration == 2");
    let mut story = run(plan);
    assert_eq!(story.wanted(), ["place left#1", "place right#1", "place aside#1"]);
    story.work_of("right", answer("r")).work_of("left", answer("l")).work_of("both", answer("b"));
    assert_eq!(passes(&story).1, 2);
    assert_eq!(story.dispatch_of("left").iteration, 2);
    assert_eq!(story.dispatch_of("aside").iteration, 1, "what is beside the group goes on beside it");
}

#[test]
fn what_a_group_does_is_told_in_events() {
    let mut story = in_loop();
    story.work_of("review", verdict(false)).work_of("fix", answer("better")).work_of("review", verdict(true));
    let mut projector = Projector::new();
    let told: Vec<_> = story
        .journal
        .iter()
        .flat_map(|record| projector.project(record))
        .filter_map(|event| match event.body {
            EventBody::GroupIteration { group, iteration, .. } => {
                Some(format!("{group} begins pass {iteration}"))
            }
            EventBody::StepSkipped { step, condition, .. } => Some(format!("{step} left out: {condition}")),
            EventBody::GroupFinished { group, end, .. } => Some(format!("{group} is over: {end:?}")),
            _ => None,
        })
        .collect();
    let expected = [
        "loop begins pass 1",
        "loop begins pass 2",
        "fix left out: !steps.review.output.approved",
        "loop is over: Satisfied",
    ];
    assert_eq!(told, expected);
    let ends: Vec<_> = [GroupEnd::Satisfied, GroupEnd::Accepted, GroupEnd::Skipped]
        .iter()
        .map(|end| serde_json::to_value(end).unwrap())
        .collect();
    assert_eq!(ends, ["satisfied", "accepted", "skipped"]);
}

/// A hundred passes of everything that is left out: no work, no recursion, and the bound holds.
#[test]
fn passes_in_which_nothing_is_wanted_are_bounded_too() {
    let plan = repeat(graph(&[("one", &[])]), "loop", &[], &["one"], 100, "false");
    let plan = when(plan, "one", "false");
    let story = run(plan);
    assert_eq!(story.reason(), GateReason::LoopExhausted);
    let replayed = Machine::replay(&story.journal).unwrap();
    assert_eq!(replayed.view(), story.view());
    assert_eq!(story.view().groups[0].iteration, 100);
    let mut story = story;
    story.now = Timestamp(99_000);
    story.tell(Input::Tick);
    assert_eq!(story.reason(), GateReason::LoopExhausted);
}
