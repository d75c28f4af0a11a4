//! Who answers a permission or a question: a rule, a person, or nobody.

use orch_config::{Profile, permission as config};
use orch_opencode::{PermissionAction, PermissionAsk, PermissionRule};
use orch_workflow::{
    attempt::{Warning, WarningCode},
    port::AskPolicy,
};

/// What the model reads when nobody can be asked.
pub(crate) const NOBODY: &str = "Nobody is available to answer this. Do not ask again; go on without it, and say in your answer what you could \
     not do.";

/// Tools of ours that a worker must never reach: a worker that starts workers would recurse.
const OWN_TOOLS: [&str; 2] = ["task_*", "orch_*"];
/// Our command in a worker's shell, which has no guard variable on a host that somebody else started. The host holds
/// each command of a line against these; a script is beyond them.
const OWN_COMMANDS: [&str; 2] = ["orch *", "*/orch run *"];

/// The profile's own rules, in the host's terms.
pub(crate) fn rules(profile: &Profile) -> Vec<PermissionRule> {
    let action = |action| match action {
        config::PermissionAction::Allow => PermissionAction::Allow,
        config::PermissionAction::Ask => PermissionAction::Ask,
        config::PermissionAction::Deny => PermissionAction::Deny,
    };
    let rule = |rule: &config::PermissionRule| {
        PermissionRule::new(&rule.permission, &rule.pattern, action(rule.action))
    };
    profile.permission.iter().map(rule).collect()
}

/// The rules of a worker's sessions: the profile's own, then the ones that nothing may override, because the last
/// matching rule wins.
pub(crate) fn session_rules(profile: &[PermissionRule]) -> Vec<PermissionRule> {
    let deny = |permission, pattern| PermissionRule::new(permission, pattern, PermissionAction::Deny);
    // A shell that is denied whole is not even offered to the model, and a narrower rule behind would bring it back.
    let shell = !denied_whatever(profile, "bash");
    let commands = OWN_COMMANDS.into_iter().filter(|_| shell).map(|command| deny("bash", command));
    let tools = OWN_TOOLS.map(|tool| deny(tool, "*"));
    profile.iter().cloned().chain(commands).chain(tools).collect()
}

/// Whether a worker may change files with the host's own tools: by editing, in a shell, or through a worker of its own,
/// as long as its rules do not deny all three without exception.
pub(crate) fn may_change_files(profile: &Profile) -> bool {
    let rules = rules(profile);
    ["edit", "bash", "task"].into_iter().any(|permission| !denied_whatever(&rules, permission))
}

fn denied_whatever(rules: &[PermissionRule], permission: &str) -> bool {
    let mut deciding = rules.iter().rev().filter(|rule| wildcard(&rule.permission, permission));
    let denies = |rule: &PermissionRule| rule.action == PermissionAction::Deny;
    // Narrow denials change nothing; the first other rule from the end has the last word.
    deciding.find(|rule| !denies(rule) || rule.pattern == "*").is_some_and(denies)
}

/// What becomes of a permission that a session asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ruling {
    /// A rule permits it.
    Permit(Warning),
    /// A rule forbids it, or nobody can be asked.
    Deny(Warning),
    /// A person decides.
    AskPerson,
}

/// Decides on an ask that reached us. The host has applied the session's rules already, but not to sessions that the
/// worker's own tools opened (observed: a `task` child inherits only what is denied), so they are applied here.
pub(crate) fn rule(ask: &PermissionAsk, rules: &[PermissionRule], policy: AskPolicy) -> Ruling {
    let what = summary(ask);
    match (strictest(ask, rules), policy) {
        (Some(PermissionAction::Allow), _) => {
            Ruling::Permit(Warning::new(WarningCode::PermissionAuto, format!("a rule permitted `{what}`")))
        }
        (Some(PermissionAction::Deny), _) => {
            Ruling::Deny(Warning::new(WarningCode::PermissionDenied, format!("a rule denied `{what}`")))
        }
        (Some(PermissionAction::Ask) | None, AskPolicy::Wait) => Ruling::AskPerson,
        (Some(PermissionAction::Ask) | None, AskPolicy::Deny) => Ruling::Deny(Warning::new(
            WarningCode::PermissionDenied,
            format!("`{what}` was denied, because nobody could be asked"),
        )),
    }
}

/// The ask in one line: `bash: echo permitted`.
pub(crate) fn summary(ask: &PermissionAsk) -> String {
    if ask.patterns.is_empty() {
        ask.permission.clone()
    } else {
        format!("{}: {}", ask.permission, ask.patterns.join(", "))
    }
}

/// The action for all of an ask's patterns together: one denial denies, one doubt asks. `None` without any rule.
fn strictest(ask: &PermissionAsk, rules: &[PermissionRule]) -> Option<PermissionAction> {
    let whole = ["*".to_owned()];
    let patterns = if ask.patterns.is_empty() { &whole } else { ask.patterns.as_slice() };
    let actions: Vec<_> = patterns.iter().map(|pattern| of(rules, &ask.permission, pattern)).collect();
    if actions.contains(&Some(PermissionAction::Deny)) {
        Some(PermissionAction::Deny)
    } else if actions.iter().all(|action| *action == Some(PermissionAction::Allow)) {
        Some(PermissionAction::Allow)
    } else if actions.contains(&Some(PermissionAction::Ask)) {
        Some(PermissionAction::Ask)
    } else {
        None
    }
}

