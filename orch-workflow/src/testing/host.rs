//! A host in memory: prompts arrive, take their time and are answered, whoever follows them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::turn::{Fault, Turn};
use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, RunId, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task, Update},
};

/// A simulated host, for paused Tokio time. Clones are the same host; it knows nothing of who uses it.
///
/// A prompt of a step is treated as the step's next [`Turn`] says; without one it is answered with `<step> done`.
#[derive(Clone, Default)]
pub struct ScriptedHost(Arc<Mutex<Host>>);

#[derive(Default)]
struct Host {
    scripts: HashMap<String, VecDeque<Turn>>,
    prompts: HashMap<String, Prompt>,
    arrived: Vec<String>,
    calls: Vec<String>,
    repaired: HashMap<String, Settled>,
}

/// One prompt that the host was told of, by its dispatch.
struct Prompt {
    turn: Turn,
    /// Whether its fault in `send` has happened.
    faulted: bool,
    probes: u32,
    arrived_at: Option<Instant>,
    aborted: watch::Sender<bool>,
    /// Weak: a task whose worker is gone must end.
    follower: Option<mpsc::WeakSender<Box<Update>>>,
}

impl ScriptedHost {
    /// A host with an empty script.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens to the next prompt of a step that has no other turn before it.
    #[must_use]
    pub fn with(self, step: &str, turn: Turn) -> Self {
        self.host().scripts.entry(step.to_owned()).or_default().push_back(turn);
        self
    }

    /// What `latest_answer` finds in a step's session from now on, because a person went in and repaired it.
    pub fn repair(&self, step: &str, answer: Settled) {
        self.host().repaired.insert(step.to_owned(), answer);
    }

    /// Somebody who works on this host.
    #[must_use]
    pub fn executor(&self) -> Arc<ScriptedExecutor> {
        Arc::new(ScriptedExecutor { host: self.clone() })
    }

    /// The prompts that arrived, in order: `implement/1/2/1` is step, iteration, attempt, turn.
    #[must_use]
    pub fn arrived(&self) -> Vec<String> {
        self.host().arrived.clone()
    }

    /// Every call, in order: `place implement/1/2/1`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.host().calls.clone()
    }

    fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and says what is to go wrong.
    fn called(&self, call: &str, name: &str) -> Option<Fault> {
        let mut host = self.host();
        host.calls.push(format!("{call} {name}"));
        host.prompt(name).turn.fault.clone()
    }

    fn arrives(&self, name: &str) {
        let mut host = self.host();
        host.arrived.push(name.to_owned());
        host.prompt(name).arrived_at = Some(Instant::now());
    }

    /// Follows a prompt from here on. With [`Fault::TaskEnds`] only for half of what is left of it.
    fn follow(&self, name: &str) -> Task {
        let (sender, task) = Task::channel(64);
        let mut host = self.host();
        let prompt = host.prompt(name);
        prompt.follower = Some(sender.downgrade());
        let began = prompt.arrived_at.unwrap_or_else(Instant::now);
        let (turn, mut aborted) = (prompt.turn.clone(), prompt.aborted.subscribe());
        let left = turn.takes.map(|takes| (began + takes).saturating_duration_since(Instant::now()));
        tokio::spawn(async move {
            let work = async {
                for (at, update) in turn.updates {
                    if began + at >= Instant::now() {
                        sleep_until(began + at).await;
                        let _ = sender.send(update).await;
                    }
                }
                match (turn.fault, turn.takes, left) {
                    (Some(Fault::TaskEnds), _, Some(left)) => {
                        sleep(left / 2).await;
                        None
                    }
                    (_, Some(takes), _) => {
                        // Even to sleep no longer takes up to a tick of the timer.
                        if began + takes > Instant::now() {
                            sleep_until(began + takes).await;
                        }
                        Some(turn.result)
                    }
                    (_, None, _) => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                result = work => result,
                _ = aborted.wait_for(|aborted| *aborted) => Some(Settled::failed(stopped())),
            };
            if let Some(result) = result {
                let _ = sender.send(Update::Settled(Box::new(result))).await;
            }
        });
        task
    }
}

impl Host {
    fn prompt(&mut self, name: &str) -> &mut Prompt {
        let Self { scripts, prompts, .. } = self;
        prompts.entry(name.to_owned()).or_insert_with(|| {
            let step = name.split('/').next().unwrap_or_default();
            let scripted = scripts.get_mut(step).and_then(VecDeque::pop_front);
            Prompt {
                turn: scripted.unwrap_or_else(|| Turn::answers(format!("{step} done"))),
                faulted: false,
                probes: 0,
                arrived_at: None,
                aborted: watch::Sender::new(false),
                follower: None,
            }
        })
    }
}

impl Prompt {
    fn is_finished(&self) -> bool {
        match (self.arrived_at, self.turn.takes) {
            (Some(at), Some(takes)) => Instant::now() >= at + takes,
            _ => false,
        }
    }
}

