//! What a front end shows is what the terminal shows.

use orch::opencode::simulator::{Answer, Script, ToolCall, When};
use serde_json::{Value, json};

use super::client::Service;
use crate::world::World;

/// The words of a page, without what sets them apart in Markdown or in columns.
fn words(page: &str) -> Vec<&str> {
    let mark = |char: char| char.is_whitespace() || "|*#`\\>-:".contains(char);
    page.split(mark).filter(|word| !word.is_empty()).collect()
}

/// A view without the moment at which it was made.
fn timeless(mut view: Value) -> Value {
    if let Some(view) = view.as_object_mut() {
        view.remove("at");
    }
    view
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_the_same_from_the_service_and_from_the_command() {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let answers =
        [Answer::tool(tool), Answer::text("一覧 has `one` *file* | [a.txt]\n\n# Summary\n\n- done\n")];
    let world = World::new(Script::new().on(When::prompt("step one"), answers).otherwise("done")).await;
    let ended = world.orch(["run", "last", "an early task", "--json"]).await.run();
    let open = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let service = Service::start(&world).await;

    let mut rows = vec![
        ("/v1/dashboard".to_owned(), vec!["dashboard"]),
        ("/v1/dashboard?ended=0".to_owned(), vec!["dashboard", "--ended", "0"]),
        ("/v1/workers".to_owned(), vec!["workers"]),
    ];
    for run in [&ended, &open] {
        rows.extend([
            (format!("/v1/runs/{run}/trace?sessions=true"), vec!["trace", run]),
            (format!("/v1/runs/{run}/trace?sessions=true&full=true"), vec!["trace", run, "--full"]),
            (format!("/v1/runs/{run}/trace?sessions=true&step=one"), vec!["trace", run, "one"]),
            (format!("/v1/runs/{run}/results"), vec!["results", run]),
            (format!("/v1/runs/{run}/output"), vec!["output", run]),
            (format!("/v1/runs/{run}/output?step=one"), vec!["output", run, "one"]),
        ]);
    }
    for (path, command) in rows {
        let served = service.get(&path).await.ok();
        let as_json = world.orch(command.iter().copied().chain(["--json"])).await.json();
        assert_eq!(timeless(served["data"].clone()), timeless(as_json), "{path}");
        let page = world.steady(&world.orch(command).await.stdout);
        let markdown = world.steady(served["markdown"].as_str().unwrap());
        assert_eq!(words(&markdown), words(&page), "{path}");
        assert!(!words(&page).is_empty(), "{path}");
    }
}
