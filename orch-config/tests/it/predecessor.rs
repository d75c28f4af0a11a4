//! Files that were valid for the predecessor load, and mean the same. Where they do not, the reason stands here.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use orch_config::{
    Config, Diagnostics, LoadError, LoadOptions, Loaded, Severity, Trust, code,
    kind::WorkerKind,
    load, parse,
    permission::PermissionRule,
    policy::{Execution, Intervene},
    retry::Retry,
};
use serde_json::{Map, Value, json};

/// What happens here instead of what happened there.
enum Ours {
    /// The file is refused with this code.
    Refused(&'static str),
    /// The file loads, with a warning of this code.
    Warned(&'static str),
    /// The file loads; the case's own check knows what differs.
    Loads,
}
use Ours::{Loads, Refused, Warned};

const DROPPED: &str = "nothing is silently dropped: what cannot be used is an error";
const DEFAULTED: &str = "a profile needs only an id, the rest has defaults";
const RANGES: &str = "numbers have ranges";
const NO_FALLBACK: &str = "a file with an error is refused whole, it does not fall back to defaults";
const LIMITS: &str =
    "four steps and two minutes would now kill real work: the defaults are 1,000 and 30 minutes";

/// Every deliberate difference, with its reason.
const DIFFERENCES: &[(&str, Ours, &str)] = &[
    ("profile.string-unknown", Refused(code::UNKNOWN_PROFILE), DROPPED),
    ("profile.number", Refused(code::WRONG_TYPE), DROPPED),
    ("profile.array", Refused(code::WRONG_TYPE), DROPPED),
    ("profile.custom-missing-model", Loads, DEFAULTED),
    ("profile.custom-missing-whenToUse", Loads, DEFAULTED),
    ("profile.docs-example-my-custom-worker", Loads, DEFAULTED),
    ("profile.schema-minimal", Loads, DEFAULTED),
    ("profile.kind-invalid", Refused(code::UNKNOWN_VALUE), DROPPED),
    ("profile.backend-invalid", Refused(code::UNKNOWN_VALUE), DROPPED),
    ("profile.execution-invalid", Refused(code::UNKNOWN_VALUE), DROPPED),
    ("profile.tools-non-boolean", Refused(code::WRONG_TYPE), DROPPED),
    ("profile.kind-subagent+backend-agent", Loads, "a subagent runs on the agent backend: no conflict"),
    ("profile.unknown-key-kept", Warned(code::UNKNOWN_KEY), "unknown keys are reported"),
    ("profile.port-wrong-type", Refused(code::WRONG_TYPE), "types are checked"),
    ("parse.not-object", Refused(code::WRONG_TYPE), NO_FALLBACK),
    ("parse.array", Refused(code::WRONG_TYPE), NO_FALLBACK),
    ("parse.core-negative", Refused(code::OUT_OF_RANGE), RANGES),
    ("parse.profiles-mixed", Refused(code::WRONG_TYPE), DROPPED),
    ("parse.wf-ui-half", Refused(code::UNKNOWN_VALUE), DROPPED),
    ("parse.wf-def-requiredSkills-dropped", Refused(code::MISSING_KEY), "a step needs a worker and a prompt"),
    ("parse.wf-def-bad-step", Refused(code::MISSING_KEY), DROPPED),
    ("parse.wf-triggers", Refused(code::WRONG_TYPE), DROPPED),
    ("parse.security-bad", Refused(code::WRONG_TYPE), DROPPED),
    ("parse.agent-tools-bad", Refused(code::WRONG_TYPE), DROPPED),
    ("parse.pruning-bad-tools", Refused(code::WRONG_TYPE), DROPPED),
    ("parse.notifications", Refused(code::WRONG_TYPE), DROPPED),
    ("load.malformed-project-json", Refused(code::MALFORMED), NO_FALLBACK),
    ("load.jsonc-comment", Loads, "comments are allowed"),
    ("load.workers-dedupe", Refused(code::UNKNOWN_PROFILE), DROPPED),
    ("load.workers-prototype-key", Refused(code::UNKNOWN_PROFILE), DROPPED),
    ("load.profiles-string", Refused(code::UNKNOWN_PROFILE), DROPPED),
    ("limits.zero", Refused(code::OUT_OF_RANGE), RANGES),
    ("timeout.default", Loads, LIMITS),
    ("timeout.step-negative-ignored", Refused(code::OUT_OF_RANGE), RANGES),
    ("timeout.limit-negative", Refused(code::OUT_OF_RANGE), RANGES),
    ("timeout.limit-nan", Refused(code::WRONG_TYPE), "types are checked"),
    ("boomerang.steps", Loads, "the plan is carried: losing it was the predecessor's worst bug"),
];

/// Keys of the predecessor's configuration that this version reports as not supported.
const NOT_SUPPORTED: &[&str] =
    &["memory", "pruning", "telemetry", "triggers", "defaultListFormat", "logToConsole", "firstRunDemo"];

#[test]
fn every_case_is_equal_or_different_for_a_stated_reason() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/predecessor-cases.json")).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    let mut areas: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for case in cases {
        let (id, area) = (case["id"].as_str().unwrap(), case["area"].as_str().unwrap());
        let result = run(area, &case["input"]);
        let [equal, different] = areas.entry(area).or_default();
        match DIFFERENCES.iter().find(|(different, ..)| *different == id) {
            None => {
                same(case, result);
                *equal += 1;
            }
            Some((_, ours, reason)) => {
                differs(case, ours, reason, result);
                *different += 1;
            }
        }
    }
    // Equal, and different on purpose; together they are all of the area's cases.
    let expected = [
        ("boomerang", [1, 1]),
        ("gate-default", [8, 0]),
        ("limits", [3, 1]),
        ("load", [8, 5]),
        ("parse", [4, 12]),
        ("profile", [13, 14]),
        ("timeout", [1, 4]),
        ("validate", [3, 0]),
    ];
    let sum = |which: usize| areas.values().map(|counts| counts[which]).sum::<usize>();
    println!("{} cases: {} equal, {} different on purpose, 0 failing", sum(0) + sum(1), sum(0), sum(1));
    assert_eq!(areas, expected.into());
    for (id, ..) in DIFFERENCES {
        assert!(cases.iter().any(|case| case["id"] == *id), "no case {id}");
    }
}

