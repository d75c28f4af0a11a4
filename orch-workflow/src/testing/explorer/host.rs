//! The world outside the engine: a host that lives on when its client dies, and counts what it is asked to do.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Settled, Warning},
    machine::{Effect, Input},
    port::{Ask, Dispatch, Locator, Placement},
};

/// What becomes of one prompt.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// It is answered like this, in its time.
    Settles(Settled),
    /// The worker makes this remark first; the result has it as well.
    Warns(Warning, Settled),
    /// The worker asks a person first.
    Asks(Ask, Settled),
    /// It is at work until somebody aborts it.
    Hangs,
    /// The worker comes to rest without an answer.
    BreaksOff,
    /// There is no place for it: nothing can be sent.
    HasNoPlace(AttemptError),
    /// The connection breaks while it is sent, before or after it has arrived. Then it is answered like this.
    SentInDoubt {
        /// Whether it has arrived the first time.
        arrived: bool,
        /// The answer.
        answer: Settled,
    },
    /// The connection breaks while it is sent, and nobody can tell afterwards what became of it.
    CannotBeKnown,
}

impl Reply {
    /// A plain answer.
    pub fn answer(text: impl Into<String>) -> Self {
        Self::Settles(Settled::answer(text))
    }

    /// A failure of this class.
    pub fn fails(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Settles(Settled::failed(AttemptError::new(code, message)))
    }

    /// What it is answered with, if it ever is.
    fn result(&self) -> Option<Settled> {
        match self {
            Self::Warns(warning, result) => Some(result.clone().with_warning(warning.clone())),
            Self::Settles(result) | Self::Asks(_, result) | Self::SentInDoubt { answer: result, .. } => {
                Some(result.clone())
            }
            Self::Hangs | Self::BreaksOff | Self::HasNoPlace(_) | Self::CannotBeKnown => None,
        }
    }
}

/// Says what becomes of a prompt. The same prompt must always get the same reply, or no two runs can be compared.
pub(super) type Script = Arc<dyn Fn(&Dispatch) -> Reply + Send + Sync>;

/// The host itself. Everything that it knows survives its clients.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Host {
    /// By place: the same dispatch, placed again, has another one.
    prompts: BTreeMap<u32, Prompt>,
    placed: u32,
    /// What nobody can be told about any more.
    blind_below: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Prompt {
    dispatch: DispatchId,
    reply: Reply,
    /// How often it arrived: that is how often a model worked on it.
    arrivals: u32,
    sends: u32,
    stage: Stage,
    /// Whether somebody in the living process follows it.
    followed: bool,
    warned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not there yet.
    Away,
    AtWork,
    /// Waits for a person; whether the living process has heard of it.
    Asking {
        heard: bool,
    },
    Answered,
    /// At rest, without an answer.
    Broken,
}

/// One thing that may have happened on the host when its client died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unseen {
    Nothing,
    /// A place was made.
    Placed,
    /// The prompt at this place has arrived.
    Arrived(u32),
    /// It has also been answered.
    Answered(u32),
    /// It came to rest without an answer, by itself or because it was aborted.
    Broken(u32),
    /// Its question was answered.
    Permitted(u32),
}

impl Host {
    /// Does what an effect asks for, and says what the driver would report.
    pub(super) fn carry_out(&mut self, effect: Effect, script: &Script) -> Option<Input> {
        match effect {
            Effect::Place(dispatch) => {
                let id = dispatch.id.clone();
                let result = match script(&dispatch) {
                    Reply::HasNoPlace(error) => Err(error),
                    reply => Ok(self.place(id.clone(), reply)),
                };
                Some(Input::Placed { dispatch: id, result })
            }
            Effect::Send(dispatch, locator) => self.send(&dispatch.id, place(&locator)),
            Effect::Probe(dispatch, locator) => Some(self.probe(dispatch.id, place(&locator))),
            Effect::Abort(dispatch, locator) => {
                self.happens(Unseen::Broken(place(&locator)));
                Some(Input::AbortEnded { dispatch, result: Ok(()) })
            }
            Effect::Answer(dispatch, locator, ask, _) => {
                self.happens(Unseen::Permitted(place(&locator)));
                Some(Input::AskClosed { dispatch, ask, by: "the host".to_owned() })
            }
        }
    }

