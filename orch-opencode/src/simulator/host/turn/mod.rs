//! Running a session's prompts, one model call after the other, until the newest user message is answered.

mod answer;
mod compact;
mod open;
mod tool;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::answer::Failure;
use self::open::Open;
use super::Host;
use super::wire::{Info, Message, Status, UserInfo};
use super::world::{TurnControl, World};
use crate::simulator::script::ModelCall;

/// The host gives up after so many retries, about 69 s.
const RETRIES: u32 = 5;

/// The pace at which the host calls a model again that answers nothing, for ever.
const EMPTY_ANSWER_PACE: Duration = Duration::from_millis(160);

/// One run of a session, from busy to idle.
pub(super) struct Turn {
    pub(super) host: Arc<Host>,
    pub(super) session: String,
    control: TurnControl,
    /// What an abort has to tidy up. Kept outside of the running step, which an abort simply drops.
    open: Mutex<Open>,
}

/// What comes after a step.
enum After {
    /// A look for the next unanswered message.
    Next,
    /// The end: the turn stops although its message may be unanswered.
    Stop,
    /// Nothing: the turn has failed and has said all about it.
    Failed,
}

/// Sees to it that a turn runs for the session. A running one will find the newest message by itself.
pub(super) fn ensure_running(host: &Arc<Host>, world: &mut World, session: &str) -> Option<TurnControl> {
    let thread = world.thread_mut(session)?;
    if let Some(running) = &thread.turn {
        return Some(running.clone());
    }
    let control = TurnControl::default();
    thread.turn = Some(control.clone());
    let (host, session) = (Arc::clone(host), session.to_owned());
    let turn = Turn { host, session, control: control.clone(), open: Mutex::default() };
    tokio::spawn(turn.run());
    Some(control)
}

/// Aborts the session's turn and waits until it has been tidied up. Without one the host says idle once more.
pub(super) async fn abort(host: &Host, session: &str) {
    let running = host.with(|world| {
        let running = world.thread(session).and_then(|thread| thread.turn.clone());
        if running.is_none() {
            world.idle(session);
        }
        running
    });
    if let Some(turn) = running {
        turn.cancel.cancel();
        turn.done.cancelled().await;
    }
}

impl Turn {
    async fn run(self) {
        let _done = self.control.done.clone().drop_guard();
        tokio::select! {
            biased;
            () = self.host.life.cancelled() => {}
            () = self.control.cancel.cancelled() => self.wind_up().await,
            () = self.steps() => {}
        }
    }

    async fn steps(&self) {
        loop {
            let Some(user) = self.host.with(|world| self.next(world)) else { return };
            match self.step(&user).await {
                After::Next => {}
                After::Stop => return self.host.with(|world| self.rest(world)),
                After::Failed => return,
            }
        }
    }

    /// The newest user message, unless it has been answered. Then the turn comes to rest in the same breath, so
    /// that no prompt can slip in between and be missed.
    fn next(&self, world: &mut World) -> Option<UserInfo> {
        world.set_status(&self.session, Status::Busy);
        let newest = newest_unanswered(world, &self.session);
        if newest.is_none() {
            self.rest(world);
        }
        newest
    }

    async fn step(&self, user: &UserInfo) -> After {
        let model = &user.model;
        if !self.host.options.knows_model(&model.provider_id, &model.model_id) {
            let message = format!("Model not found: {}/{}.", model.provider_id, model.model_id);
            self.host.with(|world| {
                world.session_error(&self.session, &unknown_error(&message));
                world.idle(&self.session);
                let trace = format!("ProviderModelNotFoundError: {message}\n    at <simulated>");
                world.session_error(&self.session, &unknown_error(&trace));
                self.release(world);
            });
            return After::Failed;
        }
        if self.asks_for_summary(user) {
            return self.compact(user).await;
        }
        let message = self.host.with(|world| {
            let message = world.start_assistant(&self.session, user, &user.agent, None);
            self.summarise_changes(world, user);
            message
        });
        self.open().message = Some(message.clone());
        self.entitle(user);
        self.call_with_retries(user, &message).await
    }

