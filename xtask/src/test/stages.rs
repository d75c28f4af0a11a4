//! What `cargo xtask test` checks, cheapest first, so that a slip is told in seconds.
//!
//! Tests run crate by crate: cargo unites the features of all packages that it builds together, and a feature
//! that a crate forgot to ask for would be lent to it by a neighbour. Within a crate the builds are ordered so
//! that each stage finds the artefacts of an earlier one: `doctest` and `examples` reuse `test-all`, `live` reuses them.

use std::ffi::OsStr;
use std::process::Command;

use super::suite;
use crate::command::{self, answer, run};
use crate::error::Error;
use crate::opencode::{self, OpenCode};
use crate::workspace::{Crate, FeatureSet, Workspace};
use crate::{arrows, msrv, schema, surface};

pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(&Workspace) -> Result<Done, Error>,
}

#[derive(Debug)]
pub(super) enum Done {
    Passed,
    /// Something is missing that the workspace does not need; the text names it and the way to get it.
    Skipped(String),
}

pub(super) const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "the code is formatted", run: fmt },
    Stage {
        name: "arrows",
        about: "crates depend on each other as the architecture allows",
        run: check_arrows,
    },
    Stage {
        name: "surface",
        about: "no public signature shows what is used inside, no type writes a secret unsearched",
        run: check_surface,
    },
    Stage { name: "msrv", about: "no dependency asks for a newer Rust than we promise", run: check_msrv },
    Stage {
        name: "schema",
        about: "committed schemas and the command's manual are those of the code",
        run: check_schema,
    },
    Stage { name: "deny", about: "advisories, licences and sources of the dependencies", run: deny },
    Stage { name: "package", about: "every crate that is published can be packed, in order", run: package },
    Stage { name: "clippy", about: "no warning, with all features and with none", run: clippy },
    Stage { name: "features", about: "the facade builds with every choice of its features", run: features },
    Stage { name: "docs", about: "the documentation builds without a warning", run: docs },
    Stage { name: "test", about: "the tests of each crate, default features", run: test_default },
    Stage { name: "test-none", about: "the tests of each crate, no default features", run: test_none },
    Stage {
        name: "test-all",
        about: "the tests of each crate but those of `live`, all features",
        run: test_all,
    },
    Stage { name: "doctest", about: "the examples in the documentation, all features", run: doctest },
    Stage { name: "examples", about: "every example runs to its end", run: examples },
    Stage {
        name: "live",
        about: "the tests of the crates that know OpenCode, all features, with a real one",
        run: live,
    },
];

/// What property tests begin with, so that every run tests the same; set the variable to test something else.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "1");

/// Everything that a stage runs keeps its temporary files where the suite finds the processes that they belong to.
fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = command::cargo(arguments);
    command.env("TMPDIR", suite::directory());
    let (name, seed) = SEED;
    command.env(name, std::env::var(name).as_deref().unwrap_or(seed));
    command
}

fn fmt(_: &Workspace) -> Result<Done, Error> {
    run(&mut cargo(["fmt", "--all", "--check"])).map(|()| Done::Passed)
}

fn check_arrows(workspace: &Workspace) -> Result<Done, Error> {
    arrows::check(&workspace.metadata).map(|()| Done::Passed)
}

fn check_surface(workspace: &Workspace) -> Result<Done, Error> {
    surface::check(&workspace.metadata).map(|()| Done::Passed)
}

fn check_msrv(workspace: &Workspace) -> Result<Done, Error> {
    msrv::check(&workspace.metadata).map(|()| Done::Passed)
}

fn check_schema(_: &Workspace) -> Result<Done, Error> {
    schema::check().map(|()| Done::Passed)
}

