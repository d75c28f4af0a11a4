//! What is due: the part of going on that the graph decides.

use std::borrow::Cow;

use orch_config::kind::ExecutionMode;

use crate::{
    attempt::{AttemptError, Outcome, Timestamp},
    gate::WorkLeft,
    machine::{
        condition,
        evolve::evolve,
        graph::Node,
        state::{Group, State, Step},
        steps::Mark,
    },
    record::{GroupEnd, Record, RecordBody},
    view::StepStatus,
};

/// Something that can be done now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Due {
    /// A dispatch of this step.
    Start(usize),
    /// What only has to be written down: a node is left out, a pass begins, a group is done.
    Record(RecordBody),
    /// The passes of this group are used up, and its condition does not hold.
    Exhausted(usize),
    /// A condition of this node cannot be answered.
    Unclear(Node, AttemptError),
}

/// The first thing that is due, in written order. What it needs of time and room is there.
pub(crate) fn next(state: &State, now: Timestamp) -> Option<Due> {
    let room = Room::in_run(state);
    let fits = |step: &usize| room.has(state, *step);
    let ready = state.steps.with(Mark::Ready).find(fits);
    let waited = |step: &usize| now >= state.steps[*step].until && fits(step);
    let waited = state.steps.with(Mark::BackingOff).find(waited);
    let step = ready.into_iter().chain(waited).min();
    let group = (0..state.groups.len())
        .find_map(|group| Some((*state.graph.members(group).first()?, due_group(state, group)?)));
    match (step, group) {
        // The steps of a group stand together, so that the first of them tells where it is written.
        (Some(step), Some((first, due))) if first < step => Some(due),
        (Some(step), _) => Some(due_step(state, step)),
        (None, group) => group.map(|(_, due)| due),
    }
}

/// The next time at which a step is tried again by itself, if there will be room for it then.
pub(crate) fn next_retry(state: &State) -> Option<(usize, Timestamp)> {
    if !state.gates.is_empty() || state.ending.is_some() {
        return None;
    }
    let mut waiting = state.steps.with(Mark::BackingOff).peekable();
    waiting.peek()?;
    let room = Room::in_run(state);
    let waiting = waiting.filter(|step| room.has(state, *step));
    waiting.map(|step| (step, state.steps[step].until)).min_by_key(|(_, until)| *until)
}

/// Whether a step waits for nothing but its turn. Its condition has not been looked at.
pub(crate) fn is_ready(state: &State, step: usize) -> bool {
    let of_this_pass =
        state.graph.group_of(step).is_none_or(|group| state.groups[group].status == StepStatus::Running);
    matches!(state.steps[step].status, StepStatus::Pending | StepStatus::Ready)
        && of_this_pass
        && needs_are_over(state, Node::Step(step))
}

/// Whether anything remains to be dispatched, as far as can be known: what is in flight counts as done, and so does
/// an answer that waits at a gate. What conditions leave out does not remain.
pub(crate) fn left(state: &State, now: Timestamp) -> WorkLeft {
    let mut ahead = Cow::Borrowed(state);
    loop {
        match next(&ahead, now) {
            Some(Due::Start(_) | Due::Unclear(Node::Step(_), _)) => return WorkLeft::Yes,
            Some(Due::Record(body)) => {
                let record = Record { seq: ahead.seq + 1, at: now, body };
                evolve(ahead.to_mut(), &record);
            }
            // A gate of its own opens there, or the run ends.
            Some(Due::Exhausted(_) | Due::Unclear(Node::Group(_), _)) | None => break,
        }
    }
    let steps = ahead.steps.with(Mark::Unfinished).any(|step| remains(&ahead.steps[step]));
    let passes = ahead.groups.iter().any(|group| group.may_go_on());
    if steps || passes { WorkLeft::Yes } else { WorkLeft::No }
}

fn remains(step: &Step) -> bool {
    let answered = step.outcome.is_some_and(|outcome| outcome != Outcome::Error);
    let answered_at_gate = step.status == StepStatus::Gated && answered && step.open_attempt().is_none();
    !step.is_over() && step.live().is_none() && !answered_at_gate
}

fn due_step(state: &State, step: usize) -> Due {
    // What has been at work once was wanted; nothing that its condition may see has changed since.
    let began = state.steps[step].this_pass().iter().any(|attempt| attempt.was_placed());
    match if began { Ok(true) } else { condition::wanted(state, Node::Step(step)) } {
        Ok(true) => Due::Start(step),
        Ok(false) => Due::Record(RecordBody::Skipped { step: state.planned(step).id.clone() }),
        Err(error) => Due::Unclear(Node::Step(step), error),
    }
}

/// What is due of a group as such. What is due in it is due of its steps.
fn due_group(state: &State, group: usize) -> Option<Due> {
    let Group { status, iteration, most, .. } = *state.groups[group];
    let members = state.graph.members(group);
    match status {
        StepStatus::Pending if needs_are_over(state, Node::Group(group)) => {
            Some(match condition::wanted(state, Node::Group(group)) {
                Ok(true) => pass(state, group, 1),
                Ok(false) => ended(state, group, GroupEnd::Skipped),
                Err(error) => Due::Unclear(Node::Group(group), error),
            })
        }
        StepStatus::Ready => Some(pass(state, group, iteration.saturating_add(1))),
        StepStatus::Running if members.iter().all(|step| state.steps[*step].is_over()) => {
            Some(match condition::satisfied(state, group) {
                Ok(true) => ended(state, group, GroupEnd::Satisfied),
                Ok(false) if iteration < most => pass(state, group, iteration + 1),
                Ok(false) => Due::Exhausted(group),
                Err(error) => Due::Unclear(Node::Group(group), error),
            })
        }
        _ => None,
    }
}

fn pass(state: &State, group: usize, iteration: u32) -> Due {
    Due::Record(RecordBody::IterationStarted { group: state.plan().groups[group].id.clone(), iteration })
}

fn ended(state: &State, group: usize, end: GroupEnd) -> Due {
    Due::Record(RecordBody::GroupEnded { group: state.plan().groups[group].id.clone(), end })
}

fn needs_are_over(state: &State, node: Node) -> bool {
    state.graph.needs(node).iter().all(|need| state.is_over(*need))
}

/// How much may be begun beside what is in flight.
struct Room {
    free: usize,
    /// The foreground step that a person is with: there is one at a time.
    foreground: Option<usize>,
}

impl Room {
    fn in_run(state: &State) -> Self {
        let most = usize::try_from(state.plan().limits.max_parallel.max(1)).unwrap_or(usize::MAX);
        Self {
            free: most.saturating_sub(state.steps.count(Mark::Live)),
            foreground: state.steps.with(Mark::Open).find(|step| is_foreground(state, *step)),
        }
    }

    fn has(&self, state: &State, step: usize) -> bool {
        let alone = !is_foreground(state, step) || self.foreground.is_none_or(|with| with == step);
        self.free > 0 && alone
    }
}

fn is_foreground(state: &State, step: usize) -> bool {
    state.planned(step).execution == ExecutionMode::Foreground
}
