//! Who may use which tool: the host's rules, last match wins.

use serde_json::{Value, json};

use super::wire::{Action, Rule};

/// Decides one use of a permission: the last rule that matches, of all sets in order; without one, `ask`.
pub(super) fn decide<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    permission: &str,
    pattern: &str,
) -> Action {
    let matching = |rule: &&Rule| matches(&rule.permission, permission) && matches(&rule.pattern, pattern);
    rules.into_iter().filter(matching).last().map_or(Action::Ask, |rule| rule.action)
}

/// Whether a rule takes the tool away altogether, so that the model is not even offered it.
pub(super) fn withheld<'a>(rules: impl IntoIterator<Item = &'a Rule>, permission: &str) -> bool {
    let last = rules.into_iter().filter(|rule| matches(&rule.permission, permission)).last();
    last.is_some_and(|rule| rule.pattern == "*" && rule.action == Action::Deny)
}

/// What a call of a tool asks for: the permission, the pattern it is checked with, what the ask shows, and what
/// `always` would allow from then on.
pub(super) struct Need {
    pub(super) permission: &'static str,
    pub(super) pattern: String,
    pub(super) metadata: Value,
    pub(super) always: Vec<String>,
}

/// The permissions that a call needs, in the order in which the host asks for them.
pub(super) fn needs(tool: &str, input: &Value, directory: &str) -> Vec<Need> {
    let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
    let plain = |permission, pattern: String, metadata| Need {
        permission,
        pattern,
        metadata,
        always: vec!["*".to_owned()],
    };
    match tool {
        "bash" => {
            let command = text("command");
            let program = command.split_whitespace().next().unwrap_or_default().to_owned();
            let metadata = json!({ "command": command });
            vec![Need {
                permission: "bash",
                pattern: command,
                metadata,
                always: vec![format!("{program} *")],
            }]
        }
        "read" => {
            let file = text("filePath");
            let mut needs = outside(&file, directory);
            needs.push(plain("read", file, json!({})));
            needs
        }
        "edit" | "write" => {
            let file = text("filePath");
            let mut needs = outside(&file, directory);
            needs.push(plain("edit", file.clone(), json!({ "filepath": file })));
            needs
        }
        "glob" => vec![plain("glob", text("pattern"), json!({ "pattern": text("pattern") }))],
        "grep" => vec![plain("grep", text("pattern"), json!({ "pattern": text("pattern") }))],
        "webfetch" => vec![plain("webfetch", text("url"), json!({ "url": text("url") }))],
        "task" => vec![plain("task", text("subagent_type"), json!({}))],
        "todowrite" => vec![plain("todowrite", "*".to_owned(), json!({}))],
        "skill" => vec![plain("skill", text("name"), json!({}))],
        _ => Vec::new(),
    }
}

/// A file outside the project needs `external_directory` first.
fn outside(file: &str, directory: &str) -> Vec<Need> {
    let path = std::path::Path::new(file);
    if !path.is_absolute() || path.starts_with(directory) {
        return Vec::new();
    }
    let parent = path.parent().unwrap_or(path).display().to_string();
    let pattern = format!("{}/*", parent.trim_end_matches('/'));
    vec![Need {
        permission: "external_directory",
        metadata: json!({ "filepath": file, "parentDir": parent }),
        always: vec![pattern.clone()],
        pattern,
    }]
}

/// Wildcard match: `*` stands for any text, `?` for one character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                retry = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match &mut retry {
                Some((star, from)) => {
                    *from += 1;
                    at_pattern = *star + 1;
                    at_text = *from;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(permission: &str, pattern: &str, action: Action) -> Rule {
        Rule { permission: permission.into(), pattern: pattern.into(), action }
    }

    #[test]
    fn the_last_matching_rule_wins_and_no_rule_asks() {
        let rules = [
            rule("*", "*", Action::Allow),
            rule("bash", "*", Action::Deny),
            rule("bash", "git *", Action::Ask),
        ];
        for (permission, pattern, expected) in
            [("edit", "/a", Action::Allow), ("bash", "rm x", Action::Deny), ("bash", "git log", Action::Ask)]
        {
            assert_eq!(decide(&rules, permission, pattern), expected, "{permission} {pattern}");
        }
        assert_eq!(decide(&[], "bash", "ls"), Action::Ask);
        assert!(!withheld(&rules, "bash"), "an exception keeps the tool");
        assert!(withheld(&rules[..2], "bash"));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*.env", "a/.env", true),
            ("*.env", ".env.local", false),
            ("a?c", "abc", true),
            ("a*b*c", "a--b--b-c", true),
            ("a*b", "ac", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
