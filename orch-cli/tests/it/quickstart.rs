//! The walk of `docs/quickstart.md`, command by command, as it is written there.

use std::{collections::BTreeSet, fs};

use orch::{opencode::simulator::Script, ux::plugin};

use crate::{
    terminal::Terminal,
    world::{Output, World},
};

const PAGE: &str = include_str!("../../../docs/quickstart.md");

/// What is typed there to other programs.
const OTHERS: &[&str] = &[
    "git clone https://github.com/orch-rs/orch && cd orch",
    "cargo install --path orch-cli",
    "npm install -g opencode-ai && opencode auth login",
    "cd ~/my-project",
    "opencode",
];

/// Every block of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The calls of `orch` on the page: in the blocks of commands, and in the sentences between them.
fn written() -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for line in blocks("sh").into_iter().flat_map(str::lines) {
        let line = line.split(" #").next().unwrap().trim();
        let line = line.replace("cargo run -p orch-cli -- ", "orch ");
        if line.starts_with("orch ") {
            written.insert(line);
        } else {
            assert!(OTHERS.contains(&&*line), "nobody drives {line:?}");
        }
    }
    let sentences = PAGE.lines().filter(|line| !line.starts_with("```"));
    let spans = sentences.flat_map(|line| line.split('`').skip(1).step_by(2));
    written.extend(spans.filter(|span| span.starts_with("orch ")).map(str::to_owned));
    written
}

struct Walk {
    world: World,
    driven: BTreeSet<String>,
}

impl Walk {
    /// The words of a line of the page, for this run where it needs one.
    fn words(&mut self, line: &str, run: &str) -> Vec<String> {
        self.driven.insert(line.to_owned());
        let parts = line.strip_prefix("orch ").unwrap().split('"').enumerate();
        let words = parts.flat_map(|(nth, part)| match nth % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(|word| word.replace("<run>", run)).collect(),
        });
        words.collect()
    }

    async fn types(&mut self, line: &str, run: &str) -> Output {
        let words = self.words(line, run);
        self.world.orch(words.iter().map(String::as_str)).await
    }

    fn sits_at(&mut self, line: &str, run: &str) -> Terminal {
        let words = self.words(line, run);
        Terminal::start(self.world.command(words.iter().map(String::as_str)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_of_the_quickstart_goes_as_it_is_written() {
    let answer = "Done.\n\n```json\n{\"verdict\":\"approved\",\"findings\":[]}\n```";
    let world = World::new(Script::new().otherwise(answer)).await;
    fs::remove_file(world.project().join("orchestrator.json")).unwrap();
    let mut walk = Walk { world, driven: BTreeSet::new() };

    let demo = walk.types("orch demo", "").await;
    assert!(demo.code == Some(0) && demo.stdout.contains("✓ Fix"), "{demo:?}");
    let doctor = walk.types("orch doctor", "").await;
    assert!(doctor.stdout.contains("✓ opencode"), "{doctor:?}");
    let plan = walk.types("orch plan build", "").await;
    assert!(plan.code == Some(0) && plan.stdout.contains("until-approved"), "{plan:?}");

    let mut run = walk.sits_at("orch run build \"add a --version flag\" --intervene always", "");
    run.shows("[c]ontinue, [r]etry [note]").await;
    run.types("q");
    assert_eq!(run.ends().await, Some(3), "{}", run.shown);
    let runs = walk.types("orch runs", "").await.stdout;
    let id = runs.split_whitespace().next().unwrap();
    let why = walk.types("orch why <run>", id).await.stdout;
    assert!(why.contains(&format!("orch continue {id}")), "{why}");
    let mut again = walk.sits_at("orch continue <run>", id);
    assert_eq!(again.answers("[c]ontinue", "c").await, Some(0), "{}", again.shown);
    assert_eq!(walk.world.show(id).await["status"], "success");

    let plugin = walk.world.project().join(".opencode/orch");
    assert_eq!(walk.types("orch install", "").await.code, Some(0));
    assert!(plugin.exists());
    assert_eq!(walk.types("orch uninstall", "").await.code, Some(0));
    assert!(!plugin.exists());

    assert_eq!(walk.types("orch config init", "").await.code, Some(0));
    let [example] = blocks("jsonc")[..] else { panic!("one example") };
    fs::write(walk.world.project().join(".opencode/orchestrator.json"), example).unwrap();
    assert_eq!(walk.types("orch config check", "").await.code, Some(0));
    let explained = walk.types("orch run explain \"how requests are authenticated\"", "").await;
    assert_eq!(explained.code, Some(0), "{explained:?}");

    assert_eq!(walk.driven, written());
}

#[test]
fn the_keys_and_slash_commands_of_the_quickstart_are_those_of_the_plugin() {
    let script = plugin::FILES.iter().find(|file| file.path == "tui/commands.js").unwrap().text;
    let keys: Vec<_> = PAGE.split("`ctrl+x ").skip(1).map(|rest| rest.split('`').next().unwrap()).collect();
    assert!(keys.len() >= 6, "{keys:?}");
    for key in keys {
        assert!(script.contains(&format!("key: \"<leader>{key}\"")), "ctrl+x {key}");
    }
    for name in PAGE.split("`/orch-").skip(1).map(|rest| rest.split('`').next().unwrap()) {
        assert!(plugin::COMMANDS.contains(&name), "/orch-{name}");
    }
}
