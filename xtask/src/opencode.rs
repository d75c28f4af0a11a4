//! The real OpenCode that live tests talk to: the one named in the environment, else a pinned one from npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::Error;

/// The version whose behaviour the documentation describes and the live tests prove.
pub(crate) const VERSION: &str = "1.18.33";

/// The variable that names the binary to live tests.
pub(crate) const BINARY_VARIABLE: &str = "ORCH_TEST_OPENCODE";

/// The variable that makes a live test fail, not skip, when it has no binary.
pub(crate) const LIVE_VARIABLE: &str = "ORCH_TEST_LIVE";

pub(crate) enum OpenCode {
    Ready { binary: PathBuf, version: String },
    Missing { reason: String },
}

/// Finds OpenCode, or fetches it once into `<target>/opencode`.
///
/// Fails when the one that was asked for does not run; a machine that cannot have one is `Missing`.
pub(crate) fn provide(target: &Path) -> Result<OpenCode, Error> {
    let home = target.join("opencode");
    if let Some(named) = std::env::var_os(BINARY_VARIABLE).filter(|value| !value.is_empty()) {
        let binary = PathBuf::from(named);
        return match version(&binary, &home) {
            Some(version) => Ok(OpenCode::Ready { binary, version }),
            None => Err(Error::Check(format!("{BINARY_VARIABLE}={} does not run", binary.display()))),
        };
    }
    let binary = home.join("node_modules/.bin/opencode");
    if version(&binary, &home).as_deref() != Some(VERSION) {
        if command::answer(Command::new("npm").arg("--version")).is_none() {
            return Ok(OpenCode::Missing { reason: "npm is not installed".to_owned() });
        }
        fetch(&home)?;
    }
    match version(&binary, &home) {
        Some(version) if version == VERSION => Ok(OpenCode::Ready { binary, version }),
        Some(other) => Err(Error::Check(format!("npm gave OpenCode {other} where {VERSION} was asked for"))),
        None => Err(Error::Check(format!("the OpenCode that npm put at {} does not run", binary.display()))),
    }
}

fn fetch(home: &Path) -> Result<(), Error> {
    println!("fetching OpenCode {VERSION} from npm, once");
    fs::create_dir_all(home).map_err(|source| Error::File {
        action: "create",
        path: home.to_owned(),
        source,
    })?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(home);
    command::run(install.arg(format!("opencode-ai@{VERSION}")))
}

/// What `opencode --version` prints, asked in a home of its own so that nothing is written into the user's.
fn version(binary: &Path, home: &Path) -> Option<String> {
    let home = home.join("home");
    let mut ask = Command::new(binary);
    ask.arg("--version").env("HOME", &home).env("OPENCODE_DISABLE_AUTOUPDATE", "1");
    for kind in ["CONFIG", "DATA", "STATE", "CACHE"] {
        ask.env(format!("XDG_{kind}_HOME"), home.join(kind.to_lowercase()));
    }
    command::answer(&mut ask)
}
