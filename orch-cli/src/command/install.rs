//! `orch install` and `orch uninstall`: the plugin for OpenCode.

use std::{
    env,
    path::{Path, PathBuf},
};

use orch::ux::{plugin, text::printable};
use serde_json::json;

use super::{print, print_json};
use crate::{
    args::{InstallArgs, UninstallArgs},
    exit::{Exit, Failure},
    install::{Options, Place, key},
    project::Project,
};

pub(crate) fn install(project: &Project, args: InstallArgs, json: bool) -> Result<Exit, Failure> {
    let place = place(project, args.global)?;
    let options = Options { command: own_name()?, keys: args.keys.into_iter().collect() };
    let written = place.install(&options)?;
    if json {
        print_json(&json!({ "plugin": place.plugin(), "written": written }))?;
    } else if written.is_empty() {
        print("nothing to do: the plugin is installed")?;
    } else {
        print(&listed("wrote", &written))?;
        print("start OpenCode anew, then type /orch")?;
    }
    Ok(Exit::Success)
}

pub(crate) fn uninstall(project: &Project, args: &UninstallArgs, json: bool) -> Result<Exit, Failure> {
    let place = place(project, args.global)?;
    let changed = place.uninstall()?;
    if json {
        print_json(&json!({ "plugin": place.plugin(), "changed": changed }))?;
    } else if changed.is_empty() {
        print("nothing to do: the plugin is not installed")?;
    } else {
        print(&listed("restored or removed", &changed))?;
    }
    Ok(Exit::Success)
}

/// A key for a command, `NAME=KEY`, in OpenCode's own notation.
pub(crate) fn parse_key(text: &str) -> Result<(String, String), String> {
    let (name, key) = text.split_once('=').ok_or("it reads NAME=KEY, such as gate=f4")?;
    if !plugin::COMMANDS.contains(&name) {
        return Err(format!("no command `{name}`; there are {}", plugin::COMMANDS.join(", ")));
    }
    key::check(key)?;
    Ok((name.to_owned(), key.to_owned()))
}

pub(crate) fn place(project: &Project, global: bool) -> Result<Place, Failure> {
    if !global {
        return Ok(Place::of_project(project.directory()));
    }
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Place::global(variable).ok_or_else(|| {
        Failure::usage("orch::cli::no-home", "find OpenCode's own settings: HOME is not set")
            .help("set HOME or XDG_CONFIG_HOME")
    })
}

/// How OpenCode is to call this program: by its bare name where that finds it, so that settings can be shared.
fn own_name() -> Result<String, Failure> {
    let own = env::current_exe()?;
    let name = own.file_name().unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let first = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let same = |file: PathBuf| file.canonicalize().ok() == own.canonicalize().ok();
    let named: &Path = if first.is_some_and(same) { Path::new(name) } else { &own };
    let text = named.to_str().ok_or_else(|| {
        Failure::usage("orch::cli::no-name", format!("{} is not UTF-8", own.display()))
            .help("move the program to a path that is")
    })?;
    Ok(text.to_owned())
}

fn listed(what: &str, files: &[PathBuf]) -> String {
    let lines: Vec<_> = files.iter().map(|file| printable(&format!("{what} {}", file.display()))).collect();
    lines.join("\n")
}