/// Runs a case's input.
fn run(area: &str, input: &Value) -> Result<Loaded, LoadError> {
    match area {
        "profile" => parse_value(&json!({ "profiles": [input] })),
        "parse" => parse_value(input),
        "load" => load_files(input),
        "gate-default" => match &input["ui"] {
            Value::Null => parse_value(&json!({})),
            ui => parse_value(&json!({ "workflows": { "ui": ui } })),
        },
        "limits" => parse_value(&with_old_caps(input)),
        "timeout" => parse_value(&timeout_file(input)),
        "validate" => parse_value(&validated_file(input)),
        "boomerang" => parse_value(&json!({ "workflows": { "roocodeBoomerang": input } })),
        area => unreachable!("{area}"),
    }
}

fn parse_value(file: &Value) -> Result<Loaded, LoadError> {
    parse(file.to_string().as_bytes(), None, Trust::Trusted)
}

/// The predecessor's default limits, as a person would set them today.
fn with_old_caps(input: &Value) -> Value {
    let mut file = input["config"].clone();
    let caps =
        json!({ "maxSteps": 4, "maxTaskChars": 12000, "maxCarryChars": 24000, "perStepTimeoutMs": 120_000 });
    let written = file["security"]["workflows"].take();
    file["security"] = json!({ "workflows": caps });
    merge(&mut file["security"]["workflows"], written);
    let step = json!({ "id": "s", "workerId": "coder", "prompt": "{task}" });
    file["workflows"]["definitions"] =
        json!([{ "id": "x", "steps": [step] }, { "id": "other", "steps": [step] }]);
    file
}

