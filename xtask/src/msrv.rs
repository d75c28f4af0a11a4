//! The Rust version we promise is one that our dependencies keep, too.
//!
//! That our own code keeps it is clippy's `incompatible_msrv`, and a build with that very toolchain in CI.

use cargo_metadata::{Metadata, Package};

use crate::error::Error;

/// Fails with every package of the graph that asks for a newer Rust than the workspace promises.
pub(crate) fn check(metadata: &Metadata) -> Result<(), Error> {
    let promised =
        metadata.workspace_packages().into_iter().filter_map(|package| package.rust_version.as_ref()).min();
    let Some(promised) = promised else {
        return Err(Error::Check("no crate of the workspace states a `rust-version`".to_owned()));
    };
    let newer: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| package.rust_version.as_ref().is_some_and(|asked| asked > promised))
        .map(described)
        .collect();
    if newer.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!(
        "these ask for a newer Rust than the {promised} we promise: {}",
        newer.join(", ")
    )))
}

fn described(package: &Package) -> String {
    let version = package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{} {} (Rust {version})", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn the_workspace_keeps_its_promise() {
        check(&Workspace::load().unwrap().metadata).unwrap();
    }

    #[test]
    fn a_dependency_that_breaks_the_promise_is_named() {
        let mut metadata = Workspace::load().unwrap().metadata;
        let package = metadata.packages.iter_mut().find(|package| package.name == "thiserror").unwrap();
        package.rust_version = Some("9.0.0".parse().unwrap());
        let error = check(&metadata).unwrap_err().to_string();
        assert!(error.contains("thiserror") && error.contains("(Rust 9.0.0)"), "{error}");
    }
}
