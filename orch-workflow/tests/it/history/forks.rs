//! Runs that keep the results of another one up to a step.

use orch_config::{id::StepId, policy::Intervene};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled, Usage},
    decision::Decision,
    event::{Event, EventBody, Projector},
    history::{Fork, ForkError, ForkedRun, fork},
    machine::{Input, Machine},
    plan::Plan,
    record::{Record, RecordBody, RunStatus},
    testing::Laws,
    view::{RunView, StepStatus},
};
use serde_json::json;

use crate::machine::story::{
    Story, auto, default_policy, failed, graph, output, repeat, replace, run_started, warned, when,
};

fn id(step: &str) -> StepId {
    StepId::new(step).unwrap()
}

fn told(plan: Plan) -> Story {
    Story::of(run_started(plan, default_policy()))
}

fn forked(story: &Story, from: &str) -> Result<ForkedRun, ForkError> {
    fork(&story.journal, Fork::new(id(from)))
}

fn forked_under(story: &Story, from: &str, plan: Plan) -> Result<ForkedRun, ForkError> {
    let mut wish = Fork::new(id(from));
    wish.plan = Some(plan);
    fork(&story.journal, wish)
}

fn reused(view: &RunView) -> Vec<&str> {
    view.steps.iter().filter(|step| step.reused.is_some()).map(|step| step.id.as_str()).collect()
}

/// `plan`, then `code` and `docs` beside each other, then `review`.
fn diamond() -> Plan {
    graph(&[("plan", &[]), ("code", &["plan"]), ("docs", &["plan"]), ("review", &["code", "docs"])])
}

fn diamond_done() -> Story {
    let mut story = told(diamond());
    story.work_of("plan", Settled::answer("the plan"));
    story.work_of("code", warned("the code")).work_of("docs", Settled::answer("the docs"));
    story.work_of("review", Settled::answer("the review"));
    assert_eq!(story.status(), RunStatus::Success);
    story
}

#[test]
fn the_step_and_what_depends_on_it_begin_anew_and_everything_else_is_kept() {
    let story = diamond_done();
    for (from, kept, begun) in [
        ("plan", vec![], vec!["place plan#1"]),
        ("code", vec!["plan", "docs"], vec!["place code#1"]),
        ("docs", vec!["plan", "code"], vec!["place docs#1"]),
        ("review", vec!["plan", "code", "docs"], vec!["place review#1"]),
    ] {
        let mut fork = Story::forked(forked(&story, from).unwrap());
        assert_eq!(reused(&fork.view()), kept, "{from}");
        assert_eq!(fork.wanted(), begun, "{from}");
    }
}

#[test]
fn a_fork_is_complete_by_itself_and_costs_only_what_it_does() {
    let mut plan = diamond();
    plan.steps[0].carry = true;
    plan.steps[1].prompt = "{carry} and {steps.plan.text}".to_owned();
    let mut story = told(plan);
    let mut answer = Settled::answer("## Summary\nsail\n\n## Next\nrow");
    answer.usage = Usage { input: 100, output: 50, reasoning: 7, cost_usd: 0.5 };
    story.work_of("plan", answer).work_of("code", failed(ErrorCode::Model, "no"));
    story.work_of("docs", Settled::answer("the docs")).decide(Decision::Abort);
    assert_eq!(story.status(), RunStatus::Error);
    let before = story.journal.clone();

    let mut fork = Story::forked(forked(&story, "code").unwrap());
    let view = fork.view();
    let from = view.forked_from.clone().unwrap();
    assert_eq!((from.run.as_str(), from.seq, from.step.as_str()), ("run_1", before.len() as u64, "code"));
    let kept = fork.step("plan");
    assert_eq!((kept.status, kept.outcome, kept.attempts.len()), (StepStatus::Done, Some(Outcome::Ok), 0));
    assert_eq!(kept.text.as_deref(), Some("## Summary\nsail\n\n## Next\nrow"));
    let source = kept.reused.unwrap();
    assert_eq!((source.from.unwrap().to_string().as_str(), source.attempts), ("run_1/plan/1/1/1", 1));
    assert_eq!((view.tokens.input, view.cost_usd, view.active_ms), (0, 0.0, 0), "reused, not spent again");

    let prompt = fork.journal.iter().find_map(|record| match &record.body {
        RecordBody::AttemptStarted { prompt, .. } => Some(prompt.as_ref()),
        _ => None,
    });
    let prompt = prompt.unwrap();
    assert!(prompt.contains("sail") && prompt.ends_with("## Next\nrow"), "{prompt}");

    fork.crash();
    fork.work_of("code", Settled::answer("better")).work_of("review", Settled::answer("fine"));
    assert_eq!(fork.status(), RunStatus::Success);
    assert_eq!(Machine::replay(&fork.journal).unwrap().view(), fork.view());
    assert_eq!(story.journal, before, "the run it comes from stays as it is");
}

