//! A worker that has nothing to do with OpenCode, as an embedding program could write it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Config, id::ProfileId, kind::WorkerKind};
use orch_opencode::simulator::Script;
use orch_workers::{
    Pool, ShutdownReport, Worker,
    testing::{ANSWER, Bench, HELD, worker_suite},
    worker::{Capabilities, Context},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    port::{
        AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor as _, Task, Update,
    },
};
use serde_json::json;
use tokio::sync::watch;

use crate::world::{self, outcome};

/// Where the work happens, and what survives the worker: jobs by their id, each with its state.
#[derive(Debug)]
struct Queue {
    jobs: Mutex<HashMap<String, watch::Sender<Job>>>,
    asked: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

#[derive(Debug, Clone, PartialEq)]
enum Job {
    Placed,
    Working,
    Done(Settled),
}

#[derive(Debug)]
struct QueueWorker {
    id: ProfileId,
    queue: Arc<Queue>,
}

impl Queue {
    fn new() -> Arc<Self> {
        let (asked, open) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { jobs: Mutex::default(), asked, open })
    }

    fn job(&self, locator: &Locator) -> Option<watch::Sender<Job>> {
        self.jobs.lock().unwrap().get(locator.0["job"].as_str()?).cloned()
    }

    fn work(self: &Arc<Self>, job: watch::Sender<Job>, prompt: String) {
        job.send_replace(Job::Working);
        self.asked.send_modify(|asked| *asked += 1);
        let queue = Arc::clone(self);
        tokio::spawn(async move {
            if prompt.contains(HELD) {
                queue.open.subscribe().wait_for(|open| *open).await.unwrap();
            }
            job.send_if_modified(|job| {
                let is_working = *job == Job::Working;
                if is_working {
                    *job = Job::Done(Settled::answer(ANSWER));
                }
                is_working
            });
        });
    }
}

fn follow(job: &watch::Sender<Job>) -> Task {
    let (updates, task) = Task::channel(4);
    let mut job = job.subscribe();
    tokio::spawn(async move {
        let done = job.wait_for(|job| matches!(job, Job::Done(_))).await.map(|job| job.clone());
        if let Ok(Job::Done(settled)) = done {
            let _ = updates.send(Update::Settled(Box::new(settled))).await;
        }
    });
    task
}

fn foreign() -> AttemptError {
    AttemptError::new(ErrorCode::Internal, "that is no job of this queue")
}

#[async_trait]
impl Worker for QueueWorker {
    fn id(&self) -> &ProfileId {
        &self.id
    }

    fn kind(&self) -> WorkerKind {
        WorkerKind::Agent
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::minimal().with_concurrency(8)
    }

    async fn ready(&self, _cx: &Context) -> Result<(), AttemptError> {
        Ok(())
    }

    async fn place(&self, _cx: &Context, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let job = dispatch.id.to_string();
        self.queue.jobs.lock().unwrap().insert(job.clone(), watch::Sender::new(Job::Placed));
        let locator = Locator(json!({ "job": job }));
        Ok(Placement { locator, session: job, parent_session: None })
    }

    async fn send(&self, _cx: &Context, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let job = self.queue.job(locator).ok_or_else(|| SendError::Refused(foreign()))?;
        let task = follow(&job);
        if *job.borrow() == Job::Placed {
            self.queue.work(job, dispatch.prompt.to_string());
        }
        Ok(task)
    }

    async fn probe(&self, _cx: &Context, locator: &Locator, _dispatch: &Dispatch) -> Probe {
        let Some(job) = self.queue.job(locator) else { return Probe::Unknown(foreign().to_string()) };
        let state = job.borrow().clone();
        match state {
            Job::Placed => Probe::NeverArrived,
            Job::Working => Probe::Running(follow(&job)),
            Job::Done(settled) => Probe::Finished(Box::new(settled)),
        }
    }

    async fn abort(&self, _cx: &Context, locator: &Locator) -> Result<(), AttemptError> {
        let job = self.queue.job(locator).ok_or_else(foreign)?;
        job.send_if_modified(|job| {
            let is_working = *job == Job::Working;
            if is_working {
                *job = Job::Done(Settled::failed(AttemptError::new(ErrorCode::Aborted, "aborted")));
            }
            is_working
        });
        Ok(())
    }

