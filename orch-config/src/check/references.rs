//! What prompts and conditions say about other steps.

use std::collections::HashMap;

use super::workflow::Orders;
use crate::{
    expression::{Expression, UnknownStep},
    issue::Issue,
    output::OutputSchema,
    path::Path,
    place::Place,
    placeholder,
    workflow::{Node, StepDefinition, WorkflowDefinition},
};

pub(super) struct References<'a> {
    pub(super) workflow: &'a WorkflowDefinition,
    pub(super) order: &'a Orders<'a>,
    /// The schemas of the steps that have one.
    pub(super) outputs: &'a HashMap<&'a str, OutputSchema>,
}

/// The point of a run from which a reference looks back.
#[derive(Clone, Copy)]
enum From {
    /// Before this node.
    Node(usize),
    /// Before this step of a group.
    Member(usize, usize),
    /// After a pass over this group.
    Pass(usize),
}

impl<'a> References<'a> {
    pub(super) fn check(&self, issues: &mut Vec<Issue>) {
        for (index, node) in self.workflow.nodes.iter().enumerate() {
            let place = || Place::node(index).path(&self.workflow.id);
            match node {
                Node::Step(step) => self.step(step, From::Node(index), place, issues),
                Node::Group(group) => {
                    if let Some(when) = &group.when {
                        self.condition(when, From::Node(index), || place().key("when"), issues);
                    }
                    for (member, step) in group.steps.iter().enumerate() {
                        let place = || Place { node: index, member: Some(member) }.path(&self.workflow.id);
                        self.step(step, From::Member(index, member), place, issues);
                    }
                    let until = || place().key("repeat").key("until");
                    self.condition(&group.until, From::Pass(index), until, issues);
                }
            }
        }
    }

    fn step(&self, step: &StepDefinition, from: From, place: impl Fn() -> Path, issues: &mut Vec<Issue>) {
        if let Some(when) = &step.when {
            self.condition(when, from, || place().key("when"), issues);
        }
        let known = |id: &str| self.known(id, from);
        for (code, severity, message, help) in placeholder::problems(&step.prompt, &known) {
            let path = place().key("prompt");
            issues.push(Issue { severity, help, ..Issue::error(code, path, message) });
        }
    }

    fn condition(
        &self,
        condition: &Expression,
        from: From,
        place: impl Fn() -> Path,
        issues: &mut Vec<Issue>,
    ) {
        let known = |id: &str| self.known(id, from);
        let problems = condition.problems(&known);
        issues.extend(problems.into_iter().map(|error| Issue::of_expression(error, place())));
    }

    /// The schema of a step that is over at a point, or why there is no such step.
    fn known(&self, id: &str, from: From) -> Result<Option<&'a OutputSchema>, UnknownStep> {
        if self.is_over(id, from) {
            return Ok(self.outputs.get(id));
        }
        let unknown = |message: String, help: Option<String>| Err(UnknownStep { message, help });
        if let Some(group) = self.workflow.groups().find(|group| group.id.as_str() == id) {
            let steps: Vec<_> = group.steps.iter().map(|step| step.id.as_str()).collect();
            let help = format!("name one of its steps: {}", steps.join(", "));
            return unknown(format!("{id:?} is a group, not a step"), Some(help));
        }
        if self.own_id(from) == Some(id) {
            return unknown(format!("the step {id:?} cannot refer to itself"), None);
        }
        if self.workflow.step(id).is_some() {
            let message = format!("the step {id:?} is not over by then");
            return unknown(
                message,
                Some(format!("add {id:?} to `needs`, or name a step that comes before")),
            );
        }
        let over = self.workflow.steps().map(|step| step.id.as_str()).filter(|step| self.is_over(step, from));
        let help = crate::suggest(id, over).map(|near| format!("did you mean `{near}`?"));
        unknown(format!("the workflow has no step {id:?}"), help)
    }

    /// The step that looks back, if it is one.
    fn own_id(&self, from: From) -> Option<&str> {
        let (node, member) = match from {
            From::Node(node) => (node, None),
            From::Member(node, member) => (node, Some(member)),
            From::Pass(_) => return None,
        };
        match (&self.workflow.nodes[node], member) {
            (Node::Step(step), _) => Some(step.id.as_str()),
            (Node::Group(group), member) => group.steps.get(member?).map(|step| step.id.as_str()),
        }
    }

    /// Whether a step is over at a point, in its newest pass if it is in a group.
    fn is_over(&self, id: &str, from: From) -> bool {
        let (node, inside) = match from {
            From::Node(node) => (node, None),
            From::Member(node, member) => (node, Some(self.before_member(node, member))),
            From::Pass(node) => (node, Some(vec![true; self.workflow.nodes[node].steps().len()])),
        };
        let before = self.order.nodes.before(node);
        self.workflow.nodes.iter().enumerate().any(|(index, other)| {
            let of_group = inside.as_ref().filter(|_| index == node);
            other.steps().iter().enumerate().any(|(member, step)| {
                let over = of_group.map_or(before[index] && index != node, |over| over[member]);
                over && step.id.as_str() == id
            })
        })
    }

    fn before_member(&self, node: usize, member: usize) -> Vec<bool> {
        let mut before = self.order.groups.get(&node).map_or_else(Vec::new, |order| order.before(member));
        if let Some(itself) = before.get_mut(member) {
            *itself = false;
        }
        before
    }
}
