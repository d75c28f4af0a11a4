//! `orch why`: what a run waits for, since when, and who can move it.

use super::{decide::run_id, print, print_json};
use crate::{
    args::RunIdArgs,
    exit::{Exit, Failure},
    project::Project,
};

pub(crate) async fn why(project: &Project, args: &RunIdArgs, json: bool) -> Result<Exit, Failure> {
    let why = project.reader().await?.why(&run_id(&args.run)?).await?;
    if json {
        print_json(&why)?;
    } else {
        print(&why.text)?;
    }
    Ok(Exit::Success)
}
