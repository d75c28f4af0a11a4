//! A terminal of 80 columns: what does not fit is wrapped, or cut with a sign.

use std::time::Duration;

use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::{
        live_binary,
        tui::{PATIENCE, Screen, tmux},
        world::World,
    },
    end, installed, run,
};
use crate::{
    poll,
    screens::{Page, bare},
    serve::client::{http, reply},
};

const LONG: &str =
    "The keel is of the oldest oak that the harbour had, and that took until the evening of the second day.";

fn config() -> Value {
    let step = |id: &str, title: &str| json!({ "id": id, "title": title, "workerId": "shipwright-of-the-harbour", "prompt": format!("{id} {{task}}") });
    json!({
        "profiles": [{ "id": "shipwright-of-the-harbour", "kind": "subagent" }],
        "workflows": {
            "ui": { "execution": "step" },
            "definitions": [{ "id": "ship", "steps": [
                step("first", "Draw every plank of it before anything is cut"), step("second", "Build"),
            ] }],
        },
    })
}

/// What the service says for this view, as Markdown.
async fn markdown(world: &World, path: &str) -> String {
    let service = world.service();
    let url = format!("{}{path}", service["url"].as_str().unwrap());
    let answer = http().get(url).bearer_auth(service["token"].as_str().unwrap()).send().await.unwrap();
    reply(answer).await.ok()["markdown"].as_str().unwrap().to_owned()
}

/// The cells of the tables in a Markdown text, and its other lines, without marks.
fn said(markdown: &str) -> (Vec<String>, Vec<String>) {
    let (rows, lines): (Vec<_>, Vec<_>) = markdown.lines().partition(|line| line.starts_with("| "));
    let rows = rows.into_iter().filter(|row| !row.starts_with("| ---"));
    // An escaped bar ends no cell.
    let cells = rows.flat_map(|row| row.trim_matches('|').split(" |").map(bare).collect::<Vec<_>>());
    let lines = lines.into_iter().map(|line| bare(line.trim_start_matches(['#', '-', '>', ' '])));
    (cells.filter(|cell| !cell.is_empty()).collect(), lines.filter(|line| !line.is_empty()).collect())
}

/// Waits until the screen shows all that the service says for this view, which both look up anew until then.
async fn shows_all_of(screen: &Screen, world: &World, path: &str) {
    let mut missing = String::new();
    let shown = poll::until_so(async || {
        screen.press(&["r"]).await;
        let (cells, lines) = said(&markdown(world, path).await);
        assert!(cells.len() + lines.len() > 0, "{path} says nothing");
        let same = poll::until_so(async || {
            let page = Page::of(&screen.text().await);
            let same = page.cells == cells && lines.iter().all(|line| page.text.contains(line));
            missing = format!("{cells:#?} {lines:#?} in {page:#?}");
            same
        });
        timeout(Duration::from_secs(5), same).await.is_ok()
    });
    assert!(timeout(PATIENCE, shown).await.is_ok(), "not all of {path} is shown: {missing}");
}

#[tokio::test]
async fn in_80_columns_nothing_of_a_view_is_cut_without_a_sign() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let script = Script::new().on(When::prompt("first "), LONG);
    let world = installed(&program, script, &config()).await;
    let screen = Screen::narrow(&tmux, &program, &world).await;
    let task = "a boat for the whole village and all its animals";
    run(&screen, task).await;
    screen.shows(&["gate: ctrl+x v"]).await;
    let id = world.orch(&["runs", "--json"]).await.json()[0]["id"].as_str().unwrap().to_owned();

    for (kept, title, path) in [
        ("narrow-dashboard", "See everything", "/v1/dashboard".to_owned()),
        ("narrow-workers", "List workers", "/v1/workers".to_owned()),
        ("narrow-trace", "Trace a run", format!("/v1/runs/{id}/trace?sessions=true")),
        ("narrow-results", "Read all results", format!("/v1/runs/{id}/results")),
        ("narrow-output", "Read a result", format!("/v1/runs/{id}/output")),
    ] {
        let name = kept.trim_start_matches("narrow-");
        screen.enter(&format!("/orch-{name}")).await;
        screen.shows(&[&format!("orch: {title}")]).await;
        screen.press(&["Enter"]).await;
        screen.shows(&["esc back"]).await;
        shows_all_of(&screen, &world, &path).await;
        screen.keep_page(kept).await;
        screen.press(&["Escape"]).await;
        screen.hides(&["esc back"]).await;
    }

    screen.press(&["C-x", "v"]).await;
    screen.shows(&["The keel is of the oldest oak", "continue", "read the whole answer"]).await;
    screen.keep("narrow-gate").await;
    screen.press(&["Escape"]).await;
    screen.hides(&["read the whole answer"]).await;
    screen.enter("/orch-open").await;
    screen.shows(&["orch: Open a worker's session"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Which worker's session?", "shipwright-of-the-harbour  first at-rest  subagen…"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["ctrl+x k talk to this worker   ctrl+x i interrupt it   ctrl+x 0 back"]).await;
    end(world, screen).await;
}
