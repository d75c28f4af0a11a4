//! What of CEL a condition may use.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::{ExpressionError, program::Program};

/// How deeply brackets may nest.
const MAX_DEPTH: usize = 32;

/// How many signs of operators and calls there may be: each one may deepen the tree by a level.
const MAX_OPERATORS: usize = 200;

/// What a condition sees.
pub(super) const VARIABLES: [&str; 3] = ["task", "iteration", "steps"];
const FIELDS: [&str; 5] = ["status", "warnings", "output", "text_chars", "attempts"];
const FUNCTIONS: [&str; 8] =
    ["size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string"];
const MACROS: [&str; 5] = ["has", "all", "exists", "exists_one", "filter"];

/// Refuses what would make the tree deeper than the stack that is set aside for it, whatever it means.
pub(super) fn depth(text: &str) -> Result<(), ExpressionError> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '(' | '[' | '{' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        operators += usize::from(".([{+-*/%<>=!?".contains(character));
        if depth > MAX_DEPTH {
            return Err(ExpressionError::new("brackets nest too deeply").at(Some(at)));
        }
        if operators > MAX_OPERATORS {
            return Err(ExpressionError::new("a condition with too many operators").at(Some(at)));
        }
    }
    Ok(())
}

/// Refuses what is not known, what could grow without bound, and steps that are not named outright.
pub(super) fn tree(program: &Program) -> Result<(), ExpressionError> {
    Walk { program, bound: Vec::new() }.visit(program.tree())
}

/// The step that a node names: `steps.plan` or `steps["plan"]`.
pub(super) fn step_of(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Select(select) if is_steps(&select.operand) => Some(&select.field),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [operand, index] if is_steps(operand) => literal(index),
            _ => None,
        },
        _ => None,
    }
}

/// The part of a step's output that a node names: `steps.plan.output.parts[0].file`.
pub(super) fn output_of(node: &IdedExpr) -> Option<(&str, Vec<String>)> {
    let (operand, key) = match &node.expr {
        Expr::Select(select) => match step_of(&select.operand) {
            Some(step) if select.field == "output" => return Some((step, Vec::new())),
            _ => (&*select.operand, select.field.clone()),
        },
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [operand, index] => (operand, constant_index(index)?),
            _ => return None,
        },
        _ => return None,
    };
    let (step, mut path) = output_of(operand)?;
    path.push(key);
    Some((step, path))
}

fn constant_index(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        Expr::Literal(LiteralValue::Int(index)) => Some(index.inner().to_string()),
        _ => None,
    }
}

/// Whether nothing in the tree is a variable of the condition.
pub(super) fn is_closed(tree: &IdedExpr) -> bool {
    let mut closed = true;
    each(tree, &mut |node| {
        closed &= !matches!(&node.expr, Expr::Ident(name) if VARIABLES.contains(&name.as_str()));
    });
    closed
}

fn is_steps(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name == "steps")
}

