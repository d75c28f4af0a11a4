//! `orch config check`, `orch config show`, `orch schema`: commands that only look.

use std::path::PathBuf;

use orch::{
    config::{Diagnostics, LoadOptions, Origin, Setting, load, load::SourceFile, schema as config_schema},
    ux::text::plain,
    workflow::event::schema as event_schema,
};
use serde_json::json;

use super::{config_file, print, print_json};
use crate::{
    args::{ConfigCommand, SchemaArgs},
    exit::{Exit, Failure},
    project::Project,
    report, serve,
};

pub(crate) fn execute(project: &Project, command: ConfigCommand, json: bool) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check { files, strict } => check(project, files, strict, json),
        ConfigCommand::Show { origin: false } => show(project, json),
        ConfigCommand::Show { origin: true } => show_origins(project, json),
        ConfigCommand::Init { global } => config_file::init(project, global, json),
        ConfigCommand::Migrate { file, write } => config_file::migrate(project, file, write, json),
    }
}

pub(crate) fn schema(args: &SchemaArgs) -> Result<Exit, Failure> {
    let text = match args {
        SchemaArgs { openapi: true, .. } => serve::document().map_err(std::io::Error::from)?,
        SchemaArgs { events: true, .. } => event_schema::json(),
        SchemaArgs { .. } => config_schema::json(),
    };
    print(&text)?;
    Ok(Exit::Success)
}

fn check(project: &Project, files: Vec<PathBuf>, strict: bool, json: bool) -> Result<Exit, Failure> {
    let lookups: Vec<LoadOptions> = if files.is_empty() {
        vec![project.load_options()]
    } else {
        files.into_iter().map(|file| LoadOptions::only(project.directory().join(file))).collect()
    };
    let mut found = Diagnostics::default();
    let mut texts: Vec<SourceFile> = Vec::new();
    for mut options in lookups {
        options.strict = strict;
        let (diagnostics, files) = match load(&options) {
            Ok(loaded) => (loaded.warnings, loaded.files),
            Err(error) => (error.diagnostics, error.files),
        };
        found.0.extend(diagnostics.0);
        texts.extend(files);
    }
    let ok = !found.has_errors();
    if json {
        print_json(&json!({ "ok": ok, "diagnostics": found }))?;
    } else {
        if !found.is_empty() {
            print(&report::diagnostics(&found, &texts))?;
        }
        print(&verdict(ok, &found, &texts))?;
    }
    Ok(if ok { Exit::Success } else { Exit::Usage })
}

fn verdict(ok: bool, found: &Diagnostics, files: &[SourceFile]) -> String {
    // A file that cannot be read has no text, and is still what was looked at.
    let read = files.iter().filter_map(|file| file.path.as_ref());
    let named = found.iter().filter_map(|diagnostic| diagnostic.file.as_ref());
    let mut checked: Vec<String> = Vec::new();
    for file in read.chain(named).map(|file| file.display().to_string()) {
        if !checked.contains(&file) {
            checked.push(file);
        }
    }
    let checked = match checked.as_slice() {
        [] => "no orchestrator.json here; the built-in configuration applies".to_owned(),
        files => files.join(", "),
    };
    match (ok, found.len()) {
        (true, 0) => format!("ok: {checked}"),
        (true, count) => format!("ok, with {count} to look at: {checked}"),
        (false, count) => format!("{count} to look at: {checked}"),
    }
}

/// JSON for programs and for people: it is the language of the file.
fn show(project: &Project, json: bool) -> Result<Exit, Failure> {
    let config = project.config(json)?;
    if json {
        print_json(&config)?;
    } else {
        print(&serde_json::to_string_pretty(&config).map_err(std::io::Error::from)?)?;
    }
    Ok(Exit::Success)
}

/// One line for each value: where it comes from, and what it is.
fn show_origins(project: &Project, json: bool) -> Result<Exit, Failure> {
    let loaded = project.load()?;
    let settings = loaded.settings();
    if json {
        print_json(&json!({ "config": loaded.config, "settings": settings }))?;
        return Ok(Exit::Success);
    }
    let origins: Vec<String> = settings.iter().map(|setting| nearby(project, &setting.origin)).collect();
    let width = origins.iter().map(|origin| origin.chars().count()).max().unwrap_or(0);
    let lines = settings.iter().zip(&origins);
    print(&lines.map(|(setting, origin)| line(setting, origin, width)).collect::<String>())?;
    Ok(Exit::Success)
}

/// A file of the project by its path in the project.
pub(super) fn nearby(project: &Project, origin: &Origin) -> String {
    let root = format!("{}/", project.directory().display());
    let text = origin.to_string();
    plain(text.strip_prefix(&root).unwrap_or(&text), 200)
}

/// Long texts are cut: `config show` has them whole.
fn line(setting: &Setting, origin: &str, width: usize) -> String {
    let path = setting.path.trim_start_matches("$.");
    format!("{origin:<width$}  {} = {}\n", plain(path, 200), plain(&setting.value.to_string(), 100))
}
