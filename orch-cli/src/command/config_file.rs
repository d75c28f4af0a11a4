//! `orch config init` and `orch config migrate`: the commands that write a configuration file.

use std::{
    io::Write as _,
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
    file::Files,
    project::Project,
};

pub(crate) fn init(project: &Project, global: bool, json: bool) -> Result<Exit, Failure> {
    let options = project.load_options();
    let (files, name, text) = if global {
        let file = options.global_file.ok_or_else(|| {
            Failure::usage("orch::cli::no-home", "find your configuration directory: HOME is not set")
                .help("set HOME or XDG_CONFIG_HOME")
        })?;
        let (files, name) = own(&file);
        (files, name, starter::GLOBAL)
    } else {
        // A new file could come before one that is there, and silently switch it off.
        let mut candidates = options.project_candidates().into_iter();
        if let Some(file) = candidates.find(|file| file.symlink_metadata().is_ok()) {
            return Err(exists(&file));
        }
        let name = Path::new(".opencode").join(load::FILE_NAME);
        (Files::of_project(project.directory()), name, starter::PROJECT)
    };
    let file = files.path(&name);
    if !files.create(&name, text)? {
        return Err(exists(&file));
    }
    if json {
        print_json(&json!({ "file": file }))?;
    } else {
        print(&printable(&format!("wrote {}", file.display())))?;
    }
    Ok(Exit::Success)
}

/// A file that a person named, or that is theirs.
fn own(file: &Path) -> (Files, PathBuf) {
    let folder = file.parent().unwrap_or(Path::new("/"));
    (Files::own(folder.to_owned()), file.file_name().unwrap_or_default().into())
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
    let (files, name, bytes) = match file {
        Some(file) => {
            let file = project.directory().join(file);
            let (files, name) = own(&file);
            (files, name, load::read(&file)?)
        }
        None => of_project(project)?,
    };
    let file = files.path(&name);
    let migration = config_migrate::migrate(&bytes, Some(&file))?;
    let changed = migration.text.as_bytes() != bytes;
    if changed && write {
        files.replace(&name, &migration.text)?;
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

/// The file that the project has, and what is in it.
fn of_project(project: &Project) -> Result<(Files, PathBuf, Vec<u8>), Failure> {
    let options = project.load_options();
    let mut candidates = options.project_candidates().into_iter();
    let file = candidates.find(|file| file.symlink_metadata().is_ok()).ok_or_else(|| {
        Failure::usage(
            "orch::cli::no-file",
            "migrate the project's configuration: there is no orchestrator.json",
        )
        .help("name a file, or start one with `orch config init`")
    })?;
    let root = options.root_of(&file);
    let bytes = load::read_below(root, &file)?;
    let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
    Ok((Files::of_project(root), name, bytes))
}

fn diff(before: &str, after: &str, name: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(3).header(name, name).to_string()
}
