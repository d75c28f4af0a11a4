//! The operations, each family in a file of its own.

mod events;
mod hosts;
mod look;
mod project;
mod run;
mod start;
mod tasks;

use aide::axum::{
    ApiRouter,
    routing::{delete_with, get_with, post_with},
};
use axum::{Json, Router, extract::State, http::StatusCode};
use orch::ux::page::Page;
use schemars::JsonSchema;
use serde::Serialize;

use super::{fault::Fault, service::Service};

/// What an operation answers.
type Answer<T> = Result<Json<T>, Fault>;
type Desk = State<Service>;

/// A view as data, and the same for people.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Shown{T}")]
struct Shown<T> {
    /// As data.
    data: T,
    /// As Markdown, fit for a terminal: nothing in it can steer one.
    markdown: String,
}

impl<T> Shown<T> {
    fn new(data: T, page: &Page) -> Json<Self> {
        Json(Self { data, markdown: page.markdown() })
    }
}

/// Every operation with its description.
pub(super) fn routes() -> ApiRouter<Service> {
    ApiRouter::new()
        .api_route(
            "/v1/health",
            get_with(project::health, |op| op.id("health").summary("Whether the service is there, and which one")),
        )
        .api_route(
            "/v1/workflows",
            get_with(project::workflows, |op| op.id("listWorkflows").summary("The workflows that can be run")),
        )
        .api_route(
            "/v1/profiles",
            get_with(project::profiles, |op| op.id("listProfiles").summary("The worker profiles")),
        )
        .api_route(
            "/v1/commands",
            get_with(project::commands, |op| op.id("listCommands").summary("The commands that texts may name")),
        )
        .api_route(
            "/v1/plugin",
            get_with(project::plugin, |op| op.id("plugin").summary("What the plugin adds to OpenCode")),
        )
        .api_route(
            "/v1/hosts",
            get_with(hosts::list, |op| op.id("listHosts").summary("The hosts that clients have lent")).post_with(
                hosts::register,
                |op| {
                    op.id("registerHost").summary("Lends an OpenCode server for the runs that are started from now on")
                },
            ),
        )
        .api_route(
            "/v1/hosts/{host}",
            delete_with(hosts::unregister, |op| op.id("unregisterHost").summary("Takes a host back")),
        )
        .api_route(
            "/v1/dashboard",
            get_with(look::dashboard, |op| {
                op.id("dashboard").summary("All runs and workers: what waits for whom, and what it costs")
            }),
        )
        .api_route(
            "/v1/workers",
            get_with(look::workers, |op| op.id("listWorkers").summary("The workers that runs have used")),
        )
        .api_route(
            "/v1/inbox",
            get_with(look::inbox, |op| op.id("inbox").summary("What waits for a person, in all runs")),
        )
        .api_route(
            "/v1/runs",
            get_with(look::runs, |op| op.id("listRuns").summary("The runs, newest first"))
                .post_with(start::start, |op| op.id("startRun").summary("Starts a run")),
        )
        .api_route("/v1/runs/{run}", get_with(run::view, |op| op.id("run").summary("A run as it stands")))
        .api_route(
            "/v1/runs/{run}/trace",
            get_with(run::trace, |op| op.id("trace").summary("What happened in a run, and when")),
        )
        .api_route(
            "/v1/runs/{run}/results",
            get_with(run::results, |op| op.id("results").summary("The results of all steps")),
        )
        .api_route(
            "/v1/runs/{run}/output",
            get_with(run::output, |op| op.id("output").summary("The result of a run, or of one of its steps")),
        )
        .api_route(
            "/v1/runs/{run}/why",
            get_with(run::why, |op| op.id("why").summary("What a run waits for, and who can move it")),
        )
        .api_route(
            "/v1/runs/{run}/events",
            get_with(run::events, |op| op.id("runEvents").summary("The journaled events of a run")),
        )
        .api_route(
            "/v1/runs/{run}/decisions",
            post_with(run::decide, |op| {
                op.id("decide").summary("Answers a gate; 409 when it is not the open one any more")
            }),
        )
        .api_route(
            "/v1/runs/{run}/answers",
            post_with(run::answer, |op| op.id("answer").summary("Answers a permission or a question of a worker")),
        )
        .api_route(
            "/v1/runs/{run}/pause",
            post_with(run::pause, |op| op.id("pause").summary("Pauses a run after the step at work")),
        )
        .api_route(
            "/v1/runs/{run}/continue",
            post_with(run::resume, |op| {
                op.id("continue").summary("Takes up a run whose process is gone, and drives it on")
            }),
        )
        .api_route(
            "/v1/runs/{run}/abort",
            post_with(run::abort, |op| op.id("abort").summary("Ends a run, at a gate or at work")),
        )
        .api_route(
            "/v1/tasks",
            get_with(tasks::list, |op| op.id("listTasks").summary("The newest tasks, without their answers"))
                .post_with(tasks::start, |op| op.id("startTask").summary("Delegates a task to a worker or a workflow")),
        )
        .api_route("/v1/tasks/{run}", get_with(tasks::peek, |op| op.id("task").summary("A task as it stands")))
        .api_route(
            "/v1/tasks/{run}/await",
            get_with(tasks::wait, |op| op.id("awaitTask").summary("Waits, for a while, until a task is at rest")),
        )
        .api_route(
            "/v1/tasks/{run}/cancel",
            post_with(tasks::cancel, |op| op.id("cancelTask").summary("Calls a task off")),
        )
        .api_route(
            "/v1/events",
            get_with(events::events, |op| {
                op.id("events").summary("The events of all runs, as server-sent events").response_with::<200, (), _>(
                    |response| {
                        response.description(
                            "`text/event-stream`: `hello`, then `event` with an event of `events.schema.json` and an \
                             id that can be given back as `from` or `Last-Event-ID`, `gap` where events were missed, \
                             `action` with what is to be done where a person sits, if it is asked for, and `bye` when \
                             the service ends",
                        )
                    },
                )
            }),
        )
}

/// The same, ready to serve.
pub(super) fn router(service: Service) -> Router {
    Router::from(routes().with_state(service))
        .fallback(async || {
            Fault::new(StatusCode::NOT_FOUND, "orch::serve::no-route", "there is nothing here")
        })
        .method_not_allowed_fallback(async || {
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, "orch::serve::method", "this cannot be done here")
        })
}
