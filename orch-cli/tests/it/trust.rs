//! A project that asks for more than a cloned repository may have.

use insta::assert_snapshot;
use orch::opencode::simulator::Script;
use serde_json::json;

use crate::{
    terminal::Terminal,
    world::{Output, World, standard},
};

/// A project that wants a permission for its worker.
async fn reaching() -> World {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut config = standard();
    config["profiles"][0]["permission"] = json!({ "bash": "allow" });
    world.configure(&config);
    world
}

fn told(world: &World, arguments: &str, output: &Output) -> String {
    let Output { code, stdout, stderr } = output;
    world.normal(&format!("$ orch {arguments}\n{stdout}{stderr}exit {}", code.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_is_refused_with_the_exact_command() {
    let world = reaching().await;
    let mut story = Vec::new();
    for arguments in [
        "run last work",
        "run last work --json",
        "trust",
        "trust --show",
        "trust --show --json",
        "trust --yes",
        "trust --show",
        "run last work --json",
    ] {
        let output = world.orch(arguments.split(' ')).await;
        match (arguments, output.code) {
            ("run last work --json", Some(0)) => story.push("the run succeeds".to_owned()),
            _ => story.push(told(&world, arguments, &output)),
        }
    }
    assert_snapshot!(story.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_shown_and_ends_the_trust() {
    let world = reaching().await;
    assert_eq!(world.orch(["trust", "--yes"]).await.code, Some(0));
    let mut config = standard();
    config["profiles"][0]["permission"] = json!({ "bash": "allow", "webfetch": "allow" });
    world.configure(&config);
    let refused = world.orch(["run", "last", "work", "--json"]).await;
    assert_eq!((refused.code, refused.error()), (Some(2), "orch::config::untrusted".to_owned()));
    assert!(world.prompts().is_empty());
    let shown = world.orch(["trust", "--show"]).await;
    assert_snapshot!(told(&world, "trust --show", &shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_is_taken_back() {
    let world = reaching().await;
    assert_eq!(world.orch(["trust", "--yes", "--json"]).await.json()["standing"], "trusted");
    assert_eq!(world.orch(["trust", "--revoke", "--json"]).await.json()["revoked"], true);
    assert_eq!(world.orch(["run", "last", "work"]).await.code, Some(2));
    assert_eq!(world.orch(["trust", "--revoke"]).await.stdout, format!("{} was not trusted\n", real(&world)));
}

/// What a person's own file says of whole directories is not taken back project by project.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_the_own_file_trusts_is_told_as_the_reason() {
    let world = reaching().await;
    let granted = json!({ "trust": [std::path::Path::new(&real(&world)).parent()] });
    world.own(&granted);
    assert_eq!(world.orch(["run", "last", "work"]).await.code, Some(0));
    let mut story = Vec::new();
    for arguments in ["trust", "trust --show", "trust --revoke", "trust --revoke --json"] {
        story.push(told(&world, arguments, &world.orch(arguments.split(' ')).await));
    }
    assert_snapshot!(story.join("\n\n"));
}

/// A run that waits at a gate goes on under the configuration that was trusted, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_widened_while_a_run_is_paused_is_not_used() {
    let world = reaching().await;
    world.configure(&standard());
    let paused = world.orch(["run", "two", "work", "--execution", "step", "--json"]).await;
    assert_eq!(paused.code, Some(3));
    let mut config = standard();
    config["profiles"][0]["permission"] = json!({ "*": "allow" });
    world.configure(&config);
    let refused = world.orch(["continue", &paused.run(), "--json"]).await;
    assert_eq!((refused.code, refused.error()), (Some(2), "orch::config::untrusted".to_owned()));
    assert_eq!(world.prompts().len(), 1);
}

/// That the wider configuration may be used is one question, whether the run that waited may go on under it another.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_widened_and_trusted_while_a_run_is_paused_stops_it_at_a_gate() {
    let world = reaching().await;
    assert_eq!(world.orch(["trust", "--yes"]).await.code, Some(0));
    let run = world.orch(["run", "two", "work", "--execution", "step", "--json"]).await.run();
    let mut config = standard();
    config["profiles"][0]["permission"] = json!({ "*": "allow" });
    world.configure(&config);
    let refused = world.orch(["continue", &run, "--json"]).await;
    assert_eq!((refused.code, refused.error()), (Some(2), "orch::config::untrusted".to_owned()));

    assert_eq!(world.orch(["trust", "--yes"]).await.code, Some(0));
    let stopped = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    let gate = world.show(&run).await["gate"].take();
    assert_eq!(gate["reason"], "definition-changed");
    assert!(gate["message"].as_str().unwrap().contains("worker w has another profile"), "{gate}");
    assert_eq!(world.prompts().len(), 1);
}

/// The configuration is the same, word for word: what it names has changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_file_that_is_edited_while_a_run_is_paused_stops_it() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut config = standard();
    config["profiles"][0]["promptFile"] = json!("w.md");
    world.configure(&config);
    let prompts = world.project().join(".opencode/orch/prompts");
    std::fs::create_dir_all(&prompts).unwrap();
    std::fs::write(prompts.join("w.md"), "You are careful.").unwrap();
    let run = world.orch(["run", "two", "work", "--execution", "step", "--json"]).await.run();

    std::fs::write(prompts.join("w.md"), "You are quick.").unwrap();
    let stopped = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    let gate = world.show(&run).await["gate"].take();
    assert_eq!(gate["reason"], "definition-changed");
    assert!(gate["message"].as_str().unwrap().contains("worker w has another profile"), "{gate}");
    assert_eq!(world.prompts().len(), 1);

    // To finish with the journaled workflow is one of the answers.
    assert_eq!(world.orch(["continue", &run]).await.code, Some(0));
    assert_eq!(world.prompts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_is_asked() {
    let world = reaching().await;
    let mut terminal = Terminal::start(world.command(["run", "last", "work"]));
    terminal.shows("is not trusted").await;
    terminal.shows("widen permissions").await;
    terminal.shows("Trust it? [y/N]").await;
    terminal.types("");
    assert_eq!(terminal.ends().await, Some(2));
    assert!(world.prompts().is_empty());

    let mut terminal = Terminal::start(world.command(["run", "last", "work"]));
    terminal.shows("Trust it? [y/N]").await;
    terminal.types("yes");
    terminal.shows("success").await;
    assert_eq!(terminal.ends().await, Some(0));

    // What needs no trust goes on without it, once the person has said no.
    world.configure(&standard());
    let mut terminal = Terminal::start(world.command(["run", "last", "work"]));
    terminal.shows("has changed since you trusted it").await;
    terminal.shows("-        \"bash\": \"allow\"").await;
    terminal.shows("Trust it? [y/N]").await;
    terminal.types("n");
    terminal.shows("success").await;
    assert_eq!(terminal.ends().await, Some(0));
}

/// An ordinary project is never asked about.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_project_raises_no_question() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut terminal = Terminal::start(world.command(["run", "last", "work"]));
    terminal.shows("success").await;
    assert_eq!(terminal.ends().await, Some(0));
    assert!(!terminal.shown.contains("rust it?"), "{}", terminal.shown);
}

fn real(world: &World) -> String {
    std::fs::canonicalize(world.project()).unwrap().display().to_string()
}
