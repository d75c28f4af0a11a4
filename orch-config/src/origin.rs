//! Where each value of a configuration comes from.
//!
//! Nothing is recorded while files are read: the question is rare, and the texts that answer it are kept anyway.

use std::{fmt, path::PathBuf};

use jsonc_parser::ast;
use serde::Serialize;
use serde_json::Value;

use crate::{
    builtin::ROOCODE_BOOMERANG,
    config::Config,
    document::{Document, Spot},
    load::{Layer, Loaded},
    path::{Path, Segment},
    permission,
};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "origin", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// A file says so.
    File {
        /// The file; none for bytes that were read without one.
        file: Option<PathBuf>,
        /// The line, from 1.
        line: u32,
        /// The column in characters, from 1.
        column: u32,
    },
    /// It was given in code or on the command line.
    CommandLine,
    /// It belongs to a profile or a workflow that ships with orch.
    BuiltIn,
    /// Nobody says anything, and this is so then.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file: Some(file), line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::File { file: None, line, column } => write!(f, "given text:{line}:{column}"),
            Self::CommandLine => f.write_str("command line"),
            Self::BuiltIn => f.write_str("built in"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value of the configuration that is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// Its place, with ids in place of the indices of lists that merge by id: `$.profiles["coder"].model`.
    pub path: String,
    /// The value; lists that are replaced whole are one value.
    pub value: Value,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

impl Loaded {
    /// Every value that is in force, in the order of the file's own fields, and where it comes from.
    ///
    /// Reads the files' texts again, those that were loaded: it never touches a file.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let documents: Vec<Document> = self
            .files
            .iter()
            .map(|file| Document { file: file.path.clone(), text: file.text.clone() })
            .collect();
        let layers = self.files.iter().zip(&documents).rev();
        let search = Search {
            layers: layers
                .filter_map(|(file, document)| {
                    Some(Source { layer: file.layer, document, tree: document.tree().ok()? })
                })
                .collect(),
            config: as_written(&self.config),
            builtin: as_written(&Config::builtin()),
            loaded: self,
        };
        let mut settings = Vec::new();
        search.visit(&search.config, &Path::default(), &mut settings);
        settings
    }
}

fn as_written(config: &Config) -> Value {
    // Nothing in a configuration can fail to be written: keys are strings and numbers are finite.
    serde_json::to_value(config).unwrap_or_default()
}

/// A file, and what it says.
struct Source<'a> {
    layer: Layer,
    document: &'a Document,
    tree: ast::Value<'a>,
}

struct Search<'a> {
    /// Highest first.
    layers: Vec<Source<'a>>,
    config: Value,
    builtin: Value,
    loaded: &'a Loaded,
}

