//! The promises, one function each. An error says what was expected and what happened.

use std::fmt::Debug;

use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled},
    port::{Dispatch, Locator, Placement, Probe, Task, Update},
};
use serde_json::json;

use super::{ANSWER, Bench, HELD};
use crate::worker::Context;

type Checked<T = ()> = Result<T, String>;

pub(super) async fn ready_is_idempotent(bench: &dyn Bench) -> Checked {
    let (worker, cx) = (bench.worker(), Context::default());
    worker.ready(&cx).await.map_err(said("ready"))?;
    worker.ready(&cx).await.map_err(said("ready again"))
}

pub(super) async fn place_sends_nothing_and_names_each_dispatch(bench: &dyn Bench) -> Checked {
    let (_, first) = place(bench, 1, "one").await?;
    let (_, second) = place(bench, 2, "two").await?;
    ensure(first.locator != second.locator, || "two dispatches got one locator".to_owned())?;
    let text = first.locator.0.to_string();
    let read = serde_json::from_str(&text).map(Locator).map_err(said("reading a locator back"))?;
    ensure(read == first.locator, || format!("a locator does not survive the journal: {text}"))?;
    let asked = bench.times_asked().await;
    ensure(asked == 0, || format!("{asked} prompts were sent by `place`"))
}

pub(super) async fn send_settles_once_and_last(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let mut task = send(bench, &placement, &dispatch).await?;
    answered(settle(&mut task).await?)?;
    match task.next().await {
        None => Ok(()),
        Some(update) => Err(format!("after the result came {update:?}")),
    }
}

pub(super) async fn a_placed_prompt_that_was_not_sent_never_arrived(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let probe = bench.worker().probe(&Context::default(), &placement.locator, &dispatch).await;
    ensure(matches!(probe, Probe::NeverArrived), || format!("expected NeverArrived, got {probe:?}"))
}

pub(super) async fn a_prompt_at_work_is_probed_as_running(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, HELD).await?;
    let _task = send(bench, &placement, &dispatch).await?;
    bench.wait_asked(1).await;
    let probe = bench.reborn().await.probe(&Context::default(), &placement.locator, &dispatch).await;
    if !bench.outlives_its_process() {
        return match probe {
            Probe::Interrupted => Ok(()),
            probe => Err(format!("expected Interrupted, got {probe:?}")),
        };
    }
    let Probe::Running(mut task) = probe else { return Err(format!("expected Running, got {probe:?}")) };
    bench.release();
    answered(settle(&mut task).await?)
}

pub(super) async fn a_finished_prompt_is_probed_with_its_result(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let mut task = send(bench, &placement, &dispatch).await?;
    answered(settle(&mut task).await?)?;
    let probe = bench.worker().probe(&Context::default(), &placement.locator, &dispatch).await;
    finished(probe)
}

pub(super) async fn a_fresh_process_finds_what_was_placed_before(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let cx = Context::default();
    let reborn = bench.reborn().await;
    let probe = reborn.probe(&cx, &placement.locator, &dispatch).await;
    ensure(matches!(probe, Probe::NeverArrived), || format!("expected NeverArrived, got {probe:?}"))?;
    let task = reborn.send(&cx, &placement.locator, &dispatch).await;
    answered(settle(&mut task.map_err(said("send"))?).await?)?;
    finished(bench.reborn().await.probe(&cx, &placement.locator, &dispatch).await)
}

pub(super) async fn sending_twice_works_once(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    for _ in 0..2 {
        let mut task = send(bench, &placement, &dispatch).await?;
        answered(settle(&mut task).await?)?;
    }
    let asked = bench.times_asked().await;
    ensure(asked == 1, || format!("one locator was worked on {asked} times"))
}

pub(super) async fn two_prompts_in_one_session_do_not_mix(bench: &dyn Bench) -> Checked {
    let (first, first_place) = place(bench, 1, &format!("{HELD} one")).await?;
    let (second, second_place) = place(bench, 2, "two").await?;
    let mut first = send(bench, &first_place, &first).await?;
    bench.wait_asked(1).await;
    let mut second = send(bench, &second_place, &second).await?;
    bench.release();
    for task in [&mut first, &mut second] {
        answered(settle(task).await?)?;
    }
    let asked = bench.times_asked().await;
    ensure(asked == 2, || format!("two prompts were worked on {asked} times"))
}

