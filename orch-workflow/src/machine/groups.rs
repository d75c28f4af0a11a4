//! What a group asks people: when its passes are used up, and when its condition cannot be answered.

use crate::{
    attempt::{AttemptError, Outcome},
    decision::GateReason,
    gate::{Verdict, WorkLeft, gate},
    machine::{draft::Draft, gates, graph::Node, settle::fail},
};

/// The last pass that begins by itself is over, and `until` does not hold.
pub(crate) fn exhausted(draft: &mut Draft<'_>, group: usize) {
    let state = &draft.state;
    let planned = &state.plan().groups[group];
    let message = format!(
        "{} has made {} and its condition ({}) does not hold; `continue` accepts the result as it is, `retry` allows \
         {} more",
        planned.title,
        passes(state.groups[group].iteration),
        planned.until,
        planned.max
    );
    gates::open(draft, Node::Group(group), GateReason::LoopExhausted, message);
}

/// A condition of the group fails at run time: an error like that of a step, though the group has no attempt that
/// could carry it.
pub(crate) fn unclear(draft: &mut Draft<'_>, group: usize, error: AttemptError) {
    let node = Node::Group(group);
    match gate(draft.state.policy_for(node), Outcome::Error, WorkLeft::Yes) {
        Verdict::Gate(reason) => {
            let then = match draft.state.groups[group].iteration {
                0 => "looks at it again",
                _ => "accepts the result as it is",
            };
            let title = draft.state.title_of(node);
            let message = format!("{title} cannot go on: {error}; `continue` {then}");
            gates::open(draft, node, reason, message);
        }
        Verdict::GoOn | Verdict::Succeed | Verdict::Fail => {
            let id = draft.state.id_of(node).clone();
            fail(draft, id, error);
        }
    }
}

fn passes(iteration: u32) -> String {
    if iteration == 1 { "one pass".to_owned() } else { format!("{iteration} passes") }
}
