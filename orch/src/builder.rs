//! Puts an orchestrator together.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use orch_config::{Config, id::ProfileId};
use orch_ux::frontend::Frontend;
use orch_workers::{Connector, Host, Worker, end_orphans};
use orch_workflow::{
    driver::{Announcer, Engine},
    store::{MemoryStore, RunStore},
};

use crate::{
    definition,
    error::{Error, ErrorKind},
    orchestrator::Orchestrator,
    show::Audience,
};

/// The folder of a state root that has one folder for each project.
const PROJECTS: &str = "projects";

/// Puts an [`Orchestrator`] together. Only the directory is needed; everything else has a default.
#[must_use]
pub struct Builder {
    directory: PathBuf,
    config: Config,
    host: Option<Host>,
    store: StoreChoice,
    state: Option<PathBuf>,
    /// What the state directories of all projects are below.
    root: Option<PathBuf>,
    environment: Vec<(String, String)>,
    workers: Vec<Arc<dyn Worker>>,
    audience: Audience,
}

#[derive(Debug)]
enum StoreChoice {
    /// What the configuration says, else memory.
    Configured,
    /// What the configuration says, else here.
    #[cfg(feature = "sqlite")]
    ConfiguredOr(PathBuf),
    #[cfg(feature = "sqlite")]
    At(PathBuf),
    Custom(Arc<dyn RunStore>),
}

impl Builder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            config: Config::builtin(),
            host: None,
            store: StoreChoice::Configured,
            state: None,
            root: None,
            environment: Vec::new(),
            workers: Vec::new(),
            audience: Audience::Host,
        }
    }

    /// The configuration; the built-in one unless given. [`config::load`](fn@crate::config::load) reads files.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Which OpenCode to work on; the one of the configuration unless given (its `opencode.url` with the credentials in
    /// the [environment](Self::environment), its `opencode.command`), else `opencode` from the `PATH` there.
    pub fn host(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Keeps runs in this directory, durably. Where no store is chosen, `store.path` of the configuration is one; without
    /// it runs live in memory and end with the process.
    #[cfg(feature = "sqlite")]
    pub fn store_at(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = StoreChoice::At(directory.into());
        self
    }

    /// Keeps runs in a store of your own; it should pass the conformance suite of `orch-workflow`.
    pub fn store(mut self, store: Arc<dyn RunStore>) -> Self {
        self.store = StoreChoice::Custom(store);
        self
    }

    /// Keeps runs and the data of started servers below this directory, apart for every project: the layout of the
    /// `orch` command, so that both see the same runs. `store.path` of the configuration moves the store, and nothing
    /// else. Servers of a killed process are ended, whichever project below the root they were started for.
    #[cfg(feature = "sqlite")]
    pub fn state_root(mut self, root: impl AsRef<Path>) -> Self {
        let state = project_state(&root, &self.directory);
        self.store = StoreChoice::ConfiguredOr(state.clone());
        self.state = Some(state);
        self.root = Some(root.as_ref().to_owned());
        self
    }

    /// Where started servers keep their data, and where it is recorded that they run, so that those of a killed process
    /// are found and ended. Without it [`Host::launch`] works on the user's own data and leaves no record, and `server`
    /// workers are refused.
    pub fn state_at(mut self, directory: impl Into<PathBuf>) -> Self {
        (self.state, self.root) = (Some(directory.into()), None);
        self
    }

    /// The environment that started servers inherit and in which programs and passwords are looked up, usually
    /// `std::env::vars_os()`; the library itself reads none. A variable that is not UTF-8 is left out.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let texts = |(name, value): (_, _)| {
            let (name, value): (OsString, OsString) = (Into::into(name), Into::into(value));
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.environment = variables.into_iter().filter_map(texts).collect();
        self
    }

    /// A worker of your own, for the profile that it names.
    pub fn worker(mut self, worker: Arc<dyn Worker>) -> Self {
        self.workers.push(worker);
        self
    }

    /// Where toasts, notices and hints go; the host's own terminal interface unless given.
    pub fn frontend(mut self, frontend: Arc<dyn Frontend>) -> Self {
        self.audience = Audience::Custom(frontend);
        self
    }

    /// No toasts, notices or hints.
    pub fn silent(mut self) -> Self {
        self.audience = Audience::Nobody;
        self
    }

    /// Opens the store, ends servers that a killed process left in the state directory, and gets ready. Contacts and
    /// starts nothing else.
    ///
    /// # Errors
    /// The store cannot be opened, a worker is given for an unknown profile, or credentials for a host that takes none.
    pub async fn build(self) -> Result<Orchestrator, Error> {
        if let Some(worker) = self.workers.iter().find(|worker| self.is_unknown(worker.id())) {
            return Err(unknown_worker(worker.id()));
        }
        let config = Arc::new(self.config.clone());
        let host = self.host.clone().unwrap_or_else(|| self.configured_host());
        let connector = Connector::new(Arc::clone(&config), &self.directory, host)?;
        let store = self.open_store().await?;
        end_orphans(self.states()).await;
        let keeps_all_runs = self.state.is_some() && self.state.as_ref() == self.store_directory();
        let Self { directory, state, environment, workers, audience, .. } = self;
        // Workers are asked for by the engine, and what they do is told by it.
        let announcer: Arc<OnceLock<Announcer>> = Arc::default();
        let told = Arc::clone(&announcer);
        let connector = connector.state_dir(state).environment(environment).workers(workers);
        let connector = Arc::new(connector.on_status(move |status| {
            if let Some(announcer) = told.get() {
                announcer.announce(status);
            }
        }));
        let present = Arc::clone(&config);
        let engine = Engine::builder(store, Arc::clone(&connector) as _)
            .changes(move |journaled| definition::change(&present, journaled))
            .build();
        announcer.get_or_init(|| engine.announcer());
        Ok(Orchestrator::new(config, directory, engine, connector, keeps_all_runs, audience))
    }

    /// The state directories that an earlier process may have left servers in.
    fn states(&self) -> Vec<PathBuf> {
        let projects = self.root.as_ref().and_then(|root| std::fs::read_dir(root.join(PROJECTS)).ok());
        let others = projects.into_iter().flatten().flatten().map(|project| project.path());
        let states: BTreeSet<_> = self.state.iter().cloned().chain(others).collect();
        states.into_iter().collect()
    }

    fn is_unknown(&self, worker: &ProfileId) -> bool {
        self.config.profile(worker.as_str()).is_none()
    }

    fn configured_host(&self) -> Host {
        let variable = |name: &str| {
            let found =
                self.environment.iter().rev().find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        Host::configured(&self.config.opencode, variable)
    }

    async fn open_store(&self) -> Result<Arc<dyn RunStore>, Error> {
        match (&self.store, self.store_directory()) {
            (StoreChoice::Custom(store), _) => Ok(Arc::clone(store)),
            (_, Some(directory)) => open(directory).await,
            (_, None) => Ok(Arc::new(MemoryStore::new())),
        }
    }

    /// Where the store is, if it is a durable one of ours.
    fn store_directory(&self) -> Option<&PathBuf> {
        let configured = self.config.store.path.as_ref();
        match &self.store {
            StoreChoice::Custom(_) => None,
            StoreChoice::Configured => configured,
            #[cfg(feature = "sqlite")]
            StoreChoice::ConfiguredOr(directory) => Some(configured.unwrap_or(directory)),
            #[cfg(feature = "sqlite")]
            StoreChoice::At(directory) => Some(directory),
        }
    }
}

