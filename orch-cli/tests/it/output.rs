//! What people read: help, the demonstration, pipes without colour, what nobody could be asked.

use std::fs;

use orch::{
    opencode::simulator::{
        AgentMode, Answer, HttpFault, Script, SimulatedAgent, SimulatorOptions, ToolCall, When,
    },
    ux::command::COMMANDS,
};
use serde_json::json;

use crate::world::{World, failure, output, standard};

#[track_caller]
fn assert_plain(text: &str) {
    assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?} steers a terminal");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_help() {
    let world = World::new(Script::new()).await;
    for command in COMMANDS {
        let help = world.orch(command.name.split(' ').chain(["--help"])).await;
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{}", command.name);
        assert!(help.stdout.contains(&format!("Usage: orch {}", command.name)), "{}", help.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_shows_the_steps_a_gate_and_the_commands() {
    let world = World::new(Script::new()).await;
    let demo = world.orch(["demo"]).await;
    assert_eq!((demo.code, demo.stderr.as_str()), (Some(0), ""), "{}", demo.stdout);
    assert_plain(&demo.stdout);
    let mut rest = demo.stdout.as_str();
    for expected in [
        "✓ Plan",
        "✓ Implement",
        "! Review",
        "after review (intervene=on-warning)",
        "orch continue run_",
        "orch retry run_",
        "orch replace run_",
        "orch abort run_",
        "continue, because",
        "✓ Fix",
        "✓ Review",
        "success",
    ] {
        let Some(at) = rest.find(expected) else { panic!("{expected:?} is missing in\n{}", demo.stdout) };
        rest = &rest[at + expected.len()..];
    }
    assert_eq!(world.simulator.requests(), [], "the demonstration brings its own host");
    assert!(!world.path("state").exists(), "and leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_speaks_json_too() {
    let world = World::new(Script::new()).await;
    let demo = world.orch(["demo", "--json"]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let events = demo.events();
    let settled = events.iter().filter(|event| event["type"] == "step.settled").count();
    assert_eq!((settled, &events.last().unwrap()["status"]), (5, &json!("success")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_no_colours_and_a_gate_gets_its_commands() {
    let world = World::new(Script::new().otherwise(failure())).await;
    for no_color in [None, Some("1")] {
        let mut command = world.command(["run", "two", "a task"]);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let ended = output(&mut command).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert_plain(&ended.stdout);
        assert_plain(&ended.stderr);
        assert!(ended.stdout.contains("(intervene=on-error)"), "{}", ended.stdout);
        for command in ["continue", "retry", "skip", "replace", "abort"] {
            assert!(ended.stdout.contains(&format!("orch {command} run_")), "{command}: {}", ended.stdout);
        }
    }
}

/// Sets the title of a window, clears it, goes back to the beginning of the line and writes backwards.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{202e} hello";
/// A line as a log has them.
const FORGED: &str = "2026-01-01T00:00:00.000000Z ERROR orch: all is lost";

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_worker_cannot_steer_a_terminal() {
    let world = World::new(Script::new().otherwise(Answer::error(400, HOSTILE))).await;
    let ended = world.orch(["run", "last", "a task"]).await;
    assert_plain(&ended.stdout);
    assert_plain(&ended.stderr);
    assert!(ended.stdout.contains("hello"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_worker_cannot_forge_or_hide_lines_of_the_log() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut config = standard();
    config["ui"] = json!({ "debug": true });
    world.configure(&config);
    let words = format!("{HOSTILE}\r\n{FORGED}\n");
    world.simulator.faults().http("GET /agent", HttpFault::Saying(503, words), 1);
    let mut command = world.command(["run", "last", "a task"]);
    let ended = output(command.env("ORCH_LOG", "orch=debug").env("NO_COLOR", "1")).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for log in [fs::read_to_string(world.path("state/orch.log")).unwrap(), ended.stderr] {
        assert_plain(&log);
        let told: Vec<_> = log.lines().filter(|line| line.contains(FORGED)).collect();
        let [line] = told[..] else { panic!("not one line in {log}") };
        assert!(
            line.contains("hello") && line.contains("trying again") && !line.starts_with(FORGED),
            "{log}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_repository_cannot_steer_a_terminal() {
    let world = World::new(Script::new()).await;
    // A key that is remarked on, and a file that is no JSON at all.
    for config in [format!("{{ \"{HOSTILE}\": true }}"), format!("{{ {HOSTILE} }}")] {
        world.configure_text(&config);
        for command in [&["config", "check"][..], &["run", "last", "a task"]] {
            let ended = world.orch(command.iter().copied()).await;
            assert_plain(&ended.stdout);
            assert_plain(&ended.stderr);
            assert!(format!("{ended:?}").contains("hello"), "{ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_permission_is_denied_and_said_so() {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let script = Script::new()
        .on(When::prompt("step one"), [Answer::tool(tool), Answer::text("I could not look")])
        .otherwise("done");
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script).agent(careful)).await;
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("careful");
    world.configure(&config);
    let ended = world.orch(["run", "last", "a task", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = world.show(&ended.run()).await;
    let step = &run["steps"][0];
    assert_eq!(step["outcome"], "warning", "{step:#}");
    let codes: Vec<_> =
        step["attempts"][0]["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert!(codes.contains(&&json!("permission_denied")), "{codes:?}");
    assert_eq!(run["asks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temperature_without_effect_is_said() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut config = standard();
    config["profiles"][0]["temperature"] = json!(0.5);
    world.configure(&config);
    let said = "worker `w`: without effect: `temperature`";
    let shown = world.orch(["run", "last", "work"]).await;
    assert!(shown.stdout.contains(said), "{shown:?}");
    let events = world.orch(["run", "last", "work", "--json"]).await.events();
    let started = events.iter().find(|event| event["type"] == "run.started").unwrap();
    let warning = &started["warnings"][0];
    assert_eq!(warning["code"], "without_effect");
    assert!(warning["message"].as_str().unwrap().starts_with(said), "{warning}");
}

/// Whichever command it is that starts one, and whether or not it gets as far as to be of use.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_project_that_is_not_trusted_says_what_it_leaves_out() {
    let world = World::new(Script::new().otherwise("done")).await;
    let paused = world.orch(["run", "two", "work", "--execution", "step", "--json"]).await;
    let (code, run) = (paused.code, paused.run());
    assert_eq!(code, Some(3), "{paused:?}");
    let program =
        world.program("opencode", "if [ \"$1\" = --version ]; then echo 1.18.33; exit; fi\nexit 1\n");
    let on_own_host = async |arguments: &[&str]| {
        let mut command = world.command(arguments.iter().copied());
        output(command.env_remove("ORCH_SERVER").env("ORCH_OPENCODE", &program)).await
    };

    let said =
        "warning: opencode: it runs without the project's own OpenCode plugins, tools and configuration";
    for arguments in [
        &["run", "last", "work"][..],
        &["continue", &run],
        &["retry", &run],
        &["fork", &run, "--from", "one"],
        &["ask", "w", "why?"],
    ] {
        let told = on_own_host(arguments).await;
        assert!(told.stderr.contains(said), "{arguments:?}: {told:?}");
        assert_eq!(told.stdout, "", "{arguments:?}");
    }
    let told = on_own_host(&["run", "last", "work", "--json"]).await;
    assert_eq!((told.stderr.as_str(), told.error().as_str()), ("", "orch::host::not-ready"), "{told:?}");
    let [starting, .., failed, _] = &told.events()[..] else { panic!("{told:?}") };
    assert_eq!(
        (&starting["type"], &starting["warning"]["code"]),
        (&json!("host.status"), &json!("not_trusted"))
    );
    assert_eq!((&failed["type"], &failed["status"]), (&json!("host.status"), &json!("failed")));
}
