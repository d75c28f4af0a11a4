//! What holds for any file.

use orch_config::{Config, Trust, parse};
use proptest::prelude::*;
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

fn profile() -> impl Strategy<Value = Map<String, Value>> {
    object(vec![
        ("name", text().prop_map(Value::from).boxed()),
        ("purpose", text().prop_map(Value::from).boxed()),
        ("kind", word(&["server", "agent", "subagent"]).boxed()),
        ("model", word(&["a/b", "node:fast"]).boxed()),
        ("systemPrompt", text().prop_map(Value::from).boxed()),
        ("temperature", (0.0..2.0_f64).prop_map(Value::from).boxed()),
        (
            "tools",
            prop::collection::hash_map("[a-c]", any::<bool>(), 0..3).prop_map(|tools| json!(tools)).boxed(),
        ),
        (
            "permission",
            prop::collection::hash_map(
                "[d-f]",
                prop_oneof![
                    word(&["allow", "ask", "deny"]),
                    prop::collection::hash_map("[x-z*]", word(&["allow", "ask", "deny"]), 1..3)
                        .prop_map(|patterns| json!(patterns)),
                ],
                0..3,
            )
            .prop_map(|rules| json!(rules))
            .boxed(),
        ),
        ("env", prop::collection::hash_map("[A-Z]{1,3}", text(), 0..3).prop_map(|env| json!(env)).boxed()),
        ("maxConcurrency", (1..9_u32).prop_map(Value::from).boxed()),
        (
            "requiredSkills",
            prop::collection::vec("[a-z]{1,5}", 0..3).prop_map(|skills| json!(skills)).boxed(),
        ),
        ("supportsVision", any::<bool>().prop_map(Value::from).boxed()),
    ])
}

fn step() -> impl Strategy<Value = Map<String, Value>> {
    object(vec![
        ("title", text().prop_map(Value::from).boxed()),
        ("carry", any::<bool>().prop_map(Value::from).boxed()),
        ("timeoutMs", (1..1_800_000_u64).prop_map(Value::from).boxed()),
        ("kind", word(&["agent", "subagent"]).boxed()),
        ("ui", object(vec![("execution", word(&["step", "auto"]).boxed())]).prop_map(Value::from).boxed()),
        ("retry", (1..5_u32).prop_map(|attempts| json!({ "maxAttempts": attempts })).boxed()),
    ])
}

/// Any file without a mistake in it.
fn file() -> impl Strategy<Value = Value> {
    let profiles = prop::collection::vec(profile(), 0..4);
    let steps = prop::collection::vec((step(), text()), 1..4);
    let settings = object(vec![
        ("basePort", (1..65_535_u32).prop_map(Value::from).boxed()),
        ("autoSpawn", any::<bool>().prop_map(Value::from).boxed()),
        (
            "ui",
            object(vec![("toasts", any::<bool>().prop_map(Value::from).boxed())])
                .prop_map(Value::from)
                .boxed(),
        ),
        (
            "security",
            (1000..5000_u32).prop_map(|steps| json!({ "workflows": { "maxSteps": steps } })).boxed(),
        ),
        ("opencode", word(&["opencode"]).prop_map(|command| json!({ "command": command })).boxed()),
        ("store", (1..9_u32).prop_map(|runs| json!({ "retention": { "maxRuns": runs } })).boxed()),
    ]);
    (profiles, steps, settings, word(&["never", "on-warning", "on-error", "always"])).prop_map(
        |(profiles, steps, mut file, intervene)| {
            let ids = ["one", "docs", "三", "four"];
            let named = profiles.into_iter().zip(ids).map(|(mut profile, id)| {
                profile.insert("id".to_owned(), id.into());
                profile
            });
            file.insert("profiles".to_owned(), named.collect::<Vec<_>>().into());
            let steps = steps.into_iter().enumerate().map(|(index, (mut step, prompt))| {
                step.insert("id".to_owned(), format!("s{index}").into());
                step.insert("workerId".to_owned(), "coder".into());
                step.insert("prompt".to_owned(), prompt.into());
                step
            });
            let definition = json!({ "id": "w", "steps": steps.collect::<Vec<_>>() });
            let workflows = json!({ "ui": { "intervene": intervene }, "definitions": [definition] });
            file.insert("workflows".to_owned(), workflows);
            Value::Object(file)
        },
    )
}

fn configuration(bytes: &[u8]) -> Config {
    parse(bytes, None, Trust::Trusted).unwrap_or_else(|error| panic!("{error}")).config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

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
                let Some(span) = &diagnostic.span else { continue };
                prop_assert!(text.get(span.clone()).is_some() || span.start == text.len(), "{diagnostic}");
                let line = usize::try_from(diagnostic.line.unwrap()).unwrap();
                prop_assert!(line <= text.split('\n').count(), "{diagnostic}");
            }
        }
    }
}