#[cfg(feature = "sqlite")]
async fn open(directory: &Path) -> Result<Arc<dyn RunStore>, Error> {
    Ok(Arc::new(orch_workflow::store::SqliteStore::open(directory).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn open(directory: &Path) -> Result<Arc<dyn RunStore>, Error> {
    Err(no_durable_store(directory))
}

#[cfg(any(test, not(feature = "sqlite")))]
fn no_durable_store(directory: &Path) -> Error {
    let message = format!("keep runs in {}: this build has no durable store", directory.display());
    Error::new(ErrorKind::Config, "orch::store::unsupported", message)
        .with_help("build with the feature `sqlite`, bring a store of your own, or remove store.path")
}

/// What was given; the environment stays out of logs.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("directory", &self.directory)
            .field("host", &self.host)
            .field("store", &self.store)
            .field("state", &self.state)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

fn unknown_worker(id: &ProfileId) -> Error {
    let message = format!("register the worker {id}: the configuration has no profile of this name");
    Error::new(ErrorKind::Config, "orch::config::unknown-worker", message)
        .with_help("add a profile with this id to the configuration first")
}

/// Where [`Builder::state_root`] keeps what belongs to the project in this directory.
#[cfg(feature = "sqlite")]
#[must_use]
pub fn project_state(root: impl AsRef<Path>, directory: &Path) -> PathBuf {
    root.as_ref().join(PROJECTS).join(project_key(directory))
}

/// A name for a project that is readable and belongs to its path alone.
#[cfg(feature = "sqlite")]
fn project_key(directory: &Path) -> String {
    use sha2::{Digest as _, Sha256};

    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name: String = directory
        .file_name()
        .map(|name| {
            name.to_string_lossy().chars().filter(|char| char.is_ascii_alphanumeric()).take(24).collect()
        })
        .unwrap_or_default();
    if name.is_empty() { hash } else { format!("{name}-{hash}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_a_durable_store_says_so_and_names_the_ways_out() {
        let error = no_durable_store(Path::new("/runs"));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "orch::store::unsupported"));
        assert_eq!(error.to_string(), "keep runs in /runs: this build has no durable store");
        assert!(error.help().is_some_and(|help| help.contains("feature `sqlite`")));
    }
}
