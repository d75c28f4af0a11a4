//! What depends on what, taken as a whole: a step of a group stands for its group.

use std::collections::HashSet;

use crate::machine::{Graph, Node};

impl Graph {
    /// The node that begins when the one with this id is to begin anew: itself, or its group.
    pub(super) fn top(&self, id: &str) -> Option<Node> {
        self.node(id).map(|node| self.whole(node))
    }

    /// A node and everything that depends on it, directly or not.
    pub(super) fn depending_on(&self, node: Node) -> HashSet<Node> {
        let depends = |other: &Node| *other == node || self.needed_wholes(*other).contains(&node);
        self.nodes.iter().copied().filter(depends).collect()
    }

    /// Everything that a node depends on, directly or not.
    pub(super) fn needed_wholes(&self, node: Node) -> HashSet<Node> {
        let mut needed = HashSet::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for need in self.needs(node).iter().map(|need| self.whole(*need)) {
                if needed.insert(need) {
                    open.push(need);
                }
            }
        }
        needed
    }

    fn whole(&self, node: Node) -> Node {
        match node {
            Node::Step(step) => self.group_of(step).map_or(node, Node::Group),
            Node::Group(_) => node,
        }
    }
}
