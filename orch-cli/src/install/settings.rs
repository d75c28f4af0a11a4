//! OpenCode's settings with the plugin in them: everything else stays as it is written, comments included.

use jsonc_parser::{
    ParseOptions,
    cst::{CstArray, CstInputValue, CstNode, CstRootNode},
};
use serde_json::Value;

/// The list that names plugins, in both files.
const LIST: &str = "plugin";
/// The plugin's folder, from the folder of the settings.
pub(super) const NAME: &str = "./orch";
const EMPTY: &str = "{}\n";

/// The settings with the plugin in them once, with these options.
///
/// # Errors
/// What is wrong with the text, in words.
pub(super) fn with_plugin(text: &str, options: &Value) -> Result<String, String> {
    let blank = text.trim_start_matches('\u{feff}').trim().is_empty();
    let root = parse(if blank { EMPTY } else { text })?;
    let object = root.object_value().ok_or("it holds something else than an object")?;
    let list = match object.get(LIST) {
        None => object.array_value_or_set(LIST),
        Some(property) => property.array_value().ok_or_else(|| format!("its `{LIST}` is not a list"))?,
    };
    let entry = input(&Value::from(vec![Value::from(NAME), options.clone()]));
    let place = own(&list).first().and_then(CstNode::element_index);
    remove_from(&list);
    match place {
        Some(place) => list.insert(place, entry),
        None => list.append(entry),
    };
    Ok(root.to_string())
}

/// The settings without the plugin.
///
/// # Errors
/// What is wrong with the text, in words.
pub(super) fn without_plugin(text: &str) -> Result<String, String> {
    let root = parse(text)?;
    if let Some(list) = root.object_value().and_then(|object| object.array_value(LIST)) {
        remove_from(&list);
    }
    Ok(root.to_string())
}

/// The options that the plugin has there; none where it is not named.
///
/// # Errors
/// What is wrong with the text, in words.
pub(super) fn options(text: &str) -> Result<Option<Value>, String> {
    let list = parse(text)?.object_value().and_then(|object| object.array_value(LIST));
    let entry = list.and_then(|list| own(&list).into_iter().next());
    Ok(entry.map(|entry| value(&entry).get(1).cloned().unwrap_or_default()))
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    CstRootNode::parse(text, &ParseOptions::default()).map_err(|error| error.to_string())
}

fn remove_from(list: &CstArray) {
    own(list).into_iter().for_each(CstNode::remove);
}

/// The entries of the list that name the plugin.
fn own(list: &CstArray) -> Vec<CstNode> {
    let is_own = |entry: &CstNode| {
        let value = value(entry);
        value.get(0).unwrap_or(&value) == NAME
    };
    list.elements().into_iter().filter(is_own).collect()
}

fn value(node: &CstNode) -> Value {
    jsonc_parser::parse_to_serde_value(&node.to_string(), &ParseOptions::default()).unwrap_or_default()
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(properties) => CstInputValue::Object(
            properties.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Texts as people write them, each with what it has to say after the plugin came in.
    const TEXTS: &[&str] = &[
        "{}",
        "{\n  // mine\n  \"theme\": \"dark\"\n}\n",
        "{\r\n  \"plugin\": [\"other\"], // keep\r\n  \"theme\": \"dark\",\r\n}\r\n",
        "{\n\t\"plugin\": [\n\t\t\"one\",\n\t\t[\"two\", {\"a\": 1}]\n\t]\n}",
        "{\"plugin\":[]}",
    ];

    #[test]
    fn the_plugin_comes_in_once_and_everything_else_stays() {
        for text in TEXTS {
            let first = with_plugin(text, &json!({"command": "orch"})).unwrap();
            let again = with_plugin(&first, &json!({"command": "orch", "keys": {"gate": "f4"}})).unwrap();
            assert_eq!(options(&first).unwrap(), Some(json!({"command": "orch"})), "{first}");
            assert_eq!(options(&again).unwrap(), Some(json!({"command": "orch", "keys": {"gate": "f4"}})));
            assert_eq!(again.matches(NAME).count(), 1, "{again}");
            for kept in ["// mine", "// keep", "\"other\"", "\"one\"", "\"two\"", "\"theme\": \"dark\""] {
                assert_eq!(text.contains(kept), again.contains(kept), "{kept} in {again}");
            }
            assert_eq!(text.contains("\r\n"), again.contains("\r\n"));
            let gone = without_plugin(&again).unwrap();
            assert_eq!(options(&gone).unwrap(), None, "{gone}");
        }
    }

    #[test]
    fn an_empty_file_becomes_settings() {
        for text in ["", "\n", "\u{feff}"] {
            assert_eq!(options(&with_plugin(text, &json!({})).unwrap()).unwrap(), Some(json!({})));
        }
    }

    #[test]
    fn what_is_no_settings_is_refused_with_its_place() {
        assert!(with_plugin("{\n  \"theme\": \n}", &json!({})).unwrap_err().contains("line 3"));
        assert!(with_plugin("[]", &json!({})).unwrap_err().contains("object"));
        assert!(with_plugin("{\"plugin\": \"x\"}", &json!({})).unwrap_err().contains("not a list"));
    }
}