/// The text of a constant.
pub(super) fn literal(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

struct Walk<'a> {
    program: &'a Program,
    /// The variables of the macros around the current node.
    bound: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a IdedExpr) -> Result<(), ExpressionError> {
        if step_of(node).is_some() {
            return Ok(());
        }
        match &node.expr {
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => {
                self.field(node, &select.operand, &select.field)?;
                self.visit(&select.operand)
            }
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension),
            Expr::List(_) | Expr::Map(_) => {
                if !self.bound.is_empty() && !is_constant(node) {
                    let message = "within a macro, lists and objects can only be written from constants";
                    return Err(self.error(node, message));
                }
                children(node).into_iter().try_for_each(|child| self.visit(child))
            }
            Expr::Literal(_) => Ok(()),
            Expr::Struct(_) | Expr::Unspecified => Err(self.error(node, "this is no condition")),
        }
    }

    fn variable(&self, node: &IdedExpr, name: &str) -> Result<(), ExpressionError> {
        if name == "steps" {
            let error = self.error(node, "`steps` must be followed by the id of a step");
            return Err(error.help("write `steps.<id>` or `steps[\"<id>\"]`"));
        }
        if VARIABLES.contains(&name) || self.bound.contains(&name) {
            return Ok(());
        }
        let error = self.error(node, format!("`{name}` is not known here"));
        Err(match crate::suggest(name, VARIABLES.into_iter().chain(self.bound.iter().copied())) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("a condition sees `task`, `iteration` and `steps.<id>`"),
        })
    }

    /// `steps.plan.statsu`.
    fn field(&self, node: &IdedExpr, operand: &IdedExpr, field: &str) -> Result<(), ExpressionError> {
        let Some(step) = step_of(operand).filter(|_| !FIELDS.contains(&field)) else {
            return Ok(());
        };
        let error = self.error(node, format!("a step has no field `{field}`: `steps.{step}.{field}`"));
        Err(match crate::suggest(field, FIELDS) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if field == "text" => error
                .help("free text cannot be compared: give the step an `output` schema, or use `text_chars`"),
            None => error.help(format!("a step has {}", FIELDS.join(", "))),
        })
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_word && !FUNCTIONS.contains(&name) {
            let error = self.error(node, format!("a condition cannot use the function `{name}`"));
            return Err(match crate::suggest(name, FUNCTIONS.into_iter().chain(MACROS)) {
                Some(near) if near != name => error.help(format!("did you mean `{near}`?")),
                Some(_) => error.help(format!("`{name}` takes other arguments")),
                None => error.help(format!("known are {}, {}", FUNCTIONS.join(", "), MACROS.join(", "))),
            });
        }
        if let (operators::INDEX, [operand, _]) = (name, call.args.as_slice())
            && is_steps(operand)
        {
            return self.variable(operand, "steps");
        }
        call.target.iter().map(|target| &**target).chain(&call.args).try_for_each(|child| self.visit(child))
    }

    fn comprehension(
        &mut self,
        node: &'a IdedExpr,
        comprehension: &'a ComprehensionExpr,
    ) -> Result<(), ExpressionError> {
        if is_map(comprehension) {
            let error = self.error(node, "a condition cannot use the macro `map`");
            return Err(error.help("use `exists`, `all` or `filter`"));
        }
        let name = comprehension.iter_var.as_str();
        if VARIABLES.contains(&name) {
            return Err(self.error(node, format!("`{name}` cannot be the variable of a macro")));
        }
        self.visit(&comprehension.iter_range)?;
        let before = self.bound.len();
        self.bound.extend([name, comprehension.accu_var.as_str()]);
        // What the macro itself builds needs no look, but what was written is among it.
        let written = match &comprehension.loop_step.expr {
            Expr::Call(call) => call.args.iter().collect(),
            _ => Vec::new(),
        };
        let appended = |child: &&&IdedExpr| !is_append(child, &comprehension.accu_var);
        let result = written.iter().filter(appended).try_for_each(|child| self.visit(child));
        self.bound.truncate(before);
        result
    }

    fn error(&self, node: &IdedExpr, message: impl Into<String>) -> ExpressionError {
        ExpressionError::new(message).at(self.program.offset(node))
    }
}

/// Whether a macro makes new elements: `map` does, `filter` keeps those that are there.
fn is_map(comprehension: &ComprehensionExpr) -> bool {
    let step = match &comprehension.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => call.args.get(1),
        _ => Some(&comprehension.loop_step),
    };
    let Some(Expr::Call(call)) = step.map(|step| &step.expr) else { return false };
    match call.args.as_slice() {
        [_, IdedExpr { expr: Expr::List(list), .. }] if call.func_name == operators::ADD => !matches!(
            list.elements.as_slice(),
            [IdedExpr { expr: Expr::Ident(kept), .. }] if *kept == comprehension.iter_var
        ),
        _ => false,
    }
}

/// Whether a node is what `filter` builds: `@result + [x]`.
fn is_append(node: &IdedExpr, accumulator: &str) -> bool {
    let Expr::Call(call) = &node.expr else { return false };
    call.func_name == operators::ADD
        && matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name == accumulator)
}

fn is_constant(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Literal(_) => true,
        Expr::List(_) | Expr::Map(_) => children(node).into_iter().all(is_constant),
        _ => false,
    }
}

/// Calls `look` with a node and all below it, from left to right.
pub(super) fn each<'a>(node: &'a IdedExpr, look: &mut dyn FnMut(&'a IdedExpr)) {
    look(node);
    for child in children(node) {
        each(child, look);
    }
}

/// The nodes right below a node.
pub(super) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_nodes(&entry.expr)).collect(),
        Expr::Struct(object) => object.entries.iter().flat_map(|entry| entry_nodes(&entry.expr)).collect(),
        Expr::Comprehension(inner) => {
            vec![&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result]
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_nodes(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Calls `change` with each node right below a node in which a macro may stand.
pub(super) fn children_mut(node: &mut IdedExpr, change: &mut dyn FnMut(&mut IdedExpr)) {
    match &mut node.expr {
        Expr::Call(call) => {
            call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(change);
        }
        Expr::Select(select) => change(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(change),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    change(&mut entry.key);
                    change(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(inner) => {
            change(&mut inner.iter_range);
            change(&mut inner.loop_step);
        }
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}
