//! Prompt files and snippets: where they are looked up, that none leads out of its root, and how they get into a file's
//! values before files are merged.

use std::{
    cell::Cell,
    io,
    path::{Component, Path as FilePath, PathBuf},
};

use crate::{
    builtin, code, file,
    id::ProfileId,
    issue::Issue,
    model::{
        Root,
        list::ById,
        node::Node,
        profile::ProfilePatch,
        table::{ProfileEntry, Text},
    },
    path::Path,
    place::Place,
    snippet,
};

/// The largest prompt file or snippet that is read, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;
/// How much text prompt files and snippets may put into one configuration file, in bytes.
pub const MAX_TOTAL_BYTES: u64 = 8 * 1024 * 1024;

/// The folders in which the prompt files of one configuration file are looked up, first match first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prompts {
    folders: Vec<Folder>,
    taken: Cell<u64>,
}

#[derive(Debug, Clone)]
struct Folder {
    /// What the folder must not lead out of.
    base: PathBuf,
    /// Its path from there.
    folder: PathBuf,
}

/// A prompt file or a snippet that was read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptFile {
    /// Where it is.
    pub path: PathBuf,
    /// The profile whose system prompt it is; none for a snippet.
    pub profile: Option<ProfileId>,
    /// Its text.
    pub text: String,
}

/// What putting texts in their places came to.
#[derive(Debug, Default)]
pub(crate) struct Inlined {
    pub(crate) issues: Vec<Issue>,
    pub(crate) files: Vec<PromptFile>,
}

impl Prompts {
    /// Looks below `folder` too, which must itself be inside `base`.
    pub(crate) fn add(&mut self, base: &FilePath, folder: &str) {
        self.folders.push(Folder { base: base.to_owned(), folder: folder.into() });
    }

    /// Puts the text of every `promptFile` and of every snippet in its place, so that merging needs no files.
    pub(crate) fn inline(&self, root: &mut Root) -> Inlined {
        let mut inlined = Inlined::default();
        for entry in root.profiles.iter_mut().flat_map(|profiles| &mut profiles.0) {
            let ProfileEntry::Patch(patch) = entry else { continue };
            let id = &patch.id;
            let place = || Path::profile(id.as_str());
            let key = match patch.prompt_file.take() {
                None => "systemPrompt",
                Some(_) if patch.system_prompt.is_some() => {
                    let message = "`promptFile` has no effect beside `systemPrompt`";
                    inlined.issues.push(Issue::warning(code::NO_EFFECT, place().key("promptFile"), message));
                    "systemPrompt"
                }
                Some(name) => {
                    match self.find(&name.0) {
                        Ok(found) => {
                            inlined.read(&found, Some(id));
                            patch.system_prompt = found.text.into();
                        }
                        Err(reason) => {
                            let message = format!("the prompt file {:?} {reason}", name.0);
                            let issue = Issue::error(code::PROMPT_FILE, place().key("promptFile"), message);
                            inlined.issues.push(issue.help(format!("looked in {}", self.describe())));
                        }
                    }
                    "promptFile"
                }
            };
            if let Some(text) = patch.system_prompt.as_mut() {
                self.put_in(text, || place().key(key), &mut inlined);
            }
        }
        let Some(workflows) = root.workflows.as_mut() else { return inlined };
        for definition in workflows.definitions.iter_mut().flat_map(|definitions| &mut definitions.0) {
            let id = definition.id.clone();
            for (index, node) in definition.steps.iter_mut().flatten().enumerate() {
                let in_group = matches!(node, Node::Group(_));
                for (member, step) in node.steps_mut().iter_mut().enumerate() {
                    let place = Place { node: index, member: in_group.then_some(member) };
                    self.put_in(&mut step.prompt, || place.path(&id).key("prompt"), &mut inlined);
                }
            }
        }
        let boomerang =
            workflows.roocode_boomerang.iter_mut().flat_map(|boomerang| boomerang.steps.iter_mut());
        for (index, step) in boomerang.flatten().enumerate() {
            let place = || Path::keys("workflows.roocodeBoomerang.steps").index(index).key("prompt");
            if let Some(prompt) = step.prompt.as_mut() {
                self.put_in(prompt, place, &mut inlined);
            }
        }
        inlined
    }

