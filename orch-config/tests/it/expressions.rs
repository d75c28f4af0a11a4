//! Conditions: what they see, what they may use, and that none of them runs away.

use orch_config::{
    expression::{Expression, ExpressionError, Scope, StepFacts},
    output::OutputSchema,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn scope() -> Scope {
    let mut review = StepFacts::new("done");
    review.output = json!({
        "verdict": "changes-requested",
        "score": 7.5,
        "count": 3,
        "findings": [
            { "severity": "high", "file": "a.rs" },
            { "severity": "low", "file": "b.rs" }
        ],
        "nothing": null
    });
    review.text_chars = 120;
    review.attempts = 2;
    review.warnings = vec!["retried".to_owned()];
    Scope::new("mend the parser", 2)
        .with_step("review", review)
        .with_step("first-ok", StepFacts::new("skipped"))
}

fn evaluate(text: &str) -> Result<bool, ExpressionError> {
    Expression::parse(text)?.evaluate(&scope())
}

/// What a condition can say about a step, its task and the pass.
#[test]
fn a_condition_sees_task_iteration_and_steps() {
    let table = [
        ("true", true),
        ("steps.review.status == 'done'", true),
        ("steps[\"first-ok\"].status == \"skipped\"", true),
        ("steps.review.output.verdict != 'approved'", true),
        ("steps.review.output.score >= 8", false),
        ("steps.review.output.score > 7", true),
        ("steps.review.output.count == 3.0", true),
        ("steps.review.output.findings.exists(f, f.severity == 'high')", true),
        ("steps.review.output.findings.all(f, f.severity in ['high', 'low'])", true),
        ("steps.review.output.findings.exists_one(f, f.file == 'a.rs')", true),
        ("size(steps.review.output.findings.filter(f, f.severity == 'low')) == 1", true),
        ("steps.review.output.findings.filter(f, f.severity == 'low')[0].file == 'b.rs'", true),
        ("steps.review.output.findings.size() > 2", false),
        ("has(steps.review.output.missing)", false),
        ("has(steps.review.output.missing) && steps.review.output.missing > 3", false),
        ("steps.review.output.nothing == null", true),
        ("steps['first-ok'].output == null", true),
        ("'retried' in steps.review.warnings", true),
        ("steps.review.text_chars > 100 && steps.review.attempts == 2", true),
        ("iteration < 3", true),
        ("task.contains('parser') && task.startsWith('mend') && !task.endsWith('!')", true),
        ("iteration == 1 ? true : steps.review.output.count > 0", true),
        ("string(iteration) + '!' == '2!'", true),
    ];
    for (text, expected) in table {
        assert_eq!(evaluate(text), Ok(expected), "{text}");
    }
}

/// Everything that is wrong is said with the place and, where there is one, the way out.
#[test]
fn a_wrong_condition_says_what_and_where() {
    let said = |text: &str| {
        let error = Expression::parse(text).unwrap_err();
        let place = error.offset.map_or_else(|| "whole".to_owned(), |at| at.to_string());
        let help = error.help.map(|help| format!("\n    {help}")).unwrap_or_default();
        format!("{text}\n  {place}: {}{help}\n", error.message)
    };
    let wrong = [
        "",
        "steps.review.output.verdict == ",
        "steps.review.status === 'done'",
        "steps.review.statsu == 'done'",
        "steps.review.text == 'approved'",
        "steps.review.colour == 1",
        "ü == 1",
        "task == 'ü' && taks == ''",
        "iteraton < 3",
        "$x",
        "steps",
        "steps[task].status == 'done'",
        "steps.exists(s, true)",
        "size(steps) > 1",
        "[1, 2].map(x, x + x) == [2, 4]",
        "[1].exists(x, [x, x] == [1, 1])",
        "[1].exists(task, true)",
        "task.matches('a+')",
        "timestamp(task) < 3",
        "task.containz('a')",
        "Step{id: 1}",
        "has(task)",
        "true && (false",
        "'unfinished",
    ];
    insta::assert_snapshot!(wrong.map(said).join("\n"));
}

/// What can only be found out with the values.
#[test]
fn a_condition_that_does_not_fit_the_values_is_an_error() {
    let table = [
        ("steps.review.output.missing == 1", "there is no field \"missing\""),
        ("steps.unknown.status == 'done'", "there is no field \"unknown\""),
        ("steps.review.output.verdict > 3", "`>` cannot be applied to string and int"),
        ("steps.review.output", "a condition must be true or false; this one gives map"),
        ("'yes'", "a condition must be true or false; this one gives string"),
        ("steps.review.output.findings[7].file == ''", "there is no element at this index"),
        ("1 / (iteration - 2) == 0", "a division by zero"),
        ("9223372036854775807 + iteration > 0", "a number out of range"),
        ("steps.review.output.count.exists(x, true)", "a value of type iterable is needed, not int"),
        ("iteration && true", "`&&` cannot be applied to int and bool"),
        ("!task", "`!` cannot be applied to string"),
        ("int(task) == 1", ""),
    ];
    for (text, expected) in table {
        let error = evaluate(text).unwrap_err();
        if expected.is_empty() {
            continue;
        }
        assert_eq!(error.message, expected, "{text}");
    }
}

#[test]
fn the_steps_of_a_condition_are_named_once_each() {
    let text = "steps.b.status == 'done' || steps['a-1'].output.x == steps.b.output.y";
    assert_eq!(Expression::parse(text).unwrap().steps(), ["b", "a-1"]);
}

/// Neither long texts, deep nesting nor loops within loops can hold up a run.
#[test]
fn no_condition_runs_away() {
    let refused = |text: String| Expression::parse(text).unwrap_err().message;
    assert_eq!(
        refused(format!("'{}' == ''", "x".repeat(1_000))),
        "a condition of 1008 bytes: at most 1000 are allowed"
    );
    assert_eq!(refused("(".repeat(33)), "brackets nest too deeply");
    assert_eq!(refused("1".to_owned() + &"+1".repeat(201)), "a condition with too many operators");
    let brackets = |open: &str, inner: &str, close: &str| open.repeat(31) + inner + &close.repeat(31);
    for deepest in [
        brackets("(", "true", ")"),
        brackets("[", "1", "]") + " == []",
        brackets("{1:", "1", "}") + " == {}",
        brackets("size(", "1", ")") + " == 1",
        brackets("[1].exists(x,", "true", ")"),
        "true".to_owned() + &" ? true : true".repeat(31),
        "!".repeat(200) + "true",
        "-".repeat(199) + "1 == 1",
        "1".to_owned() + &"==1".repeat(100),
        "1".to_owned() + &"+1".repeat(198) + " > 0",
        "true".to_owned() + &" && true".repeat(120),
        "true".to_owned() + &" && true || true".repeat(60),
        "[1]".to_owned() + &".filter(x, true)".repeat(60) + " == []",
        "[".repeat(20) + "[1]" + &".filter(x, true)".repeat(40) + &"]".repeat(20) + " == []",
        "task".to_owned() + &"[0]".repeat(200) + " == 1",
        "task".to_owned() + &".size()".repeat(100) + " == 1",
        "steps.review.output".to_owned() + &".a".repeat(190),
    ] {
        // Whether it holds does not matter, only that there is an answer, on a stack that is small.
        let caller = std::thread::Builder::new().stack_size(256 << 10);
        let answer =
            caller.spawn(move || Expression::parse(&deepest).map(|known| known.evaluate(&scope()))).unwrap();
        answer.join().unwrap().unwrap_or_else(Err).ok();
    }
    let numbers = Value::from((0..5_000).collect::<Vec<_>>());
    let mut facts = StepFacts::new("done");
    facts.output = json!({ "n": numbers });
    let scope = Scope::new("", 1).with_step("a", facts);
    let over = |text: &str| Expression::parse(text).unwrap().evaluate(&scope);
    assert_eq!(over("steps.a.output.n.all(x, x >= 0)"), Ok(true));
    for text in [
        "steps.a.output.n.all(x, steps.a.output.n.all(y, y >= 0))",
        "steps.a.output.n.exists(x, steps.a.output.n.exists(y, y < 0)) || true",
        "size(steps.a.output.n.filter(x, steps.a.output.n.filter(y, false) == [])) == 0",
        "steps.a.output.n.exists_one(x, steps.a.output.n.exists_one(y, y < 0))",
        "[steps.a.output.n, steps.a.output.n, steps.a.output.n].all(l, l.all(x, true))",
    ] {
        match over(text) {
            Err(error) => assert_eq!(error.message, "looks at more than 10000 elements", "{text}"),
            // What stands beside a failing loop may decide; the loop has ended all the same.
            Ok(decided) => assert!(decided && text.ends_with("|| true"), "{text}"),
        }
    }
}

proptest! {
    /// Whatever is written: an answer or an error, no panic.
    #[test]
    fn any_text_is_answered(text in ".{0,60}") {
        if let Ok(expression) = Expression::parse(text) {
            let _ = expression.evaluate(&scope());
        }
    }

    /// The same for texts that look more like conditions.
    #[test]
    fn any_mix_of_words_is_answered(words in prop::collection::vec(prop::sample::select(vec![
        "steps.review", ".output", ".findings", ".status", "[0]", "['x']", ".exists(f, ", ".all(x, ", ".filter(y, ",
        "has(", ")", "(", "[", "]", "{", "}", "==", "!=", "<", "&&", "||", "?", ":", "!", "-", "+", "*", "/", "%",
        "in", "1", "2.5", "3u", "-9223372036854775808", "1e400", "'a'", "\"b\"", "b'c'", "true", "null", "task",
        "iteration", "f", "x", ",", ".size()", "size(", "int(", "double(", "string(", "uint(", "r'\\d'", "`a`", ".?x",
        "'\\u00e9'", "'\\x'", "type(", "@meter", "0x1f", "'''", "\n", "// c",
    ]), 0..24)) {
        if let Ok(expression) = Expression::parse(words.concat()) {
            let _ = expression.evaluate(&scope());
        }
        if let Ok(expression) = Expression::parse(words.join(" ")) {
            let _ = expression.evaluate(&scope());
        }
    }
}

fn verdict() -> Value {
    json!({
        "type": "object",
        "properties": {
            "verdict": { "enum": ["approved", "changes-requested"] },
            "findings": {
                "type": "array",
                "items": { "$ref": "#/$defs/finding" }
            },
            "score": { "type": ["number", "null"] },
            "free": {}
        },
        "required": ["verdict"],
        "additionalProperties": false,
        "$defs": {
            "finding": {
                "type": "object",
                "properties": { "file": { "type": "string" }, "line": { "type": "integer", "minimum": 1 } },
                "required": ["file"]
            }
        }
    })
}

#[test]
fn an_answer_is_held_against_its_schema() {
    let schema = OutputSchema::new(&verdict()).unwrap();
    assert_eq!(schema.as_value(), &verdict());
    assert_eq!(schema.validate(&json!({ "verdict": "approved", "findings": [{ "file": "a" }] })), Ok(()));
    let wrong = json!({ "verdict": "fine", "findings": [{ "line": 0 }], "more": 1 });
    insta::assert_snapshot!(schema.validate(&wrong).unwrap_err().join("\n"));
    let many = json!({ "verdict": "approved", "findings": vec![1; 1_000] });
    assert_eq!(schema.validate(&many).unwrap_err().len(), 20);
    let long = json!({ "verdict": "x".repeat(10_000) });
    assert!(schema.validate(&long).unwrap_err()[0].chars().count() <= 301);
}

#[test]
fn a_sample_has_the_shape_of_the_schema() {
    let schema = OutputSchema::new(&verdict()).unwrap();
    let sample = json!({
        "verdict": "approved",
        "findings": [{ "file": "", "line": 1 }],
        "score": 1.0,
        "free": null
    });
    assert_eq!(schema.sample(), sample);
    assert_eq!(
        schema.validate(&json!({ "verdict": "approved", "findings": [{ "file": "", "line": 1 }] })),
        Ok(())
    );
}

#[test]
fn a_path_is_absent_only_where_the_schema_rules_it_out() {
    let schema = OutputSchema::new(&verdict()).unwrap();
    for (path, there) in [
        (vec![], true),
        (vec!["verdict"], true),
        (vec!["findings", "0", "file"], true),
        (vec!["free", "whatever", "3"], true),
        (vec!["verdct"], false),
        (vec!["findings", "file"], false),
        (vec!["findings", "0", "name"], false),
        (vec!["score", "value"], false),
    ] {
        assert_eq!(schema.may_have(&path), there, "{path:?}");
    }
}

/// A schema is refused with a reason when it is none, reaches outside, or could make a check slow.
#[test]
fn a_schema_that_cannot_be_used_is_refused() {
    let long = json!({ "description": "x".repeat(40_000) });
    let refused = [
        json!(true),
        json!({ "type": "strang" }),
        json!({ "properties": { "a": { "minimum": "1" } } }),
        json!({ "$ref": "https://example.com/schema.json" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "$ref": "#/$defs/none" }),
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "properties": { "a": { "anyOf": [{ "$ref": "#/properties/a" }, { "type": "null" }] } } }),
        json!({ "$dynamicRef": "#" }),
        json!({ "pattern": "(?=a)b" }),
        json!({ "pattern": "(" }),
        json!({ "$schema": "https://example.com/draft" }),
        long,
    ];
    let said = refused.map(|schema| {
        let error = OutputSchema::new(&schema).unwrap_err();
        let schema = schema.to_string();
        format!("{}\n  {}\n", &schema[..schema.len().min(90)], error.message)
    });
    insta::assert_snapshot!(said.join("\n"));
}

/// References that are no circle may be shared, but not multiply without end.
#[test]
fn shared_definitions_are_written_out_within_bounds() {
    let doubling = |levels: usize| {
        let level = |n: usize| {
            let below = json!({ "$ref": format!("#/$defs/l{}", n + 1) });
            (
                format!("l{n}"),
                if n == levels { json!({ "type": "string" }) } else { json!({ "anyOf": [below, below] }) },
            )
        };
        json!({ "$ref": "#/$defs/l0", "$defs": (0..=levels).map(level).collect::<serde_json::Map<_, _>>() })
    };
    assert!(OutputSchema::new(&doubling(8)).is_ok());
    let error = OutputSchema::new(&doubling(60)).unwrap_err();
    assert_eq!(error.message, "with its references written out, the schema has more than 10000 parts");
}
