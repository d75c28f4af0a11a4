//! The machine's invariants, under inputs that no driver would ever give in such an order.

use orch_config::{
    budget::Budget,
    expression::Expression,
    id::StepId,
    kind::ExecutionMode,
    policy::{Execution, Intervene, PolicyPatch},
    retry::Retry,
    workflow::GateDefault,
};
use orch_workflow::{
    attempt::{AttemptError, DispatchId, ErrorCode, Settled, Timestamp, Usage},
    decision::{Bound, Decision, GateId},
    event::Projector,
    machine::{Input, Machine},
    plan::Plan,
    port::{Ask, AskId, AskReply},
    record::{Record, RecordBody},
    testing::Laws,
};
use proptest::prelude::*;
use serde_json::json;

use super::story::{
    Story, failed, output, placement, policy, replace, retry, run_started, step, warned, workflow,
};

/// What happens next. Dispatches are named by how long ago they were begun, so that late ones come up too.
#[derive(Debug, Clone)]
enum Move {
    Placed(usize, bool),
    Settled(usize, u8),
    Lost(usize),
    NeverArrived(usize),
    Attached(usize),
    Unknown(usize),
    AbortEnded(usize, bool),
    Ask(usize, u8),
    AskClosed(usize, u8),
    Answer(u8),
    Waiting(usize, bool),
    Used(usize, u64),
    Decide(u8, Option<u8>),
    Pause,
    Interrupt,
    Cancel,
    DefinitionChanged,
    Pass(u64),
    StandStill(u64),
    Crash,
    Reopen,
    TakenUp,
}

fn moves() -> impl Strategy<Value = Move> {
    let ago = 0..3_usize;
    prop_oneof![
        8 => (ago.clone(), prop::bool::weighted(0.9)).prop_map(|(ago, ok)| Move::Placed(ago, ok)),
        8 => (ago.clone(), 0..8_u8).prop_map(|(ago, kind)| Move::Settled(ago, kind)),
        1 => ago.clone().prop_map(Move::Lost),
        1 => ago.clone().prop_map(Move::NeverArrived),
        1 => ago.clone().prop_map(Move::Attached),
        1 => ago.clone().prop_map(Move::Unknown),
        2 => (ago.clone(), any::<bool>()).prop_map(|(ago, ok)| Move::AbortEnded(ago, ok)),
        1 => (ago.clone(), 0..2_u8).prop_map(|(ago, ask)| Move::Ask(ago, ask)),
        1 => (ago.clone(), 0..2_u8).prop_map(|(ago, ask)| Move::AskClosed(ago, ask)),
        1 => (0..2_u8).prop_map(Move::Answer),
        1 => (ago.clone(), any::<bool>()).prop_map(|(ago, waiting)| Move::Waiting(ago, waiting)),
        2 => (ago, 0..600_u64).prop_map(|(ago, input)| Move::Used(ago, input)),
        6 => (0..5_u8, prop::option::weighted(0.2, 0..20_u8)).prop_map(|(kind, gate)| Move::Decide(kind, gate)),
        1 => Just(Move::Pause),
        1 => Just(Move::Interrupt),
        1 => prop::bool::weighted(0.2).prop_map(|sure| if sure { Move::Cancel } else { Move::Pause }),
        1 => Just(Move::DefinitionChanged),
        2 => (0..20_000_u64).prop_map(Move::Pass),
        1 => (0..20_000_u64).prop_map(Move::StandStill),
        1 => Just(Move::Crash),
        1 => Just(Move::Reopen),
        1 => Just(Move::TakenUp),
    ]
}

/// What a generated step looks like: whether it talks to a person, carries, how often it is tried, which of the
/// steps before it it waits for, and when it is wanted.
type Shape = (bool, bool, u32, usize, usize);

/// Which steps form a group, how many passes it may make, and until when.
type Loop = (usize, usize, u32, usize);

