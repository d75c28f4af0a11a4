//! Where each value comes from.

use std::{collections::BTreeMap, fs};

use orch_config::{Origin, Trust, load, parse};

use crate::support::Project;

/// Every value's origin by its path: `folder: the text at that place`, or a word.
fn origins(project: &Project) -> BTreeMap<String, String> {
    let loaded = load(&project.options).unwrap_or_else(|error| panic!("{error}"));
    let settings = loaded.settings().into_iter();
    settings.map(|setting| (setting.path, told(project, &setting.origin))).collect()
}

fn told(project: &Project, origin: &Origin) -> String {
    let Origin::File { file: Some(file), line, column } = origin else { return origin.to_string() };
    let place = |number: &u32| usize::try_from(*number).unwrap() - 1;
    let text = fs::read_to_string(file).unwrap();
    let rest: String = text.lines().nth(place(line)).unwrap().chars().skip(place(column)).collect();
    let folder = file.strip_prefix(project.path("")).unwrap().components().next().unwrap();
    format!("{}: {}", folder.as_os_str().display(), rest.split([',', '}', ']']).next().unwrap().trim_end())
}

#[track_caller]
fn assert_origins(project: &Project, expected: &[(&str, &str)]) {
    let found = origins(project);
    for (path, origin) in expected {
        assert_eq!(found.get(*path).map(String::as_str), Some(*origin), "{path}\n{found:#?}");
    }
}

#[test]
fn without_a_file_everything_is_built_in_or_a_default() {
    let origins = origins(&Project::new());
    assert!(origins.len() > 150);
    assert!(origins.values().all(|origin| matches!(origin.as_str(), "built in" | "default")));
    assert_eq!(origins["$.basePort"], "default");
    assert_eq!(origins["$.workflows.ui.execution"], "default");
    assert_eq!(origins["$.profiles[\"coder\"].systemPrompt"], "built in");
    assert_eq!(origins["$.workflows.definitions[\"docs\"].steps[0].prompt"], "built in");
}

#[test]
fn a_value_comes_from_the_highest_file_that_has_it_or_from_the_command_line() {
    let mut project = Project::new()
        .global("{\n  \"basePort\": 1, // mine\n  \"ui\": { \"toasts\": false, \"promptHints\": true },\n  \"startupTimeout\": 5\n}")
        .project("{\n  \"basePort\": 2,\n  \"ui\": { \"toasts\": true }\n}");
    project.options.overrides = Some(r#"{"startupTimeout": 6}"#.to_owned());
    assert_origins(
        &project,
        &[
            ("$.basePort", "project: 2"),
            ("$.ui.toasts", "project: true"),
            ("$.ui.promptHints", "config: true"),
            ("$.ui.wakeupInjection", "default"),
            ("$.startupTimeout", "command line"),
        ],
    );
}

#[test]
fn profiles_are_followed_by_id_through_every_spelling() {
    let project = Project::new()
        .global(
            r#"{"profiles": [{"id": "mine", "name": "M", "backend": "agent", "tools": {"Write": false}},
{"id": "coder", "purpose": "P", "permission": {"bash": "deny"}}], "workers": ["mine"]}"#,
        )
        .project(
            r#"{"profiles": [{"id": "coder", "permission": {"bash": {"git *": "deny"}}}],
"workers": [{"id": "mine", "name": "N"}, {"id": "inline", "promptFile": "workers/coder.md"}]}"#,
        );
    assert_origins(
        &project,
        &[
            ("$.profiles[\"mine\"].name", "project: \"N\""),
            ("$.profiles[\"mine\"].kind", "config: \"agent\""),
            ("$.profiles[\"mine\"].permission.edit", "config: false"),
            ("$.profiles[\"mine\"].handoff", "default"),
            ("$.profiles[\"inline\"].systemPrompt", "project: \"workers/coder.md\""),
            ("$.profiles[\"coder\"].purpose", "config: \"P\""),
            ("$.profiles[\"coder\"].permission.bash[\"git *\"]", "project: \"deny\""),
            ("$.profiles[\"coder\"].permission.bash[\"*\"]", "config: \"deny\""),
            ("$.profiles[\"coder\"].name", "built in"),
            ("$.profiles[\"docs\"].permission.edit", "built in"),
            ("$.workers", "project: [{\"id\": \"mine\""),
        ],
    );
}

#[test]
fn a_file_that_replaces_a_built_in_prompt_is_named() {
    let project = Project::new().file("project/.opencode/orch/prompts/workers/coder.md", "ours");
    assert_origins(&project, &[("$.profiles[\"coder\"].systemPrompt", "project: ours")]);
}

