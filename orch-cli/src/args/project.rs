//! What is set up for a project, for OpenCode and for a shell.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check configuration files; those that apply to this project by default.
    Check {
        /// Files to check by themselves.
        files: Vec<PathBuf>,
        /// Treat warnings as errors.
        #[arg(long)]
        strict: bool,
    },
    /// Show the resolved configuration.
    Show {
        /// Say of every value where it comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Write a commented file to start from. An existing file is never touched.
    Init {
        /// Write your own file, for all projects, in place of the project's.
        #[arg(long)]
        global: bool,
    },
    /// Bring a predecessor's file into today's form; shows what would change.
    ///
    /// Comments, order and layout stay as they are.
    Migrate {
        /// The file; the project's by default.
        file: Option<PathBuf>,
        /// Change the file.
        #[arg(long)]
        write: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Only show what it asks for, and what has changed since it was trusted.
    #[arg(long, conflicts_with_all = ["revoke", "yes"])]
    pub(crate) show: bool,
    /// Take the trust back.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) revoke: bool,
    /// Trust it as it is now without being asked.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// For all projects of yours, not only for this one.
    #[arg(long)]
    pub(crate) global: bool,
    /// A key for a command, such as gate=f4; alternatives are separated by commas, sequences are written <leader>v.
    #[arg(long = "key", value_name = "NAME=KEY", value_parser = crate::command::install::parse_key)]
    pub(crate) keys: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// The one for all projects of yours.
    #[arg(long)]
    pub(crate) global: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// That of the events, which `orch run --json` and `orch events` print.
    #[arg(long)]
    pub(crate) events: bool,
    /// The OpenAPI document of `orch serve`.
    #[arg(long, conflicts_with = "events")]
    pub(crate) openapi: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "markdown")]
    pub(crate) out: Option<PathBuf>,
    /// The manual of all commands as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
}
