//! Which version a program says that it is.

use std::{ffi::OsString, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    process::Command,
    sync::Mutex,
    time::{Instant, timeout},
};

use super::environment::Environment;
use crate::error::{HostError, HostErrorKind};

/// `--version` answers within a second or two; a program that does not is not OpenCode.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long an answer is believed: long enough for servers that start together, short enough that a program that was
/// replaced, whatever lies between its path and what it runs, is soon known as what it is.
const KNOWN: Duration = Duration::from_secs(60);

/// What programs said of their version, for all servers that are started from them in the same minute: to ask takes a
/// second of a processor (observed on OpenCode 1.18.33).
///
/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Versions(Arc<Mutex<Option<Answer>>>);

#[derive(Debug)]
struct Answer {
    program: (PathBuf, Vec<OsString>),
    version: String,
    at: Instant,
}

impl Versions {
    /// The version of this program with these first arguments. Whoever asks meanwhile waits for the same answer.
    ///
    /// # Errors
    /// `spawn` when it cannot be executed, does not answer in time, or is no OpenCode.
    pub(super) async fn of(
        &self,
        program: PathBuf,
        arguments: &[OsString],
        environment: &Environment,
    ) -> Result<String, HostError> {
        let program = (program, arguments.to_vec());
        let mut known = self.0.lock().await;
        if let Some(answer) = &*known
            && answer.program == program
            && answer.at.elapsed() < KNOWN
        {
            return Ok(answer.version.clone());
        }
        let version = ask(&program.0, arguments, environment).await?;
        *known = Some(Answer { program, version: version.clone(), at: Instant::now() });
        Ok(version)
    }
}

async fn ask(
    program: &std::path::Path,
    arguments: &[OsString],
    environment: &Environment,
) -> Result<String, HostError> {
    let asked = Command::new(program)
        .args(arguments)
        .arg("--version")
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let problem = |detail: String| {
        let action = format!("ask {} for its version", program.display());
        HostError::new(HostErrorKind::Spawn, action, "", detail)
    };
    let answered = timeout(PATIENCE, asked).await.map_err(|_| problem("it does not answer".to_owned()))?;
    let output = answered.map_err(|error| problem(error.to_string()))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !version.is_empty() && version.len() < 64 {
        return Ok(version);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().chars().take(400).collect::<String>();
    Err(problem(format!("it is not OpenCode, or it is broken ({}): {version} {said}", output.status)))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use tokio::time::advance;

    use super::*;

    /// A program that answers with the number of times that it was asked.
    fn counter(folder: &Path) -> PathBuf {
        let program = folder.join("counter");
        let script = format!("#!/bin/sh\necho >> {0}/asked\nwc -l < {0}/asked\n", folder.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[tokio::test]
    async fn those_who_start_together_ask_once_and_what_is_old_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let program = counter(folder.path());
        let environment = Environment::inherit([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
        let versions = Versions::default();
        let ask = || versions.of(program.clone(), &[], &environment);
        let together = tokio::join!(ask(), ask(), ask());
        for version in [together.0, together.1, together.2] {
            assert_eq!(version.unwrap(), "1");
        }
        let other = versions.of(program.clone(), &["x".into()], &environment).await.unwrap();
        assert_eq!(other, "2", "with another argument it is another program");
        assert_eq!(ask().await.unwrap(), "3");
        tokio::time::pause();
        advance(KNOWN).await;
        tokio::time::resume();
        assert_eq!(ask().await.unwrap(), "4");
    }

    #[tokio::test]
    async fn what_is_no_opencode_is_told_and_not_remembered() {
        let environment = Environment::inherit([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
        let versions = Versions::default();
        let error = versions.of("/bin/false".into(), &[], &environment).await.unwrap_err();
        assert!(error.to_string().contains("it is not OpenCode, or it is broken"), "{error}");
        assert!(versions.0.lock().await.is_none());
    }
}
