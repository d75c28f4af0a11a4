//! Puts an orchestrator together.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
};

use orch_config::{Config, id::ProfileId};
use orch_ux::frontend::Frontend;
use orch_workers::Worker;
use orch_workflow::{
    driver::Engine,
    plan::Plan,
    store::{MemoryStore, RunStore},
};
#[cfg(feature = "sqlite")]
use sha2::{Digest as _, Sha256};

use crate::{connection::Connector, error::Error, host::Host, orchestrator::Orchestrator, show::Audience};

/// Puts an [`Orchestrator`] together. Only the directory is needed; everything else has a default.
#[derive(Debug)]
pub struct Builder {
    pub(crate) directory: PathBuf,
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) store: StoreChoice,
    pub(crate) state: Option<PathBuf>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) workers: Vec<Arc<dyn Worker>>,
    pub(crate) audience: Audience,
}

#[derive(Debug)]
pub(crate) enum StoreChoice {
    Memory,
    #[cfg(feature = "sqlite")]
    At(PathBuf),
    Custom(Arc<dyn RunStore>),
}

impl Builder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            config: Config::builtin(),
            host: Host::launch(["opencode"]),
            store: StoreChoice::Memory,
            state: None,
            environment: Vec::new(),
            workers: Vec::new(),
            audience: Audience::Host,
        }
    }

    /// The configuration; the built-in one unless given. [`config::load`](crate::config::load) reads files.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Which OpenCode to work on; unless given, `opencode` is started from the `PATH` of the environment.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// Keeps runs in this directory, durably. Without a store runs live in memory and end with the process.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn store_at(mut self, directory: impl Into<PathBuf>) -> Self {
        self.store = StoreChoice::At(directory.into());
        self
    }

    /// Keeps runs in a store of your own; it should pass the conformance suite of `orch-workflow`.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn RunStore>) -> Self {
        self.store = StoreChoice::Custom(store);
        self
    }

    /// Keeps runs and the data of started servers below this directory, apart for every project: the layout of the
    /// `orch` command, so that both see the same runs. `store.path` of the configuration moves the store alone.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn state_root(mut self, root: impl AsRef<std::path::Path>) -> Self {
        let state = root.as_ref().join("projects").join(project_key(&self.directory));
        self.store = StoreChoice::At(state.clone());
        self.state = Some(state);
        self
    }

    /// Where data of started servers is kept; needed for [`Host::launch`] and for `server` workers.
    #[must_use]
    pub fn state_at(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state = Some(directory.into());
        self
    }

    /// The environment for started servers and for finding programs; the library itself reads none.
    #[must_use]
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// A worker of your own, for the profile that it names.
    #[must_use]
    pub fn worker(mut self, worker: Arc<dyn Worker>) -> Self {
        self.workers.push(worker);
        self
    }

    /// Where toasts, notices and hints go; the host's own terminal interface unless given.
    #[must_use]
    pub fn frontend(mut self, frontend: Arc<dyn Frontend>) -> Self {
        self.audience = Audience::Custom(frontend);
        self
    }

    /// No toasts, notices or hints.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.audience = Audience::Nobody;
        self
    }

    /// Opens the store and gets ready. Contacts and starts nothing else.
    ///
    /// # Errors
    /// The store cannot be opened, or a worker is given for an unknown profile.
    pub async fn build(self) -> Result<Orchestrator, Error> {
        if let Some(worker) =
            self.workers.iter().find(|worker| self.config.profile(worker.id().as_str()).is_none())
        {
            return Err(unknown_worker(worker.id()));
        }
        let store: Arc<dyn RunStore> = match &self.store {
            StoreChoice::Memory => Arc::new(MemoryStore::new()),
            #[cfg(feature = "sqlite")]
            StoreChoice::At(directory) => {
                let directory = self.config.store.path.as_ref().unwrap_or(directory);
                Arc::new(orch_workflow::store::SqliteStore::open(directory).await?)
            }
            StoreChoice::Custom(store) => Arc::clone(store),
        };
        let config = Arc::new(self.config.clone());
        let directory = self.directory.clone();
        let connector = Arc::new(Connector::new(self, Arc::clone(&config)));
        let present = Arc::clone(&config);
        let engine = Engine::builder(store, Arc::clone(&connector) as _)
            .definitions(Arc::new(move |plan: &Plan| Plan::compile(&present, plan.workflow.as_str()).ok()))
            .build();
        Ok(Orchestrator::new(config, directory, engine, connector))
    }
}

fn unknown_worker(id: &ProfileId) -> Error {
    Error::new(
        crate::ErrorKind::Config,
        "orch::config::unknown-worker",
        format!("register the worker {id:?}: the configuration has no such profile"),
    )
    .with_help("add a profile with this id to the configuration first")
}

/// A name for a project that is readable and belongs to its path alone.
#[cfg(feature = "sqlite")]
fn project_key(directory: &std::path::Path) -> String {
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
