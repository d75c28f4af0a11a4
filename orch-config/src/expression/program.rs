//! A condition as a tree: refused where it could run away, metered where it loops.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use cel::{
    Context, ExecutionError, Value as Cel,
    common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators},
    parser::{ParseErrors, Parser},
};

use super::{Expression, ExpressionError, Scope, check};

/// The stack for a condition, in bytes: a few times what the deepest tree takes in an unoptimised build. Only what is
/// used of it is ever there.
const STACK: usize = 32 << 20;

/// What the meter is called within a tree. No text can name it: `@` starts no identifier.
const METER: &str = "@meter";

/// A parsed condition that is safe to evaluate.
pub(super) struct Program {
    tree: IdedExpr,
    source: SourceInfo,
}

/// A place where a condition names a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepReference {
    pub(super) id: String,
    /// In bytes from the beginning of the text.
    pub(super) offset: Option<usize>,
}

/// Works on a condition on a stack of its own: the parser takes more for each level than a caller can be expected to
/// have left. The stack is set aside for the one call, and the caller's thread works on it: no thread is started.
pub(super) fn with_stack<T>(work: impl FnOnce() -> Result<T, ExpressionError>) -> Result<T, ExpressionError> {
    // What a panic leaves behind is never seen: the tree and the values are gone with it.
    let worked = panic::catch_unwind(AssertUnwindSafe(|| stacker::grow(STACK, work)));
    worked.unwrap_or_else(|_| Err(ExpressionError::new("it cannot be evaluated: the evaluation broke off")))
}

impl Program {
    pub(super) fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > Expression::MAX_BYTES {
            let message =
                format!("a condition of {} bytes: at most {} are allowed", text.len(), Expression::MAX_BYTES);
            return Err(ExpressionError::new(message).help("let a step decide, with an `output` schema"));
        }
        if text.trim().is_empty() {
            return Err(ExpressionError::new("the condition is empty").help("leave it out"));
        }
        check::depth(text)?;
        let (tree, source) =
            Parser::default().parse_with_source_info(text).map_err(|errors| syntax_error(text, &errors))?;
        let mut program = Self { tree, source };
        check::tree(&program)?;
        meter(&mut program.tree);
        Ok(program)
    }

    pub(super) fn tree(&self) -> &IdedExpr {
        &self.tree
    }

    /// Where a node begins, in bytes from the beginning of the text.
    pub(super) fn offset(&self, node: &IdedExpr) -> Option<usize> {
        let (start, _) = self.source.offset_for(node.id)?;
        let characters = usize::try_from(start).ok()?;
        self.source.source.char_indices().nth(characters).map(|(at, _)| at)
    }

    /// The steps that it names, each once.
    pub(super) fn steps(&self) -> Vec<StepReference> {
        let mut found: Vec<StepReference> = Vec::new();
        check::each(&self.tree, &mut |node| {
            if let Some(id) = check::step_of(node)
                && !found.iter().any(|step| step.id == id)
            {
                found.push(StepReference { id: id.to_owned(), offset: self.offset(node) });
            }
        });
        found
    }

    pub(super) fn evaluate(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        match self.resolve(&self.tree, scope).map_err(|error| failure(&error))? {
            Cel::Bool(bool) => Ok(bool),
            other => {
                let message = format!("a condition must be true or false; this one gives {}", kind(&other));
                Err(ExpressionError::new(message))
            }
        }
    }

    /// The value of one part of the tree.
    pub(super) fn resolve(&self, node: &IdedExpr, scope: &Scope) -> Result<Cel, ExecutionError> {
        let steps = self.steps();
        let mut context = Context::default();
        for (name, value) in scope.variables(steps.iter().map(|step| step.id.as_str())) {
            context.add_variable_from_value(name, value);
        }
        let left = Arc::new(AtomicU32::new(Expression::MAX_ELEMENTS));
        let meter = move || match left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        {
            Ok(_) => Ok(Cel::Bool(true)),
            Err(_) => {
                let message = format!("looks at more than {} elements", Expression::MAX_ELEMENTS);
                Err(ExecutionError::function_error(METER, message))
            }
        };
        context.add_function(METER, meter).map_err(|error| ExecutionError::function_error(METER, error))?;
        Cel::resolve(node, &context)
    }
}

