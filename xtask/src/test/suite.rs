//! No process of a suite is left when a stage of it has ended.
//!
//! Everything that a stage runs works in a temporary directory of this suite's own, so the path of that directory is
//! in the environment of whatever a test starts: as `TMPDIR`, or in the homes and state directories that tests make
//! below it. Before the suite there is no such process, and after each stage there must be none. Two suites on one
//! machine do not see each other. Only Linux shows the environment of a process; elsewhere nothing is found.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long a process that was ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The temporary directory of everything that this process runs.
pub(super) fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("orch-suite-{}", std::process::id()))
}

/// From its beginning to its end, when its directory is removed.
pub(super) struct Suite(PathBuf);

impl Suite {
    pub(super) fn begin() -> Result<Self, Error> {
        let directory = directory();
        let failed = |source| Error::File { action: "create", path: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(failed)?;
        Ok(Self(directory))
    }

    /// Fails with every process of this suite that has not ended, after waiting a while for it.
    pub(super) fn nobody_left(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = processes(&self.0);
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Check(format!("processes were left behind: {}", left.join(", "))));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        // What is left of it is in the system's temporary directory, which is emptied now and then.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `pid (command)` of each process with this path in its environment.
fn processes(directory: &Path) -> Vec<String> {
    let needle = directory.as_os_str().as_encoded_bytes();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbered = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<u32>().is_ok())
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(numbered)
        .filter(|process| {
            // A process that has ended and waits for its parent has no environment any more.
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            environment.windows(needle.len()).any(|window| window == needle)
        })
        .map(|process| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            let pid = process.file_name().unwrap_or_default().display().to_string();
            format!("{pid} ({})", words.join(" ").trim())
        })
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_that_stays_is_named_and_that_of_another_suite_is_not() {
        let sleeper =
            |home: &str| Command::new("sleep").arg("611").env_clear().env("HOME", home).spawn().unwrap();
        let (mut ours, mut theirs) = (sleeper("/suite-of-a-test/a/home"), sleeper("/another/a/home"));
        let expected = format!("{} (sleep 611)", ours.id());
        // Until it runs its program, a child has the environment of its parent.
        while processes(Path::new("/suite-of-a-test/")) != [expected.as_str()] {
            thread::yield_now();
        }
        for process in [&mut ours, &mut theirs] {
            process.kill().unwrap();
        }
        ours.wait().unwrap();
        theirs.wait().unwrap();
        assert!(processes(Path::new("/suite-of-a-test/")).is_empty());
    }
}
