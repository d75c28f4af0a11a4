//! A password that is looked for wherever it has no business to be.

use std::{fs, path::Path};

use orch::opencode::simulator::{Answer, Script, SimulatorOptions, When};

use crate::world::{Output, World, output, standard};

const CANARY: &str = "canary-of-the-host";
/// Everything that can be traced, by every crate: also what libraries below trace of requests.
const EVERYTHING: &str = "trace";

fn search(directory: &Path, found: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { search(&path, found) } else { found(&path, &fs::read(&path).unwrap()) }
    }
}

fn sings(text: &[u8]) -> bool {
    // As it is, and as HTTP sends it: the name and the password of the user `opencode`.
    [CANARY, "b3BlbmNvZGU6Y2FuYXJ5LW9mLXRoZS1ob3N0"]
        .iter()
        .any(|word| text.windows(word.len()).any(|window| window == word.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_password_is_in_no_output_no_trace_no_journal_and_no_file() {
    let script = Script::new().on(When::prompt("step one: fail"), Answer::error(400, "no")).otherwise("done");
    let world = World::with(SimulatorOptions::new(script).password(CANARY)).await;
    let mut config = standard();
    config["ui"] = serde_json::json!({ "debug": true });
    world.configure(&config);
    let call = async |arguments: &[&str], password: &str| -> Output {
        let mut command = world.command(arguments.iter().copied());
        let ended =
            output(command.env("OPENCODE_SERVER_PASSWORD", password).env("ORCH_LOG", EVERYTHING)).await;
        for written in [&ended.stdout, &ended.stderr] {
            assert!(!sings(written.as_bytes()), "{arguments:?}: {written}");
        }
        ended
    };
    let ended = call(&["run", "two", "a task", "--json"], CANARY).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("TRACE") && ended.stderr.contains("DEBUG"), "{}", ended.stderr);
    let run = ended.run();
    assert_eq!(call(&["run", "last", "fail", "--json"], CANARY).await.code, Some(3));
    // A simulated host lacks what some of its checks look for.
    let doctor = call(&["doctor", "--json"], CANARY).await;
    assert!(doctor.stdout.contains(&world.simulator.url()), "{doctor:?}");
    for arguments in [
        &["models", "--json"][..],
        &["profiles", "--json"],
        &["config", "show", "--origin"],
        &["dashboard", "--json"],
        &["workers", "--json"],
        &["runs", "--json"],
        &["show", &run, "--json"],
        &["trace", &run],
        &["events", &run, "--json"],
        &["why", &run],
        &["output", &run],
    ] {
        assert_eq!(call(arguments, CANARY).await.code, Some(0), "{arguments:?}");
    }
    // One that is wrong is as much of a secret: it may be right elsewhere.
    let wrong = format!("{CANARY} but wrong");
    assert_eq!(call(&["run", "two", "a task", "--json"], &wrong).await.code, Some(1));
    let mut searched = 0;
    for place in ["state", "project", "home"] {
        search(&world.path(place), &mut |path, text| {
            searched += 1;
            assert!(!sings(text), "{}", path.display());
        });
    }
    assert!(searched > 2, "{searched} files");
}
