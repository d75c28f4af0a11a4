//! The plugin in OpenCode's settings: put there, taken out again to the byte, and examined.

mod receipt;
mod settings;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use orch::ux::plugin::FILES;
use serde_json::{Value, json};

use self::receipt::Receipt;
use crate::{
    exit::{Exit, Failure},
    file,
};

/// What OpenCode reads in a folder of settings: for its server, and for its terminal interface.
const SETTINGS: [&str; 2] = ["opencode", "tui"];

/// A folder of OpenCode's settings: `.opencode` of a project, or the person's own.
#[derive(Debug, Clone)]
pub(crate) struct Place {
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
        Self { folder: directory.join(".opencode") }
    }

    /// Where OpenCode looks for the person's own settings.
    pub(crate) fn global(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let settings = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
        Some(Self { folder: settings.join("opencode") })
    }

    /// The plugin's own folder.
    pub(crate) fn plugin(&self) -> PathBuf {
        self.folder.join(settings::NAME.trim_start_matches("./"))
    }

    /// Writes the plugin and names it in both files. Doing it again changes nothing, or what differs.
    pub(crate) fn install(&self, options: &Options) -> Result<Vec<PathBuf>, Failure> {
        self.refuse_a_link()?;
        let mut receipt = Receipt::read(&self.plugin())?;
        let mut planned = Vec::new();
        for name in SETTINGS {
            let path = self.settings(name);
            let now = file::text(&path)?;
            let before = receipt.before(&path, now.as_deref()).map_err(|reason| unusable(&path, &reason))?;
            let after = settings::with_plugin(before.as_deref().unwrap_or_default(), &options.json())
                .map_err(|reason| unusable(&path, &reason))?;
            receipt.note(&path, before, &after);
            planned.push((path, now, after));
        }
        // The plugin is complete before anything names it, and both files can be understood before one is touched.
        let mut written = Vec::new();
        for asset in FILES {
            self.put(self.plugin().join(asset.path), asset.text, &mut written)?;
        }
        self.put(Receipt::path(&self.plugin()), &receipt.text()?, &mut written)?;
        for (path, now, after) in planned {
            if now.as_deref() != Some(&*after) {
                file::put(&path, &after)?;
                written.push(path);
            }
        }
        Ok(written)
    }

    /// Takes the plugin out again. A file that nobody has changed since is as it was before, to the byte; from others
    /// only the plugin's entry is taken.
    pub(crate) fn uninstall(&self) -> Result<Vec<PathBuf>, Failure> {
        self.refuse_a_link()?;
        let receipt = Receipt::read(&self.plugin())?;
        let mut changed = Vec::new();
        for name in SETTINGS {
            let path = self.settings(name);
            let Some(now) = file::text(&path)? else { continue };
            match receipt.before(&path, Some(&now)).map_err(|reason| unusable(&path, &reason))? {
                Some(before) if before == now => continue,
                Some(before) => file::put(&path, &before)?,
                None => file::remove(&path)?,
            }
            changed.push(path);
        }
        // Only what was written is removed: a person may keep something of their own there.
        let own = FILES.iter().map(|asset| self.plugin().join(asset.path));
        for path in own.chain([Receipt::path(&self.plugin())]) {
            if path.symlink_metadata().is_ok() {
                file::remove(&path)?;
                changed.push(path);
            }
        }
        for folder in [self.plugin().join("tui"), self.plugin(), self.folder.clone()] {
            file::remove_empty(&folder)?;
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
            file::text(&self.plugin().join(asset.path)).is_ok_and(|text| text.as_deref() == Some(asset.text))
        };
        match (server, tui) {
            (false, false) => Standing::Absent,
            (true, true) if FILES.iter().all(|asset| current(&asset)) => Standing::Installed,
            (true, true) => Standing::Outdated,
            _ => Standing::Broken(format!(
                "only one of opencode.json and tui.json in {} names the plugin",
                self.folder.display()
            )),
        }
    }

    fn options(&self, name: &str) -> Result<Option<Value>, Failure> {
        let path = self.settings(name);
        let Some(text) = file::text(&path)?.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        settings::options(&text).map_err(|reason| unusable(&path, &reason))
    }

    /// The file of settings that is there, else the one to be made.
    fn settings(&self, name: &str) -> PathBuf {
        let plain = self.folder.join(format!("{name}.json"));
        let commented = self.folder.join(format!("{name}.jsonc"));
        if !plain.exists() && commented.exists() { commented } else { plain }
    }

    fn put(&self, path: PathBuf, text: &str, written: &mut Vec<PathBuf>) -> Result<(), Failure> {
        if file::text(&path)?.as_deref() != Some(text) {
            file::put(&path, text)?;
            written.push(path);
        }
        Ok(())
    }

    /// A repository could let its folder point anywhere.
    fn refuse_a_link(&self) -> Result<(), Failure> {
        let plugin = self.plugin();
        if plugin.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            let message = format!("write the plugin to {}: it is a link, or a file", plugin.display());
            return Err(Failure::usage("orch::install::not-a-folder", message)
                .help("move it out of the way, then install again"));
        }
        Ok(())
    }
}

fn unusable(path: &Path, reason: &str) -> Failure {
    let message = format!("name the plugin in {}: {reason}", path.display());
    Failure::new(Exit::Usage, "orch::install::settings", message)
        .help("mend the file; nothing of it was changed, and OpenCode would ignore it as it is")
}
