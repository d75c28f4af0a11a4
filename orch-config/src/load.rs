//! From the files of a project to its configuration.
//!
//! The only place that touches files. It never reads the environment: [`LoadOptions::discover`] is handed one.

mod source;

use std::{
    ffi::OsString,
    io,
    path::{Path as FilePath, PathBuf},
};

use jsonc_parser::ast;

use self::source::{bytes_below, bytes_of, leading_out, same_file, unreadable};
use crate::{
    SourceText, check, code,
    config::Config,
    diagnostic::{Diagnostic, Diagnostics, Severity},
    document::{self, Document, Read},
    file,
    issue::{self, Issue},
    model::{Root, layer::Merge},
    prompt::Prompts,
    resolve,
    trust::{self, Evidence, Grants, Trust, TrustError, TrustRecords},
};
pub use crate::{
    document::{MAX_BYTES, MAX_DEPTH},
    prompt::{MAX_BYTES as MAX_PROMPT_BYTES, MAX_TOTAL_BYTES as MAX_PROMPT_TOTAL_BYTES, PromptFile},
};

/// The name of the file, wherever it is.
pub const FILE_NAME: &str = "orchestrator.json";

/// Where to look, and how strict to be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The directory that is worked in.
    pub directory: PathBuf,
    /// The root of its worktree, if it has one.
    pub worktree: Option<PathBuf>,
    /// The person's own file.
    pub global_file: Option<PathBuf>,
    /// This file in place of the project's; it must exist.
    pub project_file: Option<PathBuf>,
    /// Whether warnings are errors.
    pub strict: bool,
    /// Whether the project's file may use everything, whatever it says.
    pub trust: Trust,
    /// Where it is recorded what a person trusts. A project that is just as it was trusted may use everything, too.
    pub trust_records: Option<TrustRecords>,
    /// JSON in the shape of the file that goes over all files.
    pub overrides: Option<String>,
}

impl LoadOptions {
    /// A project's own file and nothing else, not trusted.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            worktree: None,
            global_file: None,
            project_file: None,
            strict: false,
            trust: Trust::Untrusted,
            trust_records: None,
            overrides: None,
        }
    }

    /// The files that apply to a directory, given the environment: `XDG_CONFIG_HOME`, else `HOME`. The worktree is the
    /// nearest directory above with a `.git` in it.
    #[must_use]
    pub fn discover(directory: impl Into<PathBuf>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut options = Self::new(directory);
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        options.global_file = config.map(|config| config.join("opencode").join(FILE_NAME));
        options.worktree = options
            .directory
            .ancestors()
            .find(|above| above.join(".git").symlink_metadata().is_ok())
            .map(FilePath::to_owned);
        options
    }

    /// Checks one file by itself, wherever it is.
    #[must_use]
    pub fn only(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let parent =
            file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(FilePath::new("."));
        let mut options = Self::new(parent);
        options.project_file = Some(file);
        options
    }

    /// Where the project's file may be; the first that exists is the one.
    #[must_use]
    pub fn project_candidates(&self) -> Vec<PathBuf> {
        let mut candidates = Vec::new();
        for folder in [".opencode", ""] {
            for root in [Some(&self.directory), self.worktree.as_ref()].into_iter().flatten() {
                let candidate = root.join(folder).join(FILE_NAME);
                if !candidates.contains(&candidate) {
                    candidates.push(candidate);
                }
            }
        }
        candidates
    }

    /// The root of the project that a file is in: its worktree, else the directory that is worked in.
    #[must_use]
    pub fn root_of(&self, file: &FilePath) -> &FilePath {
        self.worktree.as_deref().filter(|worktree| file.starts_with(worktree)).unwrap_or(&self.directory)
    }
}

/// Which layer a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// The person's own file.
    Global,
    /// The project's file.
    Project,
    /// Values given in code or on the command line.
    Overrides,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFile {
    /// Which layer it is.
    pub layer: Layer,
    /// Where it is; overrides have no file.
    pub path: Option<PathBuf>,
    /// Its text, so that problems in it can be shown. Spans count in its bytes.
    pub text: SourceText,
}

/// A configuration, and what it came from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is not wrong but not as it seems.
    pub warnings: Diagnostics,
    /// What was read, lowest layer first.
    pub files: Vec<SourceFile>,
    /// The prompt files and snippets that were read beside them. What ships with orch is not listed.
    pub prompt_files: Vec<PromptFile>,
    /// What of the project has a say: what is trusted with it.
    pub evidence: Evidence,
    /// What the project asks for that only a trusted one may have: errors where it is not trusted.
    pub reach: Diagnostics,
    /// The directory under `trust` in the person's own file that covers the project: it is trusted whatever it says.
    pub granted_by: Option<PathBuf>,
}

