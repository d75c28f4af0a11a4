//! What holds for any file.

use std::collections::BTreeSet;

use orch_config::{Config, Severity, Trust, parse};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Map, Value, json};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "\\PC{0,12}", Just("译者 {x} \"y\" \\ {task}".to_owned())]
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::sample::select(words).prop_map(Value::from)
}

/// An object with any of the given keys.
fn object(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Map<String, Value>> {
    let keys: Vec<_> = keys
        .into_iter()
        .map(|(key, value)| {
            prop::option::of(value).prop_map(move |value| value.map(|value| (key.to_owned(), value)))
        })
        .collect();
    keys.prop_map(|pairs| pairs.into_iter().flatten().collect())
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn number(range: std::ops::Range<u64>) -> BoxedStrategy<Value> {
    range.prop_map(Value::from).boxed()
}

fn written() -> BoxedStrategy<Value> {
    text().prop_map(Value::from).boxed()
}

fn part(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    object(keys).prop_map(Value::from).boxed()
}

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    word(words).boxed()
}

fn list(element: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    prop::collection::vec(element, 0..3).prop_map(|list| json!(list)).boxed()
}

fn budget() -> BoxedStrategy<Value> {
    part(vec![
        ("maxTokens", number(1..1_000_000)),
        ("maxCostUsd", (0.01..900.0_f64).prop_map(Value::from).boxed()),
        ("maxActiveMs", number(1..10_000_000)),
    ])
}

fn limits() -> BoxedStrategy<Value> {
    part(vec![
        ("maxSteps", number(50..5_000)),
        ("maxTaskChars", number(1..99_999)),
        ("maxCarryChars", number(1..99_999)),
        ("perStepTimeoutMs", number(1..9_999_999)),
        ("idleWarningMs", number(1..9_999_999)),
        ("maxParallel", number(1..9)),
    ])
}

fn policy() -> BoxedStrategy<Value> {
    part(vec![
        ("execution", one_of(&["step", "auto"])),
        ("intervene", one_of(&["never", "on-warning", "on-error", "always"])),
    ])
}

/// Neither of the two keys means anything without the other.
fn with_gate(object: Map<String, Value>, gate: Option<(u64, Value)>) -> Map<String, Value> {
    let mut object = object;
    if let Some((timeout, default)) = gate {
        object.insert("gateTimeoutMs".to_owned(), timeout.into());
        object.insert("gateDefault".to_owned(), default);
    }
    object
}

fn gate() -> impl Strategy<Value = Option<(u64, Value)>> {
    prop::option::of((1..9_999_999_u64, word(&["continue", "retry", "skip", "abort"])))
}

/// `backend` is an older spelling of `kind`, and a worker on a server of its own is never in the foreground.
fn settled(mut worker: Map<String, Value>) -> Map<String, Value> {
    if worker.contains_key("kind") {
        worker.remove("backend");
    }
    let other = |key: &str| worker.get(key).is_some_and(|kind| kind != "server");
    if worker.get("execution").is_some_and(|mode| mode == "foreground") && !other("kind") && !other("backend")
    {
        worker.remove("backend");
        worker.insert("kind".to_owned(), "subagent".into());
    }
    worker
}

fn tools() -> BoxedStrategy<Value> {
    prop::collection::hash_map("[a-c]", any::<bool>(), 0..3).prop_map(|tools| json!(tools)).boxed()
}

fn permission() -> BoxedStrategy<Value> {
    let actions = || word(&["allow", "ask", "deny"]);
    let patterns = prop::collection::hash_map("[x-z*]", actions(), 1..3).prop_map(|patterns| json!(patterns));
    let rules = prop::collection::hash_map("[d-f]", prop_oneof![actions(), patterns], 0..3);
    rules.prop_map(|rules| json!(rules)).boxed()
}

fn agent() -> BoxedStrategy<Value> {
    part(vec![
        ("enabled", flag()),
        ("name", one_of(&["lead", "规划"])),
        ("model", one_of(&["a/b"])),
        ("prompt", one_of(&["Lead.", "Führe."])),
        ("mode", one_of(&["primary", "subagent"])),
        ("color", one_of(&["#12ab9F", "accent"])),
        ("applyToBuild", flag()),
        ("tools", tools()),
        ("permission", permission()),
    ])
}

fn profile() -> impl Strategy<Value = Map<String, Value>> {
    object(vec![
        ("name", written()),
        ("purpose", written()),
        ("whenToUse", written()),
        ("kind", one_of(&["server", "agent", "subagent"])),
        ("backend", one_of(&["server", "agent"])),
        ("execution", one_of(&["foreground", "background"])),
        ("model", one_of(&["a/b", "node:fast"])),
        ("agent", one_of(&["build", "规划"])),
        ("systemPrompt", written()),
        ("promptFile", one_of(&["workers/coder.md", "workers/docs.md"])),
        ("tools", tools()),
        ("permission", permission()),
        ("temperature", (0.0..2.0_f64).prop_map(Value::from).boxed()),
        ("env", prop::collection::hash_map("[A-Z]{1,3}", text(), 0..3).prop_map(|env| json!(env)).boxed()),
        ("context", one_of(&["fresh", "fork", "summary"])),
        ("handoff", one_of(&["last", "summarize", "none"])),
        ("maxConcurrency", number(1..9)),
        ("restart", part(vec![("maxRestarts", number(0..9)), ("windowMs", number(1..999_999))])),
        ("requiredSkills", list("[a-z]{1,5}")),
        ("supportsVision", flag()),
        ("supportsWeb", flag()),
        ("injectRepoContext", flag()),
        ("tags", list(text())),
        ("port", number(1..65_535)),
    ])
    .prop_map(settled)
}

/// A step without an id: of a list in which the step `s0` comes first.
fn step() -> impl Strategy<Value = Map<String, Value>> {
    let retry = vec![
        ("maxAttempts", number(1..5)),
        ("backoffMs", number(1..99_999)),
        ("factor", (1.0..99.0_f64).prop_map(Value::from).boxed()),
        ("maxBackoffMs", number(1..99_999)),
        ("on", list(prop::sample::select(vec!["transient".to_owned(), "rate_limited".to_owned()]))),
    ];
    let schema =
        json!({ "type": "object", "properties": { "v": { "enum": ["a", "b"] } }, "required": ["v"] });
    object(vec![
        ("title", written()),
        ("when", one_of(&["size(task) > 3", "task.contains('x') || task == ''"])),
        ("output", Just(schema).boxed()),
        ("budget", budget()),
        ("carry", flag()),
        ("timeoutMs", number(1..1_800_000)),
        ("idleWarningMs", number(1..1_800_000)),
        ("requiredSkills", list("[a-z]{1,5}")),
        ("ui", policy()),
        ("kind", one_of(&["server", "agent", "subagent"])),
        ("execution", one_of(&["foreground", "background"])),
        ("retry", part(retry)),
    ])
    .prop_map(settled)
}

/// Steps one after the other or side by side, and a group behind them.
fn nodes() -> impl Strategy<Value = Vec<Value>> {
    let steps = |least| prop::collection::vec((step(), text(), prop::option::of(0..3_usize)), least..4);
    let group = object(vec![
        ("title", written()),
        ("needs", list(Just("s0".to_owned()))),
        ("when", one_of(&["steps.s0.status == 'done'"])),
    ]);
    let until = word(&["steps.g0.status == 'done'", "iteration >= 2"]);
    let group = (group, 1..100_u64, until, steps(1));
    (steps(1), prop::option::of(group)).prop_map(|(steps, group)| {
        let mut nodes = named("s", steps);
        if let Some((mut group, max, until, steps)) = group {
            // Its condition is about a step that has to be over by then.
            let first = group.get("needs").is_some_and(|needs| needs != &json!([]));
            if !first {
                group.remove("when");
            }
            group.insert("id".to_owned(), "group".into());
            group.insert("repeat".to_owned(), json!({ "max": max, "until": until }));
            group.insert("steps".to_owned(), named("g", steps).into());
            nodes.push(group.into());
        }
        nodes
    })
}

fn named(prefix: &str, steps: Vec<(Map<String, Value>, String, Option<usize>)>) -> Vec<Value> {
    let steps = steps.into_iter().enumerate().map(|(index, (mut step, prompt, need))| {
        step.insert("id".to_owned(), format!("{prefix}{index}").into());
        step.insert("workerId".to_owned(), "coder".into());
        step.insert("prompt".to_owned(), prompt.into());
        if let Some(need) = need {
            let needs: Vec<_> =
                (0..index).filter(|other| *other == need).map(|other| format!("{prefix}{other}")).collect();
            step.insert("needs".to_owned(), json!(needs));
        }
        Value::Object(step)
    });
    steps.collect()
}

fn workflow() -> impl Strategy<Value = Value> {
    let settings = object(vec![
        ("name", written()),
        ("description", written()),
        ("ui", policy()),
        ("limits", limits()),
        ("budget", budget()),
    ]);
    (settings, gate(), nodes()).prop_map(|(settings, gate, nodes)| {
        let mut workflow = with_gate(settings, gate);
        workflow.insert("id".to_owned(), "w".into());
        workflow.insert("steps".to_owned(), nodes.into());
        Value::Object(workflow)
    })
}

fn boomerang() -> BoxedStrategy<Value> {
    let step = object(vec![
        ("title", written()),
        ("workerId", one_of(&["coder", "docs"])),
        ("prompt", written()),
        ("carry", flag()),
        ("timeoutMs", number(1..1_800_000)),
        ("requiredSkills", list("[a-z]{1,5}")),
    ]);
    let steps = prop::collection::vec(step, 1..4).prop_map(|steps| {
        let steps = steps.into_iter().zip(["plan", "eigen", "fix"]).map(|(mut step, id)| {
            step.insert("id".to_owned(), id.into());
            step
        });
        steps.collect::<Vec<_>>().into()
    });
    part(vec![
        ("enabled", flag()),
        ("steps", steps.boxed()),
        ("maxSteps", number(50..5_000)),
        ("maxTaskChars", number(1..99_999)),
        ("maxCarryChars", number(1..99_999)),
        ("perStepTimeoutMs", number(1..9_999_999)),
    ])
}

/// Any file without a mistake in it.
fn file() -> impl Strategy<Value = Value> {
    let settings = object(vec![
        ("$schema", one_of(&["https://example.com/orchestrator.schema.json"])),
        ("basePort", number(1..65_535)),
        ("autoSpawn", flag()),
        ("workers", list(prop::sample::select(vec!["coder".to_owned(), "docs".to_owned()]))),
        ("startupTimeout", number(1..999_999)),
        ("healthCheckInterval", number(1..999_999)),
        (
            "ui",
            part(vec![
                ("toasts", flag()),
                ("promptHints", flag()),
                ("attention", flag()),
                ("wakeupInjection", flag()),
                ("injectSystemContext", flag()),
                ("systemContextMaxWorkers", number(0..99)),
                ("debug", flag()),
            ]),
        ),
        ("agent", agent()),
        ("commands", part(vec![("enabled", flag()), ("prefix", one_of(&["orch.", "o-"]))])),
        (
            "notifications",
            part(vec![(
                "idle",
                part(vec![
                    ("enabled", flag()),
                    ("title", written()),
                    ("message", written()),
                    ("delayMs", number(0..99_999)),
                ]),
            )]),
        ),
        ("security", part(vec![("workflows", limits())])),
        (
            "opencode",
            part(vec![
                (
                    "command",
                    prop_oneof![word(&["opencode"]), Just(json!(["opencode", "--print-logs"]))].boxed(),
                ),
                ("url", one_of(&["http://127.0.0.1:4096"])),
                ("usernameEnv", one_of(&["NAME"])),
                ("passwordEnv", one_of(&["WORD"])),
            ]),
        ),
        (
            "store",
            part(vec![
                ("path", one_of(&["/runs", "läufe"])),
                ("retention", part(vec![("maxAgeDays", number(1..99)), ("maxRuns", number(1..99))])),
                ("sessions", one_of(&["keep", "delete"])),
            ]),
        ),
    ]);
    let workflows = object(vec![
        ("enabled", flag()),
        ("ui", policy()),
        ("limits", limits()),
        ("budget", budget()),
        ("roocodeBoomerang", boomerang()),
        ("definitions", prop::collection::vec(workflow(), 0..2).prop_map(Value::from).boxed()),
    ]);
    (prop::collection::vec(profile(), 0..4), settings, workflows, gate()).prop_map(
        |(profiles, mut file, workflows, gate)| {
            let ids = ["one", "docs", "三", "four"];
            let named = profiles.into_iter().zip(ids).map(|(mut profile, id)| {
                profile.insert("id".to_owned(), id.into());
                profile
            });
            file.insert("profiles".to_owned(), named.collect::<Vec<_>>().into());
            file.insert("workflows".to_owned(), with_gate(workflows, gate).into());
            Value::Object(file)
        },
    )
}

/// The keys of all objects of a value, but those of tables, which are anybody's.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// The keys that the schema publishes and that act, wherever they stand.
fn published(schema: &Value, found: &mut BTreeSet<String>) {
    let unused = |schema: &Value| {
        let said = schema["description"].as_str().unwrap_or_default();
        schema["deprecated"] == true || said.starts_with("Not supported by this version")
    };
    match schema {
        Value::Object(object) => {
            for (name, part) in object {
                match (name.as_str(), part) {
                    ("properties", Value::Object(properties)) => {
                        for (key, schema) in properties.iter().filter(|(_, schema)| !unused(schema)) {
                            found.insert(key.clone());
                            published(schema, found);
                        }
                    }
                    ("$defs", Value::Object(_)) | ("examples" | "default", _) => {}
                    _ => published(part, found),
                }
            }
            if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                found.insert(name.to_owned());
            }
        }
        Value::Array(list) => list.iter().for_each(|schema| published(schema, found)),
        _ => {}
    }
}

