//! The project a command works on: its directory, its configuration, its state, its host.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use orch::{
    Host, Orchestrator,
    config::{
        Config, LoadError, LoadOptions, Loaded, Trust, TrustRecords, load,
        private::{self, NotYours},
    },
    ux::command,
};

use crate::{
    args::HostArgs,
    exit::{Exit, Failure},
    log::{self, Detail},
    report,
    trust::{self, Proposal},
    tui,
};

/// A project directory, found and made absolute.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    directory: PathBuf,
}

impl Project {
    pub(crate) fn find(dir: Option<&Path>) -> Result<Self, Failure> {
        let given = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::current_dir()?,
        };
        let directory = std::fs::canonicalize(&given).map_err(|error| {
            Failure::usage(
                "orch::cli::no-directory",
                format!("open the project directory {}: {error}", given.display()),
            )
            .help("name an existing directory with --dir")
        })?;
        if !directory.is_dir() {
            return Err(Failure::usage(
                "orch::cli::no-directory",
                format!("the project directory {} is not a directory", directory.display()),
            ));
        }
        Ok(Self { directory })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn load_options(&self) -> LoadOptions {
        let mut options = LoadOptions::discover(&self.directory, |name| std::env::var_os(name));
        // Where nothing can be written down, nothing is trusted.
        options.trust_records = self.trust_records().ok();
        options
    }