/// What the last rule that matches says; `None` without any.
pub(crate) fn of(rules: &[PermissionRule], permission: &str, pattern: &str) -> Option<PermissionAction> {
    let matches =
        |rule: &&PermissionRule| wildcard(&rule.permission, permission) && wildcard(&rule.pattern, pattern);
    rules.iter().rev().find(matches).map(|rule| rule.action)
}

/// OpenCode's own matching: `*` is any text, `?` any one character, the rest is literal.
fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(&one) if one == '?' || one == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match retry {
                Some((after_star, start)) => {
                    retry = Some((after_star, start + 1));
                    (at, from) = (after_star, start + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use PermissionAction::{Allow, Ask, Deny};
    use orch_opencode::{PermissionId, SessionId};

    fn ask(permission: &str, patterns: &[&str]) -> PermissionAsk {
        let id = PermissionId::parse("per_1").unwrap();
        let session = SessionId::parse("ses_1").unwrap();
        PermissionAsk::new(id, session, permission, patterns.iter().map(|p| (*p).to_owned()).collect())
    }

    #[test]
    fn wildcards_match_as_the_host_matches() {
        let table = [
            ("*", "anything", true),
            ("git *", "git status", true),
            ("git *", "gitk", false),
            ("*.rs", "src/lib.rs", true),
            ("*.rs", "src/lib.rs.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xxaybzb", true),
            ("", "", true),
            ("", "x", false),
            ("task_*", "task", false),
            ("é*", "éa", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(wildcard(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn the_last_matching_rule_wins_and_a_doubt_is_never_a_yes() {
        let rules = [
            PermissionRule::new("bash", "*", Ask),
            PermissionRule::new("bash", "git *", Allow),
            PermissionRule::new("bash", "git push*", Deny),
        ];
        let table: [(&[&str], &str); 7] = [
            (&["git status"], "permit"),
            (&["git push -f"], "deny"),
            (&["rm x"], "person"),
            (&["git status", "rm x"], "person"),
            (&["git status", "git push"], "deny"),
            (&["git status", "git log"], "permit"),
            (&[], "person"),
        ];
        for (patterns, expected) in table {
            let actual = match rule(&ask("bash", patterns), &rules, AskPolicy::Wait) {
                Ruling::Permit(warning) => {
                    assert_eq!(warning.code, WarningCode::PermissionAuto);
                    "permit"
                }
                Ruling::Deny(warning) => {
                    assert_eq!(warning.code, WarningCode::PermissionDenied);
                    "deny"
                }
                Ruling::AskPerson => "person",
            };
            assert_eq!(actual, expected, "{patterns:?}");
        }
    }

    #[test]
    fn without_a_rule_and_without_a_person_it_is_denied() {
        let ruling = rule(&ask("external_directory", &["/etc/*"]), &[], AskPolicy::Deny);
        let expected = "`external_directory: /etc/*` was denied, because nobody could be asked";
        assert_eq!(ruling, Ruling::Deny(Warning::new(WarningCode::PermissionDenied, expected)));
    }

    #[test]
    fn only_a_profile_that_denies_every_way_changes_no_files() {
        use config::PermissionAction as Says;
        let denied = |names: &[&'static str]| -> Vec<_> {
            names.iter().map(|name| config::PermissionRule::new(*name, "*", Says::Deny)).collect()
        };
        let but = |mut rules: Vec<_>, name: &str, pattern: &str, says| {
            rules.push(config::PermissionRule::new(name, pattern, says));
            rules
        };
        let all = || denied(&["edit", "bash", "task"]);
        let table = [
            (vec![], true),
            (denied(&["edit"]), true),
            (denied(&["edit", "bash"]), true),
            (all(), false),
            (denied(&["*"]), false),
            (but(all(), "bash", "git *", Says::Allow), true),
            (but(all(), "edit", "*", Says::Ask), true),
            (but(all(), "edit", "*.rs", Says::Deny), false),
            (but(all(), "read", "*", Says::Allow), false),
        ];
        for (rules, expected) in table {
            let mut profile = Profile::new("w".parse().unwrap());
            profile.permission = rules;
            assert_eq!(may_change_files(&profile), expected, "{:?}", profile.permission);
        }
    }

    #[test]
    fn a_profile_cannot_give_a_worker_our_own_tools() {
        let rules = session_rules(&[PermissionRule::new("*", "*", Allow)]);
        for tool in ["task_start", "task_await", "orch_task_start"] {
            assert!(matches!(rule(&ask(tool, &["*"]), &rules, AskPolicy::Wait), Ruling::Deny(_)), "{tool}");
        }
        assert!(matches!(rule(&ask("task", &["*"]), &rules, AskPolicy::Wait), Ruling::Permit(_)));
        for (command, permitted) in [
            ("orch run x", false),
            ("/usr/bin/orch run x", false),
            ("orchestra x", true),
            ("ls src/orch", true),
        ] {
            let ruling = rule(&ask("bash", &[command]), &rules, AskPolicy::Wait);
            assert_eq!(matches!(ruling, Ruling::Permit(_)), permitted, "{command}");
        }
    }
}
