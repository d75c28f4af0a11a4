//! Child processes: announced before they start, and an error when they fail.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::error::Error;

/// The cargo that runs us, at the workspace's root.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    // An alias starts in the directory of whoever typed it; every path of ours is relative to the root.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace::root()).args(arguments);
    command
}

/// Says what it runs, runs it to its end with our own output streams, and fails when it fails.
///
/// Standard input is closed: nothing in a chore may wait for a person.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    println!("$ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start { command: shown(command), source })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: shown(command), status }) }
}

/// Standard output of a command that ends well; `None` when it is not installed or ends otherwise.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as a person would type it: set variables, then program and arguments.
fn shown(command: &Command) -> String {
    let mut text = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(text, "{}={:?} ", name.to_string_lossy(), value.to_string_lossy());
        }
    }
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    text.push_str(&program.to_string_lossy());
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let _ =
            if argument.contains(' ') { write!(text, " {argument:?}") } else { write!(text, " {argument}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--", "two words"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("CI");
        assert_eq!(shown(&command), r#"RUSTDOCFLAGS="-D warnings" cargo test -- "two words""#);
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(&mut cargo(["no-such-subcommand-of-cargo"])).unwrap_err();
        assert!(error.to_string().starts_with("`cargo no-such-subcommand-of-cargo` ended with"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_has_no_answer() {
        assert_eq!(answer(&mut Command::new("no-such-program-on-any-machine")), None);
        assert!(answer(&mut cargo(["--version"])).unwrap().starts_with("cargo "));
    }
}