    /// What is reported next of the work that somebody follows.
    pub(super) fn hear(&mut self) -> Option<Input> {
        let (_, prompt) = self.prompts.iter_mut().find(|(_, prompt)| prompt.has_news())?;
        let dispatch = prompt.dispatch.clone();
        match (&prompt.reply, prompt.stage) {
            (Reply::BreaksOff, _) => {
                prompt.stage = Stage::Broken;
                prompt.followed = false;
                let error = AttemptError::new(ErrorCode::WorkerLost, "the worker is gone");
                Some(Input::Lost { dispatch, error })
            }
            (Reply::Asks(ask, _), Stage::Asking { .. }) => {
                prompt.stage = Stage::Asking { heard: true };
                Some(Input::AskOpened { dispatch, ask: ask.clone() })
            }
            (Reply::Warns(warning, _), Stage::AtWork) if !prompt.warned => {
                prompt.warned = true;
                Some(Input::Warned { dispatch, warning: warning.clone() })
            }
            (reply, _) => {
                let result = Box::new(reply.result()?);
                prompt.stage = Stage::Answered;
                prompt.followed = false;
                Some(Input::Settled { dispatch, result })
            }
        }
    }

    /// What an effect that nobody saw the end of, and the work it is about, may have come to.
    pub(super) fn possible_with(&self, effect: &Effect) -> Vec<Unseen> {
        match effect {
            Effect::Place(_) => vec![Unseen::Nothing, Unseen::Placed],
            Effect::Send(_, locator) => {
                let place = place(locator);
                let mut all = vec![Unseen::Nothing, Unseen::Arrived(place)];
                all.extend(self.prompts.get(&place).and_then(|prompt| prompt.end(place)));
                all
            }
            Effect::Probe(_, locator) => self.possible_at(place(locator)),
            Effect::Abort(_, locator) => {
                let place = place(locator);
                let mut all = self.possible_at(place);
                if !all.contains(&Unseen::Broken(place)) {
                    all.push(Unseen::Broken(place));
                }
                all
            }
            Effect::Answer(_, locator, ..) => {
                let place = place(locator);
                vec![Unseen::Nothing, Unseen::Permitted(place), Unseen::Answered(place)]
            }
        }
    }

    /// What the work at a place may have come to by itself.
    fn possible_at(&self, place: u32) -> Vec<Unseen> {
        let mut all = vec![Unseen::Nothing];
        let at_work = self.prompts.get(&place).filter(|prompt| prompt.stage == Stage::AtWork);
        all.extend(at_work.and_then(|prompt| prompt.end(place)));
        all
    }

    /// What the work may have come to that is followed, and not `busy` with an effect under way.
    pub(super) fn followed(&self, busy: impl Fn(&DispatchId) -> bool) -> Vec<Vec<Unseen>> {
        let followed = self.prompts.iter().filter(|(_, prompt)| prompt.followed && !busy(&prompt.dispatch));
        followed.map(|(place, _)| self.possible_at(*place)).collect()
    }

    /// Something happens that no client sees.
    pub(super) fn happens(&mut self, unseen: Unseen) {
        let place = match unseen {
            Unseen::Nothing => return,
            Unseen::Placed => {
                self.placed += 1;
                return;
            }
            Unseen::Arrived(place)
            | Unseen::Answered(place)
            | Unseen::Broken(place)
            | Unseen::Permitted(place) => place,
        };
        let Some(prompt) = self.prompts.get_mut(&place) else { return };
        if prompt.stage == Stage::Away && matches!(unseen, Unseen::Arrived(_) | Unseen::Answered(_)) {
            prompt.arrives();
        }
        match unseen {
            Unseen::Answered(_) => prompt.stage = Stage::Answered,
            Unseen::Broken(_) if matches!(prompt.stage, Stage::AtWork | Stage::Asking { .. }) => {
                prompt.stage = Stage::Broken;
            }
            Unseen::Permitted(_) if matches!(prompt.stage, Stage::Asking { .. }) => {
                prompt.stage = Stage::AtWork
            }
            _ => {}
        }
    }

    /// The client dies: nobody follows anything any more.
    pub(super) fn lose_client(&mut self) {
        for prompt in self.prompts.values_mut() {
            prompt.followed = false;
        }
    }

    /// Nobody can be told any more about what is there now.
    pub(super) fn go_blind(&mut self) {
        self.blind_below = self.placed + 1;
    }

    /// Whether it went blind to a dispatch that it could tell about before.
    pub(super) fn is_blind_to(&self, dispatch: &DispatchId) -> bool {
        let known = self.prompts.range(..self.blind_below);
        known
            .into_iter()
            .any(|(_, prompt)| prompt.dispatch == *dispatch && prompt.reply != Reply::CannotBeKnown)
    }

    /// The host forgets that prompts have arrived: a defect.
    pub(super) fn forget_arrivals(&mut self) {
        for prompt in self.prompts.values_mut().filter(|prompt| prompt.stage != Stage::Away) {
            prompt.stage = Stage::Away;
        }
    }

