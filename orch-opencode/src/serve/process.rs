//! Processes as the kernel knows them: who belongs to whom, and who is still the same.

use std::collections::{HashMap, HashSet};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Carries the random mark of one started server. Everything below it inherits the mark, also what has left its tree and
/// its process group, as a tool does that outlives the shell it was started from.
pub(super) const MARK_VARIABLE: &str = "ORCH_SPAWN";

/// One process, told apart from a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// When it started, in the system's own terms.
    pub(super) started: String,
}

#[derive(Debug, Clone)]
struct Seen {
    parent: u32,
    group: u32,
    identity: Identity,
}

/// The process with this id, if there is one that has not ended.
pub(super) fn identity(pid: u32) -> Option<Identity> {
    seen(pid).map(|seen| seen.identity)
}

/// Everything that belongs to a server at this moment, without the server itself: what descends from it, is in its
/// process group, or carries its mark. `root` only as long as its process id cannot have been given to somebody else.
pub(super) fn below(root: Option<u32>, mark: &str) -> Vec<Identity> {
    let table = table();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut queue: Vec<u32> = root.into_iter().collect();
    for (pid, seen) in &table {
        children.entry(seen.parent).or_default().push(*pid);
        if Some(seen.group) == root || carries(*pid, mark) {
            queue.push(*pid);
        }
    }
    // Whoever looks is not below what it looks at, whatever it has inherited.
    let own = Some(std::process::id()).filter(|own| root != Some(*own));
    let (mut found, mut known) = (Vec::new(), own.into_iter().collect::<HashSet<u32>>());
    while let Some(pid) = queue.pop() {
        if !known.insert(pid) {
            continue;
        }
        queue.extend(children.get(&pid).into_iter().flatten());
        if Some(pid) != root {
            found.extend(table.get(&pid).map(|seen| seen.identity.clone()));
        }
    }
    found
}

/// The mark is in the environment that the process was started with. Only Linux shows that.
fn carries(pid: u32, mark: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let wanted = format!("{MARK_VARIABLE}={mark}");
    !mark.is_empty() && environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Signals a process if it is still the one that is meant.
pub(super) fn signal(target: &Identity, signal: Signal) {
    if identity(target.pid).as_ref() == Some(target)
        && let Some(pid) = as_pid(target.pid)
    {
        // It may end between the look and the signal: then there is nothing left to do.
        let _ = kill(pid, signal);
    }
}

/// Signals the process group that this process leads. The caller knows that it has not been reaped, so that neither
/// id can have been given to somebody else.
pub(super) fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = as_pid(leader) {
        let _ = killpg(pid, signal);
    }
}

/// The id as the system takes it; never one that means "everybody".
fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// Names this start of the machine, so that a record from before a reboot means nothing.
pub(super) fn boot() -> String {
    #[cfg(target_os = "linux")]
    {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let output =
            std::process::Command::new("/usr/sbin/sysctl").args(["-n", "kern.bootsessionuuid"]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }
}

/// Names the space that process ids are counted in: another container counts its own.
pub(super) fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Every process that has not ended.
#[cfg(target_os = "linux")]
fn table() -> HashMap<u32, Seen> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, seen(pid)?))).collect()
}

/// The process with this id that has not ended.
#[cfg(target_os = "linux")]
fn seen(pid: u32) -> Option<Seen> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let (state, parent, group) = (fields.first()?, fields.get(1)?, fields.get(2)?);
    let started = fields.get(19)?;
    if matches!(*state, "Z" | "X") {
        return None;
    }
    let identity = Identity { pid, started: (*started).to_owned() };
    Some(Seen { parent: parent.parse().ok()?, group: group.parse().ok()?, identity })
}

/// The process with this id that has not ended.
#[cfg(not(target_os = "linux"))]
fn seen(pid: u32) -> Option<Seen> {
    table().remove(&pid)
}

/// Every process that has not ended.
#[cfg(not(target_os = "linux"))]
fn table() -> HashMap<u32, Seen> {
    let output =
        std::process::Command::new("/bin/ps").args(["-A", "-o", "pid=,ppid=,pgid=,state=,lstart="]).output();
    let Ok(output) = output else { return HashMap::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let mut number = || fields.next()?.parse().ok();
            let (pid, parent, group) = (number()?, number()?, number()?);
            if fields.next()?.starts_with('Z') {
                return None;
            }
            let identity = Identity { pid, started: fields.collect::<Vec<_>>().join(" ") };
            Some((pid, Seen { parent, group, identity }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_below_us_and_is_gone_after_it_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = identity(child.id()).unwrap();
        assert!(below(Some(std::process::id()), "").contains(&found));

        let stranger = Identity { started: "never".to_owned(), ..found.clone() };
        signal(&stranger, Signal::SIGKILL);
        assert!(
            child.try_wait().unwrap().is_none(),
            "another process with the same id must not be signalled"
        );

        signal(&found, Signal::SIGKILL);
        child.wait().unwrap();
        assert_eq!(identity(found.pid), None);
    }

    #[test]
    fn nobody_can_mean_everybody() {
        assert_eq!(as_pid(0), None);
        assert_eq!(as_pid(1), None);
        assert_eq!(as_pid(u32::MAX), None);
    }
}
