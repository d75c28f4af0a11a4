//! The scripted model under a real OpenCode. Needs `ORCH_TEST_OPENCODE`, the path of its binary; without it the test
//! says that it was skipped, or fails if `ORCH_TEST_LIVE=1` asks for live tests.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use orch_opencode::simulator::{Answer, CallKind, Hold, Script, ScriptedModel, ToolCall, Usage, When};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::Client;

/// A cold start on a busy machine.
const START: Duration = Duration::from_secs(90);

pub(super) struct Server {
    pub(super) url: String,
    pub(super) directory: String,
    /// Killed when dropped.
    _process: Child,
    _home: TempDir,
}

pub(super) fn binary() -> Option<String> {
    if let Ok(path) = std::env::var("ORCH_TEST_OPENCODE") {
        return Some(path);
    }
    let wanted = std::env::var("ORCH_TEST_LIVE").is_ok_and(|value| value == "1");
    assert!(!wanted, "ORCH_TEST_LIVE=1 needs ORCH_TEST_OPENCODE, the path of an opencode binary");
    println!("skipped: set ORCH_TEST_OPENCODE to the path of an opencode binary");
    None
}

pub(super) async fn serve(binary: &str, model: &ScriptedModel) -> Server {
    serve_furnished(binary, model, |_| ()).await
}

/// The same with what is put into the project before.
pub(super) async fn serve_furnished(
    binary: &str,
    model: &ScriptedModel,
    furnish: impl FnOnce(&Path),
) -> Server {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    furnish(&project);
    let mut command = Command::new(binary);
    command
        .args(["serve", "--port", "0", "--hostname", "127.0.0.1"])
        .current_dir(&project)
        .env_remove("OPENCODE_SERVER_PASSWORD")
        .env("HOME", home.path())
        .env("OPENCODE_CONFIG_CONTENT", model.opencode_config().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for name in ["DATA", "CONFIG", "STATE", "CACHE"] {
        command.env(format!("XDG_{name}_HOME"), home.path().join(name.to_lowercase()));
    }
    for name in ["AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD"] {
        command.env(format!("OPENCODE_DISABLE_{name}"), "1");
    }
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("listening on ") {
                return url.trim().to_owned();
            }
        }
        panic!("opencode ended before it listened");
    };
    let url = tokio::time::timeout(START, listening).await.unwrap();
    let directory = project.canonicalize().unwrap().display().to_string();
    Server { url, directory, _process: process, _home: home }
}

#[tokio::test]
async fn a_real_opencode_runs_on_the_scripted_model() {
    let Some(binary) = binary() else { return };
    let hold = Hold::new();
    let bash = ToolCall::new("bash", json!({ "command": "echo from the shell", "description": "Say" }));
    let script = Script::new()
        .title("Scripted title")
        .on(When::prompt("use a tool"), [Answer::tool(bash), Answer::text("The shell has spoken.")])
        .on(When::prompt("from a child").and_child(), Answer::text("child").held(&hold))
        .otherwise(Answer::text("hello").usage(Usage::new(120, 7)));
    let model = ScriptedModel::start(script).await.unwrap();
    let server = serve(&binary, &model).await;
    let client = Client::new(server.url.clone(), &server.directory);
    let events = client.events().await;

    let root = client.session(json!({})).await;
    assert_eq!(client.prompt(&root, "hi").await.status, 204);
    events.wait_idle(0, &root).await;
    assert_eq!(client.last_text(&root).await, "hello");
    let answer = client.messages(&root).await.pop().unwrap();
    assert_eq!(
        (&answer["info"]["tokens"]["input"], &answer["info"]["tokens"]["output"]),
        (&json!(120), &json!(7))
    );
    model.wait_log(|calls| calls.iter().any(|call| call.kind == CallKind::Title)).await;
    let prompt = model.prompts()[0].clone();
    assert_eq!(
        (prompt.session.as_deref(), prompt.prompt, prompt.text.as_str()),
        (Some(root.as_str()), Some(1), "hi")
    );
    assert!(prompt.tools.contains(&"bash".to_owned()), "{:?}", prompt.tools);

    let from = events.all().len();
    client.prompt(&root, "use a tool").await;
    events.wait_idle(from, &root).await;
    assert_eq!(client.last_text(&root).await, "The shell has spoken.");
    let tool = model.log().into_iter().find(|call| call.kind == CallKind::ToolResults).unwrap();
    assert!(Value::from(tool.messages).to_string().contains("from the shell"));

    let child = client.session(json!({ "parentID": root, "title": "Child" })).await;
    client.prompt(&child, "from a child").await;
    hold.wait_arrived().await;
    let call = model.prompts().pop().unwrap();
    assert_eq!((call.session.as_ref(), call.parent_session.as_ref()), (Some(&child), Some(&root)));
    hold.release();
    events.wait_idle(from, &child).await;
    assert_eq!(client.last_text(&child).await, "child");
}
