//! What the settings were before the plugin came in, so that they can be so again to the byte.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::settings;
use crate::{
    exit::{Exit, Failure},
    file::Files,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// Whether the folder of the settings was made; one that does not say is of a version that took it for made.
    #[serde(default = "yes")]
    made_folder: bool,
    /// By the file's name.
    files: BTreeMap<String, Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// The text before; none where there was no file.
    before: Option<String>,
    after: String,
}

fn yes() -> bool {
    true
}

impl Receipt {
    pub(super) fn new(made_folder: bool) -> Self {
        Self { made_folder, files: BTreeMap::new() }
    }

    pub(super) fn made_the_folder(&self) -> bool {
        self.made_folder
    }

    pub(super) fn path(plugin: &Path) -> PathBuf {
        plugin.join("installed.json")
    }

    /// The receipt of the plugin in this folder, where there is one.
    pub(super) fn read(files: &Files, plugin: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(plugin);
        let Some(text) = files.text(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("read what was installed from {}: {error}", files.path(&path).display());
            Failure::new(Exit::Error, "orch::install::receipt", message).help(
                "remove this file; the plugin's entry is then taken out, and the rest of the settings stays",
            )
        })
    }

    /// What a file would be without the plugin, given what it is now: what it was before, if nobody else has changed it.
    pub(super) fn before(&self, path: &Path, now: Option<&str>) -> Result<Option<String>, String> {
        match (self.files.get(&key(path)), now) {
            (Some(change), Some(now)) if change.after == now => Ok(change.before.clone()),
            (_, Some(now)) if now.trim().is_empty() => Ok(Some(now.to_owned())),
            (_, Some(now)) => {
                let named = settings::options(now)?.is_some();
                Ok(Some(if named { settings::without_plugin(now)? } else { now.to_owned() }))
            }
            (_, None) => Ok(None),
        }
    }

    pub(super) fn note(&mut self, path: &Path, before: Option<String>, after: &str) {
        self.files.insert(key(path), Change { before, after: after.to_owned() });
    }

    pub(super) fn text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        Ok(text + "\n")
    }
}

fn key(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
