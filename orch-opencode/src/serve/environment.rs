//! What a server of ours inherits, what it must not, and what it gets of its own.
//!
//! It inherits the user's environment and OpenCode configuration, so that it can call the user's models. It does not
//! inherit the passwords of other servers or variables of ours. With a data directory of its own it shares no session
//! with anybody; the user's stored credentials reach it by a link, so that a refreshed token is not lost.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jsonc_parser::ParseOptions;
use serde_json::{Value, json};

use super::find::absolute_entries;
use super::private;

/// Set for every server that orch starts, and so for the shells of its workers: a worker must not start workflows.
pub const GUARD_VARIABLE: &str = "ORCH_WORKER";

/// Set where the host is not to load the configuration, the plugins and the tools of the project that it is started in.
pub const WITHOUT_PROJECT_VARIABLE: &str = "OPENCODE_DISABLE_PROJECT_CONFIG";

const PASSWORD: &str = "OPENCODE_SERVER_PASSWORD";
const CONFIG_CONTENT: &str = "OPENCODE_CONFIG_CONTENT";
const GUARD: &str = include_str!("guard.js");

/// Never inherited: credentials of other servers, and what would tie a server of ours to another one.
const OTHERS: &[&str] = &[
    PASSWORD,
    "OPENCODE_SERVER_USERNAME",
    "OPENCODE",
    "OPENCODE_CLIENT",
    "OPENCODE_DB",
    "OPENCODE_PID",
    "OPENCODE_WORKSPACE_ID",
];

/// What the host keeps in its data directory for its user: keys of providers, and of MCP servers.
const CREDENTIALS: [&str; 2] = ["auth.json", "mcp-auth.json"];

/// The variables of a server to be started.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What a server of ours inherits of these variables. Of `PATH` it is what is absolute: a server works in a project,
    /// and the program that runs it must not be one of the project's.
    pub fn inherit(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let kept = variables
            .into_iter()
            .filter(|(name, _)| !name.starts_with("ORCH_") && !OTHERS.contains(&name.as_str()));
        let mut environment = Self(kept.collect());
        if let Some(path) = environment.0.get_mut("PATH") {
            *path = absolute_entries(path.as_ref()).to_string_lossy().into_owned();
        }
        for (name, value) in [
            (GUARD_VARIABLE, "1"),
            ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
            ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ] {
            environment.set(name, value);
        }
        environment
    }

    /// One more variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a variable, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn password(&mut self, password: &str) {
        self.set(PASSWORD, password);
    }

    /// The project's own configuration, plugins and tools are not loaded.
    pub(super) fn without_project(&mut self) {
        self.set(WITHOUT_PROJECT_VARIABLE, "1");
    }

    pub(super) fn temperature(&mut self, temperature: f64) {
        self.set("ORCH_TEMPERATURE", temperature.to_string());
    }

    /// Merges settings into whatever configuration the user already passes by variable. Ours win.
    ///
    /// # Errors
    /// The user's variable is not a JSON object: starting a server that ignores it would be a surprise.
    pub(super) fn merge_config(&mut self, settings: Value) -> Result<(), NotJson> {
        let mut config = match self.get(CONFIG_CONTENT) {
            // The host takes comments and trailing commas there too.
            Some(text) => jsonc_parser::parse_to_serde_value::<Value>(text, &ParseOptions::default())
                .ok()
                .filter(Value::is_object)
                .ok_or(NotJson)?,
            None => json!({}),
        };
        merge(&mut config, settings);
        self.set(CONFIG_CONTENT, config.to_string());
        Ok(())
    }

    /// A data directory of its own below `root`, with the user's credentials linked in.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(super) fn own_data(&mut self, root: &Path) -> io::Result<()> {
        let (data, state) = (root.join("data"), root.join("state"));
        for directory in [&data.join("opencode"), &state] {
            private::directory(directory)?;
        }
        if let Some(user) = self.user_data().map(|user| user.join("opencode")) {
            for name in CREDENTIALS {
                link(&user.join(name), &data.join("opencode").join(name))?;
            }
        }
        for (name, path) in [("XDG_DATA_HOME", data), ("XDG_STATE_HOME", state)] {
            self.set(name, path.to_string_lossy());
        }
        Ok(())
    }

    /// Our guard plugin, in a configuration directory of ours.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(super) fn guard(&mut self, config: &Path, host_version: &str) -> io::Result<()> {
        private::directory(&config.join("plugin"))?;
        private::write(&config.join("plugin/orch-guard.js"), GUARD.as_bytes())?;
        seed_plugin_package(config, host_version)?;
        self.set("OPENCODE_CONFIG_DIR", config.to_string_lossy());
        Ok(())
    }

    fn user_data(&self) -> Option<PathBuf> {
        let explicit = self.get("XDG_DATA_HOME").map(PathBuf::from);
        explicit.or_else(|| self.get("HOME").map(|home| Path::new(home).join(".local/share")))
    }
}

