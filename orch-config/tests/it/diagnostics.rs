//! Every problem, at once, at its place.

use orch_config::{Config, Severity, StepDefinition, Trust, WorkflowDefinition, code, parse};

use crate::support::{lines, problems};

/// What each text comes to: `line:column level code path`.
const CASES: &[(&str, &str, &[&str])] = &[
    ("nothing", "{}", &[]),
    ("comments and trailing commas", "{ /* a */ \"basePort\": 9, // b\n }", &[]),
    ("a whole number with a fraction of nothing", r#"{"basePort": 8000.0}"#, &[]),
    ("an empty file", "  \n", &["1:1 error malformed -"]),
    ("a syntax error", "{\n  \"basePort\": 1\n  \"ui\": {}\n}", &["2:16 error malformed -"]),
    ("a list in place of the object", "[]", &["1:1 error wrong-type $"]),
    ("a list in place of an inner object", r#"{"ui": [true]}"#, &["1:8 error wrong-type $.ui"]),
    (
        "an object in place of a word",
        r#"{"workflows": {"ui": {"execution": {"step": null}}}}"#,
        &["1:36 error wrong-type $.workflows.ui.execution"],
    ),
    ("null for an optional key", r#"{"autoSpawn": null}"#, &["1:15 error wrong-type $.autoSpawn"]),
    ("single quotes", "{'basePort': 1}", &["1:2 error malformed -"]),
    ("two values", "{} {}", &["1:4 error malformed -"]),
    ("a key twice", "{\"basePort\": 1,\n \"basePort\": 2}", &["2:2 error duplicate-key $.basePort"]),
    (
        "a key twice in a table",
        r#"{"profiles": [{"id": "w", "tools": {"bash": true, "bash": false}}]}"#,
        &["1:51 error duplicate-key $.profiles[0].tools.bash"],
    ),
    (
        "a key twice where nothing is read",
        r#"{"memory": {"trim": {"maxProjectsGlobal": 1, "maxProjectsGlobal": 2}}}"#,
        &["1:2 warning not-supported $.memory", "1:46 error duplicate-key $.memory.trim.maxProjectsGlobal"],
    ),
    (
        "a colour that no theme has",
        r##"{"agent": {"color": "#12345"}}"##,
        &["1:21 error invalid-value $.agent.color"],
    ),
    (
        "a model of the agent by what it is good for",
        r#"{"agent": {"model": "node:fast"}}"#,
        &["1:21 error invalid-value $.agent.model"],
    ),
    ("a name that is none", r#"{"agent": {"name": "a/b"}}"#, &["1:20 error invalid-id $.agent.name"]),
    (
        "a permission that decides nothing",
        r#"{"agent": {"permission": {"bash": "perhaps"}}}"#,
        &["1:35 error unknown-value $.agent.permission.bash"],
    ),
    (
        "a prefix that no command can have",
        r#"{"commands": {"prefix": "my orch/"}}"#,
        &["1:25 error invalid-value $.commands.prefix"],
    ),
    (
        "a variable that switches the guard off",
        r#"{"profiles": [{"id": "w", "env": {"ORCH_WORKER": ""}}]}"#,
        &["1:50 error invalid-value $.profiles[0].env.ORCH_WORKER"],
    ),
    (
        "variables that undo the isolation of a server",
        r#"{"profiles": [{"id": "w", "env": {"OPENCODE_DB": "x", "CARGO_HOME": "y", "XDG_DATA_HOME": "z"}}]}"#,
        &[
            "1:50 error invalid-value $.profiles[0].env.OPENCODE_DB",
            "1:91 error invalid-value $.profiles[0].env.XDG_DATA_HOME",
        ],
    ),
    ("an unknown key", r#"{"profile": []}"#, &["1:2 warning unknown-key $.profile"]),
    (
        "columns count characters",
        "{\"profiles\": [{\"id\": \"译者\", \"nmae\": \"译\"}]}",
        &["1:28 warning unknown-key $.profiles[0].nmae"],
    ),
    (
        "a retired key",
        r#"{"profiles": [{"id": "w", "sessionMode": "linked"}]}"#,
        &["1:27 warning retired-key $.profiles[0].sessionMode"],
    ),
    (
        "a section without effect, checked all the same",
        "{\"memory\": {\n\"enabled\": 1}}",
        &["1:2 warning not-supported $.memory", "2:12 error wrong-type $.memory.enabled"],
    ),
    (
        "a context that a subagent can have",
        "{\"profiles\": [{\"id\": \"w\", \"kind\": \"subagent\", \"context\": \"fork\"}]}",
        &[],
    ),
    (
        "a reader of the web that may not",
        r#"{"profiles": [{"id": "w", "supportsWeb": true, "permission": {"webfetch": "deny"}}]}"#,
        &["1:42 warning no-effect $.profiles[0].supportsWeb"],
    ),
    (
        "a tag that no model has",
        r#"{"profiles": [{"id": "w", "model": "node:visoin"}]}"#,
        &["1:36 error unknown-model-tag $.profiles[0].model"],
    ),
    (
        "what is not the name of a skill",
        r#"{"profiles": [{"id": "w", "requiredSkills": ["code-review", "Docs", ""]}]}"#,
        &[
            "1:61 error invalid-id $.profiles[0].requiredSkills[1]",
            "1:69 error invalid-id $.profiles[0].requiredSkills[2]",
        ],
    ),
    (
        "keys that belong elsewhere",
        r#"{"budget": {}, "trust": ["/"], "workflows": {"limits": {"maxParallel": 0}}}"#,
        &[
            "1:2 error misplaced-key $.budget",
            "1:25 error misplaced-key $.trust",
            "1:72 error out-of-range $.workflows.limits.maxParallel",
        ],
    ),
    (
        "a step that is half a group",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "s", "workerId": "coder", "prompt": "p",
          "repeat": {"max": 2}}]}]}}"#,
        &["2:11 error misplaced-key $.workflows.definitions[0].steps[0].repeat"],
    ),
    (
        "a group in a group",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "g", "repeat": {"max": 2, "until": "true"}, "steps": [
          {"id": "h", "repeat": {"max": 2, "until": "true"}, "steps": []}]}]}]}}"#,
        &[
            "2:11 error missing-key $.workflows.definitions[0].steps[0].steps[0]",
            "2:11 error missing-key $.workflows.definitions[0].steps[0].steps[0]",
            "2:23 error misplaced-key $.workflows.definitions[0].steps[0].steps[0].repeat",
            "2:62 error misplaced-key $.workflows.definitions[0].steps[0].steps[0].steps",
        ],
    ),
    (
        "a key twice in a step's output",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "s", "workerId": "coder", "prompt": "p",
          "output": {"type": "object", "type": "array"}, "retry": {"factor": 2, "factor": 3}}]}]}}"#,
        &[
            "2:40 error duplicate-key $.workflows.definitions[0].steps[0].output.type",
            "2:81 error duplicate-key $.workflows.definitions[0].steps[0].retry.factor",
        ],
    ),
    (
        "numbers out of range",
        r#"{"basePort": 70000, "startupTimeout": -1, "healthCheckInterval": 1e999}"#,
        &[
            "1:14 error out-of-range $.basePort",
            "1:39 error out-of-range $.startupTimeout",
            "1:66 error out-of-range $.healthCheckInterval",
        ],
    ),
    ("half a number", r#"{"basePort": 1.5}"#, &["1:14 error wrong-type $.basePort"]),
    (
        "ids that are none",
        "{\"profiles\": [{\"id\": \"\"}, {\"id\": \"a/b\"}, {\"id\": \"a\\u0007\"}]}",
        &[
            "1:22 error invalid-id $.profiles[0].id",
            "1:34 error invalid-id $.profiles[1].id",
            "1:49 error invalid-id $.profiles[2].id",
        ],
    ),
    (
        "an id twice",
        r#"{"profiles": [{"id": "w"}, {"id": "w"}]}"#,
        &["1:35 error duplicate-id $.profiles[1].id"],
    ),
    (
        "a step id twice",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [
          {"id": "s", "workerId": "coder", "prompt": "p"}, {"id": "s", "workerId": "coder", "prompt": "p"}]}]}}"#,
        &["2:67 error duplicate-id $.workflows.definitions[0].steps[1].id"],
    ),
    (
        "a worker that no profile has",
        r#"{"workers": ["coder", "codr"]}"#,
        &["1:23 error unknown-profile $.workers[1]"],
    ),
    (
        "a step whose worker no profile has",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "s", "workerId": "codr", "prompt": "p"}]}]}}"#,
        &["1:78 error unknown-worker $.workflows.definitions[0].steps[0].workerId"],
    ),
    (
        "kind against backend",
        r#"{"profiles": [{"id": "w", "backend": "server", "kind": "agent"}]}"#,
        &["1:56 error kind-backend-conflict $.profiles[0].kind"],
    ),
    (
        "the foreground of another server",
        r#"{"workers": [{"id": "w", "execution": "foreground"}]}"#,
        &["1:39 error foreground-server $.workers[0].execution"],
    ),
    (
        "a step in the foreground of another server",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [
          {"id": "s", "workerId": "coder", "prompt": "p", "execution": "foreground"}]}]}}"#,
        &["2:72 error foreground-server $.workflows.definitions[0].steps[0].execution"],
    ),
    (
        "workflows without steps",
        r#"{"workflows": {"definitions": [{"id": "a"}, {"id": "b", "steps": []}]}}"#,
        &[
            "1:32 error missing-key $.workflows.definitions[0]",
            "1:32 error empty-workflow $.workflows.definitions[0]",
            "1:66 error empty-workflow $.workflows.definitions[1].steps",
        ],
    ),
    (
        "too many steps",
        r#"{"workflows": {"definitions": [{"id": "w", "limits": {"maxSteps": 1}, "steps": [
          {"id": "a", "workerId": "coder", "prompt": "p"}, {"id": "b", "workerId": "coder", "prompt": "p"}]}]}}"#,
        &["1:80 error too-many-steps $.workflows.definitions[0].steps"],
    ),
    (
        "a cap below a built-in workflow",
        r#"{"workflows": {"roocodeBoomerang": {"maxSteps": 3}}}"#,
        &["- warning too-many-steps $.workflows.definitions[\"roocode-boomerang\"].steps"],
    ),
    (
        "placeholders",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [
          {"id": "a", "workerId": "coder", "prompt": "{taks} \\{taks} {\"json\": {task}} {steps.b.text}"},
          {"id": "b", "workerId": "coder", "prompt": "{task} {steps.a.text} {steps.c.text} {steps.a.output.x}"}]}]}}"#,
        &[
            "2:54 warning unknown-placeholder $.workflows.definitions[0].steps[0].prompt",
            "2:54 error unknown-step $.workflows.definitions[0].steps[0].prompt",
            "3:54 error unknown-step $.workflows.definitions[0].steps[1].prompt",
            "3:54 error unknown-output $.workflows.definitions[0].steps[1].prompt",
        ],
    ),
    (
        "snippets that there are not",
        r#"{"profiles": [{"id": "w", "systemPrompt": "{{snippet:x}}"}], "workflows": {"definitions": [{"id": "w", "steps": [
          {"id": "s", "workerId": "coder", "prompt": "{{ snippet:worker-output-contract.md }} {{x}} {{snippet:../handoff}}"}]}]}}"#,
        &[
            "1:43 error snippet $.profiles[0].systemPrompt",
            "2:54 error snippet $.workflows.definitions[0].steps[0].prompt",
        ],
    ),
    (
        "a timeout above the cap",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [
          {"id": "s", "workerId": "coder", "prompt": "p", "timeoutMs": 1800001}]}]}}"#,
        &["2:72 warning capped $.workflows.definitions[0].steps[0].timeoutMs"],
    ),
    (
        "limits above the caps in force",
        "{\"workflows\": {\"limits\": {\"maxParallel\": 2, \"maxSteps\": 2000},\n \"definitions\": [{\"id\": \"a\", \"limits\": {\"maxParallel\": 3},\n \"steps\": [{\"id\": \"x\", \"workerId\": \"coder\", \"prompt\": \"{task}\"}]}]}}",
        &[
            "1:57 warning capped $.workflows.limits.maxSteps",
            "2:56 warning capped $.workflows.definitions[0].limits.maxParallel",
        ],
    ),
    (
        "a gate timeout without its decision",
        r#"{"workflows": {"gateTimeoutMs": 1000}}"#,
        &["1:33 error missing-key $.workflows.gateTimeoutMs"],
    ),
    (
        "a decision without its gate timeout",
        r#"{"workflows": {"gateDefault": "abort"}}"#,
        &["1:31 warning no-effect $.workflows.gateDefault"],
    ),
    (
        "keys for another kind",
        r#"{"profiles": [{"id": "w", "kind": "agent", "env": {"A": "b"}, "context": "fork",
          "restart": {"maxRestarts": 1}}]}"#,
        &[
            "1:51 warning no-effect $.profiles[0].env",
            "1:74 warning no-effect $.profiles[0].context",
            "2:22 warning no-effect $.profiles[0].restart",
        ],
    ),
    (
        "a URL with a password",
        r#"{"opencode": {"url": "http://me:secret@127.0.0.1:1"}}"#,
        &["1:22 error invalid-value $.opencode.url"],
    ),
    (
        "a variable that cannot be one",
        r#"{"profiles": [{"id": "w", "env": {"A=B": "c"}}]}"#,
        &["1:42 error invalid-value $.profiles[0].env[\"A=B\"]"],
    ),
    (
        "everything at once",
        "{\n \"basePort\": \"x\",\n \"colour\": 1,\n \"workers\": [\"nobody\"]\n}",
        &[
            "2:14 error wrong-type $.basePort",
            "3:2 warning unknown-key $.colour",
            "4:14 error unknown-profile $.workers[0]",
        ],
    ),
];