    /// Replaces the snippets that a template names.
    fn put_in(&self, template: &mut String, place: impl FnOnce() -> Path, inlined: &mut Inlined) {
        let Some(expanded) = snippet::expand(template, |name| self.find(name)) else { return };
        *template = expanded.text;
        expanded.snippets.into_iter().for_each(|snippet| inlined.read(&snippet, None));
        if expanded.problems.is_empty() {
            return;
        }
        let place = place();
        inlined.issues.extend(expanded.problems.into_iter().map(|message| {
            Issue::error(code::SNIPPET, place.clone(), message).help(format!("looked in {}", self.describe()))
        }));
    }

    /// A layer in which the files that replace built-in prompts do so.
    pub(crate) fn replacements(&self) -> Root {
        let mut root = Root::default();
        if !self.folders.iter().any(|folder| folder.path().is_dir()) {
            return root;
        }
        let replaced = builtin::profiles().map(|profile| profile.id).filter(|id| {
            let name = builtin::prompt_file(id.as_str());
            self.folders.iter().any(|folder| folder.path().join(&name).symlink_metadata().is_ok())
        });
        root.profiles = ById(replaced.map(replacement).collect()).into();
        root
    }

    fn describe(&self) -> String {
        let folders = self.folders.iter().map(|folder| folder.path().display().to_string());
        folders.chain(["the prompts that ship with orch".to_owned()]).collect::<Vec<_>>().join(", ")
    }

    /// The text of this name, from the first folder that has it, else from what ships with orch.
    fn find(&self, name: &str) -> Result<Found, String> {
        let relative = FilePath::new(name);
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || name.contains(['\0', '\\']) {
            return Err("leads out of its folder".to_owned());
        }
        // What is refused already is not read thousands of times more.
        self.taken(0)?;
        for folder in &self.folders {
            if let Some(text) = folder.read(relative)? {
                return self.within_total(Found { text, file: Some(folder.path().join(relative)) });
            }
        }
        match builtin::prompt_text(name) {
            Some(text) => self.within_total(Found { text: text.to_owned(), file: None }),
            None => Err("does not exist".to_owned()),
        }
    }

    /// One small file that is named thousands of times would fill the memory.
    fn within_total(&self, found: Found) -> Result<Found, String> {
        self.taken(found.text.len() as u64).map(|()| found)
    }

    fn taken(&self, more: u64) -> Result<(), String> {
        self.taken.set(self.taken.get().saturating_add(more));
        if self.taken.get() > MAX_TOTAL_BYTES {
            return Err(format!("is too much: prompt files may add {MAX_TOTAL_BYTES} bytes in all"));
        }
        Ok(())
    }
}

/// A text that was looked up.
pub(crate) struct Found {
    pub(crate) text: String,
    /// Where it is; none if it ships with orch.
    pub(crate) file: Option<PathBuf>,
}

impl Inlined {
    /// Notes what was read from a file; what ships with orch has none.
    fn read(&mut self, found: &Found, profile: Option<&ProfileId>) {
        self.files.extend(found.file.clone().map(|path| PromptFile {
            path,
            profile: profile.cloned(),
            text: found.text.clone(),
        }));
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
    fn path(&self) -> PathBuf {
        self.base.join(&self.folder)
    }

    fn read(&self, name: &FilePath) -> Result<Option<String>, String> {
        let bytes = match file::read_below(&self.base, &self.folder, name, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if file::leads_out(&error) => return Err("leads out of its folder".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(format!("has more than {MAX_BYTES} bytes"));
            }
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
    }
}
