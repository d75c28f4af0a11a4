//! Processes that drive runs, and whether they still live.

use serde::{Deserialize, Serialize};

/// A process that drives runs, described so exactly that another process on the same machine can tell whether
/// it still lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When the process started, in the kernel's own units; a reused pid differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_start: Option<u64>,
    /// The boot of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// The pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<String>,
    /// The machine's name, for people.
    pub host: String,
}

/// What can be known from here about an owner's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there.
    Present,
    /// It is provably not there.
    Gone,
    /// It is on another machine, or out of sight.
    Unknown,
}

impl Owner {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            process_start: system::process(pid).map(|process| process.start),
            boot_id: system::boot_id(),
            pid_namespace: system::pid_namespace(),
            host: system::host().unwrap_or_else(|| "localhost".to_owned()),
        }
    }

    /// A process on another machine, of which nothing but its number is known.
    pub fn elsewhere(pid: u32, host: impl Into<String>) -> Self {
        Self { pid, process_start: None, boot_id: None, pid_namespace: None, host: host.into() }
    }

    pub(super) fn presence(&self) -> Presence {
        let here = Self::current();
        match (&self.boot_id, &here.boot_id) {
            (Some(boot), Some(here_boot)) if boot == here_boot => {}
            (Some(_), Some(_)) if self.host == here.host => return Presence::Gone,
            _ => return Presence::Unknown,
        }
        if self.pid_namespace != here.pid_namespace {
            return Presence::Unknown;
        }
        match (system::process(self.pid), self.process_start) {
            (None, _) => Presence::Gone,
            (Some(process), _) if !process.runs => Presence::Gone,
            (Some(process), Some(start)) if process.start != start => Presence::Gone,
            (Some(_), _) => Presence::Present,
        }
    }
}

/// A process as the kernel shows it.
struct Process {
    /// In the kernel's own units.
    start: u64,
    /// Whether it is more than an entry that its parent has not collected yet.
    runs: bool,
}

#[cfg(target_os = "linux")]
mod system {
    use std::{fs, path::Path};

    use super::Process;

    /// See `proc_pid_stat(5)`: the state is field 3 and the start time field 22. The name before them is in
    /// parentheses and may itself contain any character.
    pub(super) fn process(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        let start = fields.nth(18)?.parse().ok()?;
        Some(Process { start, runs: !matches!(state, "Z" | "X" | "x") })
    }

    pub(super) fn boot_id() -> Option<String> {
        line("/proc/sys/kernel/random/boot_id")
    }

    pub(super) fn pid_namespace() -> Option<String> {
        let link = fs::read_link(Path::new("/proc/self/ns/pid")).ok()?;
        link.to_str().map(str::to_owned)
    }

    pub(super) fn host() -> Option<String> {
        line("/proc/sys/kernel/hostname")
    }

    fn line(path: &str) -> Option<String> {
        let text = fs::read_to_string(path).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// macOS has no `/proc`; its tools tell the same. Other systems may do so too, else nothing is known.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::{Command, Stdio};

    use sha2::{Digest, Sha256};

    use super::Process;

    pub(super) fn process(pid: u32) -> Option<Process> {
        let text = output("/bin/ps", &["-o", "stat=,lstart=", "-p", &pid.to_string()])?;
        let (state, start) = text.split_once(char::is_whitespace)?;
        let digest = Sha256::digest(start.trim());
        let start = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(Process { start, runs: !state.starts_with('Z') })
    }

    pub(super) fn boot_id() -> Option<String> {
        output("/usr/sbin/sysctl", &["-n", "kern.bootsessionuuid"])
    }

    pub(super) fn pid_namespace() -> Option<String> {
        None
    }

    pub(super) fn host() -> Option<String> {
        output("/bin/hostname", &[])
    }

    fn output(program: &str, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let text = text.trim();
        (output.status.success() && !text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_judged_only_as_far_as_it_can_be_seen() {
        let here = Owner::current();
        let gone = Owner { pid: u32::MAX - 1, ..here.clone() };
        let reused = Owner { process_start: here.process_start.map(|start| start + 1), ..here.clone() };
        let rebooted = Owner { boot_id: Some("another boot".into()), ..here.clone() };
        let container = Owner { pid_namespace: Some("pid:[1]".into()), ..gone.clone() };
        let abroad = Owner { host: "elsewhere".into(), ..rebooted.clone() };
        let table = [
            ("this process", here, Presence::Present),
            ("no such pid", gone, Presence::Gone),
            ("a reused pid", reused, Presence::Gone),
            ("an earlier boot of this machine", rebooted, Presence::Gone),
            ("another pid namespace", container, Presence::Unknown),
            ("another machine", abroad, Presence::Unknown),
            ("another machine, described by name only", Owner::elsewhere(1, "elsewhere"), Presence::Unknown),
        ];
        for (name, owner, expected) in table {
            assert_eq!(owner.presence(), expected, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_ended_but_was_not_collected_is_gone() {
        use std::{io::Read, process::Stdio};
        let mut child = std::process::Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
        let start = system::process(child.id()).unwrap().start;
        let owner = Owner { pid: child.id(), process_start: Some(start), ..Owner::current() };
        // The pipe closes when the process ends; it stays a zombie until `wait`.
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
        while system::process(child.id()).unwrap().runs {
            std::thread::yield_now();
        }
        assert_eq!(owner.presence(), Presence::Gone);
        child.wait().unwrap();
    }
}
