//! The answers of workers are Markdown, and look like it.

use std::fs;

use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};

use super::{
    super::{
        live_binary,
        tui::{Screen, tmux},
    },
    end, installed, run,
};

/// One of each.
const ANSWER: &str = "# The drawing

It has a **sturdy** keel, *gently* curved, of `oak`.

## Wood

- oak
- pine

| part | wood |
| --- | --- |
| keel | **oak** |
| mast | pine |

```js
const keel = \"oak\"
```";

/// How it stands on the screen, from top to bottom.
const SHOWN: [&str; 9] = [
    "The drawing",
    "It has a sturdy keel, gently curved, of oak.",
    "Wood",
    "- oak",
    "- pine",
    "│part",
    "│keel",
    "│mast",
    "const keel = \"oak\"",
];

/// What would be there if nobody had read it.
const MARKS: [&str; 6] = ["# The", "**", "*gently*", "`oak`", "| ---", "```"];

fn config() -> Value {
    json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": {
            "ui": { "execution": "step" },
            "definitions": [{ "id": "ship", "steps": [
                { "id": "first", "title": "Draw", "workerId": "helper", "prompt": "first {task}" },
                { "id": "second", "title": "Build", "workerId": "helper", "prompt": "second {task}" },
            ] }],
        },
    })
}

fn script() -> Script {
    Script::new().on(When::prompt("first "), ANSWER)
}

/// Each as a line of its own, one below the other.
fn in_order(shown: &str, expected: &[&str]) -> bool {
    let mut lines = shown.lines().map(str::trim);
    expected.iter().all(|wanted| lines.any(|line| line.starts_with(wanted)))
}

async fn output(screen: &Screen) {
    screen.enter("/orch-output").await;
    screen.shows(&["orch: Read a result"]).await;
    screen.press(&["Enter"]).await;
}

#[tokio::test]
async fn an_answer_is_shown_as_the_markdown_that_it_is() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = installed(&program, script(), &config()).await;
    let screen = Screen::narrow(&tmux, &program, &world).await;
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;

    for (kept, title) in [("markdown-output", "Read a result"), ("markdown-results", "Read all results")] {
        let name = kept.trim_start_matches("markdown-");
        screen.enter(&format!("/orch-{name}")).await;
        screen.shows(&[&format!("orch: {title}")]).await;
        screen.press(&["Enter"]).await;
        screen
            .wait(name, |shown| in_order(shown, &SHOWN) && !MARKS.iter().any(|mark| shown.contains(mark)))
            .await;
        screen.keep(kept).await;
        screen.press(&["Escape"]).await;
        screen.hides(&["esc back"]).await;
    }

    // What stands above the decisions of its gate is the same.
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["continue", "read the whole answer"]).await;
    screen
        .wait("the answer", |shown| {
            in_order(shown, &SHOWN[..2]) && !MARKS.iter().any(|mark| shown.contains(mark))
        })
        .await;
    screen.keep("markdown-gate").await;
    end(world, screen).await;
}

/// A host of another time may draw with something else.
#[tokio::test]
async fn without_the_hosts_markdown_an_answer_is_shown_as_it_was_written() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = installed(&program, script(), &config()).await;
    let file = world.project().join(".opencode/orch/tui/markdown.js");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replace("@opentui/core", "@opentui/elsewhere");
    assert_ne!(text, changed);
    fs::write(&file, changed).unwrap();
    let screen = Screen::plain(&tmux, &program, &world).await;
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;
    output(&screen).await;
    let written: Vec<_> = ANSWER.lines().filter(|line| !line.is_empty()).collect();
    screen.wait("the text", |shown| in_order(shown, &written)).await;
    let log = fs::read_to_string(world.home().join(".local/state/orch/plugin.log")).unwrap();
    assert!(log.contains("show Markdown: Cannot find module '@opentui/elsewhere'"), "{log}");
    end(world, screen).await;
}
