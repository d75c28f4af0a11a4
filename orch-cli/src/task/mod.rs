//! What a model may delegate, as it says it: the arguments of the tools `task_*`, whoever offers them.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use orch::{Assignee, Attachment, RunId, TaskRequest, ux::command::ABORT};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    attachment::attachment_of,
    exit::{Exit, Failure},
};

/// How long `task_await` waits unless it is told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How long it waits at most: clients give up on requests that take minutes.
pub(crate) const LONGEST_PATIENCE: Duration = Duration::from_secs(240);

/// A task to be started.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StartTask {
    /// What is to be done: everything that the worker has to know, for it sees nothing else of this conversation.
    task: String,
    /// Who does it: `auto` picks a worker by the words of the task, `worker` is the one named in `workerId`, `workflow`
    /// the workflow named in `workflowId`. Default: what is named, else `auto`.
    #[serde(default)]
    kind: Option<Kind>,
    /// The worker's profile.
    #[serde(default)]
    worker_id: Option<String>,
    /// The workflow.
    #[serde(default)]
    workflow_id: Option<String>,
    /// Files to hand over: text or images.
    #[serde(default)]
    attachments: Vec<Attached>,
    /// How long each step may be at work, in milliseconds; never longer than is configured.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// Who does a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// The worker that suits it.
    Auto,
    /// A worker.
    Worker,
    /// A workflow.
    Workflow,
}

/// A file to hand over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attached {
    /// What it is taken for; one that is no image is refused as one.
    #[serde(default, rename = "type")]
    kind: Option<AttachedKind>,
    /// Its path in the project. Either this or `base64`.
    #[serde(default)]
    path: Option<String>,
    /// Its content.
    #[serde(default)]
    base64: Option<String>,
    /// The name it gets with `base64`.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum AttachedKind {
    /// To be looked at.
    Image,
    /// To be read.
    File,
}

impl StartTask {
    /// The request that it comes to, in this project.
    pub(crate) fn request(self, project: &Path) -> Result<TaskRequest, Failure> {
        let assignee = match (self.kind, self.worker_id, self.workflow_id) {
            (None | Some(Kind::Auto), None, None) => Assignee::Routed,
            (None | Some(Kind::Worker), Some(worker), None) => Assignee::Worker(worker),
            (None | Some(Kind::Workflow), None, Some(workflow)) => Assignee::Workflow(workflow),
            _ => {
                let message = "start a task: name `workerId` with kind `worker`, `workflowId` with kind `workflow`, and \
                               neither with kind `auto`";
                return Err(Failure::usage("orch::task::assignee", message));
            }
        };
        let mut request = TaskRequest::new(self.task).assignee(assignee);
        for file in self.attachments {
            request = request.attach(file.read(project)?);
        }
        if let Some(timeout_ms) = self.timeout_ms {
            request = request.step_timeout(Duration::from_millis(timeout_ms));
        }
        Ok(request)
    }
}

impl Attached {
    fn read(self, project: &Path) -> Result<Attachment, Failure> {
        let refused =
            |reason: &str| Failure::usage("orch::task::attachment", format!("attach a file: {reason}"));
        let file = match (self.path, self.base64) {
            (Some(path), None) if self.name.is_none() => inside(project, &path)?,
            (None, Some(text)) => {
                let content =
                    STANDARD.decode(text).map_err(|error| refused(&format!("its base64: {error}")))?;
                Attachment::new(self.name.as_deref().unwrap_or("attachment"), &content)
                    .map_err(orch::Error::from)?
            }
            _ => return Err(refused("give either `path`, or `base64` with a `name`")),
        };
        if self.kind == Some(AttachedKind::Image) && !file.is_image() {
            return Err(refused(&format!("{} is no PNG, JPEG, GIF or WebP image", file.name)));
        }
        Ok(file)
    }
}

/// A model that may not read outside the project does not get there through us.
fn inside(project: &Path, path: &str) -> Result<Attachment, Failure> {
    let refused = |reason: &str| Failure::usage("orch::task::attachment", format!("attach {path}: {reason}"));
    let real = project.join(path).canonicalize().map_err(|error| refused(&error.to_string()))?;
    let Ok(name) = real.strip_prefix(project) else {
        return Err(refused("it is outside the project").help(
            "only files of the project can be handed over; a person attaches others with `orch run --attach`",
        ));
    };
    attachment_of(project, name)
}

/// Whoever delegates calls off nothing but what it has delegated.
pub(crate) fn not_theirs(run: &RunId) -> Failure {
    let message = format!("call off {run}: somebody else delegated it, or a person started it");
    Failure::new(Exit::Error, "orch::task::not-theirs", message)
        .help(format!("a person ends it with `{}`", ABORT.on(run)))
}

/// How long to wait for a task.
pub(crate) fn patience(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(PATIENCE, Duration::from_millis).min(LONGEST_PATIENCE)
}
