//! What OpenCode's terminal interface takes in its settings. One value that it does not take, and it goes without the
//! whole file and says so in its log alone (observed with 1.18.33, value by value).

use std::{
    fmt,
    path::{Path, PathBuf},
};

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{NumberLit, ObjectProp, Value},
    common::Ranged as _,
    parse_to_ast,
};
use orch::config::jsonc;

use crate::{exit::Failure, file::Files};

/// A file of settings, and why the interface would go without it, if it would.
pub(crate) type Examined = (PathBuf, Result<(), String>);

/// Every file in this folder that the interface reads.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn examine(files: &Files, folder: &Path) -> Result<Vec<Examined>, Failure> {
    let mut examined = Vec::new();
    for name in ["tui.json", "tui.jsonc"] {
        let name = folder.join(name);
        if let Some(text) = files.text(&name)? {
            examined.push((files.path(&name), check(&text)));
        }
    }
    Ok(examined)
}

/// Whether the interface takes this text.
///
/// # Errors
/// Everything that it does not take, in words and with its place.
pub(super) fn check(text: &str) -> Result<(), String> {
    let text = text.trim_start_matches('\u{feff}');
    jsonc::check(text)?;
    // What is such JSON is read alike with every liberty.
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| error.to_string())?;
    // Something else than an object counts as an empty one.
    let Some(Value::Object(settings)) = &parsed.value else { return Ok(()) };
    // An object `tui` stands for what is in it, as if that stood before everything else.
    let (nested, beside): (Vec<_>, Vec<_>) =
        settings.properties.iter().partition(|property| property.name.as_str() == "tui");
    let nested = nested.last().and_then(|tui| tui.value.as_object());
    let properties = nested.into_iter().flat_map(|tui| &tui.properties).chain(beside);
    let mut found = Vec::new();
    check_fields(SETTINGS, properties, settings.start(), "", &mut found);
    if found.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = found.iter().map(|mistake| mistake.told(text)).collect();
    Err(told.join("; "))
}

/// A value that is not taken.
struct Mistake {
    /// Where it begins, in bytes.
    start: usize,
    path: String,
    taken: &'static Shape,
}