#[test]
fn every_record_and_event_of_a_fork_survives_json_and_says_what_was_reused() {
    let mut fork = Story::forked(forked(&diamond_done(), "review").unwrap());
    fork.work(Settled::answer("again"));
    let mut projector = Projector::new();
    let mut told = Vec::new();
    for record in &fork.journal {
        let json = serde_json::to_string(record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), *record, "{json}");
        let events = projector.project(record).inspect(|event| {
            let json = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), *event, "{json}");
        });
        for event in events {
            match event.body {
                EventBody::RunStarted { forked_from, .. } => told.push(forked_from.unwrap().run.to_string()),
                EventBody::StepReused { step, from, outcome, text, .. } => {
                    told.push(format!("{step} {} {outcome:?} {text}", from.unwrap()));
                }
                _ => {}
            }
        }
    }
    assert_eq!(
        told,
        [
            "run_1",
            "plan run_1/plan/1/1/1 Some(Ok) the plan",
            "code run_1/code/1/1/1 Some(Warning) the code",
            "docs run_1/docs/1/1/1 Some(Ok) the docs",
        ]
    );
}

#[test]
fn a_fork_of_a_fork_names_the_attempt_that_really_was() {
    let mut first = Story::forked(forked(&diamond_done(), "code").unwrap());
    first.work(Settled::answer("more code"));
    first.work(Settled::answer("more review"));
    let second = Story::forked(forked(&first, "review").unwrap());
    let from = |step: &str| second.step(step).reused.unwrap().from.unwrap().to_string();
    assert_eq!([from("plan"), from("code")], ["run_1/plan/1/1/1", "run_2/code/1/1/1"]);
    assert_eq!(second.view().forked_from.unwrap().run.as_str(), "run_2");
}

#[test]
fn what_was_left_out_or_replaced_stays_so() {
    let mut story = told(graph(&[("one", &[]), ("two", &["one"]), ("three", &["two"])]));
    story.work(failed(ErrorCode::Model, "no")).decide(Decision::Skip);
    story.work(failed(ErrorCode::Model, "no")).decide(replace("by hand"));
    story.work(Settled::answer("the end"));
    let fork = Story::forked(forked(&story, "three").unwrap());
    let (one, two) = (fork.step("one"), fork.step("two"));
    assert_eq!((one.status, one.text.as_deref(), one.outcome), (StepStatus::Skipped, None, None));
    assert_eq!(
        (two.status, two.text.as_deref(), two.outcome),
        (StepStatus::Done, Some("by hand"), Some(Outcome::Ok))
    );
}

/// Conditions see a reused result as they saw it where it was made.
#[test]
fn conditions_see_what_was_reused_with_its_warnings_and_attempts() {
    for (condition, status) in [
        ("steps.one.attempts == 2", StepStatus::Running),
        ("steps.one.attempts == 0", StepStatus::Skipped),
        ("'tool_failed' in steps.one.warnings", StepStatus::Running),
    ] {
        let plan = when(graph(&[("one", &[]), ("two", &["one"]), ("three", &["one"])]), "two", condition);
        let mut story = told(plan);
        story.work_of("one", failed(ErrorCode::Model, "no")).decide(Decision::Continue);
        story.work_of("one", warned("done"));
        let begun = story.step_status("two");
        assert_eq!(begun, status, "{condition}");
        story.work_of("three", Settled::answer("three"));
        if begun == StepStatus::Running {
            story.work_of("two", Settled::answer("two"));
        }
        let fork = Story::forked(forked(&story, "two").unwrap());
        assert_eq!(fork.step_status("two"), status, "{condition} in the fork");
    }
}