impl fmt::Debug for ScriptedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedHost").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// Does what a [`ScriptedHost`]'s script says.
#[derive(Debug)]
pub struct ScriptedExecutor {
    host: ScriptedHost,
}

#[async_trait]
#[expect(clippy::panic, reason = "a scripted panic")]
impl StepExecutor for ScriptedExecutor {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let name = name(&dispatch.id);
        match self.host.called("place", &name) {
            Some(Fault::PlaceFails(error)) => return Err(error),
            Some(Fault::PlacePanics) => panic!("scripted in place"),
            Some(Fault::PlaceHangs) => std::future::pending().await,
            _ => {}
        }
        Ok(Placement {
            locator: Locator(json!({ "prompt": name })),
            session: format!("ses_{}", dispatch.id.step),
            parent_session: Some("ses_parent".to_owned()),
        })
    }

    async fn send(&self, locator: &Locator, _: &Dispatch) -> Result<Task, SendError> {
        let name = prompt_at(locator);
        let fault = self.host.called("send", &name);
        let faulted = std::mem::replace(&mut self.host.host().prompt(&name).faulted, true);
        match fault.filter(|_| !faulted) {
            Some(Fault::SendRefused(error)) => return Err(SendError::Refused(error)),
            Some(Fault::SendInDoubt { arrived }) => {
                if arrived {
                    self.host.arrives(&name);
                }
                let error = AttemptError::new(ErrorCode::Unreachable, "the connection broke");
                return Err(SendError::InDoubt(error));
            }
            Some(Fault::SendPanics { arrived }) => {
                if arrived {
                    self.host.arrives(&name);
                }
                panic!("scripted in send");
            }
            Some(Fault::SendHangs) => sleep(Duration::from_secs(60)).await,
            _ => {}
        }
        self.host.arrives(&name);
        Ok(self.host.follow(&name))
    }

    async fn probe(&self, locator: &Locator, _: &Dispatch) -> Probe {
        let name = prompt_at(locator);
        let fault = self.host.called("probe", &name);
        let probes = {
            let mut host = self.host.host();
            let prompt = host.prompt(&name);
            prompt.probes += 1;
            prompt.probes
        };
        match fault {
            Some(Fault::ProbeUnknown(times)) if probes <= times => {
                return Probe::Unknown("the host does not say".to_owned());
            }
            Some(Fault::ProbePanics) => panic!("scripted in probe"),
            _ => {}
        }
        {
            let mut host = self.host.host();
            let prompt = host.prompt(&name);
            if prompt.arrived_at.is_none() {
                return Probe::NeverArrived;
            }
            if *prompt.aborted.borrow() {
                return Probe::Interrupted;
            }
            if prompt.is_finished() {
                return Probe::Finished(Box::new(prompt.turn.result.clone()));
            }
        }
        Probe::Running(self.host.follow(&name))
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        let name = prompt_at(locator);
        match self.host.called("abort", &name) {
            Some(Fault::AbortFails(error)) => return Err(error),
            Some(Fault::AbortPanics) => panic!("scripted in abort"),
            Some(Fault::AbortHangs) => std::future::pending().await,
            _ => {}
        }
        let mut host = self.host.host();
        let prompt = host.prompt(&name);
        if !prompt.is_finished() {
            prompt.aborted.send_replace(true);
        }
        Ok(())
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        let name = prompt_at(locator);
        self.host.called("read", &name);
        let step = name.split('/').next().unwrap_or_default();
        let repaired = self.host.host().repaired.get(step).cloned();
        repaired
            .ok_or_else(|| AttemptError::new(ErrorCode::WorkerLost, "the session holds no finished answer"))
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        let name = prompt_at(locator);
        self.host.called(&format!("answer {ask} {reply:?}"), &name);
        let follower = self.host.host().prompt(&name).follower.as_ref().and_then(mpsc::WeakSender::upgrade);
        if let Some(follower) = follower {
            let closed = Update::AskClosed { id: ask.clone(), by: "the host".to_owned() };
            let _ = follower.send(Box::new(closed)).await;
        }
        Ok(())
    }

    async fn delete_sessions(&self, _: &RunId, placed: &[Locator], in_use: &[Locator]) {
        let names = |locators: &[Locator]| locators.iter().map(prompt_at).collect::<Vec<_>>().join(" ");
        self.host.host().calls.push(format!("delete {}, not {}", names(placed), names(in_use)));
        let panics = placed.iter().any(|locator| {
            self.host.host().prompt(&prompt_at(locator)).turn.fault == Some(Fault::DeletePanics)
        });
        assert!(!panics, "scripted in delete_sessions");
    }
}

fn name(dispatch: &DispatchId) -> String {
    let DispatchId { step, iteration, attempt, turn, .. } = dispatch;
    format!("{step}/{iteration}/{attempt}/{turn}")
}

fn prompt_at(locator: &Locator) -> String {
    locator.0["prompt"].as_str().unwrap_or_default().to_owned()
}

fn stopped() -> AttemptError {
    AttemptError::new(ErrorCode::Aborted, "the turn was aborted")
}