#[test]
fn a_cap_comes_from_the_place_that_lowered_it() {
    let project = Project::new().project(
        r#"{"security": {"workflows": {"maxSteps": 500}},
"workflows": {"limits": {"maxSteps": 900, "perStepTimeoutMs": 1000, "idleWarningMs": 7}, "definitions": [
{"id": "w", "limits": {"maxSteps": 20}, "steps": [
{"id": "a", "workerId": "coder", "prompt": "p", "timeoutMs": 10},
{"id": "b", "workerId": "coder", "prompt": "p", "timeoutMs": 5000}]}],
"gateTimeoutMs": 5, "gateDefault": "abort", "roocodeBoomerang": {"maxSteps": 8}}}"#,
    );
    let of = |place: &str| format!("$.workflows.definitions{place}");
    assert_origins(
        &project,
        &[
            (&of("[\"w\"].limits.maxSteps"), "project: 20"),
            (&of("[\"docs\"].limits.maxSteps"), "project: 500"),
            (&of("[\"roocode-boomerang\"].limits.maxSteps"), "project: 8"),
            (&of("[\"w\"].limits.perStepTimeoutMs"), "project: 1000"),
            (&of("[\"w\"].limits.maxCarryChars"), "default"),
            (&of("[\"w\"].steps[0].timeoutMs"), "project: 10"),
            (&of("[\"w\"].steps[1].timeoutMs"), "project: 1000"),
            (&of("[\"w\"].steps[1].idleWarningMs"), "project: 7"),
            (&of("[\"docs\"].gateDefault"), "project: \"abort\""),
            (&of("[\"docs\"].gateTimeoutMs"), "project: 5"),
        ],
    );
}

/// Groups of steps, budgets and schemas: what is nested is followed, and a schema is one value.
#[test]
fn groups_and_budgets_are_followed() {
    let project = Project::new().project(
        r#"{"workflows": {"budget": {"maxTokens": 500, "maxCostUsd": 3}, "definitions": [
{"id": "w", "budget": {"maxTokens": 900}, "steps": [
{"id": "g", "repeat": {"max": 2, "until": "iteration == 2"}, "steps": [
{"id": "a", "workerId": "coder", "prompt": "p", "budget": {"maxActiveMs": 7},
"output": {"type": "object"}}]}]}]}}"#,
    );
    let of = |place: &str| format!("$.workflows.definitions[\"w\"]{place}");
    assert_origins(
        &project,
        &[
            (&of(".budget.maxTokens"), "project: 500"),
            (&of(".budget.maxCostUsd"), "project: 3"),
            (&of(".steps[0].repeat.max"), "project: 2"),
            (&of(".steps[0].steps[0].prompt"), "project: \"p\""),
            (&of(".steps[0].steps[0].budget.maxActiveMs"), "project: 7"),
            (&of(".steps[0].steps[0].output"), "project: {\"type\": \"object\""),
            (&of(".steps[0].steps[0].carry"), "default"),
        ],
    );
}

/// A list of steps replaces the one below it, so nothing below it counts.
#[test]
fn replaced_steps_leave_no_trace() {
    let step = |title: &str| {
        format!(
            r#"{{"workflows": {{"definitions": [{{"id": "w", "name": "W", "steps": [{{"id": "s", "workerId": "coder", "prompt": "p"{title}}}]}}]}}}}"#
        )
    };
    let project = Project::new().global(&step(r#", "title": "s""#)).project(&step(""));
    let of = |place: &str| format!("$.workflows.definitions[\"w\"]{place}");
    assert_origins(&project, &[(&of(".steps[0].title"), "default"), (&of(".name"), "project: \"W\"")]);
    let boomerang = Project::new().project(
        r#"{"workflows": {"roocodeBoomerang": {"steps": [{"id": "plan", "title": "T"}, {"id": "own"}]}}}"#,
    );
    let of = |place: &str| format!("$.workflows.definitions[\"roocode-boomerang\"].steps{place}");
    assert_origins(
        &boomerang,
        &[
            (&of("[0].title"), "project: \"T\""),
            (&of("[0].prompt"), "built in"),
            (&of("[1].workerId"), "default"),
        ],
    );
}

/// The shape that `config show --origin --json` prints.
#[test]
fn settings_are_data() {
    let loaded = parse(b"{\"basePort\": 9}", Some("o.json".as_ref()), Trust::Trusted).unwrap();
    let settings = loaded.settings();
    let port = settings.iter().find(|setting| setting.path == "$.basePort").unwrap();
    assert_eq!(
        serde_json::to_value(port).unwrap(),
        serde_json::json!({ "path": "$.basePort", "value": 9, "origin": "file", "file": "o.json", "line": 1, "column": 14 })
    );
    let toasts = settings.iter().find(|setting| setting.path == "$.ui.toasts").unwrap();
    assert_eq!(toasts.origin, Origin::Default);
    assert_eq!(
        serde_json::to_value(toasts).unwrap(),
        serde_json::json!({ "path": "$.ui.toasts", "value": true, "origin": "default" })
    );
}