    /// Where it is written down which projects are trusted.
    pub(crate) fn trust_records(&self) -> Result<TrustRecords, Failure> {
        Ok(TrustRecords::at(self.state()?.join("trust")))
    }

    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        load(&self.load_options()).map_err(|error| self.refused(error))
    }

    /// The configuration in force. Its warnings go to stderr, unless a program reads along.
    pub(crate) fn config(&self, json: bool) -> Result<Config, Failure> {
        Ok(self.loaded(json)?.config)
    }

    /// The same with what it came from. A person at a terminal is asked whether they trust a project that needs it, or
    /// that has changed since they did.
    pub(crate) fn loaded(&self, json: bool) -> Result<Loaded, Failure> {
        let options = self.load_options();
        let mut loaded = load(&options);
        if trust::can_ask(json) && self.is_to_be_asked_about(&loaded)? {
            let proposal = Proposal::of(options.clone(), self.trust_records()?)?;
            if trust::ask(&proposal)? {
                loaded = load(&options);
            }
        }
        let loaded = loaded.map_err(|error| self.refused(error))?;
        if !json && !loaded.warnings.is_empty() {
            let text = report::diagnostics(&loaded.warnings, &loaded.files);
            write!(std::io::stderr().lock(), "{text}")?;
        }
        Ok(loaded)
    }

    fn is_to_be_asked_about(&self, loaded: &Result<Loaded, LoadError>) -> Result<bool, Failure> {
        match loaded {
            Err(error) => Ok(error.is_about_trust_alone()),
            Ok(loaded) if loaded.config.trust == Trust::Trusted => Ok(false),
            Ok(_) => Ok(self.trust_records()?.find(&self.directory)?.is_some()),
        }
    }

    fn refused(&self, error: LoadError) -> Failure {
        let about_trust = error.is_about_trust_alone();
        let failure = Failure::from(error);
        if !about_trust {
            return failure;
        }
        failure.way_out(format!(
            "look at what it asks for with `{} --show`; if you trust it, say `{}`",
            command::TRUST.form,
            command::trusting(&self.directory)
        ))
    }

    /// An orchestrator that only looks: it never needs a host.
    pub(crate) async fn reader(&self) -> Result<Orchestrator, Failure> {
        self.orchestrator(self.load()?.config, &HostArgs::default()).await
    }

    /// Where this project's runs are kept: `ORCH_STATE_DIR`, else the XDG state directory; one store per project.
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = variable("ORCH_STATE_DIR")
            .or_else(|| variable("XDG_STATE_HOME").map(|state| state.join("orch")))
            .or_else(|| variable("HOME").map(|home| home.join(".local/state/orch")))
            .ok_or_else(|| {
                Failure::new(Exit::Error, "orch::cli::no-state", "find the state directory: HOME is not set")
                    .help("set ORCH_STATE_DIR to a directory that orch may write to")
            })?;
        private::check(&root)?;
        Ok(root)
    }

    /// What of it belongs to this project alone.
    pub(crate) fn project_state(&self) -> Result<PathBuf, Failure> {
        Ok(orch::project_state(self.state()?, &self.directory))
    }

    /// Lets the library's traces go to the file in the state directory, which is made for its owner alone. A log that
    /// cannot be written stops nobody; a state directory of somebody else's does.
    pub(crate) fn log(&self, config: &Config) -> Result<(), Failure> {
        let detail = if config.ui.debug { Detail::Everything } else { Detail::Usual };
        let state = self.state()?;
        let own = self.project_state()?;
        let opened = private::directories(&state, &own).and_then(|()| log::open(&state, detail));
        if let Err(error) = opened {
            if NotYours::of(&error).is_some() {
                return Err(error.into());
            }
            let file = state.join(log::FILE_NAME);
            writeln!(std::io::stderr().lock(), "no log is written to {}: {error}", file.display())?;
        }
        Ok(())
    }

    /// An orchestrator on this project, in its terminal interface where `orch tui` runs. Nothing is started before
    /// something has to be done.
    pub(crate) async fn orchestrator(
        &self,
        config: Config,
        args: &HostArgs,
    ) -> Result<Orchestrator, Failure> {
        let host = self.host(args, &config)?;
        self.orchestrator_on(config, args, host).await
    }

    /// What is configured, else the terminal interface that `orch tui` has started, else what is to be started.
    fn host(&self, args: &HostArgs, config: &Config) -> Result<Host, Failure> {
        let configured = configured_host(args, config);
        if !configured.is_launched() {
            return Ok(configured);
        }
        Ok(match tui::find(&self.project_state()?) {
            Some(found) => Host::server(found.url).password(found.password.reveal()),
            None => configured,
        })
    }

    /// What a person should know about a host that is started for a run.
    pub(crate) fn launch_note(
        &self,
        args: &HostArgs,
        config: &Config,
    ) -> Result<Option<&'static str>, Failure> {
        let launched = self.host(args, config)?.is_launched();
        Ok(launched.then_some("  opencode runs for this run only"))
    }

    /// The same on this host.
    pub(crate) async fn orchestrator_on(
        &self,
        mut config: Config,
        args: &HostArgs,
        host: Host,
    ) -> Result<Orchestrator, Failure> {
        self.log(&config)?;
        // Workers with servers of their own run the same program, also where the host is one that runs already.
        if let Some(program) = &args.opencode {
            config.opencode.command = Some(vec![program.to_string_lossy().into_owned()]);
        }
        let builder = Orchestrator::builder(&self.directory)
            .state_root(self.state()?)
            .environment(std::env::vars_os())
            .host(host)
            .config(config);
        Ok(builder.build().await?)
    }
}

/// `--server` or `ORCH_SERVER`, else the configuration, else `opencode` from `--opencode`, `ORCH_OPENCODE` or PATH.
pub(crate) fn configured_host(args: &HostArgs, config: &Config) -> Host {
    let settings = &config.opencode;
    let secret = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let server = args.server.clone().or_else(|| match args.opencode {
        Some(_) => None,
        None => settings.url.clone(),
    });
    if let Some(url) = server {
        let mut host = Host::server(url);
        if let Some(user) = secret(&settings.username_env) {
            host = host.username(user);
        }
        if let Some(password) = secret(&settings.password_env) {
            host = host.password(password);
        }
        return host;
    }
    match (&args.opencode, &settings.command) {
        (Some(program), _) => Host::launch([program.clone()]),
        (None, Some(command)) => Host::launch(command),
        (None, None) => Host::launch(["opencode"]),
    }
}
