//! The workspace as cargo sees it, reduced to what the chores ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package, Target};

use crate::error::Error;
use crate::opencode::BINARY_VARIABLE;

pub(crate) struct Workspace {
    /// In the order of the manifest, lower layers first: what is broken below is told before what it breaks above.
    pub(crate) crates: Vec<Crate>,
    /// `target/`, or wherever `CARGO_TARGET_DIR` or cargo's configuration puts it.
    pub(crate) target: PathBuf,
    pub(crate) metadata: Metadata,
}

pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) library: bool,
    pub(crate) examples: Vec<String>,
    pub(crate) benches: Vec<String>,
    /// Whether it has tests that talk to a real OpenCode, if there is one.
    pub(crate) live: bool,
    /// Which of its tests are run with one, by parts of their names: `package.metadata.live.tests`. All where it says none.
    pub(crate) live_tests: Vec<String>,
    features: BTreeMap<String, Vec<String>>,
}

/// The features a crate is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureSet {
    Default,
    None,
    All,
}

impl Workspace {
    /// Reads the whole dependency graph, of all features and platforms.
    pub(crate) fn load() -> Result<Self, Error> {
        let metadata = MetadataCommand::new()
            .current_dir(root())
            .features(cargo_metadata::CargoOpt::AllFeatures)
            .exec()?;
        let crates = metadata
            .workspace_members
            .iter()
            .map(|id| Crate::new(&metadata[id]))
            .collect::<Result<_, _>>()?;
        Ok(Self { crates, target: metadata.target_directory.clone().into(), metadata })
    }

    /// The crates for which `set` is a build of its own.
    pub(crate) fn with(&self, set: FeatureSet) -> impl Iterator<Item = &Crate> {
        self.crates.iter().filter(move |each| each.distinguishes(set))
    }
}

impl Crate {
    fn new(package: &Package) -> Result<Self, Error> {
        let named = |wanted: fn(&Target) -> bool| {
            package.targets.iter().filter(|target| wanted(target)).map(|target| target.name.clone()).collect()
        };
        let tests = package.manifest_path.with_file_name("tests");
        Ok(Self {
            name: package.name.to_string(),
            library: package.targets.iter().any(Target::is_lib),
            examples: named(Target::is_example),
            benches: named(Target::is_bench),
            // A live test has no other way to find the binary.
            live: mentions(tests.as_std_path(), BINARY_VARIABLE)?,
            live_tests: package.metadata["live"]["tests"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            features: package.features.clone(),
        })
    }

    /// Whether building with `set` differs from building with the default features.
    pub(crate) fn distinguishes(&self, set: FeatureSet) -> bool {
        let default = self.default_features();
        match set {
            FeatureSet::Default => true,
            FeatureSet::None => !default.is_empty(),
            FeatureSet::All => {
                self.features.keys().any(|name| name != "default" && !default.contains(name.as_str()))
            }
        }
    }

    /// Every choice of the crate's own features but `default`, as `--features` takes it.
    pub(crate) fn feature_choices(&self) -> Vec<String> {
        let mut choices = vec![String::new()];
        for feature in self.features.keys().filter(|name| *name != "default") {
            let with = |choice: &String| match choice.as_str() {
                "" => feature.clone(),
                others => format!("{others},{feature}"),
            };
            let more: Vec<_> = choices.iter().map(with).collect();
            choices.extend(more);
        }
        choices
    }

    /// The crate's own features that `default` turns on, directly or through another one.
    fn default_features(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec!["default"];
        while let Some(name) = open.pop() {
            for implied in self.features.get(name).into_iter().flatten() {
                if self.features.contains_key(implied) && found.insert(implied.as_str()) {
                    open.push(implied);
                }
            }
        }
        found
    }
}

impl FeatureSet {
    pub(crate) fn flag(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::None => Some("--no-default-features"),
            Self::All => Some("--all-features"),
        }
    }
}

/// Whether a file of Rust anywhere below a folder has this text in it. A folder that is not there has no files.
pub(crate) fn mentions(folder: &Path, text: &str) -> Result<bool, Error> {
    let failed = |source| Error::File { action: "read", path: folder.to_owned(), source };
    if !folder.is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let found = if path.is_dir() {
            mentions(&path, text)?
        } else {
            path.extension().is_some_and(|extension| extension == "rs")
                && fs::read_to_string(&path).map_err(failed)?.contains(text)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The workspace's root: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    // Cargo tells at run time, too: two checkouts may share one target directory, and so one binary of ours.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_features(features: &[(&str, &[&str])]) -> Crate {
        let features = features
            .iter()
            .map(|(name, implied)| {
                ((*name).to_owned(), implied.iter().map(|each| (*each).to_owned()).collect())
            })
            .collect();
        let name = "sample".to_owned();
        Crate {
            name,
            library: true,
            examples: vec![],
            benches: vec![],
            live: false,
            live_tests: vec![],
            features,
        }
    }

    fn distinguished(features: &[(&str, &[&str])]) -> (bool, bool) {
        let sample = with_features(features);
        (sample.distinguishes(FeatureSet::None), sample.distinguishes(FeatureSet::All))
    }

    #[test]
    fn a_feature_set_is_built_only_where_it_differs() {
        assert_eq!(distinguished(&[]), (false, false), "no features");
        assert_eq!(distinguished(&[("tls", &[])]), (false, true), "nothing by default");
        assert_eq!(distinguished(&[("default", &["a"]), ("a", &["dep:x", "tokio/net"])]), (true, false));
        assert_eq!(
            distinguished(&[("default", &["b"]), ("a", &[]), ("b", &["a"])]),
            (true, false),
            "implied"
        );
        assert_eq!(distinguished(&[("default", &["a"]), ("a", &[]), ("b", &[])]), (true, true));
    }

    #[test]
    fn every_choice_of_features_is_there_once() {
        let sample = with_features(&[("default", &["a"]), ("a", &["dep:x"]), ("b", &[]), ("c", &["b"])]);
        assert_eq!(sample.feature_choices(), ["", "a", "b", "a,b", "c", "a,c", "b,c", "a,b,c"]);
    }

    #[test]
    fn lower_layers_come_first() {
        let workspace = Workspace::load().unwrap();
        let place = |name: &str| workspace.crates.iter().position(|each| each.name == name).unwrap();
        assert!(place("orch-config") < place("orch-workflow") && place("orch-workflow") < place("orch"));
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
