//! What the command says of itself.

use std::fs;

use orch::{opencode::simulator::Script, ux::command::COMMANDS};

use crate::world::{World, write};

async fn world() -> World {
    World::new(Script::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_manual_is_the_one_that_the_command_prints() {
    let printed = world().await.orch(["man", "--markdown"]).await;
    let committed =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap_or_default();
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    assert!(
        printed.stdout == committed,
        "docs/cli.md is not up to date: run `cargo xtask schema` and commit the result"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_the_command() {
    insta::assert_snapshot!(world().await.orch(["--help"]).await.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_a_command_ends_with_examples() {
    insta::assert_snapshot!(world().await.orch(["retry", "--help"]).await.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_every_command() {
    let world = world().await;
    let mut helps = String::new();
    for command in COMMANDS {
        let help = world.orch(command.name.split(' ').chain(["--help"])).await;
        helps.push_str(&format!("$ orch {} --help\n{}\n", command.name, help.stdout));
    }
    insta::assert_snapshot!(helps);
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_know_every_command_in_every_shell() {
    let world = world().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.orch(["completions", shell]).await;
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{shell}");
        for command in COMMANDS {
            for word in command.name.split(' ') {
                assert!(script.stdout.contains(word), "{shell}: {word}");
            }
        }
    }
    assert_eq!(world.orch(["completions", "tcsh"]).await.code, Some(2));
}

/// In bash, and in the other shells where they are installed.
#[tokio::test(flavor = "multi_thread")]
async fn completions_are_scripts_that_their_shell_reads() {
    let world = world().await;
    for shell in ["bash", "zsh", "fish"] {
        let script = world.orch(["completions", shell]).await.stdout;
        let check = |script: &str| {
            let file = write(&world.path(&format!("orch.{shell}")), script);
            std::process::Command::new(shell).args(["-n", &file]).env("HOME", world.path("home")).output()
        };
        match check(&script) {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {checked:?}"),
            Err(error) if shell != "bash" && error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: {shell} is not on PATH");
                continue;
            }
            Err(error) => panic!("{shell}: {error}"),
        }
        let broken = check(&format!("{script}\nif (\n")).unwrap();
        assert!(!broken.status.success(), "{shell} reads everything");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_man_page_is_printed_and_a_page_for_each_command_is_written() {
    let world = world().await;
    let page = world.orch(["man"]).await;
    assert_eq!(page.code, Some(0));
    assert!(page.stdout.contains(".TH orch 1") && page.stdout.contains("Exit codes"), "{}", page.stdout);
    let directory = world.path("man1");
    let out = directory.to_string_lossy().into_owned();
    assert_eq!(world.orch(["man", "--out", &out]).await.code, Some(0));
    for command in COMMANDS {
        let file = directory.join(format!("orch-{}.1", command.name.replace(' ', "-")));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains("xample"), "{}", file.display());
    }
    let refused = world.orch(["man", "--out", "/proc/none", "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::cli::unwritable"));
}