/// A setting that is added has to be generated here, too.
#[test]
fn the_generator_knows_every_key_that_acts() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../schema/orchestrator.schema.json")).unwrap();
    let mut expected = BTreeSet::new();
    published(&schema, &mut expected);
    // What is only used by keys that do not act is not reached.
    let mut open: Vec<_> = expected.iter().filter(|key| key.starts_with('#')).cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(reference) = open.pop() {
        if !seen.insert(reference.clone()) {
            continue;
        }
        let mut more = BTreeSet::new();
        published(schema.pointer(&reference[1..]).unwrap(), &mut more);
        open.extend(more.iter().filter(|key| key.starts_with('#')).cloned());
        expected.extend(more);
    }
    let mut generated = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        keys(&file().new_tree(&mut runner).unwrap().current(), &mut generated);
    }
    // What only a person's own file may have is no part of the configuration that it loads to.
    generated.insert("trust".to_owned());
    let missing: Vec<_> =
        expected.iter().filter(|key| !key.starts_with('#') && !generated.contains(*key)).collect();
    assert!(missing.is_empty() && expected.len() > 90, "{missing:?} of {}", expected.len());
}

fn configuration(bytes: &[u8]) -> Config {
    parse(bytes, None, Trust::Trusted).unwrap_or_else(|error| panic!("{error}")).config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is shown of a configuration is a file that loads to the same configuration.
    #[test]
    fn a_configuration_survives_being_shown(file in file()) {
        let config = configuration(file.to_string().as_bytes());
        let shown = serde_json::to_vec(&config).unwrap();
        prop_assert_eq!(configuration(&shown), config);
    }

    /// Comments and layout change nothing: the slow way reads what the fast way reads.
    #[test]
    fn both_ways_of_reading_agree(file in file()) {
        let fast = configuration(file.to_string().as_bytes());
        let slow = configuration(format!("// commented\n{file:#}\n").as_bytes());
        prop_assert_eq!(fast, slow);
    }

    /// However a file is damaged, it is a configuration or a list of problems with places inside the file.
    #[test]
    fn damage_is_reported_inside_the_file(
        file in file(),
        at in any::<prop::sample::Index>(),
        damage in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            prop::sample::select(vec![b"null".to_vec(), b"{".to_vec(), b"]".to_vec(), b"\"".to_vec(), b"1e999".to_vec(), b"\\ud800".to_vec(), b"/*".to_vec()]),
        ],
        cut in 0..6_usize,
    ) {
        let mut bytes = file.to_string().into_bytes();
        let start = at.index(bytes.len());
        let end = (start + cut).min(bytes.len());
        bytes.splice(start..end, damage);
        if let Err(error) = parse(&bytes, None, Trust::Untrusted) {
            prop_assert!(error.diagnostics.has_errors());
            let text = &error.files[0].text;
            for diagnostic in &error.diagnostics {
                // What is remarked may be built in, as a step that a profile of the file affects.
                prop_assert!(diagnostic.span.is_some() || diagnostic.severity == Severity::Warning, "{diagnostic}");
                let Some(span) = &diagnostic.span else { continue };
                prop_assert!(text.get(span.clone()).is_some() || span.start == text.len(), "{diagnostic}");
                let line = usize::try_from(diagnostic.line.unwrap()).unwrap();
                prop_assert!(line <= text.split('\n').count(), "{diagnostic}");
            }
        }
    }
}