    /// The host forgets its answers: a defect.
    pub(super) fn forget_answers(&mut self) {
        for prompt in self.prompts.values_mut().filter(|prompt| prompt.stage == Stage::Answered) {
            prompt.stage = Stage::Broken;
        }
    }

    /// How often each dispatch has reached a model.
    pub(super) fn calls(&self) -> BTreeMap<&DispatchId, u32> {
        let mut calls = BTreeMap::new();
        for prompt in self.prompts.values() {
            *calls.entry(&prompt.dispatch).or_default() += prompt.arrivals;
        }
        calls
    }

    /// What has been answered, and with what.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&DispatchId, Settled)> {
        let answered = self.prompts.values().filter(|prompt| prompt.stage == Stage::Answered);
        answered.filter_map(|prompt| Some((&prompt.dispatch, prompt.reply.result()?)))
    }

    fn place(&mut self, dispatch: DispatchId, reply: Reply) -> Placement {
        self.placed += 1;
        let session = format!("ses_{}", dispatch.step);
        let locator = Locator(json!(self.placed));
        let prompt = Prompt {
            dispatch,
            reply,
            arrivals: 0,
            sends: 0,
            stage: Stage::Away,
            followed: false,
            warned: false,
        };
        self.prompts.insert(self.placed, prompt);
        Placement { locator, session, parent_session: None }
    }

    fn send(&mut self, dispatch: &DispatchId, place: u32) -> Option<Input> {
        let dispatch = dispatch.clone();
        let Some(prompt) = self.prompts.get_mut(&place) else { return Some(unknown(dispatch)) };
        prompt.sends += 1;
        let breaks = match prompt.reply {
            Reply::SentInDoubt { arrived, .. } if prompt.sends == 1 => Some(arrived),
            Reply::CannotBeKnown => Some(true),
            _ => None,
        };
        if let Some(arrived) = breaks {
            if arrived {
                prompt.arrives();
            }
            let error = AttemptError::new(ErrorCode::Unreachable, "the connection broke");
            return Some(Input::Lost { dispatch, error });
        }
        prompt.arrives();
        prompt.followed = true;
        None
    }

    fn probe(&mut self, dispatch: DispatchId, place: u32) -> Input {
        let blind = place < self.blind_below;
        let Some(prompt) = self.prompts.get_mut(&place) else { return unknown(dispatch) };
        if blind || prompt.reply == Reply::CannotBeKnown {
            return unknown(dispatch);
        }
        match prompt.stage {
            Stage::Away => Input::NeverArrived { dispatch },
            Stage::AtWork | Stage::Asking { .. } => {
                if let Stage::Asking { heard } = &mut prompt.stage {
                    *heard = false;
                }
                prompt.followed = true;
                Input::Attached { dispatch }
            }
            Stage::Answered => {
                let result = prompt.reply.result().unwrap_or_default();
                Input::Settled { dispatch, result: Box::new(result) }
            }
            Stage::Broken => {
                let error = AttemptError::new(ErrorCode::WorkerLost, "at rest, and without an answer");
                Input::Settled { dispatch, result: Box::new(Settled::failed(error)) }
            }
        }
    }
}

impl Prompt {
    fn arrives(&mut self) {
        self.arrivals += 1;
        self.stage = if matches!(self.reply, Reply::Asks(..)) {
            Stage::Asking { heard: false }
        } else {
            Stage::AtWork
        };
    }

    fn has_news(&self) -> bool {
        self.followed
            && match (&self.reply, self.stage) {
                (Reply::Hangs | Reply::CannotBeKnown, _) => false,
                (_, Stage::AtWork) => true,
                (_, Stage::Asking { heard }) => !heard,
                (_, Stage::Away | Stage::Answered | Stage::Broken) => false,
            }
    }

    /// What it comes to if nobody does anything.
    fn end(&self, place: u32) -> Option<Unseen> {
        match &self.reply {
            Reply::Hangs | Reply::HasNoPlace(_) | Reply::CannotBeKnown => None,
            Reply::BreaksOff => Some(Unseen::Broken(place)),
            Reply::Asks(..) if self.stage != Stage::AtWork => None,
            _ => Some(Unseen::Answered(place)),
        }
    }
}

/// A place that this host has never given away is nobody's prompt.
fn place(locator: &Locator) -> u32 {
    locator.0.as_u64().and_then(|place| u32::try_from(place).ok()).unwrap_or_default()
}

fn unknown(dispatch: DispatchId) -> Input {
    Input::Unknown { dispatch, reason: "the host cannot tell".to_owned() }
}
