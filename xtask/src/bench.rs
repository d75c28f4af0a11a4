//! `cargo xtask bench`: every benchmark of every crate, one table after the other.

use crate::command::{cargo, run as run_command};
use crate::error::Error;
use crate::workspace::{Crate, Workspace};

/// Runs the benchmarks of the named crates, of all when none is named.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<(), Error> {
    let chosen = choose(workspace, names)?;
    let (with, without): (Vec<&Crate>, Vec<&Crate>) =
        chosen.into_iter().partition(|each| !each.benches.is_empty());
    for each in &with {
        println!("\n── {}: {} ──", each.name, each.benches.join(", "));
        run_command(&mut cargo(["bench", "--package", &each.name, "--all-features", "--benches"]))?;
    }
    if !without.is_empty() {
        let names: Vec<&str> = without.iter().map(|each| each.name.as_str()).collect();
        println!("\nno benchmarks in: {}", names.join(", "));
    }
    Ok(())
}

fn choose<'a>(workspace: &'a Workspace, names: &[&str]) -> Result<Vec<&'a Crate>, Error> {
    if names.is_empty() {
        return Ok(workspace.crates.iter().collect());
    }
    let find = |name: &&str| {
        let found = workspace.crates.iter().find(|each| each.name == **name);
        found.ok_or_else(|| Error::Usage(format!("no crate `{name}` in the workspace")))
    };
    names.iter().map(find).collect()
}