/// A configuration that was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{diagnostics}")]
#[non_exhaustive]
pub struct LoadError {
    /// Everything that is wrong, warnings included.
    pub diagnostics: Diagnostics,
    /// What was read, lowest layer first.
    pub files: Vec<SourceFile>,
}

impl LoadError {
    /// Whether the configuration would load if a person trusted the project.
    #[must_use]
    pub fn is_about_trust_alone(&self) -> bool {
        let mut errors =
            self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).peekable();
        errors.peek().is_some() && errors.all(|error| error.code == code::UNTRUSTED)
    }

    /// The code of the first error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        errors.map(|diagnostic| diagnostic.code).next().unwrap_or(code::INVALID_VALUE)
    }
}

/// Loads the configuration of a project.
///
/// # Errors
/// Everything that is wrong in any of the files, at once. A configuration with one error is refused whole.
pub fn load(options: &LoadOptions) -> Result<Loaded, LoadError> {
    let mut stack = Stack::new(&options.directory);
    stack.replace_prompts(&project_prompts(options));
    if let Some(path) = &options.global_file {
        match bytes_of(path) {
            Ok(Some(bytes)) => {
                stack.push(Layer::Global, Some(path), bytes, &global_prompts(path));
            }
            Ok(None) => {}
            Err(error) => stack.problems.push(unreadable(path, &error)),
        }
    }
    project(options, &mut stack);
    stack.judge(options.trust, options.trust_records.as_ref());
    if let Some(overrides) = &options.overrides {
        let prompts = project_prompts(options);
        stack.push(Layer::Overrides, None, overrides.clone().into_bytes(), &prompts);
    }
    stack.settle(options.strict).map(|mut loaded| {
        if let Some(path) = loaded.config.store.path.as_mut() {
            *path = options.directory.join(&*path);
        }
        loaded
    })
}

/// Reads one file's bytes over what is built in, without touching any file. Prompt files are the built-in ones.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(bytes: &[u8], origin: Option<&FilePath>, trust: Trust) -> Result<Loaded, LoadError> {
    let mut stack = Stack::new(FilePath::new(""));
    stack.push(Layer::Project, origin, bytes.to_vec(), &Prompts::default());
    stack.judge(trust, None);
    stack.settle(false)
}

/// The bytes of a configuration file that is to be changed: a regular file, and not too large for one.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn read(path: &FilePath) -> Result<Vec<u8>, LoadError> {
    bytes_of(path).and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into())).map_err(|error| {
        LoadError { diagnostics: Diagnostics(vec![unreadable(path, &error)]), files: Vec::new() }
    })
}

/// The same of a file that a project has, and that nobody named: no link leads out of `root`.
///
/// # Errors
/// It is not there, cannot be read, or is a link that leads out.
pub fn read_below(root: &FilePath, path: &FilePath) -> Result<Vec<u8>, LoadError> {
    let read = bytes_below(root, path);
    read.and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into())).map_err(|error| {
        let found = match file::leads_out(&error) {
            true => leading_out(path, "put the file itself in the place of the link, or name it"),
            false => unreadable(path, &error),
        };
        LoadError { diagnostics: Diagnostics(vec![found]), files: Vec::new() }
    })
}

fn project(options: &LoadOptions, stack: &mut Stack<'_>) {
    let explicit = options.project_file.is_some();
    let candidates =
        options.project_file.clone().map_or_else(|| options.project_candidates(), |file| vec![file]);
    let mut chosen: Option<PathBuf> = None;
    for path in candidates {
        if options.global_file.as_ref().is_some_and(|global| !explicit && same_file(global, &path)) {
            continue;
        }
        if let Some(chosen) = &chosen {
            if path.symlink_metadata().is_ok() && !same_file(chosen, &path) {
                stack.problems.push(second_file(&path, chosen));
            }
            continue;
        }
        // Whoever names a file means it, wherever it is.
        let read = if explicit { bytes_of(&path) } else { bytes_below(options.root_of(&path), &path) };
        let read = match read {
            Err(error) if file::leads_out(&error) => {
                let help = "put the file itself in the place of the link, or trust the project";
                stack.reach.push(leading_out(&path, help));
                match stack.trusted_bytes(options, &path) {
                    Some(read) => read.map(Some),
                    None => {
                        chosen = Some(path);
                        continue;
                    }
                }
            }
            read => read,
        };
        match read {
            Ok(Some(bytes)) => {
                stack.push(Layer::Project, Some(&path), bytes, &project_prompts(options));
            }
            Ok(None) if explicit => stack.problems.push(unreadable(&path, &io::ErrorKind::NotFound.into())),
            Ok(None) => continue,
            Err(error) => stack.problems.push(unreadable(&path, &error)),
        }
        chosen = Some(path);
    }
}

