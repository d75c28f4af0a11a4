//! A conformance suite for workers: what the engine relies on, checked one promise at a time.
//!
//! ```no_run
//! # async fn example(factory: impl AsyncFn() -> Box<dyn orch_workers::testing::Bench>) {
//! orch_workers::testing::worker_suite(factory).await.unwrap();
//! # }
//! ```

mod checks;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_workflow::port::Dispatch;

use crate::worker::Worker;

/// How long one promise may take. Under a paused clock that costs no real time.
const PATIENCE: Duration = Duration::from_secs(60);

/// One worker and the outside world that it works in, made afresh for every check.
///
/// The world's answers are scripted: a prompt is answered with [`ANSWER`], one that contains [`HELD`] only after
/// [`release`](Self::release).
#[async_trait]
pub trait Bench: Send + Sync {
    /// The worker under test. Called again it gives the same worker.
    fn worker(&self) -> Arc<dyn Worker>;

    /// A second worker in the same world, as a process that was started after a crash would have it: it shares no
    /// memory with the first.
    async fn reborn(&self) -> Arc<dyn Worker>;

    /// Whether work goes on when the process that sent it dies. Where it dies with it, [`reborn`](Self::reborn) ends the
    /// first worker, and what was at work is found interrupted, never lost sight of.
    fn outlives_its_process(&self) -> bool {
        true
    }

    /// A dispatch that the worker accepts. Another `attempt` is another dispatch of the same step.
    fn dispatch(&self, attempt: u32, prompt: &str) -> Dispatch;

    /// How often the prompts of these dispatches were really worked on: asked of a model, run, counted.
    async fn times_asked(&self) -> usize;

    /// Waits until that many prompts are being worked on or have been.
    async fn wait_asked(&self, times: usize);

    /// Lets the held prompts go on.
    fn release(&self);
}

/// In a prompt: do not answer before the bench says so.
pub const HELD: &str = "HELD";

/// The answer to every prompt.
pub const ANSWER: &str = "the scripted answer";

/// A promise that a worker broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// What was expected and what happened.
    pub message: String,
}

/// Every promise that a worker broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the worker breaks {} of its promises", self.0.len())?;
        for Finding { check, message } in &self.0 {
            write!(f, "\n  {check}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Runs every check, each on a bench of its own.
///
/// # Errors
/// All broken promises at once.
pub async fn worker_suite(factory: impl AsyncFn() -> Box<dyn Bench>) -> Result<(), Findings> {
    let mut findings = Vec::new();
    macro_rules! run {
        ($($check:ident),* $(,)?) => {$(
            let bench = factory().await;
            let checked = tokio::time::timeout(PATIENCE, checks::$check(&*bench)).await;
            let result = checked.unwrap_or_else(|_| Err(format!("nothing happened for {PATIENCE:?}")));
            bench.release();
            let report = bench.worker().shutdown(Duration::from_secs(1)).await;
            let leftovers = report.problems.join("; ");
            let clean = if report.is_clean() { Ok(()) } else { Err(format!("shutdown left {leftovers}")) };
            if let Err(message) = result.and(clean) {
                findings.push(Finding { check: stringify!($check), message });
            }
        )*};
    }
    run![
        ready_is_idempotent,
        place_sends_nothing_and_names_each_dispatch,
        send_settles_once_and_last,
        a_placed_prompt_that_was_not_sent_never_arrived,
        a_prompt_at_work_is_probed_as_running,
        a_finished_prompt_is_probed_with_its_result,
        a_fresh_process_finds_what_was_placed_before,
        sending_twice_works_once,
        two_prompts_in_one_session_do_not_mix,
        an_abort_is_confirmed_and_settles_the_task,
        aborting_what_is_at_rest_succeeds,
        a_dropped_task_works_on,
        the_latest_answer_can_be_read,
        a_foreign_locator_is_refused,
    ];
    if findings.is_empty() { Ok(()) } else { Err(Findings(findings)) }
}
