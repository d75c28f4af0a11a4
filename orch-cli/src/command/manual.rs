//! `orch completions` and `orch man`: the command about itself.

use std::{fs, io::Write as _};

use super::print;
use crate::{
    args::{CompletionsArgs, ManArgs},
    exit::{Exit, Failure},
    manual,
};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    std::io::stdout().lock().write_all(&manual::completions(args.shell))?;
    Ok(Exit::Success)
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    if args.markdown {
        print(&manual::markdown())?;
    } else if let Some(directory) = &args.out {
        let written = fs::create_dir_all(directory).and_then(|()| manual::pages(directory));
        written.map_err(|error| {
            let message = format!("write man pages to {}: {error}", directory.display());
            Failure::usage("orch::cli::unwritable", message).help("name a directory that you may write to")
        })?;
    } else {
        std::io::stdout().lock().write_all(&manual::page()?)?;
    }
    Ok(Exit::Success)
}
