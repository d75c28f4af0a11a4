use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::call::PromptKey;
use super::{Answer, CallEnd, CallKind, ModelCall, Reply, Script, inline};

/// Plays a script and keeps the log. Both the model server and the simulated host ask it.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Player(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    state: Mutex<State>,
    /// Counts log changes, so that a test can wait for a call instead of polling.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    script: Script,
    calls: Vec<ModelCall>,
    prompts: HashMap<PromptKey, Prompt>,
}

/// One prompt, over all calls made for it.
#[derive(Debug)]
struct Prompt {
    number: usize,
    calls: usize,
    reply: Reply,
}

impl Player {
    pub(in crate::simulator) fn new(script: Script) -> Self {
        let state = State { script, calls: Vec::new(), prompts: HashMap::new() };
        let changes = watch::Sender::new(0);
        Self(Arc::new(Shared { started: Instant::now(), state: Mutex::new(state), changes }))
    }

    /// Takes a call into the log and says what to answer.
    pub(in crate::simulator) fn ask(&self, mut call: ModelCall) -> (Answer, Ticket) {
        call.at = self.0.started.elapsed();
        let (answer, index) = {
            let mut state = self.state();
            let answer = state.choose(&mut call);
            state.calls.push(call);
            (answer, state.calls.len() - 1)
        };
        self.changed();
        (answer, Ticket { player: self.clone(), index })
    }

    pub(in crate::simulator) fn log(&self) -> Vec<ModelCall> {
        self.state().calls.clone()
    }

    /// Waits until `enough` holds for the log.
    pub(in crate::simulator) async fn wait_log(&self, enough: impl Fn(&[ModelCall]) -> bool) {
        let mut changes = self.0.changes.subscribe();
        // The sender lives in `self`, so the wait can only end by the condition.
        let _ = changes.wait_for(|_| enough(&self.state().calls)).await;
    }

    fn end(&self, index: usize, end: CallEnd) {
        if let Some(call) = self.state().calls.get_mut(index)
            && call.end == CallEnd::Open
        {
            call.end = end;
        }
        self.changed();
    }

    fn changed(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// A panic while the lock was held cannot leave the log half-written, so poison is not an error.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn choose(&mut self, call: &mut ModelCall) -> Answer {
        match call.kind {
            CallKind::Title => return self.script.title.clone(),
            CallKind::Compaction => return self.script.summary.clone(),
            CallKind::Prompt | CallKind::ToolResults => {}
        }
        let key = call.prompt_key();
        if !self.prompts.contains_key(&key) {
            let number = self.prompts.len() + 1;
            call.prompt = Some(number);
            let reply = self.script.take_reply(call);
            self.prompts.insert(key.clone(), Prompt { number, calls: 0, reply });
        }
        let Some(prompt) = self.prompts.get_mut(&key) else { return Answer::text("done") };
        prompt.calls += 1;
        call.prompt = Some(prompt.number);
        call.attempt = prompt.calls;
        prompt.reply.answer(prompt.calls)
    }
}

impl Script {
    /// The reply for a new prompt; uses up one match of a rule that has a limit.
    fn take_reply(&mut self, call: &ModelCall) -> Reply {
        if self.reads_prompts
            && let Some(reply) = inline::read(&call.text)
        {
            return reply;
        }
        for rule in &mut self.rules {
            if rule.times == Some(0) || !rule.when.matches(call) {
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return rule.reply.clone();
        }
        self.otherwise.clone()
    }
}

/// An open call. Dropped before [`Ticket::answered`], the call counts as abandoned.
#[derive(Debug)]
pub(in crate::simulator) struct Ticket {
    player: Player,
    index: usize,
}

impl Ticket {
    pub(in crate::simulator) fn answered(self) {
        self.player.end(self.index, CallEnd::Answered);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.player.end(self.index, CallEnd::Abandoned);
    }
}
