//! The tools: their names, what the model reads about them, and their arguments.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{exit::Failure, task::StartTask};

/// What is asked for.
pub(super) enum Call {
    Start(StartTask),
    Await(AwaitTask),
    Peek(OfTask),
    List(ListTasks),
    Cancel(OfTask),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AwaitTask {
    /// The id that `task_start` gave.
    pub(super) task_id: String,
    /// How long to wait, in milliseconds; two minutes unless given, four at most.
    #[serde(default)]
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OfTask {
    /// The id that `task_start` gave.
    pub(super) task_id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListTasks {
    /// At most this many.
    #[serde(default = "twenty")]
    pub(super) limit: usize,
}

fn twenty() -> usize {
    20
}

/// Every tool there is.
pub(super) fn all() -> Vec<Tool> {
    vec![
        Tool::new(
            "task_start",
            "Delegates a task to a worker or to a workflow of several workers, and returns at once with its taskId. The \
             worker sees nothing of this conversation: say in `task` everything that it has to know. Then wait with \
             task_await.",
            schema::<StartTask>(),
        ),
        Tool::new(
            "task_await",
            "Waits until a task is at rest, and returns its answer. A task that is still running after the time says \
             what it does: await it again. A task that is paused waits for a decision that only a person can make: tell \
             them.",
            schema::<AwaitTask>(),
        ),
        Tool::new("task_peek", "Tells how a task stands, without waiting.", schema::<OfTask>()),
        Tool::new(
            "task_list",
            "Lists the newest tasks and runs of the project, without their answers.",
            schema::<ListTasks>(),
        ),
        Tool::new("task_cancel", "Calls off a task that was started here.", schema::<OfTask>()),
    ]
}

impl Call {
    /// # Errors
    /// There is no such tool, or its arguments are others.
    pub(super) fn read(tool: &str, arguments: JsonObject) -> Result<Self, Failure> {
        Ok(match tool {
            "task_start" => Self::Start(read(arguments)?),
            "task_await" => Self::Await(read(arguments)?),
            "task_peek" => Self::Peek(read(arguments)?),
            "task_list" => Self::List(read(arguments)?),
            "task_cancel" => Self::Cancel(read(arguments)?),
            _ => {
                let message = format!("there is no tool {tool:?}");
                return Err(Failure::usage("orch::mcp::tool", message).help("`tools/list` names them"));
            }
        })
    }
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Failure> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let message = format!("the arguments at {}: {}", error.path(), error.inner());
        Failure::usage("orch::mcp::arguments", message)
    })
}

/// Whole in itself: not every client follows references.
fn schema<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}
