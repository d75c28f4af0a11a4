//! What was started is written down, so that the next start can end what a killed owner left behind.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::process::{self, Identity};

/// One started server, as the file that bears its process id says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    boot: String,
    #[serde(default)]
    namespace: String,
    server: Identity,
    owner: Identity,
    #[serde(default)]
    mark: String,
}

/// A record that disappears with the server that it is about.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
}

impl Record {
    /// Writes down that this process started the server. There is nothing to write down when it has ended already.
    pub(super) fn write(directory: &Path, server: u32, mark: &str) -> io::Result<Option<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let (Some(server_identity), Some(owner)) =
            (process::identity(server), process::identity(std::process::id()))
        else {
            return Ok(None);
        };
        let started = Started {
            boot: process::boot(),
            namespace: process::namespace(),
            server: server_identity,
            owner,
            mark: mark.to_owned(),
        };
        let path = directory.join(format!("{server}.json"));
        let draft = directory.join(format!("{server}.json.new"));
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        serde_json::to_writer(file, &started)?;
        fs::rename(&draft, &path)?;
        Ok(Some(Self { path }))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // A record that stays is harmless: it names a process that is gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Servers that had lost their owner and were ended, with everything below them.
    pub ended: Vec<u32>,
    /// Records of servers that were gone already.
    pub stale: usize,
    /// Processes that such servers had left behind and that were ended.
    pub survivors: Vec<u32>,
}

/// Ends every recorded server whose owner is dead, with everything below it. A process is only signalled when process id,
/// start time and boot all match the record, when it is below such a process, or when it carries the server's random
/// mark; nothing is ever found by name. Unreadable records, and those of another container, are left alone.
///
/// # Errors
/// The directory cannot be read. A directory that does not exist holds nothing to sweep.
pub fn sweep(directory: &Path) -> io::Result<Swept> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Swept::default()),
        Err(error) => return Err(error),
    };
    let mut swept = Swept::default();
    let (boot, namespace) = (process::boot(), process::namespace());
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(started) =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Started>(&bytes).ok())
        else {
            continue;
        };
        let this_boot = started.boot == boot;
        if this_boot && started.namespace != namespace {
            continue;
        }
        let alive = |who: &Identity| this_boot && process::identity(who.pid).as_ref() == Some(who);
        if alive(&started.owner) {
            if alive(&started.server) {
                continue;
            }
            swept.stale += 1;
        } else if alive(&started.server) {
            let below = process::below(Some(started.server.pid), &started.mark);
            process::signal(&started.server, Signal::SIGKILL);
            end(&below, &started.mark);
            swept.ended.push(started.server.pid);
        } else {
            let below = if this_boot { process::below(None, &started.mark) } else { Vec::new() };
            end(&below, &started.mark);
            swept.survivors.extend(below.iter().map(|survivor| survivor.pid));
            swept.stale += 1;
        }
        fs::remove_file(&path)?;
    }
    Ok(swept)
}

/// Kills these, and what they started meanwhile.
fn end(below: &[Identity], mark: &str) {
    for child in below.iter().chain(&process::below(None, mark)) {
        process::signal(child, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    fn rewrite(directory: &Path, pid: u32, change: impl FnOnce(&mut Started)) {
        let path = directory.join(format!("{pid}.json"));
        let mut started: Started = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut started);
        fs::write(&path, serde_json::to_vec(&started).unwrap()).unwrap();
    }

    #[test]
    fn only_a_server_without_its_owner_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let (mut owned, mut orphan, mut reused, mut earlier) = (sleeper(), sleeper(), sleeper(), sleeper());
        let records = [&owned, &orphan, &reused, &earlier]
            .map(|child| Record::write(directory.path(), child.id(), "").unwrap());
        let nobody = |started: &mut Started| started.owner.started = "never".to_owned();
        rewrite(directory.path(), orphan.id(), nobody);
        rewrite(directory.path(), reused.id(), |started| {
            nobody(started);
            started.server.started = "never".to_owned();
        });
        rewrite(directory.path(), earlier.id(), |started| {
            nobody(started);
            started.boot = "another".to_owned();
        });
        fs::write(directory.path().join("7.json"), "not a record").unwrap();

        let swept = sweep(directory.path()).unwrap();

        assert_eq!(swept, Swept { ended: vec![orphan.id()], stale: 2, survivors: vec![] });
        assert!(!orphan.wait().unwrap().success());
        for child in [&mut owned, &mut reused, &mut earlier] {
            assert!(child.try_wait().unwrap().is_none(), "a process that is not ours to end was ended");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        drop(records);
        let left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["7.json"]);
    }

    /// The server is gone, and with it everything that led to the tool but its mark.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_dead_server_left_behind_is_found_by_its_mark() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = sleeper();
        let mark = format!("mark-{}", crate::id::random());
        let record = Record::write(directory.path(), server.id(), &mark).unwrap();
        let mut tool = Command::new("sleep").arg("60").env(process::MARK_VARIABLE, &mark).spawn().unwrap();
        let mut stranger =
            Command::new("sleep").arg("60").env(process::MARK_VARIABLE, "another").spawn().unwrap();
        rewrite(directory.path(), server.id(), |started| started.owner.started = "never".to_owned());
        server.kill().unwrap();
        server.wait().unwrap();

        let swept = sweep(directory.path()).unwrap();

        assert_eq!(swept, Swept { ended: vec![], stale: 1, survivors: vec![tool.id()] });
        assert!(!tool.wait().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none(), "a process with another mark was ended");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        drop(record);
    }

    #[test]
    fn a_record_of_another_container_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = sleeper();
        let record = Record::write(directory.path(), server.id(), "").unwrap();
        rewrite(directory.path(), server.id(), |started| {
            started.namespace = "another".to_owned();
            started.owner.started = "never".to_owned();
        });
        assert_eq!(sweep(directory.path()).unwrap(), Swept::default());
        assert!(server.try_wait().unwrap().is_none());
        server.kill().unwrap();
        server.wait().unwrap();
        drop(record);
    }

    #[test]
    fn nothing_recorded_is_nothing_to_do() {
        assert_eq!(sweep(Path::new("/nowhere/at/all")).unwrap(), Swept::default());
    }
}
