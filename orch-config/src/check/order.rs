//! Which node of a list waits for which, and which can never start.

use std::collections::VecDeque;

use crate::id::StepId;

/// The nodes of one list, a workflow's or a group's, and what each of them waits for.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    ids: Vec<&'a str>,
    /// For each node the indices of what it needs.
    needs: Vec<Vec<usize>>,
}

/// A need that is not in the list.
#[derive(Debug, PartialEq)]
pub(crate) struct UnknownNeed<'a> {
    /// Of which node.
    pub(crate) node: usize,
    /// At which place of its `needs`.
    pub(crate) index: usize,
    /// What it names.
    pub(crate) id: &'a str,
}

impl<'a> Order<'a> {
    /// The order of nodes that are given with their needs as written, and the needs that lead nowhere.
    pub(crate) fn of(
        nodes: impl IntoIterator<Item = (&'a StepId, Option<&'a [StepId]>)>,
    ) -> (Self, Vec<UnknownNeed<'a>>) {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let ids: Vec<&str> = nodes.iter().map(|(id, _)| id.as_str()).collect();
        let mut unknown = Vec::new();
        let needs = nodes.iter().enumerate().map(|(node, (_, written))| match written {
            // The written order is the order of work: each node waits for the one before it.
            None => node.checked_sub(1).into_iter().collect(),
            Some(written) => {
                let find = |(index, need): (usize, &'a StepId)| {
                    let id = need.as_str();
                    let found = ids.iter().position(|known| *known == id);
                    if found.is_none() {
                        unknown.push(UnknownNeed { node, index, id });
                    }
                    found
                };
                written.iter().enumerate().filter_map(find).collect()
            }
        });
        let needs = needs.collect();
        (Self { ids, needs }, unknown)
    }

    /// The nodes that are over when a node starts: what it needs, what those need, and so on.
    pub(crate) fn before(&self, node: usize) -> Vec<bool> {
        let mut before = vec![false; self.needs.len()];
        let mut open = self.needs[node].clone();
        while let Some(next) = open.pop() {
            if !std::mem::replace(&mut before[next], true) {
                open.extend_from_slice(&self.needs[next]);
            }
        }
        before
    }

    /// Nodes that wait for each other, each circle once, as the way around from its first node.
    pub(crate) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut cycles: Vec<Vec<usize>> = Vec::new();
        let stuck = self.stuck();
        let mut covered = vec![false; stuck.len()];
        for node in (0..stuck.len()).filter(|node| stuck[*node]) {
            if covered[node] {
                continue;
            }
            let before = self.before(node);
            if !before[node] {
                continue;
            }
            for other in (0..stuck.len()).filter(|other| before[*other]) {
                covered[other] |= self.before(other)[node];
            }
            cycles.push(self.way_around(node));
        }
        cycles
    }

    /// The nodes that can never start: those of circles and those behind them.
    pub(crate) fn stuck(&self) -> Vec<bool> {
        let mut open: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..open.len()).filter(|node| open[*node] == 0).collect();
        let mut dependents = vec![Vec::new(); open.len()];
        for (node, needs) in self.needs.iter().enumerate() {
            needs.iter().for_each(|need| dependents[*need].push(node));
        }
        while let Some(done) = ready.pop() {
            for dependent in &dependents[done] {
                open[*dependent] -= 1;
                if open[*dependent] == 0 {
                    ready.push(*dependent);
                }
            }
        }
        open.into_iter().map(|open| open > 0).collect()
    }

    /// The shortest way from a node over its needs back to it.
    fn way_around(&self, start: usize) -> Vec<usize> {
        let mut from = vec![None; self.needs.len()];
        let mut open = VecDeque::from([start]);
        while let Some(node) = open.pop_front() {
            for need in &self.needs[node] {
                if *need == start {
                    let mut way = vec![node];
                    while let Some(before) = from[way[way.len() - 1]] {
                        way.push(before);
                    }
                    way.reverse();
                    return way;
                }
                if from[*need].is_none() {
                    from[*need] = Some(node);
                    open.push_back(*need);
                }
            }
        }
        vec![start]
    }

    pub(crate) fn id(&self, node: usize) -> &'a str {
        self.ids[node]
    }

    pub(crate) fn ids(&self) -> &[&'a str] {
        &self.ids
    }

    /// What a node waits for.
    pub(crate) fn needs(&self, node: usize) -> &[usize] {
        &self.needs[node]
    }
}
