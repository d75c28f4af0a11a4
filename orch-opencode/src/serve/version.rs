//! Which version a program says that it is.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

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

/// The package of npm, which is of one version with the program in it.
const PACKAGE: &str = "opencode-ai";

/// What programs said of their version, for all servers that are started from them in the same minute: to ask takes a
/// second of a processor (observed on OpenCode 1.18.33). A program that npm has installed is not asked at all.
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
        if arguments.is_empty()
            && let Some(version) = packaged(&program)
        {
            return Ok(version);
        }
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

/// What the package says that this program belongs to, if it does to one: `opencode-ai/bin/opencode` beside
/// `opencode-ai/package.json`.
fn packaged(program: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let program = program.canonicalize().ok()?;
    let folder = program.parent().filter(|folder| folder.ends_with("bin"))?.parent()?;
    let package: Package = serde_json::from_slice(&fs::read(folder.join("package.json")).ok()?).ok()?;
    (package.name == PACKAGE).then_some(package.version)
}

async fn ask(program: &Path, arguments: &[OsString], environment: &Environment) -> Result<String, HostError> {
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
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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
    async fn a_program_of_npm_is_of_the_version_of_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("lib/node_modules/opencode-ai");
        fs::create_dir_all(package.join("bin")).unwrap();
        let program = counter(&package.join("bin"));
        let link = folder.path().join("opencode");
        symlink(&program, &link).unwrap();
        let environment = Environment::inherit([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
        let version = async |json: &str, arguments: &[OsString]| {
            fs::write(package.join("package.json"), json).unwrap();
            Versions::default().of(link.clone(), arguments, &environment).await.unwrap()
        };
        let ours = r#"{ "name": "opencode-ai", "version": "1.2.3", "bin": {} }"#;
        assert_eq!(version(ours, &[]).await, "1.2.3");
        assert_eq!(version(ours, &["x".into()]).await, "1", "asked: who knows what it starts then");
        assert_eq!(version(r#"{ "name": "mine", "version": "1.2.3" }"#, &[]).await, "2", "asked");
        assert_eq!(version("no JSON", &[]).await, "3", "asked");
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