/// `plan`, then `review` and `fix` until the review approves, at most twice, then `end`.
fn build() -> Plan {
    let plan = graph(&[("plan", &[]), ("review", &[]), ("fix", &["review"]), ("end", &["loop"])]);
    let plan = repeat(plan, "loop", &["plan"], &["review", "fix"], 3, "steps.review.output.approved");
    when(plan, "fix", "!steps.review.output.approved")
}

fn verdict(approved: bool) -> Settled {
    output(if approved { "fine" } else { "not yet" }, json!({ "approved": approved }))
}

fn build_done() -> Story {
    let mut story = told(build());
    story.work_of("plan", Settled::answer("the plan"));
    story.work_of("review", verdict(false)).work_of("fix", Settled::answer("better"));
    story.work_of("review", verdict(true)).work_of("end", Settled::answer("the end"));
    assert_eq!(story.status(), RunStatus::Success);
    story
}

#[test]
fn a_group_is_reused_whole_with_its_last_pass() {
    let mut fork = Story::forked(forked(&build_done(), "end").unwrap());
    assert_eq!(fork.wanted(), ["place end#1"]);
    let view = fork.view();
    assert_eq!((view.groups[0].status, view.groups[0].iteration), (StepStatus::Done, 2));
    let (review, fix) = (fork.step("review"), fork.step("fix"));
    assert_eq!((review.iteration, review.output), (2, Some(json!({ "approved": true }))));
    assert_eq!((fix.iteration, fix.status), (2, StepStatus::Skipped));
}

#[test]
fn a_step_of_a_group_means_the_group_from_its_first_pass() {
    let story = build_done();
    for from in ["review", "fix", "loop"] {
        let mut fork = Story::forked(forked(&story, from).unwrap());
        assert_eq!(reused(&fork.view()), ["plan"], "{from}");
        assert_eq!(fork.view().forked_from.unwrap().step.as_str(), "loop", "{from}");
        assert_eq!(fork.dispatch().to_string(), "run_2/review/1/1/1", "{from}");
        fork.work_of("review", verdict(true)).work_of("end", Settled::answer("the end"));
        assert_eq!(fork.status(), RunStatus::Success, "{from}");
    }
}

#[test]
fn an_edited_definition_takes_over_what_has_a_place_in_it() {
    let story = diamond_done();
    let mut edited = diamond();
    edited.steps[3].prompt = "be strict about {steps.code.text}".to_owned();
    let fork = Story::forked(forked_under(&story, "review", edited.clone()).unwrap());
    assert_eq!(reused(&fork.view()), ["plan", "code", "docs"]);
    let Some(RecordBody::RunStarted(started)) = fork.journal.first().map(|record| &record.body) else {
        panic!()
    };
    assert_eq!((&started.plan, &started.digest), (&edited, &edited.digest()));

    // A step that is new begins, and so does what needs it; what does not is kept.
    let with_test = graph(&[
        ("plan", &[]),
        ("code", &["plan"]),
        ("test", &["code"]),
        ("docs", &["plan"]),
        ("review", &["test", "docs"]),
    ]);
    let mut fork = Story::forked(forked_under(&story, "test", with_test.clone()).unwrap());
    assert_eq!(
        (reused(&fork.view()), fork.wanted()),
        (vec!["plan", "code", "docs"], vec!["place test#1".to_owned()])
    );

    let error = forked_under(&story, "review", with_test).unwrap_err();
    assert_eq!(
        error.to_string(),
        "run run_1 has no result of test, which review needs (it is new): fork from test"
    );
}