/// Lets every pass of every loop take from one allowance, and fail once it is used up.
fn meter(node: &mut IdedExpr) {
    check::children_mut(node, &mut meter);
    if let Expr::Comprehension(comprehension) = &mut node.expr {
        let ComprehensionExpr { loop_cond, loop_step, .. } = &mut **comprehension;
        match &mut loop_step.expr {
            // `filter` and `exists_one` go on or not by the first argument, and loop without a condition.
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => charge(&mut call.args[0]),
            _ => charge(loop_cond),
        }
    }
}

/// `condition` becomes `meter() ? condition : false`: a failing meter is never absorbed, as it would be by `&&`.
fn charge(condition: &mut IdedExpr) {
    let id = condition.id;
    let node = |expr| IdedExpr { id, expr };
    let call =
        |func_name: &str, args| Expr::Call(CallExpr { func_name: func_name.to_owned(), target: None, args });
    let charged = node(call(METER, Vec::new()));
    let no = node(Expr::Literal(LiteralValue::Boolean(false.into())));
    let inner = std::mem::take(condition);
    *condition = node(call(operators::CONDITIONAL, vec![charged, inner, no]));
}

/// The first complaint of the parser, in our words.
fn syntax_error(text: &str, errors: &ParseErrors) -> ExpressionError {
    let Some(first) = errors.errors.first() else {
        return ExpressionError::new("this is no condition");
    };
    let message = first.msg.trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message).replace("'<EOF>'", "at its end");
    ExpressionError::new(format!("this is no condition: {message}")).at(offset_of(text, first.pos))
}

/// A line and a column, both from 1, in bytes from the beginning.
fn offset_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(before..)?;
    let within = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(at, _)| at);
    Some(before + within)
}

/// What went wrong while it was evaluated, without the values: they may be long, and they may be secret.
pub(super) fn failure(error: &ExecutionError) -> ExpressionError {
    use ExecutionError as E;
    let message = match error {
        E::NoSuchKey(key) => format!("there is no field {:?}", key.as_str()),
        E::NoSuchOverload(call) => format!(
            "{} cannot be applied to {}",
            operator(call.function()),
            call.argument_types().join(" and ")
        ),
        E::UnexpectedType { got, want } => format!("a value of type {want} is needed, not {got}"),
        E::ValuesNotComparable(one, other) => {
            format!("{} cannot be compared with {}", kind(one), kind(other))
        }
        E::UnsupportedBinaryOperator(name, one, other) => {
            format!("{} cannot be applied to {} and {}", operator(name), kind(one), kind(other))
        }
        E::UndeclaredReference(name) => format!("`{name}` is not known here"),
        E::FunctionError { message, .. } => message.clone(),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "a division by zero".to_owned(),
        E::Overflow(..) => "a number out of range".to_owned(),
        E::IndexOutOfBounds(_) => "there is no element at this index".to_owned(),
        E::DuplicateKey(_) => "an object has the same key twice".to_owned(),
        E::UnsupportedIndex(index, value) => format!("{} cannot be indexed by {}", kind(value), kind(index)),
        E::UnsupportedKeyType(key) => format!("{} cannot be a key", kind(key)),
        E::InvalidArgumentCount { expected, actual } => {
            format!("{actual} arguments where {expected} are needed")
        }
        _ => "it cannot be evaluated".to_owned(),
    };
    ExpressionError::new(message)
}

/// `_>_` is `>` for people.
fn operator(name: &str) -> String {
    match name {
        operators::IN => "`in`".to_owned(),
        operators::INDEX => "an index".to_owned(),
        operators::CONDITIONAL => "`?:`".to_owned(),
        _ => format!("`{}`", name.trim_matches('_')),
    }
}

pub(super) fn kind(value: &Cel) -> String {
    value.type_of().to_string()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_condition_is_worked_on_by_the_thread_that_asks() {
        assert_eq!(with_stack(|| Ok(thread::current().id())), Ok(thread::current().id()));
    }

    #[test]
    fn a_panic_over_a_condition_is_an_error() {
        let error = with_stack::<()>(|| panic!("the tree is upside down")).unwrap_err();
        assert_eq!(error.message, "it cannot be evaluated: the evaluation broke off");
    }
}