fn deny(_: &Workspace) -> Result<Done, Error> {
    if answer(&mut cargo(["deny", "--version"])).is_none() {
        return Ok(Done::Skipped(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`)".to_owned(),
        ));
    }
    run(&mut cargo(["deny", "check"])).map(|()| Done::Passed)
}

/// What is packed is not built once more, and needs nothing from the network that a stage before has not fetched.
fn package(workspace: &Workspace) -> Result<Done, Error> {
    let mut package =
        cargo(["package", "--workspace", "--no-verify", "--allow-dirty", "--offline", "--quiet"]);
    let kept = workspace.metadata.workspace_packages().into_iter().filter(|each| each.publish.is_some());
    for each in kept {
        package.args(["--exclude", each.name.as_str()]);
    }
    run(&mut package).map(|()| Done::Passed)
}

fn clippy(workspace: &Workspace) -> Result<Done, Error> {
    run(&mut cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))?;
    for each in workspace.with(FeatureSet::None) {
        let package = ["clippy", "--package", &each.name, "--all-targets", "--no-default-features"];
        run(cargo(package).args(["--", "-D", "warnings"]))?;
    }
    Ok(Done::Passed)
}

/// A feature that needs another one without asking for it is told here, and not to whoever embeds us.
fn features(workspace: &Workspace) -> Result<Done, Error> {
    for each in workspace.crates.iter().filter(|each| each.name == "orch") {
        for choice in each.feature_choices() {
            let mut check = cargo(["check", "--quiet", "--package", &each.name, "--no-default-features"]);
            run(check.args(["--features", &choice]))?;
        }
    }
    Ok(Done::Passed)
}

fn docs(_: &Workspace) -> Result<Done, Error> {
    run(cargo(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"))
        .map(|()| Done::Passed)
}

fn test_default(workspace: &Workspace) -> Result<Done, Error> {
    test_with(workspace.with(FeatureSet::Default), FeatureSet::Default)
}

fn test_none(workspace: &Workspace) -> Result<Done, Error> {
    test_with(workspace.with(FeatureSet::None), FeatureSet::None)
}

fn test_all(workspace: &Workspace) -> Result<Done, Error> {
    test_with(workspace.with(FeatureSet::All).filter(|each| !each.live), FeatureSet::All)
}

fn test_with<'w>(crates: impl Iterator<Item = &'w Crate>, set: FeatureSet) -> Result<Done, Error> {
    for each in crates {
        run(without_opencode(&mut tests_of(each, set)))?;
    }
    Ok(Done::Passed)
}

fn doctest(workspace: &Workspace) -> Result<Done, Error> {
    for each in workspace.crates.iter().filter(|each| each.library) {
        run(without_opencode(&mut cargo(["test", "--package", &each.name, "--all-features", "--doc"])))?;
    }
    Ok(Done::Passed)
}

fn examples(workspace: &Workspace) -> Result<Done, Error> {
    for each in &workspace.crates {
        for example in &each.examples {
            run(&mut cargo(["run", "--package", &each.name, "--all-features", "--example", example]))?;
        }
    }
    Ok(Done::Passed)
}

/// Runs whole test binaries, but for what a crate says that its other tests need neither an OpenCode nor its other features.
fn live(workspace: &Workspace) -> Result<Done, Error> {
    let found = match opencode::provide(&workspace.target)? {
        OpenCode::Ready { binary, version } => {
            println!("OpenCode {version} at {}", binary.display());
            Ok(binary)
        }
        OpenCode::Missing { reason } => Err(format!(
            "NO TEST RAN AGAINST A REAL OPENCODE: {reason}. Install Node.js with npm, or name an OpenCode {} in {}",
            opencode::VERSION,
            opencode::BINARY_VARIABLE
        )),
    };
    if let (Err(missing), true) = (&found, in_ci()) {
        return Err(Error::Check(missing.clone()));
    }
    for each in workspace.crates.iter().filter(|each| each.live) {
        let mut tests = tests_of(each, FeatureSet::All);
        tests.arg("--").args(&each.live_tests);
        run(match &found {
            Ok(binary) => tests.env(opencode::BINARY_VARIABLE, binary).env(opencode::LIVE_VARIABLE, "1"),
            Err(_) => without_opencode(&mut tests),
        })?;
    }
    Ok(found.map_or_else(Done::Skipped, |_| Done::Passed))
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

fn tests_of(each: &Crate, set: FeatureSet) -> Command {
    let mut command = cargo(["test", "--package", &each.name]);
    command.args(set.flag()).arg("--tests");
    command
}

/// Live tests belong to the stage `live`, whatever the caller's environment says.
fn without_opencode(command: &mut Command) -> &mut Command {
    command.env_remove(opencode::BINARY_VARIABLE).env_remove(opencode::LIVE_VARIABLE)
}
