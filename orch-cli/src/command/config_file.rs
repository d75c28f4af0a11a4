//! `orch config init` and `orch config migrate`: the commands that write a configuration file.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use orch::{
    config::{load, migrate as config_migrate, starter},
    ux::text::printable,
};
use serde_json::json;
use similar::TextDiff;

use super::{print, print_json};
use crate::{
    exit::{Exit, Failure},
    file::{failed, replace},
    project::Project,
};

pub(crate) fn init(project: &Project, global: bool, json: bool) -> Result<Exit, Failure> {
    let options = project.load_options();
    let (file, text) = if global {
        let file = options.global_file.ok_or_else(|| {
            Failure::usage("orch::cli::no-home", "find your configuration directory: HOME is not set")
                .help("set HOME or XDG_CONFIG_HOME")
        })?;
        (file, starter::GLOBAL)
    } else {
        // A new file could come before one that is there, and silently switch it off.
        let mut candidates = options.project_candidates().into_iter();
        if let Some(file) = candidates.find(|file| file.symlink_metadata().is_ok()) {
            return Err(exists(&file));
        }
        (project.directory().join(".opencode").join(load::FILE_NAME), starter::PROJECT)
    };
    create(&file, text)?;
    if json {
        print_json(&json!({ "file": file }))?;
    } else {
        print(&printable(&format!("wrote {}", file.display())))?;
    }
    Ok(Exit::Success)
}

fn create(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| failed("write", file, &error);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut created) => created.write_all(text.as_bytes()).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(file)),
        Err(error) => Err(failed(error)),
    }
}

fn exists(file: &Path) -> Failure {
    Failure::usage("orch::cli::file-exists", format!("start a configuration: {} exists", file.display()))
        .help("edit it, or bring it into today's form with `orch config migrate`")
}

pub(crate) fn migrate(
    project: &Project,
    file: Option<PathBuf>,
    write: bool,
    json: bool,
) -> Result<Exit, Failure> {
    let file = match file {
        Some(file) => project.directory().join(file),
        None => project_file(project)?,
    };
    let bytes = load::read(&file)?;
    let migration = config_migrate::migrate(&bytes, Some(&file))?;
    let changed = migration.text.as_bytes() != bytes;
    if changed && write {
        replace(&file, &migration.text)?;
    }
    if json {
        print_json(&json!({
            "file": file, "changed": changed, "written": changed && write, "changes": migration.changes,
            "text": migration.text,
        }))?;
        return Ok(Exit::Success);
    }
    let name = file.display();
    match (changed, write) {
        (false, _) => print(&printable(&format!("nothing to change: {name} is in today's form")))?,
        (true, true) => {
            let changes = migration.changes.iter();
            let lines = changes
                .map(|change| format!("  {}:{}: {} {}\n", name, change.line, change.path, change.message));
            print(&printable(&format!("wrote {name}\n{}", lines.collect::<String>())))?;
        }
        (true, false) => {
            print(&printable(&diff(&String::from_utf8_lossy(&bytes), &migration.text, &name.to_string())))?;
            let help = "nothing is written yet; `orch config migrate --write` changes the file\n";
            std::io::stderr().lock().write_all(help.as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

fn project_file(project: &Project) -> Result<PathBuf, Failure> {
    let mut candidates = project.load_options().project_candidates().into_iter();
    candidates.find(|file| file.symlink_metadata().is_ok()).ok_or_else(|| {
        Failure::usage(
            "orch::cli::no-file",
            "migrate the project's configuration: there is no orchestrator.json",
        )
        .help("name a file, or start one with `orch config init`")
    })
}

fn diff(before: &str, after: &str, name: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(3).header(name, name).to_string()
}