/// The user's variable cannot be read. It is not repeated: it may hold a key.
#[derive(Debug, thiserror::Error)]
#[error("it is not a JSON object; correct or unset it")]
pub(super) struct NotJson;

/// A link and not a copy, so that a token that the server refreshes is not lost. The host writes through it.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if from == to || fs::read_link(to).is_ok_and(|target| target == from) {
        return Ok(());
    }
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(from, to)
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Environment").field(&self.0.keys()).finish()
    }
}

/// The host installs a plugin package into every configuration directory that lacks it, which takes a network and
/// time; it is content with one that looks installed (observed on 1.18.33), and our plugin needs none.
fn seed_plugin_package(config: &Path, version: &str) -> io::Result<()> {
    const PACKAGE: &str = "@opencode-ai/plugin";
    let modules = config.join("node_modules").join(PACKAGE);
    private::directory(&modules)?;
    let own = json!({ "name": PACKAGE, "version": version, "type": "module" });
    let wanted = json!({ "dependencies": { PACKAGE: version } });
    let lock = json!({
        "name": "config",
        "lockfileVersion": 3,
        "requires": true,
        "packages": {
            "": { "dependencies": { PACKAGE: version } },
            format!("node_modules/{PACKAGE}"): { "version": version },
        },
    });
    private::write(&modules.join("package.json"), own.to_string().as_bytes())?;
    private::write(&config.join("package.json"), wanted.to_string().as_bytes())?;
    private::write(&config.join("package-lock.json"), lock.to_string().as_bytes())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherit(variables: &[(&str, &str)]) -> Environment {
        Environment::inherit(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn passwords_of_others_and_variables_of_ours_are_not_inherited() {
        let environment = inherit(&[
            ("PATH", ".:/bin:node_modules/.bin"),
            ("OPENAI_API_KEY", "k"),
            ("OPENCODE_SERVER_PASSWORD", "theirs"),
            ("OPENCODE_SERVER_USERNAME", "them"),
            ("OPENCODE_DB", "/theirs"),
            ("ORCH_STATE_DIR", "/s"),
        ]);
        let names: Vec<_> = environment.iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "OPENAI_API_KEY",
                "OPENCODE_DISABLE_AUTOUPDATE",
                "OPENCODE_DISABLE_LSP_DOWNLOAD",
                "ORCH_WORKER",
                "PATH"
            ]
        );
        assert_eq!(environment.get("PATH"), Some("/bin"));
    }

    #[test]
    fn settings_join_what_the_user_passes_and_win_over_it() {
        let mut environment = inherit(&[(
            CONFIG_CONTENT,
            r#"{"model":"a/b","share":"auto",/* mine */"provider":{"a":{"x":1}},}"#,
        )]);
        environment.merge_config(json!({ "share": "disabled", "provider": { "a": { "y": 2 } } })).unwrap();
        let config: Value = serde_json::from_str(environment.get(CONFIG_CONTENT).unwrap()).unwrap();
        assert_eq!(
            config,
            json!({ "model": "a/b", "share": "disabled", "provider": { "a": { "x": 1, "y": 2 } } })
        );
        for broken in ["{", "[]", "canary"] {
            let error = inherit(&[(CONFIG_CONTENT, broken)]).merge_config(json!({})).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
    }

    #[test]
    fn a_data_directory_of_its_own_links_the_users_credentials() {
        let (home, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home_text = home.path().to_string_lossy().into_owned();
        for _ in 0..2 {
            let mut environment = inherit(&[("HOME", &home_text)]);
            environment.own_data(root.path()).unwrap();
            assert_eq!(
                environment.get("XDG_DATA_HOME").map(Path::new),
                Some(root.path().join("data").as_path())
            );
        }
        let link = fs::read_link(root.path().join("data/opencode/auth.json")).unwrap();
        assert_eq!(link, home.path().join(".local/share/opencode/auth.json"));
    }

    #[test]
    fn the_guard_needs_no_plugin_to_be_installed() {
        let config = tempfile::tempdir().unwrap();
        let mut environment = inherit(&[("OPENCODE_CONFIG_DIR", "/theirs")]);
        environment.guard(config.path(), "1.2.3").unwrap();
        assert_eq!(environment.get("OPENCODE_CONFIG_DIR").map(Path::new), Some(config.path()));
        assert_eq!(fs::read_to_string(config.path().join("plugin/orch-guard.js")).unwrap(), GUARD);
        let lock = fs::read_to_string(config.path().join("package-lock.json")).unwrap();
        assert!(lock.contains(r#""@opencode-ai/plugin":"1.2.3""#), "{lock}");
    }

    #[test]
    fn values_are_not_shown() {
        let mut environment = inherit(&[("OPENAI_API_KEY", "secret-1")]);
        environment.password("secret-2");
        assert!(!format!("{environment:?}").contains("secret"));
    }
}