pub(super) async fn an_abort_is_confirmed_and_settles_the_task(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, HELD).await?;
    let mut task = send(bench, &placement, &dispatch).await?;
    bench.wait_asked(1).await;
    let (worker, cx) = (bench.worker(), Context::default());
    worker.abort(&cx, &placement.locator).await.map_err(said("abort"))?;
    let settled = settle(&mut task).await?;
    let code = settled.error.as_ref().map(|error| error.code);
    ensure(code == Some(ErrorCode::Aborted), || format!("expected `aborted`, got {settled:?}"))?;
    let probe = worker.probe(&cx, &placement.locator, &dispatch).await;
    let at_rest = match &probe {
        Probe::Interrupted => true,
        Probe::Finished(settled) => settled.outcome() == Outcome::Error,
        _ => false,
    };
    ensure(at_rest, || format!("after the abort the probe says {probe:?}"))
}

pub(super) async fn aborting_what_is_at_rest_succeeds(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let (worker, cx) = (bench.worker(), Context::default());
    worker.abort(&cx, &placement.locator).await.map_err(said("abort before send"))?;
    let mut task = send(bench, &placement, &dispatch).await?;
    answered(settle(&mut task).await?)?;
    worker.abort(&cx, &placement.locator).await.map_err(said("abort after the result"))?;
    finished(worker.probe(&cx, &placement.locator, &dispatch).await)
}

pub(super) async fn a_dropped_task_works_on(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, HELD).await?;
    drop(send(bench, &placement, &dispatch).await?);
    bench.wait_asked(1).await;
    bench.release();
    match bench.worker().probe(&Context::default(), &placement.locator, &dispatch).await {
        Probe::Running(mut task) => answered(settle(&mut task).await?),
        probe => finished(probe),
    }
}

pub(super) async fn the_latest_answer_can_be_read(bench: &dyn Bench) -> Checked {
    let (dispatch, placement) = place(bench, 1, "one").await?;
    let (worker, cx) = (bench.worker(), Context::default());
    let early = worker.latest_answer(&cx, &placement.locator).await;
    ensure(early.is_err(), || format!("before any answer the latest was {early:?}"))?;
    let mut task = send(bench, &placement, &dispatch).await?;
    answered(settle(&mut task).await?)?;
    answered(worker.latest_answer(&cx, &placement.locator).await.map_err(said("latest_answer"))?)
}

pub(super) async fn a_foreign_locator_is_refused(bench: &dyn Bench) -> Checked {
    let (worker, cx) = (bench.worker(), Context::default());
    let dispatch = bench.dispatch(1, "one");
    let foreign = Locator(json!({ "somebody": "else" }));
    let probe = worker.probe(&cx, &foreign, &dispatch).await;
    ensure(matches!(probe, Probe::Unknown(_)), || format!("probe of a foreign locator: {probe:?}"))?;
    let sent = worker.send(&cx, &foreign, &dispatch).await;
    ensure(sent.is_err(), || "a foreign locator was accepted by `send`".to_owned())?;
    let aborted = worker.abort(&cx, &foreign).await;
    ensure(aborted.is_err(), || "a foreign locator was accepted by `abort`".to_owned())
}

async fn place(bench: &dyn Bench, attempt: u32, prompt: &str) -> Checked<(Dispatch, Placement)> {
    let dispatch = bench.dispatch(attempt, prompt);
    let placement = bench.worker().place(&Context::default(), &dispatch).await;
    Ok((dispatch, placement.map_err(said("place"))?))
}

async fn send(bench: &dyn Bench, placement: &Placement, dispatch: &Dispatch) -> Checked<Task> {
    let task = bench.worker().send(&Context::default(), &placement.locator, dispatch).await;
    task.map_err(said("send"))
}

/// The result; nothing may come instead.
async fn settle(task: &mut Task) -> Checked<Settled> {
    while let Some(update) = task.next().await {
        if let Update::Settled(settled) = update {
            return Ok(*settled);
        }
    }
    Err("the task ended without a result".to_owned())
}

fn answered(settled: Settled) -> Checked {
    let is_answer = settled.error.is_none() && settled.text == ANSWER;
    ensure(is_answer, || format!("expected {ANSWER:?}, got {settled:?}"))
}

fn finished(probe: Probe) -> Checked {
    match probe {
        Probe::Finished(settled) => answered(*settled),
        probe => Err(format!("expected Finished, got {probe:?}")),
    }
}

fn said<E: Debug>(call: &str) -> impl Fn(E) -> String + '_ {
    move |error| format!("{call} said {error:?}")
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}