fn merge(into: &mut Value, from: Value) {
    if let Value::Object(from) = from {
        into.as_object_mut().unwrap().extend(from);
    }
}

fn timeout_file(input: &Value) -> Value {
    let mut step = json!({ "id": "s", "workerId": "coder", "prompt": "{task}" });
    let mut caps = Map::new();
    if let Some(timeout) = input.get("timeoutMs") {
        step["timeoutMs"] = timeout.clone();
    }
    if let Some(cap) = input.get("perStepTimeoutMs") {
        caps.insert("perStepTimeoutMs".to_owned(), cap.clone());
    }
    json!({ "security": { "workflows": caps }, "workflows": { "definitions": [{ "id": "x", "steps": [step] }] } })
}

fn validated_file(input: &Value) -> Value {
    let steps = input["steps"].as_u64().unwrap_or(0);
    let step = |index| json!({ "id": format!("s{index}"), "workerId": "coder", "prompt": "{task}" });
    let definitions = match steps {
        0 => json!([]),
        _ => json!([{ "id": "x", "steps": (0..steps).map(step).collect::<Vec<_>>() }]),
    };
    let caps = input.get("limits").cloned().unwrap_or(json!({}));
    json!({ "security": { "workflows": caps }, "workflows": { "definitions": definitions } })
}

fn load_files(input: &Value) -> Result<Loaded, LoadError> {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &Value| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(path, text).unwrap();
    };
    if let Some(global) = input.get("global") {
        write("xdg/opencode/orchestrator.json", global);
    }
    for (name, content) in input["files"].as_object().into_iter().flatten() {
        write(name, content);
    }
    let xdg = root.path().join("xdg");
    let mut options = LoadOptions::discover(root.path().join("dir"), |name| {
        (name == "XDG_CONFIG_HOME").then(|| OsString::from(&xdg))
    });
    options.worktree = input.get("worktree").map(|_| root.path().join("wt"));
    load(&options)
}

/// The case means the same here.
fn same(case: &Value, result: Result<Loaded, LoadError>) {
    let (id, input, expected) = (&case["id"], &case["input"], &case["expected"]);
    if id == "validate.unknown-workflow" {
        let config = result.unwrap().config;
        assert_eq!((config.workflow("nope"), config.suggest_workflow("biuld")), (None, Some("build")));
        return;
    }
    if expected.get("throws").is_some() {
        let error = result.expect_err("the predecessor threw");
        assert_eq!(error.code(), code::KIND_BACKEND_CONFLICT, "{id}");
        return;
    }
    let loaded = result.unwrap_or_else(|error| panic!("{id}: {error}"));
    match case["area"].as_str().unwrap() {
        "profile" => same_profile(&loaded, expected, id),
        "parse" => same_keys(&loaded, expected, id),
        "load" => same_load(&loaded, expected, id),
        "gate-default" => same_policy(&loaded.config, input, expected, id),
        "limits" => same_limits(&loaded.config, input["workflowId"].as_str().unwrap(), expected, id),
        "timeout" => {
            let step = loaded.config.workflow("x").unwrap().steps().next().unwrap();
            assert_eq!(json!({ "timeoutMs": step.timeout_ms }), *expected, "{id}");
        }
        "validate" => {
            let workflow = loaded.config.workflow("x").unwrap();
            let chars = input["taskChars"].as_u64().unwrap();
            assert!(
                !workflow.exceeds_max_steps() && chars <= u64::from(workflow.limits.max_task_chars),
                "{id}"
            );
        }
        "boomerang" => assert_eq!(boomerang_steps(&loaded.config, expected), *expected, "{id}"),
        area => unreachable!("{area}"),
    }
}

