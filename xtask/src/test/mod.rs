//! `cargo xtask test`: one stage after the other, stopping at the first that fails, with a table at the end. A stage
//! that leaves a process behind has failed.

mod stages;
mod suite;

use std::time::{Duration, Instant};

use crate::error::{self, Error};
use crate::workspace::Workspace;
use stages::{Done, STAGES, Stage};
use suite::Suite;

/// Prints the stages, in the order in which they run.
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:10} {}", stage.name, stage.about);
    }
}

/// Runs the named stages in their own order, all of them when none is named.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<(), Error> {
    let stages = choose(names)?;
    let rows = run_stages(workspace, &stages, &Suite::begin()?);
    println!("\n{}", table(&rows));
    match rows.iter().find(|row| matches!(row.end, End::Failed)) {
        Some(failed) => Err(Error::Check(format!(
            "stage `{name}` failed: see above; `cargo xtask test {name}` runs it alone",
            name = failed.name
        ))),
        None => Ok(()),
    }
}

fn choose(names: &[&str]) -> Result<Vec<&'static Stage>, Error> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != **name)) {
        let known: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        return Err(Error::Usage(format!("no stage `{unknown}`; there are: {}", known.join(", "))));
    }
    Ok(STAGES.iter().filter(|stage| names.is_empty() || names.contains(&stage.name)).collect())
}

struct Row {
    name: &'static str,
    end: End,
    took: Duration,
}

enum End {
    Passed,
    Skipped(String),
    Failed,
    NotRun,
}

fn run_stages(workspace: &Workspace, stages: &[&'static Stage], suite: &Suite) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for stage in stages {
        if rows.iter().any(|row| matches!(row.end, End::Failed | End::NotRun)) {
            rows.push(Row { name: stage.name, end: End::NotRun, took: Duration::ZERO });
            continue;
        }
        println!("\n── {}: {} ──", stage.name, stage.about);
        let start = Instant::now();
        let end = match (stage.run)(workspace).and_then(|done| suite.nobody_left().map(|()| done)) {
            Ok(Done::Passed) => End::Passed,
            Ok(Done::Skipped(reason)) => {
                println!("SKIPPED: {reason}");
                End::Skipped(reason)
            }
            Err(error) => {
                eprintln!("error: {}", error::chain(&error));
                End::Failed
            }
        };
        rows.push(Row { name: stage.name, end, took: start.elapsed() });
        println!("── {} took {} ──", stage.name, seconds(start.elapsed()));
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let (end, took) = match &row.end {
            End::Passed => ("passed".to_owned(), seconds(row.took)),
            End::Skipped(reason) => (format!("SKIPPED: {reason}"), seconds(row.took)),
            End::Failed => ("FAILED".to_owned(), seconds(row.took)),
            End::NotRun => ("not run".to_owned(), "–".to_owned()),
        };
        format!("{:10} {took:>9}  {end}\n", row.name)
    };
    let total: Duration = rows.iter().map(|row| row.took).sum();
    let lines: String = rows.iter().map(line).collect();
    format!("{lines}{:10} {:>9}", "total", seconds(total))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