impl Mistake {
    fn told(&self, text: &str) -> String {
        let before = &text[..self.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
        format!("`{}` has to be {} on line {line} column {column}", self.path, self.taken)
    }
}

/// What is taken.
enum Shape {
    Text,
    Flag,
    False,
    /// A number of at least this.
    AtLeast(f64),
    /// From nothing to all.
    Share,
    /// A whole number above 0.
    Count,
    Word(&'static [&'static str]),
    /// What is taken for these names, whatever else is there.
    Object(&'static [Field]),
    /// The same for every name.
    Each(&'static Shape),
    List(&'static Shape),
    Pair(&'static Shape, &'static Shape),
    /// One of several, and what they are called.
    Any(&'static str, &'static [Shape]),
}

/// What is taken for a name.
struct Field {
    name: &'static str,
    taken: Shape,
    is_needed: bool,
}

const fn field(name: &'static str, taken: Shape) -> Field {
    Field { name, taken, is_needed: false }
}

const fn needed(name: &'static str, taken: Shape) -> Field {
    Field { name, taken, is_needed: true }
}

static SETTINGS: &[Field] = &[
    field("$schema", Shape::Text),
    field("theme", Shape::Text),
    // A name that the interface does not know may have anything; which it knows is another matter in each version.
    field("keybinds", Shape::Each(&KEYS)),
    field("plugin", Shape::List(&PLUGIN)),
    field("plugin_enabled", Shape::Each(&Shape::Flag)),
    field("leader_timeout", Shape::Count),
    field("attention", Shape::Object(ATTENTION)),
    field("prompt", Shape::Object(&[field("max_height", Shape::Count), field("max_width", WIDTH)])),
    field("scroll_speed", Shape::AtLeast(0.001)),
    field("scroll_acceleration", Shape::Object(&[needed("enabled", Shape::Flag)])),
    field("diff_style", Shape::Word(&["auto", "stacked"])),
    field("cursor", Shape::Object(&[field("style", CURSOR), field("blinking", Shape::Flag)])),
    field("mouse", Shape::Flag),
];

const ATTENTION: &[Field] = &[
    field("enabled", Shape::Flag),
    field("notifications", Shape::Flag),
    field("sound", Shape::Flag),
    field("volume", Shape::Share),
    field("sound_pack", Shape::Text),
    field("sounds", Shape::Object(SOUNDS)),
];

const SOUNDS: &[Field] = &[
    field("default", Shape::Text),
    field("question", Shape::Text),
    field("permission", Shape::Text),
    field("error", Shape::Text),
    field("done", Shape::Text),
    field("subagent_done", Shape::Text),
];

const WIDTH: Shape =
    Shape::Any("a whole number above 0, or \"auto\"", &[Shape::Count, Shape::Word(&["auto"])]);

const CURSOR: Shape = Shape::Word(&["block", "underline", "line", "default"]);

static PLUGIN: Shape = Shape::Any(
    "a name, or a list of a name and its options",
    &[Shape::Text, Shape::Pair(&Shape::Text, &Shape::Object(&[]))],
);

static KEYS: Shape = Shape::Any("a key, a list of keys, or false", &[Shape::False, KEY, Shape::List(&KEY)]);

const KEY: Shape = Shape::Any("a key", &[Shape::Text, STROKE, BINDING]);

const STROKE: Shape = Shape::Object(&[
    needed("name", Shape::Text),
    field("ctrl", Shape::Flag),
    field("shift", Shape::Flag),
    field("meta", Shape::Flag),
    field("super", Shape::Flag),
    field("hyper", Shape::Flag),
]);

const BINDING: Shape = Shape::Object(&[
    needed("key", Shape::Any("a key", &[Shape::Text, STROKE])),
    field("event", Shape::Word(&["press", "release"])),
    field("preventDefault", Shape::Flag),
    field("fallthrough", Shape::Flag),
]);

impl Shape {
    /// Finds what is not taken in the value at this path.
    fn check(&'static self, value: &Value<'_>, path: &str, found: &mut Vec<Mistake>) {
        let is_taken = match (self, value) {
            (Self::Object(fields), Value::Object(object)) => {
                return check_fields(fields, &object.properties, value.start(), path, found);
            }
            (Self::Each(taken), Value::Object(object)) => {
                for property in in_force(&object.properties) {
                    taken.check(&property.value, &joined(path, property.name.as_str()), found);
                }
                return;
            }
            (Self::List(taken), Value::Array(list)) => {
                for (nth, element) in list.elements.iter().enumerate() {
                    taken.check(element, &format!("{path}[{nth}]"), found);
                }
                return;
            }
            (Self::Any(_, shapes), _) => {
                let mut tried = shapes.iter().map(|taken| taken.mistakes(value, path));
                let within = tried.try_fold(None, |within, mistakes| {
                    let is_within = mistakes.iter().all(|mistake| mistake.path != path);
                    if mistakes.is_empty() { Err(()) } else { Ok(within.or(is_within.then_some(mistakes))) }
                });
                match within {
                    Err(()) => return,
                    // It is one of them, but for something in it.
                    Ok(Some(mistakes)) => return found.extend(mistakes),
                    Ok(None) => false,
                }
            }
            (Self::Pair(first, second), Value::Array(list)) => match &*list.elements {
                [one, other] => {
                    first.mistakes(one, path).is_empty() && second.mistakes(other, path).is_empty()
                }
                _ => false,
            },
            (Self::Text, Value::StringLit(_)) | (Self::Flag, Value::BooleanLit(_)) => true,
            (Self::False, Value::BooleanLit(flag)) => !flag.value,
            (Self::Word(words), Value::StringLit(text)) => words.contains(&&*text.value),
            (Self::AtLeast(least), Value::NumberLit(number)) => is_number(number, |number| number >= *least),
            (Self::Share, Value::NumberLit(number)) => {
                is_number(number, |number| (0.0..=1.0).contains(&number))
            }
            (Self::Count, Value::NumberLit(number)) => {
                is_number(number, |number| number.fract() == 0.0 && (1.0..=SAFE).contains(&number))
            }
            _ => false,
        };
        if !is_taken {
            found.push(Mistake { start: value.start(), path: path.to_owned(), taken: self });
        }
    }

    fn mistakes(&'static self, value: &Value<'_>, path: &str) -> Vec<Mistake> {
        let mut found = Vec::new();
        self.check(value, path, &mut found);
        found
    }
}

/// The largest whole number of JavaScript.
const SAFE: f64 = 9_007_199_254_740_991.0;

fn is_number(number: &NumberLit<'_>, fits: impl FnOnce(f64) -> bool) -> bool {
    number.value.parse().is_ok_and(fits)
}

fn check_fields<'a>(
    fields: &'static [Field],
    properties: impl IntoIterator<Item = &'a ObjectProp<'a>>,
    start: usize,
    path: &str,
    found: &mut Vec<Mistake>,
) {
    let properties = in_force(properties);
    for Field { name, taken, is_needed } in fields {
        let path = || joined(path, name);
        match properties.iter().find(|property| property.name.as_str() == *name) {
            Some(property) => taken.check(&property.value, &path(), found),
            None if *is_needed => found.push(Mistake { start, path: path(), taken }),
            None => {}
        }
    }
}

/// Of those with the same name, the last one counts.
fn in_force<'a>(properties: impl IntoIterator<Item = &'a ObjectProp<'a>>) -> Vec<&'a ObjectProp<'a>> {
    let mut kept: Vec<&ObjectProp<'_>> = Vec::new();
    for property in properties {
        kept.retain(|earlier| earlier.name.as_str() != property.name.as_str());
        kept.push(property);
    }
    kept
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("a text"),
            Self::Flag => formatter.write_str("true or false"),
            Self::False => formatter.write_str("false"),
            Self::AtLeast(least) => write!(formatter, "a number of at least {least}"),
            Self::Share => formatter.write_str("a number from 0 to 1"),
            Self::Count => formatter.write_str("a whole number above 0"),
            Self::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                formatter.write_str(&words.join(" or "))
            }
            Self::Object(_) | Self::Each(_) => formatter.write_str("an object"),
            Self::List(_) => formatter.write_str("a list"),
            Self::Pair(..) => formatter.write_str("a list of two"),
            Self::Any(name, _) => formatter.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interface of 1.18.33 was given a file with each of these, and its log says that it went without it.
    const IGNORED: &[(&str, &str)] = &[
        (r#"{"theme":5}"#, "`theme` has to be a text on line 1 column 10"),
        (r#"{"theme":null}"#, "`theme` has to be a text"),
        (r#"{"theme":"opencode","theme":5}"#, "`theme` has to be a text on line 1 column 29"),
        ("{\n  // mine\n  \"mouse\": \"on\"\n}", "`mouse` has to be true or false on line 3 column 12"),
        (r#"{"$schema":5}"#, "`$schema` has to be a text"),
        (r#"{"keybinds":[]}"#, "`keybinds` has to be an object"),
        (r#"{"keybinds":"x"}"#, "`keybinds` has to be an object"),
        (r#"{"keybinds":null}"#, "`keybinds` has to be an object"),
        (r#"{"keybinds":{"leader":5}}"#, "`keybinds.leader` has to be a key, a list of keys, or false"),
        (r#"{"keybinds":{"leader":true}}"#, "`keybinds.leader` has to be a key, a list of keys, or false"),
        (r#"{"keybinds":{"leader":null}}"#, "`keybinds.leader` has to be a key, a list of keys, or false"),
        (r#"{"keybinds":{"app_exit":["ctrl+c",5]}}"#, "`keybinds.app_exit[1]` has to be a key"),
        (r#"{"keybinds":{"app_exit":[["a"]]}}"#, "`keybinds.app_exit[0]` has to be a key"),
        (r#"{"keybinds":{"app_exit":[false]}}"#, "`keybinds.app_exit[0]` has to be a key"),
        (r#"{"keybinds":{"app_exit":{"frob":1}}}"#, "`keybinds.app_exit.name` has to be a text"),
        (
            r#"{"keybinds":{"app_exit":{"name":"c","ctrl":"yes"}}}"#,
            "`keybinds.app_exit.ctrl` has to be true or false",
        ),
        (
            r#"{"keybinds":{"app_exit":{"key":"c","event":"hold"}}}"#,
            "`keybinds.app_exit.name` has to be a text",
        ),
        (r#"{"plugin":"x"}"#, "`plugin` has to be a list"),
        (r#"{"plugin":null}"#, "`plugin` has to be a list"),
        (r#"{"plugin":["a",5]}"#, "`plugin[1]` has to be a name, or a list of a name and its options"),
        (r#"{"plugin":[{"a":1}]}"#, "`plugin[0]` has to be a name, or a list of a name and its options"),
        (r#"{"plugin":[["./none"]]}"#, "`plugin[0]` has to be a name, or a list of a name and its options"),
        (r#"{"plugin":[["./none",5]]}"#, "`plugin[0]` has to be a name, or a list of a name and its options"),
        (
            r#"{"plugin":[["./none",{},1]]}"#,
            "`plugin[0]` has to be a name, or a list of a name and its options",
        ),
        (r#"{"plugin_enabled":{"a":"yes"}}"#, "`plugin_enabled.a` has to be true or false"),
        (r#"{"plugin_enabled":[]}"#, "`plugin_enabled` has to be an object"),
        (r#"{"leader_timeout":0}"#, "`leader_timeout` has to be a whole number above 0"),
        (r#"{"leader_timeout":1.5}"#, "`leader_timeout` has to be a whole number above 0"),
        (r#"{"leader_timeout":1e30}"#, "`leader_timeout` has to be a whole number above 0"),
        (r#"{"leader_timeout":"5"}"#, "`leader_timeout` has to be a whole number above 0"),
        (r#"{"scroll_speed":0}"#, "`scroll_speed` has to be a number of at least 0.001"),
        (r#"{"scroll_speed":"3"}"#, "`scroll_speed` has to be a number of at least 0.001"),
        (
            r#"{"scroll_acceleration":{}}"#,
            "`scroll_acceleration.enabled` has to be true or false on line 1 column 24",
        ),
        (r#"{"scroll_acceleration":true}"#, "`scroll_acceleration` has to be an object"),
        (r#"{"diff_style":"x"}"#, "`diff_style` has to be \"auto\" or \"stacked\""),
        (r#"{"cursor":{"style":"dot"}}"#, "`cursor.style` has to be \"block\" or"),
        (r#"{"cursor":{"blinking":1}}"#, "`cursor.blinking` has to be true or false"),
        (r#"{"attention":{"volume":2}}"#, "`attention.volume` has to be a number from 0 to 1"),
        (r#"{"attention":{"sounds":{"done":5}}}"#, "`attention.sounds.done` has to be a text"),
        (r#"{"attention":{"sounds":{"done":null}}}"#, "`attention.sounds.done` has to be a text"),
        (r#"{"attention":{"sounds":[]}}"#, "`attention.sounds` has to be an object"),
        (r#"{"prompt":{"max_height":0}}"#, "`prompt.max_height` has to be a whole number above 0"),
        (
            r#"{"prompt":{"max_width":"wide"}}"#,
            "`prompt.max_width` has to be a whole number above 0, or \"auto\"",
        ),
        (r#"{"tui":{"scroll_speed":0}}"#, "`scroll_speed` has to be a number of at least 0.001"),
        (
            r#"{"tui":{"scroll_speed":3},"scroll_speed":0}"#,
            "`scroll_speed` has to be a number of at least 0.001",
        ),
        (r#"{"theme": }"#, "line 1 column 11"),
        (r#"{theme:"opencode"}"#, "line 1 column 2"),
        (r#"{'theme':'opencode'}"#, "line 1 column 2"),
        (r#"{"theme":"opencode" "mouse":true}"#, "line 1 column"),
        (r#"{"scroll_speed":0x3}"#, "line 1 column"),
        (r#"{"scroll_speed":+3}"#, "line 1 column"),
        (r#"{"scroll_speed":.5}"#, "line 1 column"),
        (r#"{"theme":"opencode"} x"#, "line 1 column"),
    ];

    /// Each of these it applied, or passed over without going without anything.
    const APPLIED: &[&str] = &[
        r#"{"theme":"opencode"}"#,
        r#"{"theme":"nosuch"}"#,
        r#"{"frob":5,"theme":"opencode"}"#,
        r#"{"theme":5,"theme":"opencode"}"#,
        r#"{"theme":"opencode",}"#,
        r#"{/*x*/"theme":"opencode"}"#,
        "\u{feff}{\"theme\":\"opencode\"}",
        r#"{"keybinds":{"leader":false}}"#,
        r#"{"keybinds":{"leader":"none"}}"#,
        r#"{"keybinds":{"leader":"ctrl+nosuchkey"}}"#,
        r#"{"keybinds":{"leader":[]}}"#,
        r#"{"keybinds":{"leader":{"key":{"name":"x"}}}}"#,
        r#"{"keybinds":{"leader":{"key":5,"name":"x"}}}"#,
        r#"{"keybinds":{"app_exit":["ctrl+c","f9"]}}"#,
        r#"{"keybinds":{"app_exit":{"key":"ctrl+c","x":1}}}"#,
        r#"{"keybinds":{"app_exit":{"name":"c","ctrl":true}}}"#,
        r#"{"plugin":["a",["./b",{"c":1}]]}"#,
        r#"{"leader_timeout":1.0}"#,
        r#"{"attention":{"sounds":{"frob":5}}}"#,
        r#"{"prompt":{"max_width":"auto"}}"#,
        r#"{"tui":{"scroll_speed":0},"scroll_speed":3}"#,
        r#"{"tui":5}"#,
        "[]",
        "",
    ];

    #[test]
    fn what_the_interface_takes_is_taken_and_nothing_else() {
        for (text, told) in IGNORED {
            let found = check(text).expect_err(text);
            assert!(found.contains(told), "{text}: {found}");
        }
        for text in APPLIED {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let found = check("{\n  \"theme\": 5,\n  \"mouse\": 1\n}").unwrap_err();
        assert!(found.contains("`theme`") && found.contains("; `mouse`"), "{found}");
    }
}