    async fn call_with_retries(&self, user: &UserInfo, message: &str) -> After {
        let mut attempt = 0;
        loop {
            self.host.with(|world| world.set_status(&self.session, Status::Busy));
            let failure = match self.answer(user, message).await {
                Ok(after) => return after,
                Err(failure) => failure,
            };
            match failure {
                Failure::Passing { error: _, reason, wait } if attempt < RETRIES => {
                    attempt += 1;
                    let wait = wait.unwrap_or_else(|| backoff(attempt));
                    self.host.with(|world| {
                        let next = world.now + wait.as_millis() as u64;
                        world.set_status(&self.session, Status::Retry { attempt, message: reason, next });
                    });
                    tokio::time::sleep(wait).await;
                }
                Failure::Passing { error, .. } | Failure::Final(error) => return self.fail(message, &error),
                Failure::Overflow(error) => return self.overflow(user, message, &error),
            }
        }
    }

    /// Says what went wrong, in the host's order: error, idle, the message, idle again.
    fn fail(&self, message: &str, error: &Value) -> After {
        self.host.with(|world| {
            world.session_error(&self.session, error);
            world.idle(&self.session);
            self.close_text(world);
            self.complete(world, message, |info| info.error = Some(error.clone()));
            world.idle(&self.session);
            self.release(world);
        });
        After::Failed
    }

    /// The title of a root session that was created without one, asked for beside the first turn.
    fn entitle(&self, user: &UserInfo) {
        let text = self.host.with(|world| {
            let thread = world.thread(&self.session)?;
            let untitled = thread.session.parent_id.is_none()
                && thread.session.title.starts_with("New session - ")
                && thread.messages.len() == 2;
            let first = thread.messages.iter().find(|message| message.id() == user.id)?;
            untitled.then(|| first.text())
        });
        let Some(text) = text else { return };
        let mut call = ModelCall::new(vec![
            json!({ "role": "system", "content": "You are a title generator. (simulated)" }),
            json!({ "role": "user", "content": text }),
        ]);
        call.session = Some(self.session.clone());
        let (host, session) = (Arc::clone(&self.host), self.session.clone());
        tokio::spawn(async move {
            let (answer, ticket) = host.player.ask(call);
            let said = tokio::select! {
                () = host.life.cancelled() => return,
                said = answer.all_text() => said,
            };
            ticket.answered();
            if let Some(title) = said {
                host.with(|world| world.update_session(&session, |session| session.title = title));
            }
        });
    }

    /// What the host announces about changed files whenever a step begins or a turn ends; nothing changes here.
    fn summarise_changes(&self, world: &mut World, user: &UserInfo) {
        let nothing = json!({ "additions": 0, "deletions": 0, "files": 0 });
        world.update_session(&self.session, |session| session.summary = Some(nothing));
        world.emit(&self.session, "session.diff", json!({ "diff": [] }));
        let mut info = json!(Info::User(user.clone()));
        info["summary"] = json!({ "diffs": [] });
        world.emit(&self.session, "message.updated", json!({ "info": info }));
    }

    /// The ordinary end of a turn.
    fn rest(&self, world: &mut World) {
        world.idle(&self.session);
        self.release(world);
        let messages =
            world.thread(&self.session).map(|thread| thread.messages.as_slice()).unwrap_or_default();
        if let Some(user) = newest_user(messages).cloned() {
            self.summarise_changes(world, &user);
        }
    }

    /// Lets the session run its next turn.
    fn release(&self, world: &mut World) {
        if let Some(thread) = world.thread_mut(&self.session) {
            thread.turn = None;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest_unanswered(world: &World, session: &str) -> Option<UserInfo> {
    let messages = &world.thread(session)?.messages;
    let newest = newest_user(messages)?;
    let is_answer = |message: &&Message| match &message.info {
        Info::Assistant(info) => !matches!(info.finish, None | Some("tool-calls" | "unknown")),
        Info::User(_) => false,
    };
    let later = messages.iter().rev().take_while(|message| message.id() != newest.id);
    (!later.take(1).any(|last| is_answer(&last))).then(|| newest.clone())
}

fn newest_user(messages: &[Message]) -> Option<&UserInfo> {
    messages.iter().rev().find_map(|message| match &message.info {
        Info::User(user) => Some(user),
        Info::Assistant(_) => None,
    })
}

pub(super) fn unknown_error(message: &str) -> Value {
    json!({ "name": "UnknownError", "data": { "message": message } })
}

/// 2, 4, 8, 16 and 32 s, each a tenth longer: the middle of the host's jitter.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(2_200 << (attempt - 1))
}