#[test]
fn a_run_is_not_forked_where_it_makes_no_sense() {
    let done = diamond_done();
    let error = forked(&done, "reveiw").unwrap_err();
    assert_eq!(error.to_string(), "workflow boat has no step reveiw; its steps are plan, code, docs, review");
    assert_eq!(error.code(), "orch::run::unknown-step");

    let mut at_gate = told(diamond());
    at_gate.work_of("plan", failed(ErrorCode::Auth, "no key"));
    for (from, before, why) in
        [("code", "plan", "it waits for a decision"), ("review", "plan", "it waits for a decision")]
    {
        let error = forked(&at_gate, from).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("run run_1 has no result of {before}, which {from} needs ({why}): fork from {before}")
        );
    }
    at_gate.decide(Decision::Abort);
    let error = forked(&at_gate, "code").unwrap_err();
    assert!(error.to_string().contains("(it failed)"), "{error}");
    assert!(forked(&at_gate, "plan").is_ok());

    let mut at_work = told(diamond());
    at_work.work_of("plan", Settled::answer("the plan")).place_of("code");
    let error = forked(&at_work, "code").unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        ("run run_1 still has code, docs in flight", "orch::run::in-flight")
    );

    let without_docs = graph(&[("plan", &[]), ("code", &["plan"]), ("review", &["code"])]);
    let error = forked_under(&done, "review", without_docs.clone()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        (
            "run run_1 has a result of docs, and the other definition has no such step",
            "orch::run::fork-loses-result"
        )
    );
    assert!(forked_under(&done, "plan", without_docs).is_ok(), "docs depends on what begins anew");

    let mut of_another_form = diamond();
    of_another_form.steps[1].output = Some(json!({ "type": "object" }));
    let error = forked_under(&done, "review", of_another_form.clone()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        (
            "the other definition wants answers of another form from code: fork from code, which asks again",
            "orch::run::fork-other-form"
        )
    );
    assert!(forked_under(&done, "code", of_another_form).is_ok());
    assert!(matches!(fork(&[], Fork::new(id("plan"))), Err(ForkError::Journal(_))));
}

#[test]
fn a_fork_is_started_as_the_run_was_but_for_what_is_asked_for() {
    let mut started = run_started(diamond(), auto(Intervene::Always));
    started.metadata = json!({ "ticket": 7 });
    started.parent_session = Some("ses_given".to_owned());
    let mut story = Story::of(started);
    story.tell(Input::Pause { by: "ann".to_owned() }).work_of("plan", Settled::answer("the plan"));
    let plain = forked(&story, "plan").unwrap();
    assert_eq!((plain.task(), plain.parent_session()), ("build a boat", Some("ses_given")));
    assert_eq!(Story::forked(plain).view().intervene, Intervene::Always);

    let mut wish = Fork::new(id("plan"));
    wish.policy = auto(Intervene::Never);
    wish.parent_session = Some("ses_other".to_owned());
    let other = fork(&story.journal, wish).unwrap();
    assert_eq!(other.parent_session(), Some("ses_other"));
    assert_eq!(Story::forked(other).view().intervene, Intervene::Never);
}

/// A process that dies anywhere in a forked run leaves a journal that keeps the laws, and the next one brings the run
/// to the same end without a prompt more.
#[test]
fn a_forked_run_keeps_the_laws_and_survives_a_crash_at_every_point() {
    let (diamond, build) = (diamond_done(), build_done());
    for (story, from, left) in
        [(&diamond, "review", "review"), (&diamond, "docs", "docs review"), (&build, "end", "end")]
    {
        let finish = |fork: &mut Story| {
            for step in left.split(' ') {
                fork.work_of(step, Settled::answer(step));
            }
        };
        let begun = Story::forked(forked(story, from).unwrap());
        let mut whole = Story::forked(forked(story, from).unwrap());
        finish(&mut whole);
        assert_eq!(whole.status(), RunStatus::Success);
        let mut laws = Laws::new();
        laws.read(&whole.journal).unwrap();
        laws.check_machine(&whole.machine).unwrap();

        for end in begun.journal.len()..=whole.journal.len() {
            let mut again = Story::forked(forked(story, from).unwrap());
            again.journal = whole.journal[..end].to_vec();
            again.crash();
            for step in left.split(' ') {
                if again.step(step).session.is_none() {
                    again.place_of(step);
                }
                again.settle_of(step, Settled::answer(step));
            }
            assert_eq!(again.status(), RunStatus::Success, "{from} after {end}");
            let mut laws = Laws::new();
            laws.read(&again.journal).unwrap();
            laws.check_machine(&again.machine).unwrap();
        }
        let again = whole.journal.iter().find(|record| matches!(record.body, RecordBody::Reused { .. }));
        let mut late = whole.journal.clone();
        late.pop();
        late.push(Record { seq: whole.journal.len() as u64, ..again.unwrap().clone() });
        let broken = Laws::new().read(&late).unwrap_err().to_string();
        assert!(broken.contains("this one goes on already"), "{broken}");
    }
}
