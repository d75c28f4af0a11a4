//! What the command says of itself: help with examples, completions, the manual as man pages and as Markdown.
//!
//! All of it comes from one clap tree, so that none of it can lag behind.

mod examples;
mod markdown;
#[cfg(test)]
mod named;

use std::{io, path::Path};

use clap::{Command, CommandFactory as _, builder::StyledStr};
use clap_complete::Shell;

use crate::args::Cli;

pub(crate) use self::markdown::markdown;

/// The command line with an example of every command in its help.
pub(crate) fn command() -> Command {
    with_examples(Cli::command(), "")
}

fn with_examples(command: Command, path: &str) -> Command {
    let words = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names
        .iter()
        .fold(command, |command, name| command.mut_subcommand(name, |sub| with_examples(sub, &words(name))));
    let examples = examples::of(path);
    if examples.is_empty() {
        return command;
    }
    let head = if examples.len() == 1 { "Example" } else { "Examples" };
    let lines: Vec<_> = examples.iter().map(|(line, what)| format!("  # {what}\n  {line}")).collect();
    let text = format!("{head}:\n{}", lines.join("\n"));
    command.after_help(StyledStr::from(text))
}

/// Completions for a shell, to be evaluated or saved there.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "orch", &mut script);
    script
}

/// The man page of the command as a whole, in roff.
pub(crate) fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page)?;
    Ok(page)
}

/// Writes `orch.1` and a page for every command into a directory.
pub(crate) fn pages(directory: &Path) -> io::Result<()> {
    clap_mangen::generate_to(command(), directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that can be called, with its words: `config check`.
    pub(super) fn leaves(command: &Command, path: &str) -> Vec<(String, Command)> {
        let mut found = Vec::new();
        for sub in command.get_subcommands() {
            let words = format!("{path} {}", sub.get_name()).trim_start().to_owned();
            if sub.has_subcommands() {
                found.extend(leaves(sub, &words));
            } else {
                found.push((words, sub.clone()));
            }
        }
        found
    }

    #[test]
    fn every_command_has_an_example_that_is_accepted() {
        for (words, _) in leaves(&Cli::command(), "") {
            let examples = examples::of(&words);
            assert!(!examples.is_empty(), "`orch {words}` has no example: add one to manual/examples.rs");
            for (line, what) in examples {
                assert!(line.starts_with("orch ") || line.contains("| orch "), "{line}");
                assert!(line.contains(&format!("orch {words}")), "{line}: an example of `orch {words}`");
                assert!(!what.is_empty() && !what.ends_with('.'), "{line}: {what}");
                let call = &line[line.find("orch ").unwrap()..];
                let call = call.split(" > ").next().unwrap().split(" | ").next().unwrap();
                if let Err(error) = command().try_get_matches_from(shell_words(call)) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_example_is_of_a_command_that_exists() {
        let known: Vec<_> = leaves(&Cli::command(), "").into_iter().map(|(words, _)| words).collect();
        for words in examples::commands() {
            assert!(words.is_empty() || known.iter().any(|known| known == words), "orch {words}");
        }
    }

    #[test]
    fn every_command_says_what_it_does_and_every_flag_what_it_is_for() {
        for (words, command) in leaves(&Cli::command(), "") {
            assert!(command.get_about().is_some(), "orch {words}");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "orch {words}: {}", argument.get_id());
            }
        }
    }

    #[test]
    fn the_man_page_names_every_command() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        for command in Cli::command().get_subcommands() {
            assert!(
                page.contains(&format!("orch\\-{}(1)", command.get_name().replace('-', "\\-"))),
                "{}",
                command.get_name()
            );
        }
    }

    /// Words as a shell splits them, as far as the examples go.
    fn shell_words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for char in line.chars() {
            match char {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(char),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}
