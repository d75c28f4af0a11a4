//! One run: what there is to see, and what may be asked of it.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use orch::{
    Answer as GateAnswer, Decision, DecisionKind, DecisionRequest, Event, GateId, Requested, RunId, RunView,
    config::{
        budget::Budget,
        policy::{Execution, Intervene, PolicyPatch},
    },
    ux::{
        page::Page,
        view::{
            self as views,
            results::{Results, results as results_of},
            trace::{Extent, RunTrace},
        },
        why::Why,
    },
    workflow::{
        decision::Reply,
        port::{AskId, AskReply, SessionChoice},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Desk, Shown};
use crate::{
    person::by,
    serve::{
        driver::Driver,
        fault::Fault,
        request::{Body, OfRun, Query},
        service::Service,
    },
};

pub(super) async fn view(State(service): Desk, OfRun(run): OfRun) -> Answer<Shown<RunView>> {
    let view = service.view(&run).await?;
    let markdown = format!("```text\n{}```\n", views::summary(&view).replace("```", "'''"));
    Ok(Json(Shown { data: view, markdown }))
}

/// How much of a trace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceQuery {
    /// Only this step.
    #[serde(default)]
    step: Option<String>,
    /// Whether the transcripts of the workers' sessions are read from the host.
    #[serde(default)]
    sessions: bool,
    /// Whether the Markdown has messages whole.
    #[serde(default)]
    full: bool,
}

pub(super) async fn trace(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(query): Query<TraceQuery>,
) -> Answer<Shown<RunTrace>> {
    let mut trace = service.reader(&run).await.trace(&run).await?;
    if let Some(step) = &query.step
        && !trace.only(step)
    {
        return Err(unknown_step(&run, step));
    }
    if query.sessions {
        match service.drivers.of(&run).await?.orchestrator.host_of(&run).await {
            Ok(host) => trace.look_up(&*host).await,
            Err(error) => trace.without_host(&error.to_string()),
        }
    }
    let page = trace.page(if query.full { Extent::Whole } else { Extent::Excerpt });
    Ok(Shown::new(trace, &page))
}

pub(super) async fn results(State(service): Desk, OfRun(run): OfRun) -> Answer<Shown<Results>> {
    let results = results_of(&service.view(&run).await?);
    let page = results.page();
    Ok(Shown::new(results, &page))
}

/// Which result.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputQuery {
    /// The step; by default the last one that has a result.
    #[serde(default)]
    step: Option<String>,
}

/// A result.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// The run.
    run: RunId,
    /// The step that was asked for.
    step: Option<String>,
    /// The text, whole and untouched.
    text: String,
}

pub(super) async fn output(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(query): Query<OutputQuery>,
) -> Answer<Shown<Output>> {
    let view = service.view(&run).await?;
    let step = match &query.step {
        None => None,
        Some(name) => {
            let step = view.steps.iter().find(|step| step.id.as_str() == name);
            Some(step.ok_or_else(|| unknown_step(&run, name))?.id.clone())
        }
    };
    let Some(text) = views::output(&view, step.as_ref()) else {
        let message = format!("run {run} has no result there yet");
        return Err(Fault::new(StatusCode::NOT_FOUND, "orch::run::no-output", message));
    };
    let mut page = Page::new();
    page.body(text);
    let output = Output { run, step: query.step, text: text.to_owned() };
    Ok(Shown::new(output, &page))
}

pub(super) async fn why(State(service): Desk, OfRun(run): OfRun) -> Answer<Shown<Why>> {
    let why = service.reader(&run).await.why(&run).await?;
    let mut page = Page::new();
    page.body(&why.text);
    Ok(Shown::new(why, &page))
}

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Start with this event number.
    #[serde(default)]
    from: u64,
}

pub(super) async fn events(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(query): Query<EventsQuery>,
) -> Answer<Vec<Event>> {
    Ok(Json(service.reader(&run).await.events(&run, query.from).await?))
}

