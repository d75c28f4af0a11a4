//! All runs at a glance.

use axum::{Json, extract::State};
use orch::{
    RunId, RunView, Runs,
    ux::view::{
        dashboard::{Damaged, Dashboard, dashboard as dashboard_of},
        workers::{Workers, workers as workers_of},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Desk, Shown};
use crate::{
    command::inbox::{Item, open_items},
    serve::{
        request::Query,
        service::{Looked, now},
    },
};

/// Which runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Most {
    /// At most this many; 50 unless given.
    #[serde(default = "fifty")]
    limit: usize,
    /// Whether those that have not ended are listed in any case, however many are newer.
    #[serde(default)]
    open: bool,
}

fn fifty() -> usize {
    50
}

/// The runs, newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct RunList {
    /// Those that can be read, without the texts of their steps.
    runs: Vec<RunView>,
    /// Those that cannot.
    damaged: Vec<Damaged>,
}

pub(super) async fn runs(State(service): Desk, Query(most): Query<Most>) -> Answer<RunList> {
    let which = if most.open { Runs::OpenAndNewest(most.limit) } else { Runs::Newest(most.limit) };
    let (mut runs, damaged) = parted(service.runs(which).await?);
    for step in runs.iter_mut().flat_map(|run| &mut run.steps) {
        step.text = None;
    }
    Ok(Json(RunList { runs, damaged }))
}

/// Which runs that have ended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ended {
    /// Show at most this many runs that have ended; 10 unless given.
    #[serde(default = "ten")]
    ended: usize,
}

fn ten() -> usize {
    10
}

pub(super) async fn dashboard(State(service): Desk, Query(most): Query<Ended>) -> Answer<Shown<Dashboard>> {
    let (runs, damaged) = parted(service.runs(Runs::All).await?);
    let dashboard = dashboard_of(&runs, damaged, now(), most.ended);
    let page = dashboard.page();
    Ok(Shown::new(dashboard, &page))
}

pub(super) async fn workers(State(service): Desk) -> Answer<Shown<Workers>> {
    let (runs, _) = parted(service.runs(Runs::All).await?);
    let workers = workers_of(&runs, now());
    let page = workers.page();
    Ok(Shown::new(workers, &page))
}

pub(super) async fn inbox(State(service): Desk) -> Answer<Vec<Item>> {
    let (runs, _) = parted(service.runs(Runs::Open).await?);
    Ok(Json(open_items(&runs)))
}

fn parted(runs: Looked) -> (Vec<RunView>, Vec<Damaged>) {
    let (mut views, mut damaged) = (Vec::new(), Vec::new());
    for (run, view) in runs {
        match view {
            Ok(view) => views.push(view),
            Err(error) => damaged.push(unreadable(run, &error)),
        }
    }
    (views, damaged)
}

fn unreadable(run: RunId, error: &orch::Error) -> Damaged {
    Damaged::new(run, error.to_string())
}
