//! `orch mcp`: the tools `task_*` over the Model Context Protocol, on standard input and output, for clients without our
//! plugin.
//!
//! Nothing but protocol goes to stdout. The process drives the runs that it starts; when its client leaves, they stay
//! where they are and can be continued by any process.

mod tool;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use orch::{Orchestrator, RunId, Runs, ux::view::task::Task};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::stdio_pipes,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use self::tool::{AwaitTask, Call, ListTasks, OfTask};
use crate::{
    args::McpArgs,
    exit::{Exit, Failure},
    heard::aside,
    project::{Project, configured_host},
    task::{StartTask, patience},
};

/// How often a client that waits is told that, and what, is still done.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How long a task that is called off may take to come to rest before that is told as it is.
const REST: Duration = Duration::from_secs(10);

const INSTRUCTIONS: &str = "Delegate work with task_start, wait with task_await. A task that is paused waits for a decision \
                            that only a person can make: tell them what `standing` says.";

/// Serves one client until it closes its end.
pub(crate) async fn mcp(project: &Project, args: &McpArgs) -> Result<Exit, Failure> {
    let config = project.load()?.config;
    let host = configured_host(&args.host, &config);
    let orchestrator = project.orchestrator_on(config, &args.host, host).await?;
    aside(&orchestrator);
    let tasks = Tasks {
        orchestrator: orchestrator.clone(),
        project: project.directory().to_owned(),
        started: Arc::default(),
    };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let served = async {
        let service = tasks.serve(stdio_pipes()).await.map_err(|error| failed(&error))?;
        service.waiting().await.map_err(|error| failed(&error))
    };
    let ended = tokio::select! {
        ended = served => ended.map(drop),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    orchestrator.shutdown().await;
    ended.map(|()| Exit::Success)
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Error, "orch::mcp::client", format!("speak to the client: {error}"))
        .help("start it from a program that speaks the Model Context Protocol over standard input and output")
}

/// What the client may do.
#[derive(Debug, Clone)]
struct Tasks {
    orchestrator: Orchestrator,
    project: PathBuf,
    /// What was started here, which alone may be called off here.
    started: Arc<Mutex<HashSet<RunId>>>,
}

impl ServerHandler for Tasks {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("orch", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tool::all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = match Call::read(&request.name, request.arguments.unwrap_or_default()) {
            Ok(call) => call,
            Err(failure) => return Ok(refusal(&failure)),
        };
        tokio::select! {
            answer = self.answer(call, &context) => Ok(answer.unwrap_or_else(|failure| refusal(&failure))),
            // It waits no longer; the task goes on.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was cancelled", None)),
        }
    }
}

impl Tasks {
    async fn answer(
        &self,
        call: Call,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, Failure> {
        match call {
            Call::Start(start) => shown(&self.start(start).await?),
            Call::Await(AwaitTask { task_id, timeout_ms }) => {
                shown(&self.wait(&run_id(&task_id)?, patience(timeout_ms), context).await?)
            }
            Call::Peek(OfTask { task_id }) => shown(&self.orchestrator.task(&run_id(&task_id)?).await?),
            Call::List(ListTasks { limit }) => shown(&self.list(limit).await?),
            Call::Cancel(OfTask { task_id }) => shown(&self.cancel(&run_id(&task_id)?).await?),
        }
    }

    async fn start(&self, start: StartTask) -> Result<Task, Failure> {
        // It reads files.
        let request = tokio::task::block_in_place(|| start.request(&self.project))?;
        // To the end, should the client give up: nothing is started that nobody knows of.
        let orchestrator = self.orchestrator.clone();
        let started = tokio::spawn(async move { orchestrator.start_task(request).await });
        let run = started.await.map_err(|error| failed(&error))??;
        self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id().clone());
        Ok(self.orchestrator.task(run.id()).await?)
    }

    /// Tells the client meanwhile what is done, where it wants to know.
    async fn wait(
        &self,
        run: &RunId,
        patience: Duration,
        context: &RequestContext<RoleServer>,
    ) -> Result<Task, Failure> {
        let begun = Instant::now();
        let mut task = self.orchestrator.task(run).await?;
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            if task.status.is_at_rest() || left.is_zero() {
                return Ok(task);
            }
            if let Some(token) = context.meta.get_progress_token() {
                let told = ProgressNotificationParam::new(token, begun.elapsed().as_secs_f64())
                    .with_message(task.standing.clone());
                // A client that is gone closes the connection, and with it everything here.
                let _ = context.peer.notify_progress(told).await;
            }
            task = self.orchestrator.await_task(run, left.min(TELL_EVERY)).await?;
        }
    }

    async fn list(&self, limit: usize) -> Result<Vec<Task>, Failure> {
        let mut tasks = Vec::new();
        for (run, view) in self.orchestrator.runs(Runs::Newest(limit)).await? {
            if view.is_ok() {
                let mut task = self.orchestrator.task(&run).await?;
                task.answer = None;
                tasks.push(task);
            }
        }
        Ok(tasks)
    }

    async fn cancel(&self, run: &RunId) -> Result<Task, Failure> {
        let known = self.started.lock().unwrap_or_else(PoisonError::into_inner).contains(run);
        if !known {
            self.orchestrator.view(run).await?;
            return Err(crate::task::not_theirs(run));
        }
        self.orchestrator.cancel(run, "a client of orch mcp").await?;
        Ok(self.orchestrator.await_task(run, REST).await?)
    }
}

fn run_id(text: &str) -> Result<RunId, Failure> {
    RunId::new(text).map_err(|error| Failure::usage("orch::run::invalid-id", error.to_string()))
}

fn shown(value: &impl serde::Serialize) -> Result<CallToolResponse, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

/// The model reads it, and may do better next time.
fn refusal(failure: &Failure) -> CallToolResponse {
    let Failure { code, message, help, .. } = failure;
    let help = help.as_deref().map(|help| format!(" {help}")).unwrap_or_default();
    CallToolResult::error(vec![ContentBlock::text(format!("{message}{help} ({code})"))]).into()
}