/// The answer to a gate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    /// The gate that is answered, as the run's view names it: when another one is open by then, nothing is decided.
    gate: String,
    /// What is decided.
    decision: DecisionKind,
    /// `retry`: appended to the prompt.
    #[serde(default)]
    note: Option<String>,
    /// `retry`: the session to try in; by default the same, or a fresh one after a context overflow.
    #[serde(default)]
    session: Option<Session>,
    /// `continue` after a talk: what the worker is to answer for the parent, in the place of a summary.
    #[serde(default)]
    question: Option<String>,
    /// `replace`: the text that counts as the step's result. Without it the latest answer in the worker's session does.
    #[serde(default)]
    text: Option<String>,
    /// Whether the run goes on by itself from here on.
    #[serde(default)]
    execution: Option<Execution>,
    /// When it asks from here on.
    #[serde(default)]
    intervene: Option<Intervene>,
    /// What it may spend from here on.
    #[serde(default)]
    budget: Budget,
    /// Who decided, for the journal.
    #[serde(default)]
    by: Option<String>,
    /// Whether a service that has just begun waits a moment for a host to be lent: somebody inside of one is there.
    #[serde(default)]
    expect_host: bool,
}

/// A session to try again in.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Session {
    /// The same: the worker remembers.
    Same,
    /// A new one.
    Fresh,
}

impl Decide {
    fn answer(&mut self) -> Result<GateAnswer, Fault> {
        let decision = self.decision;
        let needless = |field: &str, of: DecisionKind| {
            let message = format!("`{field}` goes with {}, not with {}", of.as_str(), decision.as_str());
            Err(Fault::malformed(message))
        };
        match decision {
            kind if self.question.is_some() && kind != DecisionKind::Continue => {
                return needless("question", DecisionKind::Continue);
            }
            kind if self.note.is_some() && kind != DecisionKind::Retry => {
                return needless("note", DecisionKind::Retry);
            }
            kind if self.session.is_some() && kind != DecisionKind::Retry => {
                return needless("session", DecisionKind::Retry);
            }
            kind if self.text.is_some() && kind != DecisionKind::Replace => {
                return needless("text", DecisionKind::Replace);
            }
            _ => {}
        }
        let session = self.session.map(|session| match session {
            Session::Same => SessionChoice::Same,
            Session::Fresh => SessionChoice::Fresh,
        });
        Ok(GateAnswer::Decision(match decision {
            DecisionKind::Continue => match self.question.take() {
                Some(question) => Decision::HandOff { question },
                None => Decision::Continue,
            },
            DecisionKind::Retry => Decision::Retry { note: self.note.take(), session },
            DecisionKind::Skip => Decision::Skip,
            DecisionKind::Abort => Decision::Abort,
            DecisionKind::Replace => match self.text.take() {
                Some(text) => Decision::Replace { text, output: None },
                None => return Ok(GateAnswer::ReplaceFromSession),
            },
        }))
    }
}

pub(super) async fn decide(
    State(service): Desk,
    OfRun(run): OfRun,
    Body(mut decide): Body<Decide>,
) -> Answer<RunView> {
    let mut request = DecisionRequest::new(Decision::Continue, decide.by.take().unwrap_or_else(by))
        .at(GateId(std::mem::take(&mut decide.gate)))
        .with_policy(PolicyPatch { execution: decide.execution, intervene: decide.intervene })
        .with_budget(decide.budget);
    request.answer = decide.answer()?;
    if decide.expect_host {
        service.drivers.expect_host().await;
    }
    let driver = service.drivers.of(&run).await?;
    let requested = driver.orchestrator.decide(&run, request).await;
    moved(&service, &driver, &run, requested).await
}

/// The answer to a permission or a question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerAsk {
    /// The permission or question, as the run's view and the inbox name it.
    ask: String,
    /// To a permission.
    #[serde(default)]
    permission: Option<Permission>,
    /// Why a permission is rejected, for the worker.
    #[serde(default)]
    message: Option<String>,
    /// To a question: the chosen labels or own words, one list for each of its parts.
    #[serde(default)]
    answers: Option<Vec<Vec<String>>>,
    /// Who answered, for the journal.
    #[serde(default)]
    by: Option<String>,
}

/// What is said to a permission.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Permission {
    /// This time.
    Once,
    /// From now on.
    Always,
    /// No.
    Reject,
}