impl Search<'_> {
    fn visit(&self, value: &Value, path: &Path, settings: &mut Vec<Setting>) {
        match value {
            Value::Object(object) if !object.is_empty() && !is_one_value(path) => {
                for (key, value) in object {
                    // The id of an element is in its path.
                    if key != "id" || !matches!(path.0.last(), Some(Segment::Id(_))) {
                        self.visit(value, &path.clone().key(key), settings);
                    }
                }
            }
            Value::Array(elements) if has_elements_of_its_own(path) => {
                for (index, element) in elements.iter().enumerate() {
                    let by_id = element.get("id").and_then(Value::as_str).filter(|_| !ends_in(path, "steps"));
                    let path = path.clone();
                    let path = by_id.map_or_else(|| path.clone().index(index), |id| path.clone().id(id));
                    self.visit(element, &path, settings);
                }
            }
            _ => settings.push(Setting {
                path: path.to_string(),
                value: value.clone(),
                origin: self.origin(path, value),
            }),
        }
    }

    fn origin(&self, path: &Path, value: &Value) -> Origin {
        let mut replaced = false;
        for spellings in spellings(path) {
            match self.written(&spellings) {
                Written::Here(origin) if !is_capped(path) => return origin,
                Written::Here(_) | Written::Not => {}
                Written::Replaced => {
                    // What a step of `roocodeBoomerang` leaves out comes from the built-in step with its id.
                    replaced = spellings.contains(path);
                    break;
                }
            }
        }
        let derived = if is_capped(path) { caps(path) } else { inherited(path) };
        let found = derived.iter().find_map(|path| self.says(path, value));
        let found = found.or_else(|| self.tool(path)).or_else(|| self.prompt_file(path));
        found.unwrap_or_else(|| match !replaced && self.is_builtin(path, value) {
            true => Origin::BuiltIn,
            false => Origin::Default,
        })
    }

    /// The highest layer that has the value, under any of its spellings.
    fn written(&self, spellings: &[Path]) -> Written {
        for source in &self.layers {
            if let Some(spot) = spellings.iter().find_map(|path| source.exact(path)) {
                return Written::Here(source.origin(&spot));
            }
            // A list that is replaced whole hides those below it.
            let mut lists = spellings.iter().filter_map(list);
            if lists.any(|list| source.exact(&list).is_some()) {
                return Written::Replaced;
            }
        }
        Written::Not
    }

    /// The highest layer that has this very value at a place.
    fn says(&self, path: &Path, value: &Value) -> Option<Origin> {
        self.layers.iter().find_map(|source| {
            let spot = source.exact(path)?;
            source.has(&spot, value).then(|| source.origin(&spot))
        })
    }

    /// The tool whose refusal a permission is.
    fn tool(&self, path: &Path) -> Option<Origin> {
        let [_, id @ Segment::Id(_), Segment::Key(key), Segment::Key(name), ..] = path.0.as_slice() else {
            return None;
        };
        if key != "permission" {
            return None;
        }
        let tools = ["workers", "profiles"].map(|list| {
            Path(vec![Segment::Key(list.to_owned()), id.clone(), Segment::Key("tools".to_owned())])
        });
        self.layers.iter().find_map(|source| {
            tools.iter().find_map(|tools| {
                let keys = Document::keys_in(&source.tree, tools);
                let tool = keys.iter().rfind(|tool| permission::of_tool(&tool.to_lowercase()) == name)?;
                source.exact(&tools.clone().key(*tool)).map(|spot| source.origin(&spot))
            })
        })
    }

    /// A file in the folder for prompts that replaces the prompt of a built-in profile.
    fn prompt_file(&self, path: &Path) -> Option<Origin> {
        let [_, Segment::Id(id), Segment::Key(key)] = path.0.as_slice() else { return None };
        let mut files = self.loaded.prompt_files.iter().rev();
        let file = files.find(|file| file.profile.as_ref().is_some_and(|profile| profile.as_str() == id))?;
        (key == "systemPrompt").then(|| Origin::File { file: Some(file.path.clone()), line: 1, column: 1 })
    }

    /// Whether the value belongs to something built in. Steps are the same ones if they have the same id.
    fn is_builtin(&self, path: &Path, value: &Value) -> bool {
        let mut builtin = &self.builtin;
        let mut inside = false;
        for (depth, segment) in path.0.iter().enumerate() {
            let next = match segment {
                Segment::Key(key) => builtin.get(key),
                Segment::Id(id) => element(builtin, id),
                Segment::Index(_) => {
                    let here = path.0.get(..=depth).and_then(|here| look_up(&self.config, here));
                    here.and_then(|step| element(builtin, step.get("id")?.as_str()?))
                }
            };
            let Some(next) = next else { return false };
            inside |= !matches!(segment, Segment::Key(_));
            builtin = next;
        }
        inside && builtin == value
    }
}

enum Written {
    Here(Origin),
    Replaced,
    Not,
}

impl Source<'_> {
    fn exact(&self, path: &Path) -> Option<Spot> {
        Document::find_in(&self.tree, path).filter(|spot| spot.exact)
    }

    fn has(&self, spot: &Spot, value: &Value) -> bool {
        let text = self.document.text.get(spot.span.clone()).unwrap_or_default();
        let written: Option<Value> = serde_json::from_str(text).ok();
        match (written, value) {
            (Some(Value::Number(written)), Value::Number(value)) => written.as_f64() == value.as_f64(),
            (written, value) => written.as_ref() == Some(value),
        }
    }

    fn origin(&self, spot: &Spot) -> Origin {
        if self.layer == Layer::Overrides {
            return Origin::CommandLine;
        }
        let (line, column) = self.document.line_and_column(spot.span.start);
        Origin::File { file: self.document.file.clone(), line, column }
    }
}

