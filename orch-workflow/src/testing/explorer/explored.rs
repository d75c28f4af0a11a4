//! What an exploration has found.

use std::{fmt, iter::Sum, ops::AddAssign};

use super::run::{Crash, Trouble};
use crate::record::Record;

/// The sum of an exploration. Several can be added up.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Explored {
    /// Runs without a crash that others were compared with.
    pub runs: u64,
    /// Points at which the process has died; the sum of `ends`, `statuses` and `blind`.
    pub points: u64,
    /// Of these: the run and every step and attempt of it were compared with the run without a crash.
    pub ends: u64,
    /// Of these: the run ended before all was done, and how far its parallel steps had come depends on which was
    /// faster; only the status of the run was compared.
    pub statuses: u64,
    /// Of these: the host could not tell afterwards what had become of the work, so that a person had to decide; only
    /// the laws were checked.
    pub blind: u64,
    /// Answers of the host that are nowhere in the journal.
    pub lost: u64,
    /// Prompts that have reached a model more than once.
    pub doubled: u64,
    /// Everything that was not as it should be, the first few.
    pub findings: Vec<Finding>,
}

/// One thing that was not as it should be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// In words.
    pub message: String,
    /// How the processes before have died; empty without a crash.
    pub crashes: String,
    /// The journal, as far as it was written.
    pub journal: Vec<Record>,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// An answer of the host is nowhere in the journal.
    Lost,
    /// A prompt has reached a model more than once.
    Doubled,
    /// A law is broken.
    Law,
    /// The journal does not tell the state, or cannot be read.
    Replay,
    /// A decision was refused that was accepted without a crash, or is never possible.
    Refused,
    /// The run does not come to its end.
    Stuck,
    /// The run comes to another end than without a crash.
    Outcome,
    /// A run that has ended cannot be forked where it has all results.
    Fork,
}

/// What of a run that has come through a crash is held against the one without.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compared {
    End,
    Status,
    Laws,
}

impl Explored {
    /// So many findings are kept; all are counted.
    const KEPT: usize = 20;

    /// Takes note of a point.
    pub(crate) fn died(&mut self, compared: Compared) {
        self.points += 1;
        match compared {
            Compared::End => self.ends += 1,
            Compared::Status => self.statuses += 1,
            Compared::Laws => self.blind += 1,
        }
    }

    /// Takes note of a finding.
    pub(crate) fn found(&mut self, finding: Finding) {
        match finding.kind {
            FindingKind::Lost => self.lost += 1,
            FindingKind::Doubled => self.doubled += 1,
            _ => {}
        }
        if self.findings.len() < Self::KEPT {
            self.findings.push(finding);
        }
    }

    /// Takes note of what was lost or doubled in a run that has ended.
    pub(crate) fn audit(
        &mut self,
        lost: Vec<String>,
        doubled: Vec<String>,
        crashes: impl Fn() -> String,
        journal: &[Record],
    ) {
        let lost = lost.into_iter().map(|message| (FindingKind::Lost, message));
        let doubled = doubled.into_iter().map(|message| (FindingKind::Doubled, message));
        for (kind, message) in lost.chain(doubled) {
            self.found(Finding { kind, message, crashes: crashes(), journal: journal.to_vec() });
        }
    }
}

impl AddAssign for Explored {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.points += other.points;
        self.ends += other.ends;
        self.statuses += other.statuses;
        self.blind += other.blind;
        self.lost += other.lost;
        self.doubled += other.doubled;
        let room = Self::KEPT.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
    }
}

impl Sum for Explored {
    fn sum<I: Iterator<Item = Self>>(explored: I) -> Self {
        explored.fold(Self::default(), |mut sum, explored| {
            sum += explored;
            sum
        })
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, points, ends, statuses, blind, lost, doubled, findings } = self;
        write!(
            f,
            "{points} crash points in {runs} runs ({ends} to the whole end, {statuses} to the status, {blind} to the \
             laws): {lost} lost, {doubled} doubled"
        )?;
        findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

impl Finding {
    pub(crate) fn new(trouble: Trouble, crashes: String, journal: &[Record]) -> Self {
        let (kind, message) = match trouble {
            Trouble::Broken(broken) => (FindingKind::Law, broken.to_string()),
            Trouble::Replay(message) => (FindingKind::Replay, message),
            Trouble::Refused(rejected) => (FindingKind::Refused, rejected.to_string()),
            Trouble::Fork(error) => (FindingKind::Fork, error.to_string()),
            Trouble::Stuck(message) => (FindingKind::Stuck, message),
        };
        Self { kind, message, crashes, journal: journal.to_vec() }
    }

    pub(crate) fn outcome(message: String, crashes: String, journal: &[Record]) -> Self {
        Self { kind: FindingKind::Outcome, message, crashes, journal: journal.to_vec() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} ({})", self.kind, self.message, self.crashes)?;
        for record in &self.journal {
            write!(f, "\n  {:>3} {:?}", record.seq, record.body)?;
        }
        Ok(())
    }
}

/// How the processes of a run have died.
pub(super) fn told(path: &[(usize, Crash)]) -> String {
    if path.is_empty() {
        return "without a crash".to_owned();
    }
    let one = |(records, crash): &(usize, Crash)| {
        let Crash { unseen, downtime_ms, blind } = crash;
        let blind = if *blind { ", on a host that cannot tell" } else { "" };
        format!("crash after record {records}, unseen {unseen:?}, continued {downtime_ms} ms later{blind}")
    };
    path.iter().map(one).collect::<Vec<_>>().join("; then ")
}