    async fn latest_answer(&self, _cx: &Context, locator: &Locator) -> Result<Settled, AttemptError> {
        let job = self.queue.job(locator).ok_or_else(foreign)?;
        let state = job.borrow().clone();
        match state {
            Job::Done(settled) if settled.error.is_none() => Ok(settled),
            _ => Err(AttemptError::new(ErrorCode::WorkerLost, "nothing was answered yet")),
        }
    }

    async fn answer(
        &self,
        _cx: &Context,
        _locator: &Locator,
        _ask: &AskId,
        _reply: &AskReply,
    ) -> Result<(), AttemptError> {
        Err(AttemptError::new(ErrorCode::Internal, "this worker asks nothing"))
    }

    async fn shutdown(&self, _grace: Duration) -> ShutdownReport {
        ShutdownReport::default()
    }
}

struct QueueBench(Arc<QueueWorker>);

fn worker(queue: Arc<Queue>) -> Arc<QueueWorker> {
    Arc::new(QueueWorker { id: ProfileId::new("w").unwrap(), queue })
}

#[async_trait]
impl Bench for QueueBench {
    fn worker(&self) -> Arc<dyn Worker> {
        Arc::clone(&self.0) as Arc<dyn Worker>
    }

    async fn reborn(&self) -> Arc<dyn Worker> {
        worker(Arc::clone(&self.0.queue))
    }

    fn dispatch(&self, attempt: u32, prompt: &str) -> Dispatch {
        let mut dispatch = world::dispatch(WorkerKind::Agent, prompt);
        dispatch.id.attempt = attempt;
        dispatch
    }

    async fn times_asked(&self) -> usize {
        *self.0.queue.asked.borrow()
    }

    async fn wait_asked(&self, times: usize) {
        self.0.queue.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    fn release(&self) {
        self.0.queue.open.send_replace(true);
    }
}

#[tokio::test]
async fn a_worker_of_somebody_else_can_prove_itself() {
    let bench = async || Box::new(QueueBench(worker(Queue::new()))) as Box<dyn Bench>;
    worker_suite(bench).await.unwrap_or_else(|findings| panic!("{findings}"));
}

/// A suite that finds nothing wrong with anybody would prove nothing.
#[tokio::test]
async fn a_worker_that_forgets_what_it_placed_is_found_out() {
    struct Forgetful(QueueBench);

    #[async_trait]
    impl Bench for Forgetful {
        fn worker(&self) -> Arc<dyn Worker> {
            self.0.worker()
        }

        async fn reborn(&self) -> Arc<dyn Worker> {
            worker(Queue::new())
        }

        fn dispatch(&self, attempt: u32, prompt: &str) -> Dispatch {
            self.0.dispatch(attempt, prompt)
        }

        async fn times_asked(&self) -> usize {
            self.0.times_asked().await
        }

        async fn wait_asked(&self, times: usize) {
            self.0.wait_asked(times).await;
        }

        fn release(&self) {
            self.0.release();
        }
    }

    let bench = async || Box::new(Forgetful(QueueBench(worker(Queue::new())))) as Box<dyn Bench>;
    let findings = worker_suite(bench).await.unwrap_err();
    let checks: Vec<_> = findings.0.iter().map(|finding| finding.check).collect();
    assert_eq!(
        checks,
        ["a_prompt_at_work_is_probed_as_running", "a_fresh_process_finds_what_was_placed_before"]
    );
    assert!(findings.to_string().starts_with("the worker breaks 2 of its promises"));
}

#[tokio::test]
async fn a_registered_worker_does_the_steps_that_name_it() {
    let simulator = world::simulator(Script::new()).await;
    let queue = worker(Queue::new());
    let pool = Pool::builder(Arc::new(Config::builtin()), world::host(&simulator))
        .register(Arc::clone(&queue) as Arc<dyn Worker>)
        .build();
    let dispatch = world::dispatch(WorkerKind::Subagent, "go");
    let placement = pool.place(&dispatch).await.unwrap();
    let task = pool.send(&placement.locator, &dispatch).await.unwrap();
    assert_eq!(outcome(task).await.1.text, ANSWER);
    assert!(matches!(pool.probe(&placement.locator, &dispatch).await, Probe::Finished(_)));
    assert_eq!(simulator.requests().len(), 0, "the host has no part in it");
}