fn project_prompts(options: &LoadOptions) -> Prompts {
    let mut prompts = Prompts::default();
    prompts.add(&options.directory, ".opencode/orch/prompts");
    if let Some(worktree) = options.worktree.as_ref().filter(|worktree| **worktree != options.directory) {
        prompts.add(worktree, ".opencode/orch/prompts");
    }
    prompts
}

fn global_prompts(file: &FilePath) -> Prompts {
    let mut prompts = Prompts::default();
    if let Some(folder) = file.parent() {
        prompts.add(folder, "orch/prompts");
    }
    prompts
}

fn second_file(path: &FilePath, chosen: &FilePath) -> Diagnostic {
    let message = format!("this file is not read: {} comes first", chosen.display());
    Diagnostic {
        file: Some(path.to_owned()),
        ..Diagnostic::new(code::SECOND_FILE, Severity::Warning, message)
    }
    .with_help("move what you need into one of the two and remove the other")
}

fn untold(error: &TrustError) -> Diagnostic {
    let message = format!("the project counts as not trusted: {error}");
    Diagnostic {
        file: Some(error.path.clone()),
        ..Diagnostic::new(code::TRUST_RECORD, Severity::Warning, message)
    }
    .with_help("trust the project again, or take the trust back")
}

/// The files read so far, lowest first, merged.
struct Stack<'d> {
    directory: &'d FilePath,
    merged: Root,
    layers: Vec<(Layer, Document)>,
    problems: Vec<Diagnostic>,
    prompt_files: Vec<PromptFile>,
    evidence: Evidence,
    reach: Vec<Diagnostic>,
    grants: Grants,
    granted_by: Option<PathBuf>,
    trust: Trust,
}

impl<'d> Stack<'d> {
    fn new(directory: &'d FilePath) -> Self {
        Self {
            directory,
            merged: Root::default(),
            layers: Vec::new(),
            problems: Vec::new(),
            prompt_files: Vec::new(),
            evidence: Evidence::of(directory),
            reach: Vec::new(),
            grants: Grants::default(),
            granted_by: None,
            trust: Trust::Untrusted,
        }
    }

    /// Lets files of the project replace the built-in prompts.
    fn replace_prompts(&mut self, prompts: &Prompts) {
        let mut root = prompts.replacements();
        let inlined = prompts.inline(&mut root);
        self.problems.extend(inlined.issues.into_iter().map(Issue::unplaced));
        self.witness(&inlined.files);
        self.prompt_files.extend(inlined.files);
        self.merged.merge(root);
    }

    fn push(&mut self, layer: Layer, path: Option<&FilePath>, bytes: Vec<u8>, prompts: &Prompts) {
        let Read { document, mut root, problems } = document::read(bytes, path.map(FilePath::to_owned));
        self.problems.extend(problems);
        let mut issues = resolve::duplicates(&root);
        if layer == Layer::Global {
            let (grants, refused) = Grants::take(&mut root);
            self.grants = grants;
            issues.extend(refused);
        } else {
            issues.extend(Grants::refuse(&mut root));
        }
        if layer == Layer::Project {
            let reach = trust::refusals(&root, &self.merged);
            self.reach.extend(place(reach, &[&document]));
        }
        resolve::gather_profiles(&mut root);
        let inlined = prompts.inline(&mut root);
        if layer == Layer::Project {
            self.evidence.add(
                self.directory,
                path.unwrap_or(FilePath::new(FILE_NAME)),
                document.text.clone(),
            );
            self.witness(&inlined.files);
        }
        issues.extend(inlined.issues);
        self.prompt_files.extend(inlined.files);
        self.problems.extend(place(issues, &[&document]));
        self.merged.merge(root);
        self.layers.push((layer, document));
    }