#[test]
fn every_problem_is_reported_at_its_place() {
    let wrong: Vec<_> = CASES.iter().filter(|(_, text, expected)| problems(text) != *expected).collect();
    let wrong: Vec<_> = wrong.into_iter().map(|(name, text, _)| (name, problems(text))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn near_misses_are_named() {
    let cases = [
        (r#"{"workflows": {"ui": {"intervene": "onerror"}}}"#, "did you mean `on-error`?"),
        (r#"{"profile": []}"#, "did you mean `profiles`?"),
        (r#"{"workers": ["arcitect"]}"#, "did you mean `architect`?"),
        (r#"{"profiles": [{"id": "x", "kind": "subagents"}]}"#, "did you mean `subagent`?"),
    ];
    for (text, help) in cases {
        let diagnostics = match parse(text.as_bytes(), None, Trust::Trusted) {
            Ok(loaded) => loaded.warnings,
            Err(error) => error.diagnostics,
        };
        assert_eq!(diagnostics.0[0].help.as_deref(), Some(help), "{text}");
    }
}

#[test]
fn spans_point_into_the_text() {
    let text = "{ \"ui\": { \"toasts\": \"yes\" } }";
    let error = parse(text.as_bytes(), None, Trust::Trusted).expect_err("a wrong type");
    let span = error.diagnostics.0[0].span.clone().unwrap();
    assert_eq!(&error.files[0].text[span], "\"yes\"");
}

/// The shape that `config check --json` prints.
#[test]
fn diagnostics_are_data() {
    let error = parse(b"{\"ui\": 1}", Some("o.json".as_ref()), Trust::Trusted).expect_err("a wrong type");
    let expected = serde_json::json!([{
        "code": "orch::config::wrong-type",
        "severity": "error",
        "file": "o.json",
        "line": 1,
        "column": 8,
        "path": "$.ui",
        "message": "expected an object, found the number 1",
        "help": null,
    }]);
    assert_eq!(serde_json::to_value(&error.diagnostics).unwrap(), expected);
}

#[test]
fn a_configuration_built_in_code_is_checked_like_a_file() {
    let mut config = Config::builtin();
    assert!(config.check().is_empty(), "{}", config.check());
    let step = StepDefinition::new("s".parse().unwrap(), "nobody".parse().unwrap(), "{task}");
    config.insert_workflow(WorkflowDefinition::new("mine".parse().unwrap(), vec![step.clone(), step]));
    assert_eq!(
        lines(&config.check()),
        [
            "- error duplicate-id $.workflows.definitions[\"mine\"].steps[1].id",
            "- error unknown-worker $.workflows.definitions[\"mine\"].steps[0].workerId",
            "- error unknown-worker $.workflows.definitions[\"mine\"].steps[1].workerId",
        ]
    );
}

/// Whoever reads that something has no effect wants to know what has.
#[test]
fn every_setting_without_effect_names_a_way_out() {
    let everything = include_str!("../fixtures/valid/predecessor-everything.json");
    let warnings = parse(everything.as_bytes(), None, Trust::Trusted).unwrap().warnings;
    let mut found = 0;
    for warning in warnings.iter().filter(|warning| warning.code == code::NOT_SUPPORTED) {
        let help = warning.help.as_deref().unwrap_or_default();
        let way_out = help.strip_prefix("has no effect in this version").unwrap_or(help);
        assert!(way_out.len() > 20, "{warning}: {help:?}");
        found += 1;
    }
    assert_eq!(found, 7);
}

#[test]
fn the_documentation_lists_every_code() {
    let page = include_str!("../../../docs/errors.md");
    let section = page.split("## Configuration").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("### `")).collect();
    let listed: Vec<_> = listed.iter().filter_map(|line| line.split('`').next()).collect();
    assert_eq!(listed, code::ALL);
}

#[test]
fn warnings_do_not_refuse_and_errors_do() {
    let warning = parse(br#"{"colour": 1}"#, None, Trust::Trusted).unwrap();
    assert!(warning.warnings.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
    assert_eq!(parse(b"{", None, Trust::Trusted).expect_err("malformed").code(), code::MALFORMED);
}
