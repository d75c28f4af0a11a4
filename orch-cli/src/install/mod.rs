//! The plugin in OpenCode's settings: put there, taken out again to the byte, and examined.

pub(crate) mod interface;
pub(crate) mod key;
mod receipt;
mod settings;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use orch::ux::plugin::FILES;
use serde_json::{Value, json};

use self::{interface::Examined, receipt::Receipt};
use crate::{
    exit::{Exit, Failure},
    file::{Files, Kind},
};

/// What OpenCode reads in a folder of settings: for its server, and for its terminal interface.
const SETTINGS: [&str; 2] = ["opencode", INTERFACE];
const INTERFACE: &str = "tui";

/// A folder of OpenCode's settings: `.opencode` of a project, or the person's own.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    files: Files,
    /// Its path below those. So are all paths here, but those that are told.
    folder: PathBuf,
}

/// How the plugin stands in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Absent,
    /// There, and OpenCode will load it.
    Installed,
    /// There, and not as this version writes it.
    Outdated,
    /// It cannot work as it is: why.
    Broken(String),
}

/// How a program is called, and the keys that a person has chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) command: String,
    pub(crate) keys: BTreeMap<String, String>,
}

impl Options {
    fn json(&self) -> Value {
        match self.keys.is_empty() {
            true => json!({ "command": self.command }),
            false => json!({ "command": self.command, "keys": self.keys }),
        }
    }
}

impl Place {
    pub(crate) fn of_project(directory: &Path) -> Self {
        Self { files: Files::of_project(directory), folder: ".opencode".into() }
    }

    /// Where OpenCode looks for the person's own settings.
    pub(crate) fn global(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let settings = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
        Some(Self { files: Files::own(settings), folder: "opencode".into() })
    }

    /// The plugin's own folder.
    pub(crate) fn plugin(&self) -> PathBuf {
        self.files.path(&self.own())
    }

    /// Writes the plugin and names it in both files. Doing it again changes nothing, or what differs.
    pub(crate) fn install(&self, options: &Options) -> Result<Vec<PathBuf>, Failure> {
        self.refuse_links()?;
        let mut receipt = match Receipt::read(&self.files, &self.own())? {
            Some(receipt) => receipt,
            None => Receipt::new(self.files.kind(&self.folder)?.is_none()),
        };
        let mut planned = Vec::new();
        for name in SETTINGS {
            let (path, now) = self.settings(name)?;
            if name == INTERFACE {
                let text = now.as_deref().unwrap_or_default();
                interface::check(text).map_err(|reason| self.unusable(&path, &reason))?;
            }
            let before =
                receipt.before(&path, now.as_deref()).map_err(|reason| self.unusable(&path, &reason))?;
            let after = settings::with_plugin(before.as_deref().unwrap_or_default(), &options.json())
                .map_err(|reason| self.unusable(&path, &reason))?;
            receipt.note(&path, before, &after);
            planned.push((path, now, after));
        }
        // The plugin is complete before anything names it, and both files can be understood before one is touched.
        let mut written = Vec::new();
        for asset in FILES {
            self.put(&self.own().join(asset.path), asset.text, &mut written)?;
        }
        self.put(&Receipt::path(&self.own()), &receipt.text()?, &mut written)?;
        for (path, now, after) in planned {
            if now.as_deref() != Some(&*after) {
                self.files.put(&path, &after)?;
                written.push(self.files.path(&path));
            }
        }
        Ok(written)
    }

    /// Takes the plugin out again. A file that nobody has changed since is as it was before, to the byte; from others
    /// only the plugin's entry is taken.
    pub(crate) fn uninstall(&self) -> Result<Vec<PathBuf>, Failure> {
        self.refuse_links()?;
        let receipt = Receipt::read(&self.files, &self.own())?.unwrap_or(Receipt::new(false));
        let mut changed = Vec::new();
        for name in SETTINGS {
            let (path, Some(now)) = self.settings(name)? else { continue };
            match receipt.before(&path, Some(&now)).map_err(|reason| self.unusable(&path, &reason))? {
                Some(before) if before == now => continue,
                Some(before) => self.files.put(&path, &before)?,
                None => drop(self.files.remove(&path)?),
            }
            changed.push(self.files.path(&path));
        }
        // Only what was written is removed: a person may keep something of their own there.
        for path in self.written() {
            if self.files.remove(&path)? {
                changed.push(self.files.path(&path));
            }
        }
        for folder in [self.own().join("tui"), self.own()] {
            self.files.remove_empty(&folder)?;
        }
        if receipt.made_the_folder() {
            self.files.remove_empty(&self.folder)?;
        }
        Ok(changed)
    }