    /// The bytes of a project's file that leads out of it: none unless the project is trusted already, for what it is
    /// now. What is outside has not been looked at otherwise, and no line of it can be shown.
    fn trusted_bytes(&self, options: &LoadOptions, path: &FilePath) -> Option<io::Result<Vec<u8>>> {
        let directory = &self.evidence.directory;
        let read = || file::read(path, MAX_BYTES as u64);
        if options.trust == Trust::Trusted || self.grants.cover(directory).is_some() {
            return Some(read());
        }
        let trusted = options.trust_records.as_ref()?.find(directory).ok()??;
        let bytes = read().ok()?;
        let Read { document, .. } = document::read(bytes.clone(), None);
        let is_what_was_trusted = trusted.has(self.directory, path, &document.text);
        is_what_was_trusted.then_some(Ok(bytes))
    }

    fn witness(&mut self, prompts: &[PromptFile]) {
        for file in prompts {
            self.evidence.add(self.directory, &file.path, file.text.clone().into());
        }
    }

    /// Decides on trust once everything of the project has been read: it is what was read that is trusted or not.
    fn judge(&mut self, given: Trust, records: Option<&TrustRecords>) {
        self.trust = given;
        self.granted_by = self.grants.cover(&self.evidence.directory).map(FilePath::to_owned);
        if self.granted_by.is_some() {
            self.trust = Trust::Trusted;
        }
        match records.map(|records| records.trusts(&self.evidence)) {
            Some(Ok(true)) => self.trust = Trust::Trusted,
            Some(Ok(false)) | None => {}
            Some(Err(error)) => self.problems.push(untold(&error)),
        }
        if self.trust == Trust::Untrusted {
            self.problems.extend(self.reach.iter().cloned());
        }
    }

    fn settle(self, strict: bool) -> Result<Loaded, LoadError> {
        let broken = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        let (mut config, mut issues) = resolve::resolve(self.merged);
        config.trust = self.trust;
        issues.extend(check::issues(&config));
        // What is left of a broken list may look empty without being it.
        issues.retain(|issue| {
            !(broken && matches!(issue.code, code::EMPTY_WORKFLOW | code::EMPTY_GROUP | code::MISSING_KEY))
        });
        let documents: Vec<_> = self.layers.iter().map(|(_, document)| document).collect();
        let mut problems = self.problems;
        for problem in place(issues, &documents) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let order = |problem: &Diagnostic| {
            let layer = documents.iter().position(|document| document.file == problem.file);
            (layer, problem.span.as_ref().map(|span| span.start))
        };
        problems.sort_by_key(order);
        if strict {
            problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        }
        let diagnostics = Diagnostics(problems);
        let files = self.layers.into_iter().map(|(layer, Document { file, text })| SourceFile {
            layer,
            path: file,
            text,
        });
        let files = files.collect();
        if diagnostics.has_errors() {
            return Err(LoadError { diagnostics, files });
        }
        Ok(Loaded {
            config,
            warnings: diagnostics,
            files,
            prompt_files: self.prompt_files,
            evidence: self.evidence,
            reach: Diagnostics(self.reach),
            granted_by: self.granted_by,
        })
    }
}

/// Gives problems their places, as many as are told.
fn place(mut issues: Vec<Issue>, documents: &[&Document]) -> Vec<Diagnostic> {
    if issues.is_empty() {
        return Vec::new();
    }
    issue::limit(&mut issues, |issue| issue);
    // The highest layer first.
    let trees: Vec<_> =
        documents.iter().rev().filter_map(|document| Some((*document, document.tree().ok()?))).collect();
    issues.into_iter().map(|issue| place_one(issue, &trees)).collect()
}

/// Finds the file that is to blame: the highest layer that has the place, else the highest that has the thing it is in.
fn place_one(issue: Issue, trees: &[(&Document, ast::Value<'_>)]) -> Diagnostic {
    let spots: Vec<_> = trees
        .iter()
        .filter_map(|(document, tree)| Some((document, Document::find(tree, &issue.path)?)))
        .collect();
    let best = spots.iter().find(|(_, spot)| spot.exact).or_else(|| spots.first());
    match best {
        Some((document, spot)) => {
            let within = issue.within.filter(|_| spot.exact);
            let span = within.and_then(|offset| document.within(&spot.span, offset));
            let diagnostic = Issue { path: spot.path.clone(), ..issue }.unplaced();
            document.place(Some(span.unwrap_or_else(|| spot.span.clone())), diagnostic)
        }
        None => issue.unplaced(),
    }
}
