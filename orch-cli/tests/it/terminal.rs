//! A person at a terminal: gates and permissions are answered at the prompt.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::Stdio,
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::opencode::simulator::{
    AgentMode, Answer, Hold, Script, SimulatedAgent, SimulatorOptions, ToolCall, When,
};
use serde_json::json;
use tokio::{
    process::{Child, Command},
    sync::mpsc,
};

use crate::world::{World, failure, standard, within};

/// A command with a terminal of its own, and what it has shown there.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    output: mpsc::UnboundedReceiver<Vec<u8>>,
    pub(crate) shown: String,
    read: usize,
}

impl Terminal {
    pub(crate) fn start(command: Command) -> Self {
        Self::sized(command, 200)
    }

    fn sized(mut command: Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let end = || Stdio::from(terminal.slave.try_clone().unwrap());
        let child =
            command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let keys = File::from(terminal.master);
        let mut screen = keys.try_clone().unwrap();
        let (sender, output) = mpsc::unbounded_channel();
        // Ends when the command has closed its side.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, output, shown: String::new(), read: 0 }
    }

    /// Waits until this is shown, after everything that was waited for before.
    pub(crate) async fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let Some(chunk) = within(text, self.output.recv()).await else {
                panic!("{text:?} was not shown:\n{}", self.shown);
            };
            self.shown.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }

    /// Answers whatever is asked so, again and again, until the command ends.
    pub(crate) async fn answers(&mut self, asked: &str, line: &str) -> Option<i32> {
        loop {
            while let Some(at) = self.shown[self.read..].find(asked) {
                self.read += at + asked.len();
                self.types(line);
            }
            let Some(chunk) = within("the next question", self.output.recv()).await else {
                return self.ends().await;
            };
            self.shown.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()), Signal::SIGINT).unwrap();
    }

    pub(crate) async fn ends(&mut self) -> Option<i32> {
        let status = within("the end of a command", self.child.wait()).await.unwrap();
        while let Some(chunk) = within("the last words", self.output.recv()).await {
            self.shown.push_str(&String::from_utf8_lossy(&chunk));
        }
        status.code()
    }
}

/// A run of two steps whose first one failed; the person is asked.
async fn at_gate() -> (World, Terminal) {
    let script = Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("all is well");
    let world = World::new(script).await;
    let mut terminal = Terminal::start(world.command(["run", "two", "a task"]));
    terminal.shows("gate g").await;
    terminal.shows("(intervene=on-error)").await;
    terminal.shows("[c]ontinue, [r]etry [note], [s]kip").await;
    (world, terminal)
}

