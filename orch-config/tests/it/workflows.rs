//! Workflows that are graphs: groups, needs, conditions, structured answers, budgets.

use orch_config::{Node, Trust, budget::Budget, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Project, loaded};

/// What is wrong with a file: place, code, message and help.
fn said(text: &str) -> String {
    let error = parse(text.as_bytes(), None, Trust::Trusted).expect_err("the file loads");
    let lines = error.diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.line.zip(diagnostic.column).map(|(line, column)| format!("{line}:{column}"));
        let help = diagnostic.help.as_ref().map(|help| format!("\n      {help}")).unwrap_or_default();
        format!(
            "{} {} {}\n      {}{help}",
            place.unwrap_or_default(),
            diagnostic.code.trim_start_matches("orch::config::"),
            diagnostic.path.as_deref().unwrap_or_default(),
            diagnostic.message
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Everything that can be wrong between steps, in one file, told at once.
#[test]
fn everything_wrong_with_a_graph_is_told_at_once() {
    let file = r##"{
  "workflows": { "definitions": [
    { "id": "needs", "steps": [
      { "id": "plan", "workerId": "coder", "prompt": "{task}" },
      { "id": "a", "workerId": "coder", "prompt": "{task}", "needs": ["paln"] },
      { "id": "b", "workerId": "coder", "prompt": "{task}", "needs": ["inner"] },
      { "id": "g", "repeat": { "max": 2, "until": "true" }, "steps": [
        { "id": "inner", "workerId": "coder", "prompt": "{task}", "needs": ["g"] },
        { "id": "other", "workerId": "coder", "prompt": "{task}", "needs": ["plan", "innr"] },
        { "id": "plan", "workerId": "coder", "prompt": "{task}" }
      ] },
      { "id": "e", "repeat": { "max": 1, "until": "true" }, "steps": [] }
    ] },
    { "id": "circles", "steps": [
      { "id": "a", "workerId": "coder", "prompt": "{task}", "needs": ["c"] },
      { "id": "b", "workerId": "coder", "prompt": "{task}" },
      { "id": "c", "workerId": "coder", "prompt": "{task}" },
      { "id": "d", "workerId": "coder", "prompt": "{task}" },
      { "id": "self", "workerId": "coder", "prompt": "{task}", "needs": ["self"] },
      { "id": "g", "needs": [], "repeat": { "max": 2, "until": "true" }, "steps": [
        { "id": "x", "workerId": "coder", "prompt": "{task}", "needs": ["y"] },
        { "id": "y", "workerId": "coder", "prompt": "{task}" }
      ] },
      { "id": "never", "workerId": "coder", "prompt": "{task}", "when": "1 > 2" }
    ] },
    { "id": "references", "steps": [
      { "id": "plan", "workerId": "coder", "prompt": "{steps.one.text} {steps.plan.text}" },
      { "id": "one", "workerId": "coder", "prompt": "{steps.two.text} {steps.plan.output.x}", "needs": ["plan"] },
      { "id": "two", "workerId": "coder", "prompt": "{steps.paln.text}", "needs": ["plan"], "when": "steps.one.status == 'done'" },
      { "id": "g", "repeat": { "max": 2, "until": "steps.check.output.verdct == 'ok' || steps.one.status == 'done'" }, "steps": [
        { "id": "check", "workerId": "reviewer", "prompt": "{steps.mend.text} {steps.one.text} {steps.two.text}",
          "output": { "type": "object", "properties": { "verdict": { "enum": ["ok", "not-ok"] }, "notes": { "type": "array", "items": { "type": "string" } } } } },
        { "id": "mend", "workerId": "coder", "prompt": "{steps.check.output.note}", "when": "steps.check.output.verdict == 'notok'" }
      ] },
      { "id": "last", "workerId": "coder", "prompt": "{steps.g.text} {steps.check.output.notes.0} {steps.check.output.notes.first}",
        "when": "steps.check.output.notes > 3 && steps.mend.status == 'finished'" },
      { "id": "very-last", "workerId": "coder", "prompt": "{task}", "when": "steps.check.output.verdict == 'ok' || steps.check.output.notes > 3" }
    ] },
    { "id": "texts", "steps": [
      { "id": "s", "workerId": "coder", "prompt": "{task}", "when": "task == \"\u00fc\t\" && iteratio < 3" },
      { "id": "t", "workerId": "coder", "prompt": "{task}", "when": "iteration", "output": { "type": "strang" } },
      { "id": "u", "workerId": "coder", "prompt": "{task}", "when": "", "output": { "$ref": "https://example.com/s.json" },
        "budget": { "maxTokens": 0, "maxCostUsd": -1.5, "maxActiveMs": 0.5 } }
    ], "budget": { "maxCostUsd": 0, "maxTokens": 10 } }
  ], "budget": { "maxActiveMs": -3 } }
}"##;
    insta::assert_snapshot!(said(file));
}

/// A limit that is not the file's own can still be exceeded in code.
#[test]
fn a_graph_built_in_code_is_checked_like_one_from_a_file() {
    let text = include_str!("../fixtures/valid/graph.json");
    let mut config = loaded(text).config;
    assert!(config.check().is_empty(), "{}", config.check());
    let workflow = config.workflows.get_mut("w").unwrap();
    workflow.budget.max_cost_usd = Some(f64::NAN);
    let Some(Node::Group(group)) = workflow.nodes.get_mut(3) else { panic!("the fourth node is the group") };
    group.max = 0;
    let check = config.check();
    let found: Vec<_> = check.iter().map(|problem| problem.path.as_deref().unwrap()).collect();
    let list = "$.workflows.definitions[\"w\"]";
    assert_eq!(found, [format!("{list}.budget.maxCostUsd"), format!("{list}.steps[3].repeat.max")]);
}

#[test]
fn a_graph_survives_being_shown() {
    let config = loaded(include_str!("../fixtures/valid/graph.json")).config;
    let shown = serde_json::to_string(&config).unwrap();
    assert_eq!(loaded(&shown).config, config);
    let workflow = config.workflow("w").unwrap();
    assert_eq!(workflow.steps().count(), 6);
    assert_eq!(workflow.groups().map(|group| group.id.as_str()).collect::<Vec<_>>(), ["loop"]);
    assert_eq!(workflow.step("mend").unwrap().worker.as_str(), "coder");
}

/// Numbers in a schema stay as they are written, in plain JSON and beside a comment.
#[test]
fn a_schema_reads_the_same_with_and_without_comments() {
    let file = json!({ "workflows": { "definitions": [{ "id": "w", "steps": [{
        "id": "s", "workerId": "coder", "prompt": "p",
        "output": { "type": "integer", "minimum": 1, "maximum": 2.5, "default": null, "enum": [1, -1, 1e3, true] },
    }] }] } });
    let plain = loaded(&file.to_string()).config;
    assert_eq!(loaded(&format!("// a comment\n{file}")).config, plain);
    let output = plain.workflow("w").unwrap().step("s").unwrap().output.clone().unwrap();
    assert_eq!(output["minimum"].as_u64(), Some(1));
}

/// A workflow can only lower what the level above it allows, bound by bound.
#[test]
fn budgets_and_parallel_steps_are_lowered_and_never_raised() {
    let file = json!({
        "security": { "workflows": { "maxParallel": 6 } },
        "workflows": {
            "budget": { "maxTokens": 1000, "maxCostUsd": 2 },
            "limits": { "maxParallel": 5 },
            "definitions": [{
                "id": "w",
                "budget": { "maxTokens": 5000, "maxCostUsd": 0.5, "maxActiveMs": 7 },
                "limits": { "maxParallel": 9 },
                "steps": [{ "id": "s", "workerId": "coder", "prompt": "p" }]
            }]
        }
    });
    let config = loaded(&file.to_string()).config;
    let workflow = config.workflow("w").unwrap();
    let expected = Budget { max_tokens: Some(1000), max_cost_usd: Some(0.5), max_active_ms: Some(7) };
    assert_eq!((workflow.budget, workflow.limits.max_parallel), (expected, 5));
    let build = config.workflow("build").unwrap();
    assert_eq!((build.budget.max_tokens, build.limits.max_parallel), (Some(1000), 5));
}

/// What a person allows to be spent, a cloned repository cannot raise.
#[test]
fn a_project_that_is_not_trusted_cannot_raise_the_budget() {
    let project = Project::new()
        .global(r#"{"workflows": {"budget": {"maxCostUsd": 2}}}"#)
        .project(r#"{"workflows": {"budget": {"maxCostUsd": 3, "maxTokens": 5}}, "security": {"workflows": {"maxParallel": 64}}}"#);
    let refused = project.refused();
    assert_eq!(
        refused,
        [
            "1:41 error untrusted $.workflows.budget.maxCostUsd",
            "1:104 error untrusted $.security.workflows.maxParallel"
        ]
    );
}

/// A graph as an index list of needs: what the oracle is given.
#[derive(Debug, Clone)]
struct Drawn {
    /// For each node its needs as written; none for the default.
    needs: Vec<Option<Vec<usize>>>,
    /// For each node the step that its prompt refers to, if any.
    reference: Vec<Option<usize>>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (1..9_usize).prop_flat_map(|nodes| {
        // One need beyond the nodes there are: it leads nowhere.
        let needs = prop::option::weighted(0.7, prop::collection::vec(0..=nodes, 0..3));
        let reference = prop::option::weighted(0.4, 0..=nodes);
        (prop::collection::vec(needs, nodes), prop::collection::vec(reference, nodes))
            .prop_map(|(needs, reference)| Drawn { needs, reference })
    })
}

impl Drawn {
    fn file(&self) -> String {
        let id = |node: usize| format!("s{node}");
        let steps = self.needs.iter().zip(&self.reference).enumerate().map(|(node, (needs, reference))| {
            let prompt = reference.map_or("{task}".to_owned(), |step| format!("{{steps.{}.text}}", id(step)));
            let mut step = json!({ "id": id(node), "workerId": "coder", "prompt": prompt });
            if let Some(needs) = needs {
                step["needs"] = needs.iter().map(|need| id(*need)).collect::<Value>();
            }
            step
        });
        json!({ "workflows": { "definitions": [{ "id": "w", "steps": steps.collect::<Vec<_>>() }] } })
            .to_string()
    }

    /// By brute force: run whatever is ready, until nothing is; then look what each had behind it.
    fn is_right(&self) -> bool {
        let count = self.needs.len();
        let needs: Vec<Vec<usize>> = (0..count)
            .map(|node| {
                self.needs[node].clone().unwrap_or_else(|| if node == 0 { vec![] } else { vec![node - 1] })
            })
            .collect();
        let mut behind: Vec<Option<Vec<usize>>> = vec![None; count];
        for _ in 0..count {
            for node in 0..count {
                let over: Option<Vec<Vec<usize>>> = needs[node]
                    .iter()
                    .map(|need| {
                        behind.get(*need).cloned().flatten().map(|mut all| {
                            all.push(*need);
                            all
                        })
                    })
                    .collect();
                behind[node] = over.map(|all| all.concat());
            }
        }
        (0..count).all(|node| {
            let Some(behind) = &behind[node] else { return false };
            self.reference[node].is_none_or(|step| behind.contains(&step))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// A graph loads exactly when every step can start and finds behind it what it refers to.
    #[test]
    fn a_graph_loads_exactly_when_the_oracle_says_so(drawn in drawn()) {
        let file = drawn.file();
        let loads = parse(file.as_bytes(), None, Trust::Trusted).map(drop).map_err(|error| error.to_string());
        prop_assert_eq!(loads.is_ok(), drawn.is_right(), "{}\n{:?}", file, loads);
    }
}
