//! A plan as a picture: a tree of text for a terminal, a Mermaid flowchart for a page, a line for a sentence.

use std::fmt::Write as _;

use orch_config::{expression::Expression, id::StepId, kind::ExecutionMode};

use super::{Plan, PlanGroup, PlanStep};

/// How much of a condition is shown, in Unicode scalar values.
const MAX_CONDITION_CHARS: usize = 80;

/// What stands in a list, the plan's or a group's.
#[derive(Clone, Copy)]
enum Node<'a> {
    Step(&'a PlanStep),
    Group(&'a PlanGroup),
}

impl<'a> Node<'a> {
    fn id(self) -> &'a StepId {
        match self {
            Self::Step(step) => &step.id,
            Self::Group(group) => &group.id,
        }
    }

    fn needs(self) -> &'a [StepId] {
        match self {
            Self::Step(step) => &step.needs,
            Self::Group(group) => &group.needs,
        }
    }

    fn when(self) -> Option<&'a Expression> {
        match self {
            Self::Step(step) => step.when.as_ref(),
            Self::Group(group) => group.when.as_ref(),
        }
    }
}

/// The nodes of the plan's own list, in the order of their first steps.
fn nodes(plan: &Plan) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    for step in &plan.steps {
        match step.group.as_ref().and_then(|id| plan.group(id)) {
            None => nodes.push(Node::Step(step)),
            Some(group) if nodes.iter().any(|node| node.id() == &group.id) => {}
            Some(group) => nodes.push(Node::Group(group)),
        }
    }
    nodes
}

fn members<'a>(plan: &'a Plan, group: &PlanGroup) -> Vec<Node<'a>> {
    plan.steps.iter().filter(|step| step.group.as_ref() == Some(&group.id)).map(Node::Step).collect()
}

/// A line for each node. What is indented under `at once` waits for the same and is worked on side by side; a node says
/// what it waits for where that is not what stands above it.
pub(super) fn tree(plan: &Plan) -> String {
    let mut text = String::new();
    let nodes = nodes(plan);
    let ids = plan.steps.iter().map(|step| &step.id).chain(plan.groups.iter().map(|group| &group.id));
    let width = ids.map(|id| id.as_str().chars().count()).max().unwrap_or(0);
    Tree { plan, text: &mut text, width }.list(&nodes, "");
    text
}

struct Tree<'a, 't> {
    plan: &'a Plan,
    text: &'t mut String,
    width: usize,
}

