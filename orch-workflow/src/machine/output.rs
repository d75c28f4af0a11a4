//! Structured answers: asked for, found in the text, held against the step's schema, repaired once.
//!
//! The host has a way of its own to ask for structured output, which makes the session unreadable afterwards. So the
//! prompt asks for it in words, and the answer is looked through here.

use orch_config::output::OutputSchema;
use serde_json::Value;

use crate::{
    attempt::{AttemptError, ErrorCode, Settled, Warning, WarningCode},
    machine::{draft::Draft, settle::deeper_than},
    record::TurnPurpose,
};

/// The journal reads back no more than this.
pub(crate) const DEEPEST: usize = 100;

/// What is added to the prompt of a step with a schema.
pub(crate) fn demand(schema: &Value) -> String {
    format!(
        "Your answer must contain one JSON value that matches the JSON Schema below. Answer with the JSON alone, or, \
         if there is more to say, end your answer with the JSON in a fenced block that begins with ```json.\n\n\
         ```json\n{schema:#}\n```"
    )
}

/// What is asked when the answer does not match.
pub(crate) fn repair_prompt(schema: &Value, complaints: &[String]) -> String {
    let complaints: Vec<_> = complaints.iter().map(|complaint| format!("- {complaint}")).collect();
    format!(
        "Your answer does not match the JSON Schema that was asked for:\n\n{}\n\nGive the whole answer again, \
         corrected. {}",
        complaints.join("\n"),
        demand(schema)
    )
}

/// What becomes of an answer to a prompt that asked for a structured one.
pub(crate) enum Reading {
    /// It is the step's result, or was none before.
    Taken,
    /// The worker may try once more.
    Repair(Vec<String>),
}

/// Puts the structured answer into the result, or says what is wrong with it.
pub(crate) fn take_in(draft: &Draft<'_>, step: usize, result: &mut Settled) -> Reading {
    let Some(schema) = &draft.state.planned(step).output else { return Reading::Taken };
    let Some((attempt, turn)) = draft.state.steps[step].live() else { return Reading::Taken };
    if result.error.is_some() {
        return Reading::Taken;
    }
    let schema = match OutputSchema::new(schema) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("the step's output schema cannot be used: {error}");
            result.error = Some(AttemptError::new(ErrorCode::OutputInvalid, message));
            return Reading::Taken;
        }
    };
    let complaints = match read(&schema, &result.text, result.output.take()) {
        Ok(output) => {
            if turn.purpose == Some(TurnPurpose::Repair) {
                let before = attempt.turns.iter().flat_map(|turn| &turn.complaints).next();
                let why = before.map_or("it did not match its schema", String::as_str);
                let message = format!("the answer had to be repaired: {why}");
                result.warnings.push(Warning::new(WarningCode::OutputRepaired, message));
            }
            result.output = Some(output);
            return Reading::Taken;
        }
        Err(complaints) => complaints,
    };
    if !attempt.has_turn(TurnPurpose::Repair) && !draft.state.is_stopping(attempt) {
        return Reading::Repair(complaints);
    }
    result.error = Some(AttemptError::new(ErrorCode::OutputInvalid, invalid(&complaints)));
    Reading::Taken
}

/// The structured form of a replacement under a schema.
///
/// # Errors
/// Why it cannot be the step's result.
pub(crate) fn replacement(schema: &Value, text: &str, output: Option<Value>) -> Result<Value, String> {
    let schema = OutputSchema::new(schema)
        .map_err(|error| format!("the step's output schema cannot be used: {error}"))?;
    read(&schema, text, output).map_err(|complaints| invalid(&complaints))
}

fn invalid(complaints: &[String]) -> String {
    format!("the answer does not match the step's output schema: {}", complaints.join("; "))
}

/// The value of an answer, if it matches: the one that the worker set apart, else the one in the text.
fn read(schema: &OutputSchema, text: &str, output: Option<Value>) -> Result<Value, Vec<String>> {
    let value = match output {
        Some(output) => output,
        None => find(text).map_err(|complaint| vec![complaint])?,
    };
    if deeper_than(&value, DEEPEST) {
        return Err(vec![format!("the answer is nested deeper than {DEEPEST} levels")]);
    }
    schema.validate(&value)?;
    Ok(value)
}

/// The JSON of an answer: the whole answer; else its last block that is fenced as `json`; else its last fenced block.
fn find(text: &str) -> Result<Value, String> {
    let whole = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let blocks = fenced_blocks(text);
    let last_json = blocks.iter().rfind(|block| block.is_json).or(blocks.last());
    match last_json {
        Some(block) => serde_json::from_str(&block.content)
            .map_err(|error| format!("the fenced block of the answer is not JSON: {error}")),
        None if text.trim_start().starts_with(['{', '[']) => Err(format!("the answer is not JSON: {whole}")),
        None => Err("the answer contains no JSON, neither as a whole nor in a fenced block".to_owned()),
    }
}

struct Block {
    is_json: bool,
    content: String,
}

/// The fenced blocks of a text. JSON has no line of its own inside a string, so a fence within it cannot be mistaken.
fn fenced_blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(&str, Block)> = None;
    for line in text.lines() {
        let fence = fence(line);
        match (&mut open, fence) {
            (None, Some((marks, info))) => {
                let is_json =
                    info.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("json"));
                open = Some((marks, Block { is_json, content: String::new() }));
            }
            (Some((marks, _)), Some((closing, ""))) if closing.starts_with(*marks) => {
                blocks.extend(open.take().map(|(_, block)| block));
            }
            (Some((_, block)), _) => {
                block.content.push_str(line);
                block.content.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

/// The marks of a fence and what is written after them.
fn fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let marks = &line[..line.len() - info.len()];
    (marks.len() >= 3).then(|| (marks, info.trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_json_of_an_answer_is_the_whole_or_its_last_block() {
        for (answer, expected) in [
            (" {\"a\": 1}\n", Some(json!({ "a": 1 }))),
            ("\"just a word\"", Some(json!("just a word"))),
            ("As asked:\n```json\n{\"a\": 1}\n```\n", Some(json!({ "a": 1 }))),
            ("```json\n1\n```\nor rather\n```JSON\n2\n```\nDone.", Some(json!(2))),
            ("```\n[1]\n```", Some(json!([1]))),
            ("~~~json\n3\n~~~", Some(json!(3))),
            ("- in a list\n  ```json\n  4\n  ```", Some(json!(4))),
            ("the json block, not the last one\n```json\n5\n```\n```sh\nmake\n```", Some(json!(5))),
            ("````json\n{\"code\": \"```\"}\n````", Some(json!({ "code": "```" }))),
            ("never closed\n```json\n6", Some(json!(6))),
            ("as `{\"a\": 1}` shows", None),
            ("```json\n{\"a\": \n```", None),
            ("{\"a\": 1} and more", None),
            ("", None),
        ] {
            assert_eq!(find(answer).ok(), expected, "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_terms_of_what_was_written() {
        insta::assert_snapshot!(
            ["Fine.", "{\"a\": 1,}", "```json\nnope\n```"].map(|answer| find(answer).unwrap_err()).join("\n"),
            @r"
        the answer contains no JSON, neither as a whole nor in a fenced block
        the answer is not JSON: trailing comma at line 1 column 9
        the fenced block of the answer is not JSON: expected ident at line 1 column 2
        "
        );
    }
}
