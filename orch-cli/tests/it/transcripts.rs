//! What each command says, word for word.

use std::{collections::BTreeSet, fs};

use nix::sys::signal::Signal;
use orch::{
    opencode::simulator::{
        AgentMode, Answer, Hold, Script, SimulatedAgent, SimulatorOptions, ToolCall, When,
    },
    ux::command::COMMANDS,
};
use serde_json::json;

use crate::{
    serve::client::Service,
    terminal::Terminal,
    world::{Output, World, output, standard},
};

/// What is another thing each time, and what stands for it.
const FILTERS: &[(&str, &str)] = &[
    (r"run_[0-9a-z]{20,}", "RUN"),
    (r"ses_[0-9A-Za-z]{20,}", "SESSION"),
    (r"/\S*/state/\S*", "STATE"),
    (r"/\S*/project\b", "PROJECT"),
    (r"by process \d+", "by process PID"),
    (r"http://127\.0\.0\.1:\d+", "HOST"),
    (r"\d+(\.\d+)? (ms|s)\b", "TIME"),
    (r"\b\d+:\d\d\.\d\b", "TIME"),
    (r"\b\d{13}\b", "TIME"),
    (r#""active_ms":\d+"#, r#""active_ms":TIME"#),
    (r"(\S)  +", "$1  "),
];

/// The prompts that ship with orch are long, and held elsewhere.
const LONG: (&str, &str) = (r"(?m)^(.{100}).+$", "$1…");

/// Commands whose words are held elsewhere, and where: they go on and on, take a terminal or another program, or are too long.
const ELSEWHERE: &[(&str, &str)] = &[
    ("schema", "look.rs"),
    ("tui", "live/interface.rs"),
    ("mcp", "mcp.rs"),
    ("completions", "manual.rs"),
    ("man", "manual.rs"),
];

/// A walk through the commands: what was typed, and what came.
struct Walk {
    world: World,
    said: BTreeSet<String>,
}

impl Walk {
    async fn new() -> Self {
        let script = Script::new().on(When::prompt("step one"), "The first is done.").otherwise("Done.");
        Self { world: World::new(script).await, said: BTreeSet::new() }
    }

    /// A run of three steps that waits at its first gate.
    async fn gated(&self) -> String {
        self.world.orch(["run", "three", "a task", "--execution", "step", "--json"]).await.run()
    }

    /// A worker asks for a permission at another terminal, and is answered from here.
    async fn answers(&mut self) {
        // It does not end while the answer is told.
        let hold = Hold::new();
        let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
        let script = Script::new()
            .on(When::prompt("step one"), [Answer::tool(tool), Answer::text("one file").held(&hold)]);
        let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
        let elsewhere = World::with(SimulatorOptions::new(script).agent(careful)).await;
        let mut config = standard();
        config["profiles"][0]["agent"] = json!("careful");
        elsewhere.configure(&config);
        let here = std::mem::replace(&mut self.world, elsewhere);
        let mut terminal = Terminal::start(self.world.command(["run", "last", "a task"]));
        terminal.shows("[o]nce, [a]lways, [r]eject [reason]").await;
        let runs = self.world.orch(["runs", "--json"]).await.json();
        let run = runs[0]["id"].as_str().unwrap();
        self.types(&format!("answer {run} perhaps")).await;
        self.types(&format!("answer {run} once")).await;
        hold.release();
        assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
        self.types(&format!("answer {run} once")).await;
        self.world = here;
    }

    /// A service in the background, which a second call finds.
    async fn serves(&mut self) {
        for _ in 0..2 {
            self.types("serve --detach --linger 10m").await;
        }
        let service = Service::at(&self.world.orch(["serve", "--detach", "--json"]).await.json(), None);
        service.signal(Signal::SIGTERM);
        service.gone().await;
    }

    /// Types this, with words between quotes as one, and holds what comes against the recorded words.
    async fn types(&mut self, line: &str) {
        let words: Vec<_> = line.split('\'').enumerate().flat_map(|(at, part)| quoted(at, part)).collect();
        let ended = output(&mut self.world.command(words.iter().map(String::as_str))).await;
        let name = COMMANDS
            .iter()
            .map(|command| command.name)
            .find(|name| line == *name || line.starts_with(&format!("{name} ")))
            .unwrap();
        let nth =
            self.said.iter().filter(|said| *said == name || said.starts_with(&format!("{name} #"))).count();
        let label = if nth == 0 { name.to_owned() } else { format!("{name} #{}", nth + 1) };
        self.said.insert(label.clone());
        let mut filters = FILTERS.to_vec();
        if name == "config show" {
            filters.push(LONG);
        }
        insta::with_settings!({ filters => filters }, {
            insta::assert_snapshot!(label.replace([' ', '#'], "-"), transcript(line, &ended));
        });
    }
}

/// Every second part of a line stood between quotes.
fn quoted(at: usize, part: &str) -> Vec<String> {
    if at % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
}

fn transcript(line: &str, Output { code, stdout, stderr }: &Output) -> String {
    let mut text = format!("$ orch {line}\n{stdout}");
    if !stderr.is_empty() {
        text.push_str(&format!("--- to stderr\n{stderr}"));
    }
    text + &format!("--- exit code {}", code.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_says_what_was_recorded() {
    let mut walk = Walk::new().await;
    for line in ["runs", "inbox", "dashboard", "workers"] {
        walk.types(line).await;
    }
    for line in ["workflows", "profiles w", "models", "plan three", "run last 'a task' --no-input"] {
        walk.types(line).await;
    }
    let run = walk.gated().await;
    for line in ["runs", "inbox", "dashboard", "workers"] {
        walk.types(line).await;
    }
    for line in ["show", "why", "output", "results", "trace", "events"] {
        walk.types(&format!("{line} {run}")).await;
    }
    let session = walk.world.show(&run).await["steps"][0]["session"].as_str().unwrap().to_owned();
    walk.types(&format!("trace {session}")).await;
    walk.types(&format!("ask {session} 'What did you do?'")).await;
    walk.types(&format!("open {session}")).await;

    walk.types(&format!("skip {run}")).await;
    walk.types(&format!("retry {run} --note 'once more' --no-input")).await;
    walk.types(&format!("continue {run} --no-input")).await;
    let text = walk.world.project().join("result.md");
    fs::write(&text, "By hand.").unwrap();
    walk.types(&format!("replace {run} --output result.md --no-input")).await;
    walk.types(&format!("show {run}")).await;
    for line in ["pause", "abort", "retry"] {
        walk.types(&format!("{line} {run}")).await;
    }
    walk.types(&format!("fork {run} --from three --no-input")).await;
    let other = walk.gated().await;
    walk.types(&format!("decide {other} continue")).await;
    walk.types(&format!("pause {other}")).await;
    walk.types(&format!("abort {other}")).await;

    for line in ["config check", "config show", "config show --origin", "config init", "config migrate"] {
        walk.types(line).await;
    }
    for line in ["trust --show", "doctor", "install", "uninstall"] {
        walk.types(line).await;
    }
    walk.world.configure_text(
        "{\n  \"profiles\": [{ \"id\": \"w\", \"knid\": \"agent\" }],\n  \"basePort\": 0\n}\n",
    );
    walk.types("config check").await;
    fs::remove_file(walk.world.project().join("orchestrator.json")).unwrap();
    walk.types("config init").await;

    walk.types("demo").await;
    walk.answers().await;
    walk.serves().await;

    let elsewhere = ELSEWHERE.iter().map(|(name, _)| *name);
    let here = walk.said.iter().filter(|said| !said.contains('#')).map(String::as_str);
    let covered: BTreeSet<_> = here.chain(elsewhere).collect();
    let all: BTreeSet<_> = COMMANDS.iter().map(|command| command.name).collect();
    assert_eq!(covered, all, "every command is recorded, once");
    for (name, file) in ELSEWHERE {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file);
        let first = name.split(' ').next().unwrap();
        assert!(
            fs::read_to_string(path).unwrap().contains(&format!("\"{first}\"")),
            "{name} is not in {file}"
        );
    }
}