/// The places that say the same thing, in groups of which an earlier one wins whatever the layer; within a group the
/// higher layer does.
fn spellings(path: &Path) -> Vec<Vec<Path>> {
    match path.0.as_slice() {
        [Segment::Key(list), id @ Segment::Id(_), rest @ ..] if list == "profiles" => {
            vec![["workers", "profiles"].map(|list| of_profile(list, id, rest)).concat()]
        }
        [_, _, Segment::Id(id), rest @ ..] if id == ROOCODE_BOOMERANG => {
            let mut own = Path::keys("workflows.roocodeBoomerang");
            own.0.extend_from_slice(rest);
            vec![vec![path.clone()], vec![own]]
        }
        _ => vec![vec![path.clone()]],
    }
}

fn of_profile(list: &str, id: &Segment, rest: &[Segment]) -> Vec<Path> {
    let profile = Path(vec![Segment::Key(list.to_owned()), id.clone()]);
    let mut own = profile.clone();
    own.0.extend_from_slice(rest);
    let mut paths = vec![own];
    match rest {
        [Segment::Key(key)] if key == "kind" => paths.push(profile.key("backend")),
        [Segment::Key(key)] if key == "systemPrompt" => paths.push(profile.key("promptFile")),
        _ => {}
    }
    paths
}

/// Numbers of which the lowest counts, wherever it is written.
fn is_capped(path: &Path) -> bool {
    ends_in(path, "timeoutMs")
        || matches!(path.0.as_slice(), [_, _, Segment::Id(_), Segment::Key(key), _] if key == "limits" || key == "budget")
        || matches!(path.0.as_slice(), [_, Segment::Key(key), _] if key == "limits")
}

/// The places that such a number may come from, the nearest first.
fn caps(path: &Path) -> Vec<Path> {
    let name = match path.0.last() {
        Some(Segment::Key(key)) if key == "timeoutMs" => "perStepTimeoutMs",
        Some(Segment::Key(key)) => key,
        _ => return Vec::new(),
    };
    let mut places: Vec<Path> = spellings(path).concat();
    if let [_, _, _, Segment::Key(key), Segment::Key(name)] = path.0.as_slice()
        && key == "budget"
    {
        places.push(Path::keys("workflows.budget").key(name));
        return places;
    }
    if let [_, _, Segment::Id(id), ..] = path.0.as_slice() {
        places.push(Path::workflow(id).key("limits").key(name));
        if id == ROOCODE_BOOMERANG {
            places.push(Path::keys("workflows.roocodeBoomerang").key(name));
        }
    }
    places.extend(["workflows.limits", "security.workflows"].map(|object| Path::keys(object).key(name)));
    places
}

/// The places that a value which is not written is taken from, the nearest first.
fn inherited(path: &Path) -> Vec<Path> {
    match path.0.as_slice() {
        [_, _, Segment::Id(id), .., Segment::Key(key)] if key == "idleWarningMs" => {
            let own = Path::workflow(id).key("limits");
            [own, Path::keys("workflows.limits"), Path::keys("security.workflows")]
                .map(|object| object.key("idleWarningMs"))
                .to_vec()
        }
        // One action is short for the same action under `*`.
        [_, id @ Segment::Id(_), Segment::Key(key), Segment::Key(name), Segment::Key(pattern)]
            if key == "permission" && pattern == "*" =>
        {
            let action = [Segment::Key("permission".to_owned()), Segment::Key(name.clone())];
            ["workers", "profiles"].iter().flat_map(|list| of_profile(list, id, &action)).collect()
        }
        [_, _, Segment::Id(_), Segment::Key(key)] if key.starts_with("gate") => {
            vec![Path::keys("workflows").key(key)]
        }
        _ => Vec::new(),
    }
}

/// The list of steps that a place is in.
fn list(path: &Path) -> Option<Path> {
    let at = path.0.iter().position(|segment| matches!(segment, Segment::Index(_)))?;
    Some(Path(path.0.get(..at)?.to_vec()))
}

fn ends_in(path: &Path, key: &str) -> bool {
    matches!(path.0.last(), Some(Segment::Key(last)) if last == key)
}

fn has_elements_of_its_own(path: &Path) -> bool {
    ["profiles", "definitions", "steps"].iter().any(|list| ends_in(path, list))
}

/// A schema is one value, however deep it is.
fn is_one_value(path: &Path) -> bool {
    ends_in(path, "output") && path.0.iter().any(|segment| matches!(segment, Segment::Index(_)))
}

fn look_up<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
        Segment::Id(id) => element(value, id),
    })
}

fn element<'a>(list: &'a Value, id: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|element| element.get("id").is_some_and(|found| found == id))
}
