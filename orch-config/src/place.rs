//! Where in a workflow's list a step stands.

use crate::{
    id::WorkflowId,
    path::Path,
    workflow::{Node, WorkflowDefinition},
};

/// A node of the list, or a step of the group there. Spelt out only where something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) member: Option<usize>,
}

impl Place {
    pub(crate) fn node(node: usize) -> Self {
        Self { node, member: None }
    }

    pub(crate) fn path(self, workflow: &WorkflowId) -> Path {
        let node = Path::workflow(workflow.as_str()).key("steps").index(self.node);
        match self.member {
            Some(member) => node.key("steps").index(member),
            None => node,
        }
    }
}

/// The places of a workflow's steps, in their order.
pub(crate) fn places(workflow: &WorkflowDefinition) -> impl Iterator<Item = Place> {
    workflow.nodes.iter().enumerate().flat_map(|(index, node)| {
        let in_group = matches!(node, Node::Group(_));
        (0..node.steps().len()).map(move |member| Place { node: index, member: in_group.then_some(member) })
    })
}