fn stories() -> impl Strategy<Value = Story> {
    let steps =
        prop::collection::vec((any::<bool>(), any::<bool>(), 1..4_u32, 0..16_usize, 0..8_usize), 1..5);
    let group = prop::option::of((0..3_usize, 1..4_usize, 1..3_u32, 0..4_usize));
    let execution = prop_oneof![Just(Execution::Step), Just(Execution::Auto)];
    let intervene = prop_oneof![
        Just(Intervene::Never),
        Just(Intervene::OnError),
        Just(Intervene::OnWarning),
        Just(Intervene::Always)
    ];
    let default = prop::option::of(prop_oneof![
        Just(GateDefault::Continue),
        Just(GateDefault::Retry),
        Just(GateDefault::Skip),
        Just(GateDefault::Abort)
    ]);
    let spending = (0..4_usize, prop::option::weighted(0.3, 300..2_000_u64), 0..16_usize);
    (steps, group, execution, intervene, default, 1..4_u32, spending).prop_map(
        |(shapes, group, execution, intervene, default, parallel, spending)| {
            let steps = shapes.iter().zip(["one", "two", "three", "four"]).map(|(shape, id)| {
                let (foreground, carry, attempts, ..) = *shape;
                let mut step = step(id);
                step.execution = foreground.then_some(ExecutionMode::Foreground);
                step.carry = carry;
                step.prompt = "{task} {carry}".to_owned();
                step.timeout_ms = 30_000;
                step.idle_warning_ms = 8_000;
                step.retry = Retry { max_attempts: attempts, ..Retry::default() };
                step
            });
            let mut workflow = workflow(steps);
            workflow.gate_timeout_ms = default.map(|_| 60_000);
            workflow.gate_default = default;
            workflow.limits.max_carry_chars = 120;
            let mut plan = super::story::plan(workflow);
            plan.limits.max_parallel = parallel;
            wire(&mut plan, &shapes);
            if let Some(group) = group {
                plan = gathered(plan, group);
            }
            spend(&mut plan, spending);
            Story::of(run_started(plan, policy(execution, intervene)))
        },
    )
}

/// Each step waits for any of those before it, and is sometimes wanted on a condition only.
fn wire(plan: &mut Plan, shapes: &[Shape]) {
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for (number, (step, (.., needs, wanted))) in plan.steps.iter_mut().zip(shapes).enumerate() {
        step.needs =
            (0..number).filter(|need| needs >> need & 1 == 1).map(|need| ids[need].clone()).collect();
        let condition = match (wanted, step.needs.first()) {
            (0, _) => "false".to_owned(),
            (1, Some(need)) => format!("steps.{need}.output.ok"),
            (2, Some(need)) => format!("steps.{need}.status == 'skipped'"),
            _ => continue,
        };
        step.when = Some(Expression::parse(condition).unwrap());
    }
}

/// Some steps in a row become a group: what waits for one of them waits for all of them, and what one of them waits
/// for is what the group waits for.
fn gathered(mut plan: Plan, (first, length, max, until): Loop) -> Plan {
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    let members: Vec<_> = ids.iter().skip(first).take(length).map(String::as_str).collect();
    let Some(last) = members.last() else { return plan };
    let id = StepId::new("loop").unwrap();
    let mut outside = Vec::new();
    for step in &mut plan.steps {
        let member = members.contains(&step.id.as_str());
        let (inner, outer): (Vec<_>, Vec<_>) =
            step.needs.drain(..).partition(|need| members.contains(&need.as_str()));
        if member {
            outside.extend(outer.iter().map(ToString::to_string));
            step.needs = inner;
        } else {
            step.needs = outer;
            step.needs.extend((!inner.is_empty()).then(|| id.clone()));
        }
        // A condition may look only at what is over for certain.
        let named = step.when.as_ref().map_or("", Expression::as_str);
        let seen = step.needs.iter().any(|need| named.contains(&format!("steps.{need}.")));
        step.when = step.when.take().filter(|when| seen || when.as_str() == "false");
    }
    outside.sort();
    outside.dedup();
    let outside: Vec<_> = outside.iter().map(String::as_str).collect();
    let until = match until {
        0 => "false".to_owned(),
        1 => "iteration >= 2".to_owned(),
        2 => format!("steps.{last}.output.ok"),
        _ => format!("steps.{last}.status == 'skipped'"),
    };
    super::story::repeat(plan, "loop", &outside, &members, max, &until)
}

