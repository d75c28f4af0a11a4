//! Who waits for whom: a plan's `needs` and groups, as indices.

use std::{collections::HashMap, fmt};

use orch_config::id::StepId;

use crate::plan::Plan;

/// What a plan is made of: a step, or the steps of a group taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Step(usize),
    Group(usize),
}

/// The shape of a plan. It never changes during a run.
#[derive(PartialEq)]
pub(crate) struct Graph {
    index: HashMap<StepId, Node>,
    /// The groups, and the steps that belong to none, in written order.
    pub(crate) nodes: Vec<Node>,
    /// What each step waits for; for a step of a group, steps of that group.
    needs: Vec<Vec<Node>>,
    /// What waits for each step.
    dependents: Vec<Vec<Node>>,
    group_of: Vec<Option<usize>>,
    groups: Vec<Members>,
}

#[derive(Debug, PartialEq)]
struct Members {
    needs: Vec<Node>,
    dependents: Vec<Node>,
    steps: Vec<usize>,
}

/// The plan says it all already.
impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Self {
        let steps =
            plan.steps.iter().enumerate().map(|(step, planned)| (planned.id.clone(), Node::Step(step)));
        let groups =
            plan.groups.iter().enumerate().map(|(group, planned)| (planned.id.clone(), Node::Group(group)));
        let index: HashMap<_, _> = groups.chain(steps).collect();
        let nodes_named =
            |ids: &[StepId]| ids.iter().filter_map(|id| index.get(id).copied()).collect::<Vec<_>>();
        let mut graph = Self {
            nodes: Vec::new(),
            needs: plan.steps.iter().map(|step| nodes_named(&step.needs)).collect(),
            dependents: vec![Vec::new(); plan.steps.len()],
            group_of: Vec::with_capacity(plan.steps.len()),
            groups: plan
                .groups
                .iter()
                .map(|group| Members {
                    needs: nodes_named(&group.needs),
                    dependents: Vec::new(),
                    steps: Vec::new(),
                })
                .collect(),
            index: HashMap::new(),
        };
        for (step, planned) in plan.steps.iter().enumerate() {
            let group = planned.group.as_ref().and_then(|group| match index.get(group) {
                Some(Node::Group(group)) => Some(*group),
                _ => None,
            });
            graph.group_of.push(group);
            let Some(group) = group else {
                graph.nodes.push(Node::Step(step));
                continue;
            };
            if graph.groups[group].steps.is_empty() {
                graph.nodes.push(Node::Group(group));
            }
            graph.groups[group].steps.push(step);
        }
        graph.index = index;
        graph.note_dependents();
        graph
    }

    /// The node with this id; anything that can be compared with one will do.
    pub(crate) fn node(&self, id: &str) -> Option<Node> {
        self.index.get(id).copied()
    }

    pub(crate) fn step(&self, id: &str) -> Option<usize> {
        match self.node(id)? {
            Node::Step(step) => Some(step),
            Node::Group(_) => None,
        }
    }

    /// What a node waits for.
    pub(crate) fn needs(&self, node: Node) -> &[Node] {
        match node {
            Node::Step(step) => &self.needs[step],
            Node::Group(group) => &self.groups[group].needs,
        }
    }

    /// What waits for a node.
    pub(crate) fn dependents(&self, node: Node) -> &[Node] {
        match node {
            Node::Step(step) => &self.dependents[step],
            Node::Group(group) => &self.groups[group].dependents,
        }
    }

    fn note_dependents(&mut self) {
        let steps = (0..self.needs.len()).map(Node::Step);
        let all: Vec<Node> = steps.chain((0..self.groups.len()).map(Node::Group)).collect();
        for node in all {
            for need in self.needs(node).to_vec() {
                match need {
                    Node::Step(step) => self.dependents[step].push(node),
                    Node::Group(group) => self.groups[group].dependents.push(node),
                }
            }
        }
    }

    /// The group that a step belongs to.
    pub(crate) fn group_of(&self, step: usize) -> Option<usize> {
        self.group_of[step]
    }

    /// The steps of a group, in written order.
    pub(crate) fn members(&self, group: usize) -> &[usize] {
        &self.groups[group].steps
    }

    /// Which steps a step depends on, directly or not, by its number: through its own needs, those of its group,
    /// and into the groups that they name.
    pub(crate) fn needed_by(&self, step: usize) -> Vec<bool> {
        let mut steps = vec![false; self.needs.len()];
        let mut groups = vec![false; self.groups.len()];
        let mut open: Vec<Node> = self.needs[step].clone();
        if let Some(group) = self.group_of(step) {
            open.extend(&self.groups[group].needs);
        }
        while let Some(node) = open.pop() {
            let seen = match node {
                Node::Step(step) => std::mem::replace(&mut steps[step], true),
                Node::Group(group) => std::mem::replace(&mut groups[group], true),
            };
            if seen {
                continue;
            }
            open.extend(self.needs(node));
            if let Node::Group(group) = node {
                open.extend(self.members(group).iter().map(|step| Node::Step(*step)));
            }
        }
        steps
    }
}