async fn only_run(world: &World) -> serde_json::Value {
    let runs = world.orch(["runs", "--json"]).await.json();
    world.show(runs[0]["id"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_answered_at_the_prompt() {
    let (world, mut terminal) = at_gate().await;
    terminal.types("sure");
    terminal.shows("type one of the words").await;
    terminal.shows("[c]ontinue").await;
    assert_eq!(world.prompts().len(), 1, "free text never approves anything");
    terminal.types("r mind the gap");
    terminal.shows("✓").await;
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    let prompts = world.prompts();
    assert!(prompts.len() == 3 && prompts[1].contains("mind the gap"), "{prompts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_left_for_later() {
    let (world, mut terminal) = at_gate().await;
    terminal.types("q");
    terminal.shows("orch continue run_").await;
    assert_eq!(terminal.ends().await, Some(3), "{}", terminal.shown);
    assert_eq!(only_run(&world).await["status"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_a_gate_leaves_the_run_paused() {
    let (world, mut terminal) = at_gate().await;
    terminal.interrupt();
    terminal.shows("orch continue run_").await;
    assert_eq!(terminal.ends().await, Some(130), "{}", terminal.shown);
    let run = only_run(&world).await;
    assert_eq!((&run["status"], &run["gate"]["reason"]), (&json!("paused"), &json!("intervene=on-error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_another_process_answered_is_not_asked_again() {
    let (world, mut terminal) = at_gate().await;
    let run = only_run(&world).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.orch(["skip", &run]).await.code, Some(0));
    terminal.types("c");
    terminal.shows("was already answered with skip by ada").await;
    terminal.shows("success").await;
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_another_process_drives_on_is_left_to_it() {
    let hold = Hold::new();
    let script = Script::new()
        .on(When::prompt("step one"), failure())
        .on(When::prompt("step two"), Answer::text("two").held(&hold));
    let world = World::new(script).await;
    let mut terminal = Terminal::start(world.command(["run", "two", "a task"]));
    terminal.shows("[c]ontinue").await;
    let run = only_run(&world).await["id"].as_str().unwrap().to_owned();
    let other = world.start(["skip", &run, "--json"]);
    within("the other process to go on", hold.wait_arrived()).await;
    terminal.types("c");
    terminal.shows("another process drives the run on").await;
    assert_eq!(terminal.ends().await, Some(4), "{}", terminal.shown);
    hold.release();
    assert_eq!(other.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_input_a_terminal_is_not_asked() {
    let world = World::new(Script::new().otherwise(failure())).await;
    let mut terminal = Terminal::start(world.command(["run", "two", "a task", "--no-input"]));
    terminal.shows("orch continue run_").await;
    assert_eq!(terminal.ends().await, Some(3), "{}", terminal.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_granted_at_the_prompt() {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let script = Script::new()
        .on(When::prompt("step one"), [Answer::tool(tool), Answer::text("one file")])
        .otherwise("done");
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script).agent(careful)).await;
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("careful");
    world.configure(&config);
    let mut terminal = Terminal::start(world.command(["run", "last", "a task"]));
    terminal.shows("[o]nce, [a]lways, [r]eject [reason]").await;
    terminal.types("o");
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    let run = only_run(&world).await;
    assert_eq!((&run["steps"][0]["outcome"], &run["steps"][0]["text"]), (&json!("ok"), &json!("one file")));
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    const GREEN: &str = "\u{1b}[32m";
    let world = World::new(Script::new().otherwise("done")).await;
    let mut terminal = Terminal::start(world.command(["run", "last", "a task"]));
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    assert!(terminal.shown.contains(GREEN), "{:?}", terminal.shown);

    let mut command = world.command(["run", "last", "a task"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command);
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    assert!(!terminal.shown.contains(GREEN), "{:?}", terminal.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_exact_in_a_pipe_and_harmless_on_a_terminal() {
    let answer = "two\nlines \u{1b}[2J and more";
    let world = World::new(Script::new().otherwise(answer)).await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    assert_eq!(world.orch(["output", &run]).await.stdout, format!("{answer}\n"));
    let mut terminal = Terminal::start(world.command(["output", &run]));
    terminal.shows("and more").await;
    assert_eq!(terminal.ends().await, Some(0));
    assert!(!terminal.shown.contains('\u{1b}'), "{:?}", terminal.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_explained_and_granted_from_another_process() {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let script = Script::new()
        .on(When::prompt("step one"), [Answer::tool(tool), Answer::text("one file")])
        .otherwise("done");
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script).agent(careful)).await;
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("careful");
    world.configure(&config);
    let mut terminal = Terminal::start(world.command(["run", "last", "a task"]));
    terminal.shows("[o]nce, [a]lways, [r]eject [reason]").await;
    let run = only_run(&world).await["id"].as_str().unwrap().to_owned();

    let why = world.orch(["why", &run, "--json"]).await.json();
    let wait = &why["waits"][0];
    assert_eq!((&wait["for"], &wait["summary"]), (&json!("permission"), &json!("bash: ls")), "{why:#}");
    let command = wait["movers"][0]["command"].as_str().unwrap();
    let words: Vec<_> = command.replace("<answer>", "once").split(' ').skip(1).map(str::to_owned).collect();
    let unclear = world.orch(["answer", &run, "yes", "--json"]).await;
    assert_eq!((unclear.code, unclear.error().as_str()), (Some(2), "orch::cli::answer"));
    let answered = world.orch(words.iter().map(String::as_str)).await;
    assert_eq!((answered.code, answered.stderr.as_str()), (Some(0), ""), "{answered:?}");

    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    let ended = only_run(&world).await;
    assert_eq!(
        (&ended["steps"][0]["outcome"], &ended["steps"][0]["text"]),
        (&json!("ok"), &json!("one file"))
    );
    let late = world.orch(["answer", &run, "once", "--json"]).await;
    assert_eq!((late.code, late.error().as_str()), (Some(1), "orch::run::unknown-ask"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_dashboard_keeps_the_terminal_up_to_date_and_leaves_it_as_it_was() {
    let (world, mut gate) = at_gate().await;
    let mut watching = Terminal::start(world.command(["dashboard", "--watch"]));
    watching.shows("\u{1b}[?1049h").await;
    watching.shows("1 run open").await;
    watching.shows("your decision").await;
    gate.types("s");
    assert_eq!(gate.ends().await, Some(0), "{}", gate.shown);
    watching.shows("0 runs open").await;
    watching.interrupt();
    watching.shows("\u{1b}[?25h\u{1b}[?1049l").await;
    assert_eq!(watching.ends().await, Some(0), "{}", watching.shown);
}

/// What stands between the escape sequences that move the cursor.
fn without_escapes(text: &str) -> Vec<String> {
    let lines = text.split(['\r', '\n']).map(console::strip_ansi_codes);
    lines.map(|line| line.into_owned()).filter(|line| !line.trim().is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_shows_the_steps_what_is_at_work_and_what_it_took() {
    for columns in [200, 44] {
        let hold = Hold::new();
        let script = Script::new()
            .on(When::prompt("step one"), Answer::text("計画は完了しました。"))
            .on(When::prompt("step two"), Answer::text("done").held(&hold))
            .otherwise("done");
        let world = World::new(script).await;
        let mut terminal = Terminal::sized(world.command(["run", "three", "a task"]), columns);
        terminal.shows("0/3 steps").await;
        terminal.shows("✓").await;
        within("the model to be asked", hold.wait_arrived()).await;
        terminal.shows("1/3 steps").await;
        hold.release();
        assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
        assert!(terminal.shown.contains(" tokens, $0.0000"), "{}", terminal.shown);
        let progress: Vec<_> =
            without_escapes(&terminal.shown).into_iter().filter(|line| line.contains("/3 steps")).collect();
        assert!(!progress.is_empty());
        if columns == 200 {
            assert!(progress.iter().any(|line| line.contains("then three")), "{progress:#?}");
        }
        for line in progress {
            // Drawn at once: the line of the step at work and that of the run, each padded to the terminal's width.
            assert!(console::measure_text_width(&line) <= 2 * usize::from(columns), "{columns}: {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_waits_for_while_it_starts_is_shown() {
    let world = World::new(Script::new()).await;
    let pipe = world.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let version = "if [ \"$1\" = --version ]; then echo 1.18.33; exit; fi";
    let program =
        world.program("opencode", &format!("{version}\nread -r line < {}\nexit 1\n", pipe.display()));
    let mut command = world.command(["run", "last", "a task"]);
    command.env_remove("ORCH_SERVER").env("ORCH_OPENCODE", program);
    let mut terminal = Terminal::start(command);
    terminal.shows("starting: waiting until it listens").await;
    tokio::task::spawn_blocking(move || std::fs::write(pipe, "\n")).await.unwrap().unwrap();
    assert_eq!(terminal.ends().await, Some(1), "{}", terminal.shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_means_no_colours_on_a_terminal() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut command = world.command(["run", "last", "a task"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command);
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    assert!(!coloured(&terminal.shown), "{:?}", terminal.shown);
}

/// Whether a style is switched on somewhere in it; to switch all of them off is no colour.
fn coloured(shown: &str) -> bool {
    shown.split("\u{1b}[").skip(1).any(|rest| {
        rest.find(|char: char| char.is_ascii_alphabetic())
            .is_some_and(|end| rest[end..].starts_with('m') && !matches!(&rest[..end], "" | "0"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_holds_for_errors_help_and_what_is_written_over_and_over() {
    let world = World::new(Script::new().otherwise("done")).await;
    let broken = world.path("broken.json");
    std::fs::write(&broken, "{ \"profiles\": 5 }").unwrap();
    let broken = broken.to_str().unwrap();
    let rows = [
        &["--help"][..],
        &["run", "--help"],
        &["rnu"],
        &["run", "last", "a task", "--intervene", "sometimes"],
        &["show", "run_nope"],
        &["config", "check", broken],
        &["doctor"],
        &["dashboard", "--watch"],
    ];
    for arguments in rows {
        let mut shown = Vec::new();
        for no_color in [None, Some("1")] {
            let mut command = world.command(arguments.iter().copied());
            command.envs(no_color.map(|value| ("NO_COLOR", value)));
            let mut terminal = Terminal::start(command);
            if arguments.contains(&"--watch") {
                terminal.shows("ctrl-c to leave").await;
                terminal.interrupt();
            }
            terminal.ends().await;
            shown.push(terminal.shown);
        }
        let [with, without] = &shown[..] else { unreachable!() };
        assert!(!coloured(without), "{arguments:?}: {without:?}");
        // The dashboard has none at all; everywhere else the test would see them.
        assert_eq!(coloured(with), !arguments.contains(&"--watch"), "{arguments:?}: {with:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_shows_what_waits_in_any_run_and_decide_answers_it() {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let script = Script::new()
        .on_first(1, When::prompt("fail once"), failure())
        .on(When::prompt("ask me"), [Answer::tool(tool), Answer::text("one file")])
        .otherwise("done");
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script).agent(careful)).await;
    let empty = world.orch(["inbox"]).await;
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), "nothing waits for you\n"));
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("careful");
    world.configure(&config);

    let paused = world.orch(["run", "last", "fail once", "--json"]).await.run();
    let mut terminal = Terminal::start(world.command(["run", "last", "ask me"]));
    terminal.shows("[o]nce, [a]lways, [r]eject [reason]").await;

    let inbox = world.orch(["inbox", "--json"]).await.json();
    assert_eq!(inbox.as_array().unwrap().len(), 2, "{inbox:#}");
    let (gate, ask) = (&inbox[0], &inbox[1]);
    assert_eq!((&gate["run"], &gate["for"]), (&json!(paused), &json!("decision")));
    assert_eq!((&ask["for"], &ask["summary"]), (&json!("permission"), &json!("bash: ls")));
    let asking = ask["run"].as_str().unwrap().to_owned();
    let shown = world.orch(["inbox"]).await.stdout;
    for item in [gate, ask] {
        assert!(shown.contains(item["command"].as_str().unwrap()), "{shown}");
    }

    for (run, answer, code) in
        [(&asking, "yes", "orch::cli::answer"), (&paused, "yes", "orch::cli::decision")]
    {
        let unclear = world.orch(["decide", run, answer, "--json"]).await;
        assert_eq!((unclear.code, unclear.error().as_str()), (Some(2), code));
    }
    let strange = world.orch(["decide", &asking, "once", "--item", "per_nobody", "--json"]).await;
    assert_eq!((strange.code, strange.error().as_str()), (Some(1), "orch::run::unknown-item"));

    for (item, answer) in [(ask, "once"), (gate, "retry mind the gap")] {
        let line = item["command"].as_str().unwrap().replace("<answer>", answer);
        let decided = world.orch(line.split(' ').skip(1)).await;
        assert_eq!((decided.code, decided.stderr.as_str()), (Some(0), ""), "{decided:?}");
    }
    assert_eq!(terminal.ends().await, Some(0), "{}", terminal.shown);
    assert_eq!(world.show(&paused).await["status"], "success");
    assert!(world.prompts().iter().any(|prompt| prompt.contains("mind the gap")));
    let events = world.orch(["events", &asking]).await.events();
    let journaled: Vec<_> = events.iter().filter(|event| event["type"] == "ask.resolved").collect();
    assert_eq!(journaled.len(), 1, "{events:#?}");
    assert_eq!(world.orch(["inbox", "--json"]).await.json(), json!([]));
    let late = world.orch(["decide", &asking, "once", "--json"]).await;
    assert_eq!((late.code, late.error().as_str()), (Some(1), "orch::run::unknown-item"));
}