/// Bounds for the run or for one of its steps, and which steps must answer in a form.
fn spend(plan: &mut Plan, (whose, bound, structured): (usize, Option<u64>, usize)) {
    let budget = Budget {
        max_tokens: bound,
        max_cost_usd: bound.map(|bound| bound as f64 * 1.5),
        max_active_ms: bound.map(|bound| bound * 20),
    };
    match plan.steps.get_mut(whose) {
        Some(step) => step.budget = budget,
        None => plan.budget = budget,
    }
    let schema = json!({ "type": "object", "properties": { "ok": { "const": true } }, "required": ["ok"] });
    for (number, step) in plan.steps.iter_mut().enumerate() {
        step.output = (structured >> number & 1 == 1).then(|| schema.clone());
    }
}

fn input(story: &Story, step: &Move) -> Option<Input> {
    let begun: Vec<DispatchId> = story
        .journal
        .iter()
        .filter_map(|record| match &record.body {
            RecordBody::AttemptStarted { dispatch, .. } | RecordBody::TurnStarted { dispatch, .. } => {
                Some(dispatch.clone())
            }
            _ => None,
        })
        .collect();
    let dispatch = |ago: &usize| begun.iter().rev().nth(*ago).cloned();
    let ask = |number: &u8| AskId(format!("ask_{number}"));
    let by = || "ann".to_owned();
    let error = || AttemptError::new(ErrorCode::Unreachable, "gone");
    Some(match step {
        Move::Placed(ago, ok) => {
            let dispatch = dispatch(ago)?;
            let result = if *ok { Ok(placement(&dispatch)) } else { Err(error()) };
            Input::Placed { dispatch, result }
        }
        Move::Settled(ago, kind) => {
            Input::Settled { dispatch: dispatch(ago)?, result: Box::new(result(*kind)) }
        }
        Move::Lost(ago) => Input::Lost { dispatch: dispatch(ago)?, error: error() },
        Move::NeverArrived(ago) => Input::NeverArrived { dispatch: dispatch(ago)? },
        Move::Attached(ago) => Input::Attached { dispatch: dispatch(ago)? },
        Move::Unknown(ago) => Input::Unknown { dispatch: dispatch(ago)?, reason: "gone".to_owned() },
        Move::AbortEnded(ago, ok) => {
            let result = if *ok { Ok(()) } else { Err(error()) };
            Input::AbortEnded { dispatch: dispatch(ago)?, result }
        }
        Move::Ask(ago, number) => {
            let ask = Ask::permission(ask(number), "ses", "bash: make");
            Input::AskOpened { dispatch: dispatch(ago)?, ask }
        }
        Move::AskClosed(ago, number) => {
            Input::AskClosed { dispatch: dispatch(ago)?, ask: ask(number), by: by() }
        }
        Move::Answer(number) => Input::Answer { ask: ask(number), reply: AskReply::Once, by: by() },
        Move::Waiting(ago, waiting) => Input::Waiting { dispatch: dispatch(ago)?, waiting: *waiting },
        Move::Used(ago, input) => {
            let usage = Usage { input: *input, cost_usd: *input as f64, ..Usage::default() };
            Input::Used { dispatch: dispatch(ago)?, usage }
        }
        Move::Decide(kind, gate) => Input::Decide {
            gate: gate.map(|number| GateId(format!("g{number}"))),
            decision: match kind {
                0 => Decision::Continue,
                1 => retry(),
                2 => Decision::Skip,
                3 => replace("by hand"),
                _ => Decision::Abort,
            },
            policy: PolicyPatch::default(),
            budget: higher(story, *kind),
            by: by(),
        },
        Move::Pause => Input::Pause { by: by() },
        Move::Interrupt => Input::Interrupt { by: by() },
        Move::Cancel => Input::Cancel { by: by() },
        Move::DefinitionChanged => Input::DefinitionChanged { message: "everything".to_owned() },
        Move::TakenUp => Input::TakenUp,
        Move::Pass(_) | Move::StandStill(_) | Move::Crash | Move::Reopen => return None,
    })
}

