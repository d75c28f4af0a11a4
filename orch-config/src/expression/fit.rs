//! Whether a condition fits the workflow that it stands in, found out before a token is spent.
//!
//! References are looked up in the tree; then every part is evaluated once on a sample that has the shape of the output
//! schemas. Only what cannot be otherwise is wrong: an index that is out of range in the sample may be there in earnest.

use cel::{
    ExecutionError, Value as Cel,
    common::ast::{CallExpr, Expr, IdedExpr, operators},
};
use serde_json::Value;

use super::{
    ExpressionError, Scope, StepFacts,
    check::{self, literal, output_of, step_of},
    program::{self, Program},
};
use crate::{
    code,
    output::{Field, OutputSchema},
};

/// The statuses that a step can have.
const STATUSES: [&str; 9] =
    ["pending", "ready", "running", "gated", "backoff", "in-doubt", "done", "failed", "skipped"];

/// What is known of a step that a condition names: its output schema if it has one, or why it cannot be named.
pub(crate) type Known<'a> = dyn Fn(&str) -> Result<Option<&'a OutputSchema>, UnknownStep> + Send + Sync + 'a;

/// Why a step cannot be referred to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnknownStep {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Everything that does not fit.
pub(super) fn problems(program: &Program, known: &Known<'_>) -> Vec<ExpressionError> {
    let mut problems = unknown_steps(program, known);
    if problems.is_empty() {
        problems = unknown_outputs(program, known);
    }
    if problems.is_empty() {
        problems = unknown_words(program, known);
        problems.extend(mistyped(program, known));
    }
    problems
}

fn unknown_steps(program: &Program, known: &Known<'_>) -> Vec<ExpressionError> {
    let unknown = program.steps().into_iter().filter_map(|step| {
        let UnknownStep { message, help } = known(&step.id).err()?;
        let error = ExpressionError { code: code::UNKNOWN_STEP, ..ExpressionError::new(message) };
        Some(ExpressionError { help, ..error.at(step.offset) })
    });
    unknown.collect()
}

fn unknown_outputs(program: &Program, known: &Known<'_>) -> Vec<ExpressionError> {
    let mut problems = Vec::new();
    outputs(program.tree(), &mut |node, step, path| {
        let schema = known(step).ok().flatten();
        if let Some((message, help)) = unknown_output(step, path, schema) {
            let error = ExpressionError { code: code::UNKNOWN_OUTPUT, ..ExpressionError::new(message) };
            problems.push(ExpressionError { help, ..error.at(program.offset(node)) });
        }
    });
    problems
}

/// What is wrong with a reference to a part of a step's output, and the way out.
pub(crate) fn unknown_output(
    step: &str,
    path: &[String],
    schema: Option<&OutputSchema>,
) -> Option<(String, Option<String>)> {
    let Some(schema) = schema else {
        let message = format!("the step {step:?} has no structured answer");
        return Some((message, Some(format!("give {step:?} an `output` schema"))));
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match schema.field(&path) {
        Field::Absent { key, known } => {
            let message = format!("the answer of {step:?} has no `{key}`: its `output` schema rules it out");
            let help = match crate::suggest(&key, known.iter().map(String::as_str)) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None if known.is_empty() => None,
                None => Some(format!("known are {}", known.join(", "))),
            };
            Some((message, help))
        }
        _ => None,
    }
}

/// Comparisons with words that a status or an answer never is: they would never hold.
fn unknown_words(program: &Program, known: &Known<'_>) -> Vec<ExpressionError> {
    let mut problems = Vec::new();
    check::each(program.tree(), &mut |node| {
        let Expr::Call(CallExpr { func_name, args, target: None }) = &node.expr else { return };
        let pairs: Vec<(&IdedExpr, &IdedExpr)> = match (func_name.as_str(), args.as_slice()) {
            (operators::EQUALS | operators::NOT_EQUALS, [one, other]) => vec![(one, other), (other, one)],
            (operators::IN, [one, list]) => {
                check::children(list).into_iter().map(|word| (one, word)).collect()
            }
            _ => return,
        };
        for (value, word) in pairs {
            let (Some(words), Some(written)) = (words_of(value, known), literal(word)) else { continue };
            if words.iter().any(|known| known == written) {
                continue;
            }
            let error = ExpressionError::new(format!("{written:?} is none of {}", words.join(", ")));
            let error = error.at(program.offset(word));
            problems.push(match crate::suggest(written, words.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean {near:?}?")),
                None => error,
            });
        }
    });
    problems
}

/// The words that a node can be, if there are only some.
fn words_of(node: &IdedExpr, known: &Known<'_>) -> Option<Vec<String>> {
    if let Expr::Select(select) = &node.expr
        && select.field == "status"
        && step_of(&select.operand).is_some()
    {
        return Some(STATUSES.map(str::to_owned).to_vec());
    }
    let (step, path) = output_of(node)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    known(step).ok().flatten()?.words(&path)
}

/// The first part that no values of the right shape can make sense of.
fn mistyped(program: &Program, known: &Known<'_>) -> Option<ExpressionError> {
    let mut scope = Scope::new("task", 1);
    for step in program.steps() {
        let mut facts = StepFacts::new("done");
        facts.output = known(&step.id).ok().flatten().map_or(Value::Null, OutputSchema::sample);
        facts.warnings = vec!["retried".to_owned()];
        (facts.text_chars, facts.attempts) = (1, 1);
        scope.insert(step.id, facts);
    }
    let mut parts = Vec::new();
    decisive(program.tree(), &mut parts);
    parts.into_iter().filter(|part| is_known(part, known)).find_map(|part| {
        let message = match program.resolve(part, &scope) {
            Ok(Cel::Bool(_)) => return None,
            Ok(other) => format!("true or false is needed here, not {}", program::kind(&other)),
            Err(error) if depends_on_values(&error) => return None,
            Err(error) => program::failure(&error).message,
        };
        Some(ExpressionError::new(message).at(program.offset(part)))
    })
}

/// The parts that are true or false by themselves, innermost first: a sample decides only some of them when the whole
/// is evaluated.
fn decisive<'a>(node: &'a IdedExpr, parts: &mut Vec<&'a IdedExpr>) {
    if let Expr::Call(call) = &node.expr
        && matches!(
            call.func_name.as_str(),
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::CONDITIONAL
        )
    {
        call.args.iter().for_each(|operand| decisive(operand, parts));
    }
    parts.push(node);
}

/// Whether the schemas say everything about the outputs that a part refers to.
fn is_known(part: &IdedExpr, known: &Known<'_>) -> bool {
    let mut all = true;
    outputs(part, &mut |_, step, path| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        all &= known(step).ok().flatten().is_some_and(|schema| schema.is_known(&path));
    });
    all
}

fn depends_on_values(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
            | ExecutionError::FunctionError { .. }
    )
}

/// Calls `look` with every longest reference to an output.
fn outputs<'a>(node: &'a IdedExpr, look: &mut dyn FnMut(&'a IdedExpr, &'a str, &[String])) {
    match output_of(node) {
        Some((step, path)) => look(node, step, &path),
        None => check::children(node).into_iter().for_each(|child| outputs(child, look)),
    }
}