    /// How the plugin stands here.
    pub(crate) fn examine(&self) -> Standing {
        let named = SETTINGS.map(|name| self.options(name));
        let broken = named.iter().find_map(|options| options.as_ref().err());
        if let Some(failure) = broken {
            return Standing::Broken(failure.message.clone());
        }
        let [server, tui] = named.map(|options| options.ok().flatten().is_some());
        let current = |asset: &&orch::ux::plugin::File| {
            let text = self.files.text(&self.own().join(asset.path));
            text.is_ok_and(|text| text.as_deref() == Some(asset.text))
        };
        match (server, tui) {
            (false, false) => Standing::Absent,
            (true, true) if FILES.iter().all(|asset| current(&asset)) => Standing::Installed,
            (true, true) => Standing::Outdated,
            _ => Standing::Broken(format!(
                "only one of opencode.json and tui.json in {} names the plugin",
                self.files.path(&self.folder).display()
            )),
        }
    }

    /// The settings of the terminal interface here, as it takes them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn interface(&self) -> Result<Vec<Examined>, Failure> {
        interface::examine(&self.files, &self.folder)
    }

    fn options(&self, name: &str) -> Result<Option<Value>, Failure> {
        let (path, text) = self.settings(name)?;
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        settings::options(&text).map_err(|reason| self.unusable(&path, &reason))
    }

    /// The file of settings that is there, else the one to be made, and its text.
    fn settings(&self, name: &str) -> Result<(PathBuf, Option<String>), Failure> {
        let plain = self.folder.join(format!("{name}.json"));
        let text = self.files.text(&plain)?;
        if text.is_none() {
            let commented = self.folder.join(format!("{name}.jsonc"));
            if let Some(text) = self.files.text(&commented)? {
                return Ok((commented, Some(text)));
            }
        }
        Ok((plain, text))
    }

    fn put(&self, path: &Path, text: &str, written: &mut Vec<PathBuf>) -> Result<(), Failure> {
        if self.files.text(path)?.as_deref() != Some(text) {
            self.files.put(path, text)?;
            written.push(self.files.path(path));
        }
        Ok(())
    }

    fn own(&self) -> PathBuf {
        self.folder.join(settings::NAME.trim_start_matches("./"))
    }

    /// Every file that is written into the plugin's own folder.
    fn written(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.own();
        let assets: Vec<_> = FILES.iter().map(|asset| own.join(asset.path)).collect();
        assets.into_iter().chain([Receipt::path(&own)])
    }

    /// A repository could let what is ours point anywhere, also at another file of its own.
    fn refuse_links(&self) -> Result<(), Failure> {
        for folder in [self.own(), self.own().join("tui")] {
            if self.files.kind(&folder)?.is_some_and(|found| found != Kind::Folder) {
                return Err(self.in_the_way("orch::install::not-a-folder", &folder, "a link, or a file"));
            }
        }
        for path in self.written() {
            if self.files.kind(&path)?.is_some_and(|found| found != Kind::File) {
                return Err(self.in_the_way("orch::install::not-a-file", &path, "a link, or no file"));
            }
        }
        Ok(())
    }

    fn in_the_way(&self, code: &str, path: &Path, what: &str) -> Failure {
        let message = format!("write the plugin to {}: it is {what}", self.files.path(path).display());
        Failure::usage(code, message).help("move it out of the way, then install again")
    }

    fn unusable(&self, path: &Path, reason: &str) -> Failure {
        let message = format!("name the plugin in {}: {reason}", self.files.path(path).display());
        Failure::new(Exit::Usage, "orch::install::settings", message)
            .help("mend the file; nothing of it was changed, and OpenCode would ignore it as it is")
    }
}
