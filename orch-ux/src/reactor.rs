//! From events to actions: pure, so that what people will see can be tested as text.

use std::collections::{HashMap, VecDeque};

use orch_workflow::{
    attempt::{Outcome, RunId},
    event::{Event, EventBody},
    port::AskKind,
    record::RunStatus,
};

use crate::{
    action::{Call, Toast, UxAction},
    context::RunContext,
    foreground::{Cue, View},
    notice,
    policy::UxPolicy,
    throttle::{Throttle, Weight},
    toast,
};

/// So many ended runs are remembered, so that a replay of their last events announces nothing twice.
const ENDED_RUNS: usize = 256;

/// Turns the event stream of any number of runs into what a frontend should show.
///
/// It has no clock and does no input or output: the same events give the same actions. Repeated events, such as
/// those of a stream that was opened again, give none.
#[derive(Debug)]
pub struct Reactor {
    policy: UxPolicy,
    runs: HashMap<RunId, RunContext>,
    ended: VecDeque<RunId>,
    throttle: Throttle,
}

impl Reactor {
    /// A reactor that has seen nothing yet.
    #[must_use]
    pub fn new(policy: UxPolicy) -> Self {
        Self { policy, runs: HashMap::new(), ended: VecDeque::new(), throttle: Throttle::new() }
    }

    /// Takes in an event that happened before this process took part: it will be known, and is not announced.
    pub fn observe(&mut self, event: &Event) {
        if self.take_in(event) {
            self.let_go_of_ended(event);
        }
    }

    /// Takes in an event and says what to do about it.
    #[must_use]
    pub fn react(&mut self, event: &Event) -> Vec<UxAction> {
        if !self.take_in(event) {
            return Vec::new();
        }
        let actions = match self.runs.get(&event.run) {
            Some(context) => react(event, context, self.policy),
            None => Vec::new(),
        };
        self.let_go_of_ended(event);
        actions.into_iter().filter_map(|action| self.throttled(event, action)).collect()
    }

    /// What people want to see from now on.
    pub fn set_policy(&mut self, policy: UxPolicy) {
        self.policy = policy;
    }

    /// What is known of a run that has not ended.
    #[must_use]
    pub fn context(&self, run: &RunId) -> Option<&RunContext> {
        self.runs.get(run)
    }

    /// Whether the event is news.
    fn take_in(&mut self, event: &Event) -> bool {
        if event.live || self.ended.contains(&event.run) {
            return false;
        }
        let context =
            self.runs.entry(event.run.clone()).or_insert_with(|| RunContext::new(event.run.clone()));
        context.observe(event)
    }

    fn let_go_of_ended(&mut self, event: &Event) {
        if !matches!(event.body, EventBody::RunFinished { .. }) {
            return;
        }
        self.runs.remove(&event.run);
        self.ended.push_back(event.run.clone());
        if self.ended.len() > ENDED_RUNS {
            self.ended.pop_front();
        }
    }

    fn throttled(&mut self, event: &Event, action: UxAction) -> Option<UxAction> {
        match action {
            UxAction::Toast(toast) => {
                self.throttle.admit(event.at, weight(&event.body), toast).map(UxAction::Toast)
            }
            UxAction::Attention { .. } => self.throttle.admit_call(event.at).then_some(action),
            _ => Some(action),
        }
    }
}

/// What to do about one event, given what all events of its run up to and including it have said.
#[must_use]
pub fn react(event: &Event, context: &RunContext, policy: UxPolicy) -> Vec<UxAction> {
    let mut wanted = Wanted { policy, actions: Vec::new() };
    match &event.body {
        EventBody::StepSettled { step, outcome: Outcome::Error, error, .. } => {
            wanted.toast(|| toast::failed(context, step, error.as_ref()));
        }
        EventBody::GateOpened { gate } => {
            wanted.call(context, Call::Decision, toast::gate(context, gate));
            wanted.notice(|| notice::gate(context, gate));
            wanted.hint(|| toast::hint(context, gate));
        }
        EventBody::AskOpened { step, ask } => {
            let call = match ask.kind {
                AskKind::Permission => Call::Permission,
                AskKind::Question => Call::Question,
            };
            wanted.call(context, call, toast::ask(context, step, ask));
        }
        EventBody::RunFinished { status, error, notes } => {
            let call = if *status == RunStatus::Success { Call::Success } else { Call::Failure };
            wanted.call(context, call, toast::finished(context, *status, error.as_ref()));
            wanted.notice(|| notice::finished(context, *status, error.as_ref(), notes));
        }
        _ => {}
    }
    if context.start_can_be_told {
        wanted.notice(|| notice::started(context));
    }
    wanted.actions.extend(foreground(&event.body, context));
    wanted.actions
}

/// What a step in the foreground asks for. It is part of what such a step does, so no policy leaves it out.
fn foreground(body: &EventBody, context: &RunContext) -> Vec<UxAction> {
    let Cue { view, is_hand_off } = &context.stage.cue;
    let hand_off = match body {
        EventBody::StepSettled { step, text, .. } if *is_hand_off => notice::hand_off(context, step, text),
        _ => None,
    };
    let session = match view {
        Some(View::Worker(session)) => Some(session.clone()),
        Some(View::Parent) => context.parent_session.clone(),
        None => None,
    };
    hand_off.into_iter().chain(session.map(|session| UxAction::SelectSession { session })).collect()
}

/// Collects the actions that the policy lets through.
struct Wanted {
    policy: UxPolicy,
    actions: Vec<UxAction>,
}

impl Wanted {
    fn toast(&mut self, toast: impl FnOnce() -> Toast) {
        if self.policy.toasts {
            self.actions.push(UxAction::Toast(toast()));
        }
    }

    /// A toast that is worth looking up for.
    fn call(&mut self, context: &RunContext, call: Call, toast: Toast) {
        if self.policy.attention {
            let (run, message) = (context.run.clone(), toast.title.clone());
            self.actions.push(UxAction::Attention { run, call, message });
        }
        self.toast(|| toast);
    }

    fn notice(&mut self, notice: impl FnOnce() -> Option<UxAction>) {
        if self.policy.notices {
            self.actions.extend(notice());
        }
    }

    fn hint(&mut self, text: impl FnOnce() -> String) {
        if self.policy.prompt_hints {
            self.actions.push(UxAction::PromptHint { text: text() });
        }
    }
}

fn weight(body: &EventBody) -> Weight {
    match body {
        EventBody::StepSettled { .. } => Weight::Passing,
        _ => Weight::Urgent,
    }
}