pub(super) async fn answer(
    State(service): Desk,
    OfRun(run): OfRun,
    Body(reply): Body<AnswerAsk>,
) -> Answer<RunView> {
    let said = match (reply.permission, reply.message, reply.answers) {
        (Some(Permission::Once), None, None) => AskReply::Once,
        (Some(Permission::Always), None, None) => AskReply::Always,
        (Some(Permission::Reject), message, None) => AskReply::Reject { message },
        (None, None, Some(answers)) => AskReply::Answers { answers },
        _ => {
            return Err(Fault::malformed(
                "give either `permission`, with a `message` where it is `reject`, or `answers`",
            ));
        }
    };
    let driver = service.drivers.of(&run).await?;
    let by = reply.by.unwrap_or_else(by);
    let requested = driver.orchestrator.answer(&run, &AskId(reply.ask), said, &by).await;
    moved(&service, &driver, &run, requested).await
}

/// Who asks for something that has no details.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    /// Who, for the journal. Default: whoever runs the service.
    #[serde(default)]
    by: Option<String>,
}

pub(super) async fn pause(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(asking): Query<Asking>,
) -> Answer<RunView> {
    let view = service.view(&run).await?;
    if view.interrupted {
        let message = format!("pause {run}: the process that drove it is gone, so it is not running");
        return Err(Fault::new(StatusCode::CONFLICT, "orch::run::interrupted", message)
            .help("take it up again with `POST /v1/runs/{run}/continue`"));
    }
    let driver = service.drivers.of(&run).await?;
    let requested = driver.orchestrator.pause(&run, &asking.by.unwrap_or_else(by)).await;
    moved(&service, &driver, &run, requested).await
}

pub(super) async fn resume(State(service): Desk, OfRun(run): OfRun) -> Answer<RunView> {
    let view = service.view(&run).await?;
    if let Some(gate) = &view.gate {
        let message = format!("continue {run}: it waits for a decision at gate {}", gate.id);
        return Err(Fault::new(StatusCode::CONFLICT, "orch::run::at-gate", message)
            .help("answer it with `POST /v1/runs/{run}/decisions`"));
    }
    let driver = service.drivers.of(&run).await?;
    let resumed = driver.orchestrator.resume(&run).await?;
    let view = resumed.view();
    service.drivers.follow(&driver, resumed);
    Ok(Json(view))
}

pub(super) async fn abort(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(asking): Query<Asking>,
) -> Answer<RunView> {
    let view = service.view(&run).await?;
    let driver = service.drivers.of(&run).await?;
    let by = asking.by.unwrap_or_else(by);
    // A gate whose time is over takes its default; the run can be cancelled before that begins anything.
    let now = driver.orchestrator.now();
    let gate = view.gate.filter(|gate| gate.allows(DecisionKind::Abort) && !gate.is_over(now));
    let requested = match gate {
        Some(gate) => {
            let request = DecisionRequest::new(Decision::Abort, by).at(gate.id);
            driver.orchestrator.decide(&run, request).await
        }
        None => driver.orchestrator.cancel(&run, &by).await,
    };
    moved(&service, &driver, &run, requested).await
}

/// The run after a request; where it is driven on here, be it because the request came too late for its gate, the service
/// stays for it.
async fn moved(
    service: &Service,
    driver: &Arc<Driver>,
    run: &RunId,
    requested: Result<Requested, orch::Error>,
) -> Answer<RunView> {
    let requested = match requested {
        Ok(requested) => requested,
        Err(refused) => {
            if let Some(driven) = driver.orchestrator.driven(run) {
                service.drivers.follow(driver, driven);
            }
            return Err(refused.into());
        }
    };
    if requested.reply == Reply::FinishedFirst {
        let message = format!("run {run} had ended before");
        return Err(Fault::new(StatusCode::CONFLICT, "orch::run::ended", message));
    }
    if let Some(driven) = requested.run {
        let view = driven.view();
        service.drivers.follow(driver, driven);
        return Ok(Json(view));
    }
    Ok(Json(service.view(run).await?))
}

fn unknown_step(run: &RunId, step: &str) -> Fault {
    let message = format!("run {run} has no step {step:?}");
    Fault::new(StatusCode::NOT_FOUND, "orch::run::unknown-step", message)
}