fn same_profile(loaded: &Loaded, expected: &Value, id: &Value) {
    let profile = loaded.config.profile(expected["id"].as_str().unwrap()).unwrap();
    for (key, value) in expected.as_object().unwrap() {
        let ours = match key.as_str() {
            "id" => json!(profile.id),
            "name" => json!(profile.name),
            "model" => json!(profile.model),
            "purpose" => json!(profile.purpose),
            "whenToUse" => json!(profile.when_to_use),
            "kind" => json!(profile.kind),
            "backend" => json!(if profile.kind == WorkerKind::Server { "server" } else { "agent" }),
            "execution" => json!(profile.execution),
            "temperature" => json!(profile.temperature),
            "supportsVision" => json!(profile.supports_vision),
            "supportsWeb" => json!(profile.supports_web),
            "injectRepoContext" => json!(profile.inject_repo_context),
            "requiredSkills" => json!(profile.required_skills),
            "tools" => {
                assert_eq!(*value, json!({ "write": false, "edit": false }), "{id}");
                assert_eq!(profile.permission, [PermissionRule::deny("edit")], "{id}");
                continue;
            }
            // The text is our own.
            "promptFile" => {
                assert!(profile.system_prompt.as_ref().is_some_and(|text| !text.is_empty()), "{id}");
                continue;
            }
            key => panic!("{id}: nobody compares {key}"),
        };
        assert_eq!(ours, *value, "{id}: {key}");
    }
}

/// Every key of `expected` has the same value in ours, or is reported as not supported.
fn same_keys(loaded: &Loaded, expected: &Value, id: &Value) {
    let ours = serde_json::to_value(&loaded.config).unwrap();
    same_values(&ours, expected, &loaded.warnings, id);
}

fn same_values(ours: &Value, expected: &Value, warnings: &Diagnostics, id: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        if NOT_SUPPORTED.contains(&key.as_str()) {
            let told = warnings.iter().any(|warning| {
                warning.code == code::NOT_SUPPORTED
                    && warning.path.as_ref().is_some_and(|path| path.ends_with(key))
            });
            assert!(told, "{id}: nothing is said about {key}");
        } else if value.is_object() {
            same_values(&ours[key], value, warnings, id);
        } else {
            assert_eq!(ours[key], *value, "{id}: {key}");
        }
    }
}

fn same_load(loaded: &Loaded, expected: &Value, id: &Value) {
    let sources: Vec<_> = loaded.files.iter().filter_map(|file| file.path.as_deref()).collect();
    let expected_sources = expected["sources"].as_object().unwrap();
    assert_eq!(sources.len(), expected_sources.len(), "{id}");
    for (source, path) in expected_sources.values().zip(&sources) {
        let relative = source.as_str().unwrap().trim_start_matches("$ROOT/");
        assert!(path.ends_with(Path::new(relative)), "{id}: {path:?}");
    }
    let ours = serde_json::to_value(&loaded.config).unwrap();
    let mut config = expected["config"].clone();
    for unsupported in ["pruning", "memory", "telemetry"] {
        config.as_object_mut().unwrap().remove(unsupported);
    }
    for key in NOT_SUPPORTED {
        config["ui"].as_object_mut().unwrap().remove(*key);
    }
    // The memory worker is not supported; the limits are other ones, and our own workflows are listed.
    let spawn: Vec<_> =
        expected["config"]["spawn"].as_array().unwrap().iter().filter(|id| *id != "memory").collect();
    assert_eq!(ours["workers"], json!(spawn), "{id}");
    for other in ["spawn", "security", "workflows"] {
        config.as_object_mut().unwrap().remove(other);
    }
    same_values(&ours, &config, &loaded.warnings, id);
    let ids: Vec<_> =
        loaded.config.profiles.keys().map(ToString::to_string).filter(|id| id != "reviewer").collect();
    assert_eq!(json!(ids), expected["profileIds"], "{id}");
    for profile in expected["nonBuiltinProfiles"].as_object().unwrap().values() {
        same_profile(loaded, profile, id);
    }
}

