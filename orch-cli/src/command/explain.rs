//! `orch why`: what a run waits for, since when, and who can move it.

use super::{decide::run_id, print, print_json};
use crate::{
    args::RunIdArgs,
    exit::{Exit, Failure},
    project::Project,
    serve,
};

pub(crate) async fn why(project: &Project, args: &RunIdArgs, json: bool) -> Result<Exit, Failure> {
    let run = run_id(&args.run)?;
    let why = project.reader().await?.why(&run).await?;
    let told = match &why.owner {
        Some(owner) => serve::why(&project.project_state()?, owner.pid, &run).await,
        None => None,
    };
    match (json, told) {
        (true, Some(told)) => print_json(&told)?,
        (true, None) => print_json(&why)?,
        (false, Some(told)) => print(told["text"].as_str().unwrap_or(&why.text))?,
        (false, None) => print(&why.text)?,
    }
    Ok(Exit::Success)
}