impl<'a> Tree<'a, '_> {
    fn list(&mut self, nodes: &[Node<'a>], indent: &str) {
        let mut above: Vec<&StepId> = Vec::new();
        let blocks: Vec<&[Node<'a>]> = nodes.chunk_by(|one, other| one.needs() == other.needs()).collect();
        for (index, block) in blocks.iter().enumerate() {
            let last = index + 1 == blocks.len();
            let waits = block.first().map_or(&[][..], |node| node.needs());
            let note = if waits.iter().collect::<Vec<_>>() == above { None } else { Some(after(waits)) };
            match block {
                [node] => self.node(*node, indent, last, note),
                several => {
                    let note = note.map(|note| format!(", {note}")).unwrap_or_default();
                    self.line(indent, last, &format!("at once{note}"));
                    let inner = format!("{indent}{}", if last { "   " } else { "│  " });
                    for (index, node) in several.iter().enumerate() {
                        self.node(*node, &inner, index + 1 == several.len(), None);
                    }
                }
            }
            above = block.iter().map(|node| node.id()).collect();
        }
    }

    fn node(&mut self, node: Node<'a>, indent: &str, last: bool, note: Option<String>) {
        let mut notes: Vec<String> = Vec::new();
        match node {
            Node::Step(step) => notes.extend(step_notes(step)),
            Node::Group(group) => {
                let times =
                    if group.max == 1 { "once".to_owned() } else { format!("at most {} times", group.max) };
                notes.push(format!("{times}, until {}", condition(&group.until)));
            }
        }
        notes.extend(node.when().map(|when| format!("only if {}", condition(when))));
        notes.extend(note);
        let line = format!("{:<width$}  {}", node.id().as_str(), notes.join(", "), width = self.width);
        self.line(indent, last, line.trim_end());
        if let Node::Group(group) = node {
            let inner = format!("{indent}{}", if last { "   " } else { "│  " });
            self.list(&members(self.plan, group), &inner);
        }
    }

    fn line(&mut self, indent: &str, last: bool, line: &str) {
        let branch = if last { "╰─ " } else { "├─ " };
        self.text.push_str(indent);
        self.text.push_str(branch);
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn step_notes(step: &PlanStep) -> Vec<String> {
    let mut notes = vec![format!("{} as {}", step.worker, step.kind)];
    if step.execution == ExecutionMode::Foreground {
        notes.push("foreground".to_owned());
    }
    if step.carry {
        notes.push("carries its hand-off on".to_owned());
    }
    if step.output.is_some() {
        notes.push("structured answer".to_owned());
    }
    if step.retry.max_attempts > 1 {
        notes.push(format!("at most {} attempts", step.retry.max_attempts));
    }
    if !step.budget.is_unbounded() {
        notes.push("budget".to_owned());
    }
    notes
}

fn after(needs: &[StepId]) -> String {
    match needs {
        [] => "at the start".to_owned(),
        needs => format!("after {}", needs.iter().map(StepId::as_str).collect::<Vec<_>>().join(", ")),
    }
}

/// A condition on one line, cut where it is long.
fn condition(expression: &Expression) -> String {
    let line = expression.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CONDITION_CHARS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The order of the steps on one line. What stands after an arrow waits for all that stands directly before it, what
/// stands between plus signs is worked on side by side, and whatever else is waited for is said.
pub(super) fn line(plan: &Plan) -> String {
    line_of(plan, &nodes(plan))
}

fn line_of(plan: &Plan, nodes: &[Node<'_>]) -> String {
    let mut line = String::new();
    let mut above: Vec<&StepId> = Vec::new();
    for block in nodes.chunk_by(|one, other| one.needs() == other.needs()) {
        let waits = block.first().map_or(&[][..], |node| node.needs());
        let names: Vec<_> = block.iter().map(|node| name(plan, *node)).collect();
        let follows = waits.iter().collect::<Vec<_>>() == above;
        let (before, note) = match (line.is_empty(), follows) {
            (true, true) => ("", String::new()),
            (false, true) => (" → ", String::new()),
            (first, false) => (if first { "" } else { "; " }, format!(" {}", after(waits))),
        };
        line.push_str(before);
        line.push_str(&names.join(" + "));
        line.push_str(&note);
        above = block.iter().map(|node| node.id()).collect();
    }
    line
}

fn name(plan: &Plan, node: Node<'_>) -> String {
    match node {
        Node::Step(step) => step.id.to_string(),
        Node::Group(group) => {
            let times = if group.max == 1 { "once".to_owned() } else { format!("up to {} times", group.max) };
            format!("{} ({}, {times})", group.id, line_of(plan, &members(plan, group)))
        }
    }
}

/// A flowchart: boxes are steps, frames are groups, and an edge says under which condition what it leads to is done.
pub(super) fn mermaid(plan: &Plan) -> String {
    let nodes = nodes(plan);
    let mut chart = Chart { plan, text: "flowchart TD\n".to_owned(), names: Vec::new() };
    for node in &nodes {
        chart.declare(*node, "  ");
    }
    for node in &nodes {
        chart.edges(*node);
        if let Node::Group(group) = node {
            let members = members(plan, group);
            members.iter().for_each(|member| chart.edges(*member));
            chart.back_edge(group, &members);
        }
    }
    chart.text
}

struct Chart<'a> {
    plan: &'a Plan,
    text: String,
    /// Names that are safe in a chart, by position: ids may be anything.
    names: Vec<&'a StepId>,
}

impl<'a> Chart<'a> {
    fn declare(&mut self, node: Node<'a>, indent: &str) {
        self.names.push(node.id());
        let name = self.name(node.id());
        match node {
            Node::Step(step) => {
                let foreground = step.execution == ExecutionMode::Foreground;
                let (open, close) = if foreground { ("([", "])") } else { ("[", "]") };
                let label = quoted(&format!("{}\n{} as {}", step.title, step.worker, step.kind));
                let _ = writeln!(self.text, "{indent}{name}{open}{label}{close}");
            }
            Node::Group(group) => {
                let _ = writeln!(self.text, "{indent}subgraph {name}[{}]", quoted(&group.title));
                for member in members(self.plan, group) {
                    self.declare(member, &format!("{indent}  "));
                }
                let _ = writeln!(self.text, "{indent}end");
            }
        }
    }

    fn edges(&mut self, node: Node<'a>) {
        let label = node.when().map(|when| format!("|{}|", quoted(&condition(when)))).unwrap_or_default();
        let to = self.name(node.id());
        for need in node.needs() {
            let from = self.name(need);
            let _ = writeln!(self.text, "  {from} -->{label} {to}");
        }
    }

    /// From the last steps of a group back to its first ones.
    fn back_edge(&mut self, group: &PlanGroup, members: &[Node<'a>]) {
        let needed = |id: &StepId| members.iter().any(|member| member.needs().contains(id));
        let (Some(last), Some(first)) = (
            members.iter().rev().find(|member| !needed(member.id())),
            members.iter().find(|member| member.needs().is_empty()),
        ) else {
            return;
        };
        let (last, first) = (self.name(last.id()), self.name(first.id()));
        let label = quoted(&format!("until {}, at most {}", condition(&group.until), group.max));
        let _ = writeln!(self.text, "  {last} -.->|{label}| {first}");
    }

    fn name(&self, id: &StepId) -> String {
        let index = self.names.iter().position(|known| *known == id).unwrap_or(self.names.len());
        format!("n{index}")
    }
}

/// A text as Mermaid takes it: everything that it could read as markup is written as a number.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("<br/>"),
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' | '%' | ';' => {
                let _ = write!(quoted, "#{};", u32::from(character));
            }
            character if character.is_control() => {}
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