fn same_policy(config: &Config, input: &Value, expected: &Value, id: &Value) {
    let hook = &expected["hooks"][0];
    let stepwise = hook["reason"] == "execution=step";
    assert_eq!(config.policy.execution == Execution::Step, stepwise, "{id}");
    if let Some(intervene) = hook["reason"].as_str().and_then(|reason| reason.strip_prefix("intervene=")) {
        assert_eq!(config.policy.intervene.to_string(), intervene, "{id}");
    }
    if input["ui"].get("intervene").is_none() {
        assert_eq!(config.policy.intervene, Intervene::OnError, "{id}");
    }
}

fn same_limits(config: &Config, workflow: &str, expected: &Value, id: &Value) {
    let limits = config.workflow(workflow).unwrap().limits;
    let ours = json!({
        "maxSteps": limits.max_steps,
        "maxTaskChars": limits.max_task_chars,
        "maxCarryChars": limits.max_carry_chars,
        "perStepTimeoutMs": limits.per_step_timeout_ms,
    });
    assert_eq!(ours, *expected, "{id}");
}

/// The steps, with the keys that the case names.
fn boomerang_steps(config: &Config, expected: &Value) -> Value {
    let named = |step: &orch_config::StepDefinition, key: &str| match key {
        "id" => json!(step.id),
        "title" => json!(step.title),
        "workerId" => json!(step.worker),
        "prompt" => json!(step.prompt),
        "carry" => json!(step.carry),
        key => panic!("nobody compares {key}"),
    };
    let steps = config.workflow("roocode-boomerang").unwrap().steps();
    steps
        .zip(expected.as_array().unwrap())
        .map(|(step, expected)| {
            expected.as_object().unwrap().keys().map(|key| (key.clone(), named(step, key))).collect()
        })
        .map(Value::Object)
        .collect()
}

/// The case means something else here, and exactly what is stated.
fn differs(case: &Value, ours: &Ours, reason: &str, result: Result<Loaded, LoadError>) {
    let id = case["id"].as_str().unwrap();
    match (ours, result) {
        (Refused(code), Err(error)) => {
            let codes: Vec<_> = error.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
            assert!(codes.iter().any(|diagnostic| diagnostic.code == *code), "{id} ({reason}): {error}");
        }
        (Warned(code), Ok(loaded)) => {
            assert!(loaded.warnings.iter().any(|warning| warning.code == *code), "{id} ({reason})");
        }
        (Loads, Ok(loaded)) => loads_otherwise(id, &loaded.config),
        (_, result) => panic!("{id} ({reason}): {:?}", result.map(|loaded| loaded.warnings)),
    }
}

/// What is so in the cases that load here and did not, or not so, there.
fn loads_otherwise(id: &str, config: &Config) {
    match id {
        "profile.custom-missing-model" => assert_eq!(config.profile("w").unwrap().model, None),
        "profile.custom-missing-whenToUse" => assert_eq!(config.profile("w").unwrap().when_to_use, ""),
        "profile.docs-example-my-custom-worker" => {
            assert_eq!(config.profile("my-custom-worker").unwrap().kind, WorkerKind::Server);
        }
        "profile.schema-minimal" => assert_eq!(config.profile("custom").unwrap().name, "custom"),
        "profile.kind-subagent+backend-agent" => {
            assert_eq!(config.profile("w").unwrap().kind, WorkerKind::Subagent);
        }
        "load.jsonc-comment" => assert_eq!(config.base_port, 9),
        "timeout.default" => {
            assert_eq!(config.workflow("x").unwrap().steps().next().unwrap().timeout_ms, 1_800_000)
        }
        "boomerang.steps" => {
            let steps: Vec<_> = config.workflow("roocode-boomerang").unwrap().steps().collect();
            let shape: Vec<_> = steps
                .iter()
                .map(|step| (step.id.as_str(), step.worker.as_str(), step.carry, &step.retry))
                .collect();
            let once = Retry::default();
            let expected = [
                ("plan", "architect", true, &once),
                ("implement", "coder", true, &once),
                ("review", "architect", true, &once),
                ("fix", "coder", true, &once),
            ];
            assert_eq!(shape, expected);
        }
        id => panic!("nobody says what is so in {id}"),
    }
}