/// Mostly enough to go on with, where the open gate is over a budget.
fn higher(story: &Story, kind: u8) -> Budget {
    let spent = story.view().gate.and_then(|gate| gate.budget).filter(|_| kind == 0);
    let (bound, used) = spent.map_or((None, 0.0), |spent| (Some(spent.bound), spent.used));
    let more = used + 200.0;
    match bound {
        Some(Bound::Tokens) => Budget { max_tokens: Some(more as u64), ..Budget::default() },
        Some(Bound::CostUsd) => Budget { max_cost_usd: Some(more), ..Budget::default() },
        Some(Bound::ActiveMs) => Budget { max_active_ms: Some(more as u64), ..Budget::default() },
        _ => Budget::default(),
    }
}

fn result(kind: u8) -> Settled {
    match kind {
        0 => warned("careful"),
        1 => failed(ErrorCode::Model, "no"),
        2 => failed(ErrorCode::WorkerLost, "lost"),
        3 => failed(ErrorCode::Aborted, "aborted"),
        4 => Settled::failed(
            AttemptError::new(ErrorCode::RateLimited, "slow").with_reset_at(Timestamp(20_000)),
        ),
        5 => Settled::answer("## Summary\nall is well with the boat and with everybody on board of it"),
        good => output("## Summary\nseen", json!({ "ok": good == 6 })),
    }
}

/// What has happened since the last look keeps the laws, and the journal tells the state in memory.
fn check(story: &mut Story, laws: &mut Laws) -> Result<(), TestCaseError> {
    let read = usize::try_from(laws.seq()).unwrap();
    laws.read(&story.journal[read..])?;
    for effect in std::mem::take(&mut story.effects) {
        laws.check_effect(&effect)?;
    }
    laws.check_machine(&story.machine)?;
    let replayed = Machine::replay(&story.journal).unwrap();
    prop_assert_eq!(&replayed.view(), &story.view(), "the journal tells another story");
    prop_assert!(replayed == story.machine, "the journal tells another story");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_an_invariant(mut story in stories(), steps in prop::collection::vec(moves(), 1..60)) {
        let mut laws = Laws::new();
        check(&mut story, &mut laws)?;
        for step in &steps {
            match step {
                Move::Pass(ms) => {
                    story.now = story.now.plus_ms(*ms);
                    story.tell(Input::Tick);
                }
                Move::StandStill(ms) => {
                    story.now = story.now.plus_ms(*ms);
                    let records = story.journal.len();
                    story.tell(Input::StoodStill { ms: *ms });
                    prop_assert_eq!(story.journal.len(), records, "it is no fact of the run");
                    story.tell(Input::Tick);
                }
                Move::Crash => {
                    story.crash();
                }
                Move::Reopen => {
                    story.reopen();
                }
                other => {
                    let Some(input) = input(&story, other) else { continue };
                    let before = (story.journal.len(), story.machine.view());
                    let batch = story.machine.handle(story.now, input);
                    prop_assert_eq!(&story.machine.view(), &before.1, "handling alone changes nothing");
                    match batch {
                        Ok(batch) => story.commit(batch),
                        Err(_) => prop_assert_eq!(story.journal.len(), before.0),
                    }
                }
            }
            check(&mut story, &mut laws)?;
        }
        let mut projector = Projector::new();
        for record in &story.journal {
            let json = serde_json::to_string(record).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Record>(&json).unwrap(), record);
            for event in projector.project(record) {
                prop_assert_eq!(event.seq, record.seq);
                let json = serde_json::to_string(&event).unwrap();
                prop_assert_eq!(serde_json::from_str::<orch_workflow::event::Event>(&json).unwrap(), event);
            }
        }
    }
}
