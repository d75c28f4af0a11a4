//! Prompt files: where they are looked up, and that none leads out of its root.

use std::{
    fs,
    io::{self, Read},
    path::{Component, Path as FilePath, PathBuf},
};

use crate::{
    builtin, code,
    id::ProfileId,
    issue::Issue,
    model::{
        Root,
        list::ById,
        profile::ProfilePatch,
        table::{ProfileEntry, Text},
    },
    path::Path,
};

/// The largest prompt file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;

/// The folders in which the prompt files of one configuration file are looked up, first match first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prompts {
    folders: Vec<Folder>,
}

#[derive(Debug, Clone)]
struct Folder {
    /// What the folder must not lead out of.
    base: PathBuf,
    folder: PathBuf,
}

impl Prompts {
    /// Looks below `folder` too, which must itself be inside `base`.
    pub(crate) fn add(&mut self, base: &FilePath, folder: &str) {
        self.folders.push(Folder { base: base.to_owned(), folder: base.join(folder) });
    }

    /// Puts the text of every `promptFile` in its place, so that merging needs no files.
    pub(crate) fn inline(&self, root: &mut Root) -> Vec<Issue> {
        let mut issues = Vec::new();
        let profiles = root.profiles.iter_mut().flat_map(|profiles| &mut profiles.0);
        for entry in profiles {
            let ProfileEntry::Patch(patch) = entry else { continue };
            let Some(name) = patch.prompt_file.take().map(|name| name.0) else { continue };
            let place = Path::profile(patch.id.as_str()).key("promptFile");
            if patch.system_prompt.is_some() {
                issues.push(Issue::warning(
                    code::NO_EFFECT,
                    place,
                    "`promptFile` has no effect beside `systemPrompt`",
                ));
                continue;
            }
            match self.text(&name) {
                Ok(text) => patch.system_prompt = text.into(),
                Err(reason) => {
                    let help = format!("looked in {}", self.describe());
                    issues.push(
                        Issue::error(code::PROMPT_FILE, place, format!("the prompt file {name:?} {reason}"))
                            .help(help),
                    );
                }
            }
        }
        issues
    }

    /// A layer in which the files that replace built-in prompts do so.
    pub(crate) fn replacements(&self) -> Root {
        let mut root = Root::default();
        if !self.folders.iter().any(|folder| folder.folder.is_dir()) {
            return root;
        }
        let replaced = builtin::profiles().map(|profile| profile.id).filter(|id| {
            let name = builtin::prompt_file(id.as_str());
            self.folders.iter().any(|folder| folder.folder.join(&name).symlink_metadata().is_ok())
        });
        root.profiles = ById(replaced.map(replacement).collect()).into();
        root
    }

    fn describe(&self) -> String {
        let folders = self.folders.iter().map(|folder| folder.folder.display().to_string());
        folders.chain(["the prompts that ship with orch".to_owned()]).collect::<Vec<_>>().join(", ")
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let relative = FilePath::new(name);
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || name.contains(['\0', '\\']) {
            return Err("leads out of its folder".to_owned());
        }
        for folder in &self.folders {
            match folder.read(relative) {
                Ok(Some(text)) => return Ok(text),
                Ok(None) => {}
                Err(reason) => return Err(reason),
            }
        }
        builtin::prompt_text(name).map(str::to_owned).ok_or_else(|| "does not exist".to_owned())
    }
}

fn replacement(id: ProfileId) -> ProfileEntry {
    let name = builtin::prompt_file(id.as_str());
    ProfileEntry::Patch(Box::new(ProfilePatch {
        prompt_file: Text(name).into(),
        ..ProfilePatch::from((id,))
    }))
}

impl Folder {
    fn read(&self, name: &FilePath) -> Result<Option<String>, String> {
        let path = self.folder.join(name);
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let folder = self.folder.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        let base = self.base.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        if !folder.starts_with(&base) || !real.starts_with(&folder) {
            return Err("leads out of its folder".to_owned());
        }
        // Opening a pipe or a device could wait for ever.
        if !fs::metadata(&real).is_ok_and(|metadata| metadata.is_file()) {
            return Err("is not a regular file".to_owned());
        }
        let mut bytes = Vec::new();
        fs::File::open(&real)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("has more than {MAX_BYTES} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
    }
}
