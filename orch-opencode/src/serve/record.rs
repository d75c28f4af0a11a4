//! What was started is written down, so that the next start can end what a killed owner left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::private;
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
        private::directory(directory)?;
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
        private::write(&draft, &serde_json::to_vec(&started)?)?;
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
/// mark; nothing is ever found by name. Unreadable records, and those of another container, are left alone, and so is
/// whatever has an owner that lives.
///
/// # Errors
/// The directory cannot be read. A directory that does not exist holds nothing to sweep.
pub fn sweep(directory: &Path) -> io::Result<Swept> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Swept::default()),
        Err(error) => return Err(error),
    };
    let mut records: Vec<(PathBuf, Started)> = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(started) =
                private::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            records.push((path, started));
        }
    }
    let mut swept = Swept::default();
    if records.is_empty() {
        return Ok(swept);
    }
    let (boot, namespace) = (process::boot(), process::namespace());
    for (path, started) in records {
        let this_boot = started.boot == boot;
        if this_boot && started.namespace != namespace {
            continue;
        }
        let alive = |who: &Identity| this_boot && process::identity(who.pid).as_ref() == Some(who);
        // Nobody starts the first process, and everything descends from it.
        let is_running = |server: &Identity| server.pid > 1 && alive(server);
        // Until its owner has ended what a dead server left, nothing else knows the mark that finds it.
        if alive(&started.owner) {
            continue;
        }
        if is_running(&started.server) {
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
        match fs::remove_file(&path) {
            // Two may sweep at once.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
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
mod tests;
